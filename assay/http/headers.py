"""A uvicorn protocol that bounds what uvicorn does not: how long a request's headers are, and how long they take.

Both ports are built on it. Private parts of uvicorn are used: its version is pinned, and
`tests/contract/test_http_headers.py` holds what is promised here. The answer is that of RFC 6585, section 5.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: All headers of a request and its target, with the colons and line ends between them.
HEADER_BYTES_MAX = 64 * 1024
#: What may arrive before the parser has made whole headers of it that can be counted.
UNFINISHED_BYTES_MAX = 2 * HEADER_BYTES_MAX
#: How long, and for how many bytes, a client that is refused may go on sending: hung up on, it would lose the answer.
LEAVE_SECONDS = 2.0
LEAVE_BYTES_MAX = 4 * 1024 * 1024

_SEPARATORS = len(b": \r\n")
_TOO_LONG = f"The target and the headers of a request have at most {HEADER_BYTES_MAX} bytes.\n".encode()


class _TooLong(Exception):
    """Headers that have grown beyond HEADER_BYTES_MAX: ends the parser's work, and nobody else sees it."""


class BoundedHeaders(HttpToolsProtocol):
    """Give a class of this kind as `http=` to uvicorn. `headers_seconds` is the time for a request's headers."""

    headers_seconds = 60.0

    _deadline: asyncio.TimerHandle | None = None
    _awaits_headers = True
    _requests = 0
    _arrived = _counted = _ignored = 0
    _is_leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client its time to send the first headers."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes while headers are unfinished; what comes after a refusal is thrown away."""
        if self._is_leaving:
            self._ignored += len(data)
            if self._ignored > LEAVE_BYTES_MAX:
                self.transport.abort()
            return
        # What ends a body in the same piece is no unfinished header, however large the piece is.
        awaited, requests = self._awaits_headers, self._requests
        super().data_received(data)
        if awaited and self._awaits_headers and self._requests == requests and not self._is_leaving:
            self._arrived += len(data)
            if self._arrived > UNFINISHED_BYTES_MAX:
                self._refuse()

    def on_message_begin(self) -> None:
        """A request begins: its headers have as long as the first one's."""
        self._counted = 0
        self._start_clock()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value) + _SEPARATORS)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are whole; what comes now is for the doors to bound."""
        self._stop_clock()
        self._requests += 1
        self._awaits_headers, self._arrived = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes next are headers again."""
        self._awaits_headers = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed is a bad request, unless it was our own count that ended the parsing."""
        if self._counted > HEADER_BYTES_MAX:
            self._refuse()
        else:
            super().send_400_response(msg)

    def hang_up(self) -> None:
        """End a connection whose headers do not come."""
        self.transport.close()

    def _count(self, size: int) -> None:
        self._counted += size
        if self._counted > HEADER_BYTES_MAX:
            raise _TooLong

    def _refuse(self) -> None:
        """Answer 431, and read on for a while: a client gets to the answer when it has sent what it wanted to."""
        self._is_leaving = True
        self._stop_clock()
        if self._requests and not self.cycle.response_complete:
            # An answer to an earlier request is under way; there is no place for this one.
            self.hang_up()
            return
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(_TOO_LONG)}\r\nconnection: close\r\n\r\n".encode()
            + _TOO_LONG
        )
        self._deadline = self.loop.call_later(LEAVE_SECONDS, self.hang_up)

    def _start_clock(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(self.headers_seconds, self.hang_up)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
