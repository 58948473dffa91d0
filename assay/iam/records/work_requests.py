"""The tables of work requests and the statements on them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Label,
    Row,
    Select,
    Table,
    Text,
    delete,
    func,
    select,
)
from sqlalchemy import text as sql
from sqlalchemy import update as sql_update

from assay.clock import Instant, new_etag
from assay.storage import metadata, owned

_OPEN = sql("time_finished IS NULL")

#: One change that a service accepted, and how far the work that follows from it has come. `steps_total` pieces of work
#: follow the commit, none when the change is whole with it.
work_request = Table(
    "work_request",
    metadata,
    Column("ocid", Text, primary_key=True),
    *owned(resource=False),
    Column("service", Text, nullable=False),
    Column("operation_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("entity_type", Text, nullable=False),
    Column("action_type", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("steps_total", Integer, nullable=False),
    Column("steps_done", Integer, nullable=False),
    Column("time_accepted", BigInteger, nullable=False),
    Column("time_started", BigInteger),
    Column("time_updated", BigInteger, nullable=False),
    Column("time_finished", BigInteger, index=True),
    Column("etag", Text, nullable=False),
)
Index("ix_work_request_compartment", work_request.c.compartment, work_request.c.time_accepted, work_request.c.ocid)
Index("ix_work_request_open", work_request.c.resource, sqlite_where=_OPEN, postgresql_where=_OPEN)

#: What a work request tells: errors have a code, log lines have none.
work_request_entry = Table(
    "work_request_entry",
    metadata,
    Column("work_request", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def add(connection: Connection, **values: Any) -> None:
    """Write a new work request."""
    connection.execute(work_request.insert().values(**values, etag=new_etag()))


def change(connection: Connection, ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of one; its etag and time of update change with it."""
    written = {**values, "time_updated": now, "etag": new_etag()}
    connection.execute(sql_update(work_request).where(work_request.c.ocid == ocid).values(**written))


def tell(connection: Connection, ocid: str, now: Instant, *, code: str, message: str, entries_max: int) -> None:
    """Add an entry, unless the work request has `entries_max` already. The caller holds the work request's row."""
    query = select(func.coalesce(func.max(work_request_entry.c.number), 0)).where(
        work_request_entry.c.work_request == ocid
    )
    number = connection.execute(query).scalar_one() + 1
    if number <= entries_max:
        connection.execute(
            work_request_entry.insert().values(
                work_request=ocid, number=number, code=code, message=message, time_created=now
            )
        )


def one(connection: Connection, tenancy: str, ocid: str) -> Row[Any] | None:
    """The work request of a tenancy, or None."""
    query = select(work_request).where(work_request.c.ocid == ocid, work_request.c.tenancy == tenancy)
    return connection.execute(query).one_or_none()


def open_on(connection: Connection, resource: str) -> Sequence[Row[Any]]:
    """The unfinished work requests on a resource, held until the transaction ends, in the order of OCIDs."""
    query = select(work_request).where(work_request.c.resource == resource, work_request.c.time_finished.is_(None))
    return connection.execute(query.order_by(work_request.c.ocid).with_for_update()).all()


#: What work requests can be sorted by; what has no time yet stands before all that has.
SORTED: Mapping[str, Column[Any] | Label[Any]] = {
    "ID": work_request.c.ocid,
    "OPERATION_TYPE": work_request.c.operation_type,
    "STATUS": work_request.c.status,
    "TIME_ACCEPTED": work_request.c.time_accepted,
    "TIME_STARTED": func.coalesce(work_request.c.time_started, 0).label("started"),
    "TIME_FINISHED": func.coalesce(work_request.c.time_finished, 0).label("finished"),
}


def listing(tenancy: str, compartment: str, services: Sequence[str]) -> Select[Any]:
    """The work requests of a compartment that services (by name) opened, with what they can be sorted by."""
    query = select(work_request, SORTED["TIME_STARTED"], SORTED["TIME_FINISHED"])
    return query.where(
        work_request.c.tenancy == tenancy,
        work_request.c.compartment == compartment,
        work_request.c.service.in_(services),
    )


def entries(ocid: str, *, errors: bool) -> Select[Any]:
    """The errors, or the log lines, of a work request."""
    is_kind = work_request_entry.c.code != "" if errors else work_request_entry.c.code == ""
    return select(work_request_entry).where(work_request_entry.c.work_request == ocid, is_kind)


def forget(connection: Connection, tenancy: str, before: Instant, limit: int) -> None:
    """Delete up to `limit` work requests of a tenancy that were finished before a time, with their entries."""
    old = (
        select(work_request.c.ocid)
        .where(work_request.c.time_finished < before, work_request.c.tenancy == tenancy)
        .order_by(work_request.c.time_finished)
        .limit(limit)
    )
    found = connection.execute(old).scalars().all()
    if found:
        connection.execute(delete(work_request_entry).where(work_request_entry.c.work_request.in_(found)))
        connection.execute(delete(work_request).where(work_request.c.ocid.in_(found)))
