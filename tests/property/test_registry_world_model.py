"""Random interleavings of pushes, mounts, tags, signatures, deletions, restorings, purges and collections of several
clients of two tenancies, with the time moving: the registry agrees with a plain model, loses no blob and keeps none."""

import os
import random
from pathlib import Path

import pytest
from places import NOON
from registry_clients import World
from registry_oracle import emptied
from registry_pieces import Room

from assay.clock import SetClock
from assay.storage import Store

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
#: In all, on each database: what differs between the two has tests of its own.
INTERLEAVINGS = {"sqlite": 10_000, "postgres": 1_000} if IS_FULL else {"sqlite": 5, "postgres": 5}
PARTS = 10 if IS_FULL else 1
CLIENTS = 4
#: Short worlds, of which there can be more, and long ones, in which more has gone before.
STEPS_MIN, STEPS_MAX = 10, 60


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_clients_do_in_whatever_order_the_registry_agrees_with_the_model(
    store: Store, clock: SetClock, tmp_path: Path, part: int
) -> None:
    share = INTERLEAVINGS["sqlite" if store.database.is_sqlite else "postgres"] // PARTS
    for seed in range(part * share, (part + 1) * share):
        emptied(store.database)
        # Files have the time of the real clock: it must not fall behind, or what is fresh looks long forgotten.
        clock.at = NOON
        world = World(Room.on(store, tmp_path / "blobs"), clock, random.Random(seed))
        try:
            world.play(CLIENTS, world.random.randint(STEPS_MIN, STEPS_MAX))
            world.check()
            world.end()
        except AssertionError as fault:
            fault.add_note(f"seed {seed}, step {world.steps}")
            raise
