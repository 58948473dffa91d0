"""A uvicorn protocol whose connections end so that the client gets to read the last answer.

Who closes a socket on which the other side still sends makes the kernel reset the connection, and the answer is lost on
its way (RFC 9112, section 9.6). So where more may come a connection ends in steps: the answer, the end of our side, a
while in which what comes is thrown away, and then the socket. A body that is no longer wanted, because its request was
answered already, is read to its end if that is near; then the connection goes on.

Private parts of uvicorn are used: its version is pinned, and `tests/contract/test_http_endings.py` holds what is
promised here.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

#: How much of a body may still come after its request was answered, and for how long, before the connection is ended.
DRAIN_BYTES_MAX = 4 * 1024 * 1024
DRAIN_SECONDS = 30.0
#: How long a client has to read the last answer, and how much of what it sends meanwhile is read.
LEAVE_SECONDS = 5.0
LEAVE_BYTES_MAX = 64 * 1024 * 1024
#: A client that reads nothing of its answer for so long is cut off.
UNREAD_SECONDS = 60.0


class EndingTransport:
    """The transport as uvicorn gets it: to close it is to end the connection, in steps where need be."""

    def __init__(self, transport: asyncio.Transport, protocol: "EndingWell") -> None:
        self._transport = transport
        self._protocol = protocol
        self.write = transport.write
        self.close = protocol.end

    def is_closing(self) -> bool:
        """Whether nothing more is to be said."""
        return self._protocol.is_leaving or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class EndingWell(HttpToolsProtocol):
    """Give a class of this kind as `http=` to uvicorn."""

    #: Whether our side has said its last.
    is_leaving = False
    #: Whether the next byte begins a request, or goes on with its headers.
    awaits_headers = True
    #: Whether some of a request's headers came, and not all of them; and how many requests' headers came whole.
    is_in_headers = False
    requests = 0

    _socket: asyncio.Transport
    _clock: asyncio.TimerHandle | None = None
    _reading_clock: asyncio.TimerHandle | None = None
    #: How much came of a body, and how long it is, if that was said.
    body_bytes = 0
    body_length: int | None = 0
    _ignored = 0
    #: The last answer, while those before it are still under way; from then on nothing is heard any more.
    _last_answer = b""
    _is_deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        self._socket = transport
        super().connection_made(EndingTransport(transport, self))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self.stop_clock()
        self.resume_writing()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The client has sent its last: it is told so if that is no end of a body, for it may still be reading."""
        if self.running is not None and not self.awaits_headers and not self.is_leaving:
            self.end_with(HTTPStatus.BAD_REQUEST, "The body ended too early.")
        super().eof_received()

    @property
    def body_bytes_left(self) -> int | None:
        """How much of the body is still to come, if that was said."""
        return None if self.body_length is None else self.body_length - self.body_bytes

    @property
    def running(self) -> RequestResponseCycle | None:
        """The request that came last, while it is not answered in full."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle

    def heard(self, data: bytes) -> bool:
        """Whether `data` is to be parsed. It is counted where nobody waits for it: after the end, or an answer."""
        if self.is_leaving or self._is_deaf:
            self._ignored += len(data)
            if self._ignored > LEAVE_BYTES_MAX:
                # What was sent and is not read holds the client up, and lets it get to the answer.
                self._socket.pause_reading()
            return False
        if not self.awaits_headers and self.running is None:
            # The next request may stand behind the body, in the same bytes.
            left = self.body_bytes_left
            self._ignored += len(data) if left is None else min(len(data), left)
            if self._ignored > DRAIN_BYTES_MAX:
                self.end()
        return not self.is_leaving

    def end(self) -> None:
        """End the connection: at once if nothing more can be coming, else so that the last answer is read."""
        if self.is_leaving:
            return
        self.stop_clock()
        self.is_leaving = True
        if self._socket.is_closing():
            return
        if self.awaits_headers and not (self.is_in_headers or self.pipeline or self._is_deaf):
            self.cut()
            return
        if self._socket.can_write_eof():
            try:
                self._socket.write_eof()
            except OSError:  # nobody is there any more
                self.cut()
                return
        self._socket.resume_reading()
        self._clock = self.loop.call_later(LEAVE_SECONDS, self.cut)

    def hear_no_more(self) -> None:
        """Take nothing more for a request."""
        self._is_deaf = True

    def cut(self) -> None:
        """Close the socket, whatever the client does."""
        self._socket.close()

    def end_with(self, status: HTTPStatus, text: str) -> None:
        """Answer what can be no request, after the answers that are under way, and end the connection."""
        answer = _answer(status, text)
        self.stop_clock()
        self._is_deaf = True
        running = self.running
        is_in_body = not self.awaits_headers
        if running is not None and is_in_body and self.pipeline:
            self.pipeline.popleft()  # its request is the one that broke off
        elif running is not None and is_in_body:
            is_begun = running.response_started
            running.disconnected = True
            running.message_event.set()
            running = None
            answer = b"" if is_begun else answer
        elif is_in_body:
            answer = b""  # it has its answer already
        if running is not None:
            self._last_answer = answer
        else:
            self._say_last(answer)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.is_in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are whole, and can be a request's; what comes now is for the doors to bound."""
        self.body_length, self.body_bytes = 0, 0
        for name, value in self.headers:
            if name == b"content-length":
                self.body_length = int(value)
            elif name == b"transfer-encoding":
                self.body_length = None
        super().on_headers_complete()
        self.stop_clock()
        self.requests += 1
        self.awaits_headers = self.is_in_headers = False
        self._ignored = 0
        if self.parser.should_upgrade():
            # Nothing here is upgraded. The parser reads no further, so the connection ends with the answer.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count what comes of a body."""
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next are headers again."""
        self.awaits_headers = True
        self._is_deaf = self._is_deaf or self.parser.should_upgrade()
        if self.running is None:
            self.stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Say what was to be said last; give the rest of a body that is not wanted its time."""
        others_wait = bool(self.pipeline)
        super().on_response_complete()
        if self.is_leaving or others_wait:
            return
        if self._last_answer:
            self._say_last(self._last_answer)
        elif not self.awaits_headers:
            self.start_clock(DRAIN_SECONDS, self.end)

    def pause_writing(self) -> None:
        """The client does not read: give it some time."""
        super().pause_writing()
        self._reading_clock = self.loop.call_later(UNREAD_SECONDS, self._socket.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._reading_clock is not None:
            self._reading_clock.cancel()
            self._reading_clock = None
        super().resume_writing()

    def start_clock(self, seconds: float, when_over: Any) -> None:
        """Give the client its time for what it does now."""
        self.stop_clock()
        self._clock = self.loop.call_later(seconds, when_over)

    def stop_clock(self) -> None:
        """It has done it."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _say_last(self, answer: bytes) -> None:
        if not self._socket.is_closing():
            self._socket.write(answer)
        self.end()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Of requests in a row only the last can have a body that is still coming.
        has_body = cycle.more_body and self.body_length != 0
        super()._start_asgi_task(cycle, self._watching_body(cycle, app) if has_body else app)

    def _watching_body(self, cycle: RequestResponseCycle, app: Any) -> Any:
        """`app`, which gets all of the body that came, and whose answer says that the connection ends when too much of
        it is missing to be waited for."""

        async def served(scope: Any, receive: Any, send: Any) -> None:
            async def watched(message: Any) -> None:
                if message["type"] == "http.response.start" and self.cycle is cycle and not self.awaits_headers:
                    left = self.body_bytes_left
                    if cycle.waiting_for_100_continue or left is None or left > DRAIN_BYTES_MAX:
                        cycle.keep_alive = False
                await send(message)

            async def received() -> Any:
                message = await receive()
                if message["type"] != "http.disconnect" or not cycle.body or cycle.response_complete:
                    return message
                # What came before the end would be forgotten with it.
                body, cycle.body = bytes(cycle.body), bytearray()
                return {"type": "http.request", "body": body, "more_body": True}

            await app(scope, received, watched)

        return served


def _answer(status: HTTPStatus, text: str) -> bytes:
    body = f"{text}\n".encode()
    retry = "retry-after: 1\r\n" if status is HTTPStatus.TOO_MANY_REQUESTS else ""
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
    ).encode() + body
