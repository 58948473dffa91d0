"""Headers are bounded alike on every port: RFC 6585, section 5, gives the answer to those that are too long."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from assay.http.headers import HEADER_BYTES_MAX, BoundedHeaders

SMALL = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


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


def status_of(client: socket.socket) -> bytes:
    """The first line of an answer that is read whole."""
    answer = b""
    while not (length := re.search(rb"content-length: ([0-9]+)\r\n(?:.+\r\n)*\r\n", answer)) or (
        len(answer) < length.end() + int(length[1])
    ):
        piece = client.recv(4096)
        assert piece, "the server hung up"
        answer += piece
    return answer.split(b"\r\n")[0]


def request_of(header_bytes: int) -> bytes:
    """A request whose target and headers, with `: ` and the line ends, are so many bytes."""
    fixed = len("/") + len("Host: x\r\n") + len("X: \r\n")
    return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (header_bytes - fixed) + b"\r\n\r\n"


@pytest.mark.parametrize("pieces", [1, 40])
def test_the_limit_is_exact_however_the_bytes_arrive(port: int, pieces: int) -> None:
    for size, status in ((HEADER_BYTES_MAX, b"HTTP/1.1 200 OK"), (HEADER_BYTES_MAX + 1, b"HTTP/1.1 431 ")):
        sent = request_of(size)
        step = -(-len(sent) // pieces)
        with connected(port) as client:
            for begin in range(0, len(sent), step):
                client.sendall(sent[begin : begin + step])
            assert status_of(client).startswith(status), size


@pytest.mark.parametrize("size", [70_000, 200_000, 1_000_000])
def test_headers_that_are_too_long_are_answered_and_the_connection_ends(port: int, size: int) -> None:
    with connected(port) as client:
        client.sendall(request_of(size))
        assert status_of(client) == b"HTTP/1.1 431 Request Header Fields Too Large"
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


def test_a_long_target_counts_as_the_headers_do(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"GET /" + b"a" * HEADER_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status_of(client).startswith(b"HTTP/1.1 431 ")


def test_each_request_of_a_connection_has_the_whole_limit_and_bodies_do_not_count(port: int) -> None:
    body = b"x" * 300_000
    posted = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with connected(port) as client:
        for sent in (request_of(HEADER_BYTES_MAX), posted, request_of(HEADER_BYTES_MAX), posted, SMALL):
            client.sendall(sent)
            assert status_of(client) == b"HTTP/1.1 200 OK"


def test_what_is_no_http_is_a_bad_request_still(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"what is this\r\n\r\n")
        assert status_of(client).startswith(b"HTTP/1.1 400 ")
