"""Signing, uploading, listing and deleting signatures, on both databases."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from registry_pieces import index_of
from signing_pieces import HOST, P256, ROOT, Desk
from sqlalchemy import Connection, select

from assay.clock import SECOND, SetClock
from assay.errors import Reason, Refused, Unavailable
from assay.events import ImageSigned, SignatureDeleted
from assay.oci import Digest
from assay.registry import removals
from assay.signing import bundle, sign, signatures, upload
from assay.signing.cosign import Payload
from assay.signing.native import NativeMessage
from assay.signing.resources import (
    ImageSignature,
    Origin,
    SignatureFilter,
    SignatureState,
    SignDetails,
    UploadDetails,
)
from assay.storage import Store, metadata
from assay.vault import Custody, Message, crypto, keys
from assay.vault.resources import Key
from assay.vault.root import SealedRoot
from assay.vault.shapes import KeyAlgorithm, KeyShape, MessageType, SigningAlgorithm

RSA_2048 = KeyShape(KeyAlgorithm.RSA, 256)


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk.on(store, tmp_path / "blobs")


def rows_of(desk: Desk, name: str) -> list[Any]:
    with desk.store.database.read() as connection:
        return list(connection.execute(select(metadata.tables[name])))


def test_signing_records_the_message_of_the_stock_client(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    made = desk.sign(image, key, description="for UAT", metadata='{"build":"123"}')
    assert json.loads(made.message) == {
        "description": "for UAT",
        "imageDigest": digest.text,
        "kmsKeyId": key.ocid,
        "kmsKeyVersionId": key.current_version,
        "metadata": '{"build":"123"}',
        "region": "local",
        "repositoryName": "team/app",
        "signingAlgorithm": "SHA_256_RSA_PKCS_PSS",
    }
    message = Message(made.message, SigningAlgorithm.SHA_256_RSA_PKCS_PSS)
    assert crypto.verify(desk.store, desk.actor, key.ocid, key.current_version, message, made.signature)
    assert (
        made.display_name == f"{key.ocid[-10:]}::{key.current_version[-10:]}::SHA_256_RSA_PKCS_PSS::{made.ocid[-10:]}"
    )
    assert made.ocid.startswith(f"ocid1.containerimagesignature.oc1.local.0.{desk.namespace}.")
    assert (made.image, made.origin, made.state) == (image, Origin.MADE, SignatureState.AVAILABLE)
    assert signatures.get_signature(desk.store, desk.actor, made.ocid) == made


@pytest.mark.parametrize("shape", [P256, KeyShape(KeyAlgorithm.ECDSA, 48), RSA_2048], ids=str)
def test_one_act_signs_every_form_and_keeps_the_bytes(desk: Desk, shape: KeyShape) -> None:
    image, digest = desk.push()
    key = desk.key(shape)
    made = desk.sign(image, key)
    kept = {row.form: row for row in rows_of(desk, "signature_envelope")}
    assert kept.keys() == {"native", "cosign", "bundle"}
    assert {row.subject for row in kept.values()} == {digest.text}
    reference = f"{HOST}/{desk.namespace}/team/app"
    assert (kept["native"].payload, kept["native"].signature) == (made.message, made.signature)
    assert kept["cosign"].payload == Payload(reference, digest).encode()
    claim = bundle.read(kept["bundle"].payload)
    assert (claim.digests, claim.signature) == ((digest,), kept["bundle"].signature)
    signed = {
        "native": made.message,
        "cosign": kept["cosign"].payload,
        "bundle": bundle.signed_bytes(bundle.statement(digest)),
    }
    with desk.store.database.read() as connection:
        verifier = crypto.verifier(connection, desk.actor.tenancy, key.current_version)
    assert verifier is not None
    for form, row in kept.items():
        # what cosign, podman and skopeo verify: SHA-256 with every key, PKCS#1 v1.5 with RSA
        artifact = "SHA_256_RSA_PKCS1_V1_5" if shape.curve is None else "ECDSA_SHA_256"
        assert row.algorithm == (made.algorithm if form == "native" else artifact)
        assert verifier.verifies(Message(signed[form], SigningAlgorithm(row.algorithm)), row.signature)


def test_a_tag_that_names_the_image_stands_in_the_cosign_payload(desk: Desk) -> None:
    image, _ = desk.push("v1")
    assert desk.sign(image, desk.key(), tag="v1").reference == f"{HOST}/{desk.namespace}/team/app:v1"
    with pytest.raises(Refused, match="does not bear the tag v2"):
        desk.sign(image, desk.key(), tag="v2")


def push_index(desk: Desk) -> tuple[str, Digest, list[Digest]]:
    """An index of two platforms and an attestation: OCID, digest, digests of the platforms."""
    children = []
    for number, name in enumerate(("amd64", "arm64", "unknown")):
        pushed, content = desk.room.push_image("", f"child {number}", actor=desk.actor, settle_microseconds=SECOND)
        children.append((pushed.digest, content, name))
    made = desk.room.put(index_of(*((content, name) for _, content, name in children)), "multi", actor=desk.actor)
    return made.image, made.digest, [digest for digest, _, name in children if name != "unknown"]


def test_an_index_is_signed_with_every_platform_and_without_attestations(desk: Desk) -> None:
    image, digest, platforms = push_index(desk)
    desk.sign(image, desk.key())
    kept = {(row.subject, row.form) for row in rows_of(desk, "signature_envelope")}
    wanted = {digest.text, *(platform.text for platform in platforms)}
    assert kept == {(subject, form) for subject in wanted for form in ("native", "cosign", "bundle")}
    for row in rows_of(desk, "signature_envelope"):
        if row.form == "native":
            assert NativeMessage.parse(row.payload).image_digest.text == row.subject


def test_signing_is_announced_audited_and_repeatable_by_its_token(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    details = SignDetails(image, key.ocid)
    first, again = (
        sign.sign_image(desk.store, desk.actor, details, custody=desk.custody, registry_host=HOST, retry_token="t" * 30)
        for _ in range(2)
    )
    assert again == first
    assert [(fact.image, fact.digest, fact.signature) for fact in desk.room.facts(ImageSigned)] == [
        (image, digest.text, first.ocid)
    ]
    audited = [row.operation for row in rows_of(desk, "audit")]
    assert audited.count("CreateContainerImageSignature") == 1
    assert msgspec.json.decode(msgspec.json.encode(first), type=ImageSignature) == first


def test_a_deleted_image_is_not_signed(desk: Desk) -> None:
    image, _ = desk.push()
    removals.delete(desk.store, desk.actor, image)
    with pytest.raises(Refused, match="image is deleted") as refusal:
        desk.sign(image, desk.key())
    assert refusal.value.reason is Reason.WRONG_STATE


def test_a_key_out_of_use_signs_nothing(desk: Desk) -> None:
    image, _ = desk.push()
    key = desk.key()
    keys.disable_key(desk.store, desk.actor, key.ocid)
    with pytest.raises(Refused, match="'release' is DISABLED"):
        desk.sign(image, key)
    assert rows_of(desk, "image_signature") == []


def test_a_sealed_vault_signs_nothing_and_says_why(desk: Desk) -> None:
    image, _ = desk.push()
    sealed = replace(desk, custody=Custody(SealedRoot("the root key file is missing.")))
    with pytest.raises(Unavailable, match="root key file is missing"):
        sealed.sign(image, desk.key())
    assert rows_of(desk, "image_signature") == []


def test_an_image_or_key_of_another_tenancy_is_not_found(desk: Desk, store: Store, tmp_path: Path) -> None:
    image, _ = desk.push()
    other = Desk.on(store, tmp_path / "other", "other")
    for act in (lambda: other.sign(image, other.key()), lambda: other.sign(other.push()[0], desk.key())):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.reason is Reason.NOT_FOUND
    assert rows_of(desk, "image_signature") == []


class Reviewed:
    """A gate that lets nothing pass once it was closed."""

    def __init__(self, passes: int) -> None:
        self.passes = passes

    def require(self, connection: Connection, key: Key, message: bytes, kind: MessageType) -> None:
        self.passes -= 1
        if self.passes < 0:
            raise Refused("The image has no passed verdict.", reason=Reason.NOT_ALLOWED)


@pytest.mark.parametrize("passes", [0, 2, 3, 5])
def test_the_gate_is_asked_before_signing_and_again_before_recording(desk: Desk, passes: int) -> None:
    image, _ = desk.push()
    gated = replace(desk, custody=Custody(ROOT, Reviewed(passes)))
    with pytest.raises(Refused, match="no passed verdict"):
        gated.sign(image, desk.key())
    assert rows_of(desk, "image_signature") == []


def test_a_gate_that_passes_lets_the_image_be_signed(desk: Desk) -> None:
    image, _ = desk.push()
    assert replace(desk, custody=Custody(ROOT, Reviewed(6))).sign(image, desk.key()).signature


@pytest.mark.parametrize("metadata_text", ["x", "{"])
def test_metadata_that_is_no_json_is_refused(desk: Desk, metadata_text: str) -> None:
    image, _ = desk.push()
    with pytest.raises(Refused, match="metadata is not JSON"):
        desk.sign(image, desk.key(), metadata=metadata_text)


# Signatures that were made elsewhere


def stock_message(desk: Desk, digest: Digest, key: Key, **changes: str) -> bytes:
    """What the stock client builds for `sign-upload`."""
    document = {
        "description": "",
        "imageDigest": digest.text,
        "kmsKeyId": key.ocid,
        "kmsKeyVersionId": key.current_version,
        "metadata": "",
        "region": "local",
        "repositoryName": "team/app",
        "signingAlgorithm": "SHA_256_RSA_PKCS_PSS",
    }
    return json.dumps(document | changes, separators=(",", ":"), sort_keys=True).encode()


def uploaded(desk: Desk, image: str, by: Key, message: bytes, **changes: Any) -> ImageSignature:
    """Sign by the vault's sign call, then upload, as the stock client does."""
    algorithm = SigningAlgorithm.SHA_256_RSA_PKCS_PSS
    made = crypto.sign(desk.store, desk.actor, by.ocid, Message(message, algorithm), custody=Custody(ROOT))
    details = UploadDetails(
        compartment=desk.actor.tenancy,
        image=image,
        key=by.ocid,
        key_version=by.current_version,
        algorithm=algorithm,
        message=message,
        signature=made.signature,
    )
    return upload.upload_signature(
        desk.store, desk.actor, replace(details, **changes), custody=desk.custody, registry_host=HOST
    )


def test_an_uploaded_signature_is_kept_with_its_own_bytes_and_gets_the_other_forms(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    message = stock_message(desk, digest, key)
    made = uploaded(desk, image, key, message)
    assert (made.message, made.origin) == (message, Origin.UPLOADED)
    kept = {row.form: row for row in rows_of(desk, "signature_envelope")}
    assert kept.keys() == {"native", "cosign", "bundle"}
    assert (kept["native"].payload, kept["native"].signature) == (message, made.signature)
    assert desk.trust(digest, key).is_trusted


def test_whoever_may_not_use_the_key_uploads_the_record_alone(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    sealed = replace(desk, custody=Custody(SealedRoot("no root key.")))
    uploaded(sealed, image, key, stock_message(desk, digest, key))
    assert [row.form for row in rows_of(desk, "signature_envelope")] == ["native"]
    assert desk.trust(digest, key).is_trusted


def test_an_uploaded_signature_of_an_index_covers_its_platforms_only_by_our_key(desk: Desk) -> None:
    image, digest, platforms = push_index(desk)
    key = desk.key(RSA_2048)
    sealed = replace(desk, custody=Custody(SealedRoot("no root key.")))
    uploaded(sealed, image, key, stock_message(desk, digest, key))
    denied = desk.trust(digest, key)
    assert f"its platform {platforms[0]} is not vouched for" in denied.because
    uploaded(desk, image, key, stock_message(desk, digest, key))
    assert desk.trust(digest, key).is_trusted


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"imageDigest": "sha256:" + "b" * 64}, "names the image digest sha256:bbbb"),
        ({"repositoryName": "team/other"}, "names the repository team/other, the record team/app"),
        ({"kmsKeyId": "ocid1.key.x"}, "names the key ocid1.key.x"),
        ({"kmsKeyVersionId": "ocid1.keyversion.x"}, "names the key version ocid1.keyversion.x"),
        ({"signingAlgorithm": "SHA_512_RSA_PKCS_PSS"}, "names the signing algorithm SHA_512_RSA_PKCS_PSS"),
        ({"extra": "x"}, "exactly the members"),
    ],
)
def test_a_valid_signature_over_something_else_is_refused(desk: Desk, changes: dict[str, str], said: str) -> None:
    """The stock client would accept each of these: it never looks into the message."""
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    with pytest.raises(Refused, match=said):
        uploaded(desk, image, key, stock_message(desk, digest, key, **changes))
    assert rows_of(desk, "image_signature") == []


def test_a_signature_that_is_not_the_keys_is_refused(desk: Desk) -> None:
    image, digest = desk.push()
    key, other = desk.key(RSA_2048), desk.key(RSA_2048)
    message = stock_message(desk, digest, key)
    forged = crypto.sign(
        desk.store,
        desk.actor,
        other.ocid,
        Message(message, SigningAlgorithm.SHA_256_RSA_PKCS_PSS),
        custody=desk.custody,
    )
    for signature in (forged.signature, b"", bytes(256)):
        with pytest.raises(Refused, match="not this key version's"):
            uploaded(desk, image, key, message, signature=signature)


def test_an_uploaded_signature_of_a_disabled_key_is_refused(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    message = stock_message(desk, digest, key)
    made = crypto.sign(
        desk.store, desk.actor, key.ocid, Message(message, SigningAlgorithm.SHA_256_RSA_PKCS_PSS), custody=desk.custody
    )
    keys.disable_key(desk.store, desk.actor, key.ocid)
    details = UploadDetails(
        desk.actor.tenancy, image, key.ocid, key.current_version, made.algorithm, message, made.signature
    )
    with pytest.raises(Refused, match="'release' is DISABLED"):
        upload.upload_signature(desk.store, desk.actor, details, custody=desk.custody, registry_host=HOST)


def test_a_key_version_of_another_tenancy_or_key_is_not_found(desk: Desk, store: Store, tmp_path: Path) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    theirs = Desk.on(store, tmp_path / "other", "other").key(RSA_2048)
    for changed in (
        {"key": theirs.ocid, "key_version": theirs.current_version},
        {"key_version": desk.key(RSA_2048).current_version},
    ):
        names = {"key": "kmsKeyId", "key_version": "kmsKeyVersionId"}
        message = stock_message(desk, digest, key, **{names[name]: value for name, value in changed.items()})
        with pytest.raises(Refused) as refusal:
            uploaded(desk, image, key, message, **changed)
        assert refusal.value.reason is Reason.NOT_FOUND


def test_the_image_lies_in_the_compartment_that_is_named(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key(RSA_2048)
    with pytest.raises(Refused, match="does not lie in that compartment"):
        uploaded(desk, image, key, stock_message(desk, digest, key), compartment="ocid1.compartment.oc1..x")


# Lists, deletion


def test_lists_are_narrowed_as_the_api_says(desk: Desk, clock: SetClock) -> None:
    first, second = desk.key(), desk.key(RSA_2048)
    image, digest = desk.push()
    other, _ = desk.push(seed="two", repository="team/other")
    made = []
    for signed, key in ((image, first), (image, second), (other, first)):
        clock.advance(1)
        made.append(desk.sign(signed, key))
    a, b, c = made

    def listed(**narrow: Any) -> list[ImageSignature]:
        return list(signatures.list_signatures(desk.store, desk.actor, SignatureFilter(**narrow)).items)

    assert listed() == [c, b, a]
    assert listed(descending=False) == [a, b, c]
    assert listed(image=image) == [b, a]
    assert listed(digest=digest.text) == [b, a]
    assert listed(key=first.ocid) == [c, a]
    assert listed(key_version=second.current_version) == [b]
    assert listed(repository_name="team/other") == [c]
    assert listed(repository=a.repository) == [b, a]
    assert listed(algorithm="SHA_256_RSA_PKCS_PSS") == [b]
    assert listed(display_name=a.display_name) == [a]
    assert listed(compartments=(desk.actor.tenancy,)) == [c, b, a]
    assert listed(compartments=("ocid1.compartment.oc1..x",)) == []


def test_a_list_goes_on_from_page_to_page(desk: Desk, clock: SetClock) -> None:
    image, digest = desk.push()
    key = desk.key()
    made = []
    for _ in range(5):
        clock.advance(1)
        made.append(desk.sign(image, key).ocid)
    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = signatures.list_signatures(desk.store, desk.actor, limit=2, page=token)
        found += [each.ocid for each in page.items]
        token, pages = page.next_page, pages + 1
    assert (found, pages) == (made[::-1], 3)
    token = signatures.list_signatures(desk.store, desk.actor, limit=2).next_page
    with pytest.raises(Refused) as refusal:
        signatures.list_signatures(desk.store, desk.actor, SignatureFilter(digest=digest.text), limit=2, page=token)
    assert refusal.value.reason is Reason.PAGE_TOKEN


def test_all_signatures_of_a_digest_come_in_one_page_for_the_stock_client(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    for _ in range(51):
        desk.sign(image, key)
    page = signatures.list_signatures(desk.store, desk.actor, SignatureFilter(digest=digest.text))
    assert (len(page.items), page.next_page) == (51, "")
    assert len(signatures.list_signatures(desk.store, desk.actor).items) == 50


def test_a_deleted_signature_is_announced_and_listed_no_more(desk: Desk) -> None:
    image, digest = desk.push()
    made = desk.sign(image, desk.key())
    gone = signatures.delete_signature(desk.store, desk.actor, made.ocid, if_match=made.etag)
    assert gone.state is SignatureState.DELETED
    assert signatures.list_signatures(desk.store, desk.actor).items == ()
    assert signatures.get_signature(desk.store, desk.actor, made.ocid).state is SignatureState.DELETED
    assert [(fact.signature, fact.digest) for fact in desk.room.facts(SignatureDeleted)] == [(made.ocid, digest.text)]
    with pytest.raises(Refused) as refusal:
        signatures.delete_signature(desk.store, desk.actor, made.ocid)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_tags_of_a_signature_are_changed_and_its_etag_with_them(desk: Desk) -> None:
    made = desk.sign(desk.push()[0], desk.key(), freeform_tags={"stage": "uat"})
    assert made.freeform_tags == {"stage": "uat"}
    changed = signatures.change_tags(desk.store, desk.actor, made.ocid, freeform_tags={"stage": "prod"})
    assert (changed.freeform_tags, changed.defined_tags) == ({"stage": "prod"}, {})
    with pytest.raises(Refused) as refusal:
        signatures.delete_signature(desk.store, desk.actor, made.ocid, if_match=made.etag)
    assert refusal.value.reason is Reason.ETAG_MISMATCH


def test_another_tenancy_sees_and_deletes_no_signature(desk: Desk, store: Store, tmp_path: Path) -> None:
    made = desk.sign(desk.push()[0], desk.key())
    other = Desk.on(store, tmp_path / "other", "other").actor
    for act in (
        lambda: signatures.get_signature(store, other, made.ocid),
        lambda: signatures.delete_signature(store, other, made.ocid),
        lambda: signatures.change_tags(store, other, made.ocid, freeform_tags={}),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.reason is Reason.NOT_FOUND
    assert signatures.list_signatures(store, other).items == ()
    assert signatures.list_signatures(store, other, SignatureFilter(image=made.image)).items == ()


def test_every_row_of_a_signature_says_whose_it_is(desk: Desk) -> None:
    desk.sign(desk.push()[0], desk.key())
    desk.deliver()
    for table in ("image_signature", "signature_envelope"):
        assert {(row.tenancy, row.compartment) for row in rows_of(desk, table)} == {
            (desk.actor.tenancy, desk.actor.tenancy)
        }


def test_no_more_than_4096_messages_are_signed_at_once(desk: Desk) -> None:
    key = desk.key()
    messages = [Message(b"x", SigningAlgorithm.ECDSA_SHA_256)] * 4097
    with desk.store.database.read() as connection:
        using = crypto.signer(connection, desk.actor, key.ocid, now=desk.store.clock.now())
        with pytest.raises(Refused, match="At most 4096 messages"):
            crypto.make_signatures(connection, desk.custody, using, messages)
