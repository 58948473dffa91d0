"""What the statements of vaults, keys and versions share: one owned row, one page of rows, a change of state."""

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select, update

from assay.clock import Instant, new_etag
from assay.errors import not_found
from assay.storage import Store
from assay.storage.pages import Page, Window, select_page
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
    order = (table.c.display_name if by_name else table.c.time_created, table.c.ocid)
    window = Window(listing.descending, listing.limit, listing.page)
    return select_page(connection, store.page_key, query, order, window)


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
