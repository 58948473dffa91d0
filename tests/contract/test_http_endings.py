"""Connections end so that the client reads the last answer, also when it is still sending (RFC 9112, section 9.6)."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from assay.http import endings
from assay.http.endings import DRAIN_BYTES_MAX
from assay.http.headers import PIPELINED_MAX, BoundedHeaders

HOST = b"Host: x\r\n"
SMALL = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
MEBIBYTE = b"x" * 1024 * 1024


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers `/early` before it reads a body; else says how many bytes came, and the headers' names."""
    length = 0
    if scope["path"] != "/early":
        while (message := await receive())["type"] == "http.request":
            length += len(message["body"])
            if not message["more_body"]:
                break
        else:
            return
    names = b",".join(name for name, _ in scope["headers"])
    said = b"early" if scope["path"] == "/early" else b"%d %s" % (length, names)
    status = 413 if scope["path"] == "/early" else 200
    headers = [(b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": said})


@pytest.fixture(params=["uvloop", "asyncio"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server with the protocol, on loopback."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=BoundedHeaders, loop=request.param, lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def rest_of(client: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    answer = b""
    with suppress(ConnectionError):
        while piece := client.recv(65536):
            answer += piece
    return answer


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 ([0-9]{3}) ", answers)]


def send_for_ever(client: socket.socket) -> None:
    while True:
        client.sendall(MEBIBYTE)


def post(path: bytes, length: int, *headers: bytes) -> bytes:
    more = b"".join(header + b"\r\n" for header in headers)
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n" % (path, length, more)


def test_after_an_early_answer_the_rest_of_a_small_body_is_passed_over_and_the_connection_goes_on(port: int) -> None:
    with connected(port) as client:
        for _ in range(3):
            client.sendall(post(b"/early", 1_000_000) + b"x" * 1_000_000)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert statuses(rest_of(client)) == [413, 413, 413, 200]


def test_a_request_behind_the_longest_body_that_is_passed_over_is_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "DRAIN_BYTES_MAX", 1000)
    with connected(port) as client:
        client.sendall(post(b"/early", 1000))
        assert statuses(client.recv(1000)) == [413]
        client.sendall(b"x" * 1000 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert statuses(rest_of(client)) == [200]


@pytest.mark.parametrize("connection", [b"Connection: close", b"Connection: keep-alive"])
@pytest.mark.parametrize("length", [DRAIN_BYTES_MAX + 2**20, 10**12])
def test_an_early_answer_is_read_by_who_sends_a_large_body(port: int, connection: bytes, length: int) -> None:
    with connected(port) as client:
        client.sendall(post(b"/early", length, connection))
        with suppress(ConnectionError):
            for _ in range(16):
                client.sendall(MEBIBYTE)
        answer = rest_of(client)
        assert statuses(answer) == [413]
        assert b"\r\nconnection: close\r\n" in answer
        assert answer.endswith(b"early")


def test_who_never_ends_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "LEAVE_SECONDS", 0.3)
    with connected(port) as client:
        client.sendall(post(b"/early", 10**12))
        with pytest.raises(ConnectionError):
            send_for_ever(client)


def test_a_body_that_is_not_wanted_and_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "DRAIN_SECONDS", 0.2)
    monkeypatch.setattr(endings, "LEAVE_SECONDS", 0.2)
    with connected(port) as client:
        client.sendall(post(b"/early", 1000) + b"x")
        assert statuses(rest_of(client)) == [413]


def test_an_early_answer_to_who_waits_for_a_go_ahead_ends_the_connection(port: int) -> None:
    """The client may send the body or not: what comes next could be read as either."""
    with connected(port) as client:
        client.sendall(post(b"/early", 5, b"Expect: 100-continue"))
        answer = rest_of(client)
        assert statuses(answer) == [413]
        assert b"\r\nconnection: close\r\n" in answer
    with connected(port) as client:
        client.sendall(post(b"/", 5, b"Expect: 100-continue", b"Connection: close"))
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert statuses(rest_of(client)) == [200]


def test_what_follows_good_requests_and_is_none_is_answered_after_them(port: int) -> None:
    with connected(port) as client:
        client.sendall(SMALL * 3 + b"\x00\x01" + MEBIBYTE)
        assert statuses(rest_of(client)) == [200, 200, 200, 400]


def test_what_follows_a_bad_request_is_not_read(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n" + SMALL)
        client.sendall(SMALL)
        assert statuses(rest_of(client)) == [400]


def test_a_body_that_breaks_off_is_answered_and_ends_what_was_done_with_it(port: int) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    for before in (b"", SMALL):
        with connected(port) as client:
            client.sendall(before + chunked)
            client.sendall(b"ZZ\r\nhello\r\n0\r\n\r\n" + SMALL)
            assert statuses(rest_of(client)) == ([200, 400] if before else [400])


def test_too_many_requests_without_waiting_are_answered_up_to_the_limit(port: int) -> None:
    with connected(port) as client:
        client.sendall(SMALL * (PIPELINED_MAX * 3))
        # One is under way, and so many wait.
        assert statuses(rest_of(client)) == [200] * (PIPELINED_MAX + 1) + [429]


def test_an_upgrade_is_passed_over_and_leaves_no_dead_connection(port: int) -> None:
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    for sent in (post(b"/", 5, *upgrade) + b"hello", post(b"/", 0, *upgrade)):
        with connected(port) as client:
            client.sendall(sent + SMALL)
            answer = rest_of(client)
            assert statuses(answer) == [200]
            assert b"\r\nconnection: close\r\n" in answer


def test_what_stands_behind_a_body_is_no_header(port: int) -> None:
    with connected(port) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            b"5\r\nhello\r\n0\r\nAuthorization: Basic YTpi\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
        )
        assert rest_of(client).endswith(b"5 host,transfer-encoding,connection")


def test_chunks_that_are_mostly_extensions_are_cut_off(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(400):
                client.sendall(b"1;" + b"a" * 10_000 + b"\r\nx\r\n")
        assert statuses(rest_of(client)) == [400]
    with connected(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            client.sendall(b"1\r\nx\r\n" * 10_000)
        client.sendall(b"0\r\n\r\n")
        assert b"\r\n\r\n200000 " in rest_of(client)


def test_a_request_for_which_there_is_no_time_left_is_told_so(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHeaders, "headers_seconds", 0.2)
    with connected(port) as client:
        client.sendall(SMALL + b"GET / HTTP/1.1\r\nHost")
        assert statuses(rest_of(client)) == [200, 408]
