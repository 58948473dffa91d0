"""What every blob store keeps; each adapter runs the same tests on the real thing, and leaves nothing behind."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from blob_media import FolderMedium, Medium, S3Medium, cleared, content_of, held, publish, stage

from assay.errors import Reason, Refused, Unavailable
from assay.oci import Digest
from assay.storage import BlobStore
from assay.storage.blobs import BLOBS_OPENED, folder, s3

HELLO = b"hello, blob"
DIGEST = Digest.of(HELLO)
MEBIBYTE = 1024 * 1024


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.real)])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Medium]:
    with ExitStack() as closing:
        is_folder = request.param == "folder"
        made = FolderMedium(tmp_path) if is_folder else S3Medium(request.getfixturevalue("s3"), closing)
        yield closing.enter_context(cleared(made))


@pytest.fixture
def blobs(medium: Medium) -> BlobStore:
    return medium.blobs


def reason_of(act: Callable[[], object]) -> Reason | None:
    try:
        act()
    except Refused as refusal:
        return refusal.reason
    return None


def test_a_published_blob_has_the_bytes_that_were_staged(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", b"hello, ", b"blob")
    assert blobs.staged_size("u1", mark) == 11
    assert publish(blobs, "u1", 11, mark, DIGEST) == 11
    assert blobs.size(DIGEST) == 11
    assert content_of(blobs, DIGEST) == HELLO


def test_a_staged_upload_is_not_a_blob_and_ends_when_it_is_published(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", HELLO)
    assert blobs.size(DIGEST) is None
    publish(blobs, "u1", 11, mark, DIGEST)
    assert reason_of(lambda: blobs.staged_size("u1", mark)) is Reason.UPLOAD_UNKNOWN
    assert reason_of(lambda: blobs.resume("u1", 11, mark)) is Reason.UPLOAD_UNKNOWN
    assert blobs.staged() == ()


def test_a_blob_may_be_published_without_being_settled_first(blobs: BlobStore) -> None:
    blobs.begin("u1")
    with held(blobs, "u1") as staging:
        staging.append(HELLO)
        assert staging.publish(DIGEST) == 11
    assert content_of(blobs, DIGEST) == HELLO


def test_an_empty_blob_is_one_too(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1")
    assert publish(blobs, "u1", 0, mark, Digest.of(b"")) == 0
    assert content_of(blobs, Digest.of(b"")) == b""
    assert blobs.size(Digest.of(b"")) == 0


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
    assert content_of(blobs, DIGEST) == HELLO


def test_a_hold_that_broke_off_counts_for_nothing_when_the_next_one_publishes(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", HELLO)
    with held(blobs, "u1", 11, mark) as staging:
        staging.append(b"and more")
    assert publish(blobs, "u1", 11, mark, DIGEST) == 11
    assert content_of(blobs, DIGEST) == HELLO


def test_more_is_not_resumed_than_was_settled(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", b"hello")
    sizes = []

    def resume() -> None:
        with held(blobs, "u1", 6, mark) as staging:
            sizes.append(staging.size)

    assert (reason_of(resume), sizes) in [(None, [5]), (Reason.UPLOAD_UNKNOWN, [])]


def test_another_process_goes_on_where_the_first_one_settled(medium: Medium) -> None:
    content = random.Random(7).randbytes(21 * MEBIBYTE + 5)
    digest = Digest.of(content)
    medium.blobs.begin("u1")
    size, mark = 0, ""
    for blobs, end in (
        (medium.blobs, 9 * MEBIBYTE + 1),
        (medium.another(), 10 * MEBIBYTE),
        (medium.blobs, len(content)),
    ):
        with held(blobs, "u1", size, mark) as staging:
            for start in range(size, end, MEBIBYTE):
                staging.append(content[start : min(start + MEBIBYTE, end)])
            size, mark = staging.size, staging.settle()
    third = medium.another()
    with held(third, "u1", size, mark) as staging:
        assert b"".join(staging.pieces()) == content
        assert staging.publish(digest) == len(content)
    assert content_of(medium.blobs, digest) == content
    assert medium.blobs.staged() == ()


def test_many_small_chunks_make_the_same_blob(medium: Medium) -> None:
    size, mark = 0, ""
    medium.blobs.begin("u1")
    for byte in HELLO * 3:
        with held(medium.blobs, "u1", size, mark) as staging:
            staging.append(bytes([byte]))
            size, mark = staging.size, staging.settle()
    assert publish(medium.another(), "u1", size, mark, Digest.of(HELLO * 3)) == 33
    assert content_of(medium.blobs, Digest.of(HELLO * 3)) == HELLO * 3


def test_of_two_holds_at_once_each_publishes_its_own_bytes_or_is_refused(medium: Medium) -> None:
    mark = stage(medium.blobs, "u1", b"hello, ")
    texts = [f"{number} of two".encode() for number in range(2)]
    settled, outcomes = threading.Barrier(2), []

    def write(blobs: BlobStore, text: bytes) -> None:
        try:
            try:
                staging = blobs.resume("u1", 7, mark)
            finally:
                settled.wait(20)
            with ExitStack() as release:
                release.callback(staging.release)
                staging.append(text)
                staging.settle()
                staging.publish(Digest.of(b"hello, " + text))
                outcomes.append("published")
        except Refused as refusal:
            outcomes.append(refusal.reason)

    stores = (medium.blobs, medium.another())
    threads = [threading.Thread(target=write, args=(blobs, text)) for blobs, text in zip(stores, texts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 2
    assert set(outcomes) <= {"published", Reason.RANGE_INVALID, Reason.UPLOAD_UNKNOWN}
    found = [text for text in texts if medium.blobs.size(Digest.of(b"hello, " + text)) is not None]
    assert len(found) == outcomes.count("published") >= 1
    for text in found:
        assert content_of(medium.blobs, Digest.of(b"hello, " + text)) == b"hello, " + text


def test_publishing_the_same_blob_twice_leaves_one(blobs: BlobStore) -> None:
    marks = [stage(blobs, "u1", HELLO), stage(blobs, "u2", HELLO)]
    publish(blobs, "u1", 11, marks[0], DIGEST)
    assert publish(blobs, "u2", 11, marks[1], DIGEST) == 11
    assert content_of(blobs, DIGEST) == HELLO
    assert blobs.staged() == ()
    assert [(kept.digest, kept.size) for kept in blobs.stored()] == [(DIGEST, 11)]


def test_what_is_not_there_is_refused_or_none(blobs: BlobStore) -> None:
    assert blobs.size(DIGEST) is None
    assert blobs.path(DIGEST) is None
    with pytest.raises(Refused) as refusal, blobs.open(DIGEST):
        pass
    assert refusal.value.reason is Reason.NOT_FOUND
    assert reason_of(lambda: blobs.resume("u9", 5, "")) is Reason.UPLOAD_UNKNOWN
    assert reason_of(lambda: blobs.resume("u9", 5, "../u1/00000000000000-0123456789abcdef-first")) is (
        Reason.UPLOAD_UNKNOWN
    )
    blobs.delete(DIGEST)
    blobs.discard("u9")


def test_a_small_blob_is_put_at_once_and_deleted(blobs: BlobStore) -> None:
    blobs.put(DIGEST, HELLO)
    blobs.put(DIGEST, HELLO)
    assert content_of(blobs, DIGEST) == HELLO
    blobs.delete(DIGEST)
    assert blobs.size(DIGEST) is None


def test_a_discarded_upload_is_unknown(blobs: BlobStore) -> None:
    mark = stage(blobs, "u1", HELLO)
    blobs.discard("u1")
    assert reason_of(lambda: blobs.resume("u1", 11, mark)) is Reason.UPLOAD_UNKNOWN
    assert blobs.staged() == ()


@pytest.mark.parametrize("upload", ["", ".", "../x", "a/b", "a" * 65, "a\x00", "a\n", "ä"])
def test_an_upload_name_cannot_leave_the_folder(blobs: BlobStore, upload: str) -> None:
    for verb in (blobs.begin, blobs.staged_size, blobs.staged_path, blobs.discard, lambda name: blobs.resume(name, 0)):
        assert reason_of(lambda verb=verb: verb(upload)) is Reason.UPLOAD_UNKNOWN


def test_any_part_of_a_blob_can_be_read(blobs: BlobStore) -> None:
    content = bytes(range(256)) * 4
    digest = Digest.of(content)
    blobs.put(digest, content)
    with blobs.open(digest) as blob:
        assert blob.read(3) == content[:3]
        assert blob.read(5) == content[3:8]
        blob.seek(1000)
        assert blob.read(100) == content[1000:]
        assert blob.read(1) == b""
        blob.seek(-4, 2)
        assert blob.read() == content[-4:]
        blob.seek(5000)
        assert blob.read(1) == b""


def test_opening_a_blob_is_counted_and_asking_for_it_is_not(blobs: BlobStore) -> None:
    blobs.put(DIGEST, HELLO)
    before = BLOBS_OPENED._value.get()
    blobs.size(DIGEST)
    blobs.path(DIGEST)
    blobs.address(DIGEST, 60)
    assert BLOBS_OPENED._value.get() == before
    content_of(blobs, DIGEST)
    assert BLOBS_OPENED._value.get() == before + 1


def test_blobs_are_listed_in_pages_by_algorithm_and_hex(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [f"blob {number}".encode() for number in range(12)]
    digests = [Digest.of(content, "sha512" if number % 4 == 3 else "sha256") for number, content in enumerate(contents)]
    for content, digest in zip(contents, digests, strict=True):
        blobs.put(digest, content)
    for module in (folder, s3):
        monkeypatch.setattr(module, "PAGE_ROWS", 5)
    found = []
    while page := blobs.stored(found[-1].digest if found else None):
        assert len(page) <= 5
        found += page
    assert [kept.digest.text for kept in found] == sorted(digest.text for digest in digests)
    assert {kept.size for kept in found} == {6, 7}
    assert max(kept.time_stored for kept in found) - min(kept.time_stored for kept in found) < 60_000_000
    monkeypatch.undo()
    assert [kept.digest for kept in blobs.stored(found[5].digest)] == [kept.digest for kept in found[6:]]


def test_staged_uploads_are_listed_in_pages(blobs: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:04x}-upload" for number in range(7)]
    for name in names:
        stage(blobs, name, b"a" * (1 + int(name[:4], 16)))
    for module in (folder, s3):
        monkeypatch.setattr(module, "PAGE_ROWS", 3)
    found = []
    while page := blobs.staged(found[-1].upload if found else ""):
        assert len(page) <= 3
        found += page
    assert [(staged.upload, staged.size) for staged in found] == [(name, n) for n, name in enumerate(names, 1)]
    assert max(staged.time_changed for staged in found) <= blobs.staged()[0].time_changed + 60_000_000


def test_a_medium_that_fails_is_unavailable_with_advice(medium: Medium) -> None:
    blobs = medium.broken()
    verbs: tuple[Callable[[], object], ...] = (
        lambda: blobs.size(DIGEST),
        lambda: blobs.put(DIGEST, HELLO),
        lambda: blobs.open(DIGEST).__enter__(),
        lambda: blobs.delete(DIGEST),
        lambda: blobs.discard("u1"),
        lambda: blobs.staged_size("u1", "00000000000000-0123456789abcdef-first"),
        lambda: blobs.resume("u1", 5, "00000000000000-0123456789abcdef-first"),
        blobs.stored,
        blobs.staged,
    )
    for verb in verbs:
        with pytest.raises(Unavailable) as fault:
            verb()
        assert "try again" in fault.value.advice
        assert "nobody-there" not in fault.value.message
