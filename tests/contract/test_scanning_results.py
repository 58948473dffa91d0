"""What people read of scans: histories, problems with places, differences with causes, verdicts, how images stand."""

import pytest
from scanning_world import OPERATOR, TENANCY, Claim, World, lib
from sqlalchemy import text

from assay.advisories import Severity
from assay.clock import HOUR, SetClock
from assay.errors import Reason, Refused
from assay.events import VerdictRecorded, decode
from assay.iam import ANONYMOUS, Actor, Principal, PrincipalKind
from assay.scanning import comparison, details, results, verdicts
from assay.scanning.model import (
    Cause,
    ChangeCause,
    ChangeKind,
    Location,
    ProblemState,
    ScanFilter,
    Standing,
)
from assay.scanning.risk import RiskLevel
from assay.storage import Store

STRANGER = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), "ocid1.tenancy.oc1..other")
NOBODY = Actor(ANONYMOUS, TENANCY)


@pytest.fixture
def world(store: Store, clock: SetClock) -> World:
    """Three revisions: `a` gets a second advisory in the second, and its first is withdrawn in the third."""
    world = World(store)
    world.publish({"PYSEC-1": Claim((("a", 1, 5),), ("CVE-2026-1001",), 4), "PYSEC-2": Claim((("b", 1, None),))})
    world.push("i1", [[lib("a", 1)], [lib("b", 2), lib("c", 1)]])
    clock.advance(HOUR)
    world.publish({"PYSEC-3": Claim((("a", 1, 3),), ("CVE-2026-1003",), 5)})
    clock.advance(HOUR)
    world.publish({"PYSEC-1": Claim((("a", 1, 5),), ("CVE-2026-1001",), 4, withdrawn=True)})
    return world


def test_the_scans_of_an_image_are_listed_the_newest_first_with_cause_and_risk(world: World) -> None:
    found = results.listed(world.store, OPERATOR, ScanFilter(image="i1"))
    assert [(each.revision, each.cause, each.counts.vector) for each in found.items] == [
        (3, Cause.FEED, (1, 0, 0, 1, 0)),
        (2, Cause.FEED, (1, 1, 0, 1, 0)),
        (1, Cause.PUSH, (0, 1, 0, 1, 0)),
    ]
    assert [each.risk_level for each in found.items] == [RiskLevel.CRITICAL, RiskLevel.CRITICAL, RiskLevel.HIGH]
    assert found.items[0].time_created - found.items[2].time_created == 2 * HOUR


def test_pages_of_scans_join_without_gap_or_repetition(world: World) -> None:
    first = results.listed(world.store, OPERATOR, ScanFilter(image="i1"), limit=2)
    second = results.listed(world.store, OPERATOR, ScanFilter(image="i1"), limit=2, page=first.next_page)
    assert [each.revision for each in (*first.items, *second.items)] == [3, 2, 1]
    assert second.next_page == ""
    with pytest.raises(Refused, match="page token"):
        results.listed(world.store, OPERATOR, ScanFilter(image="i2"), page=first.next_page)


def test_a_list_can_be_narrowed_to_the_latest_scans_and_to_a_time(world: World, clock: SetClock) -> None:
    latest = results.listed(world.store, OPERATOR, ScanFilter(is_latest_only=True))
    assert [(each.image, each.revision) for each in latest.items] == [("i1", 3)]
    until = ScanFilter(image="i1", since=None, until=clock.now())
    assert len(results.listed(world.store, OPERATOR, until).items) == 3
    since = ScanFilter(image="i1", since=clock.now())
    assert [each.revision for each in results.listed(world.store, OPERATOR, since).items] == [3]


def test_a_feed_that_changes_nothing_in_an_image_gives_it_no_scan_and_it_is_current(world: World) -> None:
    world.publish({"PYSEC-9": Claim((("z", 1, None),), (), 5)})
    status = results.statuses(world.store, OPERATOR, ["i1"])["i1"]
    assert (status.standing, status.current_as_of) == (Standing.SCANNED, 4)
    assert status.scan is not None
    assert status.scan.revision == 3


def test_a_scan_tells_its_problems_with_packages_places_and_fixes(world: World) -> None:
    found = details.get(world.store, OPERATOR, world.scan("i1", 2).ocid)
    assert [(each.name, each.severity, each.state) for each in found.problems] == [
        ("CVE-2026-1003", Severity.CRITICAL, ProblemState.OPEN),
        ("CVE-2026-1001", Severity.HIGH, ProblemState.OPEN),
        ("PYSEC-2", Severity.UNRATED, ProblemState.OPEN),
    ]
    package = found.problems[0].packages[0]
    assert (package.ecosystem, package.name, package.version, package.fix) == ("PyPI", "a", "1", "3")
    assert package.locations == (Location("a/METADATA", "layer 0", 0, ""),)
    assert found.problems[2].packages[0].fix == ""
    assert (
        found.problems[0].link == "https://nvd.nist.gov/vuln/detail/CVE-2026-1003"
        or "CVE-2026-1003" in found.problems[0].link
    )


def test_what_a_feed_has_ended_is_shown_as_fixed_with_the_times_it_was_seen(world: World) -> None:
    found = details.get(world.store, OPERATOR, world.scan("i1").ocid)
    fixed = [each for each in found.problems if each.state is ProblemState.FIXED]
    assert [each.name for each in fixed] == ["CVE-2026-1001"]
    assert fixed[0].time_first_detected == world.scan("i1", 1).time_created
    assert fixed[0].time_last_detected == world.scan("i1", 2).time_created
    opened = next(each for each in found.problems if each.name == "CVE-2026-1003")
    assert opened.time_first_detected == world.scan("i1", 2).time_created
    assert opened.time_last_detected == world.scan("i1", 3).time_created


def test_the_details_of_an_old_scan_stay_as_they_were(world: World) -> None:
    before = details.get(world.store, OPERATOR, world.scan("i1", 2).ocid)
    world.publish({"PYSEC-3": None, "PYSEC-2": Claim((("b", 1, None),), (), 5)})
    after = details.get(world.store, OPERATOR, world.scan("i1", 2).ocid)
    assert after.problems == before.problems
    assert after.scan == before.scan


def test_a_scan_of_another_tenancy_is_not_there(world: World) -> None:
    ocid = world.scan("i1").ocid
    for actor in (STRANGER, NOBODY):
        with pytest.raises(Refused) as refusal:
            details.get(world.store, actor, ocid)
        assert refusal.value.reason is Reason.NOT_FOUND
    assert results.statuses(world.store, STRANGER, ["i1"]) == {}
    assert results.listed(world.store, STRANGER, ScanFilter(image="i1")).items == ()
    with pytest.raises(Refused):
        results.listed(world.store, NOBODY, ScanFilter(image="i1"))


def test_an_ocid_that_was_made_up_is_not_there(world: World) -> None:
    ocid = world.scan("i1").ocid
    forged = ocid[:-1] + ("a" if ocid[-1] != "a" else "b")
    with pytest.raises(Refused) as refusal:
        results.get(world.store, OPERATOR, forged)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_between_two_scans_of_one_image_everything_is_the_feeds_doing(world: World) -> None:
    found = comparison.compare(world.store, OPERATOR, world.scan("i1", 1).ocid, world.scan("i1", 3).ocid)
    assert [(each.kind, each.cause, each.name, each.before, each.after) for each in found.changes] == [
        (ChangeKind.NEW, ChangeCause.FEED, "CVE-2026-1003", None, Severity.CRITICAL),
        (ChangeKind.WITHDRAWN, ChangeCause.FEED, "CVE-2026-1001", Severity.HIGH, None),
    ]
    assert [(each.advisory, each.revision) for each in found.changes[0].because] == [("PYSEC-3", 2)]
    assert found.changes[1].because[-1].reason == "withdrawn by its publisher"


def test_between_two_images_what_the_packages_did_is_told_apart(world: World) -> None:
    world.push("i2", [[lib("a", 4)], [lib("c", 1), lib("d", 1)]])
    world.publish({"PYSEC-5": Claim((("d", 1, None),), (), 3), "PYSEC-6": Claim((("c", 1, 2),), (), 1)})
    found = comparison.compare(world.store, OPERATOR, world.scan("i1", 3).ocid, world.scan("i2").ocid)
    assert [(each.kind, each.cause, each.name) for each in found.changes] == [
        # d came with the packages; that PYSEC-6 is known of c, which both have, is the feed's doing.
        (ChangeKind.NEW, ChangeCause.PACKAGES, "PYSEC-5"),
        (ChangeKind.NEW, ChangeCause.FEED, "PYSEC-6"),
        (ChangeKind.FIXED, ChangeCause.PACKAGES, "CVE-2026-1003"),
        (ChangeKind.FIXED, ChangeCause.PACKAGES, "PYSEC-2"),
    ]


def test_a_rating_that_changed_is_rated_anew(world: World) -> None:
    world.publish({"GHSA-2": Claim((("q", 1, None),), ("PYSEC-2",), 3)})
    found = comparison.compare(world.store, OPERATOR, world.scan("i1", 3).ocid, world.scan("i1", 4).ocid)
    assert [(each.kind, each.before, each.after) for each in found.changes] == [
        (ChangeKind.RATED_ANEW, Severity.UNRATED, Severity.MEDIUM)
    ]


def test_a_problem_that_is_told_under_another_name_is_no_change(world: World) -> None:
    world.publish({"PYSEC-2": Claim((("b", 1, None),), ("CVE-2026-2002",))})
    first, second = world.scan("i1", 3), world.scan("i1", 4)
    assert first.counts == second.counts
    assert comparison.compare(world.store, OPERATOR, first.ocid, second.ocid).changes == ()
    names = [each.name for each in details.get(world.store, OPERATOR, second.ocid).problems]
    assert "CVE-2026-2002" in names
    assert "PYSEC-2" not in names


def test_two_problems_that_turn_out_to_be_one_are_joined(world: World) -> None:
    world.publish({"PYSEC-7": Claim((("c", 1, None),), (), 3)})
    world.publish({"PYSEC-7": Claim((("c", 1, None),), ("CVE-2026-1003",), 3)})
    first, second = world.scan("i1", 4), world.scan("i1", 5)
    assert first.counts.total - second.counts.total == 1
    found = comparison.compare(world.store, OPERATOR, first.ocid, second.ocid).changes
    assert [(each.kind, each.name) for each in found] == [(ChangeKind.JOINED, "PYSEC-7")]


def test_a_range_that_leaves_the_version_out_has_narrowed(world: World) -> None:
    world.publish({"PYSEC-3": Claim((("a", 2, 3),), ("CVE-2026-1003",), 5)})
    found = comparison.compare(world.store, OPERATOR, world.scan("i1", 3).ocid, world.scan("i1", 4).ocid).changes
    assert [(each.kind, each.cause) for each in found] == [(ChangeKind.NARROWED, ChangeCause.FEED)]


def test_a_removed_scanner_keeps_what_it_found_as_of_that_moment(world: World) -> None:
    world.freeze("r1")
    world.publish({"PYSEC-3": None})
    status = results.statuses(world.store, OPERATOR, ["i1"])["i1"]
    assert (status.standing, status.current_as_of) == (Standing.UNWATCHED, 3)
    assert status.scan is not None
    assert status.scan.counts.critical == 1
    shown = details.get(world.store, OPERATOR, status.scan.ocid)
    assert [each.name for each in shown.problems if each.state is ProblemState.OPEN] == ["CVE-2026-1003", "PYSEC-2"]


def test_a_repository_is_summed_up_by_risk(world: World) -> None:
    world.push("i2", [[lib("c", 1)]])
    world.push("i3", [[lib("b", 1)]], repository="r2")
    found = results.repository_summaries(world.store, OPERATOR, ["r1", "r2", "r3"])
    assert found["r1"].by_risk == {RiskLevel.CRITICAL: 1, RiskLevel.NONE: 1}
    assert (found["r1"].scanned, found["r1"].worst) == (2, RiskLevel.CRITICAL)
    assert found["r2"].by_risk == {RiskLevel.MEDIUM: 1}  # unrated counts as Medium
    assert "r3" not in found


def test_a_verdict_says_who_and_why_and_the_latest_counts(world: World, clock: SetClock) -> None:
    scan = world.scan("i1")
    first = verdicts.record(world.store, OPERATOR, scan.ocid, accepted=True, reason="looks fine")
    clock.advance(1)
    second = verdicts.record(world.store, OPERATOR, scan.ocid, accepted=False, reason="a is critical")
    with world.store.database.read() as connection:
        assert verdicts.verdict_of(connection, "i1") == second
        assert verdicts.verdict_of(connection, "i2") is None
    assert verdicts.listed(world.store, OPERATOR, "i1") == (second, first)
    assert (second.reviewer_name, second.revision, second.counts) == ("operator", 3, scan.counts)


def test_a_verdict_is_announced_and_audited(world: World) -> None:
    scan = world.scan("i1")
    verdicts.record(world.store, OPERATOR, scan.ocid, accepted=False, reason="no")
    with world.store.database.read() as connection:
        facts = [decode(*row) for row in connection.execute(text("SELECT topic, payload FROM outbox"))]
        audited = connection.execute(text("SELECT operation, outcome, resource FROM audit")).all()
    told = [each for each in facts if isinstance(each, VerdictRecorded)]
    assert [(each.image, each.scan, each.accepted) for each in told] == [("i1", scan.ocid, False)]
    assert [tuple(row) for row in audited] == [("RecordScanVerdict", "done", scan.ocid)]


def test_a_verdict_needs_a_reason_and_a_scan(world: World) -> None:
    with pytest.raises(Refused, match="reason"):
        verdicts.record(world.store, OPERATOR, world.scan("i1").ocid, accepted=True, reason=" ")
    with pytest.raises(Refused) as refusal:
        verdicts.record(world.store, STRANGER, world.scan("i1").ocid, accepted=True, reason="mine")
    assert refusal.value.reason is Reason.NOT_FOUND


def test_a_verdict_that_is_sent_twice_is_recorded_once(world: World) -> None:
    ocid = world.scan("i1").ocid
    sent = [
        verdicts.record(world.store, OPERATOR, ocid, accepted=True, reason="fine", retry_token="t") for _ in range(2)
    ]
    assert sent[0] == sent[1]
    assert len(verdicts.listed(world.store, OPERATOR, "i1")) == 1
