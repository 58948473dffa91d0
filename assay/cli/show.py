"""What the command line prints: tables for people, JSON for programs; errors and remarks on standard error.

Standard output holds the result and nothing else. rich is imported where something is drawn, so that `--output json`
need not wait for it.
"""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Tables are folded to a terminal's width; a file or a pipe gets whole lines.
PIPE_COLUMNS = 10_000
#: Sentences are folded at this width, or at a narrower terminal's.
TEXT_COLUMNS_MAX = 100

Row = dict[str, Any]
#: A column: a member of the row (dots reach into nested objects), or a function of the row.
Column = str | Callable[[Row], Any]
#: Heading to column, in order.
Columns = Mapping[str, Column]


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def rows(output: Output, columns: Columns, found: Sequence[Row], *, empty: str) -> None:
    """A list. `columns`: heading → column. `empty` is said when there is none."""
    if output is Output.JSON:
        as_json(found)
        return
    from rich.table import Table
    from rich.text import Text

    if not found:
        _people().print(Text(empty))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in found:
        # Text, not str: what comes from an image or a person must not be read as markup.
        table.add_row(*(Text(_shown(row, column), overflow="fold") for column in columns.values()))
    _draw(table)


def thing(output: Output, columns: Columns, found: Row) -> None:
    """One object, a line for each column."""
    if output is Output.JSON:
        as_json(found)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    for heading, column in columns.items():
        table.add_row(Text(heading, style="bold"), Text(_shown(found, column), overflow="fold"))
    _draw(table)


def said(output: Output, text: str, found: Any) -> None:
    """The outcome of an act: a sentence for people, the resource for programs."""
    if output is Output.JSON:
        as_json(found)
    else:
        line(text)


def document(output: Output, text: str, found: Any) -> None:
    """A file's text as it is, ready to be redirected; for programs the object that holds it."""
    if output is Output.JSON:
        as_json(found)
    else:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def as_json(value: Any) -> None:
    """A value for programs."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def line(text: str) -> None:
    """A sentence for people on standard output, never folded and never read as markup."""
    sys.stdout.write(f"{text}\n")


def item(text: str) -> None:
    """One of several sentences for people, folded between words to the terminal's width, or to one that reads well."""
    columns = min(shutil.get_terminal_size((TEXT_COLUMNS_MAX, 0)).columns, TEXT_COLUMNS_MAX)
    folded = textwrap.wrap(
        _cell(text),
        columns,
        initial_indent="  - ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    line("\n".join(folded))


def error(text: str) -> None:
    """What went wrong, on standard error."""
    from rich.text import Text

    _errors().print(Text(f"assay: {text}", style="red"), soft_wrap=True)


def note(text: str) -> None:
    """A remark, on standard error, so that standard output stays what was asked for."""
    sys.stderr.write(f"{text}\n")


def command_line(words: Sequence[str]) -> str:
    """A command to type. What holds single quotes stands in double ones: statements do, and should stay readable."""
    return " ".join(
        f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word) for word in words
    )


def when(member: str) -> Column:
    """A column for a time of the API: `2026-01-31 12:00:05Z`."""
    return lambda row: _time(_reach(row, member))


def size(member: str) -> Column:
    """A column for a number of bytes: `12.3 MB`, in powers of ten."""
    return lambda row: _size(_reach(row, member))


def short(member: str) -> Column:
    """A column for a digest: `sha256:` and twelve digits."""
    return lambda row: str(_reach(row, member) or "–")[:19]


@cache
def _people() -> "Console":
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)


@cache
def _errors() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _draw(table: "Table") -> None:
    """A table, without the blanks that fill each line up to the longest one."""
    console = _people()
    with console.capture() as drawn:
        console.print(table)
    sys.stdout.write("\n".join(each.rstrip(" ") for each in drawn.get().split("\n")))


def _shown(row: Row, column: Column) -> str:
    return _cell(_reach(row, column) if isinstance(column, str) else column(row))


def _reach(row: Row, member: str) -> Any:
    value: Any = row
    for part in member.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        # A name from an image must not move a terminal's cursor.
        return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_cell(each)}" for key, each in value.items()) or "–"
    if isinstance(value, Iterable):
        return ", ".join(_cell(part) for part in value) or "–"
    return str(value)


def _time(value: Any) -> str | None:
    return None if value is None else str(value)[:19].replace("T", " ") + "Z"


def _size(value: Any) -> str | None:
    if value is None:
        return None
    number = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
