"""Revisions of the advisory log: prepared beside the published one, published, abandoned, read as of any of them."""

from pathlib import Path
from typing import Any

import pytest
from advisory_bucket import Record, classes_of, record, standing, synchronise, write_bucket

from assay.advisories import ChangeSet, Severity, Statement, best_severity, feeds, revisions, vulnerabilities
from assay.advisories.affects import Event, EventKind
from assay.advisories.vulnerabilities import AdvisoryChange, ChangeKind
from assay.errors import Reason, Refused
from assay.storage import Store

CRITICAL = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
DATES = [f"2026-{month:02}-01T00:00:00Z" for month in range(1, 13)]


class Feed:
    """A feed in a folder whose records a test sets, one state after the other."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.config = feeds.FeedConfig("test", str(folder), ("PyPI",))

    def holds(self, *records: Record, publish: bool = True) -> int | None:
        """Bring the log to exactly these records; the revision."""
        write_bucket(self.folder, {"PyPI": records})
        return synchronise(self.store, self.config, publish=publish)

    def id_of(self, name: str) -> int:
        with self.store.database.read() as connection:
            found = vulnerabilities.vulnerability_id(connection, name)
        assert found is not None
        return found

    def statements(self, name: str, rev: int) -> tuple[Statement, ...]:
        with self.store.database.read() as connection:
            return vulnerabilities.statements_of(connection, [self.id_of(name)], rev)[self.id_of(name)]

    def affecting(self, package: str, rev: int) -> set[str]:
        with self.store.database.read() as connection:
            found = vulnerabilities.vulnerabilities_affecting(connection, [("PyPI", package), ("PyPI", "none")], rev)
            ids = found.get(("PyPI", package), ())
            assert list(ids) == sorted(set(ids))
            return set(vulnerabilities.vulnerability_names(connection, ids).values())

    def touched(self, rev: int) -> set[str]:
        with self.store.database.read() as connection:
            found: list[int] = []
            while ids := revisions.touched_vulnerabilities(connection, rev, found[-1] if found else 0, 2):
                found += ids
            assert found == sorted(set(found))
            return set(vulnerabilities.vulnerability_names(connection, found).values())

    def changes(self, name: str, rev_a: int, rev_b: int) -> tuple[AdvisoryChange, ...]:
        with self.store.database.read() as connection:
            return vulnerabilities.changes_between(connection, [self.id_of(name)], rev_a, rev_b)[self.id_of(name)]


@pytest.fixture
def feed(store: Store, tmp_path: Path) -> Feed:
    return Feed(store, tmp_path)


def answers(feed: Feed, rev: int) -> Any:
    """Everything that the room answers as of a revision."""
    names = sorted(classes_of(feed.store))
    with feed.store.database.read() as connection:
        ids = [each for name in names if (each := vulnerabilities.vulnerability_id(connection, name)) is not None]
        return (
            vulnerabilities.statements_of(connection, ids, rev),
            vulnerabilities.vulnerability_details(connection, ids, rev),
            vulnerabilities.vulnerabilities_affecting(connection, [("PyPI", "thing"), ("PyPI", "other")], rev),
        )


def test_before_the_first_revision_nothing_is_known(store: Store) -> None:
    with store.database.read() as connection:
        assert revisions.published_revision(connection) == 0
        assert revisions.preparing_revision(connection) is None
        assert vulnerabilities.vulnerabilities_affecting(connection, [("PyPI", "thing")], 0) == {}


def test_a_statement_is_read_back_as_it_was_given(feed: Feed) -> None:
    feed.holds(record("A", aliases=["CVE-2026-1000"], severity=CRITICAL, package="Thing", fixed="1.5"))
    (statement,) = feed.statements("CVE-2026-1000", 1)
    assert statement == Statement(
        advisory="A",
        from_rev=1,
        ecosystem="PyPI",
        package="thing",
        ranges=((Event(EventKind.INTRODUCED, "0"), Event(EventKind.FIXED, "1.5")),),
        versions=frozenset(),
        severity=Severity.CRITICAL,
    )


def test_what_is_prepared_is_invisible_until_it_is_published(feed: Feed) -> None:
    old = [record("A", aliases=["CVE-2026-1000"], summary="old"), record("B", package="other")]
    new = [
        record("A", aliases=["CVE-2026-2000"], summary="new", modified=DATES[1], fixed="9"),
        record("C", aliases=["CVE-2026-1000"], modified=DATES[1]),
    ]
    feed.holds(*old)
    before = answers(feed, 1)
    assert feed.holds(*new, publish=False) == 2
    with feed.store.database.read() as connection:
        assert (revisions.published_revision(connection), revisions.preparing_revision(connection)) == (1, 2)
        assert revisions.revision_phase(connection, 2) == (2, 0)
    assert feed.affecting("thing", 1) == {"CVE-2026-1000"}
    assert feed.affecting("thing", 2) == {"CVE-2026-1000", "CVE-2026-2000"}
    assert feed.affecting("other", 1) == {"B"}
    assert feed.affecting("other", 2) == set()
    with feed.store.database.write() as connection:
        revisions.publish_revision(connection, 2)
    ids = [feed.id_of("CVE-2026-1000"), feed.id_of("B")]
    for part, earlier in zip(answers(feed, 1)[:2], before[:2], strict=True):
        assert {each: part[each] for each in part if each in ids} == {
            each: earlier[each] for each in earlier if each in part
        }


def test_a_revision_touches_the_classes_before_and_after(feed: Feed) -> None:
    feed.holds(record("A", aliases=["CVE-2026-1000"]), record("B", aliases=["CVE-2026-2000"]), record("C"))
    feed.holds(
        record("A", aliases=["CVE-2026-3000"], modified=DATES[1]), record("B", aliases=["CVE-2026-2000"]), record("C")
    )
    assert feed.touched(1) == {"CVE-2026-1000", "CVE-2026-2000", "C"}
    assert feed.touched(2) == {"CVE-2026-1000", "CVE-2026-3000"}


def test_a_change_of_words_touches_its_class_though_no_membership_changes(feed: Feed) -> None:
    feed.holds(record("A", aliases=["CVE-2026-1000"]), record("B", aliases=["CVE-2026-1000"]), record("C"))
    feed.holds(
        record("A", aliases=["CVE-2026-1000"], modified=DATES[1], fixed="8"),
        record("B", aliases=["CVE-2026-1000"]),
        record("C"),
    )
    assert feed.touched(2) == {"CVE-2026-1000"}


def test_a_rating_anywhere_in_the_class_rates_it(feed: Feed) -> None:
    feed.holds(record("A", aliases=["CVE-2026-1000"]))
    assert best_severity(feed.statements("CVE-2026-1000", 1)) is Severity.UNRATED
    rating_alone = record("R", aliases=["CVE-2026-1000"], severity=CRITICAL) | {"affected": []}
    feed.holds(record("A", aliases=["CVE-2026-1000"]), rating_alone)
    assert best_severity(feed.statements("CVE-2026-1000", 2)) is Severity.CRITICAL
    assert best_severity(feed.statements("CVE-2026-1000", 1)) is Severity.UNRATED
    assert [(each.advisory, each.package) for each in feed.statements("CVE-2026-1000", 2)] == [
        ("A", "thing"),
        ("R", ""),
    ]


def test_a_withdrawn_advisory_says_nothing_and_joins_nothing(feed: Feed) -> None:
    bridge = record("X", aliases=["CVE-2026-1000", "CVE-2026-2000"])
    others = [record("A", aliases=["CVE-2026-1000"]), record("B", aliases=["CVE-2026-2000"])]
    feed.holds(bridge, *others)
    assert classes_of(feed.store) == {"CVE-2026-1000": {"A", "B", "X"}}
    feed.holds(bridge | {"withdrawn": DATES[1], "modified": DATES[1]}, *others)
    assert classes_of(feed.store) == {"CVE-2026-1000": {"A"}, "CVE-2026-2000": {"B"}}
    assert feed.touched(2) == {"CVE-2026-1000", "CVE-2026-2000"}
    assert [each.advisory for each in feed.statements("CVE-2026-1000", 1)] == ["A", "B", "X"]
    assert [each.advisory for each in feed.statements("CVE-2026-1000", 2)] == ["A"]


def test_details_are_those_of_the_revision_and_not_those_of_a_notice(feed: Feed) -> None:
    notice = record("DSA-1-1", upstream=["CVE-2026-1000", "CVE-2026-2000"], summary="thing - update", details="notice")
    described = record(
        "PYSEC-1",
        aliases=["CVE-2026-1000", "GHSA-x"],
        summary="short",
        details="first words",
        references=[{"url": "https://example.org/a"}],
    )
    feed.holds(notice, described)
    feed.holds(notice, described | {"details": "second words", "modified": DATES[1]})
    ids = [feed.id_of("CVE-2026-1000"), feed.id_of("CVE-2026-2000")]
    with feed.store.database.read() as connection:
        first = vulnerabilities.vulnerability_details(connection, ids, 1)
        second = vulnerabilities.vulnerability_details(connection, [*ids, 999_999], 2)
    assert list(second) == ids
    one = first[ids[0]]
    assert (one.name, one.summary, one.description) == ("CVE-2026-1000", "short", "first words")
    assert one.aliases == ("GHSA-x", "PYSEC-1")
    assert one.advisories == ("DSA-1-1", "PYSEC-1")
    assert one.references == ("https://example.org/a",)
    assert one.link == "https://www.cve.org/CVERecord?id=CVE-2026-1000"
    assert second[ids[0]].description == "second words"
    assert (first[ids[1]].summary, first[ids[1]].description) == ("thing - update", "notice")


def test_without_a_cve_the_link_is_the_advisorys_own_page(feed: Feed) -> None:
    feed.holds(record("PYSEC-2026-1"))
    identity = feed.id_of("PYSEC-2026-1")
    with feed.store.database.read() as connection:
        found = vulnerabilities.vulnerability_details(connection, [identity], 1)[identity]
    assert found.link == "https://osv.dev/vulnerability/PYSEC-2026-1"


def test_changes_say_what_began_changed_and_ended_and_why(feed: Feed) -> None:
    kept = record("KEPT", aliases=["CVE-2026-1000"])
    moving = record("MOVES", aliases=["CVE-2026-1000"])
    feed.holds(kept, moving, record("GONE", aliases=["CVE-2026-1000"]), record("DRAWN", aliases=["CVE-2026-1000"]))
    feed.holds(
        kept | {"modified": DATES[1], "summary": "more"},
        moving | {"modified": DATES[1], "aliases": ["CVE-2026-2000"]},
        record("DRAWN", aliases=["CVE-2026-1000"], modified=DATES[1], withdrawn=DATES[1]),
        record("NEW", aliases=["CVE-2026-1000"]),
    )
    assert feed.changes("CVE-2026-1000", 1, 2) == (
        AdvisoryChange("DRAWN", 2, ChangeKind.REMOVED, "withdrawn by its publisher", frozenset({"PyPI"})),
        AdvisoryChange("GONE", 2, ChangeKind.REMOVED, "removed from the feed", frozenset({"PyPI"})),
        AdvisoryChange("KEPT", 2, ChangeKind.CHANGED, "changed by its publisher", frozenset({"PyPI"})),
        AdvisoryChange("MOVES", 2, ChangeKind.REMOVED, "no longer counted under CVE-2026-1000", frozenset({"PyPI"})),
        AdvisoryChange("NEW", 2, ChangeKind.ADDED, "published", frozenset({"PyPI"})),
    )
    assert feed.changes("CVE-2026-2000", 1, 2) == (
        AdvisoryChange("MOVES", 2, ChangeKind.ADDED, "now counted under CVE-2026-2000", frozenset({"PyPI"})),
    )
    assert feed.changes("CVE-2026-1000", 2, 2) == ()
    assert len(feed.changes("CVE-2026-1000", 0, 1)) == 4


def test_an_abandoned_revision_leaves_no_trace_and_gives_its_number_back(feed: Feed) -> None:
    first = [record("A", aliases=["CVE-2026-1000"]), record("B", aliases=["CVE-2026-1000"])]
    later = [record("A", aliases=["CVE-2026-2000"], modified=DATES[1]), record("C")]
    feed.holds(*first)
    before = standing(feed.store)
    assert feed.holds(*later, publish=False) == 2
    assert standing(feed.store) != before
    revisions.abandon_revision(feed.store, 2)
    assert standing(feed.store) == before
    assert feed.touched(2) == set()
    with feed.store.database.read() as connection:
        assert (revisions.published_revision(connection), revisions.preparing_revision(connection)) == (1, None)
        with pytest.raises(Refused):
            revisions.revision_phase(connection, 2)
    assert feed.holds(*later) == 2
    assert classes_of(feed.store) == {"CVE-2026-2000": {"A"}, "C": {"C"}}


def test_a_revision_begun_twice_is_one(store: Store) -> None:
    assert revisions.begin_revision(store) == revisions.begin_revision(store) == 1


def test_only_the_revision_in_preparation_can_be_applied_published_or_abandoned(feed: Feed) -> None:
    feed.holds(record("A"))
    with feed.store.database.write() as connection, pytest.raises(Refused) as fault:
        revisions.publish_revision(connection, 2)
    assert fault.value.reason is Reason.WRONG_STATE
    with pytest.raises(Refused):
        revisions.abandon_revision(feed.store, 1)
    with pytest.raises(Refused):
        revisions.apply_changes(feed.store, 1, ChangeSet("test"), pause=lambda: None)


def test_applying_again_in_a_later_phase_does_nothing(feed: Feed) -> None:
    feed.holds(record("A"), publish=False)
    with feed.store.database.write() as connection:
        revisions.save_phase(connection, 1, 3, 77)
    revisions.apply_changes(feed.store, 1, ChangeSet("test"), pause=lambda: None)
    with feed.store.database.read() as connection:
        assert revisions.revision_phase(connection, 1) == (3, 77)


def test_a_record_changed_twice_before_publication_is_changed_once(feed: Feed) -> None:
    feed.holds(record("A", fixed="1"), record("B"))
    write_bucket(feed.folder, {"PyPI": [record("A", fixed="2", modified=DATES[1]), record("B")]})
    with feeds.fetch_changes(feed.store, feed.config) as changes:
        rev = revisions.begin_revision(feed.store)
        with pytest.raises(KeyboardInterrupt):
            revisions.apply_changes(feed.store, rev, changes, pause=_interrupt)
    assert feed.holds(record("A", fixed="3", modified=DATES[2]), record("B")) == 2
    assert [each.ranges[0][1].version for each in feed.statements("A", 2)] == ["3"]
    assert [each.ranges[0][1].version for each in feed.statements("A", 1)] == ["1"]


def test_a_purge_changes_no_answer_as_of_its_revision_or_later(feed: Feed) -> None:
    feed.holds(record("A", aliases=["CVE-2026-1000"]), record("B", aliases=["CVE-2026-1000"]))
    feed.holds(record("A", aliases=["CVE-2026-2000"], modified=DATES[1]))
    feed.holds(record("A", aliases=["CVE-2026-2000"], modified=DATES[2], fixed="7"), record("C"))
    kept = [answers(feed, rev) for rev in (2, 3)]
    # Ended by revision 2: two versions, two statements, two links (A's old words and B's), and two memberships;
    # and the two vulnerabilities that each of revisions 1 and 2 touched, CVE-2026-1000 and, from 2 on, CVE-2026-2000.
    assert revisions.purge(feed.store, 2, pause=lambda: None) == 8 + 1 + 2
    assert [answers(feed, rev) for rev in (2, 3)] == kept
    assert revisions.purge(feed.store, 2, pause=lambda: None) == 0
    assert feed.touched(3) == {"CVE-2026-2000", "C"}


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_notice_moves_when_another_record_no_longer_joins_what_it_is_about(feed: Feed) -> None:
    notice = record("DSA-1", upstream=["CVE-2026-2000"])
    feed.holds(record("A", aliases=["CVE-2026-1000", "CVE-2026-2000"]), notice)
    assert classes_of(feed.store) == {"CVE-2026-1000": {"A", "DSA-1"}}
    feed.holds(record("A", aliases=["CVE-2026-1000"], modified=DATES[1]), notice)
    assert classes_of(feed.store) == {"CVE-2026-1000": {"A"}, "CVE-2026-2000": {"DSA-1"}}
    assert feed.touched(2) == {"CVE-2026-1000", "CVE-2026-2000"}


def test_a_record_that_came_and_went_within_one_revision_is_a_member_of_nothing(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revisions, "BATCH_MEMBERSHIPS_MAX", 1)
    feed.holds(record("A", aliases=["CVE-2026-2000"]))
    new = record("NEW", aliases=["CVE-2026-1000", "CVE-2026-2000"])
    write_bucket(feed.folder, {"PyPI": [record("A", aliases=["CVE-2026-2000"]), new, record("OTHER")]})
    beats = iter([None, None])
    with feeds.fetch_changes(feed.store, feed.config) as changes:
        rev = revisions.begin_revision(feed.store)
        with pytest.raises(StopIteration):
            revisions.apply_changes(feed.store, rev, changes, pause=lambda: next(beats))
    assert classes_of(feed.store)["CVE-2026-1000"] == {"A", "NEW"}
    feed.holds(record("A", aliases=["CVE-2026-2000"]), record("OTHER"))
    assert classes_of(feed.store) == {"CVE-2026-2000": {"A"}, "OTHER": {"OTHER"}}
    assert feed.touched(2) == {"OTHER"}
