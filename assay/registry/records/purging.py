"""Statements of the purge: what may go for good from repositories, and its going."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, delete, exists, func, or_, select, update

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.model import LifecycleState
from assay.registry.records.blobs import LayerChange, in_runs
from assay.registry.records.manifests import Role
from assay.registry.records.tables import (
    damage,
    image,
    manifest,
    manifest_link,
    repository,
    repository_blob,
    repository_manifest,
    tag,
    tag_move,
    upload,
)

_PARTS = (Role.CHILD, Role.ATTESTATION)
_BLOBS = (Role.CONFIG, Role.LAYER, Role.FOREIGN_LAYER)
#: What lies in a repository; the purge of a deleted one ends when none has a row of it.
_CONTENTS = (image, repository_manifest, repository_blob, tag, tag_move, upload)


def due_images(connection: Connection, horizon: Instant, *, rows_max: int) -> tuple[tuple[str, str], ...]:
    """Images (tenancy, OCID) that were deleted before `horizon`, longest first."""
    query = (
        select(image.c.tenancy, image.c.ocid)
        .where(image.c.time_deleted < horizon, image.c.lifecycle_state == LifecycleState.DELETED)
        .order_by(image.c.time_deleted, image.c.ocid)
        .limit(rows_max)
    )
    return tuple((row.tenancy, row.ocid) for row in connection.execute(query))


def remove_image(connection: Connection, ocid: str) -> None:
    """Forget an image."""
    connection.execute(delete(image).where(image.c.ocid == ocid))


def disuse_layers(connection: Connection, repository_ocid: str, digests: Collection[Digest]) -> LayerChange:
    """Count one image less that has these layers; by how much the repository's counts of layers in use shrink."""
    layers = total = 0
    for run in in_runs({digest.text for digest in digests}):
        here = (repository_blob.c.repository == repository_ocid) & repository_blob.c.digest.in_(run)
        last = connection.execute(
            select(
                func.count().label("layers"), func.coalesce(func.sum(repository_blob.c.size), 0).label("total")
            ).where(here, repository_blob.c.layer_uses == 1)
        ).one()
        layers, total = layers + last.layers, total + int(last.total)
        connection.execute(
            update(repository_blob)
            .where(here, repository_blob.c.layer_uses > 0)
            .values(layer_uses=repository_blob.c.layer_uses - 1)
        )
    return LayerChange(layers, total)


def due_manifests(connection: Connection, horizon: Instant, *, rows_max: int) -> tuple[tuple[str, str, str], ...]:
    """Manifests (tenancy, repository, digest) that were deleted before `horizon` and that nothing in their repository
    needs, longest first."""
    query = (
        _due_manifests(horizon)
        .order_by(repository_manifest.c.time_deleted, repository_manifest.c.repository, repository_manifest.c.digest)
        .limit(rows_max)
    )
    return tuple((row.tenancy, row.repository, row.digest) for row in connection.execute(query))


def deleted_since(connection: Connection, repository_ocid: str, digest: Digest, horizon: Instant) -> Instant | None:
    """When a manifest was deleted that is due still; None when it is not."""
    query = _due_manifests(horizon).where(
        repository_manifest.c.repository == repository_ocid, repository_manifest.c.digest == digest.text
    )
    row = connection.execute(query).one_or_none()
    return Instant(row.time_deleted) if row is not None else None


def pushed_since(
    connection: Connection, repository_ocid: str, digests: Collection[Digest], since: Instant
) -> frozenset[Digest]:
    """Those of these manifests that were pushed after `since`."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in digests}):
        query = select(repository_manifest.c.digest).where(
            repository_manifest.c.repository == repository_ocid,
            repository_manifest.c.digest.in_(run),
            repository_manifest.c.time_last_pushed > since,
        )
        found.update(map(Digest, connection.execute(query).scalars()))
    return frozenset(found)


def remove_manifest(connection: Connection, repository_ocid: str, digest: Digest, *, goes: Instant) -> None:
    """Let a repository hold a manifest no more, and forget its bytes where none does.

    Blobs that no other manifest of the repository names go at `goes`. The repository's row is locked by the caller.
    """
    named = set(
        connection.execute(
            select(manifest_link.c.target).where(
                manifest_link.c.manifest == digest.text, manifest_link.c.role.in_(_BLOBS)
            )
        ).scalars()
    )
    connection.execute(
        delete(repository_manifest).where(
            repository_manifest.c.repository == repository_ocid, repository_manifest.c.digest == digest.text
        )
    )
    for run in in_runs(named):
        connection.execute(
            update(repository_blob)
            .where(repository_blob.c.repository == repository_ocid, repository_blob.c.digest.in_(run), ~is_named())
            .values(time_goes=goes)
        )
    # Locked before it is looked at: of two repositories that let go of it at once, the second one sees the first.
    connection.execute(select(manifest.c.digest).where(manifest.c.digest == digest.text).with_for_update()).all()
    if not connection.execute(select(exists().where(repository_manifest.c.digest == digest.text))).scalar_one():
        for table, column in ((manifest_link, "manifest"), (manifest, "digest")):
            connection.execute(delete(table).where(table.c[column] == digest.text))
        connection.execute(delete(damage).where(damage.c.digest == digest.text, damage.c.kind == "manifest"))


def repositories_with_due_blobs(connection: Connection, now: Instant, *, rows_max: int) -> tuple[str, ...]:
    """Some repositories that hold blobs which no manifest came to name in time."""
    due = (
        select(repository_blob.c.repository)
        .where(repository_blob.c.time_goes <= now)
        .order_by(repository_blob.c.time_goes)
        .limit(rows_max)
    )
    return tuple(dict.fromkeys(connection.execute(due).scalars()))


def remove_blobs(
    connection: Connection, repository_ocid: str, now: Instant, *, rows_max: int
) -> tuple[frozenset[Digest], int]:
    """Let a repository, whose row is locked, hold no more what is due; which blobs, and how many bytes they have."""
    here = (repository_blob.c.repository == repository_ocid) & (repository_blob.c.time_goes <= now)
    rows = connection.execute(
        select(repository_blob.c.digest, repository_blob.c.size)
        .where(here)
        .order_by(repository_blob.c.time_goes, repository_blob.c.digest)
        .limit(rows_max)
    ).all()
    for run in in_runs([row.digest for row in rows]):
        some = here & repository_blob.c.digest.in_(run)
        # Whoever names a blob says so in its row; this is the second lock on a door that must not open.
        connection.execute(update(repository_blob).where(some, or_(is_named(), _is_used())).values(time_goes=None))
        connection.execute(delete(repository_blob).where(some))
    kept = set(held_among(connection, repository_ocid, [row.digest for row in rows]))
    gone = [row for row in rows if row.digest not in kept]
    return frozenset(Digest(row.digest) for row in gone), sum(row.size for row in gone)


def keep_if_named(connection: Connection, repository_ocid: str, digest: Digest) -> bool:
    """Let a blob go no more if a manifest of the repository names it; whether one does."""
    kept = connection.execute(_KEEP_IF_NAMED, {"here": repository_ocid, "of": digest.text})
    return kept.rowcount == 1


def held_among(connection: Connection, repository_ocid: str, digests: Collection[str]) -> frozenset[str]:
    """Those of `digests` that the repository holds, served or not."""
    found: set[str] = set()
    for run in in_runs(digests):
        query = select(repository_blob.c.digest).where(
            repository_blob.c.repository == repository_ocid, repository_blob.c.digest.in_(run)
        )
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def due_repositories(connection: Connection, horizon: Instant, *, rows_max: int) -> tuple[tuple[str, str], ...]:
    """Repositories (tenancy, OCID) that were deleted before `horizon`, longest first."""
    query = (
        select(repository.c.tenancy, repository.c.ocid)
        .where(repository.c.lifecycle_state == LifecycleState.DELETED, repository.c.time_deleted < horizon)
        .order_by(repository.c.time_deleted, repository.c.ocid)
        .limit(rows_max)
    )
    return tuple((row.tenancy, row.ocid) for row in connection.execute(query))


def repository_deleted(connection: Connection, ocid: str, horizon: Instant) -> Instant | None:
    """When a repository was deleted, if that was before `horizon`."""
    query = select(repository.c.time_deleted).where(
        repository.c.ocid == ocid,
        repository.c.lifecycle_state == LifecycleState.DELETED,
        repository.c.time_deleted < horizon,
    )
    return connection.execute(query).scalar_one_or_none()


def empty(connection: Connection, repository_ocid: str, deleted_at: Instant, *, rows_max: int) -> int:
    """Take some tags, lines of their history, and served manifests out of a deleted repository; how many."""
    names = select(tag.c.name).where(tag.c.repository == repository_ocid).limit(rows_max)
    taken = connection.execute(delete(tag).where(tag.c.repository == repository_ocid, tag.c.name.in_(names))).rowcount
    moves = select(tag_move.c.id).where(tag_move.c.repository == repository_ocid).limit(rows_max)
    taken += connection.execute(delete(tag_move).where(tag_move.c.id.in_(moves))).rowcount
    served = (
        select(repository_manifest.c.digest)
        .where(repository_manifest.c.repository == repository_ocid, repository_manifest.c.time_deleted.is_(None))
        .limit(rows_max)
    )
    taken += connection.execute(
        update(repository_manifest)
        .where(repository_manifest.c.repository == repository_ocid, repository_manifest.c.digest.in_(served))
        .values(time_deleted=deleted_at, settle_at=None)
    ).rowcount
    return taken


def is_empty(connection: Connection, repository_ocid: str) -> bool:
    """Whether nothing lies in a repository any more."""
    return not any(
        connection.execute(select(exists().where(table.c.repository == repository_ocid))).scalar_one()
        for table in _CONTENTS
    )


def remove_repository(connection: Connection, ocid: str) -> None:
    """Forget a repository in which nothing lies."""
    connection.execute(delete(repository).where(repository.c.ocid == ocid))


def _due_manifests(horizon: Instant) -> Select[Any]:
    parent = repository_manifest.alias("parent")
    names_it = (
        select(1)
        .select_from(manifest_link.join(parent, parent.c.digest == manifest_link.c.manifest))
        .where(
            manifest_link.c.target == repository_manifest.c.digest,
            manifest_link.c.role.in_(_PARTS),
            parent.c.repository == repository_manifest.c.repository,
        )
    )
    return select(repository_manifest).where(
        repository_manifest.c.time_deleted < horizon,
        ~exists(names_it),
        ~_is_here(image),
        ~_is_here(tag),
    )


def _is_here(table: Table) -> ColumnElement[bool]:
    """That an image or tag of the manifest's repository is of its digest."""
    return exists(
        select(1).where(
            table.c.repository == repository_manifest.c.repository, table.c.digest == repository_manifest.c.digest
        )
    )


def is_named() -> ColumnElement[bool]:
    """That a manifest which the blob's repository has, served or not, names the blob."""
    return exists(
        select(1)
        .select_from(manifest_link.join(repository_manifest, repository_manifest.c.digest == manifest_link.c.manifest))
        .where(
            manifest_link.c.target == repository_blob.c.digest,
            manifest_link.c.role.in_(_BLOBS),
            repository_manifest.c.repository == repository_blob.c.repository,
        )
    )


#: Built once: every push runs it.
_KEEP_IF_NAMED = (
    update(repository_blob)
    .where(repository_blob.c.repository == bindparam("here"), repository_blob.c.digest == bindparam("of"), is_named())
    .values(time_goes=None)
)


def _is_used() -> ColumnElement[bool]:
    return repository_blob.c.layer_uses > 0
