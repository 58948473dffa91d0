"""Many clients at once, on both databases: nothing is lost, counts stay exact, one repository is made."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from registry_pieces import ACTOR, Room
from registry_server import started

from assay.http import bodies
from assay.oci import Digest
from assay.registry import images
from assay.storage import Store


def test_pushes_into_one_new_repository_at_once_all_count(store: Store, tmp_path: Path) -> None:
    room = Room.on(store, tmp_path / "blobs")
    together = threading.Barrier(8)

    def push(number: int) -> str:
        together.wait(30)
        layers = [b"shared by all", f"own {number}".encode()]
        return room.push_image(f"v{number}", seed=str(number), layers=layers)[0].image

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(push, range(8)))
    repository = room.repository()
    assert len(set(made)) == 8
    assert (repository.image_count, repository.layer_count) == (8, 9)
    assert repository.layers_bytes == len(b"shared by all") + 8 * len(b"own 0")
    assert repository.stored_bytes == repository.layers_bytes + 8 * len(b'{"seed": "0"}')


def test_the_same_image_pushed_by_many_at_once_is_one(store: Store, tmp_path: Path) -> None:
    room = Room.on(store, tmp_path / "blobs")
    together = threading.Barrier(6)

    def push(number: int) -> str:
        together.wait(30)
        return room.push_image(f"v{number}", seed="same")[0].image

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(push, range(6)))
    assert len(made) == 1
    (image,) = images.listed(store, ACTOR).items
    assert sorted(version.version for version in image.versions) == [f"v{number}" for number in range(6)]
    assert room.repository().layer_count == 1


def test_one_tag_moved_by_many_at_once_names_one_of_them_and_keeps_its_history(store: Store, tmp_path: Path) -> None:
    room = Room.on(store, tmp_path / "blobs")
    contents = [room.push_image(f"v{number}", seed=str(number))[1] for number in range(5)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda content: room.put(content, "latest"), contents))
    found = images.lookup(store, ACTOR, "team/app", "latest")
    assert found.digest in {Digest.of(content) for content in contents}
    versions = [image.versions for image in images.listed(store, ACTOR).items]
    assert sum("latest" in {each.version for each in named} for named in versions) == 1


def test_a_client_that_stands_still_amid_its_body_is_told_so_and_its_upload_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(store, tmp_path / "blobs") as server, server.client() as client:
        location = client.post("/blobs/uploads/").headers["location"]
        monkeypatch.setattr(bodies, "STALL_SECONDS", 0.3)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
            raw.sendall(f"{head}Content-Length: 100\r\n\r\nhello".encode())
            assert raw.recv(1000).startswith(b"HTTP/1.1 408 ")
        monkeypatch.setattr(bodies, "STALL_SECONDS", 60)
        # What had come was staged: the client goes on behind it.
        answer = client.get(f"{server.url}{location}")
        assert (answer.status_code, answer.headers["range"]) == (204, "0-4")
        answer = client.patch(f"{server.url}{location}", content=b" world", headers={"content-range": "5-10"})
        assert (answer.status_code, answer.headers["range"]) == (202, "0-10")
