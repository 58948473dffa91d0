"""The words of an advisory as they are stored: compressed texts, statements as JSON, links, a digest of all. Pure."""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import msgspec
from sqlalchemy import Row

from assay.advisories import classes
from assay.advisories.affects import Event, EventKind, Statement
from assay.advisories.classes import LinkKind
from assay.advisories.osv import Advisory
from assay.advisories.severity import Severity

#: Dates under which the feed lists a record, by ecosystem.
Listed = Mapping[str, str]


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """What people read of an advisory."""

    summary: str
    details: str
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    references: tuple[str, ...]


class StatementRow(NamedTuple):
    """A statement without the advisory and the revision; `statement` has its ranges and versions."""

    ecosystem: str
    package: str
    severity: Severity | None
    statement: str


@dataclass(frozen=True, slots=True)
class Upsert:
    """A record that is new or says something else, as the feed lists it, ready to be stored.

    `digest` is of everything by which a revision can tell one version from another: not of the dates.
    A withdrawn record has neither statements nor links.
    """

    name: str
    listed: Listed
    published: int | None
    withdrawn: bool
    statements: tuple[StatementRow, ...]
    links: tuple[tuple[LinkKind, str], ...]
    texts: bytes
    digest: bytes

    @classmethod
    def of(cls, listed: Listed, record: Advisory) -> Self:
        """From a record."""
        texts = msgspec.json.encode(
            Texts(record.summary, record.details, record.aliases, record.upstream, record.references)
        )
        said = () if record.withdrawn else record.statements or _rating_alone(record)
        statements = tuple(
            StatementRow(each.ecosystem, each.package, each.severity, encode_statement(each)) for each in said
        )
        whole = msgspec.json.encode([record.published, record.withdrawn, statements])
        return cls(
            name=record.id,
            listed=listed,
            published=record.published,
            withdrawn=record.withdrawn,
            statements=statements,
            links=() if record.withdrawn else classes.links(record.id, record.aliases, record.upstream),
            texts=zlib.compress(texts),
            digest=hashlib.sha256(whole + b"\x00" + texts).digest()[:16],
        )

    @property
    def rows(self) -> int:
        """How many rows it takes."""
        return 1 + len(self.statements) + len(self.links)


@dataclass(frozen=True, slots=True)
class Removal:
    """A record that the feed lists no more."""

    name: str
    rows: int = 1


Change = Upsert | Removal

_STATEMENTS = msgspec.json.Decoder(tuple[list[list[tuple[EventKind, str]]], list[str]])
_TEXTS = msgspec.json.Decoder(Texts)


def encode_statement(statement: Statement) -> str:
    """Ranges and versions as JSON, the same text for the same statement."""
    return msgspec.json.encode([statement.ranges, sorted(statement.versions)]).decode()


def statement_of(row: Row[Any]) -> Statement:
    """The statement of a row of `affected` that has the advisory's name as `advisory`."""
    ranges, versions = _STATEMENTS.decode(row.statement)
    return Statement(
        advisory=row.advisory,
        from_rev=row.from_rev,
        ecosystem=row.ecosystem,
        package=row.package,
        ranges=tuple(tuple(Event(kind, version) for kind, version in events) for events in ranges),
        versions=frozenset(versions),
        severity=None if row.severity is None else Severity(row.severity),
    )


def decode_texts(content: bytes) -> Texts:
    """The texts of an advisory version."""
    return _TEXTS.decode(zlib.decompress(content))


def _rating_alone(record: Advisory) -> tuple[Statement, ...]:
    """A statement on no package, so that the rating of a record without packages counts in its class."""
    return () if record.severity is None else (Statement(record.id, 0, "", "", severity=record.severity),)
