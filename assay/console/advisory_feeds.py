"""The page of advisory feeds: where what is known comes from, how old it is, and what went wrong."""

from dataclasses import dataclass

from assay.advisories import feeds
from assay.clock import Instant
from assay.console import words
from assay.console.replies import Elsewhere, Listing, Page, Reply
from assay.console.visit import Visit
from assay.iam import Target, authorize

REFUSED_SHOWN = 20
COLUMNS = ("feed", "source", "revision", "advisories", "last_run", "last_success", "next_run", "stale", "error")


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A feed as the page shows it; `trouble` is why it is not as new as it should be."""

    name: str
    kind: str
    state: str
    title: str
    trouble: str
    revision: int
    advisories: int
    refused: int
    last: Instant | None
    next: Instant
    source: str
    ecosystems: str
    every: str


def show(visit: Visit) -> Reply:
    """All feeds."""
    visit.only()
    with visit.store.database.read() as connection:
        here = Target(compartment=visit.actor.tenancy)
        authorize(connection, visit.actor, "ListFeeds", here, now=visit.now)
        states = feeds.state(connection, visit.now)
        refused = {
            state.config.name: feeds.refused_records(connection, state.config.name)[:REFUSED_SHOWN]
            for state in states
            if state.refused
        }
    page = Page("feeds.html", {"feeds": tuple(_row(state, visit.now) for state in states), "refused": refused})
    return Listing(page, COLUMNS, [_cells(state) for state in states])


def refresh(visit: Visit) -> Elsewhere:
    """Have all feeds read now; the page shows what they brought when it is loaded again."""
    with visit.store.database.read() as connection:
        names = [state.config.name for state in feeds.state(connection, visit.now)]
    for name in names:
        feeds.ask_refresh(visit.store, visit.actor, name)
    return visit.back("/feeds", "refresh-asked")


def _row(state: feeds.FeedState, now: int) -> FeedRow:
    kind, said = "ok", f"{words.duration(now - state.last_success)} old" if state.last_success else "never read"
    title, trouble = "", ""
    if state.stale or state.last_error:
        kind = "warn" if state.last_success else "bad" if state.last_error else "info"
        age = f"is {words.duration(now - state.last_success)} old" if state.last_success else "has not been read yet"
        title = f"Feed {state.config.name} {age}."
        last = f"The last run said: {state.last_error} " if state.last_error else ""
        trouble = f"{last}Next try {words.relative(state.next_run, now)}."
    if state.is_first_load:
        kind, said = "info", "first load under way"
    return FeedRow(
        name=state.config.name,
        kind=kind,
        state=f"stale, {said}" if state.stale and state.last_success else said,
        title=title if state.last_error or (state.stale and state.last_success) else "",
        trouble=trouble if state.last_error or (state.stale and state.last_success) else "",
        revision=state.revision,
        advisories=state.advisories,
        refused=state.refused,
        last=state.last_run,
        next=state.next_run,
        source=state.config.source,
        ecosystems=words.listing(state.config.ecosystems, most=8),
        every=words.duration(state.config.refresh_seconds * 1_000_000),
    )


def _cells(state: feeds.FeedState) -> tuple[str | int | None, ...]:
    return (
        state.config.name,
        state.config.source,
        state.revision,
        state.advisories,
        words.machine(state.last_run) if state.last_run else None,
        words.machine(state.last_success) if state.last_success else None,
        words.machine(state.next_run),
        "stale" if state.stale else "current",
        state.last_error,
    )
