"""Statements of collection on blobs: claimed, let go, taken in where only the store knew them, removed."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, select, update

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.records.blobs import in_runs
from assay.registry.records.tables import blob, repository_blob, upload
from assay.storage import insert

#: Built once: every push asks it.
_SIZE = select(blob.c.size).where(blob.c.digest == bindparam("of"))


def is_known(connection: Connection, digest: Digest) -> bool:
    """Whether a blob has a row, held by a repository or not."""
    return connection.execute(_SIZE, {"of": digest.text}).one_or_none() is not None


def claim(connection: Connection, digest: Digest, now: Instant) -> None:
    """Let a blob's grace begin now, if it has a row."""
    connection.execute(update(blob).where(blob.c.digest == digest.text).values(time_unreferenced=now))


def lock_blob(connection: Connection, digest: Digest) -> bool:
    """Hold a blob's row until the transaction ends; whether there is one."""
    query = select(blob.c.digest).where(blob.c.digest == digest.text).with_for_update()
    return connection.execute(query).one_or_none() is not None


def is_held(connection: Connection, digest: Digest) -> bool:
    """Whether a repository holds a blob."""
    return connection.execute(select(exists().where(repository_blob.c.digest == digest.text))).scalar_one()


def let_go(connection: Connection, digests: Collection[Digest], now: Instant) -> None:
    """Begin the grace of those of these blobs that no repository holds any more.

    To be called in the transaction in which repositories let go of them. The rows are locked before they are looked
    at, so of two transactions that take away the last two holders the second one sees it; in order of digest, so that
    the two don't wait for one another.
    """
    for run in in_runs(sorted({digest.text for digest in digests})):
        connection.execute(
            select(blob.c.digest).where(blob.c.digest.in_(run)).order_by(blob.c.digest).with_for_update()
        ).all()
        connection.execute(update(blob).where(blob.c.digest.in_(run), ~_is_held()).values(time_unreferenced=now))


def take_in(connection: Connection, sizes: Mapping[Digest, int], now: Instant) -> None:
    """Give rows to blobs that the store has and no row names; their grace begins."""
    for run in in_runs(sorted(sizes.items())):
        rows = [
            {"digest": digest.text, "size": size, "time_created": now, "time_unreferenced": now} for digest, size in run
        ]
        connection.execute(insert(connection, blob).on_conflict_do_nothing(), rows)


def unknown_among(connection: Connection, digests: Collection[Digest]) -> frozenset[Digest]:
    """Those of `digests` that have no row."""
    known: set[str] = set()
    for run in in_runs({digest.text for digest in digests}):
        known.update(connection.execute(select(blob.c.digest).where(blob.c.digest.in_(run))).scalars())
    return frozenset(digest for digest in digests if digest.text not in known)


def due(connection: Connection, horizon: Instant, *, rows_max: int) -> tuple[Digest, ...]:
    """Blobs whose grace began at `horizon` or before, longest first."""
    query = (
        select(blob.c.digest)
        .where(blob.c.time_unreferenced <= horizon)
        .order_by(blob.c.time_unreferenced, blob.c.digest)
        .limit(rows_max)
    )
    return tuple(map(Digest, connection.execute(query).scalars()))


def due_size(connection: Connection, digest: Digest, horizon: Instant) -> int | None:
    """The size of a blob that may go, else None: lock its row, and look again.

    One that was claimed, and that a repository holds all the same, is due no more.
    """
    here = blob.c.digest == digest.text
    row = connection.execute(select(blob.c.size, blob.c.time_unreferenced).where(here).with_for_update()).one_or_none()
    if row is None or row.time_unreferenced is None or row.time_unreferenced > horizon:
        return None
    if is_held(connection, digest):
        connection.execute(update(blob).where(here).values(time_unreferenced=None))
        return None
    return int(row.size)


def remove(connection: Connection, digest: Digest) -> None:
    """Forget a blob."""
    connection.execute(delete(blob).where(blob.c.digest == digest.text))


def sessionless(connection: Connection, uploads: Collection[str]) -> frozenset[str]:
    """Those ids of uploads that no session has."""
    known: set[str] = set()
    for run in in_runs(set(uploads)):
        known.update(connection.execute(select(upload.c.id).where(upload.c.id.in_(run))).scalars())
    return frozenset(uploads) - known


def _is_held() -> ColumnElement[bool]:
    return exists().where(repository_blob.c.digest == blob.c.digest)
