"""A uvicorn protocol that lets a large body be read on a thread: from the socket through the parser to where it goes,
past the event loop, through one small buffer that stays in the processor's cache.

It gives applications an ASGI extension of ours, `assay.body`: a `BodyReader` that takes the place of `receive` for what
of the body has not come yet. It is there only where it can be kept: on plain connections, for a body that is large or
of unknown length. Under TLS, or under another server, bodies come by `receive`.

The parser, and with it the framing of the body, is the same as everywhere; while a thread feeds it the event loop reads
nothing from the socket. A body is read in bounded pieces of work by a pool of its own, so that a client who is slow, or
has stopped, holds no thread: the event loop waits for it. Private parts of uvicorn are used: its version is pinned, and
`tests/contract/test_http_receiving.py` holds what is promised here.
"""

import asyncio
import os
import select
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from assay.http.bodies import ClientGone, Patience
from assay.http.framing import Fault
from assay.http.headers import BoundedHeaders
from assay.http.threads import in_thread

BODY_READER = "assay.body"
#: A shorter body comes with its headers, or soon after: `receive` gives it with less ado.
LENGTH_MIN = 128 * 1024
#: What is read, parsed and handed on in one go.
BUFFER_BYTES = 128 * 1024
#: The most that one piece of work reads, and the longest that it lasts, before it gives its thread back.
PIECE_BYTES = 32 * 1024 * 1024
PIECE_SECONDS = 0.5
#: How long a piece of work waits, in its thread, for a client that keeps up; a slower one is waited for on the loop.
KEEP_UP_MILLISECONDS = 20
#: What must have come since the last such wait: who sends a byte now and then does not keep up.
KEEP_UP_BYTES = 32 * 1024
THREADS = 8

_TOO_SHORT = Fault(HTTPStatus.BAD_REQUEST, "The body ended too early.")

_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="receiving")


class _AnotherRequest(Exception):
    """Ends the parser's work where a body has ended that is read on a thread; nobody else sees it."""


class _Ended(Exception):
    """The client has sent its last, which is not the end of the body."""


class ReceivingProtocol(BoundedHeaders):
    """Give a class of this kind as `http=` to uvicorn."""

    #: Whether a thread feeds the parser, and what this found of the body.
    _is_on_thread = False
    _found: list[bytes]

    def on_message_begin(self) -> None:
        """A request begins: not on a thread."""
        if self._is_on_thread:
            raise _AnotherRequest
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Keep it for the thread, or for `receive`."""
        if self._is_on_thread:
            self.body_bytes += len(body)
            self._found.append(body)
        else:
            super().on_body(body)

    def begin_to_find(self) -> None:
        """From now on a thread feeds the parser."""
        self.flow.pause_reading()
        self._is_on_thread, self._found = True, []

    def find(self, data: memoryview) -> tuple[bytes, Fault | None]:
        """What of the body is in these bytes; and what is wrong with its framing, if anything is."""
        fault = self.parse(data)
        found, self._found = self._found, []
        return found[0] if len(found) == 1 else b"".join(found), fault

    def end_to_find(self, fault: Fault | None) -> None:
        """The event loop reads again, as soon as it is asked to; `fault` is what `find` gave at last."""
        self._is_on_thread = False
        if fault is None:
            return
        if not self.awaits_headers:
            self.refuse(fault)
            return
        # Behind the body, in the same bytes, stood another request, which its client has to send again.
        self.cycle.keep_alive = False
        self.hear_no_more()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        length = self.body_length
        is_large = cycle.more_body and (length is None or length >= LENGTH_MIN)
        super()._start_asgi_task(cycle, self._with_reader(cycle, app) if is_large and self.scheme == "http" else app)

    def _with_reader(self, cycle: RequestResponseCycle, app: Any) -> Any:
        async def served(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[BODY_READER] = BodyReader(self, cycle)
            await app(scope, receive, send)

        return served


class BodyReader:
    """Reads the body of one request. Call `receive` once before, which lets a client go on that waits for it."""

    def __init__(self, protocol: ReceivingProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._fault: Fault | None = None

    async def read(self, into: Callable[[bytes], object], patience: Patience) -> None:
        """Give the rest of the body, in order, to `into`, on threads of this module; not more than `BUFFER_BYTES` each.

        Errors: ClientGone, those of `into`.
        """
        if self._cycle.disconnected or self._protocol.transport.is_closing():
            raise ClientGone
        # A duplicate, since the transport may close its descriptor while a thread uses it.
        source = os.dup(self._protocol.transport.get_extra_info("socket").fileno())
        try:
            self._protocol.begin_to_find()
            await self._read_all(source, into, patience)
        except _Ended:
            self._fault = _TOO_SHORT
        except ConnectionError as fault:
            self._cycle.disconnected = True  # so that nobody misses an answer
            raise ClientGone from fault
        finally:
            os.close(source)
            self._protocol.end_to_find(self._fault)
        if self._cycle.more_body:
            raise ClientGone  # who has been told why, if anybody still reads

    async def _read_all(self, source: int, into: Callable[[bytes], object], patience: Patience) -> None:
        come, self._cycle.body = bytes(self._cycle.body), bytearray()
        patience.count(len(come))
        if come:
            await in_thread(_pool, _in_pieces, come, into)
        while not self._is_over():
            received, is_dry = await in_thread(_pool, self._read_piece, source, into)
            patience.count(received)
            if self._cycle.disconnected or self._protocol.transport.is_closing():
                raise ConnectionResetError
            if is_dry and not self._is_over():
                await patience.wait(_readable(source))

    def _is_over(self) -> bool:
        """Whether all of the body has come, or nothing more of it can be read."""
        return not self._cycle.more_body or self._fault is not None

    def _read_piece(self, source: int, into: Callable[[bytes], object]) -> tuple[int, bool]:
        """Read until the piece is done or the client falls behind; the number of bytes, and whether it fell behind."""
        buffer = memoryview(bytearray(BUFFER_BYTES))
        keeping_up = select.poll()
        keeping_up.register(source, select.POLLIN)
        received, at_last_wait, until = 0, 0, time.monotonic() + PIECE_SECONDS
        while not self._is_over() and received < PIECE_BYTES and time.monotonic() < until:
            left = self._protocol.body_bytes_left
            try:
                count = os.readv(source, [buffer if left is None else buffer[:left]])
            except BlockingIOError:
                keeps_up = received - at_last_wait >= KEEP_UP_BYTES
                if not keeps_up or not keeping_up.poll(KEEP_UP_MILLISECONDS):
                    return received, True
                at_last_wait = received
                continue
            if count == 0:
                raise _Ended
            received += count
            found, self._fault = self._protocol.find(buffer[:count])
            if found:
                into(found)
        return received, False


def _in_pieces(content: bytes, into: Callable[[bytes], object]) -> None:
    for start in range(0, len(content), BUFFER_BYTES):
        into(content[start : start + BUFFER_BYTES])


async def _readable(descriptor: int) -> None:
    """Wait, on the loop, until there is something to read."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
