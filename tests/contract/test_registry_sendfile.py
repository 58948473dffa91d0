"""The sendfile protocol under a really started uvicorn: what the extension promises, by raw sockets.

These tests guard the private parts of uvicorn that the protocol stands on.
"""

import asyncio
import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from assay.http import sendfile
from assay.http.sendfile import PATHSEND, REQUEST_TARGET, SendfileProtocol
from assay.http.threads import in_thread

BIG_BYTES = 48 * 1024 * 1024


class FileApp:
    """Sends a file whole, or the part that the query names as OFFSET-COUNT; keeps what it saw."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.extensions: list[dict[str, Any]] = []
        self.ended: list[BaseException | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.extensions.append(scope.get("extensions", {}))
        if scope["path"] == "/small":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": b"small"})
            return
        offset, count = 0, self.path.stat().st_size
        if scope["query_string"]:
            offset, count = map(int, scope["query_string"].split(b"-"))
        length = str(count).encode()
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
            await send({"type": PATHSEND, "path": str(self.path), "offset": offset, "count": count})
        except BaseException as fault:
            self.ended.append(fault)
            raise
        self.ended.append(None)


class Server:
    """A uvicorn with the protocol, on loopback."""

    def __init__(self, app: FileApp, loop: str) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, http=SendfileProtocol, loop=loop, lifespan="off", log_level="warning"
        )
        self.server = uvicorn.Server(config)
        self.app = app
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self, **options: int) -> socket.socket:
        client = socket.socket()
        if "receive_bytes" in options:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_bytes"])
        client.settimeout(30)
        client.connect(("127.0.0.1", self.port))
        return client

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def ask(target: str, method: str = "GET", **headers: str) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\n{extra}\r\n".encode()


def read_answer(client: socket.socket, *, has_body: bool = True) -> tuple[dict[str, str], bytes]:
    """Headers and body of one answer."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = client.recv(1)
        assert piece, "the server hung up before the headers ended"
        raw += piece
    lines = raw.decode().split("\r\n")[1:-2]
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    left = int(headers["content-length"]) if has_body else 0
    body = bytearray()
    while len(body) < left and (piece := client.recv(min(left - len(body), 1 << 20))):
        body += piece
    return headers, bytes(body)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(BIG_BYTES)


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> Path:
    path = tmp_path_factory.mktemp("sendfile") / "big"
    path.write_bytes(content)
    return path


@pytest.fixture(params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest, big: Path) -> Iterator[Server]:
    running = Server(FileApp(big), request.param)
    yield running
    running.stop()


def test_the_extension_is_advertised_and_a_whole_file_is_sent(server: Server, content: bytes) -> None:
    with server.connect() as client:
        client.sendall(ask("/"))
        headers, body = read_answer(client)
    assert server.app.extensions == [{REQUEST_TARGET: {"target": b"/"}, PATHSEND: {"offset": True}}]
    assert headers["content-length"] == str(BIG_BYTES)
    assert hashlib.sha256(body).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize(("offset", "count"), [(0, 1), (BIG_BYTES - 1, 1), (12_345, 17 * 1024 * 1024), (5, 0)])
def test_a_part_of_a_file_is_sent(server: Server, content: bytes, offset: int, count: int) -> None:
    with server.connect() as client:
        client.sendall(ask(f"/?{offset}-{count}"))
        assert read_answer(client)[1] == content[offset : offset + count]


def test_a_connection_is_kept_alive_over_many_files(server: Server, content: bytes) -> None:
    with server.connect() as client:
        for number in range(20):
            client.sendall(ask(f"/?{number}-100000"))
            assert read_answer(client)[1] == content[number : number + 100_000]
            client.sendall(ask("/small"))
            assert read_answer(client)[1] == b"small"


def test_pipelined_requests_are_answered_in_order(server: Server, content: bytes) -> None:
    with server.connect() as client:
        client.sendall(ask("/?0-3000000") + ask("/small") + ask("/?7-3000000") + ask("/small"))
        answers = [read_answer(client)[1] for _ in range(4)]
    assert answers == [content[:3_000_000], b"small", content[7:3_000_007], b"small"]


def test_a_head_request_gets_no_body(server: Server) -> None:
    with server.connect() as client:
        client.sendall(ask("/", "HEAD"))
        headers, _ = read_answer(client, has_body=False)
        assert headers["content-length"] == str(BIG_BYTES)
        client.sendall(ask("/small"))
        assert read_answer(client)[1] == b"small"


def test_a_connection_that_is_to_be_closed_is_closed_after_the_file(server: Server, content: bytes) -> None:
    with server.connect() as client:
        client.sendall(ask("/?0-2000000", Connection="close"))
        assert read_answer(client)[1] == content[:2_000_000]
        assert client.recv(1) == b""


def test_downloads_that_are_broken_off_leave_no_file_open_and_no_error(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as client:
        client.sendall(ask("/small"))
        read_answer(client)
    wait_for(lambda: not server.server.server_state.connections)
    before = open_files()
    for _ in range(50):
        with server.connect(receive_bytes=4096) as client:
            client.sendall(ask("/"))
            client.recv(1000)
    wait_for(lambda: len(server.app.ended) == 50)
    wait_for(lambda: not server.server.server_state.connections and open_files() <= before)
    assert server.app.ended == [None] * 50
    assert "without completing response" not in caplog.text


def test_readers_that_stand_still_hold_no_thread(server: Server, content: bytes) -> None:
    stalled = [server.connect(receive_bytes=4096) for _ in range(4 * sendfile.THREADS)]
    try:
        for client in stalled:
            client.sendall(ask("/"))
        wait_for(lambda: len(server.app.extensions) == len(stalled))
        with server.connect() as client:
            client.sendall(ask("/"))
            assert read_answer(client)[1] == content
        client = stalled[0]
        assert hashlib.sha256(read_answer(client)[1]).digest() == hashlib.sha256(content).digest()
    finally:
        for client in stalled:
            client.close()


def test_a_reader_that_takes_nothing_for_long_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sendfile, "STALL_SECONDS", 0.3)
    with server.connect(receive_bytes=4096) as client:
        client.sendall(ask("/"))
        wait_for(lambda: server.app.ended)
        with pytest.raises((ConnectionError, AssertionError)):
            assert len(read_answer(client)[1]) == BIG_BYTES
    assert server.app.ended == [None]


def test_a_file_shorter_than_promised_ends_the_connection_early(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as client:
        client.sendall(ask(f"/?{BIG_BYTES - 10}-20"))
        assert len(read_answer(client)[1]) == 10
        assert client.recv(1) == b""
    assert server.app.ended == [None]
    assert "could not be sent to its end: The file ends 10 bytes too early." in caplog.text


def test_a_tls_hello_on_a_plain_port_is_told_so_in_plain_http_and_not_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connect() as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500)
        answer = b""
        while piece := client.recv(1000):
            answer += piece
    # By these bytes in place of a TLS record Go's clients say that the server speaks plain HTTP (crypto/tls).
    assert answer.startswith(b"HTTP/1.1 400 This port speaks plain HTTP\r\n")
    assert "Invalid HTTP request" not in caplog.text


def test_a_body_that_begins_like_a_tls_hello_is_no_hello(server: Server) -> None:
    with server.connect() as client:
        client.sendall(ask("/small", "POST", **{"Content-Length": "3"}))
        client.sendall(b"\x16\x03\x01")
        assert read_answer(client)[1] == b"small"
        client.sendall(ask("/small"))
        assert read_answer(client)[1] == b"small"


def test_a_cancelled_transfer_waits_for_the_thread_that_uses_its_files() -> None:
    """Else the thread would go on with numbers of files that are somebody else's by then."""
    going, ended = threading.Event(), threading.Event()

    def work() -> int:
        going.set()
        time.sleep(0.2)
        ended.set()
        return 0

    async def cancelled() -> bool:
        task = asyncio.create_task(in_thread(ThreadPoolExecutor(1), work))
        await asyncio.to_thread(going.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended.is_set()

    assert asyncio.run(cancelled())


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /"])
def test_endless_headers_are_cut_off(server: Server, start: bytes) -> None:
    with server.connect() as client:
        client.sendall(start)
        answer = b""
        try:
            for _ in range(100):
                client.sendall(b"x" * 65536)
            while piece := client.recv(1000):
                answer += piece
        except ConnectionError:
            pass  # the server hung up while we were still sending
    assert server.app.extensions == []
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


def test_a_client_that_never_ends_its_headers_is_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SendfileProtocol, "headers_seconds", 0.2)
    for sent, answer in ((b"", b""), (b"GET / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 ")):
        with server.connect() as client:
            client.sendall(sent)
            assert client.recv(100).startswith(answer)
            while client.recv(100):
                pass


def test_a_large_body_behind_small_headers_is_no_long_header(server: Server) -> None:
    with server.connect() as client:
        body = b"x" * 1_000_000
        client.sendall(ask("/small", "POST", **{"Content-Length": str(len(body))}) + body)
        assert read_answer(client)[1] == b"small"
