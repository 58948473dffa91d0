"""The re-scan: a feed's changes become a revision, of which only what it changes is computed, and never a blob read.

Phases 0 and 1 (begin, advisories) are the advisories room's; here follow 2 matches, 3 totals, 4 scans, 5 publish. Each
reads without a lock, writes in short batches, and notes in the same transaction how far it has come; after a kill
`resume` goes on from there. Readers see nothing of it until one number changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from assay.advisories import ChangeSet, revisions
from assay.scanning.rescan import matches, publish, scans, totals
from assay.scanning.rescan.pace import Pace, rest
from assay.storage import Store

__all__ = ["Outcome", "resume", "run"]

#: There is one re-scan at a time: two would apply two change sets to one revision.
ALONE = "rescan"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a re-scan did: the revision that it published, and how long it held the write lock at most."""

    revision: int
    longest_hold_seconds: float


def run(store: Store, changes: ChangeSet, *, pause: Callable[[], None] = rest) -> Outcome:
    """Apply a feed's changes as the next revision, re-scan what they change, and publish it.

    A revision that an earlier run left is finished first, or taken on when it still lacks advisories. One run waits for
    another, in whatever process. `pause` is called between batches, while no transaction is open.
    Errors: Unavailable; Refused (WRONG_STATE) when this worker was taken for dead and another has gone on.
    """
    with store.database.alone(ALONE):
        _resume(store, pause)
        rev = revisions.begin_revision(store)
        revisions.apply_changes(store, rev, changes, pause=pause)
        return _finish(store, rev, changes.feed, pause)


def resume(store: Store, *, pause: Callable[[], None] = rest) -> Outcome | None:
    """Finish the revision that a run left behind, if it has all its advisories; else None: it waits for the next run.

    Errors: as `run`.
    """
    with store.database.alone(ALONE):
        return _resume(store, pause)


def _resume(store: Store, pause: Callable[[], None]) -> Outcome | None:
    with store.database.read() as connection:
        rev = revisions.preparing_revision(connection)
        phase = 0 if rev is None else revisions.revision_phase(connection, rev)[0]
    return None if rev is None or phase < matches.PHASE else _finish(store, rev, "", pause)


def _finish(store: Store, rev: int, feed: str, pause: Callable[[], None]) -> Outcome:
    pace = Pace(store, pause)
    with store.database.read() as connection:
        phase, cursor = revisions.revision_phase(connection, rev)
    if phase == matches.PHASE:
        matches.evaluate(store, rev, cursor, pace)
        phase, cursor = totals.PHASE, 0
    if phase == totals.PHASE:
        totals.recount(store, rev, cursor, pace)
        phase = scans.PHASE
    if phase == scans.PHASE:
        scans.summarize(store, rev, pace)
    publish.publish(store, rev, feed, pace)
    return Outcome(rev, pace.longest_hold_seconds)
