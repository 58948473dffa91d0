"""How a push relies on bytes in the blob store before a row says so, while collection goes on (docs/adr/0021).

    take ─▶ publish or put the bytes ─▶ hold, in the push's own transaction

Collection removes a blob only after it has been unreferenced for a grace that is at least twice as long as a claim
holds. A claim either finds no row, and then every later row begins its grace later; or it begins the grace anew, in a
committed write. So whatever stands in the store after the claim stands until the claim has ended, and the transaction
that holds the blob for a repository is refused after that.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import DAY, HOUR, Instant
from assay.errors import Unavailable
from assay.oci import Digest
from assay.registry import arrivals
from assay.registry.model import Repository, StoredBlob
from assay.registry.records import blobs as blob_records
from assay.registry.records import collecting as records
from assay.registry.records import damage, purging
from assay.registry.records import repositories as repository_records
from assay.registry.records.damage import Content
from assay.storage import BlobStore, Store

CLAIM_MICROSECONDS = HOUR
#: How long a blob waits at least before it is collected, and how long by default for a manifest that names it.
GRACE_MICROSECONDS_MIN = 2 * CLAIM_MICROSECONDS
GRACE_MICROSECONDS = DAY


@dataclass(frozen=True, slots=True)
class Claim:
    """That a blob, about to be stored or stored already, is not collected before `until`."""

    until: Instant

    def require(self, now: Instant) -> None:
        """To be asked in the transaction that holds the blob. Errors: Unavailable when the claim has ended."""
        if now >= self.until:
            raise Unavailable("Storing the blob took so long that it may be gone again.", advice="Push it again.")


def take(store: Store, blobs: BlobStore, digest: Digest, size: int) -> Claim:
    """Claim a blob whose bytes, `size` of them, the caller has at hand and is about to publish or put.

    Stored bytes that are known to be damaged, or have another size, make room for the caller's. Errors: Unavailable.
    """
    now = store.clock.now()
    with store.database.read() as connection:
        is_known = records.is_known(connection, digest)
        is_damaged = damage.of(connection, Content.BLOB, digest) is not None
    if is_known:
        with store.database.write() as connection:
            records.claim(connection, digest, now)
        is_damaged = is_damaged or blobs.size(digest) not in (None, size)
    if is_damaged:
        _make_room(store, blobs, digest, size)
    return Claim(Instant(now + CLAIM_MICROSECONDS))


def hold(
    connection: Connection,
    repository: Repository,
    blob: StoredBlob,
    now: Instant,
    *,
    unused_microseconds: int = GRACE_MICROSECONDS,
) -> StoredBlob:
    """Let a repository, whose row is locked, hold a blob that is stored and claimed or locked, and count its bytes.

    `unused_microseconds`: how long it waits for a manifest that names it.
    """
    goes = Instant(now + unused_microseconds)
    held = blob_records.hold(connection, repository, blob.digest, blob.size, now, goes=goes)
    # It can come after the manifest that names it, which then keeps it.
    is_awaited = held.is_new and purging.keep_if_named(connection, repository.ocid, blob.digest)
    if is_awaited:
        arrivals.count_blob(connection, repository, blob.digest, blob.size)
    if is_awaited or held.is_back:
        arrivals.announce_blob(connection, repository, blob.digest, now)
    repository_records.count(connection, repository.ocid, stored_bytes=blob.size if held.is_new else 0)
    return blob


def _make_room(store: Store, blobs: BlobStore, digest: Digest, size: int) -> None:
    """Remove damaged bytes. Under the row's lock, and with their damage: another push may have brought good ones."""
    with store.database.write() as connection:
        records.lock_blob(connection, digest)
        if damage.mended(connection, Content.BLOB, digest) or blobs.size(digest) != size:
            blobs.delete(digest)
