"""A disk that is really full: pushes are put off with 503, pulls go on, and when there is room all is as before."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from registry_oracle import faults
from registry_pieces import OCI_MANIFEST, manifest_of
from registry_server import Server, started

from assay.clock import Site, SystemClock
from assay.oci import Digest
from assay.registry.collection.fsck import fsck
from assay.secret import Secret
from assay.storage import Database, Store

DISK_BYTES = 16 * 1024 * 1024
LAYER_BYTES = 400_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, which only the administrator can mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "assay-tests", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"SKIPPED FOR WANT OF RIGHTS: cannot mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is; the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 1024 * 1024
        while size:
            try:
                file.write(bytes(size))
            except OSError as fault:
                if fault.errno != errno.ENOSPC:
                    raise
                size //= 2
    return ballast


class Pusher:
    """A client that pushes one image after the other."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.acknowledged: dict[str, bytes] = {}

    def push(self, tag: str) -> int:
        """Push an image; the status of the first answer that is no success, else 201."""
        layer = tag.encode() * (LAYER_BYTES // len(tag))
        for blob in (b"{}", layer):
            digest = Digest.of(blob).text
            begun = self._http.post("/blobs/uploads/")
            if begun.status_code != 202:
                return self._put_off(begun)
            where = httpx.URL(str(self._http.base_url)).join(begun.headers["location"])
            middle = len(blob) // 2
            sent = self._http.patch(where, content=blob[:middle])
            if sent.status_code != 202:
                return self._put_off(sent)
            ended = self._http.put(where, content=blob[middle:], params={"digest": digest})
            if ended.status_code != 201:
                return self._put_off(ended)
        content = manifest_of(b"{}", [layer])
        answer = self._http.put(f"/manifests/{tag}", content=content, headers={"content-type": OCI_MANIFEST})
        if answer.status_code == 201:
            self.acknowledged[tag] = content
            return 201
        return self._put_off(answer)

    def _put_off(self, answer: httpx.Response) -> int:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["errors"][0]["code"] == "UNAVAILABLE"
        return 503

    def pull_all(self) -> None:
        """Everything that was acknowledged is there."""
        for tag, content in self.acknowledged.items():
            assert self._http.get(f"/manifests/{tag}").content == content
            layer = tag.encode() * (LAYER_BYTES // len(tag))
            assert self._http.get(f"/blobs/{Digest.of(layer)}").content == layer


@pytest.mark.parametrize("what", ["blobs", "database"])
def test_a_full_disk_puts_pushes_off_and_loses_nothing(
    disk: Path, tmp_path: Path, sqlite_template: Path, what: str
) -> None:
    (tmp_path / "roomy").mkdir()
    places = {each: (disk if each == what else tmp_path / "roomy") / each for each in ("blobs", "database")}
    shutil.copyfile(sqlite_template, places["database"])
    database = Database(f"sqlite:///{places['database']}")
    store = Store(database, SystemClock(), Site("oc1", "local"), Secret("page key of the tests"))
    with started(store, places["blobs"]) as server, server.client(timeout=30) as http:
        pusher = Pusher(http)
        assert [pusher.push(f"before{number}") for number in range(3)] == [201, 201, 201]
        ballast = fill(disk)
        assert [pusher.push(f"amid{number}") for number in range(3)] == [503, 503, 503]
        pusher.pull_all()
        ballast.unlink()
        assert [pusher.push(f"{when}{number}") for when in ("amid", "after") for number in range(3)] == [201] * 6
        pusher.pull_all()
        check(server, database)
    database.close()


def test_a_disk_that_fills_up_amid_pushes_keeps_what_was_acknowledged(
    disk: Path, tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copyfile(sqlite_template, disk / "assay.db")
    database = Database(f"sqlite:///{disk / 'assay.db'}")
    store = Store(database, SystemClock(), Site("oc1", "local"), Secret("page key of the tests"))
    with started(store, disk / "blobs") as server, server.client(timeout=30) as http:
        pusher = Pusher(http)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 * 1024 * 1024))
        number = 0
        while pusher.push(f"number{number}") == 201:
            number += 1
            assert number < DISK_BYTES // LAYER_BYTES
        assert number > 0
        pusher.pull_all()
        ballast.unlink()
        assert pusher.push(f"number{number}") == 201
        pusher.pull_all()
        check(server, database)
    database.close()


def check(server: Server, database: Database) -> None:
    """Rows and files agree, and the database file is sound."""
    assert faults(database, server.blobs) == []
    assert list(fsck(server.store, server.blobs)) == []
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
