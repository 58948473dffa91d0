"""Feed revisions: begun, applied, published; phases 0 and 1 of the re-scan, and the books of the phases after.

A revision is one applied change set. Its rows stand beside those of the published one (`records/tables.py`), written in
small transactions; readers see them when one number is set. A process that dies in between leaves the published
revision as it was, and the next run goes on.
"""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection

from assay.advisories import feeds, membership
from assay.advisories.records import feeds as feed_records
from assay.advisories.records import graph, log, numbers
from assay.advisories.records.content import Change
from assay.advisories.share import Share
from assay.advisories.sync import ChangeSet
from assay.errors import Reason, Refused
from assay.storage import Store

#: A batch, one transaction, has at most so many advisories, and so many rows unless one advisory has more; less of both
#: after one that others had to wait for (`share.py`).
BATCH_ADVISORIES_MAX = 50
BATCH_ROWS_MAX = 2_000
#: Memberships around so many changed advisories are settled in one transaction.
BATCH_MEMBERSHIPS_MAX = 200
#: A purge looks at so many advisories in one transaction.
PURGED_ADVISORIES_MAX = 500
_APPLYING, _MATCHING = 1, 2


def begin_revision(store: Store) -> int:
    """Phase 0: the revision in preparation; published + 1 when there was none.

    A push either commits before this (and the phases after see it) or finds the revision and records itself as late.
    """
    with store.database.write() as connection:
        store.database.publication_lock(connection, shared=False)
        published, preparing = numbers.state(connection)
        if preparing is None:
            preparing = published + 1
            numbers.set_state(connection, published, preparing)
            numbers.begin(connection, preparing, store.clock.now())
        return preparing


def apply_changes(store: Store, rev: int, changes: ChangeSet, *, pause: Callable[[], None]) -> None:
    """Phase 1: write the change set as rows of `rev`, in small transactions, calling `pause` between them.

    After a kill, fetch the changes anew and call this again, also when nothing is left to change: what stands is not
    written twice, and the rest is done. At the end the phase is 2 with cursor 0; in a later phase nothing is done.
    Errors: Refused (WRONG_STATE) when `rev` is not in preparation; Unavailable when the feed's files fail after all.
    """
    with store.database.read() as connection:
        published, preparing = numbers.state(connection)
        phase, cursor = revision_phase(connection, rev)
        feed = feed_records.row(connection, changes.feed)
    if preparing != rev or feed is None:
        raise Refused(f"Feed revision {rev} is not in preparation.", reason=Reason.WRONG_STATE)
    if phase != _APPLYING:
        return
    share = Share()
    for batch, refused in _batches(changes, share):
        with share.writing(store) as connection:
            if cursor:
                # Memberships of the run before rest on a graph that now changes; they are found anew.
                graph.take_back(connection, rev)
                numbers.untouch(connection, rev)
            log.apply(connection, feed.id, rev, batch)
            settled = [change.name for change in batch]
            feed_records.replace_refusals(connection, feed.id, settled, refused, store.clock.now())
            numbers.save_phase(connection, rev, _APPLYING, 0)
        cursor = 0
        pause()
    with store.database.write() as connection:
        feed_records.replace_refusals(connection, feed.id, changes.forgotten, (), store.clock.now())
        feeds.complete(connection, feed.id, changes)
    _settle_memberships(store, published, rev, cursor, pause)


def _batches(changes: ChangeSet, share: Share) -> Iterator[tuple[Sequence[Change], Sequence[feed_records.Refusal]]]:
    """Changes, and the refusals met on the way, in batches within their present share of the limits."""
    batch: list[Change] = []
    refused: list[feed_records.Refusal] = []
    rows = 0
    for each in changes.changes():
        if isinstance(each, feed_records.Refusal):
            refused.append(each)
            continue
        is_full = len(batch) >= share.of(BATCH_ADVISORIES_MAX) or rows + each.rows > share.of(BATCH_ROWS_MAX)
        if batch and is_full:
            yield batch, refused
            batch, refused, rows = [], [], 0
        batch.append(each)
        rows += each.rows
    if batch or refused:
        yield batch, refused


def _settle_memberships(store: Store, published: int, rev: int, cursor: int, pause: Callable[[], None]) -> None:
    """Begin and end memberships around all advisories that `rev` changed, and touch their vulnerabilities."""
    share = Share()
    while True:
        with store.database.read() as connection:
            changed = log.changed(connection, rev, cursor, share.of(BATCH_MEMBERSHIPS_MAX))
            found = membership.around(connection, changed, published, rev) if changed else None
        with share.writing(store) as connection:
            if found is None:
                numbers.save_phase(connection, rev, _MATCHING, 0)
                return
            ids = graph.vulnerability_ids(connection, found.touched)
            graph.change_members(connection, found.begun, found.ended, ids, rev)
            numbers.touch(connection, rev, {ids[name] for name in found.touched})
            cursor = changed[-1]
            numbers.save_phase(connection, rev, _APPLYING, cursor)
        pause()


def revision_phase(connection: Connection, rev: int) -> tuple[int, int]:
    """How far the preparation of `rev` has come: (phase 1 to 5, cursor within it). Errors: Refused (WRONG_STATE)."""
    found = numbers.phase(connection, rev)
    if found is None:
        raise Refused(f"There is no feed revision {rev}.", reason=Reason.WRONG_STATE)
    return found


def save_phase(connection: Connection, rev: int, phase: int, cursor: int) -> None:
    """Note (phase, cursor) in the transaction of the batch that reached it."""
    numbers.save_phase(connection, rev, phase, cursor)


def published_revision(connection: Connection) -> int:
    """The revision that readers read as of; 0 before the first."""
    return numbers.state(connection)[0]


def preparing_revision(connection: Connection) -> int | None:
    """The revision in preparation, or None."""
    return numbers.state(connection)[1]


def publish_revision(connection: Connection, rev: int) -> None:
    """Make `rev` the published one.

    The caller holds the publication lock exclusively, in this transaction, and has caught up what is late.
    Errors: Refused (WRONG_STATE) when `rev` is not in preparation.
    """
    published, preparing = numbers.state(connection)
    if preparing != rev or rev != published + 1:
        raise Refused(f"Feed revision {rev} is not in preparation.", reason=Reason.WRONG_STATE)
    numbers.set_state(connection, rev, None)


def abandon_revision(store: Store, rev: int) -> None:
    """Take back every row that phases 0 and 1 wrote for `rev`, in one transaction; its number is given out again.

    The caller has taken back its own rows before. The feed is read afresh next time.
    Errors: Refused (WRONG_STATE) when `rev` is not in preparation.
    """
    with store.database.write() as connection:
        store.database.publication_lock(connection, shared=False)
        published, preparing = numbers.state(connection)
        if preparing != rev:
            raise Refused(f"Feed revision {rev} is not in preparation.", reason=Reason.WRONG_STATE)
        graph.take_back(connection, rev)
        log.take_back(connection, rev)
        feed_records.forget_validators(connection)
        numbers.drop(connection, rev)
        numbers.set_state(connection, published, None)


def purge(store: Store, rev: int, *, pause: Callable[[], None]) -> int:
    """Remove what ended at or before `rev`, in short transactions with `pause` between; how many rows.

    Every question as of `rev` or later has the same answer as before.
    """
    count, after = 0, 0
    while True:
        with store.database.write() as connection:
            last, rows = log.delete_ended(connection, after, PURGED_ADVISORIES_MAX, rev)
        count += rows
        if last is None:
            break
        after = last
        pause()
    while True:
        with store.database.write() as connection:
            rows = numbers.forget_touched(connection, rev, BATCH_ROWS_MAX)
        count += rows
        if not rows:
            return count
        pause()


def touched_vulnerabilities(connection: Connection, rev: int, after_id: int, limit: int) -> tuple[int, ...]:
    """Ids of the vulnerabilities that `rev` must evaluate anew, greater than `after_id`, in ascending order."""
    return numbers.touched_after(connection, rev, after_id, limit)
