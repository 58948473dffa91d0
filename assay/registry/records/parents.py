"""Statements on what stands above: manifests of a repository that name something, and the images that they are part of.

A manifest counts here while the repository holds it, served or not: what is deleted may be restored.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from assay.oci import Digest
from assay.registry.model import LifecycleState
from assay.registry.records.blobs import in_runs
from assay.registry.records.manifests import Role
from assay.registry.records.tables import image, manifest_link, repository_blob, repository_manifest

PARTS = (Role.CHILD, Role.ATTESTATION)
BLOBS = (Role.CONFIG, Role.LAYER, Role.FOREIGN_LAYER)
#: Built once: every push of a manifest runs it.
_NAMING = (
    select(manifest_link.c.manifest)
    .join(repository_manifest, repository_manifest.c.digest == manifest_link.c.manifest)
    .where(
        repository_manifest.c.repository == bindparam("here"),
        manifest_link.c.target.in_(bindparam("targets", expanding=True)),
        manifest_link.c.role.in_(bindparam("roles", expanding=True)),
    )
)


@dataclass(frozen=True, slots=True)
class Bearer:
    """An image, by OCID, that is not purged."""

    ocid: str
    digest: Digest
    is_available: bool


def naming(
    connection: Connection, repository: str, targets: Collection[Digest], roles: tuple[Role, ...]
) -> frozenset[Digest]:
    """The manifests of a repository that name one of `targets` as one of `roles`."""
    found: set[Digest] = set()
    for run in in_runs({target.text for target in targets}):
        rows = connection.execute(_NAMING, {"here": repository, "targets": run, "roles": roles})
        found.update(map(Digest, rows.scalars()))
    return frozenset(found)


def bearers(connection: Connection, repository: str, manifests: Collection[Digest]) -> tuple[Bearer, ...]:
    """The images that these manifests are, or are a platform of, however deep; in order of digests.

    Their rows are locked until the transaction ends, in the order in which pulls are counted in them.
    """
    seen = level = frozenset(manifests)
    while level:
        level = naming(connection, repository, level, (Role.CHILD,)) - seen
        seen |= level
    found: list[Bearer] = []
    for run in in_runs(sorted(digest.text for digest in seen)):
        query = (
            select(image.c.ocid, image.c.digest, image.c.lifecycle_state)
            .where(image.c.repository == repository, image.c.digest.in_(run))
            .order_by(image.c.digest, image.c.ocid)
            .with_for_update()
        )
        found.extend(
            Bearer(row.ocid, Digest(row.digest), row.lifecycle_state == LifecycleState.AVAILABLE)
            for row in connection.execute(query)
        )
    return tuple(found)


def deepen(connection: Connection, repository: str, indexes: Collection[Digest], nesting: int) -> frozenset[Digest]:
    """Note that these indexes are nested at least so deep; those of which that was not known."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in indexes}):
        statement = (
            update(repository_manifest)
            .where(
                repository_manifest.c.repository == repository,
                repository_manifest.c.digest.in_(run),
                repository_manifest.c.nesting < nesting,
            )
            .values(nesting=nesting)
            .returning(repository_manifest.c.digest)
        )
        found.update(map(Digest, connection.execute(statement).scalars()))
    return frozenset(found)


def set_uses(connection: Connection, repository: str, layer: Digest, images: int) -> None:
    """Note how many images have a blob as a layer."""
    here = (repository_blob.c.repository == repository) & (repository_blob.c.digest == layer.text)
    connection.execute(update(repository_blob).where(here).values(layer_uses=images))


def grow(connection: Connection, images: Collection[str], layers_bytes: int) -> None:
    """Let the layers of images (by OCID) be so much larger."""
    for run in in_runs(images):
        grown = image.c.layers_bytes + layers_bytes
        connection.execute(update(image).where(image.c.ocid.in_(run)).values(layers_bytes=grown))
