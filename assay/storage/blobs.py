"""Blobs: staged while they arrive, published under their digest, opened for reading.

The port has few verbs so that a folder and an object store can both keep it. No verb waits for a client; each does a
bounded piece of work and may be called from any thread. Published blobs never change.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from prometheus_client import Counter

from assay.errors import Reason, Refused, Unavailable, not_found
from assay.oci import Digest

#: Proves that a re-scan opens no blob.
BLOBS_OPENED = Counter("assay_blobs_opened_total", "Blobs opened for reading")

_UPLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BlobStore(Protocol):
    """Where blobs lie. Errors of every verb: Unavailable when the medium fails; Refused as said."""

    def begin(self, upload: str) -> None:
        """Make an empty staged file for a new upload."""
        ...

    def append(self, upload: str, offset: int, content: bytes) -> int:
        """Write `content` at `offset` of a staged file, dropping what lay beyond; the new size.

        Refused: unknown upload (UPLOAD_UNKNOWN), or an offset beyond the end (RANGE_INVALID).
        """
        ...

    def staged_size(self, upload: str) -> int:
        """Bytes staged so far. Refused: unknown upload."""
        ...

    def staged_path(self, upload: str) -> Path:
        """The staged file, for readers that follow it."""
        ...

    def publish(self, upload: str, digest: Digest) -> int:
        """Make the staged bytes durable and visible under `digest`, which the caller has checked; their size.

        Afterwards the upload is gone. A blob that is there already stays as it is.
        """
        ...

    def discard(self, upload: str) -> None:
        """Forget a staged upload, if there is one."""
        ...

    def put(self, digest: Digest, content: bytes) -> None:
        """Store a small blob at once, durably. The caller has made `digest` from `content`."""
        ...

    def open(self, digest: Digest) -> AbstractContextManager[BinaryIO]:
        """A readable binary file of the whole blob, counted in `BLOBS_OPENED`. Refused: unknown blob."""
        ...

    def path(self, digest: Digest) -> Path | None:
        """The blob as a local file, for sending without reading it; None where there is no such thing."""
        ...

    def size(self, digest: Digest) -> int | None:
        """The blob's size, or None when it isn't there."""
        ...

    def delete(self, digest: Digest) -> None:
        """Remove a blob, if it is there."""
        ...


class FolderBlobs:
    """Blobs in a local folder: `staged/<upload>` and `blobs/<algorithm>/<two digits>/<encoded>`."""

    def __init__(self, folder: Path) -> None:
        self._staged = folder / "staged"
        self._blobs = folder / "blobs"
        self._staged.mkdir(parents=True, exist_ok=True)
        self._blobs.mkdir(parents=True, exist_ok=True)

    def begin(self, upload: str) -> None:
        """Make an empty staged file for a new upload."""
        with _translated():
            self._file(upload).touch(mode=0o600, exist_ok=False)

    def append(self, upload: str, offset: int, content: bytes) -> int:
        """Write `content` at `offset`, dropping what lay beyond (bytes that were never acknowledged)."""
        with _translated(), self._open_staged(upload) as staged:
            size = staged.seek(0, os.SEEK_END)
            if size < offset:
                raise Refused(
                    f"The upload has {size} bytes; the piece begins at {offset}.",
                    advice="Ask the upload's status and go on from there.",
                    reason=Reason.RANGE_INVALID,
                )
            if size > offset:
                staged.truncate(offset)
            staged.seek(offset)
            staged.write(content)
        return offset + len(content)

    def staged_size(self, upload: str) -> int:
        """Bytes staged so far."""
        with _translated(), self._open_staged(upload) as staged:
            return staged.seek(0, os.SEEK_END)

    def staged_path(self, upload: str) -> Path:
        """The staged file."""
        return self._file(upload)

    def publish(self, upload: str, digest: Digest) -> int:
        """Sync the staged file, then move it to its name and sync the folders."""
        target = self._target(digest)
        with _translated():
            with self._open_staged(upload) as staged:
                size = staged.seek(0, os.SEEK_END)
                os.fsync(staged.fileno())
            if target.exists():
                self._file(upload).unlink()
            else:
                self._make_room(target)
                self._file(upload).replace(target)
                _sync_folder(target.parent)
        return size

    def discard(self, upload: str) -> None:
        """Remove the staged file."""
        with _translated():
            self._file(upload).unlink(missing_ok=True)

    def put(self, digest: Digest, content: bytes) -> None:
        """Write to a staged name first, so that a blob is there whole or not at all."""
        if self._target(digest).exists():
            return
        upload = f"put-{os.urandom(16).hex()}"
        self.begin(upload)
        self.append(upload, 0, content)
        self.publish(upload, digest)

    @contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        """The blob's file."""
        with _translated():
            try:
                blob = self._target(digest).open("rb")
            except FileNotFoundError:
                raise not_found() from None
        BLOBS_OPENED.inc()
        with blob:
            yield blob

    def path(self, digest: Digest) -> Path | None:
        """The blob's file name, if it is there."""
        target = self._target(digest)
        return target if target.exists() else None

    def size(self, digest: Digest) -> int | None:
        """The file's size."""
        with _translated():
            try:
                return self._target(digest).stat().st_size
            except FileNotFoundError:
                return None

    def delete(self, digest: Digest) -> None:
        """Remove the file."""
        with _translated():
            self._target(digest).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Room left on the disk."""
        return shutil.disk_usage(self._blobs).free

    def _file(self, upload: str) -> Path:
        if not _UPLOAD.fullmatch(upload):
            raise _unknown_upload()
        return self._staged / upload

    def _open_staged(self, upload: str) -> BinaryIO:
        try:
            return self._file(upload).open("r+b")
        except FileNotFoundError:
            raise _unknown_upload() from None

    def _target(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.encoded[:2] / digest.encoded

    def _make_room(self, target: Path) -> None:
        """Make the folders of `target`, each made durable in its parent."""
        missing = [folder for folder in (target.parent.parent, target.parent) if not folder.exists()]
        for folder in missing:
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)


def _unknown_upload() -> Refused:
    return Refused("There is no such upload.", advice="Begin a new upload.", reason=Reason.UPLOAD_UNKNOWN)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    """Say faults of the disk as Unavailable."""
    try:
        yield
    except OSError as fault:
        raise Unavailable(
            f"The blob folder could not do it: {fault.strerror or fault}.", advice="Check its disk, then try again."
        ) from fault
