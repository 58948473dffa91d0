"""What users push themselves: read, bounded, and never more than the key that made it is worth."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from signing_pieces import HOST, P256, Desk, outcomes, signed, tamper

from assay.oci import Descriptor, Digest, MediaType
from assay.registry import removals
from assay.signing import bundle, cosign, signatures, verify
from assay.signing.cosign import Payload
from assay.signing.envelope import Form
from assay.storage import Store
from assay.vault import Message, crypto, keys
from assay.vault.shapes import KeyAlgorithm, KeyShape, MessageType, SigningAlgorithm


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk.on(store, tmp_path / "blobs")


def name_of(desk: Desk, repository: str = "team/app") -> str:
    return f"{HOST}/{desk.namespace}/{repository}"


@pytest.mark.parametrize(
    ("shape", "algorithm"),
    [
        (P256, "ECDSA_SHA_256"),
        (KeyShape(KeyAlgorithm.ECDSA, 48), "ECDSA_SHA_256"),
        (KeyShape(KeyAlgorithm.ECDSA, 48), "ECDSA_SHA_384"),  # as cosign 3 signs
        (KeyShape(KeyAlgorithm.RSA, 256), "SHA_256_RSA_PKCS1_V1_5"),
    ],
    ids=str,
)
def test_a_pushed_signature_by_a_trusted_key_counts(desk: Desk, shape: KeyShape, algorithm: str) -> None:
    image, digest = desk.push()
    key = desk.key(shape)
    payload = Payload(f"{name_of(desk)}:v1", digest).encode()
    desk.push_signature(digest, (payload, signed(desk, key, payload, SigningAlgorithm(algorithm))))
    assert not desk.trust(digest, key).is_trusted
    desk.deliver()
    assert desk.trust(digest, key).is_trusted
    assert outcomes(desk, image) == [(Form.COSIGN, "")]
    keys.disable_key(desk.store, desk.actor, key.ocid)
    assert "is DISABLED" in desk.trust(digest, key).because


def test_a_pushed_signature_by_anybody_elses_key_counts_for_nothing(desk: Desk, store: Store, tmp_path: Path) -> None:
    """Attack 25."""
    image, digest = desk.push()
    key = desk.key()
    other = Desk.on(store, tmp_path / "other", "other")
    payload = Payload(name_of(desk), digest).encode()
    desk.push_signature(digest, (payload, signed(other, other.key(), payload)), (payload, b"junk"))
    desk.deliver()
    assert outcomes(desk, image) == []
    assert desk.trust(digest, key).because.endswith("it has no signature")


def test_a_forged_tag_over_ours_changes_no_decision(desk: Desk) -> None:
    """Attack 25: ours is removed from the tag for a moment; the record decides."""
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    done = desk.deliver()
    desk.push_signature(digest, (Payload(name_of(desk), digest).encode(), b"forged"))
    assert desk.trust(digest, key).is_trusted
    desk.deliver(done)
    assert desk.trust(digest, key).is_trusted


def test_a_signature_of_one_image_under_the_tag_of_another_counts_for_nothing(desk: Desk) -> None:
    """Attack 15."""
    _, digest = desk.push()
    _, other = desk.push("v2", "two")
    key = desk.key()
    payload = Payload(name_of(desk), digest).encode()
    desk.push_signature(other, (payload, signed(desk, key, payload)))
    desk.deliver()
    assert desk.trust(other, key).because.endswith("it has no signature")


@pytest.mark.parametrize(
    "name", ["registry.example:5000/other/team/app", "evil.example/acme/team/app", "NS/team/other"]
)
def test_a_signature_for_another_repository_counts_for_nothing(desk: Desk, name: str) -> None:
    """Attack 14."""
    _, digest = desk.push()
    key = desk.key()
    payload = Payload(name.replace("NS", f"{HOST}/{desk.namespace}"), digest).encode()
    desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver()
    assert desk.trust(digest, key).because.endswith("it has no signature")


def test_a_signature_under_a_listed_alias_counts(desk: Desk) -> None:
    _, digest = desk.push()
    key = desk.key()
    payload = Payload(f"10.0.0.7:5000/{desk.namespace}/team/app", digest).encode()
    desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver(hosts=(HOST, "10.0.0.7:5000"))
    assert desk.trust(digest, key).is_trusted


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"cosign container image signature", b"atomic container signature"),
        lambda text: text.replace(b'"optional":null', b'"optional":null,"extra":1'),
        lambda text: text.replace(b'"type":', b'"type":"x","type":'),
    ],
)
def test_a_payload_that_cosign_would_pass_is_refused_for_its_grammar(desk: Desk, change: Any) -> None:
    """Attack 17: signed by the trusted key, but not what is to be signed."""
    _, digest = desk.push()
    key = desk.key()
    payload = change(Payload(name_of(desk), digest).encode())
    desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver()
    assert desk.trust(digest, key).because.endswith("it has no signature")


def push_bundle(desk: Desk, subject: Digest, statement: bytes, signature: bytes) -> Digest:
    content = bundle.encode(statement, signature, "")
    with desk.store.database.read() as connection:
        held = verify.artifacts.manifest(connection, desk.repository_ocid(), subject)
    assert held is not None
    made = bundle.artifact(content, Descriptor(MediaType.OCI_MANIFEST, subject, len(held[1])), "2026-08-01T12:00:00Z")
    for blob in (made.config, made.bundle):
        desk.room.push_blob(blob, actor=desk.actor)
    return desk.room.put(made.manifest, Digest.of(made.manifest), actor=desk.actor).digest


def test_a_pushed_bundle_is_read_but_binds_no_repository(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    statement = bundle.statement(digest)
    push_bundle(desk, digest, statement, signed(desk, key, bundle.signed_bytes(statement)))
    desk.deliver()
    assert outcomes(desk, image) == [(Form.BUNDLE, "")]
    assert not desk.trust(digest, key).is_trusted
    with desk.store.database.read() as connection:
        place = desk.repository_ocid()
        unbound = verify.trusted_signatures(
            connection, desk.actor.tenancy, place, digest, [key.ocid], bind_repository=False
        )
    assert unbound.key == key.ocid


def test_of_a_bundle_with_several_subjects_only_the_exact_digest_counts(desk: Desk) -> None:
    """Attack 16."""
    _, digest = desk.push()
    other_image, other = desk.push("v2", "two")
    key = desk.key()
    document = json.loads(bundle.statement(digest))
    for wanted, named in ((True, [digest, other]), (False, [digest])):
        document["subject"] = [{"digest": {"sha256": each.encoded}} for each in named]
        statement = json.dumps(document).encode()
        manifest = push_bundle(desk, other, statement, signed(desk, key, bundle.signed_bytes(statement)))
        desk.deliver()
        assert ((Form.BUNDLE, "") in outcomes(desk, other_image)) is wanted
        removals.delete_manifest(desk.store, desk.actor, "team/app", manifest)


def test_a_deleted_artifact_takes_its_signatures_with_it(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    payload = Payload(name_of(desk), digest).encode()
    pushed = desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver()
    removals.delete_manifest(desk.store, desk.actor, "team/app", pushed)
    assert outcomes(desk, image) == [(Form.COSIGN, "the signature's artifact was deleted")]
    assert "the signature's artifact was deleted" in desk.trust(digest, key).because


def test_a_thousand_junk_layers_are_read_as_far_as_the_limit_and_do_no_harm(desk: Desk) -> None:
    """Attack 26: 64 signatures of an artifact are read, and our own record needs none of them."""
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    payload = Payload(name_of(desk), digest).encode()
    good = signed(desk, key, payload)
    junk = [(payload, b"%d" % number) for number in range(999)]
    desk.push_signature(digest, *junk[:64], (payload, good), *junk[64:])
    desk.deliver()
    assert desk.trust(digest, key).is_trusted
    assert [form for form, _ in outcomes(desk, image)] == [Form.NATIVE]
    assert len(desk.layers(digest)) == cosign.LAYERS_MAX
    assert desk.layers(digest)[0].claim(payload).digests == (digest,)
    desk.push_signature(digest, *junk[:63], (payload, good))
    desk.deliver()
    assert [form for form, _ in outcomes(desk, image)] == [Form.NATIVE, Form.COSIGN]


def test_reading_a_pushed_artifact_twice_keeps_it_once(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    payload = Payload(name_of(desk), digest).encode()
    desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver()
    desk.deliver()
    assert outcomes(desk, image) == [(Form.COSIGN, "")]


def test_a_row_of_a_pushed_signature_changed_behind_our_back_is_not_trusted(desk: Desk) -> None:
    _, digest = desk.push()
    _, other = desk.push("v2", "two")
    key = desk.key()
    payload = Payload(name_of(desk), digest).encode()
    desk.push_signature(digest, (payload, signed(desk, key, payload)))
    desk.deliver()
    tamper(desk, "pushed_signature", subject=other.text)
    assert f"the signed payload names {digest}, not {other}" in desk.trust(other, key).because


def test_our_own_artifacts_are_not_read_as_claims_of_users(desk: Desk) -> None:
    image, _ = desk.push()
    desk.sign(image, desk.key())
    desk.deliver()
    assert outcomes(desk, image) == [(Form.NATIVE, "")]


def twin(signature: bytes) -> bytes:
    """The other valid spelling of a P-256 signature: anybody can make it."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, order - s)


@pytest.mark.parametrize("change", [lambda signature: signature, twin], ids=["copy", "twin"])
@pytest.mark.parametrize("before", [True, False])
def test_a_deleted_signature_does_not_come_back_as_a_push(desk: Desk, change: Any, before: bool) -> None:
    """What was published is in everybody's hands, and stays served under its digest: it counts no more all the same."""
    image, digest = desk.push()
    key = desk.key()
    made = desk.sign(image, key)
    done = desk.deliver()
    (layer,) = desk.layers(digest)
    payload = desk.blob(layer.payload_digest)
    if before:
        desk.push_signature(digest, (payload, change(layer.signature)))
        done = desk.deliver(done)
    signatures.delete_signature(desk.store, desk.actor, made.ocid)
    assert not desk.trust(digest, key).is_trusted
    done = desk.deliver(done)
    assert not desk.trust(digest, key).is_trusted
    desk.push_signature(digest, (payload, change(layer.signature)))
    desk.deliver(done)
    denied = desk.trust(digest, key)
    assert "was deleted" in denied.because
    assert not denied.is_trusted
    desk.sign(image, key)
    assert desk.trust(digest, key).is_trusted


# The plain sign call with a digest


def test_a_digest_signed_by_the_plain_call_is_a_signature_like_any_other(desk: Desk) -> None:
    _, digest = desk.push()
    key = desk.key()
    payload = Payload(name_of(desk), digest).encode()
    message = Message.hashed(payload, SigningAlgorithm.ECDSA_SHA_256)
    assert message.kind is MessageType.DIGEST
    made = crypto.sign(desk.store, desk.actor, key.ocid, message, custody=desk.custody)
    assert crypto.verify(
        desk.store, desk.actor, key.ocid, made.key_version, replace(message, content=message.content), made.signature
    )
    desk.push_signature(digest, (payload, made.signature))
    desk.deliver()
    assert desk.trust(digest, key).is_trusted
