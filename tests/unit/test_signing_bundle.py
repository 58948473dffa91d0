"""Sigstore bundles v0.3: what cosign 3.1.1 wrote, byte for byte, and strictly read."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import Refused
from assay.oci import Descriptor, Digest, MediaType
from assay.signing import bundle
from assay.signing.envelope import Form
from assay.vault import algorithms, shapes

REAL: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "signing" / "cosign.json").read_text())
IMAGE = Digest.of(REAL["image_manifest"].encode())
BUNDLE: bytes = REAL["bundle"].encode()
PUBLIC = algorithms.load_public_pem(REAL["public_key"])


def test_our_bundle_has_the_bytes_that_cosign_writes() -> None:
    claim = bundle.read(BUNDLE)
    made = bundle.encode(bundle.statement(IMAGE), claim.signature, bundle.hint(algorithms.spki(PUBLIC)))
    assert made == BUNDLE


def test_cosigns_own_bundle_verifies() -> None:
    claim = bundle.read(BUNDLE)
    assert (claim.form, claim.digests, claim.reference) == (Form.BUNDLE, (IMAGE,), "")
    assert algorithms.verify(PUBLIC, shapes.SigningAlgorithm.ECDSA_SHA_256, claim.signed, claim.signature)


def test_the_signed_bytes_are_those_of_the_dsse_protocol() -> None:
    # the example of the DSSE protocol document
    assert bundle.signed_bytes(b"hello world", "http://example.com/HelloWorld") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_our_manifest_says_what_cosigns_says() -> None:
    subject = Descriptor(MediaType.OCI_MANIFEST, IMAGE, len(REAL["image_manifest"]))
    made = bundle.artifact(BUNDLE, subject, "2026-11-21T23:47:45Z")
    ours, real = json.loads(made.manifest), json.loads(REAL["bundle_manifest"])
    del real["config"]["artifactType"]  # a member of cosign's own, outside the image specification
    assert ours == real
    assert made.config == b"{}"
    assert Digest.of(made.config).text == ours["config"]["digest"]
    assert bundle.layer_of(made.manifest) == Digest.of(made.bundle)


def test_the_layer_of_cosigns_manifest_is_found() -> None:
    assert bundle.layer_of(REAL["bundle_manifest"].encode()) == Digest.of(BUNDLE)


def changed(statement: object = None, **envelope: object) -> bytes:
    """The real bundle with another statement, or other members of its envelope."""
    document = json.loads(BUNDLE)
    if statement is not None:
        text = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
        document["dsseEnvelope"]["payload"] = base64.b64encode(text).decode()
    document["dsseEnvelope"] |= envelope
    return json.dumps(document).encode()


STATEMENT = json.loads(base64.b64decode(json.loads(BUNDLE)["dsseEnvelope"]["payload"]))


def test_of_several_subjects_each_exact_digest_is_read() -> None:
    other = hashlib.sha256(b"other").hexdigest()
    subjects = [{"digest": {"sha256": other}}, *STATEMENT["subject"]]
    assert bundle.read(changed(STATEMENT | {"subject": subjects})).digests == (Digest(f"sha256:{other}"), IMAGE)


@pytest.mark.parametrize(
    "content",
    [
        changed(STATEMENT | {"_type": "https://in-toto.io/Statement/v0.1"}),
        changed(STATEMENT | {"predicateType": "https://slsa.dev/provenance/v1"}),
        changed(STATEMENT | {"subject": []}),
        changed(STATEMENT | {"subject": [{}]}),
        changed(STATEMENT | {"subject": STATEMENT["subject"] * 65}),
        changed(STATEMENT | {"subject": [{"digest": {"sha512": "a" * 128}}]}),
        changed(STATEMENT | {"subject": [{"digest": {"sha256": "A" * 64}}]}),
        changed(STATEMENT | {"subject": [{"digest": {"sha256": ["a" * 64]}}]}),
        changed(b'{"_type":"x",' + json.dumps(STATEMENT).encode()[1:]),
        changed(b"junk"),
        changed(payloadType="text/plain"),
        changed(payload="no base64"),
        changed(signatures=[]),
        changed(signatures=[{"sig": "QUJD"}, {"sig": "QUJD"}]),
        changed(signatures=[{}]),
        changed(signatures=["QUJD"]),
        changed(signatures=[{"sig": "QUJD "}]),
        changed(extra=1),
        BUNDLE.replace(b"v0.3+json", b"v0.1+json"),
        BUNDLE.replace(b'"verificationMaterial"', b'"mediaType":"x","verificationMaterial"'),
        b"null",
        b"",
        b" " * (1 << 20) + b"{}",
    ],
)
def test_a_bundle_that_is_not_one_key_signature_of_an_image_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        bundle.read(content)


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b"[]",
        b'{"layers":[]}',
        b'{"layers":[{"mediaType":"application/octet-stream","digest":"sha256:' + b"a" * 64 + b'"}]}',
        b'{"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]}',
        b'{"layers":[7]}',
    ],
)
def test_a_manifest_without_exactly_one_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        bundle.layer_of(content)
