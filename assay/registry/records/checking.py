"""Statements of the check: rows that do not agree with other rows. Each is asked in one snapshot."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, or_, select, update

from assay.oci import Digest
from assay.registry.model import LifecycleState
from assay.registry.records import manifests
from assay.registry.records.manifests import Role
from assay.registry.records.purging import held_among, is_named
from assay.registry.records.tables import (
    blob,
    image,
    manifest,
    manifest_link,
    repository,
    repository_blob,
    repository_manifest,
    tag,
)

_PARTS = (Role.CHILD, Role.ATTESTATION)


@dataclass(frozen=True, slots=True)
class Counts:
    """What a repository says of itself, or what it should say."""

    images: int
    layers: int
    layers_bytes: int
    stored_bytes: int

    def __str__(self) -> str:
        return (
            f"images: {self.images}, layers: {self.layers} of {self.layers_bytes} bytes,"
            f" bytes stored: {self.stored_bytes}"
        )


def repositories_after(connection: Connection, after: str, *, rows_max: int) -> tuple[str, ...]:
    """OCIDs of repositories behind one, deleted ones included, in order."""
    query = select(repository.c.ocid).where(repository.c.ocid > after).order_by(repository.c.ocid).limit(rows_max)
    return tuple(connection.execute(query).scalars())


def counts_said(connection: Connection, ocid: str) -> Counts | None:
    """The counts in a repository's row; None when it is gone."""
    row = connection.execute(select(repository).where(repository.c.ocid == ocid)).one_or_none()
    if row is None:
        return None
    return Counts(row.image_count, row.layer_count, row.layers_bytes, row.stored_bytes)


def counts_summed(connection: Connection, ocid: str) -> Counts:
    """The counts of what lies in a repository."""
    images = select(func.count()).where(image.c.repository == ocid, image.c.lifecycle_state == LifecycleState.AVAILABLE)
    held = repository_blob.c.repository == ocid
    total = func.coalesce(func.sum(repository_blob.c.size), 0)
    layers = connection.execute(
        select(func.count().label("layers"), total.label("total")).where(held, repository_blob.c.layer_uses > 0)
    ).one()
    stored = connection.execute(select(total).where(held)).scalar_one()
    return Counts(connection.execute(images).scalar_one(), layers.layers, int(layers.total), int(stored))


def set_counts(connection: Connection, ocid: str, counts: Counts) -> None:
    """Correct the counts in a repository's row, which is locked."""
    connection.execute(
        update(repository)
        .where(repository.c.ocid == ocid)
        .values(
            image_count=counts.images,
            layer_count=counts.layers,
            layers_bytes=counts.layers_bytes,
            stored_bytes=counts.stored_bytes,
        )
    )


def layer_uses_said(connection: Connection, ocid: str) -> dict[str, int]:
    """Digest → how many images of a repository have it as a layer, as its rows say; blobs without one left out."""
    query = select(repository_blob.c.digest, repository_blob.c.layer_uses).where(
        repository_blob.c.repository == ocid, repository_blob.c.layer_uses != 0
    )
    return {row.digest: row.layer_uses for row in connection.execute(query)}


def layer_uses_counted(connection: Connection, ocid: str) -> dict[str, int]:
    """The same, counted from its images; blobs left out that the repository does not hold."""
    counted: Counter[str] = Counter()
    for digest in connection.execute(select(image.c.digest).where(image.c.repository == ocid)).scalars():
        counted.update(layer.text for layer in manifests.layers_of(connection, ocid, Digest(digest)))
    held = held_among(connection, ocid, counted)
    return {digest: images for digest, images in counted.items() if digest in held}


def blobs_without_row(ocid: str) -> Select[Any]:
    """Blobs that a repository holds and that have no row, or one of another size."""
    agrees = exists().where(blob.c.digest == repository_blob.c.digest, blob.c.size == repository_blob.c.size)
    return select(repository_blob.c.digest).where(repository_blob.c.repository == ocid, ~agrees)


def blobs_going(ocid: str) -> Select[Any]:
    """Blobs that go although a manifest names them, or stay although none does."""
    wrong = or_(
        repository_blob.c.time_goes.is_(None) & ~is_named(), repository_blob.c.time_goes.is_not(None) & is_named()
    )
    return select(repository_blob.c.digest).where(repository_blob.c.repository == ocid, wrong)


def manifests_without_bytes(ocid: str) -> Select[Any]:
    """Manifests that a repository holds and that are not stored, or in another size."""
    agrees = exists().where(
        manifest.c.digest == repository_manifest.c.digest, manifest.c.size == repository_manifest.c.size
    )
    return select(repository_manifest.c.digest).where(repository_manifest.c.repository == ocid, ~agrees)


def blobs_missing(ocid: str) -> Select[Any]:
    """Blobs that a manifest of a repository names, and that it does not hold; or not serve, while it serves that."""
    held = exists().where(
        repository_blob.c.repository == ocid,
        repository_blob.c.digest == manifest_link.c.target,
        or_(repository_blob.c.time_deleted.is_(None), repository_manifest.c.time_deleted.is_not(None)),
    )
    return _named(ocid, (Role.CONFIG, Role.LAYER)).where(~held)


def children_missing(ocid: str) -> Select[Any]:
    """Manifests that an index of a repository names, and that it does not hold; or not serve, while it serves that."""
    child = repository_manifest.alias("child")
    held = exists().where(
        child.c.repository == ocid,
        child.c.digest == manifest_link.c.target,
        or_(child.c.time_deleted.is_(None), repository_manifest.c.time_deleted.is_not(None)),
    )
    return _named(ocid, _PARTS).where(~held)


def tags_of_nothing(ocid: str) -> Select[Any]:
    """Tags that name what a repository does not serve."""
    return select(tag.c.name).where(tag.c.repository == ocid, ~_served(ocid, tag.c.digest))


def images_of_nothing(ocid: str) -> Select[Any]:
    """Images whose manifest a repository does not hold; or not serve, while they are available."""
    held = exists().where(
        repository_manifest.c.repository == ocid,
        repository_manifest.c.digest == image.c.digest,
        or_(repository_manifest.c.time_deleted.is_(None), image.c.lifecycle_state != LifecycleState.AVAILABLE),
    )
    return select(image.c.ocid).where(image.c.repository == ocid, ~held)


def blobs_that_never_go() -> Select[Any]:
    """Blobs that no repository holds, and whose grace has not begun."""
    held = exists().where(repository_blob.c.digest == blob.c.digest)
    return select(blob.c.digest).where(blob.c.time_unreferenced.is_(None), ~held)


def manifests_of_nobody() -> Select[Any]:
    """Stored manifests that no repository holds."""
    return select(manifest.c.digest).where(~exists().where(repository_manifest.c.digest == manifest.c.digest))


def links_of_nothing() -> Select[Any]:
    """What is said of manifests that are not stored."""
    stored = exists().where(manifest.c.digest == manifest_link.c.manifest)
    return select(manifest_link.c.manifest).where(~stored).distinct()


def found(connection: Connection, query: Select[Any], *, rows_max: int) -> tuple[str, ...]:
    """What a query of this module finds."""
    return tuple(connection.execute(query.limit(rows_max)).scalars())


def _named(ocid: str, roles: tuple[Role, ...]) -> Select[Any]:
    """What the manifests of a repository name."""
    held = manifest_link.join(repository_manifest, repository_manifest.c.digest == manifest_link.c.manifest)
    return (
        select(manifest_link.c.target)
        .select_from(held)
        .where(repository_manifest.c.repository == ocid, manifest_link.c.role.in_(roles))
        .distinct()
    )


def _served(ocid: str, digest: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(
        repository_manifest.c.repository == ocid,
        repository_manifest.c.digest == digest,
        repository_manifest.c.time_deleted.is_(None),
    )
