"""Random small worlds against a flat oracle: pushes, feeds, frozen scanners, pushes and kills amid a re-scan."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanning_world import Claim, Killed, World, emptied, lib
from sqlalchemy import Connection, select

from assay.inventory import Component
from assay.scanning import full
from assay.scanning.records import components, inventories, totals
from assay.scanning.records.tables import OPEN, inventory, match
from assay.scanning.rescan.pace import Pace
from assay.storage import Store

EXAMPLES = 200 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 15

PACKAGES = ("a", "b", "c", "d")
#: Layers that images share: pieces of a path are re-used, as they are in a registry.
VERSIONS = st.integers(1, 4)
COMPONENTS = st.builds(lib, st.sampled_from(PACKAGES), VERSIONS)
LAYERS = st.sets(COMPONENTS, max_size=4)
CLAIMS = st.builds(
    Claim,
    packages=st.lists(
        st.tuples(st.sampled_from(PACKAGES), st.integers(0, 3), st.none() | st.integers(4, 5)),
        min_size=1,
        max_size=2,
        unique_by=lambda each: each[0],
    ).map(tuple),
    aliases=st.sets(st.sampled_from(["CVE-2026-1001", "CVE-2026-1002", "GHSA-x"]), max_size=2).map(sorted).map(tuple),
    severity=st.sampled_from([None, 1, 3, 4, 5]),
    withdrawn=st.sampled_from([False, False, False, True]),
    vague=st.sampled_from([False, False, False, True]),
)
CHANGES = st.dictionaries(
    st.sampled_from([f"PYSEC-{n}" for n in range(1, 7)]), st.none() | CLAIMS, min_size=1, max_size=4
)


@dataclass(frozen=True)
class Push:
    image: str
    levels: tuple[frozenset[Component], ...]
    repository: str


@dataclass(frozen=True)
class Publish:
    changes: dict[str, Claim | None]
    #: What happens the how manieth time that nobody holds the lock; None is a kill.
    meanwhile: dict[int, "Push | Freeze | None"]


@dataclass(frozen=True)
class Freeze:
    repository: str


@st.composite
def plans(draw: st.DrawFn) -> list[Push | Publish | Freeze]:
    """Steps over a few shared layers and a few images whose content never changes."""
    layers = draw(st.lists(LAYERS.map(frozenset), min_size=2, max_size=5))
    images = [
        Push(f"i{number}", tuple(draw(st.lists(st.sampled_from(layers), min_size=1, max_size=4))), f"r{number % 2}")
        for number in range(draw(st.integers(2, 5)))
    ]
    push = st.sampled_from(images)
    freeze = st.sampled_from([Freeze("r0"), Freeze("r1")])
    meanwhile = st.dictionaries(st.integers(0, 24), st.one_of(push, push, freeze, st.none()), max_size=5)
    publish = st.builds(Publish, CHANGES, meanwhile)
    return [draw(publish), *draw(st.lists(st.one_of(push, publish, publish, freeze), min_size=3, max_size=9))]


def do(world: World, step: Push | Publish | Freeze) -> None:
    if isinstance(step, Push):
        world.push(step.image, step.levels, repository=step.repository)
    elif isinstance(step, Freeze):
        world.freeze(step.repository)
    else:
        happen = interrupted(world, step)
        with mock.patch.object(Pace, "batch", entered(happen)):
            world.publish(step.changes, pause=happen)


def entered(happen: Callable[[], None]) -> Callable[..., AbstractContextManager[Connection]]:
    """A batch before which something may happen too: between what it read and what it writes."""
    batch = Pace.batch

    @contextmanager
    def preceded(pace: Pace, rev: int, phase: int, *, publishes: bool = False) -> Iterator[Connection]:
        happen()
        with batch(pace, rev, phase, publishes=publishes) as connection:
            yield connection

    return preceded


def interrupted(world: World, step: Publish) -> Callable[[], None]:
    """While nobody holds the lock: other pushes, scanners removed, the process killed."""
    waiting = dict(step.meanwhile)
    count = iter(range(10_000))

    def pause() -> None:
        now = next(count)
        if now in waiting:
            event = waiting.pop(now)
            if event is None:
                raise Killed
            do(world, event)

    return pause


def check(world: World) -> None:
    """Invariants 1, 2, 4, 5 and 6 of the re-scan's model, over the whole fleet, also as of every earlier revision."""
    for rev in range(1, world.revision + 1):
        assert world.shown(rev) == world.expected(rev), f"as of {rev} of {world.revision}"
        assert world.partial(rev) == world.doubtful(rev), f"as of {rev} of {world.revision}"
    found = full.check(world.store)
    assert (found.revision, found.mismatches) == (world.revision, 0)
    with world.store.database.read() as connection:
        assert inventories.late_ones(connection, world.revision, 1) == ()
        rows = connection.execute(select(inventory).where(inventory.c.chain_id.is_not(None))).all()
        counted = totals.of_inventories(connection, [row.id for row in rows], world.revision)
        assert all(min(vector) >= 0 for vector in counted.values())
        for row in rows:
            held = components.components_of(connection, row.chain_id)
            assert len(held) == len(set(held)) == len(world.images[row.image])
        check_intervals(connection.execute(select(match)).all())


def check_intervals(rows: list) -> None:
    """Matches of one vulnerability and component never overlap, and each holds for at least one revision."""
    by_key: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row in rows:
        by_key.setdefault((row.vulnerability_id, row.component_id), []).append((row.from_rev, row.until_rev))
    for intervals in by_key.values():
        intervals.sort()
        assert all(begin < end for begin, end in intervals)
        assert all(one[1] <= other[0] for one, other in pairwise(intervals))
        assert intervals[-1][1] <= OPEN


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(plan=plans())
def test_every_image_counts_what_a_flat_count_says_now_and_at_every_revision_before(store: Store, plan: list) -> None:
    world = World(emptied(store))
    for step in plan:
        do(world, step)
    check(world)
