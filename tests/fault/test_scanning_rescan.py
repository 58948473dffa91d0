"""The re-scan under stress: killed after every batch, overtaken, pushed into; and controls that must fail."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from scanning_world import FEED, OPERATOR, Claim, Killed, World, emptied, lib
from sqlalchemy import select, text

from assay.advisories import revisions
from assay.errors import Reason, Refused
from assay.events import FeedAdvanced, ImageScanned, decode
from assay.scanning import comparison, counting, details, full, rescan, results
from assay.scanning.model import Cause, ScanFilter
from assay.scanning.records import inventories
from assay.scanning.records.tables import late, scan
from assay.scanning.rescan import totals
from assay.scanning.rescan.pace import Pace
from assay.storage import Store
from assay.storage.blobs import BLOBS_OPENED

BEFORE = {
    "PYSEC-1": Claim((("a", 1, 5),), ("CVE-2026-1001",), 4),
    "GHSA-1": Claim((("a", 1, 4), ("b", 1, None)), ("CVE-2026-1001",), None),
    "PYSEC-2": Claim((("b", 2, None),), (), None),
}
#: New, rated, withdrawn, moved to another class, removed.
CHANGES: dict[str, Claim | None] = {
    "PYSEC-3": Claim((("a", 1, None), ("c", 1, None)), (), 5),
    "GHSA-2": Claim((("q", 1, None),), ("PYSEC-2",), 3),
    "PYSEC-1": Claim((("a", 1, 5),), ("CVE-2026-1001",), 4, withdrawn=True),
    "GHSA-1": Claim((("a", 1, 4), ("b", 1, None)), ("CVE-2026-1009",), 1),
}
LEVELS = {
    "i1": ([lib("a", 1), lib("b", 3)], [lib("c", 1)]),
    "i2": ([lib("a", 1), lib("b", 3)], [lib("a", 2), lib("d", 1)]),
    "i3": ([lib("d", 1)], [lib("b", 1)], [lib("a", 4)]),
    "i4": ([lib("e", 1)],),
}


def grown(store: Store) -> World:
    """Four images under one published revision."""
    world = World(store)
    world.publish(dict(BEFORE))
    for image, levels in LEVELS.items():
        world.push(image, levels, repository="r2" if image == "i3" else "r1")
    return world


def dying(after: int) -> Callable[[], None]:
    """A pause in which the process dies, once, after so many batches."""
    count = iter(range(10_000))

    def pause() -> None:
        if next(count) == after:
            raise Killed

    return pause


def counting_pauses(calls: list[None]) -> Callable[[], None]:
    return lambda: calls.append(None)


def matches_of(world: World) -> list[tuple[object, ...]]:
    """All matches by name, whatever their ids."""
    query = (
        "SELECT v.name, c.name, c.version, m.from_rev, m.until_rev, m.severity, m.advisory, m.fix FROM match m"
        " JOIN vulnerability v ON v.id = m.vulnerability_id JOIN component c ON c.id = m.component_id"
    )
    with world.store.database.read() as connection:
        return sorted(tuple(row) for row in connection.execute(text(query)))


def test_killed_after_any_batch_and_resumed_is_as_if_never_killed(store: Store) -> None:
    calls: list[None] = []
    world = grown(store)
    world.publish(CHANGES, pause=counting_pauses(calls))
    unharmed = matches_of(world)
    assert world.shown() == world.expected()
    for batch in range(len(calls)):
        world = grown(emptied(store))
        world.publish(CHANGES, pause=dying(batch))
        assert world.shown() == world.expected(), f"killed after batch {batch}"
        assert matches_of(world) == unharmed
        assert full.check(store).mismatches == 0


def answers(store: Store) -> str:
    """Everything that can be read of scans, as one digest."""
    listed = results.listed(store, OPERATOR, ScanFilter()).items
    told = [repr(listed), repr(results.statuses(store, OPERATOR, list(LEVELS)))]
    told += [repr(details.get(store, OPERATOR, each.ocid)) for each in listed]
    first = [each for each in listed if each.image == "i1"]
    told += [repr(comparison.compare(store, OPERATOR, first[-1].ocid, each.ocid)) for each in first]
    told.append(repr(results.repository_summaries(store, OPERATOR, ["r1", "r2"])))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def test_nothing_that_can_be_read_changes_while_a_revision_is_prepared(store: Store) -> None:
    world = grown(store)
    world.publish({"PYSEC-8": Claim((("a", 2, 3),), (), 3)})
    before = answers(store)
    seen: list[str] = []
    rescan.run(store, world.change_set(CHANGES), pause=lambda: seen.append(answers(store)))
    assert len(seen) > 5
    assert set(seen) == {before}
    assert answers(store) != before


def test_publishing_leaves_nothing_late_and_counts_up_by_one(store: Store) -> None:
    world = grown(store)
    outcome = rescan.run(store, world.change_set(CHANGES), pause=pushing(world, ["i5", "i6", "i7", "i8", "i9"]))
    assert outcome.revision == 2
    with store.database.read() as connection:
        assert revisions.published_revision(connection) == 2
        assert revisions.preparing_revision(connection) is None
        assert connection.execute(select(late)).all() == []


def pushing(world: World, images: list[str], first: int = 0) -> Callable[[], None]:
    """A pause in which another image is pushed: of a new component in a version that the changes speak of."""
    waiting: Iterator[str] = iter(images)
    count = iter(range(10_000))

    def pause() -> None:
        if next(count) >= first and (image := next(waiting, None)):
            world.push(image, [[lib("a", 1), lib("b", 3)], [lib("c", 2 + len(world.images)), lib("a", 3)]])

    return pause


def test_images_pushed_meanwhile_are_right_once_it_is_published(store: Store) -> None:
    world = grown(store)
    world.publish(CHANGES, pause=pushing(world, [f"n{number}" for number in range(20)]))
    assert len(world.images) > 10
    assert world.shown() == world.expected()
    assert full.check(store).mismatches == 0


def test_control_without_noting_who_came_late_these_images_are_wrong(store: Store) -> None:
    world = grown(store)
    with mock.patch.object(inventories, "note_late"):
        world.publish(CHANGES, pause=pushing(world, [f"n{number}" for number in range(20)]))
    assert world.shown() != world.expected()
    assert full.check(store).mismatches > 0


def test_control_without_settling_what_lies_below_the_counts_are_wrong(store: Store) -> None:
    def heedless(ledger: counting.Ledger, ratings: dict[int, tuple[int, int]], tree: counting.Tree) -> None:
        for component_set, (before, after) in ratings.items():
            for chain, _ in tree.ending(component_set):
                row = ledger.setdefault(chain, [0] * 5)
                if before:
                    row[5 - before] -= 1
                if after:
                    row[5 - after] += 1

    world = grown(store)
    with mock.patch.object(totals, "add_differences", heedless):
        world.publish(CHANGES)
    assert world.shown() != world.expected()


def test_a_worker_that_was_taken_for_dead_cannot_write_into_what_was_published_since(store: Store) -> None:
    world = grown(store)
    zombie = Pace(store, lambda: None)
    revision = revisions.begin_revision(store)
    revisions.apply_changes(store, revision, world.change_set(CHANGES), pause=lambda: None)
    rescan.resume(store)
    for phase in (2, 3, 4, 5):
        with pytest.raises(Refused) as refusal, zombie.batch(revision, phase):
            pytest.fail("the batch was begun")
        assert refusal.value.reason is Reason.WRONG_STATE


def test_an_unfinished_revision_is_finished_at_the_next_start(store: Store) -> None:
    world = grown(store)
    revision = revisions.begin_revision(store)
    revisions.apply_changes(store, revision, world.change_set(CHANGES), pause=lambda: None)
    found = rescan.resume(store)
    assert found is not None
    assert found.revision == revision
    assert rescan.resume(store) is None
    assert full.check(store).mismatches == 0


def test_two_runs_at_once_are_two_revisions_one_after_the_other(store: Store) -> None:
    world = grown(store)
    one, other = world.change_set({"PYSEC-3": CHANGES["PYSEC-3"]}), world.change_set({"GHSA-2": CHANGES["GHSA-2"]})
    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(rescan.run, store, changes) for changes in (one, other)]
    assert sorted(outcome.result().revision for outcome in outcomes) == [2, 3]
    assert full.check(store).mismatches == 0


def test_a_revision_without_all_its_advisories_waits_for_the_next_run(store: Store) -> None:
    world = grown(store)
    with pytest.raises(Killed):
        rescan.run(store, world.change_set(CHANGES), pause=dying(0))
    assert rescan.resume(store) is None
    assert rescan.run(store, world.change_set(CHANGES)).revision == 2


def test_no_blob_is_opened_and_only_changed_images_are_scanned(store: Store) -> None:
    world = grown(store)
    opened = BLOBS_OPENED._value.get()
    world.publish({"PYSEC-5": Claim((("d", 1, None),), (), 3)})
    assert BLOBS_OPENED._value.get() == opened
    with store.database.read() as connection:
        rows = connection.execute(select(scan.c.inventory_id).where(scan.c.rev == 2)).all()
    assert len(rows) == 2  # i2 and i3 hold d
    assert world.shown() == world.expected()


def facts(store: Store) -> list[tuple[object, int | None]]:
    with store.database.read() as connection:
        rows = connection.execute(text("SELECT topic, payload, feed_revision FROM outbox ORDER BY id")).all()
    return [(decode(row.topic, row.payload), row.feed_revision) for row in rows]


def test_one_fact_a_repository_tells_the_scans_and_waits_for_publication(store: Store) -> None:
    world = grown(store)
    before = len(facts(store))
    world.publish(CHANGES)
    told = facts(store)[before:]
    scanned = [(fact, held) for fact, held in told if isinstance(fact, ImageScanned)]
    assert [(fact.repository, set(fact.images), fact.cause, held) for fact, held in scanned] == [
        ("r1", {"i1", "i2"}, Cause.FEED, 2),
        ("r2", {"i3"}, Cause.FEED, 2),
    ]
    assert [(fact.feed, fact.revision) for fact, _ in told if isinstance(fact, FeedAdvanced)] == [(FEED, 2)]


def test_a_late_image_is_told_once(store: Store) -> None:
    world = grown(store)
    before = len(facts(store))
    world.publish(CHANGES, pause=pushing(world, ["n1"], first=3))
    told = [fact for fact, _ in facts(store)[before:] if isinstance(fact, ImageScanned) and "n1" in fact.images]
    assert [(fact.cause, fact.revision) for fact in told] == [(Cause.PUSH, 1), (Cause.FEED, 2)]


def test_batches_are_bounded_also_when_one_vulnerability_has_more_rows(store: Store) -> None:
    world = World(store)
    world.publish({"PYSEC-1": Claim((("a", 1, None),), (), 4)})
    for number in range(30):
        world.push(f"i{number}", [[lib("a", number + 1)]])
    sizes: list[int] = []
    apply = rescan.matches.matches.apply

    def measured(connection: object, rev: int, changes: object) -> None:
        sizes.append(changes.rows)  # type: ignore[attr-defined]
        apply(connection, rev, changes)  # type: ignore[arg-type]

    with mock.patch.object(rescan.matches.matches, "apply", measured), mock.patch.object(rescan.pace, "ROWS_MAX", 10):
        world.publish({"PYSEC-1": Claim((("a", 1, None),), (), 5)}, pause=dying(7))
    assert max(sizes) <= 10
    assert world.shown() == world.expected()
