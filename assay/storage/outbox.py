"""The outbox: facts written in the transaction of the change, delivered afterwards, at least once, in order.

Order holds within an aggregate. A listener gets the row's id, which never changes, as the idempotency key of whatever
it starts. A listener that fails is asked again, later and later; the facts behind it in the same aggregate wait.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from logging import getLogger
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from assay.clock import SECOND, Instant
from assay.errors import AssayError
from assay.events import Fact, decode, encode, is_fact
from assay.storage.database import Database, insert
from assay.storage.store import Store
from assay.storage.tables import outbox, outbox_aggregate

#: A listener does bounded work; what may take longer is a job. A claim whose holder died ends after this time.
CLAIM_SECONDS = 20
RETRY_SECONDS_MAX = 300
BATCH_ROWS_MAX = 64
#: Facts of one aggregate that are delivered in one go, before others have their turn.
RUN_FACTS_MAX = 64
#: Facts that nobody hears are passed over so many at a time.
PASSED_OVER_MAX = 1_000
WORKERS = 4
POLL_SECONDS = 1.0

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A fact as a listener gets it; `id` is the idempotency key of what the listener starts."""

    id: int
    fact: Fact


Listener = Callable[[Delivery], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A fact as its row has it."""

    id: int
    aggregate: str
    sequence: int
    topic: str
    payload: str
    attempts: int


_WAITING = tuple(outbox.c[field.name] for field in fields(_Waiting))


def announce(connection: Connection, fact: Fact, now: Instant, *, feed_revision: int | None = None) -> int:
    """Write a fact into the outbox of this transaction; the row's id. Held back until `feed_revision` is published."""
    row = _row(fact, _last_of(connection, fact.aggregate, 1), now, feed_revision)
    identity = connection.execute(outbox.insert().returning(outbox.c.id), row).scalar_one()
    Database.wake_after_commit(connection)
    return int(identity)


def announce_all(connection: Connection, facts: Sequence[Fact], now: Instant) -> None:
    """As `announce`, of several facts of one aggregate, in their order: thousands cost little more than one."""
    if not facts:
        return
    last = _last_of(connection, facts[0].aggregate, len(facts))
    rows = [_row(fact, last - len(facts) + place, now, None) for place, fact in enumerate(facts, 1)]
    connection.execute(outbox.insert(), rows)
    Database.wake_after_commit(connection)


def _last_of(connection: Connection, aggregate: str, count: int) -> int:
    """Give out the next `count` sequence numbers of an aggregate; the last one. Its row is locked from then on."""
    counted = insert(connection, outbox_aggregate).values(aggregate=aggregate, last=count)
    last = connection.execute(
        counted.on_conflict_do_update(
            index_elements=[outbox_aggregate.c.aggregate], set_={"last": outbox_aggregate.c.last + count}
        ).returning(outbox_aggregate.c.last)
    ).scalar_one()
    return int(last)


def _row(fact: Fact, sequence: int, now: Instant, feed_revision: int | None) -> dict[str, Any]:
    return {
        "aggregate": fact.aggregate,
        "sequence": sequence,
        "topic": type(fact).__name__,
        "payload": encode(fact),
        "feed_revision": feed_revision,
        "time_created": now,
    }


def sequences(connection: Connection, aggregates: Sequence[str]) -> tuple[int, ...]:
    """How many facts each of these aggregates has had, in the order given.

    A fact counts in the snapshot in which its change is seen: who compares these numbers cannot miss a change.
    """
    rows = connection.execute(
        select(outbox_aggregate.c.aggregate, outbox_aggregate.c.last).where(
            outbox_aggregate.c.aggregate.in_(set(aggregates))
        )
    )
    last = {row.aggregate: int(row.last) for row in rows}
    return tuple(last.get(aggregate, 0) for aggregate in aggregates)


class Dispatcher:
    """Delivers facts right after the commit that wrote them, and after a restart those that were left.

    `listeners` maps a fact class to who listens, in order; `published_revision` tells which held-back facts may go.
    """

    def __init__(
        self,
        store: Store,
        listeners: Mapping[type[Fact], Sequence[Listener]],
        published_revision: Callable[[Connection], int],
    ) -> None:
        self._store = store
        self._listeners = listeners
        self._published_revision = published_revision
        self._wake = threading.Event()
        self._stopping = False
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="outbox")
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to deliver; on SQLite, which has one process, first free the claims of the process before."""
        if self._store.database.is_sqlite:
            with self._store.database.write() as connection:
                connection.execute(update(outbox).where(outbox.c.time_delivered.is_(None)).values(claimed_until=0))
        self._store.database.on_announcement(self._wake.set)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being delivered, then end."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True)

    def deliver_all(self) -> int:
        """Deliver, in this thread, until nothing is due; how many facts went. For commands and tests."""
        delivered = 0
        while due := self._due():
            done = [self._deliver(each) for each in due]
            delivered += sum(done)
            if not any(done):
                break
        return delivered

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            try:
                self._hand_out()
            except AssayError as fault:
                log.warning("outbox: cannot look for facts: %s", fault)

    def _hand_out(self) -> None:
        for waiting in self._due():
            with self._guard:
                if waiting.aggregate in self._busy or self._stopping:
                    continue
                self._busy.add(waiting.aggregate)
            self._pool.submit(self._run, waiting)

    def _run(self, waiting: _Waiting) -> None:
        """Deliver a fact, and those that follow in its aggregate: to find the next one there costs next to nothing."""
        following: _Waiting | None = waiting
        try:
            for _ in range(RUN_FACTS_MAX):
                if following is None or self._stopping or not self._deliver(following):
                    break
                waiting, following = following, self._following(waiting.aggregate)
        except AssayError as fault:
            said = (waiting.topic, waiting.id, waiting.aggregate, fault)
            log.warning("outbox: %s %s of %s could not be marked: %s", *said)
        finally:
            with self._guard:
                self._busy.discard(waiting.aggregate)
            # The next fact of this aggregate, if there is one, need not wait for the next poll.
            self._wake.set()

    def _due(self) -> list[_Waiting]:
        """The first waiting fact of each aggregate, unless somebody has claimed it."""
        now = self._store.clock.now()
        with self._store.database.read() as connection:
            heads = (
                select(func.min(outbox.c.sequence).label("sequence"), outbox.c.aggregate)
                .where(self._stands_in_line(connection))
                .group_by(outbox.c.aggregate)
                .subquery()
            )
            rows = connection.execute(
                select(*_WAITING)
                .join(heads, and_(outbox.c.aggregate == heads.c.aggregate, outbox.c.sequence == heads.c.sequence))
                .where(outbox.c.claimed_until <= now)
                .order_by(outbox.c.id)
                .limit(BATCH_ROWS_MAX)
            )
            return [_Waiting(*row) for row in rows]

    def _following(self, aggregate: str) -> _Waiting | None:
        """The first waiting fact of one aggregate, unless somebody has claimed it."""
        with self._store.database.read() as connection:
            first = (
                select(*_WAITING, outbox.c.claimed_until)
                .where(outbox.c.aggregate == aggregate, self._stands_in_line(connection))
                .order_by(outbox.c.sequence)
                .limit(1)
            )
            row = connection.execute(first).one_or_none()
        return _Waiting(*row[:-1]) if row is not None and row.claimed_until <= self._store.clock.now() else None

    def _stands_in_line(self, connection: Connection) -> ColumnElement[bool]:
        """What is to be delivered. A fact that a revision holds back stands in line only once that is published: what
        is said meanwhile, such as a push, does not wait for it."""
        published = self._published_revision(connection)
        is_free = or_(outbox.c.feed_revision.is_(None), outbox.c.feed_revision <= published)
        return and_(outbox.c.time_delivered.is_(None), is_free)

    def _is_unheard(self, topic: str) -> bool:
        """Whether a fact that this version knows has no listener."""
        return is_fact(topic) and all(kind.__name__ != topic for kind in self._listeners)

    def _pass_over(self, waiting: _Waiting) -> None:
        """Mark a fact that nobody hears, and those of its kind that follow in its aggregate."""
        with self._store.database.write() as connection:
            connection.execute(
                update(outbox)
                .where(
                    outbox.c.aggregate == waiting.aggregate,
                    outbox.c.sequence.between(waiting.sequence, waiting.sequence + PASSED_OVER_MAX),
                    outbox.c.time_delivered.is_(None),
                    outbox.c.topic == waiting.topic,
                )
                .values(time_delivered=self._store.clock.now())
            )

    def _deliver(self, waiting: _Waiting) -> bool:
        """Claim, deliver, mark; whether it went."""
        identity, aggregate, topic, attempts = waiting.id, waiting.aggregate, waiting.topic, waiting.attempts
        if self._is_unheard(topic):
            self._pass_over(waiting)
            return True
        now = self._store.clock.now()
        with self._store.database.write() as connection:
            claimed = connection.execute(
                update(outbox)
                .where(outbox.c.id == identity, outbox.c.claimed_until <= now, outbox.c.time_delivered.is_(None))
                .values(claimed_until=now + CLAIM_SECONDS * SECOND, attempts=attempts + 1)
            )
            if claimed.rowcount != 1:
                return False
        try:
            fact = decode(topic, waiting.payload)
            for listener in self._listeners.get(type(fact), ()):
                listener(Delivery(identity, fact))
        except Exception as fault:
            is_fault_of_ours = not isinstance(fault, AssayError)
            log.warning("outbox: %s %s of %s failed: %s", topic, identity, aggregate, fault, exc_info=is_fault_of_ours)
            self._put_off(identity, attempts, str(fault))
            return False
        with self._store.database.write() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == identity).values(time_delivered=self._store.clock.now())
            )
        return True

    def _put_off(self, identity: int, attempts: int, error: str) -> None:
        wait_seconds = min(2 ** min(attempts, 10), RETRY_SECONDS_MAX)
        with self._store.database.write() as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == identity)
                .values(claimed_until=self._store.clock.now() + wait_seconds * SECOND, last_error=error[:500])
            )
