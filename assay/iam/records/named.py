"""Statements on what has a name in the tenancy itself: dynamic groups and network sources."""

from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, select

from assay.clock import Instant
from assay.iam.records import rows
from assay.iam.records.tables import dynamic_group, network_source
from assay.iam.resources import DynamicGroup, Listing, NetworkSource, State, Tags
from assay.storage import Store
from assay.storage.pages import Page

T = TypeVar("T", DynamicGroup, NetworkSource)

_TABLES: dict[type, Table] = {DynamicGroup: dynamic_group, NetworkSource: network_source}


def insert(
    connection: Connection, kind: type[T], ocid: str, tenancy: str, name: str, tags: Tags, now: Instant, **values: Any
) -> bool:
    """Write one; False when the name is taken. `values`: description and what else the table has."""
    row = {**rows.fresh(ocid, tenancy, tenancy, now, tags), "name": name, "name_key": name.lower(), **values}
    return rows.add(connection, _TABLES[kind], row)


def get(connection: Connection, kind: type[T], tenancy: str, ocid: str, *, lock: bool = False) -> T | None:
    """One of a tenancy, unless deleted."""
    row = rows.one(connection, _TABLES[kind], tenancy, ocid, lock=lock)
    return _value(kind, row) if row and row.lifecycle_state != State.DELETED else None


def listed(store: Store, connection: Connection, kind: type[T], tenancy: str, listing: Listing) -> Page[T]:
    """A page of a tenancy's."""
    table = _TABLES[kind]
    found = rows.page(store, connection, table, select(table).where(table.c.tenancy == tenancy), listing)
    return Page(tuple(_value(kind, row) for row in found.items), found.next_page)


def every(connection: Connection, kind: type[T], tenancy: str) -> tuple[T, ...]:
    """All active ones of a tenancy, by name."""
    table = _TABLES[kind]
    query = select(table).where(table.c.tenancy == tenancy, table.c.lifecycle_state == State.ACTIVE)
    return tuple(_value(kind, row) for row in connection.execute(query.order_by(table.c.name_key)))


def count(connection: Connection, kind: type[T], tenancy: str) -> int:
    """How many active ones a tenancy has."""
    return len(every(connection, kind, tenancy))


def change(connection: Connection, kind: type[T], ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of one."""
    rows.change(connection, _TABLES[kind], ocid, now, **values)


def _value(kind: type[T], row: Row[Any]) -> T:
    instead: dict[str, Any] = {"lifecycle_state": State(row.lifecycle_state)}
    if kind is NetworkSource:
        instead["networks"] = tuple(row.networks)
    return rows.value(kind, row, **instead)
