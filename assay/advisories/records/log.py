"""The advisory log: versions of advisories, what each says of packages, and which ids it names."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, or_, select, update

from assay.advisories import classes
from assay.advisories.affects import Event, EventKind, Statement
from assay.advisories.osv import Advisory
from assay.advisories.records import intervals
from assay.advisories.records.tables import OPEN, advisory, advisory_link, advisory_version, affected, member
from assay.advisories.severity import Severity
from assay.storage import Json, insert

#: Dates under which the feed lists a record, by ecosystem.
Listed = Mapping[str, str]

_VERSIONED = (advisory_version, affected, advisory_link)
_RELIST = (
    update(advisory_version)
    .where(advisory_version.c.advisory_id == bindparam("key"), advisory_version.c.until_rev == OPEN)
    .values(listed=bindparam("dates", type_=Json))
)


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """What people read of an advisory."""

    summary: str
    details: str
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upsert:
    """A record that is new or says something else, as the feed lists it."""

    listed: Listed
    advisory: Advisory

    @property
    def name(self) -> str:
        """The advisory's id in the feed."""
        return self.advisory.id

    @property
    def rows(self) -> int:
        """How many rows it takes, about."""
        return 2 + len(self.advisory.statements) + len(self.advisory.aliases) + len(self.advisory.upstream)


@dataclass(frozen=True, slots=True)
class Removal:
    """A record that the feed lists no more."""

    name: str
    rows: int = 1


Change = Upsert | Removal


def apply(connection: Connection, feed_id: int, rev: int, changes: Sequence[Change]) -> None:
    """Write a batch of changes as of `rev`. Writing the same batch twice is the same as once."""
    if not changes:
        return
    ids = _ids(connection, feed_id, [change.name for change in changes])
    present = _open_digests(connection, list(ids.values()))
    news: list[tuple[int, Upsert, bytes, bytes]] = []
    ending: list[int] = []
    for change in changes:
        key = ids[change.name]
        if isinstance(change, Removal):
            ending.append(key)
            continue
        texts, own = _content(change.advisory)
        if present.get(key) == own:
            connection.execute(_RELIST, {"key": key, "dates": change.listed})
        else:
            ending.append(key)
            news.append((key, change, texts, own))
    for table in _VERSIONED:
        intervals.end(connection, table, table.c.advisory_id.in_(ending), rev)
    _insert(connection, news, rev)


def changed(connection: Connection, rev: int, after_id: int, limit: int) -> tuple[int, ...]:
    """Ids of the advisories that `rev` changed, from `after_id` on, ascending."""
    query = (
        select(advisory_version.c.advisory_id)
        .where(
            or_(advisory_version.c.from_rev == rev, advisory_version.c.until_rev == rev),
            advisory_version.c.advisory_id > after_id,
        )
        .distinct()
        .order_by(advisory_version.c.advisory_id)
        .limit(limit)
    )
    return tuple(connection.execute(query).scalars())


def take_back(connection: Connection, rev: int) -> None:
    """Undo what `rev` did: its own rows go, and those it ended are open again."""
    for table in reversed(_VERSIONED):
        intervals.take_back(connection, table, rev)


def delete_ended(connection: Connection, after_id: int, limit: int, rev: int) -> tuple[int | None, int]:
    """Delete what ended at or before `rev` of the next advisories; (the last of them, None at the end; rows)."""
    query = select(advisory.c.id).where(advisory.c.id > after_id).order_by(advisory.c.id).limit(limit)
    ids = connection.execute(query).scalars().all()
    if not ids:
        return None, 0
    rows = sum(
        connection.execute(
            delete(table).where(table.c.advisory_id.between(ids[0], ids[-1]), table.c.until_rev <= rev)
        ).rowcount
        for table in (*_VERSIONED, member)
    )
    return ids[-1], rows


def listed(connection: Connection, feed_id: int) -> dict[str, Listed]:
    """What is stored of a feed, in preparation or published: name → dates listed."""
    query = (
        select(advisory.c.name, advisory_version.c.listed)
        .join(advisory_version, advisory_version.c.advisory_id == advisory.c.id)
        .where(advisory.c.feed_id == feed_id, advisory_version.c.until_rev == OPEN)
    )
    return {row.name: row.listed for row in connection.execute(query)}


def count(connection: Connection, feed_id: int) -> int:
    """How many advisories of a feed stand."""
    query = (
        select(func.count())
        .select_from(advisory.join(advisory_version, advisory_version.c.advisory_id == advisory.c.id))
        .where(advisory.c.feed_id == feed_id, advisory_version.c.until_rev == OPEN)
    )
    return int(connection.execute(query).scalar_one())


def digests(connection: Connection, feed_id: int) -> dict[str, bytes]:
    """What is stored of a feed, in preparation or published: name → digest."""
    query = (
        select(advisory.c.name, advisory_version.c.digest)
        .join(advisory_version, advisory_version.c.advisory_id == advisory.c.id)
        .where(advisory.c.feed_id == feed_id, advisory_version.c.until_rev == OPEN)
    )
    return {row.name: row.digest for row in connection.execute(query)}


def digest(record: Advisory) -> bytes:
    """The digest under which this version of an advisory would be stored."""
    return _content(record)[1]


def relist(connection: Connection, feed_id: int, dates: Mapping[str, Listed]) -> None:
    """Note other dates for records that say the same as before."""
    if not dates:
        return
    for piece in intervals.pieces(sorted(dates)):
        query = select(advisory.c.id, advisory.c.name).where(advisory.c.feed_id == feed_id, advisory.c.name.in_(piece))
        rows = [{"key": row.id, "dates": dates[row.name]} for row in connection.execute(query)]
        if rows:
            connection.execute(_RELIST, rows)


def encode_statement(statement: Statement) -> str:
    """Ranges and versions as JSON, the same text for the same statement."""
    return msgspec.json.encode([statement.ranges, sorted(statement.versions)]).decode()


def decode_statement(text: str) -> tuple[tuple[tuple[Event, ...], ...], frozenset[str]]:
    """What `encode_statement` wrote."""
    ranges, versions = _STATEMENTS.decode(text)
    return tuple(tuple(Event(kind, version) for kind, version in events) for events in ranges), frozenset(versions)


_STATEMENTS = msgspec.json.Decoder(tuple[list[list[tuple[EventKind, str]]], list[str]])
_TEXTS = msgspec.json.Decoder(Texts)


def decode_texts(content: bytes) -> Texts:
    """The texts of an advisory version."""
    return _TEXTS.decode(zlib.decompress(content))


def _content(record: Advisory) -> tuple[bytes, bytes]:
    """The texts as they are stored, and the digest of everything that makes a version another version."""
    texts = msgspec.json.encode(
        Texts(record.summary, record.details, record.aliases, record.upstream, record.references)
    )
    said = [(each.ecosystem, each.package, each.severity, encode_statement(each)) for each in record.statements]
    whole = msgspec.json.encode([record.published, record.withdrawn, record.severity, said])
    return zlib.compress(texts, 6), hashlib.sha256(whole + b"\x00" + texts).digest()[:16]


def _ids(connection: Connection, feed_id: int, names: Sequence[str]) -> dict[str, int]:
    """The ids of advisories by name; unknown ones get one."""
    rows = [{"name": name, "feed_id": feed_id} for name in names]
    connection.execute(insert(connection, advisory).on_conflict_do_nothing(), rows)
    query = select(advisory.c.id, advisory.c.name).where(advisory.c.feed_id == feed_id, advisory.c.name.in_(names))
    return {row.name: row.id for row in connection.execute(query)}


def _open_digests(connection: Connection, ids: Sequence[int]) -> dict[int, bytes]:
    query = select(advisory_version.c.advisory_id, advisory_version.c.digest).where(
        advisory_version.c.advisory_id.in_(ids), advisory_version.c.until_rev == OPEN
    )
    return {row.advisory_id: row.digest for row in connection.execute(query)}


def _insert(connection: Connection, news: Sequence[tuple[int, Upsert, bytes, bytes]], rev: int) -> None:
    versions: list[dict[str, Any]] = []
    statements: list[dict[str, Any]] = []
    links: list[dict[str, Any]] = []
    for key, change, texts, own in news:
        record = change.advisory
        versions.append(
            {
                "advisory_id": key,
                "listed": change.listed,
                "published": record.published,
                "withdrawn": record.withdrawn,
                "digest": own,
                "texts": texts,
            }
        )
        if record.withdrawn:
            continue
        statements += [_statement_row(key, each) for each in record.statements or _rating_alone(record)]
        named = classes.links(record.id, record.aliases, record.upstream)
        links += [{"advisory_id": key, "name": name, "kind": kind} for kind, name in named]
    intervals.begin(connection, advisory_version, versions, rev)
    intervals.begin(connection, affected, statements, rev)
    intervals.begin(connection, advisory_link, links, rev)


def _statement_row(key: int, statement: Statement) -> dict[str, Any]:
    return {
        "advisory_id": key,
        "ecosystem": statement.ecosystem,
        "package": statement.package,
        "severity": statement.severity,
        "statement": encode_statement(statement),
    }


def _rating_alone(record: Advisory) -> tuple[Statement, ...]:
    """A statement on no package, so that the rating of a record without packages counts in its class."""
    return () if record.severity is None else (Statement(record.id, 0, "", "", severity=record.severity),)


def statement_of(row: Row[Any]) -> Statement:
    """The statement of a row of `affected` that has the advisory's name as `advisory`."""
    ranges, versions = decode_statement(row.statement)
    severity = None if row.severity is None else Severity(row.severity)
    return Statement(row.advisory, row.from_rev, row.ecosystem, row.package, ranges, versions, severity)
