"""Statements on manifests: their bytes, what they name, and what they are in a repository."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select, update

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.manifests import ManifestKind
from assay.registry.model import Repository, StoredManifest
from assay.registry.records import damage
from assay.registry.records.blobs import in_runs
from assay.registry.records.damage import Content
from assay.registry.records.tables import manifest, manifest_link, repository_manifest
from assay.storage import insert


class Role(StrEnum):
    """What a manifest names a digest as."""

    CONFIG = "config"
    LAYER = "layer"
    #: A layer that may be kept elsewhere: never counted, since the repository may get it later or not at all.
    FOREIGN_LAYER = "foreign-layer"
    CHILD = "child"
    ATTESTATION = "attestation"


Link = tuple[Role, Digest]

_BLOBS = (Role.CONFIG, Role.LAYER, Role.FOREIGN_LAYER)


def add(connection: Connection, digest: Digest, content: bytes, links: Collection[Link], now: Instant) -> None:
    """Store the bytes of a manifest and what it names, unless they are there; bytes that are damaged are replaced.

    Its row is locked until the transaction ends: the purge forgets what no repository holds.
    """
    row = insert(connection, manifest).values(digest=digest.text, size=len(content), content=content, time_created=now)
    fresh = row.on_conflict_do_nothing().returning(manifest.c.digest)
    there = select(manifest.c.content).where(manifest.c.digest == digest.text).with_for_update()
    added = connection.execute(fresh).one_or_none()
    while added is None and (before := connection.execute(there).scalar_one_or_none()) is None:
        added = connection.execute(fresh).one_or_none()
    if added is None and before != content:
        mend = update(manifest).where(manifest.c.digest == digest.text)
        connection.execute(mend.values(content=content, size=len(content)))
        damage.mended(connection, Content.MANIFEST, digest)
    if added is not None and links:
        rows = [{"manifest": digest.text, "target": target.text, "role": role} for role, target in sorted(set(links))]
        connection.execute(insert(connection, manifest_link).on_conflict_do_nothing(), rows)


def keep(
    connection: Connection,
    repository: Repository,
    stored: StoredManifest,
    *,
    pushed_by: str,
    now: Instant,
    settle_at: Instant | None,
) -> None:
    """Let a repository hold and serve a manifest whose bytes are stored."""
    said = {
        "media_type": stored.media_type,
        "kind": stored.kind,
        "is_runnable": stored.is_runnable,
        "nesting": stored.nesting,
        "artifact_type": stored.artifact_type,
        "subject": stored.subject.text if stored.subject else None,
        "annotations": dict(stored.annotations) if stored.subject else None,
        "time_last_pushed": now,
        "time_deleted": None,
        "settle_at": settle_at,
    }
    connection.execute(
        insert(connection, repository_manifest)
        .values(
            repository=repository.ocid,
            digest=stored.digest.text,
            tenancy=repository.tenancy,
            compartment=repository.compartment,
            size=stored.size,
            pushed_by=pushed_by,
            time_created=now,
            **said,
        )
        .on_conflict_do_update(
            index_elements=[repository_manifest.c.repository, repository_manifest.c.digest], set_=said
        )
    )


def stored(connection: Connection, repository: str, digests: Iterable[Digest]) -> dict[Digest, StoredManifest]:
    """Those of `digests` that the repository holds and serves."""
    found = {}
    for run in in_runs({digest.text for digest in digests}):
        for row in connection.execute(select(repository_manifest).where(_served(repository), _digest().in_(run))):
            found[Digest(row.digest)] = _stored(row)
    return found


def content(connection: Connection, digest: Digest) -> bytes:
    """The bytes of a manifest that is stored."""
    return bytes(connection.execute(select(manifest.c.content).where(manifest.c.digest == digest.text)).scalar_one())


def serve(connection: Connection, repository: str, digests: Iterable[Digest], deleted_at: Instant | None) -> None:
    """Serve manifests of a repository no longer (with the time of their deletion), or again (None)."""
    for run in in_runs({digest.text for digest in digests}):
        connection.execute(
            update(repository_manifest)
            .where(repository_manifest.c.repository == repository, _digest().in_(run))
            .values(time_deleted=deleted_at, settle_at=None)
        )


def settled(connection: Connection, repository: str, digests: Iterable[Digest]) -> None:
    """Wait no more for an index that takes these manifests in."""
    for run in in_runs({digest.text for digest in digests}):
        connection.execute(
            update(repository_manifest)
            .where(repository_manifest.c.repository == repository, _digest().in_(run))
            .values(settle_at=None)
        )


def due(connection: Connection, now: Instant, *, rows_max: int) -> tuple[tuple[str, str, Digest, str], ...]:
    """Manifests whose time to settle has come: (tenancy, repository, digest, pushed by)."""
    query = (
        select(repository_manifest)
        .where(repository_manifest.c.settle_at <= now, repository_manifest.c.time_deleted.is_(None))
        .order_by(repository_manifest.c.settle_at, repository_manifest.c.repository, _digest())
        .limit(rows_max)
    )
    return tuple((row.tenancy, row.repository, Digest(row.digest), row.pushed_by) for row in connection.execute(query))


def is_child(connection: Connection, repository: str, digest: Digest) -> bool:
    """Whether an index that the repository serves names this manifest."""
    return bool(connection.execute(select(_named(repository, digest, (Role.CHILD, Role.ATTESTATION)))).scalar())


def is_used(connection: Connection, repository: str, digest: Digest) -> bool:
    """Whether a manifest that the repository serves names this blob."""
    return bool(connection.execute(select(_named(repository, digest, _BLOBS))).scalar())


def layers_of(connection: Connection, repository: str, digest: Digest) -> frozenset[Digest]:
    """The layers of a manifest, or of all platforms of an index, however deep they stand; not those of attestations.

    Of platforms that the repository holds, served or not: what others hold tells it nothing.
    """
    platforms = _family(connection, repository, digest, (Role.CHILD,))
    return frozenset(map(Digest, _targets(connection, platforms, (Role.LAYER,))))


def family_of(connection: Connection, repository: str, digest: Digest) -> frozenset[Digest]:
    """A manifest with all that it is made of, however deep: children and attestations that the repository holds."""
    return frozenset(map(Digest, _family(connection, repository, digest, (Role.CHILD, Role.ATTESTATION))))


def blobs_of(connection: Connection, manifests: Iterable[Digest]) -> frozenset[Digest]:
    """The configs and layers that manifests name, foreign layers included."""
    return frozenset(map(Digest, _targets(connection, {digest.text for digest in manifests}, _BLOBS)))


def referrers(
    connection: Connection, repository: str, subject: Digest, artifact_type: str, after: str, *, rows_max: int
) -> tuple[StoredManifest, ...]:
    """Manifests whose subject is `subject`, by digest, behind `after`; narrowed to an artifact type unless empty."""
    query = select(repository_manifest).where(
        _served(repository), repository_manifest.c.subject == subject.text, _digest() > after
    )
    if artifact_type:
        query = query.where(repository_manifest.c.artifact_type == artifact_type)
    return tuple(_stored(row) for row in connection.execute(query.order_by(_digest()).limit(rows_max)))


def _family(connection: Connection, repository: str, digest: Digest, roles: tuple[Role, ...]) -> set[str]:
    seen, level = {digest.text}, {digest.text}
    while level:
        level = _held(connection, repository, _targets(connection, level, roles) - seen)
        seen |= level
    return seen


def _held(connection: Connection, repository: str, digests: set[str]) -> set[str]:
    found: set[str] = set()
    for run in in_runs(digests):
        query = select(_digest()).where(repository_manifest.c.repository == repository, _digest().in_(run))
        found.update(connection.execute(query).scalars())
    return found


def _targets(connection: Connection, manifests: set[str], roles: tuple[Role, ...]) -> set[str]:
    found: set[str] = set()
    for run in in_runs(manifests):
        query = select(manifest_link.c.target).where(manifest_link.c.manifest.in_(run), manifest_link.c.role.in_(roles))
        found.update(connection.execute(query).scalars())
    return found


def _digest() -> ColumnElement[str]:
    return repository_manifest.c.digest


def _served(repository: str) -> ColumnElement[bool]:
    return (repository_manifest.c.repository == repository) & repository_manifest.c.time_deleted.is_(None)


def _named(repository: str, digest: Digest, roles: tuple[Role, ...]) -> ColumnElement[bool]:
    return exists(
        select(1)
        .select_from(manifest_link.join(repository_manifest, _digest() == manifest_link.c.manifest))
        .where(_served(repository), manifest_link.c.target == digest.text, manifest_link.c.role.in_(roles))
    )


def _stored(row: Row[Any]) -> StoredManifest:
    return StoredManifest(
        repository=row.repository,
        digest=Digest(row.digest),
        media_type=row.media_type,
        size=row.size,
        kind=ManifestKind(row.kind),
        is_runnable=row.is_runnable,
        nesting=row.nesting,
        artifact_type=row.artifact_type,
        subject=Digest(row.subject) if row.subject else None,
        annotations=row.annotations or {},
    )
