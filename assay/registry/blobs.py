"""Blobs of a repository: there or not, where to read them, and taken out of it."""

from dataclasses import dataclass
from pathlib import Path

from assay.errors import Corrupt, Reason, Refused
from assay.iam import Act, Actor, perform
from assay.oci import Digest
from assay.registry import access
from assay.registry.records import blobs as records
from assay.registry.records import manifests as manifest_records
from assay.storage import BlobStore, Store


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob that may be sent. `path` is None where the store has no local file; then it is to be opened and read."""

    digest: Digest
    size: int
    path: Path | None


def find(store: Store, blobs: BlobStore, actor: Actor, repository_name: str, digest: Digest) -> HeldBlob:
    """A blob of a repository that the actor may pull from.

    Errors: Refused (NOT_FOUND, BLOB_UNKNOWN when this repository does not hold it, whoever else does), Corrupt.
    """
    with store.database.read() as connection:
        repository = access.readable(connection, actor, repository_name, "PullImage", now=store.clock.now())
        size = records.sizes(connection, repository.ocid, [digest]).get(digest)
    if size is None:
        raise _unknown(digest)
    stored = blobs.size(digest)
    if stored != size:
        raise Corrupt(f"The blob {digest} should have {size} bytes; the store has {stored}.")
    return HeldBlob(digest, size, blobs.path(digest))


def delete(store: Store, actor: Actor, repository_name: str, digest: Digest) -> None:
    """Serve a blob no longer in a repository. Its bytes stay until no image that may be restored needs them.

    Errors: Refused (NOT_FOUND, BLOB_UNKNOWN, METHOD while a manifest of the repository names it).
    """

    def change(act: Act) -> None:
        repository = access.held(act.connection, actor, repository_name)
        if manifest_records.is_used(act.connection, repository.ocid, digest):
            raise Refused(
                f"A manifest of the repository needs the blob {digest}.",
                advice="Delete the manifest first.",
                reason=Reason.METHOD,
            )
        if not records.drop(act.connection, repository.ocid, digest, act.now):
            raise _unknown(digest)

    perform(
        store,
        actor,
        "DeleteContainerImage",
        locate=lambda connection: access.target_of(access.named(connection, actor, repository_name)),
        change=change,
    )


def _unknown(digest: Digest) -> Refused:
    return Refused(
        f"There is no blob {digest} in this repository.", advice="Push it first.", reason=Reason.BLOB_UNKNOWN
    )
