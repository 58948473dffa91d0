"""Collection, scrub and check where blobs lie in a bucket of a real S3 server."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from blob_media import S3Medium, cleared
from registry_pieces import ACTOR, Room
from s3_server import S3Server

from assay.clock import DAY, SetClock
from assay.errors import Refused
from assay.oci import Digest
from assay.registry import blobs, removals
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import purge
from assay.registry.collection.scrub import scrub
from assay.registry.collection.sweep import Swept, sweep
from assay.registry.uploads import Intake
from assay.storage import Store

pytestmark = [pytest.mark.parametrize("database", ["sqlite"], indirect=True), pytest.mark.real]

GRACE = GRACE_MICROSECONDS_MIN
LAYER = Digest.of(b"layer of one")


@pytest.fixture
def room(store: Store, s3: S3Server) -> Iterator[Room]:
    with ExitStack() as closing, cleared(S3Medium(s3, closing)) as medium:
        yield Room(store, medium.blobs, Intake(store, medium.blobs))  # type: ignore[arg-type] - any store will do


def agrees(room: Room) -> bool:
    return list(fsck(room.store, room.blobs, grace=GRACE)) == []


def test_a_deleted_image_leaves_nothing_in_the_bucket(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    room.push_image("v2", "two")
    room.blobs.put(Digest.of(b"stray"), b"stray")
    removals.delete(room.store, ACTOR, pushed.image)
    found = []
    for _ in range(3):
        clock.advance(2 * DAY + 1)
        purge(room.store)
        found.append(sweep(room.store, room.blobs, grace=GRACE))
    assert found == [
        Swept(blobs=0, blob_bytes=0, strays=1, staged=0),
        Swept(blobs=1, blob_bytes=5, strays=0, staged=0),
        Swept(blobs=2, blob_bytes=27, strays=0, staged=0),
    ]
    assert {kept.size for kept in room.blobs.stored()} == {15, 12}
    assert agrees(room)


def test_damage_in_the_bucket_is_found_and_mended_by_a_push(room: Room) -> None:
    room.push_image("v1")
    room.blobs.delete(LAYER)
    room.blobs.put(LAYER, b"layer of 0ne")
    assert scrub(room.store, room.blobs).damaged == 1
    with pytest.raises(Refused, match="damaged"):
        blobs.find(room.store, room.blobs, ACTOR, "team/app", LAYER)
    room.push_blob(b"layer of one")
    with room.blobs.open(LAYER) as file:
        assert file.read() == b"layer of one"
    assert scrub(room.store, room.blobs).damaged == 0
    assert agrees(room)
