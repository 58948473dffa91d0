"""A uvicorn protocol that bounds what uvicorn does not: a request's headers, the framing of its body, and their time.

All ports are built on it. Private parts of uvicorn are used: its version is pinned, and
`tests/contract/test_http_headers.py` holds what is promised here. For headers that are too long the answer is that of
RFC 6585, section 5.
"""

import asyncio
from http import HTTPStatus

import httptools

from assay.http.endings import EndingWell
from assay.http.framing import Fault, fault_of, is_overhead

#: All headers of a request and its target, with the colons and line ends between them.
HEADER_BYTES_MAX = 64 * 1024
HEADERS_MAX = 256
#: What may arrive before the parser has made whole headers of it that can be counted.
UNFINISHED_BYTES_MAX = 2 * HEADER_BYTES_MAX
#: Requests that a client sends on one connection without waiting for the answer to the first.
PIPELINED_MAX = 32

_TOO_LONG = Fault(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"The target and the headers of a request have at most {HEADER_BYTES_MAX} bytes, and there are at most "
    f"{HEADERS_MAX} headers.",
)
_TOO_MANY = Fault(
    HTTPStatus.TOO_MANY_REQUESTS, f"At most {PIPELINED_MAX} requests wait on one connection for their answers."
)
_TOO_LATE = Fault(HTTPStatus.REQUEST_TIMEOUT, "The headers of the request took too long.")
_OVERHEAD = Fault(HTTPStatus.BAD_REQUEST, "The chunks of the body hold more framing than content.")
_NO_PROXY = Fault(HTTPStatus.METHOD_NOT_ALLOWED, "This server is no proxy.")
_EXPECTATION = Fault(HTTPStatus.EXPECTATION_FAILED, "Of expectations only 100-continue is known.")


class _Refusal(Exception):
    """Ends the parser's work for a fault that is kept; nobody else sees it."""


class BoundedHeaders(EndingWell):
    """Give a class of this kind as `http=` to uvicorn. `headers_seconds` is the time for a request's headers."""

    headers_seconds = 60.0

    _arrived = _counted = _header_count = 0
    _framing_bytes = 0
    _fault: Fault | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client its time to send the first headers."""
        super().connection_made(transport)
        self.start_clock(self.headers_seconds, self._late)

    def data_received(self, data: bytes) -> None:
        """Parse what comes, and count what is no whole header and no body yet."""
        if not self.heard(data):
            return
        self._unset_keepalive_if_required()
        if (fault := self.parse(data)) is not None:
            self.refuse(fault)

    def parse(self, data: bytes | memoryview) -> Fault | None:
        """Feed the parser; what is wrong with what it was fed, if anything is."""
        # What ends a body in the same piece is no unfinished header, however large the piece is.
        awaited, requests, body_bytes = self.awaits_headers, self.requests, self.body_bytes
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return None
        except httptools.HttpParserError as fault:
            return self._fault or _unreadable(fault)
        if self.requests != requests or self.awaits_headers != awaited:
            return None
        if awaited:
            self._arrived += len(data)
            return _TOO_LONG if self._arrived > UNFINISHED_BYTES_MAX else None
        self._framing_bytes += len(data) - (self.body_bytes - body_bytes)
        return _OVERHEAD if is_overhead(self._framing_bytes, self.body_bytes) else None

    def on_message_begin(self) -> None:
        """A request begins: its headers have as long as the first one's."""
        self._arrived = self._counted = self._header_count = self._framing_bytes = 0
        if self.running is None:
            self.start_clock(self.headers_seconds, self._late)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header. One that stands behind the body says nothing (RFC 9110, section 6.5.1)."""
        self._header_count += 1
        self._count(len(name) + len(value) + len(b": \r\n"))
        if self.awaits_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are whole: see that they can be believed."""
        version = self.parser.get_http_version()
        self._fault = fault_of(version, self.headers) or self._fault_here()
        if self._fault is not None:
            raise _Refusal
        if version == "1.0":
            self.expect_100_continue = False  # to be ignored (RFC 9110, section 10.1.1)
        super().on_headers_complete()

    def _fault_here(self) -> Fault | None:
        """Why a request that can be believed is not for this server all the same."""
        if self.parser.get_method() == b"CONNECT":
            return _NO_PROXY
        if len(self.pipeline) >= PIPELINED_MAX:
            return _TOO_MANY
        expects = any(name == b"expect" for name, _ in self.headers)
        return _EXPECTATION if expects and not self.expect_100_continue else None

    def on_response_complete(self) -> None:
        """The time for headers that came in part while an answer was under way begins now."""
        super().on_response_complete()
        if self.is_in_headers and not self.is_leaving and self.running is None:
            self.start_clock(self.headers_seconds, self._late)

    def _count(self, size: int) -> None:
        self._counted += size
        if self._counted > HEADER_BYTES_MAX or self._header_count > HEADERS_MAX:
            self._fault = _TOO_LONG
            raise _Refusal

    def _late(self) -> None:
        """Headers that do not come are told so; who sent nothing at all is hung up on."""
        if self.is_in_headers:
            self.refuse(_TOO_LATE)
        else:
            self.cut()

    def refuse(self, fault: Fault) -> None:
        """Answer what can be no request, and end the connection."""
        self.end_with(fault.status, fault.text)


def _unreadable(fault: httptools.HttpParserError) -> Fault:
    """What the parser says of a request; where its own callbacks could not go on, it was for the target."""
    is_target = isinstance(fault, httptools.HttpParserCallbackError)
    said = "Its target cannot be read" if is_target else str(fault).strip(" .")[:200]
    return Fault(HTTPStatus.BAD_REQUEST, f"This is no request of HTTP/1.1. {said}.")
