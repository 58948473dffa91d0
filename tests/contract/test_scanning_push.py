"""A scan of one image: what is kept, what is shared, and that a second time changes nothing."""

from unittest import mock

import pytest
from scanning_world import OPERATOR, Claim, World, lib
from sqlalchemy import func, select

from assay.clock import HOUR, SetClock
from assay.errors import Unavailable
from assay.inventory import Component
from assay.scanning import full, push, results
from assay.scanning.catalogue import Catalogue, path_of, unreadable
from assay.scanning.model import Cause, Scan, ScanFilter, Standing
from assay.scanning.records import requests
from assay.scanning.records.tables import (
    chain,
    chain_path,
    component,
    component_set,
    inventory,
    match,
    place_list,
    scan,
)
from assay.scanning.risk import ScanState
from assay.storage import Store

BASE = [lib("a", 1), lib("b", 1)]


@pytest.fixture
def world(store: Store) -> World:
    """One published revision: `a` is critical, `b` is unrated, `c` is not known of."""
    world = World(store)
    world.publish({"PYSEC-1": Claim((("a", 1, 5),), (), 5), "PYSEC-2": Claim((("b", 1, None),))})
    return world


def rows(world: World, *tables: object) -> list[int]:
    with world.store.database.read() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def scans(world: World, image: str) -> list[Scan]:
    return list(results.listed(world.store, OPERATOR, ScanFilter(image=image)).items)


def again(world: World, image: str, found: Catalogue, cause: Cause = Cause.PUSH) -> bool:
    """Scan an image whose content is given whole."""
    with world.store.database.write() as connection:
        requests.put(connection, world.request(image, cause=cause))
    return push.record(world.store, world.request(image, cause=cause), found)


def holding(*levels: list[Component], state: ScanState = ScanState.COMPLETE, reason: str = "") -> Catalogue:
    return Catalogue(path_of([[frozenset(level) for level in levels]]), (), state, reason)


def test_images_on_one_base_share_its_set_its_chain_and_its_places(world: World) -> None:
    world.push("i1", [BASE, [lib("c", 1)]])
    world.push("i2", [BASE, [lib("c", 2)]])
    world.push("i3", [BASE])
    # Sets: the base and two tops. Chains: the base alone, and under each top. Paths: 1 + 2 + 2 steps.
    assert rows(world, component_set, chain, chain_path, inventory, place_list) == [3, 3, 5, 3, 3]
    assert world.shown() == dict.fromkeys(("i1", "i2", "i3"), (1, 0, 0, 1, 0))


def test_a_component_in_two_layers_belongs_to_the_lower_one(world: World) -> None:
    world.push("i1", [BASE, [lib("a", 1), lib("c", 1)]])
    world.push("i2", [BASE, [lib("c", 1)]])
    assert rows(world, component_set, chain) == [2, 2]


def test_the_same_push_twice_is_one_scan(world: World) -> None:
    assert world.push("i1", [BASE]) is True
    before = rows(world, component, match, chain, inventory, scan)
    assert world.push("i1", [BASE]) is False
    assert rows(world, component, match, chain, inventory, scan) == before


def test_a_push_under_a_later_revision_is_a_scan_of_its_own(world: World) -> None:
    world.push("i1", [BASE])
    world.publish({"PYSEC-9": Claim((("z", 1, None),))})
    assert world.push("i1", [BASE]) is True
    assert [(each.revision, each.cause) for each in scans(world, "i1")] == [(2, Cause.PUSH), (1, Cause.PUSH)]
    assert rows(world, inventory) == [1]


def test_a_known_image_is_scanned_again_from_its_totals(world: World, clock: SetClock) -> None:
    world.push("i1", [BASE])
    world.publish({"PYSEC-9": Claim((("z", 1, None),))})
    clock.advance(HOUR)
    request = world.request("i1", cause=Cause.MANUAL)
    with world.store.database.write() as connection:
        requests.put(connection, request)
    with world.store.database.read() as connection:
        known = push.inventories.of_image(connection, "i1")
    assert known is not None
    assert push.record_again(world.store, request, known) is True
    assert push.record_again(world.store, request, known) is False
    assert [(each.revision, each.cause, each.counts.vector) for each in scans(world, "i1")] == [
        (2, Cause.MANUAL, (1, 0, 0, 1, 0)),
        (1, Cause.PUSH, (1, 0, 0, 1, 0)),
    ]


def test_what_waits_no_more_is_not_scanned(world: World) -> None:
    assert push.record(world.store, world.request("i1"), holding(BASE)) is False
    assert rows(world, inventory, scan) == [0, 0]


def test_a_partial_scan_that_is_read_whole_later_gets_a_new_inventory_and_keeps_its_history(world: World) -> None:
    again(world, "i1", holding([lib("b", 1)], state=ScanState.PARTIAL, reason="layer 2 was cut off"))
    world.publish({"PYSEC-9": Claim((("z", 1, None),))})
    again(world, "i1", holding(BASE))
    shown = scans(world, "i1")
    assert [(each.revision, each.state, each.reason, each.counts.vector) for each in shown] == [
        (2, ScanState.COMPLETE, "", (1, 0, 0, 1, 0)),
        (1, ScanState.PARTIAL, "layer 2 was cut off", (0, 0, 0, 1, 0)),
    ]
    status = results.statuses(world.store, OPERATOR, ["i1"])["i1"]
    assert (status.standing, status.scan) == (Standing.SCANNED, shown[0])
    assert full.check(world.store).mismatches == 0


def test_a_failed_scan_is_shown_as_failed_and_never_as_clean(world: World) -> None:
    assert again(world, "i1", unreadable("the manifest is gone")) is True
    shown = scans(world, "i1")[0]
    assert (shown.state, shown.reason, shown.risk_level) == (ScanState.FAILED, "the manifest is gone", None)
    world.publish({"PYSEC-9": Claim((("z", 1, None),))})
    again(world, "i1", holding(BASE))
    assert [each.state for each in scans(world, "i1")] == [ScanState.COMPLETE, ScanState.FAILED]


def test_a_failure_never_takes_the_place_of_a_result(world: World) -> None:
    world.push("i1", [BASE])
    assert again(world, "i1", unreadable("the disk is gone")) is False
    assert [each.state for each in scans(world, "i1")] == [ScanState.COMPLETE]
    assert results.statuses(world.store, OPERATOR, ["i1"])["i1"].standing is Standing.SCANNED


def test_a_revision_published_while_a_push_is_computed_is_taken_into_account(world: World) -> None:
    drafted = push.drafted
    first = iter([True])

    def overtaken(*arguments: object) -> push.Draft:
        draft = drafted(*arguments)  # type: ignore[arg-type]
        if next(first, False):
            world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
        return draft

    with mock.patch.object(push, "drafted", overtaken):
        world.push("i1", [BASE])
    assert [(each.revision, each.counts.vector) for each in scans(world, "i1")] == [(2, (1, 1, 0, 1, 0))]
    assert full.check(world.store).mismatches == 0


def test_a_push_that_is_overtaken_for_ever_is_put_off(world: World) -> None:
    with (
        mock.patch.object(push.revisions, "published_revision", side_effect=range(1_000)),
        pytest.raises(Unavailable, match="faster"),
    ):
        again(world, "i1", holding(BASE))


def test_a_component_that_another_push_inserted_meanwhile_is_taken_as_it_is(world: World) -> None:
    drafted = push.drafted
    first = iter([True])

    def overtaken(*arguments: object) -> push.Draft:
        draft = drafted(*arguments)  # type: ignore[arg-type]
        if next(first, False):
            world.push("i2", [BASE, [lib("c", 1)]])
        return draft

    with mock.patch.object(push, "drafted", overtaken):
        world.push("i1", [BASE, [lib("c", 2)]])
    assert rows(world, component, match) == [4, 2]
    assert world.shown() == world.expected()
    assert full.check(world.store).mismatches == 0


def test_the_full_check_finds_a_row_that_was_changed_behind_its_back(world: World) -> None:
    world.push("i1", [BASE])
    with world.store.database.write() as connection:
        connection.execute(match.update().values(severity=1))
    assert full.check(world.store).wrong_matches == 4  # each stored row is wrong, and each right one is missing
    with world.store.database.write() as connection:
        connection.execute(scan.update().values(c5=7))
    assert full.check(world.store).wrong_scans == 1
