"""The sealer of the audit log, which follows behind the acts in the order in which they were committed, and its check.

A row is written in its act's transaction and sealed within seconds; what waits is counted and shown, never hidden.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from assay.iam.actor import Actor
from assay.iam.audit import audit, audit_chain, fold
from assay.iam.authorization import Target, authorize
from assay.iam.identity.trail.chain import FIELDS, START, Link, follow, next_link
from assay.iam.identity.trail.entries import LIST
from assay.storage import Store, insert

#: Rows sealed in one transaction: it holds the database's writers up for a few milliseconds.
SEALED_AT_ONCE_MAX = 200
CHECKED_AT_ONCE_MAX = 5_000
RETENTION_DAYS_DEFAULT = 365


@dataclass(frozen=True, slots=True)
class Chain:
    """The state of a tenancy's chain.

    `last` is its last link; `start` the link before the first row that is still kept; `unsealed` how many rows wait.
    """

    start: Link
    last: Link
    unsealed: int
    retention_days: int


@dataclass(frozen=True, slots=True)
class Check:
    """What a check of a piece of the chain found: the last link that holds, and what is wrong after it ("": nothing).

    `is_finished`: nothing more follows.
    """

    holds: Link
    fault: str
    is_finished: bool


def seal_waiting(store: Store) -> int:
    """Upkeep: fold the denials of ended minutes, then seal all rows that wait, in small transactions; how many.

    Several processes may do so at once: they take turns at a tenancy's chain.
    """
    with store.database.write() as connection:
        fold(connection, store.clock.now())
    with store.database.read() as connection:
        waiting = (
            connection.execute(select(audit.c.tenancy).where(audit.c.position.is_(None)).distinct()).scalars().all()
        )
    sealed = 0
    for tenancy in waiting:
        while at_once := _seal_some(store, tenancy):
            sealed += at_once
            if at_once < SEALED_AT_ONCE_MAX:
                break
    return sealed


def state(store: Store, actor: Actor) -> Chain:
    """The chain of the actor's tenancy. Errors: Refused (NOT_FOUND when not permitted)."""
    with store.database.read() as connection:
        authorize(connection, actor, LIST, Target(compartment=actor.tenancy), now=store.clock.now())
        return chain_of(connection, actor.tenancy)


def chain_of(connection: Connection, tenancy: str) -> Chain:
    """The chain of a tenancy; that of one in which nothing was sealed yet is empty."""
    row = connection.execute(select(audit_chain).where(audit_chain.c.tenancy == tenancy)).one_or_none()
    unsealed = connection.execute(
        select(func.count()).select_from(audit).where(audit.c.tenancy == tenancy, audit.c.position.is_(None))
    ).scalar_one()
    if row is None:
        return Chain(Link(), Link(), unsealed, RETENTION_DAYS_DEFAULT)
    start = Link(row.purged_position, row.purged_seal)
    return Chain(start, Link(row.position, row.seal), unsealed, row.retention_days)


def check(store: Store, actor: Actor, after: Link | None = None) -> Check:
    """Follow the next rows of the chain from the link `after` (else from the first row kept), a bounded number of them.

    Errors: Refused (NOT_FOUND when not permitted).
    """
    with store.database.read() as connection:
        authorize(connection, actor, LIST, Target(compartment=actor.tenancy), now=store.clock.now())
        chain = chain_of(connection, actor.tenancy)
        start = chain.start if after is None or after.position < chain.start.position else after
        columns = [getattr(audit.c, name) for name in FIELDS]
        query = (
            select(audit.c.position, audit.c.seal, *columns)
            .where(audit.c.tenancy == actor.tenancy, audit.c.position > start.position)
            .order_by(audit.c.position)
            .limit(CHECKED_AT_ONCE_MAX)
        )
        rows = connection.execute(query).all()
    holds, fault = follow(start, ((Link(row.position, row.seal), row._asdict()) for row in rows))
    is_finished = bool(fault) or len(rows) < CHECKED_AT_ONCE_MAX
    if is_finished and not fault and holds != chain.last:
        fault = f"The chain ends at position {holds.position}, and was sealed up to {chain.last.position}."
    return Check(holds, fault, is_finished)


def held_chain(connection: Connection, tenancy: str) -> Chain:
    """As `chain_of`, and nobody else changes the chain until this write transaction ends."""
    first = insert(connection, audit_chain).values(
        tenancy=tenancy,
        compartment=tenancy,
        position=0,
        seal=START,
        purged_position=0,
        purged_seal=START,
        retention_days=RETENTION_DAYS_DEFAULT,
    )
    connection.execute(first.on_conflict_do_nothing(index_elements=[audit_chain.c.tenancy]))
    connection.execute(select(audit_chain.c.position).where(audit_chain.c.tenancy == tenancy).with_for_update())
    return chain_of(connection, tenancy)


def _seal_some(store: Store, tenancy: str) -> int:
    with store.database.write() as connection:
        link = held_chain(connection, tenancy).last
        rows = connection.execute(
            select(audit)
            .where(audit.c.tenancy == tenancy, audit.c.position.is_(None))
            .order_by(audit.c.id)
            .limit(SEALED_AT_ONCE_MAX)
        ).all()
        places = []
        for row in rows:
            link = next_link(link, row._asdict())
            places.append({"row": row.id, "place": link.position, "sealed": link.seal})
        if places:
            placed = update(audit).where(audit.c.id == bindparam("row"), audit.c.position.is_(None))
            connection.execute(placed.values(position=bindparam("place"), seal=bindparam("sealed")), places)
            connection.execute(
                update(audit_chain)
                .where(audit_chain.c.tenancy == tenancy)
                .values(position=link.position, seal=link.seal)
            )
        return len(places)


def unsealed(store: Store) -> int:
    """How many rows of all tenancies wait for their seal; for metrics."""
    with store.database.read() as connection:
        waiting = select(func.count()).select_from(audit).where(audit.c.position.is_(None))
        return int(connection.execute(waiting).scalar_one())
