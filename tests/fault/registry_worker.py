"""Started by the test of processes at once: one client, or the upkeep, of a registry that other processes work on too.

    python registry_worker.py FOLDER DATABASE_URL client NUMBER ROUNDS
    python registry_worker.py FOLDER DATABASE_URL upkeep NUMBER 0

All share the database, the blobs and the time, which the upkeep moves: it stands in a file. A client ends after its
rounds; the upkeep when the file `stop` is there.
"""

import contextlib
import os
import random
import sys
import time
from pathlib import Path

from places import NOON
from registry_pieces import ACTOR, Room
from registry_scene import SHARED, Ledger, Scene

from assay.clock import HOUR, MINUTE, Clock, Instant, Site
from assay.errors import Reason, Refused, Unavailable
from assay.oci import Digest
from assay.registry import blobs, removals, uploads
from assay.registry.collection.purge import purge
from assay.registry.collection.sweep import sweep
from assay.secret import Secret
from assay.storage import Database, Store

NAMES = ("team/app", "team/elsewhere")
TRIES_MAX = 50
#: After how many rounds a client pulls all that it was promised.
LOOK_ROUNDS = 10
#: What somebody else's work may do to a push: it is begun anew.
PASSING = (Reason.MANIFEST_BLOB_UNKNOWN, Reason.UPLOAD_UNKNOWN, Reason.NOT_FOUND)


class SharedClock:
    """The time that stands in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> Instant:
        """The time."""
        return Instant(int(self._path.read_text())) if self._path.exists() else NOON

    def advance(self, microseconds: int) -> None:
        """Move it; one process alone may."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(str(self.now() + microseconds))
        fresh.replace(self._path)


def opened(folder: Path, url: str, clock: Clock) -> Room:
    """The registry as each process opens it."""
    return Room.on(Store(Database(url), clock, Site("oc1", "local"), Secret("page key of the tests")), folder / "blobs")


class Client:
    """A client whose images are its own, and whose layers everybody has."""

    def __init__(self, room: Room, clock: SharedClock, folder: Path, number: int) -> None:
        self._random = random.Random(number)
        self._number = number
        ledger = Ledger(folder / f"ledger{number}")
        self._scenes = [Scene(room, clock, ledger, name) for name in NAMES]  # type: ignore[arg-type]
        self._there: list[tuple[Scene, str]] = []
        self._gone: list[tuple[Scene, str]] = []

    def play(self, rounds: int) -> None:
        """Act at random."""
        for number in range(rounds):
            act = self._random.choice((self._push, self._push, self._delete, self._restore))
            act(f"{self._number}-{number}")
            if number % LOOK_ROUNDS == 0:
                self._scenes[0].check_acknowledged()

    def _push(self, seed: str) -> None:
        scene = self._random.choice(self._scenes)
        for _ in range(TRIES_MAX):
            try:
                with contextlib.suppress(Unavailable):
                    blobs.mount(scene.room.intake, ACTOR, scene.name, Digest.of(SHARED), source_name=None)
                scene.push_image(f"t{seed}", seed)
            except Unavailable:
                continue
            except Refused as refusal:
                if refusal.reason not in PASSING:
                    raise
                continue
            self._there.append((scene, seed))
            return
        raise AssertionError(f"the push of {seed} never succeeded")

    def _delete(self, _: str) -> None:
        if self._there:
            scene, seed = self._there.pop(self._random.randrange(len(self._there)))
            scene.take_away(f"t{seed}", Digest.of(scene.image(seed)))
            removals.delete(scene.room.store, ACTOR, scene.image_ocid(seed))
            self._gone.append((scene, seed))

    def _restore(self, _: str) -> None:
        if self._gone:
            scene, seed = self._gone.pop(self._random.randrange(len(self._gone)))
            try:
                removals.restore(scene.room.store, ACTOR, scene.image_ocid(seed))
            except (Refused, LookupError) as refusal:
                if isinstance(refusal, Refused) and refusal.reason not in (Reason.WRONG_STATE, Reason.NOT_FOUND):
                    raise
                return  # its time was over
            scene.ledger.acknowledge(scene.name, Digest.of(scene.image(seed)).text, scene.image(seed))
            self._there.append((scene, seed))


def upkeep(room: Room, clock: SharedClock, folder: Path, number: int) -> None:
    """Move the time, and collect, until it is told to stop."""
    chance = random.Random(number)
    while not (folder / "stop").exists():
        clock.advance(chance.choice((MINUTE, HOUR, 3 * HOUR, 9 * HOUR)))
        uploads.expire(room.intake)
        purge(room.store)
        sweep(room.store, room.blobs)
        time.sleep(0.2)


def main(folder: Path, url: str, role: str, number: int, rounds: int) -> None:
    """Work."""
    clock = SharedClock(folder / "now")
    room = opened(folder, url, clock)
    if role == "upkeep":
        upkeep(room, clock, folder, number)
    else:
        Client(room, clock, folder, number).play(rounds)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
