"""Pages of recipes and targets, and the columns of a change."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from assay.errors import not_found
from assay.iam import Actor, Target, permitted
from assay.iam.identity import seen
from assay.scanning.model import Recipe, RecipeChanges, Scanner, ScannerFilter, TargetChanges
from assay.storage import Store, pages

T = TypeVar("T", Recipe, Scanner)

Fetch = Callable[[Connection, str, ScannerFilter, Sequence[Any] | None, int], tuple[T, ...]]


def page_of(
    store: Store,
    actor: Actor,
    operation: str,
    narrow: ScannerFilter,
    fetch: Fetch[T],
    limit: int | None,
    page: str,
    *,
    reads: str,
    **unread: Any,
) -> pages.Page[T]:
    """A page of what lies in those of the filter's compartments in which the actor may do `operation`.

    `reads` is the operation that reads a single one; `unread` stands instead of members that need it.

    Errors: Refused (NOT_FOUND when there is none, PAGE_TOKEN, MALFORMED for the limit).
    """
    rows_max = pages.page_rows(limit)
    query = (operation, actor.tenancy, narrow)
    after = pages.decode_page(store.page_key, query, page) if page else None
    now = store.clock.now()
    with store.database.read() as connection:
        allowed = tuple(
            each for each in narrow.compartments if permitted(connection, actor, operation, Target(each), now=now)
        )
        if not allowed:
            raise not_found()
        rows = fetch(connection, actor.tenancy, replace(narrow, compartments=allowed), after, rows_max + 1)
        shown = seen.as_seen(store, connection, actor, reads, rows[:rows_max], _target_of, **unread)
    if len(rows) <= rows_max:
        return pages.Page(shown)
    last = shown[-1]
    key = (last.time_created if narrow.by_time else last.display_name, last.ocid)
    return pages.Page(shown, pages.encode_page(store.page_key, query, key))


def _target_of(found: Recipe | Scanner) -> Target:
    return Target(found.compartment, resource=found.ocid)


def columns(changes: RecipeChanges | TargetChanges) -> dict[str, Any]:
    """The members of a change that are to change."""
    return {each.name: value for each in fields(changes) if (value := getattr(changes, each.name)) is not None}
