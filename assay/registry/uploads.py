"""Uploads: a session is a row and staged bytes, so that it outlives the process that began it.

    begin ─▶ resume, append …, acknowledge ─▶ finish
                                           ─▶ cancel, or expire

`begin` and `finish` check the permission; `append` takes at most a mebibyte, touches no row and asks nobody. What a
client was told to be staged stands in the row. The running hash is kept in memory as a cache: where it is lost (a
restart, another process) the staged bytes are hashed again when the upload ends. Blobs are written before rows that
name them, and never inside a transaction.

Audited is what comes of an upload: one row for the blob that a repository holds from then on. A session that begins,
grows, or ends without a blob changes nothing that anybody else can see, and leaves no row; denied attempts leave one.
"""

import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from logging import getLogger
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection

from assay.clock import DAY, Instant
from assay.errors import Reason, Refused
from assay.iam import Act, Actor, Target, perform
from assay.oci import Digest
from assay.registry import access, claims, repositories
from assay.registry.model import StoredBlob, Upload
from assay.registry.records import blobs as blob_records
from assay.registry.records import collecting, damage
from assay.registry.records import repositories as repository_records
from assay.registry.records import uploads as records
from assay.registry.records.damage import Content
from assay.storage import BlobStore, Store

APPEND_BYTES_MAX = 1024 * 1024
BLOB_BYTES_MAX = 64 * 1024**3
#: Of a tenancy, and of one user in it.
OPEN_UPLOADS_MAX = 10_000
OPEN_UPLOADS_OF_USER_MAX = 1_000
IDLE_MICROSECONDS = DAY
#: A running hash is some hundred bytes; the oldest are forgotten first, and made anew from the staged bytes.
HASHES_MAX = 4_096
_EXPIRE_ROWS_MAX = 100
_MOUNT_LOOK_MAX = 20

log = getLogger(__name__)


class UploadFollower(Protocol):
    """Who wants to read uploads while they arrive. Only a head start: it may miss any of these, and may fail."""

    def begun(self, upload: str, staged: Path) -> None:
        """An upload has begun; its bytes will stand in the file `staged`."""
        ...

    def grown(self, upload: str, size: int) -> None:
        """So many bytes are staged now."""
        ...

    def published(self, upload: str, digest: Digest, size: int) -> None:
        """The upload ended well, and its bytes are the blob `digest`."""
        ...

    def abandoned(self, upload: str) -> None:
        """The upload ended without a blob; what was made of it is to be dropped."""
        ...


class Nobody:
    """A follower who isn't interested."""

    def begun(self, upload: str, staged: Path) -> None:
        """Nothing."""

    def grown(self, upload: str, size: int) -> None:
        """Nothing."""

    def published(self, upload: str, digest: Digest, size: int) -> None:
        """Nothing."""

    def abandoned(self, upload: str) -> None:
        """Nothing."""


class RunningHashes:
    """The hashes of uploads under way, and who writes to which: one request at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: OrderedDict[str, tuple[int, Any]] = OrderedDict()
        self._writing: set[str] = set()

    def seed(self, upload: str, algorithm: str) -> None:
        """Note by which algorithm a fresh upload is to be hashed."""
        with self._guard:
            self._known[upload] = (0, hashlib.new(algorithm))

    def take(self, upload: str, size: int) -> Any:
        """Begin to write: the hash over `size` staged bytes, or None when it is to be made anew. Errors: Refused."""
        with self._guard:
            if upload in self._writing:
                raise Refused(
                    "Another request is writing to this upload.",
                    advice="Send one chunk after the other.",
                    reason=Reason.RANGE_INVALID,
                )
            self._writing.add(upload)
            hashed, running = self._known.pop(upload, (0, hashlib.sha256()))
        return running if hashed == size else None

    def give_back(self, upload: str, size: int, running: Any) -> None:
        """End to write."""
        with self._guard:
            self._writing.discard(upload)
            if running is not None:
                self._known[upload] = (size, running)
            while len(self._known) > HASHES_MAX:
                self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Intake:
    """What uploads need beside the store; one for the process."""

    store: Store
    blobs: BlobStore
    follower: UploadFollower = field(default_factory=Nobody)
    hashes: RunningHashes = field(default_factory=RunningHashes)
    blob_bytes_max: int = BLOB_BYTES_MAX
    open_uploads_max: int = OPEN_UPLOADS_MAX
    open_uploads_of_user_max: int = OPEN_UPLOADS_OF_USER_MAX
    #: How long a blob waits for a manifest that names it.
    unused_microseconds: int = claims.GRACE_MICROSECONDS

    def require_size(self, size: int) -> None:
        """Errors: Refused (TOO_LARGE) for a blob of more bytes than are taken."""
        if size > self.blob_bytes_max:
            raise Refused(f"The blob is longer than {self.blob_bytes_max} bytes.", reason=Reason.TOO_LARGE)


def begin(intake: Intake, actor: Actor, repository_name: str, *, algorithm: str = "sha256") -> Upload:
    """Begin an upload into a repository, which is created if need be. `algorithm` is what its digest will be made by.

    Errors: Refused (NOT_FOUND, NAME_INVALID, TOO_MANY_REQUESTS), Unavailable.
    """
    repositories.on_push(intake.store, actor, repository_name)

    def change(act: Act) -> Upload:
        _require_room(intake, act)
        repository = access.named(act.connection, actor, repository_name)
        expires = Instant(act.now + IDLE_MICROSECONDS)
        begun = Upload(str(uuid.uuid4()), repository.ocid, 0, access.name_of(actor), act.now, expires)
        records.add(act.connection, repository, begun)
        return begun

    locate = _target(actor, repository_name)
    begun = perform(intake.store, actor, "PushImage", locate=locate, change=change, is_recorded=False)
    # After the row: a staged file that no row names would never be found again.
    intake.blobs.begin(begun.id)
    intake.hashes.seed(begun.id, algorithm)
    _tell(intake.follower.begun, begun.id, intake.blobs.staged_path(begun.id))
    return begun


def status(intake: Intake, actor: Actor, repository_name: str, upload: str) -> Upload:
    """How far an upload has come. Errors: Refused (UPLOAD_UNKNOWN)."""
    with intake.store.database.read() as connection:
        found = records.of_repository(connection, actor.tenancy, repository_name, upload)
    # Whoever began it was allowed to; nobody else has any business with it.
    if found is None or found.started_by != access.name_of(actor):
        raise _unknown()
    staged = intake.blobs.staged_size(upload)
    if staged >= found.acknowledged:
        return found
    # A power cut may take bytes that were staged and not yet made durable: promise what there is.
    return _promise(intake, found, staged)


class Writer:
    """One request's hold on an upload. Append, acknowledge, then release, whatever happens."""

    def __init__(self, intake: Intake, upload: Upload) -> None:
        self._intake = intake
        self.upload = upload
        self.size = upload.acknowledged
        self._running = intake.hashes.take(upload.id, self.size)

    def append(self, content: bytes) -> int:
        """Stage at most `APPEND_BYTES_MAX` bytes more; the new size. Errors: Refused (TOO_LARGE …), Unavailable."""
        if len(content) > APPEND_BYTES_MAX:
            raise Refused(f"A piece has {len(content)} bytes; at most {APPEND_BYTES_MAX}.", reason=Reason.TOO_LARGE)
        self._intake.require_size(self.size + len(content))
        self.size = self._intake.blobs.append(self.upload.id, self.size, content)
        if self._running is not None:
            self._running.update(content)
        _tell(self._intake.follower.grown, self.upload.id, self.size)
        return self.size

    def acknowledge(self) -> Upload:
        """Promise what is staged: one short row update. Errors: Refused when another process wrote meanwhile."""
        self.upload = _promise(self._intake, self.upload, self.size)
        return self.upload

    def digest(self, algorithm: str) -> Digest:
        """The digest of all that is staged."""
        if self._running is not None and self._running.name == algorithm:
            return Digest(f"{algorithm}:{self._running.hexdigest()}")
        fresh = hashlib.new(algorithm)
        left = self.size
        with self._intake.blobs.staged_path(self.upload.id).open("rb") as staged:
            while left and (piece := staged.read(min(left, APPEND_BYTES_MAX))):
                fresh.update(piece)
                left -= len(piece)
        return Digest(f"{algorithm}:{fresh.hexdigest()}")

    def release(self) -> None:
        """Let others write."""
        self._intake.hashes.give_back(self.upload.id, self.size, self._running)


def resume(
    intake: Intake,
    actor: Actor,
    repository_name: str,
    upload: str,
    *,
    start: int | None = None,
    coming: int | None = None,
) -> Writer:
    """Take hold of an upload to write at `start` (None: where it ends) `coming` bytes (None: nobody knows).

    Errors: Refused (UPLOAD_UNKNOWN; RANGE_INVALID out of order, or while another request writes; TOO_LARGE).
    """
    found = status(intake, actor, repository_name, upload)
    if start is not None and start != found.acknowledged:
        raise out_of_order(found.acknowledged)
    intake.require_size(found.acknowledged + (coming or 0))
    return Writer(intake, found)


def finish(intake: Intake, actor: Actor, repository_name: str, writer: Writer, digest: Digest) -> int:
    """End an upload as the blob `digest` of the repository; the blob's size.

    The bytes are durable when it returns. A wrong digest ends the upload and leaves nothing of it.
    Errors: Refused (DIGEST_INVALID, NOT_FOUND), Unavailable.
    """
    upload = writer.upload.id
    if writer.digest(digest.algorithm) != digest:
        cancel(intake, actor, repository_name, upload)
        raise Refused(
            f"The bytes that were sent do not have the digest {digest}; the upload has ended.",
            advice="Send the blob again, in a new upload.",
            reason=Reason.DIGEST_INVALID,
        )
    claim = claims.take(intake.store, intake.blobs, digest, writer.size)
    intake.blobs.append(upload, writer.size, b"")  # drops what lies behind the last acknowledged byte
    size = intake.blobs.publish(upload, digest)

    def change(act: Act) -> StoredBlob:
        claim.require(act.now)
        held = _hold(intake, act, repository_name, StoredBlob(digest, size))
        records.remove(act.connection, upload)
        return held

    perform(intake.store, actor, "PushImage", locate=_target(actor, repository_name), change=change)
    _tell(intake.follower.published, upload, digest, size)
    return size


def cancel(intake: Intake, actor: Actor, repository_name: str, upload: str) -> None:
    """End an upload without a blob. Errors: Refused (UPLOAD_UNKNOWN)."""
    _forget(intake, status(intake, actor, repository_name, upload).id)


def expire(intake: Intake) -> int:
    """End uploads that have lain idle for a day, a bounded number at a time; how many. To be called now and then."""
    with intake.store.database.read() as connection:
        over = records.expired(connection, intake.store.clock.now(), rows_max=_EXPIRE_ROWS_MAX)
    for upload in over:
        _forget(intake, upload)
    return len(over)


def mount(intake: Intake, actor: Actor, repository_name: str, digest: Digest, *, source_name: str | None) -> int | None:
    """Let a repository hold a blob that another one of the tenancy holds; its size, None when there is none to mount.

    Only from repositories that the actor may pull from: `source_name`, or any when it is None.
    Errors: Refused (NOT_FOUND).
    """
    repositories.on_push(intake.store, actor, repository_name)
    with intake.store.database.read() as connection:
        if _mountable(connection, actor, digest, source_name, intake.store.clock.now()) is None:
            return None

    def change(act: Act) -> StoredBlob:
        access.held(act.connection, actor, repository_name)
        # With the blob's row locked collection sees where it is mounted from, or already where it is mounted to.
        is_there = collecting.lock_blob(act.connection, digest)
        size = _mountable(act.connection, actor, digest, source_name, act.now) if is_there else None
        if size is None:
            raise Refused(f"The blob {digest} has gone.", advice="Push it.", reason=Reason.BLOB_UNKNOWN)
        return _hold(intake, act, repository_name, StoredBlob(digest, size))

    try:
        return perform(intake.store, actor, "PushImage", locate=_target(actor, repository_name), change=change).size
    except Refused as refusal:
        if refusal.reason is not Reason.BLOB_UNKNOWN:
            raise
        return None


def out_of_order(acknowledged: int) -> Refused:
    """The refusal of a chunk that doesn't begin where the staged bytes end."""
    return Refused(
        f"{acknowledged} bytes are staged; the next chunk must begin there.",
        advice="Ask the upload's status and go on from there.",
        reason=Reason.RANGE_INVALID,
    )


def _require_room(intake: Intake, act: Act) -> None:
    """Another upload may begin. Those that begin at the same moment may each take the last place."""
    tenancy, user = act.actor.tenancy, access.name_of(act.actor)
    for open_now, open_max, whose in (
        (records.open_in(act.connection, tenancy), intake.open_uploads_max, "of this tenancy"),
        (records.open_in(act.connection, tenancy, user), intake.open_uploads_of_user_max, "of this user"),
    ):
        if open_now >= open_max:
            raise Refused(
                f"{open_max} uploads {whose} are open.",
                advice="Finish or cancel some; those that lie idle end by themselves.",
                reason=Reason.TOO_MANY_REQUESTS,
            )


def _hold(intake: Intake, act: Act, repository_name: str, blob: StoredBlob) -> StoredBlob:
    """Let the repository hold a stored blob, in the transaction of a push; what is audited of it."""
    repository = access.held(act.connection, act.actor, repository_name)
    return claims.hold(act.connection, repository, blob, act.now, unused_microseconds=intake.unused_microseconds)


def _promise(intake: Intake, upload: Upload, staged: int) -> Upload:
    expires = Instant(intake.store.clock.now() + IDLE_MICROSECONDS)
    with intake.store.database.write() as connection:
        if not records.acknowledge(
            connection, upload.id, before=upload.acknowledged, now_staged=staged, expires=expires
        ):
            raise out_of_order(upload.acknowledged)
    return replace(upload, acknowledged=staged, time_expires=expires)


def _mountable(
    connection: Connection, actor: Actor, digest: Digest, source_name: str | None, now: Instant
) -> int | None:
    if damage.of(connection, Content.BLOB, digest) is not None:
        return None
    if source_name is not None:
        named = repository_records.by_name(connection, actor.tenancy, source_name)
        sources = [named] if named is not None else []
    else:
        holders = blob_records.holders(connection, actor.tenancy, digest, rows_max=_MOUNT_LOOK_MAX)
        found = (repository_records.by_ocid(connection, actor.tenancy, holder) for holder in holders)
        sources = [each for each in found if each is not None]
    for source in sources:
        if access.may_pull(connection, actor, source, now=now):
            size = blob_records.shown(connection, source.ocid, digest, now)
            if size is not None:
                return size
    return None


def _target(actor: Actor, repository_name: str) -> Callable[[Connection], Target]:
    return lambda connection: access.target_of(access.named(connection, actor, repository_name))


def _forget(intake: Intake, upload: str) -> None:
    # The file first: after a crash in between the row is still there and is expired again.
    intake.blobs.discard(upload)
    with intake.store.database.write() as connection:
        records.remove(connection, upload)
    _tell(intake.follower.abandoned, upload)


def _tell(hear: Callable[..., None], *what: Any) -> None:
    try:
        hear(*what)
    except Exception:  # a follower is only a head start: whatever it does, the upload goes on
        log.warning("an upload's follower failed", exc_info=True)


def _unknown() -> Refused:
    return Refused("There is no such upload.", advice="Begin a new upload.", reason=Reason.UPLOAD_UNKNOWN)
