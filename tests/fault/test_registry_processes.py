"""Several processes push, mount, delete, restore, purge and collect at once, while the time moves.

In the end rows and files agree, every acknowledged image pulls, and when all is deleted nothing is left.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from registry_oracle import faults
from registry_pieces import ACTOR, Room
from registry_scene import Ledger, Scene
from registry_worker import NAMES, SharedClock, opened

from assay.clock import DAY
from assay.registry import repositories, uploads
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import purge
from assay.registry.collection.sweep import sweep
from assay.storage import Database

HERE = Path(__file__).parent
IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
CLIENTS, ROUNDS = (4, 250) if IS_FULL else (2, 8)


@pytest.mark.timeout(1800)
def test_processes_at_once_lose_nothing_and_leave_nothing(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    clients = [start(folder, database.url, "client", number, ROUNDS) for number in range(CLIENTS)]
    upkeep = start(folder, database.url, "upkeep", CLIENTS, 0)
    said = [client.communicate(timeout=1500)[0] for client in clients]
    (folder / "stop").touch()
    said.append(upkeep.communicate(timeout=300)[0])
    assert [each.returncode for each in (*clients, upkeep)] == [0] * (CLIENTS + 1), "\n".join(said)
    clock = SharedClock(folder / "now")
    room = opened(folder, database.url, clock)
    check(room)
    acknowledged = 0
    for number in range(CLIENTS):
        ledger = Ledger(folder / f"ledger{number}")
        Scene(room, clock, ledger, NAMES[0]).check_acknowledged()  # type: ignore[arg-type]
        acknowledged += len(ledger.standing())
    assert acknowledged > CLIENTS
    empty(room, clock)
    room.store.database.close()


def start(folder: Path, url: str, role: str, number: int, rounds: int) -> "subprocess.Popen[str]":
    """Start a worker."""
    return subprocess.Popen(
        [sys.executable, HERE / "registry_worker.py", folder, url, role, str(number), str(rounds)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE.parent), *sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check(room: Room) -> None:
    """Rows and files agree."""
    assert faults(room.store.database, room.blobs) == []
    assert list(fsck(room.store, room.blobs)) == []


def empty(room: Room, clock: SharedClock) -> None:
    """Delete everything, and let its time pass."""
    for name in NAMES:
        repositories.delete(room.store, ACTOR, room.repository(name).ocid)
    for wait in (3 * DAY, 2 * DAY, 2 * DAY, 1):
        clock.advance(wait)
        uploads.expire(room.intake)
        purge(room.store)
        sweep(room.store, room.blobs)
    assert (room.blobs.stored(), room.blobs.staged()) == ((), ())
    check(room)
