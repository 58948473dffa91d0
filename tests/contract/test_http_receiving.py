"""The receiving protocol under a really started uvicorn: bodies that are read on threads, by raw sockets.

These tests guard the private parts of uvicorn that the protocol stands on.
"""

import hashlib
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from assay.http import bodies, receiving
from assay.http.bodies import ClientGone, ClientStalled, Patience
from assay.http.receiving import BODY_READER, BUFFER_BYTES, LENGTH_MIN, THREADS, ReceivingProtocol

CONTENT = random.Random(11).randbytes(3_000_017)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Full(Exception):
    """The application takes no more."""


class BodyApp:
    """Reads bodies by the extension, and answers with what it saw; takes as many bytes as the query says."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.bytes_read: list[int] = []
        self.reading = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        takes_max = int(scope["query_string"] or b"1000000000")
        pieces: list[int] = []
        threads: set[str] = set()
        digest = hashlib.sha256()
        taken = 0

        def take(content: bytes) -> None:
            nonlocal taken
            taken += len(content)
            digest.update(content)

        def into(content: bytes) -> None:
            pieces.append(len(content))
            threads.add(threading.current_thread().name.rpartition("_")[0])
            if sum(pieces) > takes_max:
                raise Full
            take(content)

        patience = Patience()
        self.reading += 1
        try:
            message = await patience.message(receive)
            take(message["body"])
            reader = scope.get("extensions", {}).get(BODY_READER)
            while message["more_body"] and reader is None:
                message = await patience.message(receive)
                take(message["body"])
            if message["more_body"]:
                await reader.read(into, patience)
        except ClientGone as gone:
            self.bytes_read.append(taken)
            self.ended.append(type(gone).__name__)
            return
        except Full:
            self.ended.append("Full")
        finally:
            self.reading -= 1
        seen = {"digest": digest.hexdigest(), "largest": max(pieces, default=0), "threads": sorted(threads)}
        body = json.dumps(seen).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def app() -> BodyApp:
    return BodyApp()


@pytest.fixture(params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest, app: BodyApp) -> Iterator[int]:
    """A server with the protocol, on loopback."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=ReceivingProtocol, loop=request.param, lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def by_length(content: bytes, query: str = "", *more: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in more)
    return f"POST /?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n{lines}\r\n".encode() + content


def by_chunks(content: bytes, sizes: int) -> bytes:
    """In chunks of up to so many bytes (RFC 9112, section 7.1)."""
    sized = random.Random(sizes)
    chunks, at = [], 0
    while at < len(content):
        chunk = content[at : at + sized.randint(1, sizes)]
        chunks.append(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        at += len(chunk)
    return b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"


def answer_of(client: socket.socket) -> tuple[bytes, dict[str, Any]]:
    """Head and JSON body of one answer; an answer of another kind is an empty body."""
    answer = b""
    while not (length := re.search(rb"content-length: ([0-9]+)\r\n(?:.+\r\n)*\r\n", answer)) or (
        len(answer) < length.end() + int(length[1])
    ):
        piece = client.recv(1)
        assert piece, "the server hung up"
        answer += piece
    body = answer[length.end() :]
    return answer[: length.end()], json.loads(body) if body.startswith(b"{") else {}


def is_ended(client: socket.socket) -> bool:
    """Whether the server ends the connection, without a byte more."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def send_slowly(client: socket.socket, request: bytes) -> None:
    for start in range(0, len(request), 700_001):
        client.sendall(request[start : start + 700_001])
        time.sleep(0.05)


@pytest.mark.parametrize("send", [socket.socket.sendall, send_slowly])
@pytest.mark.parametrize(
    "request_bytes",
    [by_length(CONTENT), by_chunks(CONTENT, 300), by_chunks(CONTENT, 32 * 1024), by_chunks(CONTENT, 2_000_000)],
    ids=["length", "small chunks", "chunks", "large chunks"],
)
def test_a_large_body_is_read_whole_in_small_pieces_on_threads_and_the_connection_goes_on(
    port: int, request_bytes: bytes, send: Callable[[socket.socket, bytes], None]
) -> None:
    with connected(port) as client:
        for _ in range(2):
            send(client, request_bytes)
            head, seen = answer_of(client)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert seen["digest"] == DIGEST
            assert seen["largest"] <= BUFFER_BYTES
            assert seen["threads"] == ["receiving"]


@pytest.mark.parametrize("size", [0, 1, LENGTH_MIN - 1, LENGTH_MIN, LENGTH_MIN + 1])
def test_bodies_of_every_length_around_the_least_are_read_whole(port: int, size: int) -> None:
    with connected(port) as client:
        for _ in range(2):
            client.sendall(by_length(CONTENT[:size]))
            assert answer_of(client)[1]["digest"] == hashlib.sha256(CONTENT[:size]).hexdigest()


def test_a_request_right_behind_a_body_of_known_length_is_answered_too(port: int) -> None:
    with connected(port) as client:
        client.sendall(by_length(CONTENT) + by_length(b"second"))
        assert answer_of(client)[1]["digest"] == DIGEST
        assert answer_of(client)[1]["digest"] == hashlib.sha256(b"second").hexdigest()


def test_a_request_in_the_same_bytes_as_the_end_of_a_chunked_body_is_not_taken_and_the_client_is_told(
    port: int, app: BodyApp
) -> None:
    sent = by_chunks(CONTENT, 32 * 1024)
    with connected(port) as client:
        client.sendall(sent[:-5])
        wait_for(lambda: app.reading == 1)
        client.sendall(sent[-5:] + by_length(b"second"))
        head, seen = answer_of(client)
        assert seen["digest"] == DIGEST
        assert b"connection: close\r\n" in head
        assert is_ended(client)


@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\nfive!!!", b"ffffffffffffffffffff\r\n", b"-1\r\n"])
def test_framing_that_cannot_be_read_is_answered_and_ends_what_was_done_with_the_body(
    port: int, app: BodyApp, broken: bytes
) -> None:
    with connected(port) as client:
        client.sendall(by_chunks(CONTENT, 32 * 1024)[:-5])
        wait_for(lambda: app.reading == 1)
        client.sendall(broken)
        assert answer_of(client)[0].startswith(b"HTTP/1.1 400 ")
        assert is_ended(client)
    wait_for(lambda: app.ended == ["ClientGone"])


def test_chunks_that_are_mostly_extensions_are_cut_off(port: int, app: BodyApp) -> None:
    with connected(port) as client:
        client.sendall(by_chunks(CONTENT, 32 * 1024)[:-5])
        wait_for(lambda: app.reading == 1)
        client.sendall((b"1;" + b"e" * 5_000 + b"\r\nx\r\n") * 6_500)
        assert answer_of(client)[0].startswith(b"HTTP/1.1 400 ")
    wait_for(lambda: app.ended == ["ClientGone"])


def test_a_client_that_hangs_up_amid_its_body_leaves_nothing_open(port: int, app: BodyApp) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with connected(port) as client:  # whatever opens once is open now
        client.sendall(by_length(CONTENT))
        answer_of(client)
    wait_for(lambda: app.reading == 0)
    before = open_files()
    for _ in range(20):
        with connected(port) as client:
            client.sendall(by_length(CONTENT)[:-9])
            wait_for(lambda: app.reading == 1)
        wait_for(lambda: app.reading == 0)
    assert app.ended == ["ClientGone"] * 20
    wait_for(lambda: open_files() <= before)


def test_a_client_that_says_its_last_amid_a_body_is_told_that_it_ended_too_early(port: int, app: BodyApp) -> None:
    for request in (by_length(CONTENT)[:-9], by_chunks(CONTENT, 32 * 1024)[:-5], by_length(b"x" * 2_000)[:-1_000]):
        with connected(port) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            assert answer_of(client)[0].startswith(b"HTTP/1.1 400 ")
            assert is_ended(client)
    wait_for(lambda: app.ended == ["ClientGone"] * 3)


def test_what_came_before_a_client_hung_up_is_handed_on(port: int, app: BodyApp) -> None:
    for request in (by_length(CONTENT)[:-17], by_length(CONTENT[:100_000])[:-40_000], by_length(b"x" * 2_000)[:-1]):
        with connected(port) as client:
            client.sendall(request)
    wait_for(lambda: len(app.ended) == 3)
    assert sorted(app.bytes_read) == [1_999, 60_000, 3_000_000]


def test_clients_that_stand_still_hold_no_thread(port: int, app: BodyApp) -> None:
    slow = [connected(port) for _ in range(3 * THREADS)]
    for client in slow:
        client.sendall(by_length(CONTENT)[:200_000])
    wait_for(lambda: app.reading == len(slow))
    with connected(port) as client:
        client.sendall(by_length(CONTENT))
        assert answer_of(client)[1]["digest"] == DIGEST
    for client in slow:
        client.sendall(by_length(CONTENT)[200_000:])
        assert answer_of(client)[1]["digest"] == DIGEST
        client.close()


def test_clients_that_send_little_at_a_time_hold_no_thread(
    port: int, app: BodyApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else so few of them would hold up everybody's pushes."""
    monkeypatch.setattr(receiving, "KEEP_UP_MILLISECONDS", 20_000)
    slow = [connected(port) for _ in range(3 * THREADS)]
    for client in slow:
        client.sendall(by_length(CONTENT)[:1_000])
    wait_for(lambda: app.reading == len(slow))
    for client in slow:
        client.sendall(by_length(CONTENT)[1_000:1_001])
    with connected(port) as client:
        client.settimeout(10)
        client.sendall(by_length(CONTENT))
        assert answer_of(client)[1]["digest"] == DIGEST
    for client in slow:
        client.close()


def test_many_bodies_at_once_do_not_mix(port: int) -> None:
    found: dict[int, str] = {}
    contents = {number: random.Random(number).randbytes(1_500_000) for number in range(3 * THREADS)}

    def push(number: int) -> None:
        with connected(port) as client:
            client.sendall(by_chunks(contents[number], 40_000) if number % 2 else by_length(contents[number]))
            found[number] = answer_of(client)[1]["digest"]

    threads = [threading.Thread(target=push, args=(number,)) for number in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: hashlib.sha256(content).hexdigest() for number, content in contents.items()}


def test_a_client_that_stops_is_given_up_in_time(port: int, app: BodyApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.3)
    with connected(port) as client:
        client.sendall(by_length(CONTENT)[:300_000])
        wait_for(lambda: app.ended == [ClientStalled.__name__])


@pytest.mark.parametrize("size", [1_000_000, 30_000_000])
def test_after_a_refusal_amid_a_body_the_client_reads_the_answer(port: int, app: BodyApp, size: int) -> None:
    """What is left of a body that is near its end is passed over, and the connection goes on; else it ends."""
    with connected(port) as client:
        sending = threading.Thread(target=send_what_is_taken, args=(client, by_length(bytes(size), "300000")))
        sending.start()
        head, _ = answer_of(client)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert (b"connection: close" in head) == (size == 30_000_000)
        sending.join()
        if size == 1_000_000:
            client.sendall(by_length(CONTENT))
            assert answer_of(client)[1]["digest"] == DIGEST
    assert app.ended == ["Full"]


def send_what_is_taken(client: socket.socket, request: bytes) -> None:
    try:
        client.sendall(request)
    except (ConnectionResetError, BrokenPipeError):
        return


def test_who_waits_for_a_go_ahead_gets_it(port: int) -> None:
    with connected(port) as client:
        request = by_length(CONTENT, "", "Expect: 100-continue")
        client.sendall(request[: -len(CONTENT)])
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(CONTENT)
        assert answer_of(client)[1]["digest"] == DIGEST
