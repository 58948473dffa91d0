"""The hash chain of the audit log: a pure rule, which anybody with an export can follow.

    seal(n) = SHA-256( "assay-audit-1\\n" + seal(n-1) + "\\n" + n + "\\n" + line(n) )

in lower-case hex, where seal(0) is 64 zeros, n is decimal, and line(n) is the row's fields in the order of `FIELDS` as
one JSON array without spaces, UTF-8, absent values as null. Each tenancy has a chain of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

START = "0" * 64
FIELDS = (
    "tenancy",
    "compartment",
    "time_created",
    "operation",
    "principal_kind",
    "principal",
    "principal_name",
    "address",
    "request_id",
    "resource",
    "outcome",
    "reason",
    "times",
    "before",
    "after",
)


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the position of a row, from 1, and its seal; position 0 is before the first row."""

    position: int = 0
    seal: str = START


def next_link(previous: Link, row: Mapping[str, Any]) -> Link:
    """The link of `row`, which comes after `previous`. Errors: KeyError when a field is missing."""
    position = previous.position + 1
    line = msgspec.json.encode([row[name] for name in FIELDS])
    text = f"assay-audit-1\n{previous.seal}\n{position}\n".encode()
    return Link(position, hashlib.sha256(text + line).hexdigest())


def follow(previous: Link, rows: Iterable[tuple[Link, Mapping[str, Any]]]) -> tuple[Link, str]:
    """Follow `rows`, each with the link that is kept with it, from `previous` on.

    Gives the last link that holds, and what is wrong with the row after it ("" when all hold).
    """
    for kept, row in rows:
        expected = next_link(previous, row)
        if kept.position != expected.position:
            return previous, f"Position {expected.position} is missing."
        if kept.seal != expected.seal:
            return previous, f"The entry at position {kept.position} is not the one that was sealed."
        previous = expected
    return previous, ""
