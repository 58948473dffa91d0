"""The audit log: one row for each change and each denied attempt, written in the act's transaction and never changed.

A sealer (`identity.trail.sealing`) follows behind and gives each row its place in the tenancy's hash chain. Of denials
that repeat themselves only the first few of a minute have rows of their own; the others are counted (`fold`).
"""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, delete, select, text

from assay.clock import MINUTE, Instant
from assay.iam.actor import Actor
from assay.secret import Secret
from assay.storage import Serial, insert, metadata, owned

#: Denials of one principal, from one address, of one operation, that have a row each within a minute.
DENIALS_A_MINUTE = 10

#: The tenancy and compartment are those of the thing acted on, so that audit can be read under its own policies.
#: `times` is more than one where equal denials were folded. `position` and `seal` are the place in the tenancy's hash
#: chain, null until the sealer has come by; it sets them once.
audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("tenancy", Text, nullable=False),
    Column("compartment", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    Column("operation", Text, nullable=False),
    Column("principal_kind", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("principal_name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("times", Integer, nullable=False, server_default="1"),
    Column("position", BigInteger),
    Column("seal", Text),
)
_UNSEALED = text("position IS NULL")
Index("ix_audit_tenancy_id", audit.c.tenancy, audit.c.id)
Index("ix_audit_resource_id", audit.c.resource, audit.c.id)
Index("ix_audit_principal_id", audit.c.principal, audit.c.id)
Index("uq_audit_tenancy_position", audit.c.tenancy, audit.c.position, unique=True)
Index("ix_audit_unsealed", audit.c.tenancy, audit.c.id, sqlite_where=_UNSEALED, postgresql_where=_UNSEALED)

#: The chain of each tenancy: its last link; the link before the first row that is still kept; how long rows are kept.
audit_chain = Table(
    "audit_chain",
    metadata,
    *owned(resource=False),
    Column("position", BigInteger, nullable=False),
    Column("seal", Text, nullable=False),
    Column("purged_position", BigInteger, nullable=False),
    Column("purged_seal", Text, nullable=False),
    Column("retention_days", Integer, nullable=False),
)
Index("uq_audit_chain_tenancy", audit_chain.c.tenancy, unique=True)

#: Denials of the minutes at hand, counted by what makes them equal.
denial_count = Table(
    "denial_count",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("tenancy", Text, primary_key=True),
    Column("compartment", Text, primary_key=True),
    Column("principal_kind", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("principal_name", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("times", Integer, nullable=False),
    Column("time_last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
_EQUAL = ("tenancy", "compartment", "principal_kind", "principal", "principal_name", "address", "operation")

VALUE_BYTES_MAX = 16_384


def record(
    connection: Connection,
    actor: Actor,
    operation: str,
    now: Instant,
    *,
    compartment: str,
    resource: str,
    denied_because: str = "",
    before: object = None,
    after: object = None,
) -> None:
    """Write one row, or count one denial more.

    `before` and `after` are values or None; secrets in them are written as `***`.
    """
    row = {
        "tenancy": actor.tenancy,
        "compartment": compartment,
        "time_created": now,
        "operation": operation,
        "principal_kind": actor.principal.kind,
        "principal": actor.principal.ocid,
        "principal_name": actor.principal.name,
        "address": actor.address,
        "request_id": actor.request_id,
        "resource": resource,
        "outcome": "denied" if denied_because else "done",
        "reason": denied_because,
        "before": _text(before),
        "after": _text(after),
    }
    if not denied_because or _counted(connection, row, now) <= DENIALS_A_MINUTE:
        connection.execute(audit.insert(), row)


def fold(connection: Connection, now: Instant) -> int:
    """Upkeep: one row for the denials of each ended minute that were counted only; how many rows were written."""
    ended = denial_count.c.minute < now // MINUTE
    rows = connection.execute(select(denial_count).where(ended).with_for_update()).all()
    for row in rows:
        if row.times <= DENIALS_A_MINUTE:
            continue
        equal = {name: getattr(row, name) for name in _EQUAL}
        connection.execute(
            audit.insert().values(
                **equal,
                time_created=row.time_last,
                request_id="",
                resource="",
                outcome="denied",
                reason=row.reason,
                times=row.times - DENIALS_A_MINUTE,
            )
        )
    connection.execute(delete(denial_count).where(ended))
    return sum(row.times > DENIALS_A_MINUTE for row in rows)


def _counted(connection: Connection, row: dict[str, Any], now: Instant) -> int:
    """Count a denial; how many equal ones this minute has had, with this one."""
    written = insert(connection, denial_count).values(
        **{name: row[name] for name in _EQUAL},
        minute=now // MINUTE,
        reason=row["reason"],
        times=1,
        time_last=now,
    )
    counted = written.on_conflict_do_update(
        index_elements=list(denial_count.primary_key),
        set_={"times": denial_count.c.times + 1, "time_last": now, "reason": row["reason"]},
    ).returning(denial_count.c.times)
    return int(connection.execute(counted).scalar_one())


def without_secrets(value: Any) -> Any:
    """For encoders: a secret becomes `***`. Errors: TypeError for anything else that has no JSON form."""
    if isinstance(value, Secret):
        return "***"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _text(value: object) -> str | None:
    if value is None:
        return None
    encoded = msgspec.json.encode(value, enc_hook=without_secrets)
    if len(encoded) > VALUE_BYTES_MAX:
        encoded = msgspec.json.encode({"cut": encoded[:VALUE_BYTES_MAX].decode(errors="replace")})
    return encoded.decode()
