"""The audit log, as a page of its own and as a panel on the page of a thing."""

from dataclasses import dataclass

from assay.clock import Instant
from assay.console import words
from assay.console.replies import Listing, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.identity import trail


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the log, as it is shown."""

    at: Instant
    who: str
    did: str
    done: bool
    because: str
    resource: str
    request: str


def show(visit: Visit) -> Reply:
    """The tenancy's log, newest first; with `?resource=` that of one thing."""
    visit.only("resource")
    page = trail.listed(
        visit.store,
        visit.actor,
        resource=visit.asked("resource"),
        limit=visit.limit(),
        page=visit.asked("after"),
    )
    rows = tuple(map(_row, page.items))
    shown = Page(
        "audit.html",
        {
            "rows": rows,
            "said": words.plural(len(rows), "entry", "entries"),
            "next": visit.link(after=page.next_page) if page.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )
    columns = ("when", "who", "did", "on", "outcome", "reason", "address", "request")
    cells = [
        (
            words.machine(entry.time_created),
            entry.principal_name,
            entry.operation,
            entry.resource,
            entry.outcome,
            entry.reason,
            entry.address,
            entry.request_id,
        )
        for entry in page.items
    ]
    return Listing(shown, columns, cells, page.next_page)


def of(visit: Visit, resource: str, rows: int) -> tuple[Row, ...] | None:
    """The latest entries on one thing; None for those who may not read the log."""
    try:
        found = trail.listed(visit.store, visit.actor, resource=resource, limit=rows)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return None
    return tuple(map(_row, found.items))


def _row(entry: trail.Entry) -> Row:
    return Row(
        at=entry.time_created,
        who=entry.principal_name,
        did=spaced(entry.operation),
        done=entry.outcome == "done",
        because=entry.reason,
        resource=entry.resource,
        request=entry.request_id,
    )


def spaced(operation: str) -> str:
    """`CreateKeyVersion` as people write it: `Create key version`."""
    parts: list[str] = []
    for letter in operation:
        if letter.isupper() or not parts:
            parts.append("")
        parts[-1] += letter
    return " ".join([*parts[:1], *(part.lower() for part in parts[1:])])
