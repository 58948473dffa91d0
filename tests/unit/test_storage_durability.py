"""What is published is on the disk, file and folder, unless the operator has said that it need not be."""

import os
import stat
from pathlib import Path

import pytest

from assay.errors import Refused
from assay.oci import Digest
from assay.settings import read
from assay.storage import FolderBlobs

CONTENT = b"a blob"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What kinds of file were synced, in order."""
    found: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        found.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_a_blob_is_synced_before_its_folder(tmp_path: Path, synced: list[str]) -> None:
    FolderBlobs(tmp_path).put(Digest.of(CONTENT), CONTENT)
    assert synced[0] == "file"
    assert synced[-1] == "folder"


def test_nothing_is_synced_where_durability_is_off(tmp_path: Path, synced: list[str]) -> None:
    blobs = FolderBlobs(tmp_path, is_durable=False)
    blobs.put(Digest.of(CONTENT), CONTENT)
    assert synced == []
    with blobs.open(Digest.of(CONTENT)) as blob:
        assert blob.read() == CONTENT


def test_durability_is_on_unless_it_is_switched_off() -> None:
    assert read(environment={}).blob_fsync == "on"
    assert read(environment={"ASSAY_BLOB_FSYNC": "off"}).blob_fsync == "off"


def test_another_word_is_refused() -> None:
    with pytest.raises(Refused, match="blob_fsync is 'no'"):
        read(environment={"ASSAY_BLOB_FSYNC": "no"})
