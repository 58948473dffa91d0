"""A server that is killed amid pushes: what was acknowledged holds, and it goes on from there."""

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
from registry_pieces import manifest_of

from assay.oci import Digest

HERE = Path(__file__).parent


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
