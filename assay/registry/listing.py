"""Pages of what a caller may see, in keyset order."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from assay.storage import Store, pages

#: A page ends, shorter than asked, when so many rows were looked at; its token goes on from there.
LOOKED_AT_MAX = 10_000
_BATCH_ROWS = 200

T = TypeVar("T")


def page_of(
    store: Store,
    query: Sequence[object],
    page: str,
    limit: int | None,
    *,
    fetch: Callable[[Sequence[Any] | None, int], tuple[T, ...]],
    is_visible: Callable[[T], bool],
    key_of: Callable[[T], pages.Key],
) -> pages.Page[T]:
    """A page of the list that `query` names (its operation and filters, which bind the page token).

    `fetch` gives rows behind a sort key, at most so many; `is_visible` says which the caller may see.
    Errors: Refused (PAGE_TOKEN, MALFORMED for the limit).
    """
    rows_max = pages.page_rows(limit)
    after: pages.Key | None = pages.decode_page(store.page_key, query, page) if page else None
    shown: list[T] = []
    looked_at = 0
    while looked_at < LOOKED_AT_MAX:
        batch = fetch(after, _BATCH_ROWS)
        for row in batch:
            if not is_visible(row):
                continue
            if len(shown) == rows_max:
                return pages.Page(tuple(shown), pages.encode_page(store.page_key, query, key_of(shown[-1])))
            shown.append(row)
        if len(batch) < _BATCH_ROWS:
            return pages.Page(tuple(shown))
        looked_at += len(batch)
        after = key_of(batch[-1])
    return pages.Page(tuple(shown), pages.encode_page(store.page_key, query, after or ()))
