"""What a folder of blobs keeps beside the common contract: the order in which things reach the disk, and its locks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blob_media import held, publish, stage

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.storage import FolderBlobs

HELLO = b"hello, blob"
DIGEST = Digest.of(HELLO)
SHELF = f"blobs/sha256/{DIGEST.encoded[:2]}"


class Disk:
    """Notes, in order, what is written, synced and moved below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.done: list[tuple[str, ...]] = []

    def _name(self, place: Any) -> str:
        path = Path(f"/proc/self/fd/{place}").readlink() if isinstance(place, int) else Path(place)
        return path.relative_to(self._folder).as_posix()

    @contextmanager
    def noted(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Note what happens until the block ends."""
        with monkeypatch.context() as patched:
            for name in ("fsync", "rename", "replace", "mkdir", "unlink"):
                patched.setattr(os, name, self._noting(name, getattr(os, name)))
            yield

    def _noting(self, name: str, real: Any) -> Any:
        def call(*places: Any, **more: Any) -> Any:
            names = [self._name(place) for place in places[: 2 if name in ("rename", "replace") else 1]]
            result = real(*places, **more)
            self.done.append((name, *names))
            return result

        return call


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path)


def test_bytes_are_durable_before_the_name_and_the_name_before_the_answer(
    blobs: FolderBlobs, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = stage(blobs, "u1", HELLO)
    with disk.noted(monkeypatch):
        publish(blobs, "u1", 11, mark, DIGEST)
    assert disk.done == [
        ("fsync", "staged/u1"),
        ("mkdir", "blobs/sha256"),
        ("fsync", "blobs"),
        ("mkdir", SHELF),
        ("fsync", "blobs/sha256"),
        ("replace", "staged/u1", f"{SHELF}/{DIGEST.encoded}"),
        ("fsync", SHELF),
    ]


def test_a_blob_that_another_push_has_just_put_there_is_made_durable_before_the_answer(
    blobs: FolderBlobs, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [stage(blobs, upload, HELLO) for upload in ("u1", "u2")]
    publish(blobs, "u1", 11, marks[0], DIGEST)
    with disk.noted(monkeypatch):
        publish(blobs, "u2", 11, marks[1], DIGEST)
    assert disk.done == [("fsync", "staged/u2"), ("unlink", "staged/u2"), ("fsync", SHELF)]


def test_a_folder_that_another_process_has_just_made_is_made_durable_too(
    blobs: FolderBlobs, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(DIGEST, HELLO)
    fresh = FolderBlobs(tmp_path)
    with disk.noted(monkeypatch):
        fresh.put(DIGEST, HELLO)
    assert [place for what, place, *_ in disk.done if what == "fsync"][1:] == ["blobs", "blobs/sha256", SHELF]


def test_a_put_that_fails_leaves_nothing_staged(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(Exception, match="Input/output error"):
        blobs.put(DIGEST, HELLO)
    assert blobs.staged() == ()
    assert blobs.size(DIGEST) is None


def test_an_upload_that_another_process_writes_to_is_refused_until_that_one_ends(
    blobs: FolderBlobs, tmp_path: Path
) -> None:
    stage(blobs, "u1", HELLO)
    program = (
        "import sys, pathlib; from assay.storage import FolderBlobs; "
        "hold = FolderBlobs(pathlib.Path(sys.argv[1])).resume('u1', 11); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Refused) as refusal:
            blobs.resume("u1", 11)
        assert refusal.value.reason is Reason.RANGE_INVALID
        other.kill()
    with held(blobs, "u1", 11) as staging:
        assert staging.publish(DIGEST) == 11


def test_a_hold_never_writes_to_a_blob_that_its_file_has_become(
    blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(blobs, "u1", HELLO)
    real = Path.open

    def overtaken(path: Path, *how: Any, **more: Any) -> Any:
        file = real(path, *how, **more)
        monkeypatch.undo()
        publish(blobs, "u1", 11, "", DIGEST)
        return file

    monkeypatch.setattr(Path, "open", overtaken)
    with pytest.raises(Refused) as refusal:
        blobs.resume("u1", 3)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN
    with blobs.open(DIGEST) as blob:
        assert blob.read() == HELLO


def test_files_of_others_in_the_folder_are_no_blobs_and_no_uploads(blobs: FolderBlobs, tmp_path: Path) -> None:
    blobs.put(DIGEST, HELLO)
    (tmp_path / SHELF / "readme").write_text("somebody else's")
    (tmp_path / "staged" / ".nfs0001").write_text("somebody else's")
    assert [kept.digest for kept in blobs.stored()] == [DIGEST]
    assert blobs.staged() == ()
