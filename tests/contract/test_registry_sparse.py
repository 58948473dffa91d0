"""Manifests that name what their repository does not have yet, on both databases: taken, counted, kept, and checked."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from registry_oracle import faults
from registry_pieces import ACTOR, OCI_INDEX, OCI_MANIFEST, STRANGER, Room, described, index_of, manifest_of
from sqlalchemy import text

from assay.clock import DAY, HOUR, SetClock
from assay.errors import Reason, Refused
from assay.events import PartArrived
from assay.oci import Digest
from assay.registry import blobs, images, pulls, removals
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import purge
from assay.registry.collection.scrub import scrub
from assay.registry.collection.sweep import sweep
from assay.registry.manifests import ManifestLimits
from assay.registry.pushes import Pushed
from assay.storage import Store

ORDERS = 60 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 3
TAKES = ManifestLimits(takes_sparse=True)
CONFIG, BASE, TOP = b'{"is": "a config"}', b"base layer", b"top"
IMAGE = manifest_of(CONFIG, [BASE, TOP])


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def put(
    room: Room, content: bytes, tag: str = "", limits: ManifestLimits = TAKES, repository: str = "team/app"
) -> Pushed:
    return room.put(content, tag or Digest.of(content), repository, limits=limits)


def refusal_of(act: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as refusal:
        act()
    return refusal.value.reason


def counts(room: Room) -> tuple[int, int, int, int]:
    found = room.repository()
    return found.image_count, found.layer_count, found.layers_bytes, found.stored_bytes


def layers_bytes(room: Room, *pushed: Pushed) -> list[int]:
    return [images.get(room.store, ACTOR, each.image).layers_bytes for each in pushed]


def check(room: Room) -> None:
    assert faults(room.store.database, room.blobs, is_sparse=True) == []
    assert list(fsck(room.store, room.blobs, takes_sparse=True)) == []


def test_it_is_refused_unless_the_installation_takes_it(room: Room) -> None:
    room.push_blob(CONFIG)
    assert refusal_of(lambda: put(room, IMAGE, "v1", ManifestLimits())) is Reason.MANIFEST_BLOB_UNKNOWN
    index = index_of((IMAGE, "amd64"))
    assert refusal_of(lambda: put(room, index, "v1", ManifestLimits())) is Reason.MANIFEST_BLOB_UNKNOWN
    assert put(room, index, "v1").tags == ("v1",)
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == index


def test_what_is_there_must_be_what_the_manifest_says(room: Room) -> None:
    room.push_blob(BASE)
    document = json.loads(IMAGE)
    document["layers"][0]["size"] += 1
    assert refusal_of(lambda: put(room, json.dumps(document).encode())) is Reason.MANIFEST_INVALID
    put(room, IMAGE)
    wrong = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(IMAGE, OCI_INDEX)]})
    assert refusal_of(lambda: put(room, wrong.encode())) is Reason.MANIFEST_INVALID


def test_a_damaged_blob_is_to_be_pushed_again_all_the_same(room: Room) -> None:
    path = room.blobs.path(room.push_blob(BASE))
    assert path is not None
    path.write_bytes(b"base Layer")
    scrub(room.store, room.blobs)
    assert refusal_of(lambda: put(room, IMAGE)) is Reason.MANIFEST_BLOB_UNKNOWN
    room.push_blob(BASE)
    put(room, IMAGE)


def test_a_layer_is_counted_when_it_comes_with_every_image_that_names_it(room: Room) -> None:
    other = manifest_of(CONFIG, [BASE])
    first, second = put(room, IMAGE, "v1"), put(room, other, "v2")
    assert counts(room) == (2, 0, 0, 0)
    room.push_blob(BASE)
    assert (counts(room), layers_bytes(room, first, second)) == ((2, 1, 10, 10), [10, 10])
    room.push_blob(TOP)
    assert (counts(room), layers_bytes(room, first, second)) == ((2, 2, 13, 13), [13, 10])
    room.push_blob(CONFIG)
    room.push_blob(BASE)
    assert counts(room) == (2, 2, 13, 31)
    check(room)


def test_a_mounted_layer_is_counted_and_what_was_deleted_grows_too(room: Room, clock: SetClock) -> None:
    room.push_image("there", layers=[BASE], repository="team/other")
    pushed = put(room, IMAGE, "v1")
    removals.delete(room.store, ACTOR, pushed.image)
    assert blobs.mount(room.intake, ACTOR, "team/app", Digest.of(BASE), source_name="team/other") == 10
    assert counts(room) == (0, 1, 10, 10)
    assert room.facts(PartArrived) == []
    check(room)
    removals.restore(room.store, ACTOR, pushed.image)
    assert (counts(room), layers_bytes(room, pushed)) == ((1, 1, 10, 10), [10])
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    assert (purge(room.store).images, counts(room)) == (1, (0, 0, 0, 10))
    check(room)


def test_the_layers_of_a_platform_are_counted_when_it_comes(room: Room) -> None:
    arm = manifest_of(CONFIG, [BASE, b"arm top"])
    index = index_of((IMAGE, "amd64"), (arm, "arm64"))
    outer = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(index, OCI_INDEX)]})
    pushed = put(room, outer.encode(), "v1")
    for blob in (CONFIG, BASE, TOP, b"arm top"):
        room.push_blob(blob)
    assert counts(room)[:3] == (1, 0, 0)
    put(room, IMAGE)  # an index that is not here names it: an image of its own, until that comes
    assert counts(room)[:3] == (2, 2, 13)
    put(room, index)
    assert (counts(room)[:3], layers_bytes(room, pushed)) == ((1, 2, 13), [13])
    put(room, arm)
    assert (counts(room)[:3], layers_bytes(room, pushed)) == ((1, 3, 20), [20])
    assert [fact.part for fact in room.facts(PartArrived)] == [Digest.of(index).text, Digest.of(arm).text]
    assert {fact.image for fact in room.facts(PartArrived)} == {pushed.image}
    check(room)


def test_what_others_hold_is_neither_counted_nor_given(room: Room) -> None:
    room.push_image("v1", repository="their/app", actor=STRANGER, layers=[BASE])
    theirs = manifest_of(b'{"seed": "one"}', [BASE])
    pushed = put(room, index_of((theirs, "amd64")), "v1")
    room.push_blob(BASE)
    assert (counts(room), layers_bytes(room, pushed)) == ((1, 0, 0, 10), [0])
    assert images.layers(room.store, images.get(room.store, ACTOR, pushed.image)) == ()
    assert (
        refusal_of(lambda: pulls.manifest(room.store, ACTOR, "team/app", Digest.of(theirs))) is Reason.MANIFEST_UNKNOWN
    )
    with room.store.database.read() as connection:
        found = images.platforms(connection, room.repository().ocid, pushed.digest)
    assert (found.present, [each.digest for each in found.absent]) == ((), [Digest.of(theirs)])
    check(room)


def test_a_named_blob_that_came_late_stays_and_one_that_is_absent_cannot_be_deleted(
    room: Room, clock: SetClock
) -> None:
    put(room, IMAGE, "v1")
    absent = refusal_of(lambda: blobs.delete(room.store, ACTOR, "team/app", Digest.of(BASE)))
    room.push_blob(BASE)
    present = refusal_of(lambda: blobs.delete(room.store, ACTOR, "team/app", Digest.of(BASE)))
    assert (absent, present) == (Reason.BLOB_UNKNOWN, Reason.METHOD)
    clock.advance(10 * DAY)
    purge(room.store)
    sweep(room.store, room.blobs, grace=GRACE_MICROSECONDS_MIN)
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", Digest.of(BASE)).size == 10
    check(room)


def test_a_child_that_comes_cannot_nest_the_indexes_above_it_deeper_than_the_limit(room: Room) -> None:
    limits = ManifestLimits(nesting_max=2, takes_sparse=True)
    chain = [index_of((IMAGE, "amd64"))]
    for _ in range(2):
        above = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [described(chain[-1], OCI_INDEX)]}
        chain.append(json.dumps(above).encode())
    lowest, middle, top = chain
    put(room, top, limits=limits)
    put(room, middle, limits=limits)
    assert refusal_of(lambda: put(room, lowest, limits=limits)) is Reason.TOO_LARGE
    put(room, lowest, limits=TAKES)
    check(room)


def test_the_check_tells_of_absent_parts_only_where_they_are_refused(room: Room) -> None:
    put(room, index_of((IMAGE, "amd64"), (b"absent", "arm64")), "v1")
    put(room, IMAGE)
    room.push_blob(BASE)
    found = {(finding.subject, finding.says) for finding in fsck(room.store, room.blobs)}
    blob, child = "a manifest of the repository names this blob", "an index of the repository names this manifest"
    assert found == {
        (Digest.of(CONFIG).text, f"{blob}, which it does not hold"),
        (Digest.of(TOP).text, f"{blob}, which it does not hold"),
        (Digest.of(b"absent").text, f"{child}, which it does not hold"),
    }
    assert list(fsck(room.store, room.blobs, takes_sparse=True)) == []
    with room.store.database.write() as connection:
        connection.execute(text("UPDATE repository_blob SET layer_uses = 7"))
    assert any("images have this layer" in each.says for each in fsck(room.store, room.blobs, takes_sparse=True))


@pytest.mark.parametrize("seed", range(ORDERS))
def test_whatever_order_things_come_in_the_counts_are_exact(room: Room, clock: SetClock, seed: int) -> None:
    order = random.Random(seed)
    layers = [b"one", b"layer two", b"the third layer", b"four"]
    kids = [manifest_of(CONFIG, order.sample(layers, order.randint(1, 3)), annotations={"n": str(n)}) for n in range(4)]
    inner = index_of((kids[0], "amd64"), (kids[1], "arm64"))
    listed = [described(inner, OCI_INDEX), described(kids[1], OCI_MANIFEST), described(kids[2], OCI_MANIFEST)]
    outer = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    acts: list[Callable[[], object]] = [lambda blob=blob: room.push_blob(blob) for blob in (CONFIG, *layers)]
    acts += [lambda content=content: put(room, content) for content in (*kids, inner, outer)]
    acts += [lambda n=n: put(room, (*kids, inner, outer)[n], f"v{n}") for n in order.sample(range(6), 3)]
    acts += [lambda: delete_some(room, order)] * 3
    room.push_blob(b"another")
    for _ in range(2):
        order.shuffle(acts)
        for act in acts:
            act()
            assert faults(room.store.database, room.blobs, is_sparse=True) == []
            clock.advance(order.choice([1, HOUR, DAY]))
            purge(room.store)
    check(room)
    # In the end all has come: nothing is missing, and the counts are those of a repository that was pushed in order.
    for blob in (CONFIG, *layers):
        room.push_blob(blob)
    for content in (*kids, inner, outer):
        put(room, content, limits=ManifestLimits())
    check(room)
    assert faults(room.store.database, room.blobs) == []
    assert list(fsck(room.store, room.blobs)) == []


def delete_some(room: Room, order: random.Random) -> None:
    found = images.listed(room.store, ACTOR).items if room.repository().image_count else ()
    if found:
        gone = order.choice(found)
        removals.delete(room.store, ACTOR, gone.ocid)
        if order.random() < 0.5:
            removals.restore(room.store, ACTOR, gone.ocid)
