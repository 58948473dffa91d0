"""The purge, on both databases: what can be restored no more goes for good, with all that is there for its sake."""

import json
from pathlib import Path

import pytest
from registry_pieces import ACTOR, OCI_MANIFEST, Room, described, index_of, manifest_of
from sqlalchemy import func, select

from assay.clock import DAY, HOUR, SetClock
from assay.errors import Refused
from assay.oci import Digest
from assay.registry import blobs, images, pulls, removals, repositories, tags
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.purge import Purged, purge
from assay.registry.model import ImageFilter, LifecycleState
from assay.storage import Store, metadata

NOTHING = Purged(images=0, manifests=0, blobs=0, blob_bytes=0, repositories=0)
CONFIG = json.dumps({"seed": "one"}).encode()
LAYER = b"layer of one"


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def rows(store: Store, table: str) -> int:
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()


def referrer_of(room: Room, subject: bytes, seed: str) -> bytes:
    """Push a referrer by digest; its manifest's bytes."""
    config = seed.encode()
    room.push_blob(config)
    content = manifest_of(config, [], subject=described(subject, OCI_MANIFEST), artifactType="application/vnd.x")
    room.put(content, Digest.of(content))
    return content


def test_a_deleted_image_is_purged_when_it_can_be_restored_no_more(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY)
    assert purge(room.store) == NOTHING
    before = room.repository()
    assert (before.layer_count, before.layers_bytes) == (1, len(LAYER))

    clock.advance(1)
    assert purge(room.store) == Purged(images=1, manifests=1, blobs=0, blob_bytes=0, repositories=0)

    with pytest.raises(Refused):
        images.get(room.store, ACTOR, pushed.image)
    assert rows(room.store, "image") == rows(room.store, "repository_manifest") == 0
    assert rows(room.store, "manifest") == rows(room.store, "manifest_link") == 0
    after = room.repository()
    assert (after.layer_count, after.layers_bytes) == (0, 0)
    assert after.stored_bytes == len(CONFIG) + len(LAYER)


def test_the_blobs_of_a_purged_image_go_later_and_are_not_shown_shortly_before(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    purge(room.store)
    layer = Digest.of(LAYER)

    clock.advance(GRACE_MICROSECONDS_MIN - HOUR - 1)
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", layer).size == len(LAYER)
    clock.advance(1)
    with pytest.raises(Refused, match="no blob"):
        blobs.find(room.store, room.blobs, ACTOR, "team/app", layer)
    # Whoever was shown it before may still push a manifest that names it.
    assert purge(room.store) == NOTHING
    clock.advance(HOUR)
    gone = purge(room.store)

    assert gone == Purged(images=0, manifests=0, blobs=2, blob_bytes=len(CONFIG) + len(LAYER), repositories=0)
    assert room.repository().stored_bytes == 0
    assert rows(room.store, "repository_blob") == 0


def test_a_manifest_pushed_meanwhile_keeps_its_blobs(room: Room, clock: SetClock) -> None:
    pushed, content = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    purge(room.store)
    clock.advance(GRACE_MICROSECONDS_MIN - 1)

    room.put(content, "v2")
    clock.advance(10 * DAY)

    assert purge(room.store) == NOTHING
    assert pulls.manifest(room.store, ACTOR, "team/app", "v2").content == content
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", Digest.of(LAYER)).size == len(LAYER)


def test_a_blob_that_no_manifest_came_to_name_goes_after_its_grace(room: Room, clock: SetClock) -> None:
    room.push_blob(b"left over")
    clock.advance(DAY - 1)
    assert purge(room.store) == NOTHING
    room.push_blob(b"left over")
    clock.advance(DAY - 1)
    assert purge(room.store) == NOTHING
    clock.advance(1)

    assert purge(room.store) == Purged(images=0, manifests=0, blobs=1, blob_bytes=9, repositories=0)
    assert room.repository().stored_bytes == 0


def test_an_image_that_was_restored_or_pushed_again_stays(room: Room, clock: SetClock) -> None:
    restored, one = room.push_image("v1")
    again, two = room.push_image("v2", "two")
    for pushed in (restored, again):
        removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(DAY)
    removals.restore(room.store, ACTOR, restored.image)
    room.put(two, "v2")
    clock.advance(2 * DAY)

    # The second image's first push goes, and with it one of the two uses of its layer.
    assert purge(room.store) == Purged(images=1, manifests=0, blobs=0, blob_bytes=0, repositories=0)
    assert room.repository().layer_count == 2
    for content in (one, two):
        assert pulls.manifest(room.store, ACTOR, "team/app", Digest.of(content)).content == content


def test_children_of_a_purged_index_go_with_it_unless_they_stand_for_themselves(room: Room, clock: SetClock) -> None:
    contents = {}
    for seed in ("one", "two", "three"):
        _, contents[seed] = room.push_image("", seed, settle_microseconds=DAY)
    room.put(contents["two"], "mine")
    index = index_of((contents["one"], "amd64"), (contents["two"], "arm64"))
    other = index_of((contents["three"], "riscv64"), (contents["one"], "amd64"))
    first = room.put(index, "first")
    room.put(other, "other")
    removals.delete(room.store, ACTOR, first.image)
    clock.advance(2 * DAY + 1)
    purge(room.store)

    served = {name: Digest.of(content) for name, content in contents.items()}
    for name in ("one", "two", "three"):
        assert pulls.manifest(room.store, ACTOR, "team/app", served[name]).digest == served[name]
    found = images.listed(room.store, ACTOR, ImageFilter(version="other")).items
    removals.delete(room.store, ACTOR, found[0].ocid)
    clock.advance(2 * DAY + 1)
    purge(room.store)

    assert pulls.manifest(room.store, ACTOR, "team/app", served["two"]).digest == served["two"]
    for name in ("one", "three"):
        with pytest.raises(Refused):
            pulls.manifest(room.store, ACTOR, "team/app", served[name])
    assert rows(room.store, "repository_manifest") == rows(room.store, "manifest") == 1
    assert room.repository().layer_count == 1


def test_what_hangs_from_a_manifest_that_was_deleted_by_digest_goes_with_it(room: Room, clock: SetClock) -> None:
    pushed, image = room.push_image("v1")
    sbom = referrer_of(room, image, "sbom")
    referrer_of(room, sbom, "signature of the sbom")
    room.push_blob(b"payload")
    signature = manifest_of(b"payload", [], artifactType="application/vnd.y")
    room.put(signature, f"sha256-{pushed.digest.encoded}.sig")
    removals.delete_manifest(room.store, ACTOR, "team/app", pushed.digest)
    clock.advance(DAY)
    later = referrer_of(room, image, "pushed since")
    clock.advance(DAY + 1)

    purge(room.store)

    assert tags.listed(room.store, ACTOR, "team/app") == ((), False)
    assert rows(room.store, "repository_manifest") == 1
    assert pulls.manifest(room.store, ACTOR, "team/app", Digest.of(later)).content == later


def test_a_manifest_that_another_repository_holds_keeps_its_bytes(room: Room, clock: SetClock) -> None:
    pushed, content = room.push_image("v1")
    room.push_image("v1", repository="team/other")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    purge(room.store)
    assert pulls.manifest(room.store, ACTOR, "team/other", "v1").content == content


def test_a_deleted_repository_is_purged_with_all_that_lay_in_it(room: Room, clock: SetClock) -> None:
    room.push_image("v1")
    room.push_image("v2", "two")
    room.push_image("kept", repository="team/other")
    ocid = room.repository().ocid
    repositories.delete(room.store, ACTOR, ocid)
    clock.advance(2 * DAY)
    assert purge(room.store) == NOTHING
    clock.advance(1)
    assert purge(room.store).images == 2
    assert repositories.get(room.store, ACTOR, ocid).lifecycle_state is LifecycleState.DELETED
    clock.advance(GRACE_MICROSECONDS_MIN)
    assert purge(room.store).repositories == 1

    with pytest.raises(Refused):
        repositories.get(room.store, ACTOR, ocid)
    for table in ("repository", "image", "repository_manifest", "tag", "tag_move", "manifest"):
        assert rows(room.store, table) == 1, table
    assert pulls.manifest(room.store, ACTOR, "team/other", "kept").content
