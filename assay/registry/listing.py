"""Pages of what a caller may see, in keyset order, and how much comes behind them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from assay.storage import Store, pages

#: A page ends, shorter than asked, when so many rows were looked at; its token goes on from there.
LOOKED_AT_MAX = 10_000
#: How many rows behind a page are looked at one by one, where statements hide some of them.
BEHIND_MAX = 1_000
_BATCH_ROWS = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A list: what it is called with (`query` binds its page tokens), and how its rows are had.

    `fetch` gives rows behind a sort key, at most so many; `is_visible` says which the caller may see; `count` how many
    rows come behind a key, for a caller who may see them all, and is None for any other.
    """

    query: Sequence[object]
    fetch: Callable[[Sequence[Any] | None, int], tuple[T, ...]]
    is_visible: Callable[[T], bool]
    key_of: Callable[[T], pages.Key]
    count: Callable[[Sequence[Any]], int] | None = None


def page_of(store: Store, reading: Reading[T], page: str, limit: int | None) -> pages.Page[T]:
    """A page of a list. Errors: Refused (PAGE_TOKEN, MALFORMED for the limit)."""
    rows_max = pages.page_rows(limit)
    after: pages.Key | None = pages.decode_page(store.page_key, reading.query, page) if page else None
    shown: list[T] = []
    looked_at = 0
    while looked_at < LOOKED_AT_MAX:
        batch = reading.fetch(after, _BATCH_ROWS)
        for row in batch:
            if not reading.is_visible(row):
                continue
            if len(shown) == rows_max:
                token = pages.encode_page(store.page_key, reading.query, reading.key_of(shown[-1]))
                return pages.Page(tuple(shown), token)
            shown.append(row)
        if len(batch) < _BATCH_ROWS:
            return pages.Page(tuple(shown))
        looked_at += len(batch)
        after = reading.key_of(batch[-1])
    return pages.Page(tuple(shown), pages.encode_page(store.page_key, reading.query, after or ()))


def remaining(store: Store, reading: Reading[T], next_page: str) -> int | None:
    """How many rows that the caller may see come behind a page; None when that would be too many to look at."""
    if not next_page:
        return 0
    after = pages.decode_page(store.page_key, reading.query, next_page)
    if reading.count is not None:
        return reading.count(after)
    found = looked_at = 0
    while looked_at < BEHIND_MAX:
        batch = reading.fetch(after, _BATCH_ROWS)
        found += sum(map(reading.is_visible, batch))
        if len(batch) < _BATCH_ROWS:
            return found
        looked_at += len(batch)
        after = reading.key_of(batch[-1])
    return None


def visible(reading: Reading[T]) -> Iterator[T]:
    """All rows of a list that the caller may see."""
    after: pages.Key | None = None
    while batch := reading.fetch(after, _BATCH_ROWS):
        yield from filter(reading.is_visible, batch)
        after = reading.key_of(batch[-1])
