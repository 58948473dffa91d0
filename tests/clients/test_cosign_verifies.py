"""Unmodified cosign, 2.5 and 3.1, on what Assay signs and serves; each yes with a no for the right reason beside it."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from newer_suites import program
from registry_pieces import Room, index_of
from registry_server import Server, started
from signing_pieces import P256, Desk

from assay.clock import SECOND
from assay.oci import Digest
from assay.signing import signatures
from assay.storage import Store
from assay.vault import keys
from assay.vault.resources import Key
from assay.vault.shapes import KeyAlgorithm, KeyShape

pytestmark = [pytest.mark.real, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

SHAPES = [P256, KeyShape(KeyAlgorithm.ECDSA, 48), KeyShape(KeyAlgorithm.ECDSA, 66), KeyShape(KeyAlgorithm.RSA, 256)]


@dataclass(frozen=True)
class Cosign:
    """One version of cosign, signed in to the server."""

    program: Path
    server: Server
    home: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = self.server.account
        credentials = ["--registry-username", account.login, "--registry-password", account.token]
        return subprocess.run(
            [self.program, *arguments[:1], "--allow-http-registry", *credentials, *arguments[1:]],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "COSIGN_PASSWORD": ""},
        )

    def verify(self, image: str, public_pem: str) -> subprocess.CompletedProcess[str]:
        """`cosign verify --key`, without the public transparency log."""
        (self.home / "key.pub").write_text(public_pem)
        return self.run("verify", "--key", "key.pub", "--insecure-ignore-tlog", image)

    def accepts(self, image: str, public_pem: str, digest: Digest) -> None:
        """Fail unless cosign verifies, and says so of this digest."""
        done = self.verify(image, public_pem)
        assert done.returncode == 0, done.stderr
        assert digest.text in done.stdout

    def refuses(self, image: str, public_pem: str, why: str) -> None:
        """Fail unless cosign refuses, for this reason (a regular expression)."""
        done = self.verify(image, public_pem)
        assert done.returncode != 0, done.stdout
        assert re.search(why, done.stderr), done.stderr

    @property
    def wrong_key(self) -> str:
        """How this version says that a signature is not the key's: 2.5 of the tag, 3.1 of the bundle."""
        if "trixie" in self.program.parts:
            return r"no matching signatures: (invalid signature when validating ASN\.1|crypto/rsa: verification error)"
        return "failed to verify signature: could not verify envelope"


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def desk(server: Server) -> Desk:
    room = Room(server.store, server.blobs, server.services.intake)
    return Desk.of(room, server.account.actor, server.account.namespace, f"127.0.0.1:{server.port}")


@pytest.fixture(params=["trixie", "sid"])
def cosign(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Cosign:
    """cosign 2.5 of Debian's stable suite, which reads the signature tag; 3.1 of unstable, which prefers bundles."""
    return Cosign(program(request.param, "cosign"), server, tmp_path)


def public(desk: Desk, key: Key) -> str:
    return keys.get_key_version(desk.store, desk.actor, key.ocid, key.current_version).public_pem


def name(desk: Desk, reference: str | Digest) -> str:
    return f"{desk.host}/{desk.namespace}/team/app{'@' if isinstance(reference, Digest) else ':'}{reference}"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cosign_verifies_what_assay_signed_with_its_key_and_with_no_other(
    desk: Desk, cosign: Cosign, shape: KeyShape
) -> None:
    image, digest = desk.push()
    key, other = desk.key(shape), desk.key(shape, "other")
    desk.sign(image, key, tag="v1")
    desk.deliver()
    cosign.accepts(name(desk, digest), public(desk, key), digest)
    cosign.accepts(name(desk, "v1"), public(desk, key), digest)
    cosign.refuses(name(desk, digest), public(desk, other), cosign.wrong_key)


def test_cosign_finds_no_signature_on_an_image_that_is_not_signed(desk: Desk, cosign: Cosign) -> None:
    image, _ = desk.push("v1", "signed")
    key = desk.key()
    desk.sign(image, key)
    desk.deliver()
    _, other = desk.push("v1", "another under the same tag")
    cosign.refuses(name(desk, other), public(desk, key), "no signatures found")
    cosign.refuses(name(desk, "v1"), public(desk, key), "no signatures found")


def test_cosign_finds_a_deleted_signature_no_more(desk: Desk, cosign: Cosign) -> None:
    image, digest = desk.push()
    key = desk.key()
    made = desk.sign(image, key)
    done = desk.deliver()
    cosign.accepts(name(desk, digest), public(desk, key), digest)
    signatures.delete_signature(desk.store, desk.actor, made.ocid)
    desk.deliver(done)
    cosign.refuses(name(desk, digest), public(desk, key), "no signatures found")


def test_cosign_verifies_an_index_and_each_of_its_platforms(desk: Desk, cosign: Cosign) -> None:
    children = [
        desk.room.push_image("", f"child {number}", actor=desk.actor, settle_microseconds=SECOND) for number in range(2)
    ]
    made = desk.room.put(
        index_of(
            *((content, architecture) for (_, content), architecture in zip(children, ("amd64", "arm64"), strict=True))
        ),
        "multi",
        actor=desk.actor,
    )
    key = desk.key()
    desk.sign(made.image, key)
    desk.deliver()
    for digest in (made.digest, *(pushed.digest for pushed, _ in children)):
        cosign.accepts(name(desk, digest), public(desk, key), digest)


def test_what_cosign_signs_beside_ours_stands_beside_ours(desk: Desk, cosign: Cosign) -> None:
    """A user's own signature, by a key of their own: both verify, and only ours counts here."""
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    done = desk.deliver()
    made = subprocess.run(
        [cosign.program, "generate-key-pair", "--output-key-prefix", "mine"],
        cwd=cosign.home,
        env={"HOME": str(cosign.home), "COSIGN_PASSWORD": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    signing = ["--tlog-upload=false"]
    if "sid" in str(cosign.program):
        config = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json", "rekorTlogConfig": {}}
        (cosign.home / "config.json").write_text(json.dumps(config | {"tsaConfig": {}}))
        signing = ["--signing-config", "config.json"]
    signed = cosign.run("sign", "--key", "mine.key", "-y", *signing, name(desk, digest))
    assert signed.returncode == 0, signed.stderr
    desk.deliver(done)
    cosign.accepts(name(desk, digest), public(desk, key), digest)
    cosign.accepts(name(desk, digest), (cosign.home / "mine.pub").read_text(), digest)
    assert desk.trust(digest, key).is_trusted


def test_a_push_that_replaces_our_signature_tag_loses_it_only_for_a_moment(desk: Desk, cosign: Cosign) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    done = desk.deliver()
    (ours,) = desk.layers(digest)
    desk.push_signature(digest, (desk.blob(ours.payload_digest), b"forged"))
    desk.deliver(done)
    cosign.accepts(name(desk, digest), public(desk, key), digest)
