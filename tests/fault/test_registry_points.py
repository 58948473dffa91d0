"""The n-th operation on files or database fails, n = 1, 2, 3 … until an act needs no failure: once, or from then on.

Whatever failed, the verb says that a supply failed, and nothing else. With the faults gone rows and files agree, what
was acknowledged pulls, and the act done again succeeds.
"""

import itertools
import os
from pathlib import Path

import pytest
from fault_points import Kind, Points, fail, watched
from registry_acts import ACTS, Act
from registry_oracle import emptied
from registry_pieces import Room
from registry_scene import Ledger, Scene

from assay.clock import SetClock
from assay.errors import Unavailable
from assay.storage import Store

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
#: At small size only every so many points are tried, beginning with another one for each act.
STRIDES = {Kind.FILES: 1, Kind.ROWS: 1} if IS_FULL else {Kind.FILES: 61, Kind.ROWS: 251}
#: Verbs are the same on PostgreSQL, where each point takes three times as long: there some of them are tried.
POSTGRES_STRIDES = {Kind.FILES: 7, Kind.ROWS: 7} if IS_FULL else STRIDES
GROUPS = [[act] for act in ACTS.values()] if IS_FULL else [list(ACTS.values())]
#: Kind, and whether operations go on failing.
FAULTS = list(itertools.product(STRIDES, (False, True))) if IS_FULL else [(Kind.FILES, False), (Kind.ROWS, True)]
POINTS_MAX = 2_000


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kind", "goes_on"), FAULTS)
@pytest.mark.parametrize("acts", GROUPS, ids=lambda acts: acts[0].name if IS_FULL else "all")
def test_an_act_survives_the_failure_of_any_operation(
    store: Store, clock: SetClock, tmp_path: Path, acts: list[Act], kind: Kind, goes_on: bool
) -> None:
    points = Points()
    stride = (STRIDES if store.database.is_sqlite else POSTGRES_STRIDES)[kind]
    with watched(points, tmp_path, store.database):
        for act in acts:
            for number in range(1 + len(act.name) % stride, POINTS_MAX, stride):
                emptied(store.database)
                folder = tmp_path / act.name / str(number)
                scene = Scene(Room.on(store, folder / "blobs"), clock, Ledger(folder / "ledger"), "team/app")
                act.prepare(scene)
                with points.armed(kind, number, fail, goes_on=goes_on):
                    has_ended = attempt(act, scene)
                why = f"{act}, {points.struck[:1]} at {number} of {len(points.passed)}"
                if not act.notes_damage:
                    act.check_order(scene, why)
                if act.notes_damage or not has_ended:
                    assert attempt(act, scene), why
                act.check(scene)
                act.check_order(scene, why)
                if not points.has_struck:
                    break
            assert not points.has_struck


def attempt(act: Act, scene: Scene) -> bool:
    """Do the act; whether it ended well. Anything but `Unavailable` is an error of the test."""
    scene.attempts += 1
    try:
        act.do(scene)
    except Unavailable:
        return False
    return True
