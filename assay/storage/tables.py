"""What all tables share: one metadata, the columns of an owned row, and the storage room's own tables."""

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

#: Names for every constraint, so that a migration can find it on both databases.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: An integer key that SQLite numbers by itself (it does so for INTEGER alone) and PostgreSQL by identity.
Serial = BigInteger().with_variant(Integer, "sqlite")


class Json(TypeDecorator[Any]):
    """A JSON value in a text column, the same on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To text."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """From text."""
        return None if value is None else msgspec.json.decode(value)


def owned(*, resource: bool = True) -> tuple[Column[Any], ...]:
    """The columns of a row that a tenant owns.

    A resource has OCID, tenancy, compartment, state, times, tags, etag; any other row tenancy and compartment alone.
    """
    if not resource:
        return (Column("tenancy", Text, nullable=False), Column("compartment", Text, nullable=False))
    return (
        Column("ocid", Text, primary_key=True, nullable=False),
        Column("tenancy", Text, nullable=False, index=True),
        Column("compartment", Text, nullable=False, index=True),
        Column("lifecycle_state", Text, nullable=False),
        Column("time_created", BigInteger, nullable=False),
        Column("time_updated", BigInteger, nullable=False),
        Column("time_deleted", BigInteger),
        Column("freeform_tags", Json, nullable=False, default=dict),
        Column("defined_tags", Json, nullable=False, default=dict),
        Column("etag", Text, nullable=False),
    )


#: One row: realm and region, fixed at first start.
installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("realm", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)

#: Secrets of the installation, sealed under the root key (never in clear): page-token key, token-signing key, …
sealed_secret = Table(
    "sealed_secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)

#: The last sequence number given out in each aggregate; its row lock puts commits of one aggregate in order.
outbox_aggregate = Table(
    "outbox_aggregate",
    metadata,
    Column("aggregate", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Facts on their way. `feed_revision` holds a fact back until that revision is published.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("aggregate", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("feed_revision", Integer),
    Column("time_created", BigInteger, nullable=False),
    Column("time_delivered", BigInteger),
    Column("claimed_until", BigInteger, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text),
    UniqueConstraint("aggregate", "sequence"),
)
Index(
    "ix_outbox_waiting",
    outbox.c.aggregate,
    outbox.c.sequence,
    sqlite_where=text("time_delivered IS NULL"),
    postgresql_where=text("time_delivered IS NULL"),
)

#: Background work as people see it; the task engine keeps its own books in its own database.
job = Table(
    "job",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("arguments", Json, nullable=False),
    Column("status", Text, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("executor", Text),
    Column("last_error", Text),
    Column("time_created", BigInteger, nullable=False),
    Column("time_started", BigInteger),
    Column("time_finished", BigInteger),
)

#: Who runs jobs, and when it last said so.
job_executor = Table(
    "job_executor",
    metadata,
    Column("executor", Text, primary_key=True),
    Column("beat", BigInteger, nullable=False),
)
