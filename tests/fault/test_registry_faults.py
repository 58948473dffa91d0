"""Faults amid a push: the n-th operation of store or database fails, or the server is killed. What was acknowledged
holds, what was not is not seen, and pushing again succeeds."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_pieces import ACTOR, Room, manifest_of
from sqlalchemy import Connection

from assay.clock import DAY, SetClock
from assay.errors import Unavailable
from assay.oci import Digest
from assay.registry import images, pulls, uploads
from assay.storage import Database, FolderBlobs, Store
from assay.storage.blobs import Staging

HERE = Path(__file__).parent


class Counted:
    """Counts operations and lets one of them, or all from one on, fail."""

    def __init__(self) -> None:
        self.done = 0
        self.fails_at: int | None = None
        self.goes_on_failing = False
        self.has_failed = False

    def step(self, what: str) -> None:
        if self.fails_at is None:
            return
        self.done += 1
        if self.done == self.fails_at or (self.goes_on_failing and self.done > self.fails_at):
            self.has_failed = True
            raise Unavailable(f"{what} failed on purpose.")


class FailingStaging:
    """A hold on an upload whose operations fail when told to, before or after they were done."""

    def __init__(self, real: Staging, counted: Counted) -> None:
        self._real = real
        self._counted = counted
        self.pieces, self.release = real.pieces, real.release

    @property
    def size(self) -> int:
        return self._real.size

    @property
    def surplus(self) -> int:
        return self._real.surplus

    def append(self, content: bytes) -> int:
        self._counted.step("append")
        size = self._real.append(content)
        self._counted.step("end of append")
        return size

    def settle(self) -> str:
        self._counted.step("settle")
        return self._real.settle()

    def publish(self, digest: Digest) -> int:
        self._counted.step("publish")
        size = self._real.publish(digest)
        self._counted.step("end of publish")
        return size


class FailingBlobs(FolderBlobs):
    """A folder whose operations fail when told to, before or after they were done."""

    def __init__(self, folder: Path, counted: Counted) -> None:
        super().__init__(folder)
        self._counted = counted

    def begin(self, upload: str) -> None:
        self._counted.step("begin")
        super().begin(upload)
        self._counted.step("end of begin")

    def resume(self, upload: str, size: int, mark: str = "", /) -> Staging:
        self._counted.step("resume")
        return FailingStaging(super().resume(upload, size, mark), self._counted)

    def discard(self, upload: str) -> None:
        self._counted.step("discard")
        super().discard(upload)


@contextmanager
def failing_writes(database: Database, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let write transactions fail before they begin, or before they commit."""
    real = database.write

    @contextmanager
    def write() -> Iterator[Connection]:
        counted.step("begin of a transaction")
        with real() as connection:
            yield connection
            counted.step("commit")

    with monkeypatch.context() as patched:
        patched.setattr(database, "write", write)
        yield


@pytest.mark.parametrize("goes_on_failing", [False, True], ids=["once", "from then on"])
def test_a_push_survives_the_failure_of_any_one_operation(
    store: Store, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on_failing: bool
) -> None:
    content = manifest_of(b"config", [b"layer" * 100])
    for number in range(1, 100):
        counted = Counted()
        blobs = FailingBlobs(tmp_path / str(number), counted)
        room = Room(store, blobs, uploads.Intake(store, blobs))
        name = f"team/app{number}"

        def push(room: Room = room, name: str = name) -> None:
            for blob in (b"config", b"layer" * 100):
                room.push_blob(blob, name)
            room.put(content, "v1", name)

        counted.fails_at, counted.goes_on_failing = number, goes_on_failing
        with failing_writes(store.database, counted, monkeypatch):
            try:
                push()
                succeeded = True
            except Unavailable:
                succeeded = False
        assert succeeded is not counted.has_failed
        counted.fails_at = None
        found = images.listed(store, ACTOR).items
        assert (name in {image.repository_name for image in found}) == succeeded
        push()
        served = pulls.manifest(store, ACTOR, name, "v1")
        assert served.content == content
        with blobs.open(Digest.of(b"layer" * 100)) as file:
            assert file.read() == b"layer" * 100
        clock.advance(DAY)
        while uploads.expire(room.intake):
            pass
        assert list(blobs.staged_path("x").parent.iterdir()) == []
        if succeeded:
            break
    assert number > 15


class Process:
    """The server as a process, to be killed."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
        self._running = subprocess.Popen(
            [sys.executable, HERE / "registry_process.py", folder],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._running.stdout is not None
        self.said = json.loads(self._running.stdout.readline())

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.said["path"], auth=(self.said["login"], self.said["token"]), timeout=30)

    def kill(self) -> None:
        self._running.send_signal(signal.SIGKILL)
        self._running.wait(20)
        assert self._running.stdout is not None
        self._running.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def serving(folder: Path) -> Iterator[Process]:
    process = Process(folder)
    try:
        yield process
    finally:
        process.kill()


def push_blob(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/blobs/uploads/", params={"digest": Digest.of(content).text}, content=content)
    assert answer.status_code == 201, answer.text


def test_a_killed_server_goes_on_where_it_had_acknowledged(folder: Path) -> None:
    content = random.Random(3).randbytes(6_000_000)
    with serving(folder) as process, process.client() as client:
        location = client.post("/blobs/uploads/").headers["location"]
        address = process.said["url"] + location
        first = client.patch(address, content=content[:2_000_000], headers={"content-range": "0-1999999"})
        assert first.status_code == 202
        # A second chunk is under way, and partly staged, when the server is killed.
        host, port = process.said["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            basic = httpx.BasicAuth(process.said["login"], process.said["token"])._auth_header
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic}\r\nContent-Length: 4000000\r\n\r\n"
            raw.sendall(head.encode() + content[2_000_000:4_500_000])
            staged = folder / "blobs" / "staged" / location.rsplit("/", 1)[1]
            deadline = time.monotonic() + 20
            while staged.stat().st_size <= 2_000_000 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.kill()
    with serving(folder) as process, process.client() as client:
        address = process.said["url"] + location
        assert client.get(address).headers["range"] == "0-1999999"
        rest = client.put(
            address,
            params={"digest": Digest.of(content).text},
            content=content[2_000_000:],
            headers={"content-range": "2000000-5999999"},
        )
        assert rest.status_code == 201
        assert client.get(f"/blobs/{Digest.of(content)}").content == content


def test_what_was_acknowledged_before_a_kill_is_there_after_it(folder: Path) -> None:
    """Kill at random moments of many small pushes: every image whose PUT was answered pulls with the right digest."""
    source = random.Random(5)
    acknowledged: list[bytes] = []
    for round_number in range(4):
        with serving(folder) as process, process.client() as client:
            for content in acknowledged:
                check_image(client, content)
            give_up = time.monotonic() + 0.3 + source.random()
            number = 0
            try:
                while True:
                    layer = f"layer {round_number} {number}".encode() * 50
                    push_blob(client, layer)
                    push_blob(client, b"config")
                    content = manifest_of(b"config", [layer])
                    if time.monotonic() > give_up:
                        os.kill(process._running.pid, signal.SIGKILL)
                    answer = client.put(
                        f"/manifests/t{round_number}-{number}",
                        content=content,
                        headers={"content-type": "application/vnd.oci.image.manifest.v1+json"},
                    )
                    assert answer.status_code == 201
                    acknowledged.append(content)
                    number += 1
            except httpx.TransportError:
                pass
    assert len(acknowledged) >= 4
    with serving(folder) as process, process.client() as client:
        for content in acknowledged:
            check_image(client, content)
        listed: Any = client.get("/tags/list").json()["tags"]
        assert len(listed) - len(acknowledged) in range(5)


def check_image(client: httpx.Client, content: bytes) -> None:
    served = client.get(f"/manifests/{Digest.of(content)}")
    assert served.content == content
    for layer in json.loads(content)["layers"]:
        blob = client.get(f"/blobs/{layer['digest']}")
        assert Digest(layer["digest"]).matches(blob.content)
