"""Reading the audit log: who did what, on what, and what was denied. It is written by `perform` alone."""

from dataclasses import dataclass

from sqlalchemy import select

from assay.clock import Instant
from assay.iam.actor import Actor
from assay.iam.audit import audit
from assay.iam.authorization import Target, authorize
from assay.storage import Store, pages

LIST = "ListAuditEvents"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `outcome` is "done" or "denied"; `reason` says why it was denied."""

    id: int
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


def listed(
    store: Store, actor: Actor, *, resource: str = "", limit: int | None = None, page: str = ""
) -> pages.Page[Entry]:
    """A page of the tenancy's entries, newest first; with `resource` (an OCID), those on it.

    Errors: Refused (NOT_FOUND when not permitted, PAGE_TOKEN).
    """
    asked = (LIST, actor.tenancy, resource)
    rows_max = pages.page_rows(limit)
    columns = [getattr(audit.c, name) for name in Entry.__slots__]
    query = select(*columns).where(audit.c.tenancy == actor.tenancy).order_by(audit.c.id.desc()).limit(rows_max + 1)
    if resource:
        query = query.where(audit.c.resource == resource)
    if page:
        query = query.where(audit.c.id < pages.decode_page(store.page_key, asked, page)[0])
    with store.database.read() as connection:
        authorize(connection, actor, LIST, Target(compartment=actor.tenancy), now=store.clock.now())
        rows = connection.execute(query).all()
    shown = tuple(Entry(*row) for row in rows[:rows_max])
    more = len(rows) > rows_max
    return pages.Page(shown, pages.encode_page(store.page_key, asked, (shown[-1].id,)) if more else "")
