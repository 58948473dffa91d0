"""Whether an image is trusted: the attacks on signatures, each with the right outcome for the right reason."""

import json
from pathlib import Path

import pytest
from registry_pieces import index_of
from signing_pieces import ROOT, Desk, outcomes, signed, tamper
from sqlalchemy import select

from assay.clock import DAY, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry import removals
from assay.signing import signatures, subjects, verify
from assay.signing.resources import ImageSignature
from assay.storage import Store, metadata
from assay.vault import deletion, keys, vaults
from assay.vault.shapes import KeyAlgorithm, KeyShape, SigningAlgorithm


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk.on(store, tmp_path / "blobs")


def test_a_signed_image_is_trusted_by_its_key_and_by_no_other(desk: Desk) -> None:
    image, digest = desk.push()
    key, other = desk.key(), desk.key(name="other")
    desk.sign(image, key)
    assert desk.trust(digest, key).is_trusted
    assert desk.trust(digest, other, key).subjects[0].key == key.ocid
    denied = desk.trust(digest, other)
    assert not denied.is_trusted
    assert denied.because == (
        f"the image is not vouched for by a trusted key: it is signed by the key {key.ocid}, which is not trusted here"
    )
    assert not desk.trust(digest).is_trusted  # no key at all trusts nothing


def test_an_unsigned_image_is_not_trusted(desk: Desk) -> None:
    _, digest = desk.push()
    assert desk.trust(digest, desk.key()).because.endswith("it has no signature")


def test_trust_is_the_same_before_and_after_publishing(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    assert desk.trust(digest, key).is_trusted
    desk.deliver()
    assert desk.trust(digest, key).is_trusted


def test_another_image_under_the_same_tag_is_not_trusted(desk: Desk) -> None:
    image, _ = desk.push("v1", "signed")
    key = desk.key()
    desk.sign(image, key, tag="v1")
    _, changed = desk.push("v1", "changed")
    assert desk.trust(changed, key).because.endswith("it has no signature")


@pytest.mark.parametrize("reverse", [False, True])
def test_bytes_changed_in_the_database_are_told_by_hashing_them_again(desk: Desk, reverse: bool) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    with desk.store.database.read() as connection:
        rows = metadata.tables["manifest"]
        content = bytes(connection.execute(select(rows.c.content)).scalar_one())
    tamper(desk, "manifest", content=content[::-1] if reverse else content + b" ")
    assert "have changed" in desk.trust(digest, key).because
    assert [because for _, because in outcomes(desk, image)] == [
        f"the stored bytes of the manifest do not have the digest {digest}: they were changed"
    ]


def test_a_digest_that_is_not_in_the_repository_is_not_trusted(desk: Desk) -> None:
    image, digest = desk.push()
    desk.push(seed="other", repository="team/other")
    key = desk.key()
    desk.sign(image, key)
    assert "is not in the repository" in desk.trust(digest, key, repository="team/other").because


def test_the_same_image_in_another_repository_is_not_signed_there(desk: Desk) -> None:
    """Attack 14: the signature names its repository."""
    image, digest = desk.push()
    desk.push(repository="team/other")
    key = desk.key()
    desk.sign(image, key)
    assert desk.trust(digest, key).is_trusted
    assert desk.trust(digest, key, repository="team/other").because.endswith("it has no signature")


# The record itself, changed behind our back


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"digest": "sha256:" + "b" * 64}, ""),  # the envelope says what is signed, not this column
        ({"repository_name": "team/other"}, "names the repository team/app, the record team/other"),
        ({"algorithm": "ECDSA_SHA_384"}, "names the signing algorithm ECDSA_SHA_256"),
        ({"key_version": "ocid1.keyversion.x"}, "names the key version"),
        ({"image": "ocid1.containerimage.x"}, "the image that was signed was deleted"),
        ({"lifecycle_state": "DELETED"}, "the signature was deleted"),
    ],
)
def test_a_record_that_was_changed_disagrees_with_what_was_signed(desk: Desk, values: dict[str, str], why: str) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    tamper(desk, "image_signature", **values)
    denied = desk.trust(digest, key)
    assert denied.is_trusted if not why else why in denied.because


def test_a_record_moved_to_another_key_is_not_trusted(desk: Desk) -> None:
    image, digest = desk.push()
    key, other = desk.key(), desk.key(name="other")
    desk.sign(image, key)
    tamper(desk, "image_signature", key=other.ocid)
    assert "names the key" in desk.trust(digest, other).because


@pytest.mark.parametrize(
    ("column", "why"),
    [("signature", "the signature is not the key's over what was signed"), ("payload", "does not read")],
)
def test_a_flipped_bit_in_an_envelope_is_not_trusted(desk: Desk, column: str, why: str) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    rows = metadata.tables["signature_envelope"]
    with desk.store.database.read() as connection:
        kept = bytes(connection.execute(select(rows.c[column]).where(rows.c.form == "native")).scalar_one())
    tamper(desk, "signature_envelope", **{column: kept[:-1] + bytes([kept[-1] ^ 1])})
    assert why in desk.trust(digest, key).because


def test_an_envelope_moved_to_another_manifest_is_not_trusted(desk: Desk) -> None:
    """Attack 15, in the database: the payload names another digest."""
    image, digest = desk.push()
    _, other = desk.push("v2", "two")
    key = desk.key()
    desk.sign(image, key)
    tamper(desk, "signature_envelope", subject=other.text)
    assert f"names the image digest {digest}, the record {other}" in desk.trust(other, key).because


@pytest.mark.parametrize(
    "algorithm",
    [SigningAlgorithm.SHA_256_RSA_PKCS1_V1_5, SigningAlgorithm.SHA_512_RSA_PKCS_PSS, SigningAlgorithm.ECDSA_SHA_256],
)
def test_an_algorithm_that_is_not_the_one_signed_with_is_not_trusted(desk: Desk, algorithm: SigningAlgorithm) -> None:
    """Attack 28: PSS where PKCS#1 is recorded and the reverse, another hash, ECDSA for an RSA key."""
    image, digest = desk.push()
    key = desk.key(KeyShape(KeyAlgorithm.RSA, 256))
    made = desk.sign(image, key)
    message = json.loads(made.message) | {"signingAlgorithm": algorithm.value}
    forged = json.dumps(message, separators=(",", ":")).encode()
    honest = signed(desk, key, forged, SigningAlgorithm.SHA_256_RSA_PKCS_PSS)
    tamper(desk, "image_signature", algorithm=algorithm.value)
    tamper(desk, "signature_envelope", algorithm=algorithm.value, payload=forged, signature=honest)
    assert "the signature is not the key's over what was signed" in desk.trust(digest, key).because


# Keys and their states


def test_a_disabled_key_denies_at_once_and_its_other_keys_go_on(desk: Desk) -> None:
    """Attack 19."""
    image, digest = desk.push()
    key, other = desk.key(), desk.key(name="other")
    desk.sign(image, key)
    keys.disable_key(desk.store, desk.actor, key.ocid)
    assert desk.trust(digest, key).because.endswith("the key 'release' is DISABLED")
    desk.sign(image, other)
    assert desk.trust(digest, key, other).is_trusted
    keys.enable_key(desk.store, desk.actor, key.ocid)
    assert desk.trust(digest, key).is_trusted


def test_a_key_scheduled_for_deletion_denies_and_a_cancelled_deletion_allows(desk: Desk, clock: SetClock) -> None:
    """Attack 21."""
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    deletion.schedule_key_deletion(desk.store, desk.actor, key.ocid)
    assert desk.trust(digest, key).because.endswith("is PENDING_DELETION")
    deletion.cancel_key_deletion(desk.store, desk.actor, key.ocid)
    assert desk.trust(digest, key).is_trusted
    deletion.schedule_key_deletion(desk.store, desk.actor, key.ocid)
    clock.advance(30 * DAY)
    deletion.destroy_due(desk.store)
    assert desk.trust(digest, key).because.endswith("is DELETED")


def test_a_rotated_key_still_vouches_for_what_its_old_version_signed(desk: Desk) -> None:
    """Attacks 20 and 22: decided per version."""
    image, digest = desk.push()
    key = desk.key()
    old = desk.sign(image, key)
    keys.create_key_version(desk.store, desk.actor, key.ocid, root=ROOT)
    assert desk.trust(digest, key).is_trusted
    deletion.schedule_key_version_deletion(desk.store, desk.actor, key.ocid, old.key_version)
    assert "the version of the key 'release' is PENDING_DELETION" in desk.trust(digest, key).because
    assert desk.sign(image, key).key_version != old.key_version
    assert desk.trust(digest, key).is_trusted


def test_a_vault_pending_deletion_denies(desk: Desk) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    vaults.schedule_vault_deletion(desk.store, desk.actor, desk.vault.ocid)
    assert desk.trust(digest, key).because.endswith("the vault of the key 'release' is PENDING_DELETION")


def test_a_key_of_another_tenancy_vouches_for_nothing(desk: Desk, store: Store, tmp_path: Path) -> None:
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    other = Desk.on(store, tmp_path / "other", "other")
    with store.database.read() as connection:
        trust = verify.image_trust(connection, other.actor.tenancy, desk.repository_ocid(), digest, [key.ocid])
    assert not trust.is_trusted


def test_a_deleted_signature_denies_and_says_so(desk: Desk) -> None:
    """Attack 24."""
    image, digest = desk.push()
    key = desk.key()
    made = desk.sign(image, key)
    signatures.delete_signature(desk.store, desk.actor, made.ocid)
    assert desk.trust(digest, key).because.endswith("the signature was deleted")
    desk.deliver()
    assert desk.trust(digest, key).because.endswith("the signature was deleted")


def test_a_signature_goes_and_comes_back_with_its_image(desk: Desk) -> None:
    """Attack 57; and a signature belongs to one push: pushing the digest again signs nothing."""
    image, digest = desk.push()
    key = desk.key()
    desk.sign(image, key)
    removals.delete(desk.store, desk.actor, image)
    assert "is not in the repository" in desk.trust(digest, key).because
    removals.restore(desk.store, desk.actor, image)
    assert desk.trust(digest, key).is_trusted
    removals.delete(desk.store, desk.actor, image)
    again, same = desk.push()
    assert (same, again != image) == (digest, True)
    assert desk.trust(digest, key).because.endswith("the image that was signed was deleted")


# Indexes


def push_index(desk: Desk, tag: str = "multi", count: int = 2) -> tuple[str, Digest, list[Digest]]:
    children = [
        desk.room.push_image("", f"{tag} {number}", actor=desk.actor, settle_microseconds=SECOND)
        for number in range(count)
    ]
    content = index_of(*((content, f"cpu{number}") for number, (_, content) in enumerate(children)))
    made = desk.room.put(content, tag, actor=desk.actor)
    return made.image, made.digest, [pushed.digest for pushed, _ in children]


def test_a_signed_index_is_trusted_and_so_is_each_of_its_platforms(desk: Desk) -> None:
    image, digest, platforms = push_index(desk)
    key = desk.key()
    desk.sign(image, key)
    for each in (digest, *platforms):
        assert desk.trust(each, key).is_trusted


def test_an_index_with_a_platform_that_is_not_signed_is_not_trusted(desk: Desk) -> None:
    """Attacks 10 and 11."""
    image, digest, platforms = push_index(desk)
    key = desk.key()
    desk.sign(image, key)
    with desk.store.database.write() as connection:
        rows = metadata.tables["signature_envelope"]
        connection.execute(rows.delete().where(rows.c.subject == platforms[1].text))
    denied = desk.trust(digest, key)
    assert f"its platform {platforms[1]} is not vouched for by a trusted key: it has no signature" in denied.because
    assert desk.trust(platforms[0], key).is_trusted


def test_an_index_around_signed_platforms_is_itself_not_signed(desk: Desk) -> None:
    """Attack 12: an attacker's index over signed platforms and one more has a new digest."""
    image, _, platforms = push_index(desk)
    key = desk.key()
    desk.sign(image, key)
    with desk.store.database.read() as connection:
        contents = [verify.artifacts.manifest(connection, desk.repository_ocid(), each) for each in platforms]
    _, evil = desk.room.push_image("", "evil", actor=desk.actor, settle_microseconds=SECOND)
    named = [(held[1], f"cpu{number}") for number, held in enumerate(contents) if held]
    made = desk.room.put(index_of(*named, (evil, "evil")), "wider", actor=desk.actor)
    assert desk.trust(made.digest, key).because.startswith("the image is not vouched for")
    assert desk.trust(Digest.of(evil), key).because.endswith("it has no signature")


def test_an_index_of_too_many_manifests_is_neither_signed_nor_trusted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack 13: the walk is bounded."""
    image, digest, _ = push_index(desk, count=4)
    key = desk.key()
    desk.sign(image, key)
    assert desk.trust(digest, key).is_trusted
    monkeypatch.setattr(subjects, "SUBJECTS_MAX", 4)
    with pytest.raises(Refused) as refusal:
        desk.sign(image, key)
    assert refusal.value.reason is Reason.LIMIT_EXCEEDED
    assert "holds more than 4 manifests" in desk.trust(digest, key).because


def test_many_signatures_by_other_keys_never_hide_the_trusted_one(desk: Desk, clock: SetClock) -> None:
    image, digest = desk.push()
    key, other = desk.key(), desk.key(name="other")
    made: list[ImageSignature] = [desk.sign(image, key)]
    for _ in range(verify.SIGNATURES_MAX + 1):
        clock.advance(1)
        made.append(desk.sign(image, other))
    assert desk.trust(digest, key).is_trusted
