"""Feeds: where advisories come from, when they were last read, what went wrong, and what they have changed."""

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from assay.advisories import sync
from assay.advisories.feed import ECOSYSTEMS_DEFAULT, PUBLIC_OSV, REFRESH_SECONDS_DEFAULT, FeedConfig, files_of
from assay.advisories.records import feeds as records
from assay.advisories.records import log, numbers
from assay.advisories.records.content import Listed, Upsert
from assay.advisories.sync import ChangeSet, Collector
from assay.clock import SECOND, Instant
from assay.errors import AssayError, Reason, Refused, not_found
from assay.iam import Act, Actor, Target, perform
from assay.storage import Store

__all__ = [
    "CARRIED_FIRST",
    "CARRIED_LATER",
    "ECOSYSTEMS_DEFAULT",
    "PUBLIC_OSV",
    "REFRESH_SECONDS_DEFAULT",
    "ChangeSet",
    "FeedConfig",
    "FeedState",
    "RefusedRecord",
    "ask_refresh",
    "configure",
    "due",
    "fetch_changes",
    "refused_records",
    "state",
    "succeed",
]

#: Folders of a small feed that the project carries for a demonstration without a network: at first, and later.
CARRIED_FIRST = str(Path(__file__).parent / "carried" / "first")
CARRIED_LATER = str(Path(__file__).parent / "carried" / "later")
#: After a failure the next run comes this soon, if the schedule does not say sooner.
RETRY_SECONDS = 300
#: A feed is stale when its last success is older than so many of its intervals.
STALE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed as the console and the command line show it. Times are None before the first run.

    `last_success` is the end of the last run of which readers see all. `revision` is the published one; `advisories`
    counts what stands; `refused` records could not be read and are not matched (older versions of them stand),
    `awaited` ones are listed but could not be had yet. A stale feed's results are shown as stale.
    """

    config: FeedConfig
    last_run: Instant | None
    last_success: Instant | None
    next_run: Instant
    last_error: str
    revision: int
    advisories: int
    refused: int
    awaited: int
    stale: bool

    @property
    def is_first_load(self) -> bool:
        """Whether it has never been read to the end, and nothing has gone wrong with that."""
        return self.last_success is None and not self.last_error


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that could not be taken in."""

    name: str
    reason: str


def configure(store: Store, feeds: Collection[FeedConfig]) -> None:
    """Make these the feeds: new ones, and those whose source is another now, are due at once.

    A feed that is not named is no longer read; its advisories stand, and it is not shown.
    """
    with store.database.write() as connection:
        for feed in feeds:
            records.configure(
                connection, feed.name, feed.source, feed.ecosystems, feed.refresh_seconds, store.clock.now()
            )
        records.disable_others(connection, [feed.name for feed in feeds])


def due(store: Store) -> tuple[FeedConfig, ...]:
    """The feeds whose next run has come, the longest waiting first."""
    with store.database.read() as connection:
        waiting = [row for row in records.rows(connection) if row.next_run <= store.clock.now()]
    return tuple(_config(row) for row in sorted(waiting, key=lambda row: (row.next_run, row.name)))


def state(connection: Connection, now: Instant) -> tuple[FeedState, ...]:
    """All feeds, by name."""
    published, _ = numbers.state(connection)
    refused = records.count_refusals(connection, again=False)
    awaited = records.count_refusals(connection, again=True)
    return tuple(
        FeedState(
            config=_config(row),
            last_run=row.last_run,
            last_success=row.last_success,
            next_run=row.next_run,
            last_error=row.last_error,
            revision=published,
            advisories=row.advisories,
            refused=refused.get(row.id, 0),
            awaited=awaited.get(row.id, 0),
            stale=row.last_success is None or now - row.last_success > STALE_INTERVALS * row.refresh_seconds * SECOND,
        )
        for row in records.rows(connection)
    )


def ask_refresh(store: Store, actor: Actor, feed: str, *, accept_removals: bool = False) -> FeedState:
    """Have a feed read as soon as there is a hand free; its state. Errors: Refused (NOT_FOUND).

    `accept_removals`: read it as one that was never read before, so that what its lists lack is removed, however much
    that is. It holds until a run has succeeded.
    """

    def locate(connection: Connection) -> Target:
        row = records.row(connection, feed)
        if row is None or not row.enabled:
            raise not_found()
        return Target(compartment=actor.tenancy, resource=feed)

    def change(act: Act) -> FeedState:
        row = records.row(act.connection, feed)
        if row is not None and accept_removals:
            records.note_run(act.connection, row.id, taken_source="")
        if row is not None and row.next_run > act.now:
            records.note_run(act.connection, row.id, next_run=act.now)
        return next(each for each in state(act.connection, act.now) if each.config.name == feed)

    return perform(store, actor, "RefreshFeed", locate=locate, change=change)


def refused_records(connection: Connection, feed: str) -> tuple[RefusedRecord, ...]:
    """The records of a feed that could not be taken in, by name, with the reasons."""
    row = records.row(connection, feed)
    listed = () if row is None else records.refusals(connection, row.id)
    return tuple(RefusedRecord(each.name, each.reason) for each in listed)


def fetch_changes(store: Store, feed: FeedConfig) -> ChangeSet:
    """Read the feed and say what it changed since the state that is stored (prepared or published).

    The outcome is False when there is nothing to apply: then the run is complete. Else `revisions.apply_changes`
    completes it; so it does when nothing has changed but an earlier run was killed while it applied its changes. A run
    that fails is noted as the feed's last error and changes nothing else.
    Errors: Refused for a feed that is not configured; Unavailable with advice.
    """
    with store.database.read() as connection:
        row = records.row(connection, feed.name)
        if row is None:
            raise Refused(
                f"There is no feed {feed.name!r}.", advice="Name one of the configured feeds.", reason=Reason.NOT_FOUND
            )
        known: Mapping[str, Listed] = log.listed(connection, row.id)
        refusals = records.refusals(connection, row.id)
        unfinished = numbers.applying(connection)
    started = store.clock.now()
    _note(store, row, last_run=started, next_run=started + feed.refresh_seconds * SECOND)
    try:
        with ExitStack() as on_error:
            changes = _collected(feed, row, known, refusals)
            on_error.callback(changes.close)
            effective = _changes_anything(store, row.id, changes)
            if not effective:
                _settle(store, row, changes, is_all=not unfinished)
            on_error.pop_all()
    except AssayError as fault:
        _note(store, row, last_error=str(fault), next_run=_after_failure(started, feed))
        raise
    return replace(changes, changes_anything=effective or unfinished)


def complete(connection: Connection, feed_id: int, changes: ChangeSet) -> None:
    """Note, in the transaction that takes in the last of a change set, that all of it is there."""
    if changes.etags is None:
        return
    records.note_run(
        connection,
        feed_id,
        last_error="",
        etags=dict(changes.etags),
        taken_source=changes.source,
        advisories=log.count(connection, feed_id),
    )


def succeed(connection: Connection, feed: str, now: Instant) -> None:
    """Note that a run of a feed has ended well: what it brought is what readers see."""
    row = records.row(connection, feed)
    if row is not None:
        records.note_run(connection, row.id, last_success=now)


def _collected(
    feed: FeedConfig,
    row: Row[Any],
    stored: Mapping[str, Listed],
    refusals: Collection[records.Refusal],
) -> ChangeSet:
    known = {**stored, **{each.name: each.listed for each in refusals}}
    again = {each.name for each in refusals if each.again}
    source = f"{feed.source} {' '.join(feed.ecosystems)}"
    same_source = source == row.taken_source
    with files_of(feed.source) as files:
        collector = Collector(files, row.etags if same_source else {})
        try:
            lists = collector.lists(feed.ecosystems)
            if same_source:
                sync.check_removals(known, lists, collector.unended)
            todo = sync.plan(known, lists, again)
            collector.collect(todo, again)
        except AssayError:
            collector.close()
            raise
    return ChangeSet(
        feed=feed.name,
        records=tuple(collector.records),
        listed=todo.listed,
        removed=tuple(name for name in todo.removed if name in stored),
        forgotten=tuple(name for name in todo.removed if name not in stored),
        unread=tuple(collector.unread),
        archives=tuple(collector.archives),
        etags=collector.etags,
        source=source,
    )


def _changes_anything(store: Store, feed_id: int, changes: ChangeSet) -> bool:
    """Whether any record says something else than what is stored; looks no further than the first that does."""
    if changes.removed:
        return True
    if not changes.records:
        return False
    with store.database.read() as connection:
        digests = log.digests(connection, feed_id)
    return any(isinstance(each, Upsert) and digests.get(each.name) != each.digest for each in changes.changes())


def _settle(store: Store, row: Row[Any], changes: ChangeSet, *, is_all: bool) -> None:
    """Complete a run without a change: dates in the lists, and refusals, may still have changed.

    `is_all`: no revision waits to be finished, so that the run has ended.
    """
    dates: dict[str, Listed] = {}
    refused: list[records.Refusal] = []
    for each in changes.changes():
        if isinstance(each, records.Refusal):
            refused.append(each)
        elif isinstance(each, Upsert):
            dates[each.name] = each.listed
    with store.database.write() as connection:
        log.relist(connection, row.id, dates)
        records.replace_refusals(connection, row.id, (*dates, *changes.forgotten), refused, store.clock.now())
        complete(connection, row.id, changes)
        if is_all:
            succeed(connection, row.name, store.clock.now())


def _note(store: Store, row: Row[Any], **values: Any) -> None:
    with store.database.write() as connection:
        records.note_run(connection, row.id, **values)


def _after_failure(started: Instant, feed: FeedConfig) -> int:
    return started + min(feed.refresh_seconds, RETRY_SECONDS) * SECOND


def _config(row: Row[Any]) -> FeedConfig:
    return FeedConfig(row.name, row.source, tuple(row.ecosystems), row.refresh_seconds)
