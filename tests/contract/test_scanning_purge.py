"""Thirteen months: what is older goes, and no answer as of the horizon or later changes, nor any frozen image's."""

import pytest
from scanning_world import OPERATOR, Claim, World, lib
from sqlalchemy import func, select

from assay.clock import DAY, SetClock
from assay.scanning import details, full, purge, results
from assay.scanning.model import ProblemState, ScanDetails, ScanFilter
from assay.scanning.records import inventories
from assay.scanning.records.tables import OPEN, chain_total, match, scan
from assay.storage import Store

MONTH = 30 * DAY


@pytest.fixture
def aged(store: Store, clock: SetClock) -> World:
    """Sixteen revisions, one each 30 days: `a` is rated anew each time; i2 is frozen at the third, i3 never changes."""
    world = World(store)
    for revision in range(1, 17):
        severity = (5, 4, 3, 1)[revision % 4]
        world.publish({"PYSEC-1": Claim((("a", 1, 5),), (), severity), "PYSEC-2": Claim((("d", 1, None),), (), 3)})
        if revision == 1:
            world.push("i1", [[lib("a", 1)]])
            world.push("i2", [[lib("a", 1)], [lib("b", 1)]], repository="r2")
            world.push("i3", [[lib("c", 1), lib("d", 1)]])
        if revision == 3:
            world.freeze("r2")
        clock.advance(MONTH)
    return world


def told(world: World, image: str) -> list[ScanDetails]:
    listed = results.listed(world.store, OPERATOR, ScanFilter(image=image)).items
    return [details.get(world.store, OPERATOR, each.ocid) for each in listed]


def revisions_of(world: World, image: str) -> list[int]:
    return [each.revision for each in results.listed(world.store, OPERATOR, ScanFilter(image=image)).items]


def test_scans_of_the_last_thirteen_months_stay_and_older_ones_go(aged: World) -> None:
    # 480 days have passed. The scans of day 0, 30 and 60 are older than 396 days; that of day 60, revision 3, stays:
    # it is what was known when the thirteen months began.
    assert revisions_of(aged, "i1") == list(range(16, 0, -1))
    outcome = purge.purge(aged.store)
    assert outcome.horizon == 3
    assert revisions_of(aged, "i1") == list(range(16, 2, -1))
    assert purge.purge(aged.store).scans == 0


def test_purging_changes_no_answer_as_of_the_horizon_or_later(aged: World) -> None:
    horizon = 3
    before = {rev: aged.shown(rev) for rev in range(horizon, 17)}
    kept = [each for each in told(aged, "i1") if each.scan.revision >= horizon]
    purge.purge(aged.store)
    assert {rev: aged.shown(rev) for rev in range(horizon, 17)} == before
    after = told(aged, "i1")
    assert [each.scan for each in after] == [each.scan for each in kept]
    assert [open_ones(each) for each in after] == [open_ones(each) for each in kept]
    assert full.check(aged.store).mismatches == 0


def open_ones(shown: ScanDetails) -> list[object]:
    return [(each.name, each.severity, each.packages) for each in shown.problems if each.state is ProblemState.OPEN]


def test_the_only_scan_of_an_image_stays_however_old_it_is(aged: World) -> None:
    purge.purge(aged.store)
    assert revisions_of(aged, "i3") == [1]
    assert [each.name for each in told(aged, "i3")[0].problems] == ["PYSEC-2"]


def test_what_a_frozen_image_shows_stays(aged: World) -> None:
    before = told(aged, "i2")[0]
    purge.purge(aged.store)
    after = told(aged, "i2")[0]
    assert after.scan == before.scan
    assert open_ones(after) == open_ones(before)


def test_ended_matches_and_totals_go_as_far_as_nobody_needs_them(aged: World) -> None:
    purge.purge(aged.store)
    with aged.store.database.read() as connection:
        # The frozen image is shown as of 3: matches that ended at 3 or before are needed by nobody.
        assert connection.execute(select(func.min(match.c.until_rev))).scalar_one() == 4
        oldest = select(func.min(chain_total.c.rev)).group_by(chain_total.c.chain_id)
        # i1's chain changes at every revision: the newest at the horizon stays. i3's changed at 1 only.
        assert sorted(connection.execute(oldest).scalars()) == [1, 1, 3]


def test_an_image_that_has_been_gone_for_thirteen_months_goes_whole(aged: World, clock: SetClock) -> None:
    with aged.store.database.write() as connection:
        inventories.close_image(connection, "i1", 16)
    purge.purge(aged.store)
    assert revisions_of(aged, "i1") != []
    for revision in range(17, 33):
        aged.publish({"PYSEC-2": Claim((("d", 1, None),), (), 3 + revision % 2)})
        clock.advance(MONTH)
    purge.purge(aged.store)
    assert revisions_of(aged, "i1") == []
    with aged.store.database.read() as connection:
        left = connection.execute(select(scan.c.inventory_id).distinct()).scalars().all()
        assert len(left) == 2
        assert connection.execute(select(func.max(match.c.until_rev))).scalar_one() == OPEN


def test_a_young_installation_has_nothing_to_purge(store: Store) -> None:
    world = World(store)
    world.publish({"PYSEC-1": Claim((("a", 1, 5),), (), 5)})
    world.push("i1", [[lib("a", 1)]])
    assert purge.purge(store) == purge.Purged(0, 0, 0, 0, 0)
