"""Blobs in an S3-compatible store: `blobs/<algorithm>/<two digits>/<encoded>` and `staged/<upload>/…`.

An upload is staged as objects (see `s3_segments`), each written whole and never changed, so that nothing that was
acknowledged lives in one process only. Publishing lets the store copy them into one object, which appears whole under
the blob's name or not at all. What it has begun is noted beside the segments, so that `discard` finds and ends it.
"""

import io
import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from secrets import token_hex
from typing import BinaryIO, cast

from assay.errors import Refused, Unavailable, not_found
from assay.oci import Digest
from assay.storage.blobs.port import (
    BLOBS_OPENED,
    PAGE_ROWS,
    KeptBlob,
    StagedUpload,
    Staging,
    check_upload,
    is_upload,
    unknown_upload,
)
from assay.storage.blobs.s3_bucket import Bucket, Entry
from assay.storage.blobs.s3_segments import SEGMENT_BYTES, Part, Segment, chain, dead, parts, taken_in

#: Requests that the store answers at the same time while a blob is published, whatever the number of uploads.
PARALLEL_MAX = 8

_NOTE = "publishing-"

log = logging.getLogger(__name__)


class S3Blobs:
    """The bucket. Any number of processes may share it."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.pool = ThreadPoolExecutor(PARALLEL_MAX, thread_name_prefix="s3")

    def close(self) -> None:
        """End threads and connections."""
        self.pool.shutdown()
        self.bucket.close()

    def begin(self, upload: str) -> None:
        """Nothing but a look at the name: an upload without bytes needs no object."""
        check_upload(upload)

    def resume(self, upload: str, size: int, mark: str = "", /) -> Staging:
        """The segments that `mark` names, of all that are listed. What can't count any more is removed."""
        check_upload(upload)
        if not size:
            return _StagedSegments(self, upload, [])
        segments, linked = self._segments(upload, mark)
        if linked[-1].end != size:
            raise unknown_upload()
        self._remove([staged_key(upload, segment.name) for segment in dead(segments, linked)])
        return _StagedSegments(self, upload, list(linked))

    def staged_size(self, upload: str, mark: str = "", /) -> int:
        """Where the marked segment ends, if all before it are there."""
        check_upload(upload)
        return self._segments(upload, mark)[1][-1].end if mark else 0

    def staged_path(self, upload: str) -> None:
        """None: there is no file."""
        check_upload(upload)

    def discard(self, upload: str) -> None:
        """Remove all objects of the upload, and end what attempts to publish it have begun."""
        check_upload(upload)
        keys = [entry.key for entry in self.bucket.listed(staged_key(upload, ""))]
        for key in keys:
            if key.startswith(staged_key(upload, _NOTE)):
                self._end_attempt(key)
        self._remove(keys)

    def put(self, digest: Digest, content: bytes) -> None:
        """One request, if the blob isn't there yet."""
        key = blob_key(digest)
        if self.bucket.size(key) != len(content):
            self.bucket.put(key, content)

    @contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        """A file of which each read is a request."""
        size = self.size(digest)
        if size is None:
            raise not_found()
        BLOBS_OPENED.inc()
        with RemoteFile(self.bucket, blob_key(digest), size) as blob:
            yield cast("BinaryIO", blob)

    def path(self, _digest: Digest, /) -> None:
        """None: there is no file."""

    def address(self, digest: Digest, lifetime_seconds: int, /) -> str:
        """A signed address of the object."""
        return self.bucket.address(blob_key(digest), lifetime_seconds)

    def size(self, digest: Digest) -> int | None:
        """The object's size."""
        return self.bucket.size(blob_key(digest))

    def delete(self, digest: Digest) -> None:
        """Remove the object."""
        self.bucket.delete(blob_key(digest))

    def stored(self, after: Digest | None = None) -> tuple[KeptBlob, ...]:
        """The objects below `blobs`; what is named like no blob isn't one."""
        listed = self.bucket.listed("blobs/", blob_key(after) if after else "")
        return tuple(islice((kept for entry in listed if (kept := _kept(entry)) is not None), PAGE_ROWS))

    def staged(self, after: str = "") -> tuple[StagedUpload, ...]:
        """The objects below `staged`, by upload."""
        # Of all that stands behind a name and its stroke, a tilde comes last.
        listed = self.bucket.listed("staged/", staged_key(after, "~") if after else "")
        ours = (entry for entry in listed if is_upload(_upload_of(entry)))
        found = []
        for upload, entries in islice(groupby(ours, _upload_of), PAGE_ROWS):
            every = list(entries)
            found.append(
                StagedUpload(upload, sum(each.size for each in every), max(each.time_changed for each in every))
            )
        return tuple(found)

    def forget(self, upload: str) -> None:
        """Remove what is staged of an upload that has been published; what fails is found by `staged` later."""
        try:
            self.discard(upload)
        except Unavailable as fault:
            log.warning("leftovers of the published upload %s stay: %s", upload, fault)

    def _segments(self, upload: str, mark: str) -> tuple[Sequence[Segment], Sequence[Segment]]:
        """All segments of an upload, and those that count."""
        prefix = staged_key(upload, "")
        listed = self.bucket.listed(prefix)
        named = (Segment.named(entry.key.removeprefix(prefix), entry.size) for entry in listed)
        segments = [segment for segment in named if segment is not None]
        return segments, chain(segments, mark)

    def _remove(self, keys: Sequence[str]) -> None:
        list(self.pool.map(self.bucket.delete, keys))

    def _end_attempt(self, note: str) -> None:
        content = self.bucket.get(note, 0, size) if (size := self.bucket.size(note)) else None
        if content is not None:
            begun = json.loads(content)
            self.bucket.drop_parts(begun["key"], begun["attempt"])


class _StagedSegments:
    """A hold: the segments that count, and what is not yet long enough to be one more."""

    def __init__(self, blobs: S3Blobs, upload: str, linked: list[Segment]) -> None:
        self._blobs = blobs
        self._bucket = blobs.bucket
        self._upload = upload
        self._linked = linked
        self._tail = bytearray()

    @property
    def size(self) -> int:
        """Bytes in segments, and in memory behind them."""
        return (self._linked[-1].end if self._linked else 0) + len(self._tail)

    @property
    def surplus(self) -> int:
        """None, ever: what others wrote stands beside, not behind."""
        return 0

    def append(self, content: bytes) -> int:
        """Gather, and write what fills a segment."""
        had = len(self._tail)
        self._tail += content
        try:
            while len(self._tail) >= SEGMENT_BYTES:
                self._write(SEGMENT_BYTES)
        except BaseException:
            del self._tail[had:]
            raise
        return self.size

    def settle(self) -> str:
        """Write what was gathered, together with short segments before it."""
        if self._tail:
            for _ in range(taken_in(self._linked, len(self._tail))):
                self._tail[:0] = self._read(self._linked[-1])
                self._linked.pop()
            self._write(len(self._tail))
        return self._linked[-1].name if self._linked else ""

    def pieces(self) -> Iterator[bytes]:
        """One segment after the other."""
        for segment in self._linked:
            yield self._read(segment)
        if self._tail:
            yield bytes(self._tail)

    def publish(self, digest: Digest) -> int:
        """Nothing but removing the segments if the blob is there; a small one is put, others are made of parts."""
        key, size = blob_key(digest), self.size
        if self._bucket.size(key) != size:
            if size <= SEGMENT_BYTES:
                self._bucket.put(key, b"".join(self.pieces()))
            else:
                self._make(key)
        if self._linked:
            self._blobs.forget(self._upload)
        return size

    def release(self) -> None:
        """Let go of what was gathered."""
        self._tail.clear()

    def _write(self, count: int) -> None:
        segment = Segment.fresh(self.size - len(self._tail), count, self._linked[-1] if self._linked else None)
        with memoryview(self._tail) as gathered, gathered[:count] as content:
            self._bucket.put(staged_key(self._upload, segment.name), content)
        self._linked.append(segment)
        del self._tail[:count]

    def _read(self, segment: Segment) -> bytes:
        content = self._bucket.get(staged_key(self._upload, segment.name), 0, segment.size)
        if content is None:
            raise unknown_upload()
        return content

    def _make(self, key: str) -> None:
        """Make the object of parts. What fails leaves no trace, or a note for `discard`."""
        attempt = self._bucket.begin_parts(key)
        note = staged_key(self._upload, f"{_NOTE}{token_hex(8)}")
        self._bucket.put(note, json.dumps({"key": key, "attempt": attempt}).encode())
        try:
            self._finish(key, attempt, self._parts(key, attempt))
        except BaseException:
            with suppress(Unavailable):
                self._bucket.drop_parts(key, attempt)
                self._bucket.delete(note)
            raise

    def _finish(self, key: str, attempt: str, tags: Sequence[str]) -> None:
        if not self._bucket.finish_parts(key, attempt, tags) and self._bucket.size(key) != self.size:
            # That the attempt is unknown may mean that it was finished, and the answer lost. It does not here.
            raise unknown_upload()

    def _parts(self, key: str, attempt: str) -> list[str]:
        """Store the parts: the pool lets those be copied that can be; what is short is read and joined here."""
        planned = list(enumerate(parts(self._linked, len(self._tail)), 1))
        copies = {
            number: self._blobs.pool.submit(
                self._bucket.copy_part, key, attempt, number, staged_key(self._upload, part.segments[0].name)
            )
            for number, part in planned
            if part.is_copied
        }
        try:
            joined = {
                number: self._bucket.put_part(key, attempt, number, self._content(part))
                for number, part in planned
                if not part.is_copied
            }
            return [joined[number] if number in joined else copies[number].result() for number, _ in planned]
        finally:
            for copy in copies.values():
                copy.cancel()

    def _content(self, part: Part) -> bytes:
        pieces = [self._read(segment) for segment in part.segments]
        return b"".join([*pieces, self._tail] if part.has_tail else pieces)


class RemoteFile(io.RawIOBase):
    """An object as a file. Each read is one request for just these bytes: nothing is held between reads."""

    def __init__(self, bucket: Bucket, key: str, size: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the object."""
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end; all that are left if it is None or negative."""
        left = max(0, self._size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        if not count:
            return b""
        content = self._bucket.get(self._key, self._at, count)
        if content is None:
            raise not_found()
        self._at += len(content)
        return content

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any writable buffer is a memoryview's
        """Fill a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()


def blob_key(digest: Digest) -> str:
    """The key of a blob, below the place's prefix."""
    return f"blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}"


def staged_key(upload: str, name: str) -> str:
    """The key of an object of an upload, below the place's prefix."""
    return f"staged/{upload}/{name}"


def _upload_of(entry: Entry) -> str:
    return entry.key.split("/")[1]


def _kept(entry: Entry) -> KeptBlob | None:
    _, _, algorithm_and_rest = entry.key.partition("/")
    algorithm, _, encoded = algorithm_and_rest.partition("/")
    with suppress(Refused):
        digest = Digest(f"{algorithm}:{encoded[3:]}")
        if blob_key(digest) == entry.key:
            return KeptBlob(digest, entry.size, entry.time_changed)
    return None
