"""A uvicorn protocol that sends files with `sendfile(2)`: the blob goes from page cache to socket, past Python.

It gives applications the ASGI extension `http.response.pathsend` (one message after `http.response.start` that names
the file and ends the response) with two members more, `offset` and `count`, for range requests. It is advertised only
where it can be kept: on plain connections. Under TLS, or under another server, the door sends pieces instead.

A file is sent in bounded pieces of work by a pool of its own, so that a reader who is slow, or has stopped, holds no
thread: as soon as the socket takes no more, the event loop waits for it. uvloop has no `loop.sendfile`, hence the
duplicate of the socket's descriptor. Private parts of uvicorn are used: its version is pinned, and
`tests/contract/test_registry_sendfile.py` holds that the extension is advertised and keeps what it promises.
"""

import asyncio
import os
import select
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from assay.http.receiving import ReceivingProtocol
from assay.http.threads import in_thread

PATHSEND = "http.response.pathsend"
#: The ASGI extension that holds the request target byte for byte, for request signatures (see `oci_api.targets`).
REQUEST_TARGET = "assay.request-target"
#: The most that one piece of work sends, and the longest that it lasts, before it gives its thread back.
PIECE_BYTES = 64 * 1024 * 1024
PIECE_SECONDS = 1.0
#: How long a piece of work waits, in its thread, for a reader that keeps up; a slower one is waited for on the loop.
KEEP_UP_MILLISECONDS = 20
#: A reader that takes nothing for so long is cut off.
STALL_SECONDS = 60.0
THREADS = 8

_TLS_HELLO = b"\x16\x03"
#: By these first bytes clients written in Go tell people that the server speaks plain HTTP.
_NO_TLS = b"HTTP/1.1 400 This port speaks plain HTTP\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

log = getLogger(__name__)

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sendfile")


class SendfileProtocol(ReceivingProtocol):
    """Give as `http=` to uvicorn."""

    _is_first_read = True

    def data_received(self, data: bytes) -> None:
        """Answer a TLS hello, and log nothing: container clients try TLS first, on every run."""
        is_first, self._is_first_read = self._is_first_read, False
        if is_first and data.startswith(_TLS_HELLO) and self.scheme == "http":
            self.transport.write(_NO_TLS)
            self.transport.close()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The headers are whole: the scope gets the target as it was sent."""
        self.scope["extensions"] = {REQUEST_TARGET: {"target": self.url}}
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, _with_pathsend(cycle, app) if self.scheme == "http" else app)


def _with_pathsend(cycle: RequestResponseCycle, app: App) -> App:
    """`app`, told of the extension, with a `send` that understands it."""

    async def served(scope: Any, receive: Any, send: Send) -> None:
        async def send_or_sendfile(message: Message) -> None:
            if message["type"] == PATHSEND:
                await _respond(cycle, send, message)
            else:
                await send(message)

        scope.setdefault("extensions", {})[PATHSEND] = {"offset": True}
        await app(scope, receive, send_or_sendfile)

    return served


async def _respond(cycle: RequestResponseCycle, send: Send, message: Message) -> None:
    """Send the body that `message` names, and end the response."""
    count = int(message.get("count", cycle.expected_content_length))
    if cycle.disconnected or cycle.scope["method"] == "HEAD" or count == 0:
        await send({"type": "http.response.body", "body": b""})
        return
    if cycle.chunked_encoding or count != cycle.expected_content_length:
        raise RuntimeError("pathsend needs a content-length, and sends as many bytes")
    try:
        await _send_range(cycle, str(message["path"]), int(message.get("offset", 0)), count)
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        # The client is gone or does not read; uvicorn must not take the unfinished response for a fault of ours.
        cycle.disconnected = True
        cycle.transport.abort()
        return
    except (OSError, EOFError) as fault:
        # The headers are sent: a client that is cut off takes what came for no whole.
        log.warning("the file %s could not be sent to its end: %s", message["path"], fault)
        cycle.disconnected = True
        cycle.transport.close()
        return
    cycle.expected_content_length = 0
    await send({"type": "http.response.body", "body": b""})


async def _send_range(cycle: RequestResponseCycle, path: str, offset: int, count: int) -> None:
    """Errors: BrokenPipeError, ConnectionResetError, TimeoutError (the client); OSError, EOFError (the file)."""
    await _flushed(cycle.transport)
    # A duplicate, since the transport may close its descriptor while a thread uses it, and the number may be reused.
    target = os.dup(cycle.transport.get_extra_info("socket").fileno())
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while count:
                sent = await in_thread(_pool, _send_piece, target, source, offset, count)
                offset, count = offset + sent, count - sent
                if count and not sent:
                    await _writable(target)
        finally:
            os.close(source)
    finally:
        os.close(target)


def _send_piece(target: int, source: int, offset: int, count: int) -> int:
    """Send until the piece is done or the socket takes no more; the number of bytes, 0 if it took none."""
    sent, wanted = 0, min(count, PIECE_BYTES)
    until = time.monotonic() + PIECE_SECONDS
    keeping_up = select.poll()
    keeping_up.register(target, select.POLLOUT)
    while sent < wanted and time.monotonic() < until:
        try:
            now = os.sendfile(target, source, offset + sent, wanted - sent)
        except BlockingIOError:
            if not keeping_up.poll(KEEP_UP_MILLISECONDS):
                break
            continue
        if now == 0:
            raise EOFError(f"The file ends {count - sent} bytes too early.")
        sent += now
    return sent


async def _flushed(transport: asyncio.Transport) -> None:
    """Wait until the headers, and what was pipelined before them, have left the transport's buffer."""
    async with asyncio.timeout(STALL_SECONDS):
        pause_seconds = 0.0
        while transport.get_write_buffer_size():
            if transport.is_closing():
                raise ConnectionResetError
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds + 0.001, 0.05)


async def _writable(descriptor: int) -> None:
    """Wait, on the loop, until the socket takes bytes again. Errors: TimeoutError."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        async with asyncio.timeout(STALL_SECONDS):
            await ready.wait()
    finally:
        loop.remove_writer(descriptor)
