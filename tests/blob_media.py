"""The media that blob stores are tested on: a folder, and a bucket of a real S3 server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from places import free_port
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

from assay.clock import SystemClock
from assay.oci import Digest
from assay.secret import Secret
from assay.storage import BlobStore, FolderBlobs
from assay.storage.blobs import Bucket, S3Blobs, S3Credentials, S3Place, Staging


class Medium(Protocol):
    """A medium, with a store on it."""

    blobs: BlobStore

    def another(self) -> BlobStore:
        """A store of another process."""

    def broken(self) -> BlobStore:
        """A store on a medium that fails."""

    def left(self) -> list[str]:
        """Whatever lies on the medium, by name."""


class FolderMedium:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.blobs: BlobStore = FolderBlobs(folder / "blobs")

    def another(self) -> BlobStore:
        return FolderBlobs(self._folder / "blobs")

    def broken(self) -> BlobStore:
        place = self._folder / "broken"
        blobs = FolderBlobs(place)
        for name in ("staged", "blobs"):
            (place / name).rmdir()
            (place / name).write_text("no folder")
        return blobs

    def left(self) -> list[str]:
        return [path.name for path in (self._folder / "blobs").rglob("*") if path.is_file()]


class S3Medium:
    """A bucket below a prefix of its own."""

    def __init__(self, server: S3Server, closing: ExitStack) -> None:
        self._server = server
        self._closing = closing
        self._prefix = f"tests/{uuid4().hex}"
        self.bucket = server.bucket(self._prefix)
        self.blobs: BlobStore = self._closed_at_the_end(S3Blobs(self.bucket))

    def another(self) -> BlobStore:
        return self._closed_at_the_end(S3Blobs(self._server.bucket(self._prefix)))

    def broken(self) -> BlobStore:
        place = S3Place(f"http://127.0.0.1:{free_port()}", "nobody-there")
        credentials = S3Credentials(ACCESS_KEY, Secret(SECRET_KEY))
        return self._closed_at_the_end(S3Blobs(Bucket(place, credentials, SystemClock())))

    def left(self) -> list[str]:
        unfinished = self.bucket._document(self.bucket._ask("GET", None, query={"uploads": ""}))
        keys = [found.findtext("{*}Key", "") for found in unfinished.iterfind("{*}Upload")]
        return [entry.key for entry in self.bucket.listed("")] + [key for key in keys if self._prefix in key]

    def _closed_at_the_end(self, blobs: S3Blobs) -> S3Blobs:
        self._closing.callback(blobs.close)
        return blobs


@contextmanager
def cleared(medium: Medium) -> Iterator[Medium]:
    """Afterwards remove what the store itself lists; nothing else may lie there."""
    yield medium
    for staged in medium.blobs.staged():
        medium.blobs.discard(staged.upload)
    for kept in medium.blobs.stored():
        medium.blobs.delete(kept.digest)
    assert medium.left() == []


@contextmanager
def held(blobs: BlobStore, upload: str, size: int = 0, mark: str = "") -> Iterator[Staging]:
    """A hold on an upload."""
    staging = blobs.resume(upload, size, mark)
    try:
        yield staging
    finally:
        staging.release()


def stage(blobs: BlobStore, upload: str, *pieces: bytes) -> str:
    """Begin an upload and settle the pieces together; the mark."""
    blobs.begin(upload)
    with held(blobs, upload) as staging:
        for piece in pieces:
            staging.append(piece)
        return staging.settle()


def publish(blobs: BlobStore, upload: str, size: int, mark: str, digest: Digest) -> int:
    """Publish what was settled."""
    with held(blobs, upload, size, mark) as staging:
        return staging.publish(digest)


def content_of(blobs: BlobStore, digest: Digest) -> bytes:
    """The bytes of a blob."""
    with blobs.open(digest) as blob:
        return blob.read()
