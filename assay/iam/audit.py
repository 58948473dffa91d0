"""The audit log: one row for each change and each denied attempt, written once and never changed."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text

from assay.clock import Instant
from assay.iam.actor import Actor
from assay.secret import Secret
from assay.storage import Serial, metadata

#: The tenancy and compartment are those of the thing acted on, so that audit can be read under its own policies.
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
)
Index("ix_audit_tenancy_id", audit.c.tenancy, audit.c.id)
Index("ix_audit_resource_id", audit.c.resource, audit.c.id)

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
    """Write one row. `before` and `after` are values or None; secrets in them are written as `***`."""
    connection.execute(
        audit.insert().values(
            tenancy=actor.tenancy,
            compartment=compartment,
            time_created=now,
            operation=operation,
            principal_kind=actor.principal.kind,
            principal=actor.principal.ocid,
            principal_name=actor.principal.name,
            address=actor.address,
            request_id=actor.request_id,
            resource=resource,
            outcome="denied" if denied_because else "done",
            reason=denied_because,
            before=_text(before),
            after=_text(after),
        )
    )


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
