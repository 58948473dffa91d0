"""What a page answers: a rendered page, another address, a download, or rows of a list in three forms."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

Cell = str | int | None | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes to keep, under a file name."""

    content: bytes
    media_type: str
    filename: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its page, and the same rows for programs. `columns` name the cells of each of the `rows`, in order."""

    page: Page
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    next_page: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another address of this console (303), perhaps with cookies to set."""

    path: str
    cookies: tuple["Cookie", ...] = ()


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of the console; an empty value removes it. `seconds` of 0 lasts as long as the browser."""

    name: str
    value: str
    seconds: int = 0


Reply = Page | Download | Listing | Elsewhere


def as_json(listing: Listing) -> bytes:
    """`{"items": [{column: cell}], "after": token}`; `after` is missing on the last page."""
    items = [dict(zip(listing.columns, row, strict=True)) for row in listing.rows]
    return msgspec.json.encode({"items": items} | ({"after": listing.next_page} if listing.next_page else {}))


def as_csv(listing: Listing) -> bytes:
    """RFC 4180 with a heading line. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(listing.columns)
    writer.writerows([[_plain(cell) for cell in row] for row in listing.rows])
    return text.getvalue().encode()


def _plain(cell: Cell) -> str | int:
    if cell is None:
        return ""
    if isinstance(cell, int):
        return cell
    text = " ".join(cell) if isinstance(cell, tuple) else cell
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
