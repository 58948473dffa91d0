"""Blobs of a repository: there or not, where to read them, mounted into it, and taken out of it."""

from collections.abc import Hashable
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.iam import Act, Actor, perform
from assay.oci import Digest
from assay.registry import access, repositories
from assay.registry.model import LifecycleState, StoredBlob
from assay.registry.records import blobs as records
from assay.registry.records import collecting, damage
from assay.registry.records import manifests as manifest_records
from assay.registry.records import repositories as repository_records
from assay.registry.records.blobs import Shown
from assay.registry.records.damage import Content
from assay.registry.uploads import Intake, hold, target
from assay.storage import BlobStore, Store

#: Of the repositories that hold a blob so many are looked at for a mount that names no source.
MOUNT_LOOK_MAX = 20

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob that may be sent. `path` is None where the store has no local file; then it is to be opened and read."""

    digest: Digest
    size: int
    path: Path | None


def find(store: Store, blobs: BlobStore, actor: Actor, repository_name: str, digest: Digest) -> HeldBlob:
    """A blob of a repository that the actor may pull from.

    Errors: Refused (NOT_FOUND, BLOB_UNKNOWN when this repository does not hold it, whoever else does, and when its
    stored bytes are damaged: whoever has the right ones may then push them).
    """
    now = store.clock.now()
    memory = store.database.memory
    moment = memory.moment()
    with store.database.read() as connection:
        repository, lasts = access.lasting(connection, actor, repository_name, "PullImage", now=now)
        shown = records.shown(connection, repository.ocid, digest, now)
        harm = damage.of(connection, Content.BLOB, digest)
    if shown is None:
        raise _unknown(digest)
    says = harm.says if harm is not None else wrong_size(shown.size, blobs.size(digest))
    if says:
        log.error("the blob %s is not served: %s", digest, says)
        raise Refused(
            f"The blob {digest} is damaged in this registry's store: {says}.",
            advice="Push it again, which mends it.",
            reason=Reason.BLOB_UNKNOWN,
        )
    if lasts:
        memory.keep(_key(actor, repository_name, digest), shown, moment)
    return HeldBlob(digest, shown.size, blobs.path(digest))


def remembered(store: Store, blobs: BlobStore, actor: Actor, repository_name: str, digest: Digest) -> HeldBlob | None:
    """What `find` would answer, if it is known without asking the database, and the blob is a local file that is as it
    should be; None when `find` has to be asked. Errors: Unavailable."""
    shown = store.database.memory.get(_key(actor, repository_name, digest))
    if not isinstance(shown, Shown) or (shown.until is not None and shown.until <= store.clock.now()):
        return None
    path = blobs.path(digest)
    return HeldBlob(digest, shown.size, path) if path is not None and blobs.size(digest) == shown.size else None


def _key(actor: Actor, repository_name: str, digest: Digest) -> Hashable:
    """All that the answer depends on beside the rows, the time and the store."""
    return ("blob", actor.principal, actor.tenancy, actor.address, repository_name, digest)


def wrong_size(expected: int, stored: int | None) -> str:
    """What is wrong with a stored blob of that size (None: there is none), in words; empty when nothing is."""
    if stored == expected:
        return ""
    return "its bytes are missing" if stored is None else f"it should have {expected} bytes and has {stored}"


def mount(intake: Intake, actor: Actor, repository_name: str, digest: Digest, *, source_name: str | None) -> int | None:
    """Let a repository hold a blob that another one of the tenancy holds; its size, None when there is none to mount.

    Source: distribution-spec 1.1, end-11.

    Only from repositories that the actor may pull from: `source_name`, or any when it is None.
    Errors: Refused (NOT_FOUND).
    """
    repositories.on_push(intake.store, actor, repository_name)
    with intake.store.database.read() as connection:
        known = _mountable(connection, actor, digest, source_name, intake.store.clock.now())
    # Whoever has the bytes is to send them where ours are gone.
    if known is None or intake.blobs.size(digest) != known:
        return None

    def change(act: Act) -> StoredBlob:
        access.held(act.connection, actor, repository_name)
        # With the blob's row locked collection sees where it is mounted from, or already where it is mounted to.
        is_there = collecting.lock_blob(act.connection, digest)
        size = _mountable(act.connection, actor, digest, source_name, act.now) if is_there else None
        if size is None:
            raise Refused(f"The blob {digest} has gone.", advice="Push it.", reason=Reason.BLOB_UNKNOWN)
        return hold(intake, act, repository_name, StoredBlob(digest, size))

    try:
        return perform(intake.store, actor, "PushImage", locate=target(actor, repository_name), change=change).size
    except Refused as refusal:
        if refusal.reason is Reason.BLOB_UNKNOWN:
            return None
        raise


def delete(store: Store, actor: Actor, repository_name: str, digest: Digest) -> None:
    """Serve a blob no longer in a repository. Its bytes stay until no image that may be restored needs them.

    Errors: Refused (NOT_FOUND, BLOB_UNKNOWN, METHOD while a manifest of the repository names it).
    """

    def change(act: Act) -> None:
        repository = access.held(act.connection, actor, repository_name)
        if not records.drop(act.connection, repository.ocid, digest, act.now):
            raise _unknown(digest)
        if manifest_records.is_used(act.connection, repository.ocid, digest):
            raise Refused(
                f"A manifest of the repository needs the blob {digest}.",
                advice="Delete the manifest first.",
                reason=Reason.METHOD,
            )

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


def _mountable(
    connection: Connection, actor: Actor, digest: Digest, source_name: str | None, now: Instant
) -> int | None:
    if damage.of(connection, Content.BLOB, digest) is not None:
        return None
    if source_name is not None:
        sources = [repository_records.by_name(connection, actor.tenancy, source_name)]
    else:
        holders = records.holders(connection, actor.tenancy, digest, rows_max=MOUNT_LOOK_MAX)
        sources = [repository_records.by_ocid(connection, actor.tenancy, holder) for holder in holders]
    for source in sources:
        if source is None or source.lifecycle_state is LifecycleState.DELETED:
            continue
        if access.may_pull(connection, actor, source, now=now):
            shown = records.shown(connection, source.ocid, digest, now)
            if shown is not None:
                return shown.size
    return None
