"""Statements on blobs: which there are, which repository holds them, how many images have them as a layer.

Those that every request runs are built once, since building costs most.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Insert, and_, bindparam, func, or_, select, update
from sqlalchemy.sql.dml import ReturningInsert

from assay.clock import HOUR, Instant
from assay.oci import Digest
from assay.registry.model import Layer, Repository
from assay.registry.records.tables import blob, repository_blob
from assay.storage import insert

#: Both databases take far more bound values in one statement; this keeps statements readable in logs.
VALUES_MAX = 500
#: A blob that goes so soon is not shown to whoever asks whether to send it: its manifest might come too late.
SHOWN_MICROSECONDS_MIN = HOUR

T = TypeVar("T")

_HERE = and_(repository_blob.c.repository == bindparam("place"), repository_blob.c.digest == bindparam("of"))
_SHOWN = select(repository_blob.c.size, repository_blob.c.time_goes).where(
    _HERE,
    repository_blob.c.time_deleted.is_(None),
    or_(repository_blob.c.time_goes.is_(None), repository_blob.c.time_goes > bindparam("soon")),
)
_SHOW = update(repository_blob).where(_HERE, repository_blob.c.time_deleted.is_not(None)).values(time_deleted=None)
_PUT_OFF = (
    update(repository_blob)
    .where(_HERE, repository_blob.c.time_goes.is_not(None))
    .values(time_goes=bindparam("later", type_=repository_blob.c.time_goes.type))
)


class _Adding(NamedTuple):
    """The statements that add a blob, and a repository's hold of it."""

    blob: Insert
    held: ReturningInsert[tuple[str]]


_built: dict[str, _Adding] = {}


def _adding(connection: Connection) -> _Adding:
    """Built once for each SQL dialect."""
    dialect = connection.dialect.name
    if dialect not in _built:
        added = insert(connection, blob)
        _built[dialect] = _Adding(
            added.on_conflict_do_update(index_elements=[blob.c.digest], set_={"time_unreferenced": None}),
            insert(connection, repository_blob).on_conflict_do_nothing().returning(repository_blob.c.digest),
        )
    return _built[dialect]


@dataclass(frozen=True, slots=True)
class Held:
    """What came of holding a blob: whether the repository did not hold it before, or held it and did not serve it."""

    is_new: bool
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The size of a blob that is shown, and until when it is, if nothing changes; None for ever."""

    size: int
    until: Instant | None


@dataclass(frozen=True, slots=True)
class LayerChange:
    """How a repository's layer counts change."""

    layers: int
    layers_bytes: int


def in_runs(values: Collection[T]) -> Iterator[Sequence[T]]:
    """`values` in runs of at most `VALUES_MAX`."""
    listed = list(values)
    for start in range(0, len(listed), VALUES_MAX):
        yield listed[start : start + VALUES_MAX]


def hold(
    connection: Connection, repository: Repository, digest: Digest, size: int, now: Instant, *, goes: Instant
) -> Held:
    """Let a repository hold and serve a blob that the store has.

    It goes again at `goes`, unless a manifest comes to name it. The blob's row is locked until the transaction ends.
    """
    adding = _adding(connection)
    connection.execute(adding.blob, {"digest": digest.text, "size": size, "time_created": now})
    row = {
        "repository": repository.ocid,
        "digest": digest.text,
        "tenancy": repository.tenancy,
        "compartment": repository.compartment,
        "size": size,
        "layer_uses": 0,
        "time_created": now,
        "time_goes": goes,
    }
    if connection.execute(adding.held, row).one_or_none() is not None:
        return Held(is_new=True)
    at = {"place": repository.ocid, "of": digest.text}
    back = connection.execute(_SHOW, at)
    connection.execute(_PUT_OFF, {**at, "later": goes})
    return Held(is_new=False, is_back=back.rowcount == 1)


def name(connection: Connection, repository: str, digests: Collection[Digest]) -> None:
    """A manifest of the repository names these blobs: none of them goes."""
    for run in in_runs({digest.text for digest in digests}):
        connection.execute(
            update(repository_blob)
            .where(
                repository_blob.c.repository == repository,
                repository_blob.c.digest.in_(run),
                repository_blob.c.time_goes.is_not(None),
            )
            .values(time_goes=None)
        )


def sizes(connection: Connection, repository: str, digests: Collection[Digest]) -> dict[Digest, int]:
    """The sizes of those of `digests` that the repository holds and serves."""
    found: dict[Digest, int] = {}
    for run in in_runs({digest.text for digest in digests}):
        rows = connection.execute(
            select(repository_blob.c.digest, repository_blob.c.size).where(
                repository_blob.c.repository == repository,
                repository_blob.c.digest.in_(run),
                repository_blob.c.time_deleted.is_(None),
            )
        )
        found.update((Digest(row.digest), row.size) for row in rows)
    return found


def shown(connection: Connection, repository: str, digest: Digest, now: Instant) -> Shown | None:
    """A blob that the repository holds, serves, and will go on serving for a while."""
    asked = {"place": repository, "of": digest.text, "soon": now + SHOWN_MICROSECONDS_MIN}
    found = connection.execute(_SHOWN, asked).one_or_none()
    if found is None:
        return None
    until = found.time_goes - SHOWN_MICROSECONDS_MIN if found.time_goes is not None else None
    return Shown(int(found.size), Instant(until) if until is not None else None)


def holders(connection: Connection, tenancy: str, digest: Digest, *, rows_max: int) -> tuple[str, ...]:
    """OCIDs of some repositories of a tenancy that hold and serve a blob."""
    query = (
        select(repository_blob.c.repository)
        .where(
            repository_blob.c.tenancy == tenancy,
            repository_blob.c.digest == digest.text,
            repository_blob.c.time_deleted.is_(None),
        )
        .order_by(repository_blob.c.repository)
        .limit(rows_max)
    )
    return tuple(connection.execute(query).scalars())


def drop(connection: Connection, repository: str, digest: Digest, now: Instant) -> bool:
    """Serve a blob no longer; whether it was served. Its row stays, for images that may be restored."""
    marked = connection.execute(
        update(repository_blob)
        .where(
            repository_blob.c.repository == repository,
            repository_blob.c.digest == digest.text,
            repository_blob.c.time_deleted.is_(None),
        )
        .values(time_deleted=now)
    )
    return marked.rowcount == 1


def revive(connection: Connection, repository: str, digests: Collection[Digest]) -> None:
    """Serve blobs of a restored image again."""
    for run in in_runs({digest.text for digest in digests}):
        connection.execute(
            update(repository_blob)
            .where(repository_blob.c.repository == repository, repository_blob.c.digest.in_(run))
            .values(time_deleted=None)
        )


def use_layers(connection: Connection, repository: str, digests: Collection[Digest]) -> LayerChange:
    """Count one more image that has these layers; how the repository's counts of layers in use grow."""
    layers = total = 0
    for run in in_runs({digest.text for digest in digests}):
        here = and_(repository_blob.c.repository == repository, repository_blob.c.digest.in_(run))
        fresh = connection.execute(
            select(
                func.count().label("layers"), func.coalesce(func.sum(repository_blob.c.size), 0).label("total")
            ).where(here, repository_blob.c.layer_uses == 0)
        ).one()
        layers, total = layers + fresh.layers, total + int(fresh.total)
        connection.execute(update(repository_blob).where(here).values(layer_uses=repository_blob.c.layer_uses + 1))
    return LayerChange(layers, total)


def layers(connection: Connection, repository: str, digests: Collection[Digest]) -> tuple[Layer, ...]:
    """Those of `digests` that the repository has, served or not, in order of digest."""
    found: list[Layer] = []
    for run in in_runs({digest.text for digest in digests}):
        rows = connection.execute(
            select(repository_blob.c.digest, repository_blob.c.size, repository_blob.c.time_created).where(
                repository_blob.c.repository == repository, repository_blob.c.digest.in_(run)
            )
        )
        found.extend(Layer(Digest(row.digest), row.size, row.time_created) for row in rows)
    return tuple(sorted(found, key=lambda layer: layer.digest))
