"""The advisory log: versions of advisories, what each says of packages, and which ids it names."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from assay.advisories.records import intervals
from assay.advisories.records.content import Change, Listed, Removal, Upsert
from assay.advisories.records.tables import OPEN, advisory, advisory_link, advisory_version, affected, member
from assay.storage import Json, insert

_VERSIONED = (advisory_version, affected, advisory_link)
_RELIST = (
    update(advisory_version)
    .where(advisory_version.c.advisory_id == bindparam("key"), advisory_version.c.until_rev == OPEN)
    .values(listed=bindparam("dates", type_=Json))
)


def apply(connection: Connection, feed_id: int, rev: int, changes: Sequence[Change]) -> None:
    """Write a batch of changes as of `rev`. Writing the same batch twice is the same as once."""
    if not changes:
        return
    ids = _ids(connection, feed_id, [change.name for change in changes])
    present = _open_digests(connection, list(ids.values()))
    news: list[tuple[int, Upsert]] = []
    ending: list[int] = []
    for change in changes:
        key = ids[change.name]
        if isinstance(change, Removal):
            ending.append(key)
            continue
        if present.get(key) == change.digest:
            connection.execute(_RELIST, {"key": key, "dates": change.listed})
        else:
            ending.append(key)
            news.append((key, change))
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


def relist(connection: Connection, feed_id: int, dates: Mapping[str, Listed]) -> None:
    """Note other dates for records that say the same as before."""
    if not dates:
        return
    for piece in intervals.pieces(sorted(dates)):
        query = select(advisory.c.id, advisory.c.name).where(advisory.c.feed_id == feed_id, advisory.c.name.in_(piece))
        rows = [{"key": row.id, "dates": dates[row.name]} for row in connection.execute(query)]
        if rows:
            connection.execute(_RELIST, rows)


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


def _insert(connection: Connection, news: Sequence[tuple[int, Upsert]], rev: int) -> None:
    versions = [
        {
            "advisory_id": key,
            "listed": new.listed,
            "published": new.published,
            "withdrawn": new.withdrawn,
            "digest": new.digest,
            "texts": new.texts,
        }
        for key, new in news
    ]
    statements = [{"advisory_id": key, **each._asdict()} for key, new in news for each in new.statements]
    links = [{"advisory_id": key, "kind": kind, "name": name} for key, new in news for kind, name in new.links]
    intervals.begin(connection, advisory_version, versions, rev)
    intervals.begin(connection, affected, statements, rev)
    intervals.begin(connection, advisory_link, links, rev)
