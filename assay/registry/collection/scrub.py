"""The scrub: stored bytes are read and hashed again, and what is not what its digest says is noted.

A damaged blob is not served and not mounted until it is mended: by whoever pushes the same bytes again, by the operator
who puts the file back, or by a disk that reads it right after all. A damaged manifest is never served, scrub or not.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger

from prometheus_client import Counter
from sqlalchemy import Connection

from assay.clock import DAY
from assay.errors import Refused, Unavailable
from assay.oci import Digest
from assay.registry.blobs import wrong_size
from assay.registry.collection import rounds, sweep
from assay.registry.collection.pace import AT_ONCE, Pace
from assay.registry.records import damage
from assay.registry.records import scrubbing as records
from assay.registry.records.damage import Content, Damage
from assay.storage import BlobStore, Store

SCRUBBED = Counter("assay_scrubbed_bytes_total", "Stored bytes that were hashed again")
DAMAGED = Counter("assay_damage_found_total", "Blobs and manifests found damaged")
#: How often upkeep begins to read everything again.
ROUND_MICROSECONDS = 7 * DAY
#: A page ends with the blob that brings it to so many bytes: what is read twice after an interruption.
PAGE_BYTES = 256 * 1024**2
PAGE_ROWS = 200
DAMAGES_MAX = 1_000
_READ_BYTES = 1024 * 1024
_CHANGED = "its bytes have changed"

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was read, and how much of it turned out to be damaged or mended."""

    blobs: int
    manifests: int
    content_bytes: int
    damaged: int
    mended: int


def scrub(store: Store, blobs: BlobStore, *, every: int = 0, pace: Pace = AT_ONCE) -> Scrubbed:
    """Go on with a round over all blobs and manifests, or begin one if the last ended `every` microseconds ago.

    `pace` counts bytes. Errors: Unavailable when the medium or the database fails; the round goes on from there.
    """
    reading = _Reading(store, blobs, pace)
    with suppress(_StoppedError):
        rounds.pages(store, "scrub of blobs", reading.blob_page, every=every, pace=pace)
        rounds.pages(store, "scrub of manifests", reading.manifest_page, every=every, pace=pace)
    return reading.result()


def damaged(connection: Connection) -> int:
    """How many blobs and manifests are known to be damaged."""
    return damage.counted(connection)


def damages(connection: Connection) -> tuple[Damage, ...]:
    """Those of them that come first, at most `DAMAGES_MAX`."""
    return damage.listed(connection, rows_max=DAMAGES_MAX)


class _StoppedError(Exception):
    """It is to stop amid a blob, which may be long: the page is read again in the next turn."""


class _Reading:
    """A run of the scrub, and what it has found."""

    def __init__(self, store: Store, blobs: BlobStore, pace: Pace) -> None:
        self._store = store
        self._blobs = blobs
        self._pace = pace
        self._counts = dict.fromkeys(("blobs", "manifests", "content_bytes", "damaged", "mended"), 0)

    def result(self) -> Scrubbed:
        return Scrubbed(**self._counts)

    def blob_page(self, after: str) -> tuple[int, str]:
        """Read blobs until they are `PAGE_BYTES` together; how many, and the last one."""
        with self._store.database.read() as connection:
            page = records.blobs_after(connection, after, rows_max=PAGE_ROWS)
        read = count = 0
        for digest, size in page:
            if count and (read >= PAGE_BYTES or not self._pace.goes_on):
                break
            self._judge(Content.BLOB, digest, self._blob_says(digest, size))
            after, read, count = digest.text, read + size, count + 1
        self._counts["blobs"] += count
        return count, after if page else ""

    def manifest_page(self, after: str) -> tuple[int, str]:
        """Read a page of manifests; how many, and the last one."""
        with self._store.database.read() as connection:
            page = records.manifests_after(connection, after, rows_max=PAGE_ROWS)
        for digest in page:
            with self._store.database.read() as connection:
                content = records.content_of(connection, digest)
            if content is not None:
                self._note(len(content))
                self._judge(Content.MANIFEST, digest, "" if digest.matches(content) else _CHANGED)
        self._counts["manifests"] += len(page)
        return len(page), page[-1].text if page else ""

    def _blob_says(self, digest: Digest, size: int) -> str:
        """What is wrong with a blob, in words; empty when nothing is, or nobody has it any more.

        It is read a second time: while it was read, a push may have mended it, or collection have removed it.
        """
        return self._fault(digest, size) and self._fault(digest, size)

    def _fault(self, digest: Digest, size: int) -> str:
        fault = wrong_size(size, self._blobs.size(digest))
        if fault:
            return fault
        running = hashlib.new(digest.algorithm)
        try:
            with self._blobs.open(digest) as file:
                while piece := file.read(_READ_BYTES):
                    if not self._pace.goes_on:
                        raise _StoppedError
                    running.update(piece)
                    self._note(len(piece))
        except Refused:
            return wrong_size(size, None)
        except Unavailable as failure:
            # The store works and this blob's bytes do not: that is damage. A store that is away ends the run.
            if failure.may_pass:
                raise
            return "its bytes cannot be read"
        return "" if running.hexdigest() == digest.encoded else _CHANGED

    def _judge(self, kind: Content, digest: Digest, says: str) -> None:
        """Note a damage, or that there is none any more. What is gone by now is no damage."""
        with self._store.database.read() as connection:
            known = damage.of(connection, kind, digest)
        if (known is not None) == bool(says):
            return
        with self._store.database.write() as connection:
            if not says:
                damage.mended(connection, kind, digest)
            elif not _is_there(connection, self._blobs, kind, digest):
                return
            else:
                damage.note(connection, kind, digest, says, self._store.clock.now())
        if says:
            log.error("the %s %s is damaged: %s", kind, digest, says)
            DAMAGED.inc()
        else:
            log.warning("the %s %s is mended", kind, digest)
        self._counts["damaged" if says else "mended"] += 1

    def _note(self, size: int) -> None:
        self._counts["content_bytes"] += size
        SCRUBBED.inc(size)
        self._pace.spend(size)


def _is_there(connection: Connection, blobs: BlobStore, kind: Content, digest: Digest) -> bool:
    """Whether a content is still stored, and a manifest still damaged; its row is locked."""
    if not records.locked(connection, kind, digest):
        return False
    if kind is Content.BLOB:
        return not sweep.is_half_collected(connection, blobs, digest)
    return not digest.matches(records.content_of(connection, digest) or b"")
