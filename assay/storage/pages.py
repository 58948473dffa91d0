"""Opaque, signed page tokens for keyset lists.

A token holds the sort key of the last row given, bound by an HMAC to the query it belongs to: a token that was made up,
changed, or taken to another list is refused (oci-api 1.3, `opc-next-page`).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Label, Row, Select, tuple_

from assay.errors import Reason, Refused
from assay.secret import Secret

PAGE_ROWS_DEFAULT = 50
PAGE_ROWS_MAX = 1000
_MAC_BYTES = 16

T = TypeVar("T")
Key = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list, in its order, and the token of the next page ("" on the last)."""

    items: tuple[T, ...]
    next_page: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """How much of an ordered list is wanted: direction, page size (None: 50), the token of a later page ("": none)."""

    descending: bool = False
    limit: int | None = None
    page: str = ""


def select_page(
    connection: Connection,
    page_key: Secret,
    query: Select[Any],
    order: Sequence[Column[Any] | Label[Any]],
    window: Window,
) -> Page[Row[Any]]:
    """One page of `query` in the order of `order`: columns of its result, never null, that together never repeat.

    The token is bound to the query's text and parameters. Errors: Refused (PAGE_TOKEN, MALFORMED for the limit).
    """
    parameters = sorted((name, str(value)) for name, value in query.compile().params.items())
    asked = (query, parameters, [column.name for column in order], window.descending)
    rows_wanted = page_rows(window.limit)
    place = tuple_(*order)
    if window.page:
        last = decode_page(page_key, asked, window.page)
        query = query.where(place < last if window.descending else place > last)
    ordered = query.order_by(*(column.desc() if window.descending else column.asc() for column in order))
    rows = connection.execute(ordered.limit(rows_wanted + 1)).all()
    shown = tuple(rows[:rows_wanted])
    if len(rows) <= rows_wanted:
        return Page(shown)
    return Page(shown, encode_page(page_key, asked, tuple(getattr(shown[-1], column.name) for column in order)))


def encode_page(page_key: Secret, query: Sequence[object], key: Key) -> str:
    """The token of the page after the row with sort key `key`, for the list that `query` names."""
    body = msgspec.json.encode(key)
    return base64.urlsafe_b64encode(_mac(page_key, query, body) + body).decode().rstrip("=")


def decode_page(page_key: Secret, query: Sequence[object], token: str) -> Key:
    """The sort key that `encode_page` put into `token`. Errors: Refused (PAGE_TOKEN)."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if hmac.compare_digest(mac, _mac(page_key, query, body)):
            return msgspec.json.decode(body, type=Key)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        pass
    raise Refused(
        "The page token does not belong to this list.",
        advice="Begin again without 'page', and keep the other parameters the same from page to page.",
        reason=Reason.PAGE_TOKEN,
    )


def page_rows(limit: int | None) -> int:
    """How many rows a page has, from the caller's `limit`. Errors: Refused (MALFORMED)."""
    if limit is None:
        return PAGE_ROWS_DEFAULT
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise Refused(f"limit is {limit}.", advice=f"Use 1 to {PAGE_ROWS_MAX}.")
    return limit


def _mac(page_key: Secret, query: Sequence[object], body: bytes) -> bytes:
    message = msgspec.json.encode([str(part) for part in query]) + b"\x00" + body
    return hmac.digest(page_key.reveal().encode(), message, hashlib.sha256)[:_MAC_BYTES]
