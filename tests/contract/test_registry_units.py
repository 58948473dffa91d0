"""One unit: an image goes and comes back with its signatures, SBOMs, referrers and platforms, on both databases."""

from pathlib import Path

import pytest
from registry_pieces import ACTOR, OCI_MANIFEST, Room, described, index_of, manifest_of

from assay.clock import DAY, HOUR, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry import images, pulls, removals, repositories, tags
from assay.registry.repositories import RepositoryChanges
from assay.storage import Store


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def is_served(room: Room, reference: str | Digest) -> bool:
    try:
        return bool(pulls.manifest(room.store, ACTOR, "team/app", reference).content)
    except Refused as refusal:
        return refusal.reason is not Reason.MANIFEST_UNKNOWN


def artifact(room: Room, name: str, tag: str = "", subject: bytes = b"") -> bytes:
    """Push an artifact of one blob, under a tag or by digest, perhaps about a manifest; its bytes."""
    room.push_blob(b"{}")
    room.push_blob(name.encode())
    about = {"subject": described(subject, OCI_MANIFEST)} if subject else {}
    content = manifest_of(b"{}", [name.encode()], artifactType="application/example", **about)
    room.put(content, tag or Digest.of(content))
    return content


def companion(content: bytes, kind: str) -> str:
    return f"sha256-{Digest.of(content).encoded}.{kind}"


def test_an_index_goes_and_comes_back_with_platforms_signatures_sboms_and_their_signatures(
    room: Room, clock: SetClock
) -> None:
    platforms = [(room.push_image(seed=name, settle_microseconds=SECOND)[1], name) for name in ("amd64", "arm64")]
    index = index_of(*platforms)
    pushed = room.put(index, "v1")
    sbom = artifact(room, "sbom", subject=index)
    members = {
        Digest.of(index),
        *(Digest.of(content) for content, _ in platforms),
        Digest.of(artifact(room, "signature", companion(index, "sig"))),
        Digest.of(artifact(room, "of a platform", companion(platforms[0][0], "att"))),
        Digest.of(sbom),
        Digest.of(artifact(room, "of the sbom", subject=sbom)),
    }
    names = {companion(index, "sig"), companion(platforms[0][0], "att")}
    clock.advance(SECOND)
    removals.delete(room.store, ACTOR, pushed.image)
    assert [digest for digest in members if is_served(room, digest)] == []
    assert tags.listed(room.store, ACTOR, "team/app")[0] == ()
    clock.advance(HOUR)
    removals.restore(room.store, ACTOR, pushed.image, version="v1")
    assert [digest for digest in members if not is_served(room, digest)] == []
    assert set(tags.listed(room.store, ACTOR, "team/app")[0]) == names | {"v1"}


def test_what_stands_for_itself_stays_when_an_image_goes(room: Room) -> None:
    shared, tagged = (room.push_image(seed=name, settle_microseconds=SECOND)[1] for name in ("shared", "tagged"))
    first, second = index_of((shared, "amd64"), (tagged, "arm64")), index_of((shared, "amd64"))
    pushed = room.put(first, "v1")
    room.put(second, "v2")
    room.put(tagged, "own")
    chart = artifact(room, "chart", "chart-1", subject=first)
    of_shared = artifact(room, "about the shared one", subject=shared)
    removals.delete(room.store, ACTOR, pushed.image)
    assert not is_served(room, Digest.of(first))
    for kept in (shared, tagged, second, chart, of_shared):
        assert is_served(room, Digest.of(kept))


def test_what_was_deleted_before_its_image_stays_deleted_when_that_comes_back(room: Room, clock: SetClock) -> None:
    pushed, content = room.push_image("v1")
    early, late = artifact(room, "early", subject=content), artifact(room, "late", subject=content)
    removals.delete_manifest(room.store, ACTOR, "team/app", Digest.of(early))
    clock.advance(SECOND)
    removals.delete(room.store, ACTOR, pushed.image)
    removals.restore(room.store, ACTOR, pushed.image)
    assert (is_served(room, Digest.of(early)), is_served(room, Digest.of(late))) == (False, True)


def test_how_long_an_image_can_be_restored_is_set(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(3 * DAY)
    with pytest.raises(Refused, match="more than 36 hours ago"):
        removals.restore(room.store, ACTOR, pushed.image, window=36 * HOUR)
    assert removals.restore(room.store, ACTOR, pushed.image, window=7 * DAY).ocid == pushed.image


def test_a_tag_of_an_immutable_repository_never_moves_not_even_by_way_of_its_removal(room: Room) -> None:
    first, content = room.push_image("v1", seed="1")
    repositories.change(room.store, ACTOR, room.repository().ocid, RepositoryChanges(is_immutable=True))
    second, _ = room.push_image("v2", seed="2")
    tags.remove(room.store, ACTOR, "team/app", "v1")
    removals.delete(room.store, ACTOR, second.image)
    for again in (
        lambda: room.push_image("v1", seed="2"),
        lambda: removals.restore(room.store, ACTOR, second.image, version="v1"),
    ):
        with pytest.raises(Refused, match="its tag v1 named") as refusal:
            again()
        assert refusal.value.reason is Reason.EXISTS
    room.put(content, "v1")
    assert images.get(room.store, ACTOR, first.image).version == "v1"


def test_a_signature_tag_of_an_immutable_repository_only_gains_layers_and_may_come_anew_with_its_image(
    room: Room,
) -> None:
    pushed, content = room.push_image("v1")
    repositories.change(room.store, ACTOR, room.repository().ocid, RepositoryChanges(is_immutable=True))
    sig = companion(content, "sig")
    for blob in (b"{}", b"one", b"two"):
        room.push_blob(blob)
    room.put(manifest_of(b"{}", [b"one"]), sig)
    room.put(manifest_of(b"{}", [b"one", b"two"]), sig)
    with pytest.raises(Refused, match="may gain signatures, but lose none") as refusal:
        room.put(manifest_of(b"{}", [b"two"]), sig)
    assert refusal.value.reason is Reason.EXISTS
    removals.delete(room.store, ACTOR, pushed.image)
    room.put(content, "v1")
    room.put(manifest_of(b"{}", [b"two"]), sig)
