"""Uploads: a session is a row and staged bytes, so that it outlives the process that began it.

    begin ─▶ resume, append …, acknowledge ─▶ finish
                                           ─▶ cancel, or expire

Every verb checks the permission; `append` takes at most a mebibyte, touches no row and asks nobody. What a client was
told to be staged stands in the row, with the mark by which the blob store finds it: of two requests that write at once,
in whatever processes, one is acknowledged, and each hashes and publishes its own bytes. The running hash is a cache in
memory: where it is lost (a restart, another process) the staged bytes are hashed again when the upload ends. Blobs are
written before rows that name them, and never inside a transaction.

Audited is what comes of an upload, one row for the blob that a repository holds from then on, and each denial. A
session changes nothing that anybody else can see.
"""

import hashlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from assay.clock import DAY, Instant
from assay.errors import Reason, Refused
from assay.iam import Act, Actor, Target, authorize, perform
from assay.oci import Digest
from assay.registry import access, claims, followers, repositories
from assay.registry.followers import Nobody, UploadFollower
from assay.registry.model import StoredBlob, Upload
from assay.registry.records import uploads as records
from assay.registry.rules import quotas
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


@dataclass(frozen=True, slots=True)
class Hashed:
    """A running hash over the first `size` bytes of an upload, as `mark` names them."""

    size: int
    mark: str
    running: Any


class RunningHashes:
    """The hashes of uploads under way, and who writes to which: one request of this process at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: OrderedDict[str, Hashed] = OrderedDict()
        self._writing: set[str] = set()

    def seed(self, upload: str, algorithm: str) -> None:
        """Note by which algorithm a fresh upload is to be hashed."""
        with self._guard:
            self._known[upload] = Hashed(0, "", hashlib.new(algorithm))

    def take(self, upload: str) -> Hashed:
        """Begin to write: what is hashed so far, which may be little or out of date. Errors: Refused."""
        with self._guard:
            if upload in self._writing:
                raise Refused(
                    "Another request is writing to this upload.",
                    advice="Send one chunk after the other.",
                    reason=Reason.RANGE_INVALID,
                )
            self._writing.add(upload)
            return self._known.pop(upload, None) or Hashed(0, "", hashlib.sha256())

    def give_back(self, upload: str, hashed: Hashed | None) -> None:
        """End to write; None where there is nothing to go on with."""
        with self._guard:
            self._writing.discard(upload)
            if hashed is not None:
                self._known[upload] = hashed
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

    locate = target(actor, repository_name)
    begun = perform(intake.store, actor, "PushImage", locate=locate, change=change, is_recorded=False)
    # After the row: a staged file that no row names would never be found again.
    intake.blobs.begin(begun.id)
    intake.hashes.seed(begun.id, algorithm)
    if (staged := intake.blobs.staged_path(begun.id)) is not None:
        followers.tell(intake.follower.begun, begun.id, staged)
    return begun


def status(intake: Intake, actor: Actor, repository_name: str, upload: str) -> Upload:
    """How far an upload has come. Errors: Refused (UPLOAD_UNKNOWN)."""
    found = _named(intake, actor, repository_name, upload)
    return _of_what_there_is(intake, found, intake.blobs.staged_size(upload, found.mark))


class Writer:
    """One request's hold on an upload. Append, acknowledge, then release, whatever happens."""

    def __init__(self, intake: Intake, identity: str, look: Callable[[], Upload]) -> None:
        """`look` reads the upload's row; it is called when no other request of this process writes any more."""
        self._intake = intake
        self.room: quotas.Room | None = None
        with ExitStack() as undo:
            hashed = intake.hashes.take(identity)
            undo.callback(intake.hashes.give_back, identity, hashed)
            upload = look()
            self._staging = intake.blobs.resume(identity, upload.acknowledged, upload.mark)
            undo.callback(self._staging.release)
            if self._staging.surplus and look() != upload:
                # Not what a request left that broke off: another process wrote since the row was read.
                raise out_of_order(upload.acknowledged)
            self.upload = _of_what_there_is(intake, upload, self.size)
            undo.pop_all()
        is_of_all = (hashed.size, hashed.mark) == (self.upload.acknowledged, self.upload.mark)
        self._running = hashed.running if is_of_all else None

    @property
    def size(self) -> int:
        """Bytes staged."""
        return self._staging.size

    def append(self, content: bytes) -> int:
        """Stage at most `APPEND_BYTES_MAX` bytes more; the new size. Errors: Refused (TOO_LARGE …), Unavailable."""
        if len(content) > APPEND_BYTES_MAX:
            raise Refused(f"A piece has {len(content)} bytes; at most {APPEND_BYTES_MAX}.", reason=Reason.TOO_LARGE)
        self._intake.require_size(self.size + len(content))
        quotas.require_incoming(self.room, self.size + len(content))
        size = self._staging.append(content)
        if self._running is not None:
            self._running.update(content)
        followers.tell(self._intake.follower.grown, self.upload.id, size)
        return size

    def acknowledge(self) -> Upload:
        """Promise what is staged: one short row update. Errors: Refused when another process wrote meanwhile."""
        mark = self._staging.settle()
        self.upload = _promise(self._intake, self.upload, self.size, mark)
        return self.upload

    def digest(self, algorithm: str) -> Digest:
        """The digest of all that is staged."""
        if self._running is not None and self._running.name == algorithm:
            return Digest(f"{algorithm}:{self._running.hexdigest()}")
        fresh = hashlib.new(algorithm)
        for piece in self._staging.pieces():
            fresh.update(piece)
        return Digest(f"{algorithm}:{fresh.hexdigest()}")

    def publish(self, digest: Digest) -> int:
        """Make a blob of what is staged, whose digest the caller has checked; its size."""
        self._running = None
        return self._staging.publish(digest)

    def release(self) -> None:
        """Let others write. What was appended and not acknowledged does not count."""
        promised = self.upload.acknowledged
        is_of_all = self._running is not None and self.size == promised
        self._staging.release()
        kept = Hashed(promised, self.upload.mark, self._running) if is_of_all else None
        self._intake.hashes.give_back(self.upload.id, kept)


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

    Errors: Refused (UPLOAD_UNKNOWN; RANGE_INVALID out of order, or while another request writes; TOO_LARGE;
    QUOTA_EXCEEDED).
    """
    writer = Writer(intake, upload, partial(_named, intake, actor, repository_name, upload))
    with ExitStack() as undo:
        undo.callback(writer.release)
        if start is not None and start != writer.size:
            raise out_of_order(writer.size)
        intake.require_size(writer.size + (coming or 0))
        writer.room = quotas.room(intake.store, actor, repository_name)
        quotas.require_incoming(writer.room, writer.size + (coming or 0))
        undo.pop_all()
    return writer


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
    size = writer.publish(digest)

    def change(act: Act) -> StoredBlob:
        claim.require(act.now)
        held = hold(intake, act, repository_name, StoredBlob(digest, size))
        records.remove(act.connection, upload)
        return held

    perform(intake.store, actor, "PushImage", locate=target(actor, repository_name), change=change)
    followers.tell(intake.follower.published, upload, digest, size)
    return size


def cancel(intake: Intake, actor: Actor, repository_name: str, upload: str) -> None:
    """End an upload without a blob. Errors: Refused (UPLOAD_UNKNOWN)."""
    _forget(intake, _named(intake, actor, repository_name, upload).id)


def expire(intake: Intake) -> int:
    """End uploads that have lain idle for a day, a bounded number at a time; how many. To be called now and then."""
    with intake.store.database.read() as connection:
        over = records.expired(connection, intake.store.clock.now(), rows_max=_EXPIRE_ROWS_MAX)
    for upload in over:
        _forget(intake, upload)
    return len(over)


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


def hold(intake: Intake, act: Act, repository_name: str, blob: StoredBlob) -> StoredBlob:
    """Let a repository hold a stored blob, in the transaction of a push; what is audited of it.

    Errors: Refused (NOT_FOUND, QUOTA_EXCEEDED).
    """
    repository = access.held(act.connection, act.actor, repository_name)
    held = claims.hold(act.connection, repository, blob, act.now, unused_microseconds=intake.unused_microseconds)
    quotas.require_bytes(act.connection, act.actor, repository)
    return held


def _named(intake: Intake, actor: Actor, repository_name: str, upload: str) -> Upload:
    """An upload by its id. Errors: Refused (UPLOAD_UNKNOWN; NOT_FOUND for who may push no more)."""
    with intake.store.database.read() as connection:
        found = records.of_repository(connection, actor.tenancy, repository_name, upload)
        # Whoever began it was allowed to then; nobody else has any business with it.
        if found is None or found.started_by != access.name_of(actor):
            raise Refused("There is no such upload.", advice="Begin a new upload.", reason=Reason.UPLOAD_UNKNOWN)
        place = target(actor, repository_name)(connection)
        authorize(connection, actor, "PushImage", place, now=intake.store.clock.now())
    return found


def _of_what_there_is(intake: Intake, upload: Upload, staged: int) -> Upload:
    """The upload; a power cut may have taken bytes that were staged and not durable yet: promise what there is."""
    return upload if staged >= upload.acknowledged else _promise(intake, upload, staged, upload.mark)


def _promise(intake: Intake, upload: Upload, staged: int, mark: str) -> Upload:
    expires = Instant(intake.store.clock.now() + IDLE_MICROSECONDS)
    promised = replace(upload, acknowledged=staged, mark=mark, time_expires=expires)
    with intake.store.database.write() as connection:
        if not records.acknowledge(connection, upload, promised):
            raise out_of_order(upload.acknowledged)
    return promised


def target(actor: Actor, repository_name: str) -> Callable[[Connection], Target]:
    """What a push into a repository acts on, to be looked up in its transaction."""
    return lambda connection: access.target_of(access.named(connection, actor, repository_name))


def _forget(intake: Intake, upload: str) -> None:
    # The file first: after a crash in between the row is still there and is expired again.
    intake.blobs.discard(upload)
    with intake.store.database.write() as connection:
        records.remove(connection, upload)
    followers.tell(intake.follower.abandoned, upload)
