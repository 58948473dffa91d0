"""What every blob store keeps; each adapter runs the same tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.storage import BlobStore, FolderBlobs
from assay.storage.blobs import BLOBS_OPENED

ADAPTERS: dict[str, Callable[[Path], BlobStore]] = {"folder": FolderBlobs}
HELLO = b"hello, blob"
DIGEST = Digest.of(HELLO)


@pytest.fixture(params=ADAPTERS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return ADAPTERS[request.param](tmp_path / "blobs")


def stage(blobs: BlobStore, upload: str, *pieces: bytes) -> None:
    blobs.begin(upload)
    offset = 0
    for piece in pieces:
        offset = blobs.append(upload, offset, piece)


def content(blobs: BlobStore, digest: Digest) -> bytes:
    with blobs.open(digest) as blob:
        return blob.read()


def test_a_published_blob_has_the_bytes_that_were_staged(blobs: BlobStore) -> None:
    stage(blobs, "u1", b"hello, ", b"blob")
    assert blobs.staged_size("u1") == 11
    assert blobs.publish("u1", DIGEST) == 11
    assert blobs.size(DIGEST) == 11
    assert content(blobs, DIGEST) == HELLO


def test_a_staged_upload_is_not_a_blob_and_ends_when_it_is_published(blobs: BlobStore) -> None:
    stage(blobs, "u1", HELLO)
    assert blobs.size(DIGEST) is None
    blobs.publish("u1", DIGEST)
    with pytest.raises(Refused) as refusal:
        blobs.staged_size("u1")
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


def test_bytes_that_were_never_acknowledged_are_overwritten(blobs: BlobStore) -> None:
    stage(blobs, "u1", b"hello, ", b"torn tail of a killed server")
    assert blobs.append("u1", 7, b"blob") == 11
    blobs.publish("u1", DIGEST)
    assert content(blobs, DIGEST) == HELLO


def test_a_piece_beyond_the_end_is_refused(blobs: BlobStore) -> None:
    stage(blobs, "u1", b"hello")
    with pytest.raises(Refused) as refusal:
        blobs.append("u1", 6, b"x")
    assert refusal.value.reason is Reason.RANGE_INVALID
    assert blobs.staged_size("u1") == 5


def test_publishing_the_same_blob_twice_leaves_one(blobs: BlobStore) -> None:
    stage(blobs, "u1", HELLO)
    stage(blobs, "u2", HELLO)
    blobs.publish("u1", DIGEST)
    assert blobs.publish("u2", DIGEST) == 11
    assert content(blobs, DIGEST) == HELLO


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
    stage(blobs, "u1", HELLO)
    blobs.discard("u1")
    with pytest.raises(Refused):
        blobs.append("u1", 11, b"x")


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
