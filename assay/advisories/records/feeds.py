"""Feeds: their settings, how their last runs went, and the records that they could not give us."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, select, update

from assay.advisories.records import intervals
from assay.advisories.records.content import Listed
from assay.advisories.records.tables import feed, feed_refusal
from assay.clock import Instant
from assay.storage import insert


class Refusal(NamedTuple):
    """A record that could not be taken in, and why. `again`: the next run shall look for it once more."""

    name: str
    listed: Listed
    reason: str
    again: bool


def rows(connection: Connection) -> Sequence[Row[Any]]:
    """All enabled feeds, by name."""
    return connection.execute(select(feed).where(feed.c.enabled.is_(True)).order_by(feed.c.name)).all()


def row(connection: Connection, name: str) -> Row[Any] | None:
    """One feed."""
    return connection.execute(select(feed).where(feed.c.name == name)).one_or_none()


def configure(
    connection: Connection, name: str, source: str, ecosystems: Sequence[str], refresh_seconds: int, now: Instant
) -> None:
    """Add a feed, due at once, or give it these settings; one whose source is another is due at once too."""
    found = row(connection, name)
    settings = {
        "source": source,
        "ecosystems": list(ecosystems),
        "refresh_seconds": refresh_seconds,
        "enabled": True,
    }
    if found is None:
        connection.execute(
            feed.insert().values(
                name=name, **settings, next_run=now, last_error="", etags={}, taken_source="", advisories=0
            )
        )
        return
    moved = (found.source, found.ecosystems) != (source, list(ecosystems))
    fresh: dict[str, Any] = {"etags": {}, "next_run": now} if moved or not found.enabled else {}
    if not fresh and found.last_run is not None:
        fresh = {"next_run": min(found.next_run, found.last_run + refresh_seconds * 1_000_000)}
    connection.execute(update(feed).where(feed.c.id == found.id).values(**settings, **fresh))


def disable_others(connection: Connection, names: Collection[str]) -> None:
    """Read no feed but these."""
    connection.execute(update(feed).where(feed.c.name.not_in(names)).values(enabled=False))


def note_run(connection: Connection, feed_id: int, **values: Any) -> None:
    """Write how a run went, or what it took in."""
    connection.execute(update(feed).where(feed.c.id == feed_id).values(**values))


def forget_validators(connection: Connection) -> None:
    """Read all feeds afresh next time."""
    connection.execute(update(feed).values(etags={}))


def refusals(connection: Connection, feed_id: int) -> tuple[Refusal, ...]:
    """The records of a feed that could not be taken in, by name."""
    query = select(feed_refusal).where(feed_refusal.c.feed_id == feed_id).order_by(feed_refusal.c.name)
    return tuple(Refusal(each.name, each.listed, each.reason, each.again) for each in connection.execute(query))


def count_refusals(connection: Connection, *, again: bool) -> Mapping[int, int]:
    """How many there are, by feed."""
    query = (
        select(feed_refusal.c.feed_id, func.count().label("number"))
        .where(feed_refusal.c.again.is_(again))
        .group_by(feed_refusal.c.feed_id)
    )
    return {each.feed_id: each.number for each in connection.execute(query)}


def replace_refusals(
    connection: Connection, feed_id: int, settled: Collection[str], refused: Collection[Refusal], now: Instant
) -> None:
    """Forget the refusals of what is settled now, and note new ones."""
    for piece in intervals.pieces({*settled, *(each.name for each in refused)}):
        connection.execute(
            delete(feed_refusal).where(feed_refusal.c.feed_id == feed_id, feed_refusal.c.name.in_(piece))
        )
    values = [{"feed_id": feed_id, "time": now, **each._asdict()} for each in refused]
    if values:
        connection.execute(insert(connection, feed_refusal), values)
