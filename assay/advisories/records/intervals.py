"""How rows with [from_rev, until_rev) are begun, ended and taken back, the same for every table that has them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, delete, update

from assay.advisories.records.tables import OPEN

#: At most so many values stand in one IN (…); SQLite takes 32,766 parameters, PostgreSQL 65,535.
VALUES_MAX = 5_000

T = TypeVar("T")


def pieces(values: Iterable[T], size: int = VALUES_MAX) -> Iterator[Sequence[T]]:
    """The values in lists of at most `size`."""
    values = list(values)
    for start in range(0, len(values), size):
        yield values[start : start + size]


def end(
    connection: Connection,
    table: Table,
    condition: ColumnElement[bool],
    rev: int,
    keys: Sequence[dict[str, Any]] | None = None,
) -> None:
    """End the open rows under `condition` with `rev`: what `rev` itself began goes, what is older is closed.

    `keys`: values of the condition's parameters, for each of which it is done.
    """
    connection.execute(delete(table).where(condition, table.c.from_rev == rev), keys)
    connection.execute(update(table).where(condition, table.c.until_rev == OPEN).values(until_rev=rev), keys)


def begin(connection: Connection, table: Table, rows: Iterable[dict[str, Any]], rev: int) -> int:
    """Insert rows that hold from `rev` on; how many."""
    listed = [{**row, "from_rev": rev, "until_rev": OPEN} for row in rows]
    if listed:
        connection.execute(table.insert(), listed)
    return len(listed)


def take_back(connection: Connection, table: Table, rev: int) -> None:
    """Undo what `rev` did to a table: its own rows go, and those it ended are open again."""
    connection.execute(delete(table).where(table.c.from_rev == rev))
    connection.execute(update(table).where(table.c.until_rev == rev).values(until_rev=OPEN))
