"""The sweep: blobs that no repository holds go after a grace, and so does what only the blob store knows of.

A blob goes in a transaction that holds its row's lock, has looked again, and ends when its bytes are gone. What a crash
leaves is one of three: a row whose bytes are gone, which is still due; bytes without a row, which get one, and with it
a grace; a staged file without a session, which goes when it is old (docs/adr/0021).
"""

from dataclasses import dataclass
from functools import partial

from prometheus_client import Counter
from sqlalchemy import Connection

from assay.clock import DAY, Instant
from assay.errors import Refused
from assay.events import BlobCollected
from assay.oci import Digest
from assay.registry.claims import GRACE_MICROSECONDS, GRACE_MICROSECONDS_MIN
from assay.registry.collection import rounds
from assay.registry.collection.pace import AT_ONCE, Pace
from assay.registry.records import collecting as records
from assay.registry.records import damage
from assay.registry.records.damage import Content
from assay.storage import BlobStore, Store, outbox

BLOBS_COLLECTED = Counter("assay_blobs_collected_total", "Blobs that no repository held and that are gone")
BYTES_COLLECTED = Counter("assay_blob_bytes_collected_total", "Bytes of blobs that are gone")
#: Due blobs that one look finds.
ROWS_MAX = 500
#: How often upkeep goes through all that the store has, for what no row names.
STRAYS_MICROSECONDS = DAY


@dataclass(frozen=True, slots=True)
class Swept:
    """What went, how many blobs without a row were found, and how many staged files without a session went."""

    blobs: int
    blob_bytes: int
    strays: int
    staged: int


def sweep(
    store: Store,
    blobs: BlobStore,
    *,
    grace: int = GRACE_MICROSECONDS,
    strays_every: int = 0,
    pace: Pace = AT_ONCE,
) -> Swept:
    """Collect blobs that have been unreferenced for `grace` microseconds; `pace` counts blobs.

    Blobs without a row are looked for if the last time was `strays_every` microseconds ago; their grace begins then.
    Safe beside everything else, itself included. Errors: Refused for a grace that is shorter than claims need;
    Unavailable; what went has gone.
    """
    if grace < GRACE_MICROSECONDS_MIN:
        raise Refused("The grace is too short for pushes under way.", advice="Give two hours or more.")
    found = rounds.pages(store, "strays", partial(_take_in, store, blobs), every=strays_every, pace=pace)
    staged = _discard_staged(store, blobs, grace, pace)
    swept, size = _sweep(store, blobs, grace, pace)
    return Swept(swept, size, found, staged)


def _sweep(store: Store, blobs: BlobStore, grace: int, pace: Pace) -> tuple[int, int]:
    swept = total = 0
    while True:
        with store.database.read() as connection:
            due = records.due(connection, Instant(store.clock.now() - grace), rows_max=ROWS_MAX)
        if not due:
            return swept, total
        for digest in due:
            if not pace.goes_on:
                return swept, total
            size = _collect(store, blobs, digest, grace)
            if size is not None:
                swept, total = swept + 1, total + size
            pace.spend()


def _collect(store: Store, blobs: BlobStore, digest: Digest, grace: int) -> int | None:
    """Remove a blob that is still due; its size, None when it is not."""
    with store.database.write() as connection:
        now = store.clock.now()
        size = records.due_size(connection, digest, Instant(now - grace))
        if size is None:
            return None
        blobs.delete(digest)
        records.remove(connection, digest)
        damage.mended(connection, Content.BLOB, digest)
        outbox.announce(connection, BlobCollected(tenancy="", digest=digest.text), now)
    BLOBS_COLLECTED.inc()
    BYTES_COLLECTED.inc(size)
    return size


def is_half_collected(connection: Connection, blobs: BlobStore, digest: Digest) -> bool:
    """Whether the sweep took a blob's bytes and was interrupted: nobody holds the blob, and its row goes next.

    The blob's row is locked by the caller.
    """
    return blobs.size(digest) is None and not records.is_held(connection, digest)


def _take_in(store: Store, blobs: BlobStore, after: str) -> tuple[int, str]:
    """Give rows to the blobs of a page of the store that have none; how many, and where the page ends."""
    page = blobs.stored(Digest(after) if after else None)
    sizes = {kept.digest: kept.size for kept in page}
    with store.database.read() as connection:
        strays = records.unknown_among(connection, sizes)
    if strays:
        with store.database.write() as connection:
            records.take_in(connection, {digest: sizes[digest] for digest in strays}, store.clock.now())
    return len(strays), page[-1].digest.text if page else ""


def _discard_staged(store: Store, blobs: BlobStore, grace: int, pace: Pace) -> int:
    """Remove staged files that belong to no session and have not changed for the grace."""
    discarded, after = 0, ""
    while pace.goes_on:
        page = blobs.staged(after)
        if not page:
            break
        horizon = store.clock.now() - grace
        old = [each.upload for each in page if each.time_changed < horizon]
        with store.database.read() as connection:
            left = records.sessionless(connection, old)
        for upload in sorted(left):
            blobs.discard(upload)
            pace.spend()
        discarded += len(left)
        after = page[-1].upload
    return discarded
