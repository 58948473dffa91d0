"""What every blob store keeps; each adapter runs the same tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.storage import BlobStore, FolderBlobs
from assay.storage.blobs import BLOBS_OPENED, Staging

ADAPTERS: dict[str, Callable[[Path], BlobStore]] = {"folder": FolderBlobs}
HELLO = b"hello, blob"
DIGEST = Digest.of(HELLO)


@pytest.fixture(params=ADAPTERS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return ADAPTERS[request.param](tmp_path / "blobs")


@contextmanager
def held(blobs: BlobStore, upload: str, size: int = 0, mark: str = "") -> Iterator[Staging]:
    staging = blobs.resume(upload, size, mark)
    try:
        yield staging
    finally:
        staging.release()


def stage(blobs: BlobStore, upload: str, *pieces: bytes) -> str:
    """Begin an upload and settle the pieces; the mark."""
    blobs.begin(upload)
    with held(blobs, upload) as staging:
        for piece in pieces:
            staging.append(piece)
        return staging.settle()


def publish(blobs: BlobStore, upload: str, size: int, mark: str, digest: Digest = DIGEST) -> int:
    with held(blobs, upload, size, mark) as staging:
        return staging.publish(digest)


def content(blobs: BlobStore, digest: Digest) -> bytes:
    with blobs.open(digest) as blob:
        return blob.read()


def test_a_published_blob_has_the_bytes_that_were_staged(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", b"hello, ", b"blob")
    assert blobs.staged_size("u1", mark) == 11
    assert publish(blobs, "u1", 11, mark) == 11
    assert blobs.size(DIGEST) == 11
    assert content(blobs, DIGEST) == HELLO


def test_a_staged_upload_is_not_a_blob_and_ends_when_it_is_published(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", HELLO)
    assert blobs.size(DIGEST) is None
    publish(blobs, "u1", 11, mark)
    with pytest.raises(Refused) as refusal:
        blobs.staged_size("u1", mark)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN
    with pytest.raises(Refused) as refusal:
        blobs.resume("u1", 11, mark)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


def test_bytes_that_were_never_acknowledged_are_overwritten(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", b"hello, ")
    with held(blobs, "u1", 7, mark) as staging:
        staging.append(b"torn tail of a request that died")
        staging.settle()
    with held(blobs, "u1", 7, mark) as staging:
        assert staging.size == 7
        assert staging.append(b"blob") == 11
        assert b"".join(staging.pieces()) == HELLO
        staging.publish(DIGEST)
    assert content(blobs, DIGEST) == HELLO


def test_publishing_the_same_blob_twice_leaves_one(blobs: BlobStore) -> None:
    marks = [stage(blobs, "u1", HELLO), stage(blobs, "u2", HELLO)]
    publish(blobs, "u1", 11, marks[0])
    assert publish(blobs, "u2", 11, marks[1]) == 11
    assert content(blobs, DIGEST) == HELLO
    assert blobs.staged() == ()
    assert [(kept.digest, kept.size) for kept in blobs.stored()] == [(DIGEST, 11)]


def test_what_is_not_there_is_refused_or_none(blobs: BlobStore) -> None:
    assert blobs.size(DIGEST) is None
    assert blobs.path(DIGEST) is None
    with pytest.raises(Refused) as refusal, blobs.open(DIGEST):
        pass
    assert refusal.value.reason is Reason.NOT_FOUND
    blobs.delete(DIGEST)
    blobs.discard("u9")


def test_a_small_blob_is_put_at_once_and_deleted(blobs: BlobStore) -> None:
    blobs.put(DIGEST, HELLO)
    blobs.put(DIGEST, HELLO)
    assert content(blobs, DIGEST) == HELLO
    blobs.delete(DIGEST)
    assert blobs.size(DIGEST) is None


def test_a_discarded_upload_is_unknown(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", HELLO)
    blobs.discard("u1")
    with pytest.raises(Refused) as refusal:
        blobs.resume("u1", 11, mark)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN
    assert blobs.staged() == ()


@pytest.mark.parametrize("upload", ["", "../x", "a/b", "a" * 65, "a\x00"])
def test_an_upload_name_cannot_leave_the_folder(blobs: BlobStore, upload: str) -> None:
    with pytest.raises(Refused):
        blobs.begin(upload)


def test_opening_a_blob_is_counted_and_asking_for_it_is_not(blobs: BlobStore) -> None:
    blobs.put(DIGEST, HELLO)
    before = BLOBS_OPENED._value.get()
    blobs.size(DIGEST)
    blobs.path(DIGEST)
    assert BLOBS_OPENED._value.get() == before
    content(blobs, DIGEST)
    assert BLOBS_OPENED._value.get() == before + 1
