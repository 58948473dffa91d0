"""Reading the audit log: who did what, on what, and what was denied."""

from dataclasses import dataclass, fields
from typing import Any

import msgspec
from sqlalchemy import Row, Select, select

from assay.clock import Instant
from assay.errors import not_found
from assay.iam.actor import Actor
from assay.iam.audit import audit
from assay.iam.authorization import Target, authorize
from assay.storage import Store
from assay.storage.pages import Page, Window, select_page

LIST = "ListAuditEvents"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `outcome` is "done" or "denied"; `reason` says why it was denied, `times` how often.

    `position` and `seal` are its place in the tenancy's chain, None until it is sealed. `before` and `after` are the
    values as JSON texts, or None; `after` of a denial is always None.
    """

    tenancy: str
    compartment: str
    time_created: Instant
    operation: str
    principal_kind: str
    principal: str
    principal_name: str
    address: str
    request_id: str
    resource: str
    outcome: str
    reason: str
    times: int
    position: int | None
    seal: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; an empty field asks for nothing. Times are [since, until).

    `compartment` narrows it to the things of one compartment: then a statement for that compartment is enough.
    """

    compartment: str = ""
    resource: str = ""
    principal: str = ""
    principal_name: str = ""
    operation: str = ""
    outcome: str = ""
    address: str = ""
    request_id: str = ""
    since: Instant | None = None
    until: Instant | None = None


_EQUAL = tuple(field.name for field in fields(Search) if field.name not in ("since", "until"))
_FIELDS = tuple(field.name for field in fields(Entry))


def listed(
    store: Store,
    actor: Actor,
    search: Search | None = None,
    *,
    window: Window | None = None,
) -> Page[Entry]:
    """A page of the tenancy's entries that fit, newest first. Errors: as `page_of`."""
    given = window or Window()
    return page_of(store, actor, search or Search(), Window(descending=True, limit=given.limit, page=given.page))


def page_of(store: Store, actor: Actor, search: Search, window: Window, *, is_sealed: bool = False) -> Page[Entry]:
    """A page of the tenancy's entries that fit, in the window's order; `is_sealed`: those of the chain, in its order.

    Errors: Refused (NOT_FOUND when not permitted, PAGE_TOKEN).
    """
    query, order = _query(actor.tenancy, search), [audit.c.id]
    if is_sealed:
        query, order = query.where(audit.c.position.is_not(None)), [audit.c.position]
    with store.database.read() as connection:
        place = Target(compartment=search.compartment or actor.tenancy)
        authorize(connection, actor, LIST, place, now=store.clock.now())
        found = select_page(connection, store.page_key, query, order, window)
    return Page(tuple(map(entry_of, found.items)), found.next_page)


def get(store: Store, actor: Actor, position: int) -> Entry:
    """The sealed entry at a position. Errors: Refused (NOT_FOUND)."""
    query = _query(actor.tenancy, Search()).where(audit.c.position == position)
    with store.database.read() as connection:
        found = connection.execute(query).one_or_none()
        entry = entry_of(found) if found else None
        place = Target(compartment=entry.compartment if entry else actor.tenancy)
        authorize(connection, actor, LIST, place, now=store.clock.now())
    if entry is None:
        raise not_found()
    return entry


def entry_of(row: Row[Any]) -> Entry:
    """A row of the table as a value."""
    return Entry(*(getattr(row, name) for name in _FIELDS))


def value_of(text: str | None) -> Any:
    """The value that `before` or `after` holds."""
    return None if text is None else msgspec.json.decode(text)


def _query(tenancy: str, search: Search) -> Select[Any]:
    columns = [audit.c.id, *(getattr(audit.c, name) for name in _FIELDS)]
    query = select(*columns).where(audit.c.tenancy == tenancy)
    for name in _EQUAL:
        if wanted := getattr(search, name):
            query = query.where(getattr(audit.c, name) == wanted)
    if search.since is not None:
        query = query.where(audit.c.time_created >= search.since)
    if search.until is not None:
        query = query.where(audit.c.time_created < search.until)
    return query
