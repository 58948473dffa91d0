"""A client that costs as little as it can: raw sockets, bodies dropped in the kernel, files sent by the kernel."""

import os
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 1024 * 1024
SECONDS_MAX = 300

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *(?:http://[^/]+)?([^\r]+)\r\n", re.IGNORECASE)


class Wrong(Exception):
    """The server answered otherwise than the benchmark needs; nothing is measured then."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob to push: the first `shared` bytes of a file that all have in common, then a tail of its own."""

    file: Path
    shared: int
    tail: bytes
    digest: str

    @property
    def size(self) -> int:
        """Bytes of it."""
        return self.shared + len(self.tail)


class Link:
    """One connection, kept open, one request after the other. `headers` go with each request."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._socket = _connected(port)
        self._port = port
        self._headers = headers
        self._rest = b""

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, wanted: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[bytes, bytes]:
        """Head and body of the answer. Errors: Wrong when its status is not `wanted`."""
        self._socket.sendall(self.request(method, path, len(body), **headers) + body)
        return self._answer(wanted, method)

    def request(self, method: str, path: str, length: int = 0, **headers: str) -> bytes:
        """The head of a request, byte for byte."""
        given = {"host": f"127.0.0.1:{self._port}", **self._headers, **headers}
        if method not in ("GET", "HEAD"):
            given["content-length"] = str(length)
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items()]
        return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()

    def pull(self, path: str) -> int:
        """GET a blob, and drop it in the kernel (MSG_TRUNC, tcp(7)); its bytes."""
        self._socket.sendall(self.request("GET", path))
        head = self._head(200)
        size = length_of(head)
        left, self._rest = size - len(self._rest), b""
        buffer = bytearray(READ_BYTES)
        while left:
            got = self._socket.recv_into(buffer, min(left, READ_BYTES), socket.MSG_TRUNC)
            if not got:
                raise Wrong(f"a blob ended {left} bytes too early")
            left -= got
        return size

    def push(self, repository: str, blob: Blob) -> int:
        """Push a blob as container clients do: POST, PATCH with all of it, PUT; its bytes."""
        where = self._begin(repository)
        self._socket.sendall(self.request("PATCH", where, blob.size, content_type="application/octet-stream"))
        with blob.file.open("rb") as file:
            sent = 0
            while sent < blob.shared:
                sent += os.sendfile(self._socket.fileno(), file.fileno(), sent, blob.shared - sent)
        self._socket.sendall(blob.tail)
        where = location_of(self._answer(202, "PATCH")[0])
        self.ask(201, "PUT", with_digest(where, blob.digest))
        return blob.size

    def push_small(self, repository: str, content: bytes, digest: str) -> None:
        """Push a small blob: POST, then PUT with all of it."""
        self.ask(201, "PUT", with_digest(self._begin(repository), digest), content)

    def _begin(self, repository: str) -> str:
        return location_of(self.ask(202, "POST", f"{repository}/blobs/uploads/")[0])

    def _head(self, wanted: int) -> bytes:
        gathered = self._rest
        while (end := gathered.find(b"\r\n\r\n")) < 0:
            got = self._socket.recv(64 * 1024)
            if not got:
                raise Wrong("the server hung up")
            gathered += got
        head, self._rest = gathered[: end + 4], gathered[end + 4 :]
        if int(head[9:12]) != wanted:
            raise Wrong(f"{wanted} was expected: {gathered[:600].decode('latin-1')}")
        return head

    def _answer(self, wanted: int, method: str) -> tuple[bytes, bytes]:
        head = self._head(wanted)
        if method == "HEAD" or wanted in (204, 304):
            return head, b""
        if b"chunked" in head.lower():
            return head, b"".join(self._chunks())
        return head, self._take(length_of(head))

    def _take(self, size: int) -> bytes:
        gathered = [self._rest]
        left = size - len(self._rest)
        while left > 0:
            got = self._socket.recv(min(READ_BYTES, max(left, 4096)))
            if not got:
                raise Wrong("the server hung up")
            gathered.append(got)
            left -= len(got)
        whole = b"".join(gathered)
        self._rest = whole[size:]
        return whole[:size]

    def _chunks(self) -> Iterable[bytes]:
        while size := int(self._line(), 16):
            yield self._take(size)
            self._line()
        self._line()

    def _line(self) -> bytes:
        while (end := self._rest.find(b"\r\n")) < 0:
            self._rest += self._socket.recv(4096)
        line, self._rest = self._rest[:end], self._rest[end + 2 :]
        return line


def _connected(port: int) -> socket.socket:
    """A blocking socket, as sendfile wants it; the kernel gives up a server that is silent for too long."""
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        made.setsockopt(socket.SOL_SOCKET, direction, struct.pack("@ll", SECONDS_MAX, 0))
    return made


def length_of(head: bytes) -> int:
    """The content length that an answer gives; 0 without one."""
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


def location_of(head: bytes) -> str:
    """Path and query of the Location that an answer gives. Errors: Wrong."""
    found = _LOCATION.search(head)
    if found is None:
        raise Wrong(f"no Location: {head.decode('latin-1')}")
    return found[1].decode()


def with_digest(location: str, digest: str) -> str:
    """Where to PUT to end an upload."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def together(work: Iterable[Callable[[], object]]) -> None:
    """Run each on a thread of its own, at the same time. Errors: the first one of any."""
    faults: list[BaseException] = []

    def run(one: Callable[[], object]) -> None:
        try:
            one()
        except BaseException as fault:  # noqa: BLE001 - raised again below, in the thread that asked
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def repeat(port: int, request: bytes, body_bytes: int, count: int, connections: int) -> None:
    """Send one request `count` times over some connections, each with one request under way. Errors: Wrong.

    `body_bytes`: how long the body of each answer is (0 for HEAD).
    """
    poll = select.epoll()
    links = {}
    for _ in range(connections):
        link = _connected(port)
        links[link.fileno()] = link
        poll.register(link.fileno(), select.EPOLLIN)
        link.send(request)
    gathered = dict.fromkeys(links, b"")
    asked, answered = connections, 0
    while answered < count:
        for number, _ in poll.poll(SECONDS_MAX):
            data = gathered[number] + links[number].recv(64 * 1024)
            end = data.find(b"\r\n\r\n")
            if end < 0 or len(data) < end + 4 + body_bytes:
                if not data:
                    raise Wrong("the server hung up")
                gathered[number] = data
                continue
            if not data.startswith(b"HTTP/1.1 200") or len(data) != end + 4 + body_bytes:
                raise Wrong(f"200 was expected: {data[:600].decode('latin-1')}")
            gathered[number] = b""
            answered += 1
            if asked < count:
                asked += 1
                links[number].send(request)
    for link in links.values():
        link.close()
    poll.close()
