"""Collection amid a transaction, on PostgreSQL: something else commits between two statements of it.

(SQLite has one writer at a time, so nothing can.) Each case is an order in which a look without a lock would be wrong.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from registry_pieces import ACTOR, Room, manifest_of
from sqlalchemy import event

from assay.clock import DAY, HOUR, SetClock
from assay.oci import Digest
from assay.registry import blobs, pulls, removals
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import _purge_blobs_of, purge
from assay.registry.collection.sweep import sweep
from assay.storage import Database, Store

pytestmark = pytest.mark.parametrize("database", ["postgres"], indirect=True)

GRACE = GRACE_MICROSECONDS_MIN
CONTENT = b"layer of one"
LAYER = Digest.of(CONTENT)
WAIT_SECONDS = 30


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def beside(act: Callable[[], object]) -> None:
    """Do it on a thread and a connection of its own, to its end."""
    faults: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as fault:  # noqa: BLE001 - told to the test
            faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive(), "it waits for a lock that is held here"
    assert faults == []


@contextmanager
def before(database: Database, statement: str, act: Callable[[], object]) -> Iterator[None]:
    """Let something happen, once, before this thread's first statement that holds these words in this order."""
    me, left = threading.get_ident(), [act]
    words = statement.split(" … ")

    def look(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        start = 0
        for word in words:
            start = text.find(word, start)
            if start < 0:
                return
        if threading.get_ident() == me and left:
            beside(left.pop())

    event.listen(database.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(database.engine, "before_cursor_execute", look)
    assert not left, "the statement never came"


def collect(room: Room) -> None:
    purge(room.store)
    sweep(room.store, room.blobs, grace=GRACE)


def served(room: Room, name: str = "team/app") -> bytes:
    path = blobs.find(room.store, room.blobs, ACTOR, name, LAYER).path
    assert path is not None
    return path.read_bytes()


def agrees(room: Room) -> bool:
    return list(fsck(room.store, room.blobs, grace=GRACE)) == []


def unreferenced(room: Room) -> bool:
    """Whether collection takes the blob when its grace is over."""
    room.store.clock.advance(GRACE)  # type: ignore[attr-defined] - the clock of the tests
    sweep(room.store, room.blobs, grace=GRACE)
    return room.blobs.size(LAYER) is None


def test_of_the_last_two_repositories_that_let_go_at_once_the_second_sees_it(room: Room, clock: SetClock) -> None:
    room.push_blob(CONTENT, "team/one")
    room.push_blob(CONTENT, "team/two")
    clock.advance(DAY)
    one, two = (room.repository(name).ocid for name in ("team/one", "team/two"))
    # Both have taken their own row away; neither sees that the other has.
    with before(room.store.database, "SELECT blob.digest … FOR UPDATE", lambda: _purge_blobs_of(room.store, two)):
        assert _purge_blobs_of(room.store, one) == (1, len(CONTENT))
    assert agrees(room)
    assert unreferenced(room)


def test_a_mount_that_commits_while_its_source_goes_keeps_the_blob(room: Room, clock: SetClock) -> None:
    room.push_image("other", "so that the repository is there")
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY - 2 * HOUR)
    sizes: list[int | None] = []

    def mount() -> None:
        clock.advance(-2 * HOUR)
        sizes.append(blobs.mount(room.intake, ACTOR, "team/app", LAYER, source_name="team/gone"))

    clock.advance(2 * HOUR)
    with before(room.store.database, "SELECT blob.digest … FOR UPDATE", mount):
        purge(room.store)
    assert sizes == [len(CONTENT)]
    assert agrees(room)
    clock.advance(GRACE)
    sweep(room.store, room.blobs, grace=GRACE)
    assert served(room) == CONTENT


def test_a_mount_sees_that_its_source_went_before_it_held_the_blob(room: Room, clock: SetClock) -> None:
    room.push_image("other", "so that the repository is there")
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY - HOUR - 1)

    def much_later() -> None:
        for _ in range(2):
            clock.advance(GRACE)
            collect(room)

    with before(room.store.database, "SELECT blob.digest … FOR UPDATE", much_later):
        assert blobs.mount(room.intake, ACTOR, "team/app", LAYER, source_name="team/gone") is None
    assert room.blobs.size(LAYER) is None
    assert agrees(room)


def test_a_claim_that_commits_before_the_blob_is_looked_at_again_keeps_it(room: Room, clock: SetClock) -> None:
    room.push_image("other", "so that the repository is there")
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY)
    purge(room.store)
    clock.advance(GRACE)
    with before(
        room.store.database, "SELECT blob.size, blob.time_unreferenced … FOR UPDATE", lambda: room.push_blob(CONTENT)
    ):
        sweep(room.store, room.blobs, grace=GRACE)
    assert served(room) == CONTENT
    assert agrees(room)


def test_a_push_that_comes_while_the_bytes_are_removed_waits_and_brings_its_own(
    room: Room, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.push_image("other", "so that the repository is there")
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY)
    purge(room.store)
    clock.advance(GRACE)
    pushing = threading.Thread(target=room.push_blob, args=(CONTENT,))
    delete = room.blobs.delete

    def deleted(digest: Digest) -> None:
        # Whether it comes to wait for the row before or after the bytes are gone makes no difference.
        if digest == LAYER:
            pushing.start()
        delete(digest)

    with monkeypatch.context() as patched:
        patched.setattr(room.blobs, "delete", deleted)
        sweep(room.store, room.blobs, grace=GRACE)
    pushing.join(WAIT_SECONDS)
    assert served(room) == CONTENT
    assert agrees(room)


def test_a_manifest_pushed_while_another_repository_purges_it_keeps_its_bytes(room: Room, clock: SetClock) -> None:
    content = manifest_of(b"config", [CONTENT])
    for name in ("team/gone", "team/app"):
        for blob in (b"config", CONTENT):
            room.push_blob(blob, name)
    pushed = room.put(content, "v1", "team/gone")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    for blob in (b"config", CONTENT):
        room.push_blob(blob)
    with before(room.store.database, "SELECT manifest.digest … FOR UPDATE", lambda: room.put(content, "v1")):
        purge(room.store)
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == content
    assert agrees(room)


def test_a_manifest_purged_while_it_is_pushed_again_elsewhere_gets_its_bytes_anew(room: Room, clock: SetClock) -> None:
    content = manifest_of(b"config", [CONTENT])
    for blob in (b"config", CONTENT):
        room.push_blob(blob, "team/gone")
    pushed = room.put(content, "v1", "team/gone")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY + 1)
    for blob in (b"config", CONTENT):
        room.push_blob(blob)
    # It was there when it was to be stored, and is gone when it is to be locked.
    with before(room.store.database, "SELECT manifest.content … FOR UPDATE", lambda: purge(room.store)):
        room.put(content, "v1")
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == content
    assert agrees(room)
