"""Request bodies in bounded pieces: no more than one piece is held, and a client that stops sending is cut off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from assay.errors import Reason, Refused

#: What is hashed and written in one go; uvicorn stops reading from the socket while it is.
PIECE_BYTES = 1024 * 1024
#: A client that sends nothing of its body for so long is given up; as is one that was waited for so long on the whole,
#: and for a second more for each so many bytes that it sent.
STALL_SECONDS = 60.0
BYTES_PER_SECOND_MIN = 1024

#: What bodies that are gathered whole hold together, in one process, until they are done with.
HELD_BYTES_MAX = 64 * 1024 * 1024
#: What bodies that go by in pieces share; each has a piece of at least `PIECE_BYTES_MIN`, and twice that at most.
STREAMED_BYTES = 8 * 1024 * 1024
PIECE_BYTES_MIN = 64 * 1024

Receive = Callable[[], Awaitable[Any]]
T = TypeVar("T")


class ClientGone(Exception):
    """The client hung up before its request was whole; there is nobody to answer."""


class ClientStalled(ClientGone):
    """The client stopped sending before its request was whole."""


class Room:
    """The memory that bodies take, all together; used on the event loop alone."""

    def __init__(self, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self._held_bytes_max = held_bytes_max
        self.held_bytes = 0
        self._streams = 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """Where to say how many bytes more are gathered; they count until the block ends.

        Errors of what is given: Refused (TOO_MANY_REQUESTS) when there is no room for them.
        """
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.held_bytes + size > self._held_bytes_max:
                raise Refused(
                    "Too much is being sent at once.",
                    advice="Wait a little, then send it again.",
                    reason=Reason.TOO_MANY_REQUESTS,
                )
            self.held_bytes += size
            mine += size

        try:
            yield take
        finally:
            self.held_bytes -= mine

    @contextmanager
    def stream(self) -> Iterator[int]:
        """How large the pieces may be of one stream more, until the block ends."""
        self._streams += 1
        try:
            yield max(PIECE_BYTES_MIN, min(PIECE_BYTES, STREAMED_BYTES // self._streams))
        finally:
            self._streams -= 1


async def pieces(receive: Receive, *, piece_bytes: int = PIECE_BYTES) -> AsyncIterator[bytes]:
    """The body in pieces of at most `piece_bytes`, nearly full but for the last; none if empty.

    Errors: ClientGone, after what came before it.
    """
    gathered: list[bytes] = []
    room = piece_bytes
    more = True
    patience = Patience()
    while more:
        try:
            message = await patience.message(receive)
        except ClientGone:
            if gathered:
                yield b"".join(gathered)
            raise
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


class Patience:
    """Waits for a client while it keeps sending; what we take to hash and write is no time of its."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._waited = 0.0
        self._bytes = 0

    def count(self, received: int) -> None:
        """So many bytes more have come of the body."""
        self._bytes += received

    async def wait(self, coming: Awaitable[T]) -> T:
        """What the client lets happen. Errors: ClientStalled when it takes too long."""
        left = seconds_left(self._waited, self._bytes)
        begun = self._clock()
        try:
            async with asyncio.timeout(min(left, STALL_SECONDS)):
                happened = await coming
        except TimeoutError as fault:
            raise ClientStalled(f"The body came too slowly: {self._bytes} bytes of it.") from fault
        self._waited += self._clock() - begun
        return happened

    async def message(self, receive: Receive) -> Any:
        """The next message with a piece of the body. Errors: ClientGone."""
        message = await self.wait(receive())
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.count(len(message.get("body", b"")))
        return message


def seconds_left(waited: float, received: int) -> float:
    """How long a client may still be waited for that was waited for so many seconds, and sent so many bytes."""
    return max(STALL_SECONDS + received / BYTES_PER_SECOND_MIN - waited, 0.0)


async def whole(receive: Receive, *, bytes_max: int, what: str, take: Callable[[int], None] = lambda _: None) -> bytes:
    """The whole body, if it is no longer than `bytes_max`. `take` is told how many bytes more are held (`Room.hold`).

    Errors: Refused (TOO_LARGE, and those of `take`), ClientGone.
    """
    gathered = bytearray()
    async for piece in pieces(receive, piece_bytes=PIECE_BYTES_MIN):
        take(len(piece))
        gathered += piece
        if len(gathered) > bytes_max:
            raise Refused(f"The {what} is longer than {bytes_max} bytes.", reason=Reason.TOO_LARGE)
    return bytes(gathered)
