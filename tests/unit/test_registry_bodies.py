"""Request bodies: pieces of bounded size, whatever the messages; clients that hang up or stand still."""

import asyncio
from collections.abc import Callable, Sequence
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
