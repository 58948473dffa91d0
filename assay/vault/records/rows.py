"""What the statements of vaults, keys and versions share: one owned row, one page of rows, a change of state."""

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, or_, select, update

from assay.clock import Instant, new_etag
from assay.errors import not_found
from assay.storage import Store
from assay.storage.pages import Page, decode_page, encode_page, page_rows
from assay.vault.resources import Listing, SortBy


def one(connection: Connection, table: Table, tenancy: str, ocid: str, *, lock: bool = False) -> Row[Any]:
    """The row of a tenancy's resource. Errors: Refused (NOT_FOUND), the same for one of another tenancy."""
    query = select(table).where(table.c.ocid == ocid, table.c.tenancy == tenancy)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found()
    return row


def page(store: Store, connection: Connection, table: Table, query: Select[Any], listing: Listing) -> Page[Row[Any]]:
    """One page of `query` in the order of `listing`. Errors: Refused (PAGE_TOKEN, a limit out of range)."""
    by_name = listing.sort_by is SortBy.DISPLAYNAME and "display_name" in table.c
    column = table.c.display_name if by_name else table.c.time_created
    asked = (table.name, str(query.compile().params), column.name, listing.descending)
    rows_wanted = page_rows(listing.limit)
    if listing.page:
        value, ocid = decode_page(store.page_key, asked, listing.page)
        later = column < value if listing.descending else column > value
        same = and_(column == value, table.c.ocid < ocid if listing.descending else table.c.ocid > ocid)
        query = query.where(or_(later, same))
    order = (column.desc(), table.c.ocid.desc()) if listing.descending else (column.asc(), table.c.ocid.asc())
    rows = connection.execute(query.order_by(*order).limit(rows_wanted + 1)).all()
    more = len(rows) > rows_wanted
    shown = rows[:rows_wanted]
    last = (getattr(shown[-1], column.name), shown[-1].ocid) if more else ()
    return Page(tuple(shown), encode_page(store.page_key, asked, last) if more else "")


def fresh(ocid: str, tenancy: str, compartment: str, state: str, now: Instant) -> dict[str, Any]:
    """The owned columns of a new row."""
    return {
        "ocid": ocid,
        "tenancy": tenancy,
        "compartment": compartment,
        "lifecycle_state": state,
        "time_created": now,
        "time_updated": now,
        "etag": new_etag(),
    }


def change(connection: Connection, table: Table, ocid: str, now: Instant, **values: Any) -> None:
    """Change one row; its etag and time of update change with it."""
    values |= {"time_updated": now, "etag": new_etag()}
    connection.execute(update(table).where(table.c.ocid == ocid).values(**values))
