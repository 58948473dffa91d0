"""What the room's statements share: one owned row, one page of rows, a new row, a changed row, a row as a value."""

import dataclasses
from typing import Any, ClassVar, Protocol, TypeVar

from sqlalchemy import Connection, Row, Select, Table, select, tuple_, update

from assay.clock import Instant, new_etag
from assay.iam.resources import Listing, SortBy, State, Tags
from assay.storage import Store, insert
from assay.storage.pages import Page, decode_page, encode_page, page_rows


class _Fields(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


T = TypeVar("T", bound=_Fields)


def fresh(ocid: str, tenancy: str, compartment: str, now: Instant, tags: Tags | None = None) -> dict[str, Any]:
    """The owned columns of a new, active row."""
    given = tags or Tags()
    return {
        "ocid": ocid,
        "tenancy": tenancy,
        "compartment": compartment,
        "lifecycle_state": State.ACTIVE,
        "time_created": now,
        "time_updated": now,
        "freeform_tags": given.freeform,
        "defined_tags": given.defined,
        "etag": new_etag(),
    }


def add(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Write a new row; False when one with the same unique name is there, also one that a rival is just writing."""
    written = insert(connection, table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(written).first() is not None


def one(connection: Connection, table: Table, tenancy: str, ocid: str, *, lock: bool = False) -> Row[Any] | None:
    """The row of a tenancy's resource, or None; `lock` keeps it until the transaction ends."""
    query = select(table).where(table.c.ocid == ocid, table.c.tenancy == tenancy)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def value(kind: type[T], row: Row[Any], **instead: Any) -> T:
    """`row` as a value whose fields are named like columns; `instead` gives the fields that are not."""
    names = {field.name for field in dataclasses.fields(kind)} - instead.keys()
    return kind(**{name: getattr(row, name) for name in names}, **instead)


def change(connection: Connection, table: Table, ocid: str, now: Instant, **values: Any) -> None:
    """Change one row; its etag and time of update change with it."""
    written = {**values, "time_updated": now, "etag": new_etag()}
    connection.execute(update(table).where(table.c.ocid == ocid).values(**written))


def tag_values(tags: Tags | None) -> dict[str, Any]:
    """The columns that new tags change; none when they stay as they are."""
    return {} if tags is None else {"freeform_tags": tags.freeform, "defined_tags": tags.defined}


def page(store: Store, connection: Connection, table: Table, query: Select[Any], listing: Listing) -> Page[Row[Any]]:
    """One page of `query` in the order of `listing`. Errors: Refused (PAGE_TOKEN, a limit out of range)."""
    by_name = listing.sort_by is SortBy.NAME and "name_key" in table.c
    column = table.c.name_key if by_name else table.c.time_created
    if listing.name and "name_key" in table.c:
        query = query.where(table.c.name_key == listing.name.lower())
    query = query.where(
        table.c.lifecycle_state == listing.state if listing.state else table.c.lifecycle_state != State.DELETED
    )
    asked = (table.name, str(query), sorted(query.compile().params.items()), column.name, listing.descending)
    wanted = page_rows(listing.limit)
    place = tuple_(column, table.c.ocid)
    if listing.page:
        last = decode_page(store.page_key, asked, listing.page)
        query = query.where(place < last if listing.descending else place > last)
    order = (column.desc(), table.c.ocid.desc()) if listing.descending else (column, table.c.ocid)
    rows = connection.execute(query.order_by(*order).limit(wanted + 1)).all()
    shown = rows[:wanted]
    more = len(rows) > wanted
    return Page(tuple(shown), encode_page(store.page_key, asked, _key(shown[-1], column.name)) if more else "")


def _key(row: Row[Any], column: str) -> tuple[str | int, str]:
    return getattr(row, column), row.ocid
