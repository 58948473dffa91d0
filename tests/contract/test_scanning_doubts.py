"""What could not be found out is never reported clean: such scans are partial, say why, and are whole again later."""

import pytest
from scanning_world import OPERATOR, Claim, World, lib

from assay.advisories.revisions import published_revision, purge
from assay.inventory import Component
from assay.scanning import comparison, details, doubts, full
from assay.scanning.model import Cause
from assay.scanning.rescan.pace import rest
from assay.scanning.risk import RiskLevel, ScanState
from assay.storage import Store

VAGUE = Claim((("a", 1, None),), vague=True)
CLEAR = Claim((("a", 1, 2),), severity=5)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def test_an_image_with_a_package_in_doubt_is_partly_scanned_and_its_package_and_version_are_named(world: World) -> None:
    world.publish({"PYSEC-1": VAGUE, "PYSEC-2": Claim((("b", 1, None),), severity=4)})
    world.push("i1", [[lib("a", 3), lib("b", 1)]])
    shown = world.scan("i1")
    assert (shown.state, shown.risk_level, shown.counts.vector) == (ScanState.PARTIAL, None, (0, 1, 0, 0, 0))
    assert shown.reason == (
        "whether a 3 (PyPI) is affected by PYSEC-1 could not be found out: "
        "no advisory gives versions that it can be compared with"
    )
    assert [each.name for each in details.get(world.store, OPERATOR, shown.ocid).problems] == ["PYSEC-2"]


def test_an_installed_version_that_is_none_is_in_doubt(world: World) -> None:
    world.publish({"PYSEC-2": Claim((("b", 1, None),), severity=4)})
    world.push("i2", [[Component("PyPI", "c", "1.0-charmander")]])
    assert world.scan("i2").state is ScanState.COMPLETE  # nothing is said of it
    world.publish({"PYSEC-3": Claim((("c", 1, 5),))})
    assert world.scan("i2").state is ScanState.PARTIAL
    assert "c 1.0-charmander" in world.scan("i2").reason
    assert full.check(world.store).mismatches == 0


def test_a_feed_that_brings_doubt_makes_a_scan_partial_and_one_that_ends_it_makes_it_whole(world: World) -> None:
    world.publish({"PYSEC-1": CLEAR})
    world.push("i1", [[lib("b", 1)], [lib("a", 1)]])
    world.push("i2", [[lib("b", 1)]])
    assert world.scan("i1").risk_level is RiskLevel.CRITICAL
    world.publish({"PYSEC-1": VAGUE})
    in_doubt = world.scan("i1")
    assert (in_doubt.state, in_doubt.revision, in_doubt.counts.total) == (ScanState.PARTIAL, 2, 0)
    # What is in doubt is neither fixed nor gone.
    assert details.get(world.store, OPERATOR, in_doubt.ocid).problems == ()
    before = world.scan("i1", 1).ocid
    assert comparison.compare(world.store, OPERATOR, before, in_doubt.ocid).changes == ()
    world.publish({"PYSEC-1": Claim((("a", 2, 3),), severity=5)})
    assert (world.scan("i1").state, world.scan("i1").risk_level) == (ScanState.COMPLETE, RiskLevel.NONE)
    assert world.scan("i2").revision == 1
    assert full.check(world.store).mismatches == 0


def test_what_else_a_feed_changes_leaves_a_doubtful_image_partial(world: World) -> None:
    world.publish({"PYSEC-1": VAGUE})
    world.push("i1", [[lib("a", 1)], [lib("b", 1)]])
    world.publish({"PYSEC-2": Claim((("b", 1, None),), severity=4)})
    shown = world.scan("i1")
    assert (shown.revision, shown.state, shown.counts.vector) == (2, ScanState.PARTIAL, (0, 1, 0, 0, 0))
    world.push("i1", [[lib("a", 1)], [lib("b", 1)]], cause=Cause.MANUAL)
    assert world.scan("i1").state is ScanState.PARTIAL


def test_a_release_of_which_no_advisory_speaks_is_partly_scanned_and_the_reason_says_what_to_do(world: World) -> None:
    world.publish({"PYSEC-1": CLEAR})
    world.push(
        "i1", [[Component("Alpine:v3.12", "musl", "1.1.24-r10"), Component("Alpine:v3.12", "zlib", "1.2.11-r3")]]
    )
    shown = world.scan("i1")
    assert (shown.state, shown.risk_level) == (ScanState.PARTIAL, None)
    assert shown.reason == (
        "no advisories for Alpine 3.12 are known here, so that nothing can be said of the 2 packages of it; "
        "have a feed read that has them (setting feed_ecosystems, with Alpine), "
        "or build on a release that advisories are published for"
    )
    world.push("i2", [[Component("npm", "left-pad", "1.0.0")]])
    assert world.scan("i2").reason == (
        "no advisories for npm are known here, so that nothing can be said of the one package of it; "
        "have a feed read that has them (setting feed_ecosystems, with npm)"
    )
    assert full.check(world.store).mismatches == 0


def test_the_first_advisory_of_an_ecosystem_makes_its_images_whole_and_the_last_to_go_makes_them_partial(
    world: World,
) -> None:
    world.publish({"PYSEC-1": Claim((("a", 1, None),), severity=4, withdrawn=True)})
    world.push("i1", [[lib("b", 1)], [lib("c", 1)]])
    world.push("i2", [[]])
    assert (world.scan("i1").state, world.scan("i2").state) == (ScanState.PARTIAL, ScanState.COMPLETE)
    world.publish({"PYSEC-1": Claim((("a", 1, None),), severity=4)})  # of another package
    brought = world.scan("i1")
    assert (brought.revision, brought.state, brought.risk_level) == (2, ScanState.COMPLETE, RiskLevel.NONE)
    assert brought.cause is Cause.FEED
    world.publish({"PYSEC-2": Claim((("a", 1, None),), severity=5)})
    assert world.scan("i1").revision == 2
    world.publish({"PYSEC-1": None, "PYSEC-2": None})
    gone = world.scan("i1")
    assert (gone.revision, gone.state) == (4, ScanState.PARTIAL)
    assert gone.reason.startswith("no advisories for PyPI are known here")
    assert world.scan("i2").revision == 1
    assert full.check(world.store).mismatches == 0


def test_an_image_pushed_while_an_ecosystems_first_advisory_comes_is_whole_as_of_it(world: World) -> None:
    world.publish({})
    late = iter(["i1"])

    def push_once() -> None:
        for image in late:
            world.push(image, [[lib("b", 1)]])

    world.publish({"PYSEC-1": CLEAR}, pause=push_once)
    assert (world.scan("i1", 1).state, world.scan("i1").state) == (ScanState.PARTIAL, ScanState.COMPLETE)
    assert world.scan("i1").revision == 2
    assert full.check(world.store).mismatches == 0


def test_the_reasons_of_the_latest_scan_outlive_a_purge_of_what_it_was_made_from(world: World) -> None:
    world.publish({"PYSEC-1": CLEAR, "PYSEC-2": VAGUE})
    world.push("i1", [[lib("a", 3)]])
    before = world.scan("i1").reason
    world.publish({"PYSEC-1": Claim((("a", 1, 3),), severity=5)})
    with world.store.database.read() as connection:
        assert published_revision(connection) == 2
    purge(world.store, 2, pause=rest)
    assert (world.scan("i1").revision, world.scan("i1").reason) == (1, before)


def test_reasons_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "PACKAGES_NAMED_MAX", 2)
    world.publish({f"PYSEC-{number}": Claim((("a", 1, None),), vague=True) for number in range(1, 6)})
    world.push("i1", [[lib("a", version) for version in (1, 2, 3)]])
    named = "PYSEC-1, PYSEC-2, PYSEC-3 and 2 more"
    shown = world.scan("i1").reasons
    assert [each.partition(" could")[0] for each in shown] == [
        f"whether a 1 (PyPI) is affected by {named}",
        f"whether a 2 (PyPI) is affected by {named}",
        "the same goes for 1 more of its packages",
    ]


def test_the_full_check_finds_a_scan_that_hides_a_doubt(world: World) -> None:
    world.publish({"PYSEC-1": VAGUE})
    world.push("i1", [[lib("a", 1)]])
    assert full.check(world.store).wrong_scans == 0
    with world.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE scan SET state = 0")
    assert full.check(world.store).wrong_scans == 1
