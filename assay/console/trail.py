"""The audit log, as a page of its own and as a panel on the page of a thing."""

from dataclasses import dataclass

from assay.clock import Instant
from assay.console import words
from assay.console.replies import Listing, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.identity.trail import entries, sealing
from assay.storage.pages import Window

#: Filters of the query, each also a field of the search.
_FILTERS = ("resource", "principal_name", "operation", "outcome", "address")


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
    times: int


def show(visit: Visit) -> Reply:
    """The tenancy's log, newest first; the query narrows it to one thing, principal, operation, outcome or address."""
    visit.only(*_FILTERS)
    search = entries.Search(
        resource=visit.asked("resource"),
        principal_name=visit.asked("principal_name"),
        operation=visit.asked("operation"),
        outcome=visit.asked("outcome"),
        address=visit.asked("address"),
    )
    window = Window(limit=visit.limit(), page=visit.asked("after"))
    page = entries.listed(visit.store, visit.actor, search, window=window)
    rows = tuple(map(_row, page.items))
    shown = Page(
        "audit.html",
        {
            "rows": rows,
            "filters": {name: visit.asked(name) for name in _FILTERS},
            "chain": sealing.state(visit.store, visit.actor),
            "said": words.plural(len(rows), "entry", "entries"),
            "next": visit.link(after=page.next_page) if page.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )
    columns = ("when", "who", "did", "on", "outcome", "reason", "address", "request", "times")
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
            str(entry.times),
        )
        for entry in page.items
    ]
    return Listing(shown, columns, cells, page.next_page)


def of(visit: Visit, resource: str, rows: int) -> tuple[Row, ...] | None:
    """The latest entries on one thing; None for those who may not read the log."""
    try:
        found = entries.listed(visit.store, visit.actor, entries.Search(resource=resource), window=Window(limit=rows))
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return None
    return tuple(map(_row, found.items))


def _row(entry: entries.Entry) -> Row:
    return Row(
        at=entry.time_created,
        who=entry.principal_name,
        did=spaced(entry.operation),
        done=entry.outcome == "done",
        because=entry.reason,
        resource=entry.resource,
        request=entry.request_id,
        times=entry.times,
    )


def spaced(operation: str) -> str:
    """`CreateKeyVersion` as people write it: `Create key version`."""
    parts: list[str] = []
    for letter in operation:
        if letter.isupper() or not parts:
            parts.append("")
        parts[-1] += letter
    return " ".join([*parts[:1], *(part.lower() for part in parts[1:])])
