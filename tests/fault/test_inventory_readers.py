"""Reader processes that die, hang or take too much; uploads that are followed, and what becomes visible of them."""

import gzip
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inventory_layers import END, debian, dpkg_record, file, header, python_package, read_blob

from assay.errors import Unavailable
from assay.inventory import LayerPart, LayerReaders, ReaderLimits, ReadLimits
from assay.oci import Digest

BLOB = gzip.compress(debian(dpkg_record("tzdata", "1")) + python_package("opt", "six", "1.16.0") + END, mtime=0)
DIGEST = Digest.of(BLOB)
NOISE = os.urandom(3 << 20)
LARGE = gzip.compress(python_package("opt", "six", "1.16.0") + file("noise", NOISE) + END, 1, mtime=0)


@pytest.fixture
def kept() -> list[LayerPart]:
    """What the readers made visible."""
    return []


@pytest.fixture
def pool(kept: list[LayerPart]) -> Iterator[Callable[..., LayerReaders]]:
    """Makes a pool with certain limits."""
    made: list[LayerReaders] = []

    def make(*, processes: int = 1, read_limits: ReadLimits | None = None, **limits: float) -> LayerReaders:
        made.append(
            LayerReaders(kept.append, processes=processes, limits=ReaderLimits(**limits), read_limits=read_limits)
        )
        return made[-1]

    yield make
    for readers in made:
        readers.close()


class Stalled(io.RawIOBase):
    """A blob on its way from elsewhere that stops after its first bytes until it is let go on."""

    def __init__(self, content: bytes, first: int) -> None:
        self._rest = [content[:first], content[first:], b""]
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def read(self, size: int = -1) -> bytes:
        if len(self._rest) == 2:
            self.begun.set()
            assert self.go_on.wait(60)
        return self._rest.pop(0)


def in_thread(readers: LayerReaders, blob: io.RawIOBase, digest: Digest) -> tuple[threading.Thread, list[LayerPart]]:
    parts: list[LayerPart] = []
    thread = threading.Thread(target=lambda: parts.append(readers.read(blob, digest)))
    thread.start()
    return thread, parts


def test_a_stored_layer_is_read_as_a_file_or_as_a_stream(pool: Callable[..., LayerReaders], tmp_path: Path) -> None:
    readers = pool()
    (tmp_path / "blob").write_bytes(BLOB)
    with (tmp_path / "blob").open("rb") as blob:
        blob.read(10)  # where the file stands doesn't matter
        assert readers.read(blob, DIGEST) == read_blob(BLOB)
    assert readers.read(io.BytesIO(BLOB), DIGEST) == read_blob(BLOB)
    sha512 = Digest.of(BLOB, "sha512")
    assert readers.read(io.BytesIO(BLOB), sha512).digest == sha512


def test_bytes_that_have_another_digest_are_not_believed(pool: Callable[..., LayerReaders]) -> None:
    other = Digest.of(b"another thing")
    part = pool().read(io.BytesIO(BLOB), other)
    assert (part.digest, part.is_read, part.files) == (other, False, ())
    assert part.reason == f"the bytes stored for it have the digest {DIGEST}"


def test_a_killed_reader_is_replaced_and_a_file_is_read_again(
    pool: Callable[..., LayerReaders], tmp_path: Path
) -> None:
    readers = pool()
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
    (before,) = readers.process_ids()
    os.kill(before, signal.SIGKILL)
    (tmp_path / "blob").write_bytes(BLOB)
    with (tmp_path / "blob").open("rb") as blob:
        assert readers.read(blob, DIGEST) == read_blob(BLOB)
    assert readers.process_ids() != (before,)


def test_a_reader_killed_amid_a_stream_leaves_the_layer_partly_read(pool: Callable[..., LayerReaders]) -> None:
    readers = pool()
    blob = Stalled(LARGE, 1 << 20)
    thread, parts = in_thread(readers, blob, Digest.of(LARGE))
    assert blob.begun.wait(60)
    os.kill(readers.process_ids()[0], signal.SIGKILL)
    blob.go_on.set()
    thread.join(60)
    assert [(part.is_read, part.is_complete, part.files) for part in parts] == [(False, False, ())]
    assert parts[0].reason == "partly read: its reader was killed by SIGKILL"
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_reader_that_says_nothing_in_time_is_given_up(pool: Callable[..., LayerReaders]) -> None:
    readers = pool(wall_seconds=4.0)
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
    first = readers.process_ids()
    blob = Stalled(LARGE, 1000)
    thread, parts = in_thread(readers, blob, Digest.of(LARGE))
    # Its bytes don't come; when the reader was given up, nobody reads the pipe that the rest is written to.
    assert blob.begun.wait(60)
    while readers.process_ids() in (first, ()):
        threading.Event().wait(0.05)
    blob.go_on.set()
    thread.join(60)
    assert [part.reason for part in parts] == ["partly read: reading it took longer than 4 s"]
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_reader_over_its_memory_leaves_the_layer_partly_read(
    pool: Callable[..., LayerReaders], tmp_path: Path
) -> None:
    readers = pool(memory_bytes_max=64 << 20)
    (tmp_path / "blob").write_bytes(blob := gzip.compress(file("var/lib/dpkg/status", bytes(30 << 20)) + END, 1))
    with (tmp_path / "blob").open("rb") as source:
        part = readers.read(source, Digest.of(blob))
    assert part.reason == "partly read: reading it needs more memory than a reader may use"
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_reader_over_its_processor_time_leaves_the_layer_partly_read(
    pool: Callable[..., LayerReaders], tmp_path: Path
) -> None:
    readers = pool(cpu_seconds=1, read_limits=ReadLimits(ratio_max=2000))
    endless = header(b"zeros", size_field=b"\x80" + (1 << 42).to_bytes(11))
    blob = gzip.compress(endless) + gzip.compress(bytes(64 << 20), 9) * 400
    (tmp_path / "blob").write_bytes(blob)
    with (tmp_path / "blob").open("rb") as source:
        part = readers.read(source, Digest.of(blob))
    assert part.reason == "partly read: reading it took more than 1 s of processor time"
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_blob_whose_store_fails_raises_what_the_store_says(pool: Callable[..., LayerReaders]) -> None:
    class Failing(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise Unavailable("The object store doesn't answer.")

    readers = pool()
    with pytest.raises(Unavailable, match="object store"):
        readers.read(Failing(), DIGEST)
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_pool_that_is_closed_answers_what_waits(pool: Callable[..., LayerReaders]) -> None:
    readers = pool()
    blob = Stalled(LARGE, 1000)
    thread, parts = in_thread(readers, blob, Digest.of(LARGE))
    assert blob.begun.wait(60)
    waiting, others = in_thread(readers, io.BytesIO(BLOB), DIGEST)
    closing = threading.Thread(target=readers.close)
    closing.start()
    blob.go_on.set()
    for each in (closing, thread, waiting):
        each.join(60)
        assert not each.is_alive()
    assert [part.is_read for part in parts + others] == [False, False]
    assert not readers.read(io.BytesIO(BLOB), DIGEST).is_read
    assert readers.process_ids() == ()


def test_a_reader_holds_nothing_of_the_server(
    pool: Callable[..., LayerReaders], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_PASSPHRASE", "a secret of the server")
    readers = pool()
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
    process = Path(f"/proc/{readers.process_ids()[0]}")
    if not process.exists():
        pytest.skip("SKIPPED FOR WANT OF A PART: no /proc to look into")
    variables = {line.partition(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0") if line}
    assert variables == {b"PYTHONPATH", b"LANG"}
    assert {entry.name for entry in (process / "fd").iterdir()} == {"0", "1", "2"}
    assert os.getsid(readers.process_ids()[0]) != os.getsid(0)
    limits = {line[:26].strip(): line[26:47].strip() for line in (process / "limits").read_text().splitlines()}
    assert limits["Max core file size"] == "0"
    assert limits["Max file size"] == "0"
    assert limits["Max address space"] == str(ReaderLimits().memory_bytes_max)
    assert int(limits["Max cpu time"]) <= ReaderLimits().cpu_seconds + 10


def test_a_reader_process_brings_no_database_and_no_client_with_it() -> None:
    script = "import sys, assay.inventory.reader_process; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    roots = {module.partition(".")[0] for module in loaded.stdout.split()}
    assert not roots & {"sqlalchemy", "psycopg", "sqlite3", "httpx", "cryptography", "uvicorn", "starlette", "dbos"}


def test_a_reader_is_replaced_after_so_many_layers(pool: Callable[..., LayerReaders]) -> None:
    readers = pool(layers_each_max=2)
    processes = set()
    for _ in range(5):
        assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
        processes |= set(readers.process_ids())
    assert len(processes) == 3


class Upload:
    """An upload as the registry makes it: a staged file that grows, and a follower that is told."""

    def __init__(self, readers: LayerReaders, folder: Path, name: str = "upload") -> None:
        self._readers, self._name = readers, name
        self._staged = folder / name
        self._staged.write_bytes(b"")
        self._size = 0
        readers.begun(name, self._staged)

    def append(self, content: bytes) -> None:
        with self._staged.open("ab") as staged:
            staged.write(content)
        self._size += len(content)
        self._readers.grown(self._name, self._size)

    def publish(self, digest: Digest) -> None:
        self._staged.rename(self._staged.with_suffix(".blob"))
        self._readers.published(self._name, digest, self._size)
        self._readers.settle(digest)

    def abandon(self) -> None:
        self._staged.unlink()
        self._readers.abandoned(self._name)


@pytest.mark.parametrize("piece", [100, 1 << 20])
def test_a_followed_upload_is_visible_when_it_is_published(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path, piece: int
) -> None:
    upload = Upload(pool(), tmp_path)
    for start in range(0, len(BLOB), piece):
        upload.append(BLOB[start : start + piece])
        assert kept == []
    upload.publish(DIGEST)
    assert kept == [read_blob(BLOB)]


def test_an_upload_published_under_another_digest_stays_invisible(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    upload = Upload(pool(), tmp_path)
    upload.append(BLOB)
    upload.publish(Digest.of(b"another thing"))
    assert kept == []


def test_an_abandoned_upload_leaves_nothing_and_frees_its_reader(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool()
    upload = Upload(readers, tmp_path)
    upload.append(BLOB[:100])
    upload.abandon()
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
    assert kept == []


def test_an_upload_that_is_no_layer_is_left_alone(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool()
    config = b'{"architecture": "amd64", "os": "linux"}'.ljust(600)
    upload = Upload(readers, tmp_path)
    upload.append(config)
    upload.publish(Digest.of(config))
    assert kept == []
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete


def test_a_damaged_upload_is_kept_as_partly_read(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    cut = BLOB[:-20]
    upload = Upload(pool(), tmp_path)
    upload.append(cut)
    upload.publish(Digest.of(cut))
    assert [(part.digest, part.reason) for part in kept] == [(Digest.of(cut), "Its gzip stream ends early.")]


def test_many_uploads_at_once_are_all_followed_by_one_reader(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool()
    blobs = [gzip.compress(python_package("opt", f"p{number}", "1") + END, mtime=0) for number in range(8)]
    uploads = [Upload(readers, tmp_path, f"upload{number}") for number in range(8)]
    for upload, blob in zip(uploads, blobs, strict=True):
        upload.append(blob[:60])
    for upload, blob in zip(reversed(uploads), reversed(blobs), strict=True):
        upload.append(blob[60:])
    # A reader waits for the first one while nobody else is complete; it is let go when that one ends.
    for upload, blob in zip(uploads, blobs, strict=True):
        upload.publish(Digest.of(blob))
    assert {part.digest for part in kept} == {Digest.of(blob) for blob in blobs}


def test_a_slow_upload_gives_way_to_a_stored_layer(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool(patience_seconds=0.0)
    upload = Upload(readers, tmp_path)
    upload.append(LARGE[:1000])
    assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
    upload.append(LARGE[1000:])
    upload.publish(Digest.of(LARGE))
    assert {part.digest for part in kept} <= {Digest.of(LARGE)}


def test_an_upload_that_trickles_in_holds_up_nobody(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool()
    trickling = Upload(readers, tmp_path, "trickling")
    trickling.append(LARGE[:1000])
    is_over = threading.Event()

    def trickle() -> None:
        for start in range(1000, len(LARGE), 10):
            trickling.append(LARGE[start : start + 10])
            if is_over.wait(0.002):
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        assert readers.read(io.BytesIO(BLOB), DIGEST).is_read
        again = Upload(readers, tmp_path, "again")
        again.append(LARGE[:1000])
        whole = Upload(readers, tmp_path, "whole")
        whole.append(BLOB)
        whole.publish(DIGEST)
        assert [part.digest for part in kept] == [DIGEST]
        assert thread.is_alive()
    finally:
        is_over.set()
        thread.join()


def test_a_reader_killed_amid_an_upload_leaves_nothing_and_the_pool_goes_on(
    pool: Callable[..., LayerReaders], kept: list[LayerPart], tmp_path: Path
) -> None:
    readers = pool()
    upload = Upload(readers, tmp_path)
    upload.append(LARGE[: 1 << 20])
    while not readers.process_ids():
        threading.Event().wait(0.01)
    os.kill(readers.process_ids()[0], signal.SIGKILL)
    upload.append(LARGE[1 << 20 :])
    upload.publish(Digest.of(LARGE))
    assert all(part.is_complete for part in kept)
    assert readers.read(io.BytesIO(LARGE), Digest.of(LARGE)).is_complete


def test_the_port_of_a_follower_never_raises(pool: Callable[..., LayerReaders], tmp_path: Path) -> None:
    readers = pool(followed_max=1)
    readers.begun("nowhere", tmp_path / "nowhere")
    readers.grown("unknown", 5)
    readers.published("unknown", DIGEST, 5)
    readers.abandoned("unknown")
    Upload(readers, tmp_path, "one").append(BLOB)
    beyond = Upload(readers, tmp_path, "beyond the limit")
    beyond.append(BLOB)
    beyond.publish(DIGEST)
    empty = Upload(readers, tmp_path, "empty")
    empty.publish(Digest.of(b""))
    readers.close()
    Upload(readers, tmp_path, "after the end").append(BLOB)


def test_a_part_that_cannot_be_kept_is_lost_without_harm(tmp_path: Path) -> None:
    def failing(part: LayerPart) -> None:
        raise Unavailable("The database could not do it.")

    with LayerReaders(failing, processes=1) as readers:
        upload = Upload(readers, tmp_path)
        upload.append(BLOB)
        upload.publish(DIGEST)
        assert readers.read(io.BytesIO(BLOB), DIGEST).is_complete
