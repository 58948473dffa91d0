"""The n-th request to a real object store fails, before it is sent or after it was done: nothing acknowledged is lost.

Without a second try of the adapter's own, with one, and from some request on for good.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pytest
from fault_points import Kind, Points, fail, watched_objects
from registry_acts import ACTS, Act
from registry_oracle import emptied
from registry_pieces import Room
from registry_scene import Ledger, Scene
from s3_server import S3Server, s3_blobs

from assay.clock import SetClock
from assay.errors import Unavailable
from assay.registry.uploads import Intake
from assay.storage import Store
from assay.storage.blobs import s3_bucket

pytestmark = pytest.mark.real

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
STRIDE = 1 if IS_FULL else 29
NAMES = (
    ("push", "push of known blobs", "mount", "arrival of parts", "expiry and settling", "sweep", "scrub")
    if IS_FULL
    else ("push", "sweep")
)
DATABASES = ["sqlite", "postgres"] if IS_FULL else ["sqlite"]
#: The pauses before the adapter's own tries, and whether requests go on failing.
FAULTS = [((), False), ((0.0,), False), ((), True)] if IS_FULL else [((), False), ((), True)]
POINTS_MAX = 1_000


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("database", DATABASES, indirect=True)
@pytest.mark.parametrize(("pauses", "goes_on"), FAULTS)
def test_an_act_survives_the_failure_of_any_request_to_the_store(
    store: Store, clock: SetClock, tmp_path: Path, s3: S3Server, pauses: tuple[float, ...], goes_on: bool
) -> None:
    points = Points()
    with watched_objects(points), mock.patch.object(s3_bucket, "PAUSES_SECONDS", pauses):
        for act in (ACTS[name] for name in NAMES):
            for number in range(1 + len(act.name) % STRIDE, POINTS_MAX, STRIDE):
                emptied(store.database)
                with ExitStack() as closing:
                    blobs = closing.enter_context(s3_blobs(s3, f"{tmp_path.name}/{act.name}/{number}"))
                    room = Room(store, blobs, Intake(store, blobs))  # type: ignore[arg-type]
                    scene = Scene(room, clock, Ledger(tmp_path / act.name / str(number)), "team/app")
                    tried(points, act, scene, number, goes_on=goes_on)
                if not points.has_struck:
                    break
            assert not points.has_struck


def tried(points: Points, act: Act, scene: Scene, number: int, *, goes_on: bool) -> None:
    """Let the n-th request of the act fail, look, and do it again."""
    act.prepare(scene)
    with points.armed(Kind.OBJECTS, number, fail, goes_on=goes_on):
        has_ended = attempt(act, scene)
    why = f"{act}, {points.struck[:1]} at {number} of {len(points.passed)}"
    act.check_order(scene, why)
    if not has_ended:
        assert attempt(act, scene), why
    act.check(scene)
    act.check_order(scene, why)


def attempt(act: Act, scene: Scene) -> bool:
    """Do the act; whether it ended well. Anything but `Unavailable` is an error of the test."""
    scene.attempts += 1
    try:
        act.do(scene)
    except Unavailable:
        return False
    return True
