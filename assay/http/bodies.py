"""Request bodies in bounded pieces: no more than one piece is held, and a client that stops sending is cut off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from assay.errors import Reason, Refused

#: What is hashed and written in one go; uvicorn stops reading from the socket while it is.
PIECE_BYTES = 1024 * 1024
#: A client that sends nothing of its body for so long is given up.
STALL_SECONDS = 60.0

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client hung up before its request was whole; there is nobody to answer."""


class ClientStalled(ClientGone):
    """The client stopped sending before its request was whole."""


async def pieces(receive: Receive, *, piece_bytes: int = PIECE_BYTES) -> AsyncIterator[bytes]:
    """The body in pieces of at most `piece_bytes`, nearly full but for the last; none if empty. Errors: ClientGone."""
    gathered: list[bytes] = []
    room = piece_bytes
    more = True
    while more:
        message = await _next(receive)
        more = message.get("more_body", False)
        body = message.get("body", b"")
        if len(body) > room and gathered:
            yield b"".join(gathered)
            gathered, room = [], piece_bytes
        while len(body) > piece_bytes:
            yield body[:piece_bytes]
            body = body[piece_bytes:]
        if body:
            gathered.append(body)
            room -= len(body)
    if gathered:
        yield b"".join(gathered)


async def _next(receive: Receive) -> Any:
    try:
        async with asyncio.timeout(STALL_SECONDS):
            message = await receive()
    except TimeoutError as fault:
        raise ClientStalled(f"Nothing came for {STALL_SECONDS:.0f} seconds.") from fault
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


async def whole(receive: Receive, *, bytes_max: int, what: str) -> bytes:
    """The whole body, if it is no longer than `bytes_max`. Errors: Refused (TOO_LARGE), ClientGone."""
    gathered = bytearray()
    async for piece in pieces(receive):
        gathered += piece
        if len(gathered) > bytes_max:
            raise Refused(f"The {what} is longer than {bytes_max} bytes.", reason=Reason.TOO_LARGE)
    return bytes(gathered)
