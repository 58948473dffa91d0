"""What the command line prints: tables for people, JSON for programs; errors on standard error."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_people = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def rows(output: Output, columns: Mapping[str, str], found: Sequence[Mapping[str, Any]], *, empty: str) -> None:
    """A list. `columns`: heading → member (dots reach into nested objects). `empty` is said when there is none."""
    if output is Output.JSON:
        _json(found)
        return
    if not found:
        _people.print(empty)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in found:
        # Text, not str: what comes from an image or a person must not be read as markup.
        table.add_row(*(Text(_cell(_reach(row, member))) for member in columns.values()))
    _people.print(table)


def thing(output: Output, columns: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """One object, a line for each member."""
    if output is Output.JSON:
        _json(found)
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    for heading, member in columns.items():
        table.add_row(Text(heading, style="bold"), Text(_cell(_reach(found, member))))
    _people.print(table)


def said(output: Output, text: str, **members: Any) -> None:
    """The outcome of an act: a sentence for people, its members for programs."""
    if output is Output.JSON:
        _json(members)
    else:
        _people.print(Text(text))


def document(text: str) -> None:
    """A file's text, as it is."""
    _people.file.write(text)


def error(text: str) -> None:
    """What went wrong, on standard error."""
    _errors.print(Text(f"assay: {text}", style="red"))


def note(text: str) -> None:
    """A remark, on standard error, so that standard output stays what was asked for."""
    _errors.print(Text(text))


def _json(value: Any) -> None:
    _people.file.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _reach(row: Mapping[str, Any], member: str) -> Any:
    value: Any = row
    for part in member.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return ", ".join(_cell(part) for part in value)
    return str(value)
