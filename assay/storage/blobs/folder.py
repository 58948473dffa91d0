"""Blobs in a local folder: `staged/<upload>` and `blobs/<algorithm>/<two digits>/<encoded>`."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO, RawIOBase
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from assay.clock import Instant
from assay.errors import Refused, Unavailable, not_found
from assay.oci import Digest
from assay.storage.blobs.port import (
    BLOBS_OPENED,
    PAGE_ROWS,
    KeptBlob,
    StagedUpload,
    Staging,
    check_upload,
    held_by_another,
    is_upload,
    unknown_upload,
)

#: What is read in one go of a staged file that has to be hashed again.
_READ_BYTES = 1024 * 1024
#: The disk begins to write so much of an upload while the rest of it is still coming.
_WRITE_OUT_BYTES = 8 * 1024 * 1024
#: What is read of a blob at once.
_BUFFER_BYTES = 128 * 1024


class FolderBlobs:
    """The folder. Several processes of one machine may share it.

    `is_durable` False: what is published may be lost, or be whole in name only, after a power cut.
    """

    def __init__(self, folder: Path, *, is_durable: bool = True) -> None:
        self._is_durable = is_durable
        self._staged = folder / "staged"
        self._blobs = folder / "blobs"
        self._staged.mkdir(parents=True, exist_ok=True)
        self._blobs.mkdir(parents=True, exist_ok=True)
        #: Folders of blobs that this process has seen to be durable.
        self._durable: set[Path] = set()

    def close(self) -> None:
        """Nothing to let go of."""

    def begin(self, upload: str) -> None:
        """Make an empty staged file for a new upload."""
        with _translated():
            self._file(upload).touch(mode=0o600, exist_ok=False)

    def resume(self, upload: str, size: int, _mark: str = "", /) -> Staging:
        """Open and lock the staged file. The mark is always empty."""
        path = self._file(upload)
        with _translated():
            try:
                file = path.open("r+b", buffering=0)
            except FileNotFoundError:
                raise unknown_upload() from None
            try:
                return _StagedFile(self, path, file, size)
            except BaseException:
                file.close()
                raise

    def staged_size(self, upload: str, _mark: str = "", /) -> int:
        """The size of the staged file."""
        with _translated():
            try:
                return self._file(upload).stat().st_size
            except FileNotFoundError:
                raise unknown_upload() from None

    def staged_path(self, upload: str) -> Path:
        """The staged file."""
        return self._file(upload)

    def discard(self, upload: str) -> None:
        """Remove the staged file."""
        with _translated():
            self._file(upload).unlink(missing_ok=True)

    def put(self, digest: Digest, content: bytes) -> None:
        """Write to a staged name first, so that a blob is there whole or not at all."""
        upload = f"put-{os.urandom(16).hex()}"
        self.begin(upload)
        try:
            staging = self.resume(upload, 0)
            try:
                staging.append(content)
                staging.publish(digest)
            finally:
                staging.release()
        except BaseException:
            with suppress(Unavailable):
                self.discard(upload)
            raise

    @contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        """The blob's file."""
        with _translated():
            try:
                file = self._target(digest).open("rb", buffering=0)
            except FileNotFoundError:
                raise not_found() from None
        BLOBS_OPENED.inc()
        with BufferedReader(_BlobFile(file), _BUFFER_BYTES) as blob:
            yield blob

    def path(self, digest: Digest) -> Path | None:
        """The blob's file name, if it is there. Whoever sends it has said so before it is opened: try that now."""
        target = self._target(digest)
        with _translated():
            try:
                os.close(os.open(target, os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:
                return None
        return target

    def address(self, _digest: Digest, _lifetime_seconds: int, /) -> None:
        """None: the files are sent by us alone."""

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

    def stored(self, after: Digest | None = None) -> tuple[KeptBlob, ...]:
        """The files below `blobs`; what is named like no blob isn't one."""
        with _translated():
            return tuple(islice(self._kept(after), PAGE_ROWS))

    def staged(self, after: str = "") -> tuple[StagedUpload, ...]:
        """The files of `staged`."""
        with _translated():
            names = sorted(name for name in os.listdir(self._staged) if name > after and is_upload(name))  # noqa: PTH208
            files = [(name, _status(self._staged / name)) for name in names[:PAGE_ROWS]]
        return tuple(StagedUpload(name, file.st_size, _changed(file)) for name, file in files if file is not None)

    def free_bytes(self) -> int:
        """Room left on the disk."""
        return shutil.disk_usage(self._blobs).free

    def take_in(self, staged: Path, digest: Digest) -> None:
        """Move a synced staged file to the place of `digest`, durably; drop it where the blob is there already."""
        target = self._target(digest)
        self._make_room(target)
        if target.exists():
            staged.unlink(missing_ok=True)
        else:
            staged.replace(target)
        # Also for a blob that was there: whoever put it there may not have come to this line yet.
        self._sync_folder(target.parent)

    def _kept(self, after: Digest | None) -> Iterator[KeptBlob]:
        first = (after.algorithm, after.encoded) if after else ("", "")
        for algorithm in sorted(os.listdir(self._blobs)):  # noqa: PTH208
            if algorithm < first[0]:
                continue
            for digits in sorted(os.listdir(self._blobs / algorithm)):  # noqa: PTH208
                if (algorithm, digits) < (first[0], first[1][:2]):
                    continue
                for encoded in sorted(os.listdir(self._blobs / algorithm / digits)):  # noqa: PTH208
                    if (algorithm, encoded) <= first:
                        continue
                    with suppress(Refused):
                        digest = Digest(f"{algorithm}:{encoded}")
                        if status := _status(self._target(digest)):
                            yield KeptBlob(digest, status.st_size, _changed(status))

    def _file(self, upload: str) -> Path:
        check_upload(upload)
        return self._staged / upload

    def _target(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.encoded[:2] / digest.encoded

    def _make_room(self, target: Path) -> None:
        """Make the folders of `target`, each made durable in its parent."""
        for folder in (target.parent.parent, target.parent):
            if folder not in self._durable:
                folder.mkdir(exist_ok=True)
                self._sync_folder(folder.parent)
                self._durable.add(folder)

    def sync(self, descriptor: int) -> None:
        """Wait until a file or folder is on the disk, unless that is left to the kernel."""
        if self._is_durable:
            os.fsync(descriptor)

    def write_out(self, descriptor: int, offset: int, count: int) -> None:
        """Let the disk begin to write a part of a file that will be synced, and wait for nothing.

        The advice is about pages that aren't needed, and the kernel's way to follow it is to write those out that are
        dirty (posix_fadvise(2)). They stay in memory, since they are being written when it looks.
        """
        if self._is_durable and hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # an advice, and syncing comes later
                os.posix_fadvise(descriptor, offset, count, os.POSIX_FADV_DONTNEED)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)


class _StagedFile:
    """A hold: the open staged file, locked against other holds, in whatever process of this machine."""

    def __init__(self, blobs: FolderBlobs, path: Path, file: FileIO, size: int) -> None:
        self._blobs = blobs
        self._path = path
        self._file = file
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise held_by_another() from None
        # Whoever had it locked before may have published it: then this is a blob, and not ours to write to.
        status = _status(path)
        if status is None or status.st_ino != os.fstat(file.fileno()).st_ino:
            raise unknown_upload()
        self._size = min(size, status.st_size)
        self._surplus = status.st_size - self._size
        self._written_out = self._size

    @property
    def size(self) -> int:
        """Bytes appended and resumed."""
        return self._size

    @property
    def surplus(self) -> int:
        """Bytes of the file behind those, until the first append drops them."""
        return self._surplus

    def append(self, content: bytes) -> int:
        """Write at the end."""
        with _translated():
            if self._surplus:
                self._file.truncate(self._size)
                self._surplus = 0
            self._file.seek(self._size)
            left = memoryview(content)
            while left:
                left = left[self._file.write(left) or 0 :]
        self._size += len(content)
        if self._size - self._written_out >= _WRITE_OUT_BYTES:
            self._blobs.write_out(self._file.fileno(), self._written_out, self._size - self._written_out)
            self._written_out = self._size
        return self._size

    def settle(self) -> str:
        """Nothing to do: what was written is in the file already, whatever becomes of this process."""
        return ""

    def pieces(self) -> Iterator[bytes]:
        """The file's bytes."""
        at = 0
        with _translated():
            while at < self._size:
                self._file.seek(at)
                piece = self._file.read(min(_READ_BYTES, self._size - at))
                if not piece:
                    raise Unavailable("A staged file became shorter.", advice="Check its disk, then push again.")
                at += len(piece)
                yield piece

    def publish(self, digest: Digest) -> int:
        """Sync the file, then move it to its name and sync the folders."""
        with _translated():
            if os.fstat(self._file.fileno()).st_size > self._size:
                self._file.truncate(self._size)  # what a request left that broke off, or an append that failed
            self._blobs.sync(self._file.fileno())
            try:
                self._blobs.take_in(self._path, digest)
            except FileNotFoundError:
                raise unknown_upload() from None
        return self._size

    def release(self) -> None:
        """Close the file, which unlocks it."""
        self._file.close()


class _BlobFile(RawIOBase):
    """A blob's open file, whose faults are said as Unavailable: one that cannot be read stays so until it is mended."""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int | None:
        try:
            return self._file.readinto(buffer)
        except OSError as fault:
            raise Unavailable(
                f"A blob cannot be read: {fault.strerror or fault}.", advice="Check the disk.", may_pass=False
            ) from fault

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _changed(status: os.stat_result) -> Instant:
    return Instant(status.st_mtime_ns // 1_000)


@contextmanager
def _translated() -> Iterator[None]:
    """Say faults of the disk as Unavailable."""
    try:
        yield
    except OSError as fault:
        raise Unavailable(
            f"The blob folder could not do it: {fault.strerror or fault}.", advice="Check its disk, then try again."
        ) from fault
