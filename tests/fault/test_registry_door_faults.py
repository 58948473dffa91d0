"""The n-th operation on files or database fails amid requests to a running server: every answer is a specific one.

Either what was asked for, or 503 with `Retry-After`; never 500, never a connection that just ends, save where a blob
whose headers are sent cannot be read on. The client does as it is told, tries again, and succeeds.
"""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from fault_points import Kind, Points, fail, watched
from registry_oracle import faults
from registry_pieces import OCI_MANIFEST, manifest_of
from registry_server import Server, started

from assay.clock import SystemClock
from assay.oci import Digest
from assay.registry.collection.fsck import fsck
from assay.storage import Store

IS_FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
STRIDES = {Kind.FILES: 1, Kind.ROWS: 1} if IS_FULL else {Kind.FILES: 29, Kind.ROWS: 401}
POINTS_MAX = 2_000
TRIES_MAX = 4


class PutOffError(Exception):
    """The server said: later."""


class Client:
    """A client that knows a repository, and takes no answer but a specific one."""

    def __init__(self, http: httpx.Client, server: Server, points: Points) -> None:
        self._http = http
        self._points = points
        self._url = server.url

    def ask(self, method: str, path: str, *expected: int, **options: Any) -> httpx.Response:
        """Send a request. Errors: PutOffError for 503."""
        answer = self._http.request(method, self._url + path if path.startswith("/v2/") else path, **options)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.request.method == "HEAD" or answer.json()["errors"][0]["code"] == "UNAVAILABLE"
            raise PutOffError
        assert answer.status_code in expected, (method, path, answer.status_code, answer.text)
        return answer

    def push_blob(self, content: bytes) -> None:
        """In two chunks."""
        digest, middle = Digest.of(content).text, len(content) // 2
        if self.ask("HEAD", f"/blobs/{digest}", 200, 404).status_code == 200:
            return
        where = self.ask("POST", "/blobs/uploads/", 202).headers["location"]
        headers = {"content-range": f"0-{middle - 1}"}
        where = self.ask("PATCH", where, 202, content=content[:middle], headers=headers).headers["location"]
        self.ask("PUT", where, 201, content=content[middle:], params={"digest": digest})

    def push(self, seed: str) -> bytes:
        """An image of a config and two layers, the second of which is mounted if it can be."""
        config, layer, shared = f'{{"of":"{seed}"}}'.encode(), f"layer {seed} ".encode() * 30, b"shared" * 50
        self.push_blob(config)
        self.push_blob(layer)
        mount = {"mount": Digest.of(shared).text}
        if self.ask("POST", "/blobs/uploads/", 201, 202, params=mount).status_code == 202:
            self.push_blob(shared)
        content = manifest_of(config, [layer, shared])
        self.ask("PUT", f"/manifests/{seed}", 201, content=content, headers={"content-type": OCI_MANIFEST})
        return content

    def pull(self, seed: str, content: bytes) -> None:
        """The image as it was pushed."""
        assert self.ask("GET", f"/manifests/{seed}", 200).content == content
        for digest in {part.decode() for part in content.split(b'"') if part.startswith(b"sha256:")}:
            try:
                blob = self.ask("GET", f"/blobs/{digest}", 200).content
            except httpx.RemoteProtocolError:
                # The status is sent: a body that cannot be read on is cut off, which no client takes for the whole.
                assert self._points.struck[-1:] in (["open"], ["read"], ["sendfile"])
                raise PutOffError from None
            assert Digest(digest).matches(blob)

    def rest(self, seed: str, content: bytes) -> None:
        """List, take the tag away, delete the image."""
        self.ask("GET", "/tags/list", 200)
        self.ask("GET", f"/referrers/{Digest.of(content)}", 200)
        self.ask("DELETE", f"/manifests/{seed}", 202, 404)
        self.ask("DELETE", f"/manifests/{Digest.of(content)}", 202, 404)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", STRIDES)
def test_whatever_fails_the_client_is_told_to_come_again_and_succeeds(store: Store, tmp_path: Path, kind: Kind) -> None:
    store = Store(store.database, SystemClock(), store.site, store.page_key)
    points = Points()
    put_off = 0
    with (
        watched(points, tmp_path / "blobs", store.database),
        started(store, tmp_path / "blobs") as server,
    ):
        for number in range(1, POINTS_MAX, STRIDES[kind]):
            seed = f"v{number}"
            with server.client(timeout=30) as http:  # each with a token of its own, since none lasts to the end
                client = Client(http, server, points)
                with points.armed(kind, number, fail):
                    put_off += tries(client, seed, points)
                assert faults(store.database, server.blobs) == [], points.struck
                assert list(fsck(store, server.blobs)) == []
                client.pull(seed, client.push(seed))
            if not points.has_struck:
                break
    assert not points.has_struck
    assert put_off > 0


def tries(client: Client, seed: str, points: Points) -> int:
    """Push, pull and delete an image, again where the server puts it off; how often it did."""
    for attempt in range(TRIES_MAX):
        try:
            content = client.push(seed)
            client.pull(seed, content)
            client.rest(seed, content)
        except PutOffError:
            continue
        return attempt
    raise AssertionError(f"the client was put off {TRIES_MAX} times: {points.struck}")
