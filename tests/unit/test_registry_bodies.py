"""Request bodies: pieces of bounded size, whatever the messages; clients that hang up or stand still."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from assay.errors import Reason, Refused
from assay.http import bodies


def receiving(*parts: bytes, ends: str = "http.request") -> Callable[[], Any]:
    """A `receive` that gives these parts; it ends as a whole request, hangs up, or stands still."""
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if waiting:
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(waiting) or ends != "http.request"}
        if ends == "stall":
            await asyncio.sleep(3600)
        return {"type": ends}

    return receive


def collected(receive: Callable[[], Any], piece_bytes: int = 10) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [piece async for piece in bodies.pieces(receive, piece_bytes=piece_bytes)]

    return asyncio.run(collect())


@pytest.mark.parametrize(
    ("parts", "pieces"),
    [
        ([b""], []),
        ([b"abc"], [b"abc"]),
        ([b"abc", b"", b"def"], [b"abcdef"]),
        ([b"12345678", b"90"], [b"1234567890"]),
        ([b"12345678", b"901"], [b"12345678", b"901"]),
        ([b"1234567890" * 2 + b"x"], [b"1234567890", b"1234567890", b"x"]),
        ([b"ab", b"1234567890" * 2], [b"ab", b"1234567890", b"1234567890"]),
    ],
)
def test_a_body_is_cut_into_pieces_of_bounded_size(parts: Sequence[bytes], pieces: Sequence[bytes]) -> None:
    assert collected(receiving(*parts)) == pieces


def test_a_client_that_hangs_up_amid_its_body_is_gone() -> None:
    with pytest.raises(bodies.ClientGone):
        collected(receiving(b"abc", ends="http.disconnect"))


def test_a_client_that_stands_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.05)
    with pytest.raises(bodies.ClientStalled):
        collected(receiving(b"abc", ends="stall"))


def test_a_whole_body_is_bounded() -> None:
    assert asyncio.run(bodies.whole(receiving(b"ab", b"cd"), bytes_max=4, what="form")) == b"abcd"
    with pytest.raises(Refused, match="form") as refusal:
        asyncio.run(bodies.whole(receiving(b"ab", b"cde"), bytes_max=4, what="form"))
    assert refusal.value.reason is Reason.TOO_LARGE


def test_who_is_slow_on_the_whole_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bodies.seconds_left(0, 0) == bodies.STALL_SECONDS
    # A mebibyte at 1 KiB/s earns 1024 seconds.
    assert bodies.seconds_left(1000, 1024 * 1024) == bodies.STALL_SECONDS + 24
    assert bodies.seconds_left(2000, 1024 * 1024) == 0
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.2)

    async def trickle() -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(bodies.ClientStalled):
        collected(trickle)


def test_bodies_that_are_gathered_share_a_bounded_room_and_give_it_back() -> None:
    room = bodies.Room(held_bytes_max=10)

    async def gather(*parts: bytes) -> bytes:
        with room.hold() as take:
            return await bodies.whole(receiving(*parts), bytes_max=100, what="manifest", take=take)

    with room.hold() as take:
        take(6)
        assert asyncio.run(gather(b"abcd")) == b"abcd"
        with pytest.raises(Refused) as refusal:
            asyncio.run(gather(b"abcde"))
        assert refusal.value.reason is Reason.TOO_MANY_REQUESTS
        assert room.held_bytes == 6
    assert room.held_bytes == 0
    assert asyncio.run(gather(b"abcdefghij")) == b"abcdefghij"


def test_many_streams_have_small_pieces_and_few_have_large_ones() -> None:
    room = bodies.Room()
    with ExitStack() as opened:
        sizes = [opened.enter_context(room.stream()) for _ in range(2000)]
    assert sizes[:8] == [bodies.PIECE_BYTES] * 8
    assert sizes[15] == 512 * 1024
    assert sizes[-1] == bodies.PIECE_BYTES_MIN
    with room.stream() as piece_bytes:
        assert piece_bytes == bodies.PIECE_BYTES
