"""How long audit rows are kept, tenancy by tenancy, and the purge of what is older.

The purge takes sealed rows from the beginning of the chain and keeps the link before the first row that stays, so that
what is left can still be followed to its end.
"""

from sqlalchemy import delete, select, update

from assay.clock import DAY
from assay.errors import Refused
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.audit import audit, audit_chain
from assay.iam.authorization import Target
from assay.iam.identity.trail.sealing import Chain, held_chain
from assay.storage import Store

RETENTION_DAYS_MIN, RETENTION_DAYS_MAX = 30, 3650
PURGED_AT_ONCE_MAX = 500


def set_days(store: Store, actor: Actor, days: int) -> Chain:
    """Keep the tenancy's audit rows for `days`. Errors: Refused (out of range, NOT_FOUND when not permitted)."""
    if not RETENTION_DAYS_MIN <= days <= RETENTION_DAYS_MAX:
        raise Refused(
            f"A retention of {days} days is out of range.",
            advice=f"Give {RETENTION_DAYS_MIN} to {RETENTION_DAYS_MAX} days.",
        )

    def change(act: Act) -> Chain:
        held_chain(act.connection, actor.tenancy)
        chosen = update(audit_chain).where(audit_chain.c.tenancy == actor.tenancy).values(retention_days=days)
        act.connection.execute(chosen)
        return held_chain(act.connection, actor.tenancy)

    return perform(
        store,
        actor,
        "UpdateAuditRetention",
        locate=lambda _: Target(compartment=actor.tenancy, resource=actor.tenancy),
        change=change,
    )


def purge(store: Store) -> int:
    """Upkeep: remove the rows whose time is over, in small transactions; how many."""
    with store.database.read() as connection:
        tenancies = connection.execute(select(audit_chain.c.tenancy)).scalars().all()
    purged = 0
    for tenancy in tenancies:
        while at_once := _purge_some(store, tenancy):
            purged += at_once
    return purged


def _purge_some(store: Store, tenancy: str) -> int:
    with store.database.write() as connection:
        chain = held_chain(connection, tenancy)
        limit = store.clock.now() - chain.retention_days * DAY
        rows = connection.execute(
            select(audit.c.id, audit.c.position, audit.c.seal, audit.c.time_created)
            .where(audit.c.tenancy == tenancy, audit.c.position > chain.start.position)
            .order_by(audit.c.position)
            .limit(PURGED_AT_ONCE_MAX)
        ).all()
        old = []
        for row in rows:
            if row.time_created >= limit:
                break
            old.append(row)
        if not old:
            return 0
        connection.execute(delete(audit).where(audit.c.id.in_([row.id for row in old])))
        connection.execute(
            update(audit_chain)
            .where(audit_chain.c.tenancy == tenancy)
            .values(purged_position=old[-1].position, purged_seal=old[-1].seal)
        )
        return len(old)
