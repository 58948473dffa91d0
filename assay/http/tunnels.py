"""A TLS port that is also its clients' way to it: a server that looks at the first byte of each connection.

A TLS hello goes on as TLS. `CONNECT name:port` (RFC 9110, 9.3.6) for a name of this server's own is answered and goes
on as TLS on the same connection, so a client whose proxy this port is needs to resolve none of the names. Any other
name is refused: nothing is ever connected onward. What comes before TLS is bounded in time, in bytes and in number.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from typing import Any

import uvicorn

#: From the connection to the TLS handshake's end, each of its two parts.
GREETING_SECONDS = 10.0
CONNECT_BYTES_MAX = 8 * 1024
#: Connections that have not come to their TLS handshake yet; more are hung up on.
GREETINGS_MAX = 256
#: How long to wait with accepting after the system had no descriptor left.
EXHAUSTED_SECONDS = 0.2

_TLS_HELLO = b"\x16"
_END = b"\r\n\r\n"
_CONNECT = re.compile(rb"CONNECT ([A-Za-z0-9.-]{1,253}):([0-9]{1,5}) HTTP/1\.[01]\r\n")

log = getLogger(__name__)

#: Whether a client may go on to this name and port.
Admits = Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a CONNECT is answered."""

    status: int
    reason: str

    @property
    def content(self) -> bytes:
        """The answer on the wire. A refusal ends the connection."""
        if self.status == 200:
            return b"HTTP/1.1 200 Connection established\r\n\r\n"
        text = f"{self.reason}\n"
        head = f"HTTP/1.1 {self.status} {self.reason}\r\ncontent-type: text/plain\r\ncontent-length: {len(text)}\r\n"
        return f"{head}connection: close\r\n\r\n{text}".encode()


OPEN = Answer(200, "Connection established")
UNREADABLE = Answer(400, "This port speaks TLS, and CONNECT to names of this server")
FOREIGN = Answer(403, "Not a name of this server, and it connects to no other")
TOO_LONG = Answer(431, "The request to connect is too long")


def answer_to(head: bytes, admits: Admits) -> Answer:
    """The answer to what a client sent before any TLS, up to and with the empty line; a pure rule."""
    if not head.endswith(_END):
        # Whoever goes on before the answer means another than this server, or means no good.
        return TOO_LONG if len(head) >= CONNECT_BYTES_MAX else UNREADABLE
    asked = _CONNECT.match(head)
    if asked is None:
        return UNREADABLE
    return OPEN if admits(asked[1].decode(), int(asked[2])) else FOREIGN


class TunnelServer(uvicorn.Server):
    """Uvicorn behind such a port. `config` names host, port and protocol, and no TLS: `context` is used instead."""

    def __init__(self, config: uvicorn.Config, context: ssl.SSLContext, admits: Admits) -> None:
        super().__init__(config)
        self._context = context
        self._admits = admits
        self._greetings: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept on `sockets`, which listen already."""
        self._listeners = tuple(sockets or ())
        await super().startup(sockets=[])
        for listener in self._listeners:
            listener.settimeout(0)
        self._accepting = [asyncio.create_task(self._accept(listener)) for listener in self._listeners]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, drop who has not come to TLS yet, and end as uvicorn does."""
        tasks = (*self._accepting, *self._greetings)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as fault:
                log.warning("no connection can be accepted: %s", fault)
                await asyncio.sleep(EXHAUSTED_SECONDS)
                continue
            if len(self._greetings) >= GREETINGS_MAX:
                connection.close()
                continue
            connection.settimeout(0)
            task = asyncio.create_task(self._greet(connection))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        """From the first byte to the end of the TLS handshake; from there the connection is uvicorn's."""
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                speaks_tls = await self._came_to_tls(connection)
            if not speaks_tls:
                connection.close()
                return
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=GREETING_SECONDS
            )
        except OSError:  # also TimeoutError and every fault of TLS: the client's own affair
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _came_to_tls(self, connection: socket.socket) -> bool:
        """Whether TLS is what comes next: at once, or after a CONNECT that was granted."""
        if await _first_byte(connection) == _TLS_HELLO:
            return True
        answer = answer_to(await _head(connection), self._admits)
        await asyncio.get_running_loop().sock_sendall(connection, answer.content)
        return answer is OPEN and await _first_byte(connection) == _TLS_HELLO

    def _protocol(self) -> asyncio.Protocol:
        protocol: Any = self.config.http_protocol_class
        made: asyncio.Protocol = protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


async def _first_byte(connection: socket.socket) -> bytes:
    """The first byte, left where it is; empty at the end. Errors: OSError."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(connection, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(connection)
    with contextlib.suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_PEEK)
    return b""


async def _head(connection: socket.socket) -> bytes:
    """What a client sends before it waits for an answer: up to the empty line, or as much as is too much."""
    loop = asyncio.get_running_loop()
    head = b""
    while _END not in head and len(head) < CONNECT_BYTES_MAX:
        piece = await loop.sock_recv(connection, CONNECT_BYTES_MAX - len(head))
        if not piece:
            break
        head += piece
    return head
