"""What other rooms ask of the registry: put small artifacts into a repository, and say what a reference names.

The reading functions check no permission: the room that asks has authorized whom it acts for.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.iam import Act, Actor, perform
from assay.oci import Digest
from assay.registry import access, claims, pushes
from assay.registry.model import ANYTHING, Condition, StoredBlob, StoredManifest, TagOrDigest
from assay.registry.records import blobs as blob_records
from assay.registry.records import manifests as records
from assay.registry.records import repositories as repository_records
from assay.registry.records import tags as tag_records
from assay.storage import BlobStore, Store


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference names now: the repository's OCID, its compartment, and the digest."""

    repository: str
    compartment: str
    digest: Digest


def put_blob(store: Store, blobs: BlobStore, actor: Actor, repository_name: str, content: bytes) -> Digest:
    """Store a small blob and let a repository hold it; its digest. Errors: Refused (NOT_FOUND), Unavailable."""
    digest = Digest.of(content)
    with store.database.read() as connection:
        repository = access.named(connection, actor, repository_name)
        is_held = blob_records.shown(connection, repository.ocid, digest, store.clock.now()) is not None
    if is_held:
        return digest
    claim = claims.take(store, blobs, digest, len(content))
    blobs.put(digest, content)

    def change(act: Act) -> Digest:
        claim.require(act.now)
        held = access.held(act.connection, actor, repository_name)
        return claims.hold(act.connection, held, StoredBlob(digest, len(content)), act.now).digest

    return perform(
        store,
        actor,
        "PushImage",
        locate=lambda connection: access.target_of(access.named(connection, actor, repository_name)),
        change=change,
    )


def put_manifest(
    store: Store,
    actor: Actor,
    repository_name: str,
    reference: TagOrDigest,
    content: bytes,
    media_type: str,
    *,
    expected: str | None = None,
) -> Digest:
    """Put the manifest of an artifact under a tag or its digest; its digest.

    With `expected` (a digest, or "" for none) it is put only if the tag names just that: whoever reads a tag, adds to
    what it names and writes it again loses nobody's addition. Errors: as `pushes.put`.
    """
    condition = ANYTHING if expected is None else Condition.just(expected)
    push = pushes.Push(repository_name, reference, content, media_type, condition=condition)
    return pushes.put(store, actor, push).digest


def resolve(connection: Connection, tenancy: str, repository_name: str, reference: TagOrDigest) -> Resolved | None:
    """What a tag or digest of a repository of a tenancy names; None when there is no such repository or manifest."""
    repository = repository_records.by_name(connection, tenancy, repository_name)
    if repository is None:
        return None
    digest = reference
    if not isinstance(digest, Digest):
        named = tag_records.digest_of(connection, repository.ocid, digest)
        if named is None:
            return None
        digest = named
    if digest not in records.stored(connection, repository.ocid, [digest]):
        return None
    return Resolved(repository.ocid, repository.compartment, digest)


def manifest(connection: Connection, repository: str, digest: Digest) -> tuple[StoredManifest, bytes] | None:
    """A manifest that a repository (by OCID) serves, with its stored bytes, which the caller may hash again."""
    stored = records.stored(connection, repository, [digest]).get(digest)
    return (stored, records.content(connection, digest)) if stored is not None else None


def referrers(connection: Connection, repository: str, subject: Digest) -> tuple[StoredManifest, ...]:
    """All manifests of a repository (by OCID) whose subject is `subject`, by digest."""
    found: list[StoredManifest] = []
    rows_max = 500
    while True:
        after = found[-1].digest.text if found else ""
        run = records.referrers(connection, repository, subject, "", after, rows_max=rows_max)
        found.extend(run)
        if len(run) < rows_max:
            return tuple(found)
