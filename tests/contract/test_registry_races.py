"""Collection between any two steps of whatever else goes on, on both databases: nothing acknowledged is lost.

Each case runs one verb with something else between two of its steps: before its n-th transaction, or before or after
its n-th operation on the blob store, for n = 1, 2, 3 … until there are no more steps.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from registry_pieces import ACTOR, Room, manifest_of
from sqlalchemy import Connection

from assay.clock import DAY, HOUR, SetClock
from assay.errors import Refused, Unavailable
from assay.oci import Digest
from assay.registry import artifacts, blobs, claims, pulls, removals, uploads
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import purge
from assay.registry.collection.sweep import sweep
from assay.registry.model import StoredBlob
from assay.registry.records import repositories as repository_records
from assay.storage import Database, FolderBlobs, Store

GRACE = GRACE_MICROSECONDS_MIN
CONTENT = b"layer of one"
LAYER = Digest.of(CONTENT)
STEPS_MAX = 60
FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"


class Between:
    """Lets something happen once, before the n-th step of whatever goes on."""

    def __init__(self) -> None:
        self._left = 0
        self._act: Callable[[], object] | None = None
        self.has_acted = False

    def at(self, number: int, act: Callable[[], object]) -> None:
        self._left, self._act, self.has_acted = number, act, False

    def step(self) -> None:
        if self._act is None:
            return
        self._left -= 1
        if self._left == 0:
            act, self._act = self._act, None
            self.has_acted = True
            act()

    def end(self) -> None:
        self._act = None


class SteppedBlobs(FolderBlobs):
    """A folder whose operations are steps."""

    def __init__(self, folder: Path, between: Between) -> None:
        super().__init__(folder)
        self._between = between

    def put(self, digest: Digest, content: bytes) -> None:
        self._between.step()
        super().put(digest, content)
        self._between.step()


@contextmanager
def stepped(database: Database, between: Between, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a step of each transaction, and of each publication."""
    real = database.write

    @contextmanager
    def write() -> Iterator[Connection]:
        between.step()
        with real() as connection:
            yield connection
        between.step()

    publish = uploads.Writer.publish

    def published(writer: uploads.Writer, digest: Digest) -> int:
        between.step()
        size = publish(writer, digest)
        between.step()
        return size

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", write)
        patched.setattr(uploads.Writer, "publish", published)
        yield


@pytest.fixture
def between() -> Between:
    return Between()


@pytest.fixture
def room(store: Store, tmp_path: Path, between: Between, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    kept = SteppedBlobs(tmp_path / "blobs", between)
    with stepped(store.database, between, monkeypatch):
        yield Room(store, kept, uploads.Intake(store, kept))


def collect(room: Room) -> None:
    """Everything that upkeep does, to its end."""
    purge(room.store)
    sweep(room.store, room.blobs, grace=GRACE)


def left_over(room: Room, clock: SetClock) -> None:
    """A blob that is due to be collected."""
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY)
    purge(room.store)
    clock.advance(GRACE)


def bytes_alone(room: Room, clock: SetClock) -> None:
    """A blob of which only the store knows."""
    room.blobs.put(LAYER, CONTENT)


def taken_in(room: Room, clock: SetClock) -> None:
    """The same, found by collection a grace ago."""
    room.blobs.put(LAYER, CONTENT)
    sweep(room.store, room.blobs, grace=GRACE)
    clock.advance(GRACE)


def row_alone(room: Room, clock: SetClock) -> None:
    """A blob of which a crashed collection has taken the bytes."""
    left_over(room, clock)
    room.blobs.delete(LAYER)


def nothing(room: Room, clock: SetClock) -> None:
    """Nobody knows of it."""


def about_to_go(room: Room, clock: SetClock) -> None:
    """The only repository that holds it is about to let go of it."""
    room.push_blob(CONTENT, "team/gone")
    clock.advance(DAY)


STATES = (nothing, left_over, bytes_alone, taken_in, row_alone, about_to_go)


def push(room: Room) -> None:
    room.push_blob(CONTENT)


def put_blob(room: Room) -> None:
    artifacts.put_blob(room.store, room.blobs, ACTOR, "team/app", CONTENT)


#: The quick run has each state once, and each way of storing twice.
CASES = [(state, store_it) for state in STATES for store_it in (push, put_blob)]
if not FULL:
    CASES = [(nothing, put_blob), (left_over, push), (bytes_alone, push), (taken_in, push), (row_alone, put_blob)]


def served(room: Room, name: str = "team/app") -> bytes:
    path = blobs.find(room.store, room.blobs, ACTOR, name, LAYER).path
    assert path is not None
    return path.read_bytes()


@pytest.mark.parametrize(("state", "store_it"), CASES)
def test_collection_between_any_two_steps_of_a_push_loses_nothing(
    room: Room, clock: SetClock, between: Between, state: Callable[..., None], store_it: Callable[[Room], None]
) -> None:
    room.push_blob(b"so that the repository is there")
    for number in range(1, STEPS_MAX):
        state(room, clock)
        between.at(number, lambda: collect(room))
        store_it(room)
        between.end()
        assert served(room) == CONTENT
        if not between.has_acted:
            break
        # Away with it, for the next time.
        for _ in range(3):
            clock.advance(DAY)
            collect(room)
        room.push_blob(b"so that the repository is there")
        assert room.blobs.size(LAYER) is None
    assert list(fsck(room.store, room.blobs, grace=GRACE)) == []
    assert 3 < number < STEPS_MAX


@pytest.mark.parametrize("source", ["team/gone", None][: 2 if FULL else 1])
def test_collection_between_any_two_steps_of_a_mount_loses_nothing(
    room: Room, clock: SetClock, between: Between, source: str | None
) -> None:
    room.push_blob(b"so that the repository is there")
    mounted = []
    for number in range(1, STEPS_MAX):
        # Shown until an hour before it goes; then everything happens that can, between two steps of the mount.
        room.push_blob(CONTENT, "team/gone")
        clock.advance(DAY - HOUR - 1)

        def much_later() -> None:
            for _ in range(2):
                clock.advance(GRACE)
                collect(room)

        between.at(number, much_later)
        size = blobs.mount(room.intake, ACTOR, "team/app", LAYER, source_name=source)
        between.end()
        mounted.append(size)
        if not between.has_acted:
            break
        for _ in range(3):
            clock.advance(DAY)
            collect(room)
        room.push_blob(b"so that the repository is there")
    assert list(fsck(room.store, room.blobs, grace=GRACE)) == []
    assert served(room) == CONTENT
    assert None in mounted, "the source went before the mount looked"
    assert mounted[-1] == len(CONTENT)


def test_collection_between_any_two_steps_of_a_push_of_a_manifest_loses_nothing(
    room: Room, clock: SetClock, between: Between
) -> None:
    """The same manifest was in another repository, from which it is purged meanwhile."""
    content = manifest_of(b"config", [CONTENT])
    for number in range(1, STEPS_MAX):
        for blob in (b"config", CONTENT):
            room.push_blob(blob, "team/gone")
        pushed = room.put(content, "v1", "team/gone")
        removals.delete(room.store, ACTOR, pushed.image)
        clock.advance(2 * DAY + 1)
        for blob in (b"config", CONTENT):
            room.push_blob(blob)
        between.at(number, lambda: collect(room))
        again = room.put(content, "v1")
        between.end()
        assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == content
        if not between.has_acted:
            break
        removals.delete(room.store, ACTOR, again.image)
        clock.advance(2 * DAY + 1)
        collect(room)
    assert list(fsck(room.store, room.blobs, grace=GRACE)) == []
    assert number > 1


def test_a_push_between_any_two_steps_of_the_purge_of_the_same_image_loses_nothing(
    room: Room, clock: SetClock, between: Between
) -> None:
    for number in range(1, STEPS_MAX):
        pushed, content = room.push_image("v1", f"image {number}")
        removals.delete(room.store, ACTOR, pushed.image)
        clock.advance(2 * DAY + 1)
        between.at(number, lambda seed=number: room.push_image("v1", f"image {seed}"))
        collect(room)
        between.end()
        if not between.has_acted:
            break
        collect(room)
        assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == content
    assert list(fsck(room.store, room.blobs, grace=GRACE)) == []
    assert number > 3


class CrashError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("state", [left_over, bytes_alone, about_to_go][: 3 if FULL else 1])
def test_collection_that_crashes_at_any_step_goes_on(
    room: Room, clock: SetClock, between: Between, state: Callable[..., None]
) -> None:
    def crash() -> None:
        raise CrashError

    pushed, _ = room.push_image("v1", "deleted")
    removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY)
    for number in range(1, STEPS_MAX):
        state(room, clock)
        clock.advance(1)
        between.at(number, crash)
        with suppress(CrashError):
            collect(room)
        between.end()
        assert list(fsck(room.store, room.blobs, grace=GRACE)) == []
        for _ in range(3):
            clock.advance(DAY)
            collect(room)
        assert room.blobs.stored() == ()
        if not between.has_acted:
            break
    assert number > 3


def test_bytes_that_are_gone_when_the_commit_fails_are_published_anew(
    room: Room, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_over(room, clock)
    delete = room.blobs.delete

    def deleted(digest: Digest) -> None:
        delete(digest)
        raise Unavailable("The database went away.")

    with monkeypatch.context() as patched:
        patched.setattr(room.blobs, "delete", deleted)
        with pytest.raises(Unavailable):
            sweep(room.store, room.blobs, grace=GRACE)
    push(room)
    sweep(room.store, room.blobs, grace=GRACE)
    assert served(room) == CONTENT


def test_a_push_that_took_longer_than_its_claim_holds_is_refused(room: Room, clock: SetClock) -> None:
    """It may have been suspended between publishing and its last transaction, while its bytes were collected."""
    room.push_blob(b"so that the repository is there")
    claim = claims.take(room.store, room.blobs, LAYER, len(CONTENT))
    clock.advance(claims.CLAIM_MICROSECONDS - 1)
    claim.require(clock.now())
    clock.advance(1)
    with pytest.raises(Unavailable):
        claim.require(clock.now())


def test_a_claim_holds_off_collection_for_as_long_as_the_push_may_take(room: Room, clock: SetClock) -> None:
    room.push_blob(b"so that the repository is there")
    left_over(room, clock)
    claim = claims.take(room.store, room.blobs, LAYER, len(CONTENT))
    clock.advance(claims.CLAIM_MICROSECONDS - 1)
    collect(room)
    with room.store.database.write() as connection:
        claim.require(clock.now())
        repository = repository_records.by_name(connection, ACTOR.tenancy, "team/app")
        assert repository is not None
        repository_records.lock(connection, repository.ocid)
        claims.hold(connection, repository, StoredBlob(LAYER, len(CONTENT)), clock.now())
    assert served(room) == CONTENT


def test_pushes_and_collection_at_once_on_connections_of_their_own(room: Room, clock: SetClock) -> None:
    """No order is given: whatever it is, what was acknowledged is there."""
    room.push_blob(b"so that the repository is there")
    left_over(room, clock)
    goes = threading.Event()
    faults: list[BaseException] = []

    def until_told(act: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not goes.is_set():
                    act()
            except BaseException as fault:  # noqa: BLE001 - told to the test
                faults.append(fault)

        return run

    collecting = [threading.Thread(target=until_told(lambda: collect(room))) for _ in range(2)]
    for thread in collecting:
        thread.start()
    try:
        for number in range(10):
            room.push_blob(CONTENT, f"team/app{number}")
            assert served(room, f"team/app{number}") == CONTENT
            clock.advance(DAY)
    finally:
        goes.set()
        for thread in collecting:
            thread.join()
    assert faults == []
    clock.advance(DAY)
    collect(room)
    with pytest.raises(Refused):
        served(room)
