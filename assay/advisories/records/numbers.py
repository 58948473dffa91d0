"""The numbers of revisions: published, in preparation, and how far."""

from sqlalchemy import Connection, and_, delete, func, select, update

from assay.advisories.records.tables import feed_revision, feed_state, touched
from assay.clock import Instant
from assay.storage import insert


def state(connection: Connection) -> tuple[int, int | None]:
    """(published, preparing); (0, None) before the first revision."""
    row = connection.execute(select(feed_state.c.published, feed_state.c.preparing)).one_or_none()
    return (0, None) if row is None else (row.published, row.preparing)


def set_state(connection: Connection, published: int, preparing: int | None) -> None:
    """Write both numbers."""
    values = {"published": published, "preparing": preparing}
    connection.execute(
        insert(connection, feed_state)
        .values(id=1, **values)
        .on_conflict_do_update(index_elements=[feed_state.c.id], set_=values)
    )


def begin(connection: Connection, rev: int, now: Instant) -> None:
    """Open the books of a revision, at phase 1."""
    connection.execute(feed_revision.insert().values(rev=rev, phase=1, cursor=0, time_begun=now))


def phase(connection: Connection, rev: int) -> tuple[int, int] | None:
    """(phase, cursor) of a revision, or None when there is no such revision."""
    row = connection.execute(
        select(feed_revision.c.phase, feed_revision.c.cursor).where(feed_revision.c.rev == rev)
    ).one_or_none()
    return None if row is None else (row.phase, row.cursor)


def applying(connection: Connection) -> bool:
    """Whether a revision is in preparation whose advisories are not all written."""
    query = select(feed_revision.c.rev).join(feed_state, feed_state.c.preparing == feed_revision.c.rev)
    return connection.execute(query.where(feed_revision.c.phase == 1)).one_or_none() is not None


def save_phase(connection: Connection, rev: int, reached: int, cursor: int) -> None:
    """Note how far a revision has come."""
    connection.execute(update(feed_revision).where(feed_revision.c.rev == rev).values(phase=reached, cursor=cursor))


def drop(connection: Connection, rev: int) -> None:
    """Close the books of an abandoned revision, as if it had never begun."""
    untouch(connection, rev)
    connection.execute(delete(feed_revision).where(feed_revision.c.rev == rev))


def touch(connection: Connection, rev: int, vulnerability_ids: set[int]) -> None:
    """Add to what a revision must evaluate anew."""
    if vulnerability_ids:
        rows = [{"rev": rev, "vulnerability_id": each} for each in sorted(vulnerability_ids)]
        connection.execute(insert(connection, touched).on_conflict_do_nothing(), rows)


def untouch(connection: Connection, rev: int) -> None:
    """Forget what a revision must evaluate anew."""
    connection.execute(delete(touched).where(touched.c.rev == rev))


def forget_touched(connection: Connection, rev: int, limit: int) -> int:
    """Forget what revisions up to `rev` evaluated anew, of the oldest such revision at most `limit`; how many rows."""
    oldest = connection.execute(select(func.min(touched.c.rev)).where(touched.c.rev <= rev)).scalar_one()
    if oldest is None:
        return 0
    ids = touched_after(connection, oldest, 0, limit)
    condition = and_(touched.c.rev == oldest, touched.c.vulnerability_id <= ids[-1])
    return connection.execute(delete(touched).where(condition)).rowcount


def touched_after(connection: Connection, rev: int, after_id: int, limit: int) -> tuple[int, ...]:
    """Vulnerability ids that a revision touches, from `after_id` on, ascending."""
    query = (
        select(touched.c.vulnerability_id)
        .where(touched.c.rev == rev, touched.c.vulnerability_id > after_id)
        .order_by(touched.c.vulnerability_id)
        .limit(limit)
    )
    return tuple(connection.execute(query).scalars())
