"""Statements on what hangs from a manifest in a repository: what it serves, or what was deleted at an instant."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, exists, select

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.manifests import is_companion_tag
from assay.registry.model import LifecycleState
from assay.registry.records import tags
from assay.registry.records.blobs import in_runs
from assay.registry.records.manifests import Role
from assay.registry.records.tables import image, manifest_link, repository_manifest, tag

_PARTS = (Role.CHILD, Role.ATTESTATION)


def parts(
    connection: Connection, repository: str, manifests: Collection[Digest], deleted_at: Instant | None = None
) -> frozenset[Digest]:
    """What these indexes name: what the repository serves of it, or what was deleted at that instant."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in manifests}):
        query = (
            select(manifest_link.c.target)
            .join(repository_manifest, repository_manifest.c.digest == manifest_link.c.target)
            .where(_held(repository, deleted_at), manifest_link.c.manifest.in_(run), manifest_link.c.role.in_(_PARTS))
        )
        found.update(map(Digest, connection.execute(query).scalars()))
    return frozenset(found)


def referrers(
    connection: Connection, repository: str, subjects: Collection[Digest], deleted_at: Instant | None = None
) -> frozenset[Digest]:
    """Manifests whose subject is one of these: those that the repository serves, or that were deleted then."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in subjects}):
        held = _held(repository, deleted_at)
        query = select(repository_manifest.c.digest).where(held, repository_manifest.c.subject.in_(run))
        found.update(map(Digest, connection.execute(query).scalars()))
    return frozenset(found)


def gone(
    connection: Connection, repository: str, manifests: Collection[Digest], deleted_at: Instant
) -> frozenset[Digest]:
    """Those that were deleted at that instant."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in manifests}):
        held = _held(repository, deleted_at)
        query = select(repository_manifest.c.digest).where(held, repository_manifest.c.digest.in_(run))
        found.update(map(Digest, connection.execute(query).scalars()))
    return frozenset(found)


def companions(connection: Connection, repository: str, digests: Collection[Digest]) -> dict[str, Digest]:
    """Tags that spell one of these digests, with what they name."""
    found: dict[str, Digest] = {}
    for stem in _stems(digests):
        query = select(tag.c.name, tag.c.digest).where(
            tag.c.repository == repository, tag.c.name >= stem, tag.c.name < f"{stem}~"
        )
        rows = connection.execute(query)
        found |= {row.name: Digest(row.digest) for row in rows if is_companion_tag(row.name)}
    return found


def companions_removed(
    connection: Connection, repository: str, digests: Collection[Digest], at: Instant
) -> dict[str, Digest]:
    """Tags that spell one of these digests, were removed at an instant and not set since, with what they named."""
    found: dict[str, Digest] = {}
    for stem in _stems(digests):
        removed = tags.removed_at(connection, repository, stem, at)
        found |= {
            name: named
            for name, named in removed.items()
            if is_companion_tag(name) and tags.digest_of(connection, repository, name) is None
        }
    return found


def standing_alone(connection: Connection, repository: str, digests: Collection[Digest]) -> frozenset[Digest]:
    """Those that are images, or bear a tag that is no companion's."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in digests}):
        tagged = select(tag.c.name, tag.c.digest).where(tag.c.repository == repository, tag.c.digest.in_(run))
        found.update(Digest(row.digest) for row in connection.execute(tagged) if not is_companion_tag(row.name))
        images = select(image.c.digest).where(
            image.c.repository == repository,
            image.c.digest.in_(run),
            image.c.lifecycle_state == LifecycleState.AVAILABLE,
        )
        found.update(map(Digest, connection.execute(images).scalars()))
    return frozenset(found)


def named_from_outside(connection: Connection, repository: str, manifests: Collection[Digest]) -> frozenset[Digest]:
    """Those that an index of the repository names which is not one of them."""
    inside = {digest.text for digest in manifests}
    found: set[Digest] = set()
    for run in in_runs(inside):
        names = repository_manifest.c.digest == manifest_link.c.manifest
        query = select(manifest_link.c.target, manifest_link.c.manifest).where(
            manifest_link.c.target.in_(run),
            manifest_link.c.role.in_(_PARTS),
            exists(select(1).where(_held(repository, None), names)),
        )
        found.update(Digest(row.target) for row in connection.execute(query) if row.manifest not in inside)
    return frozenset(found)


def _stems(digests: Collection[Digest]) -> tuple[str, ...]:
    return tuple(f"sha256-{digest.encoded}." for digest in digests if digest.algorithm == "sha256")


def _held(repository: str, deleted_at: Instant | None) -> ColumnElement[bool]:
    """That a repository has a manifest: served, or deleted at an instant."""
    here = repository_manifest.c.repository == repository
    if deleted_at is None:
        return here & repository_manifest.c.time_deleted.is_(None)
    return here & (repository_manifest.c.time_deleted == deleted_at)
