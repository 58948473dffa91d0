"""A whole server under hostile clients, all at once: it goes on answering, and its memory stays within a bound."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from assay_server import CARRIED, AssayServer

from assay.http.bodies import HELD_BYTES_MAX
from assay.registry.manifests import MANIFEST_BYTES_MAX

MEBIBYTE = 2**20
#: Bodies that are held whole, headers, what connections buffer, and what a few documents take as values.
GROWTH_BYTES_MAX = HELD_BYTES_MAX + 192 * MEBIBYTE

Login = tuple[str, str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssayServer]:
    settings = {"ASSAY_READERS": "0"}
    started = AssayServer(tmp_path_factory.mktemp("siege"), str(CARRIED / "first"), settings=settings)
    started.start()
    try:
        started.sign_in_first()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def login(server: AssayServer) -> Login:
    session = server.call("GET", "/20260901/sessions/current")
    made = server.call("POST", f"/20160918/users/{session['userId']}/authTokens", {"description": "tests"})
    return f"{session['namespace']}/admin", made["token"]


def peak_bytes(server: AssayServer) -> int:
    """The most memory that the process held since the peak was forgotten (proc(5))."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak(server: AssayServer) -> None:
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


class Siege:
    """Connections that stay open until the siege ends."""

    def __init__(self, server: AssayServer, login: Login, held: ExitStack) -> None:
        self._server, self._held = server, held
        self._basic = httpx.BasicAuth(*login)._auth_header
        self._path = f"/v2/{login[0].partition('/')[0]}/team/app"

    def send(self, content: bytes) -> socket.socket:
        """Open a connection and send as much of something as the server takes."""
        raw = self._held.enter_context(socket.create_connection(("127.0.0.1", self._server.port), timeout=10))
        with suppress(OSError):
            raw.sendall(content)
        return raw

    def manifest(self, body: bytes, *, length: int, signed: bool = True) -> socket.socket:
        """Begin to push a manifest of an announced length."""
        authorization = f"Authorization: {self._basic}\r\n" if signed else ""
        head = f"PUT {self._path}/manifests/v1 HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {length}\r\n"
        kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n"
        return self.send(f"{head}{kind}".encode() + body)

    def begin(self) -> None:
        """Everything at once, and nothing brought to an end."""
        for _ in range(150):
            self.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 60_000)
        for _ in range(40):
            self.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 5_000)
        for _ in range(40):
            self.manifest(b"x" * MEBIBYTE, length=MANIFEST_BYTES_MAX, signed=False)
        for _ in range(60):
            self.manifest(b" " * (MANIFEST_BYTES_MAX - 1), length=MANIFEST_BYTES_MAX)


def bombs() -> list[bytes]:
    """Whole documents that are refused, and cost much before if one is not careful."""
    units = (b"[[[[[[[[[[[[[[]]]]]]]]]]]]]],", b"{},", b'{"a":{"b":{}}},', b"0,", b'"",', b'"\\ud83d\\ude00",')
    return [b"[" + unit * (3_000_000 // len(unit)) + b"0]" for unit in units for _ in range(2)]


@pytest.mark.timeout(300)
def test_a_server_under_hostile_clients_answers_and_stays_within_its_memory(server: AssayServer, login: Login) -> None:
    namespace = login[0].partition("/")[0]
    manifests = f"{server.url}/v2/{namespace}/team/app/manifests/v1"

    def put(content: bytes) -> httpx.Response:
        kind = {"content-type": "application/vnd.oci.image.manifest.v1+json"}
        return httpx.put(manifests, auth=login, content=content, headers=kind, timeout=120)

    assert put(b"{}").status_code == 400
    forget_peak(server)
    before = peak_bytes(server)
    with ExitStack() as held:
        Siege(server, login, held).begin()
        # There is no room for one more large body, and room enough for everybody else.
        full = put(b" " * MANIFEST_BYTES_MAX)
        assert full.status_code == 429
        assert int(full.headers["retry-after"]) > 0
        with ThreadPoolExecutor(4) as pool:
            assert {answer.status_code for answer in pool.map(put, bombs())} <= {400, 413, 429}
        assert httpx.get(f"{server.url}/healthz", timeout=60).status_code == 200
        upload = httpx.post(f"{server.url}/v2/{namespace}/team/app/blobs/uploads/", auth=login, timeout=60)
        assert upload.status_code == 202
    assert peak_bytes(server) - before < GROWTH_BYTES_MAX
    # When they are gone, their room is free again: the same body is read, and refused for what it says.
    again = next(answer for answer in iter(lambda: put(b" " * MANIFEST_BYTES_MAX), None) if answer.status_code != 429)
    assert again.status_code == 400
    assert "Traceback" not in server.log
