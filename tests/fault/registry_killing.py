"""Started by the tests of kill -9: does an act in a child process that kills itself at the n-th operation.

    python registry_killing.py FOLDER DATABASE_URL KIND STRIDE ACT…

For n = 1, 1 + STRIDE … until the act ends without having come to its n-th operation. Another child then opens
the data afresh, looks whether rows and files agree and whether what was acknowledged is there, and does the act again.
Prints one line of JSON for each n. This process has one thread and no connection, so that it may fork.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from fault_points import Kind, Points, kill, watched_files, watched_rows
from places import NOON
from registry_acts import ACTS, Act
from registry_oracle import emptied
from registry_pieces import Room
from registry_scene import Ledger, Scene

from assay.clock import Instant, SetClock, Site
from assay.secret import Secret
from assay.storage import Database, Store

POINTS_MAX = 2_000
KILLED = -9


def main(folder: Path, url: str, act: Act, kind: Kind, stride: int) -> None:
    """Kill at every point of an act. With a stride each act has another first point."""
    folder.mkdir()
    for number in range(1 + len(act.name) % stride, POINTS_MAX, stride):
        place = folder / str(number)
        place.mkdir()

        def die(place: Path = place, number: int = number) -> None:
            broken_off(place, url, act, kind, number)

        def look(place: Path = place) -> None:
            looked_at(place, url, act)

        ended = forked(die)
        looked = forked(look)
        said = (place / "said").read_text() if (place / "said").exists() else ""
        print(
            json.dumps({"act": act.name, "number": number, "ended": ended, "looked": looked, "said": said}), flush=True
        )
        if ended != KILLED or looked != 0:
            return


def forked(work: Callable[[], None]) -> int:
    """Do `work` in a child; its exit code, or less the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            if code:
                traceback.print_exc()
                sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def opened(place: Path, url: str) -> Scene:
    """The scene as a fresh process finds it: the database and the folder, and nothing from memory."""
    database = Database(url)
    kept = place / "kept"
    said = json.loads(kept.read_text()) if kept.exists() else {"now": NOON, "found": {}}
    clock = SetClock(Instant(said["now"]))
    store = Store(database, clock, Site("oc1", "local"), Secret("page key of the tests"))
    return Scene(Room.on(store, place / "blobs"), clock, Ledger(place / "ledger"), "team/app", found=said["found"])


def broken_off(place: Path, url: str, act: Act, kind: Kind, number: int) -> None:
    """Prepare the act, and die amid it."""
    points = Points()
    with watched_files(points, place / "blobs"):
        scene = opened(place, url)
        database = scene.room.store.database
        emptied(database)
        act.prepare(scene)
        (place / "kept").write_text(json.dumps({"now": scene.clock.now(), "found": scene.found}))
        scene.attempts = 1
        with watched_rows(points, database), points.armed(kind, number, marked(place / "said")):
            act.do(scene)


def marked(said: Path) -> Callable[[object], None]:
    """A kill that first says where."""

    def strike(point: object) -> None:
        said.write_text(getattr(point, "what", ""))
        kill(point)  # type: ignore[arg-type]

    return strike


def looked_at(place: Path, url: str, act: Act) -> None:
    """What another process finds."""
    scene = opened(place, url)
    database = scene.room.store.database
    act.check_order(scene)
    scene.attempts = 2
    act.do(scene)
    act.check(scene)
    act.check_order(scene)
    database.close()


if __name__ == "__main__":
    for chosen in sys.argv[5:]:
        main(Path(sys.argv[1]) / chosen, sys.argv[2], ACTS[chosen], Kind(sys.argv[3]), int(sys.argv[4]))
