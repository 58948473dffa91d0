"""A uvicorn protocol that knows who connects: how many at once, and from where, also behind proxies that are trusted.

A connection beyond the limit is given one answer, 429, to the request that it came for: a client is told what to do
instead of being hung up on. Far beyond the limit there is no room for that either.
"""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from assay.errors import ANSWERS, Reason
from assay.http.forwarded import Proxies
from assay.http.sendfile import SendfileProtocol
from assay.rates import line_of
from assay.settings import Settings

#: A connection that is over the limit has so long to send its one request.
SURPLUS_SECONDS = 5.0
RETRY_AFTER_SECONDS = 5

_TOO_MANY = ANSWERS[Reason.TOO_MANY_REQUESTS]
_SAID = "There are too many connections. Wait a little, then use fewer at once."


class Crowd:
    """The connections of one port. Used on the event loop alone."""

    def __init__(self, connections_max: int, connections_max_address: int) -> None:
        self._max, self._max_address = connections_max, connections_max_address
        self._by_line: Counter[str] = Counter()
        self._total = 0

    def enter(self, line: str, *, shared: bool = False) -> bool:
        """Count a connection; whether it is within the limits. A `shared` line is many clients', such as a proxy's."""
        self._by_line[line] += 1
        self._total += 1
        within = shared or self._by_line[line] <= self._max_address
        return within and self._total <= self._max

    def leave(self, line: str) -> None:
        """Count a connection no longer."""
        self._total -= 1
        self._by_line[line] -= 1
        if not self._by_line[line]:
            del self._by_line[line]

    @property
    def is_overrun(self) -> bool:
        """Whether there are so many that they can't even be told."""
        return self._total > 2 * self._max


class VisitorProtocol(SendfileProtocol):
    """What `protocol_of` makes a class of for each port; as it is, it limits and believes nothing."""

    crowd = Crowd(2**31, 2**31)
    proxies = Proxies()

    _line: str | None = None
    _is_surplus = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count who comes."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        self._line = line_of(address)
        self._is_surplus = not self.crowd.enter(self._line, shared=self.proxies.trusts(address))
        if self._is_surplus:
            self.headers_seconds = min(self.headers_seconds, SURPLUS_SECONDS)
        super().connection_made(transport)
        if self._is_surplus and self.crowd.is_overrun:
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count who goes."""
        if self._line is not None:
            self.crowd.leave(self._line)
            self._line = None
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Where the request came from, as far as trusted proxies say."""
        if self.proxies.networks and self.client is not None:
            address = self.proxies.client_of(self.client[0], self.headers)
            if address != self.client[0]:
                self.scope["client"] = (address, 0)
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, _too_many if self._is_surplus else app)


def protocol_of(settings: Settings) -> type[VisitorProtocol]:
    """The protocol for one port, to give as `http=` to uvicorn."""
    members = {
        "crowd": Crowd(settings.connections_max, settings.connections_max_address),
        "proxies": Proxies.of(settings.trusted_proxies, settings.trusted_proxy_header),
    }
    return type("Visitors", (VisitorProtocol,), members)


async def _too_many(_scope: Any, _receive: Any, send: Any) -> None:
    """The answer to a connection that is one too many, in the words of both the registry and the API."""
    error = {"code": _TOO_MANY.distribution_code, "message": _SAID, "detail": None}
    body = msgspec.json.encode({"errors": [error], "code": _TOO_MANY.oci_code, "message": _SAID})
    headers = {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"retry-after": str(RETRY_AFTER_SECONDS).encode(),
        b"connection": b"close",
    }
    await send({"type": "http.response.start", "status": _TOO_MANY.status, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})
