"""Where components lie in one layer, packed: the same list in a thousand images is kept once. Pure."""

import hashlib
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec


class Place(NamedTuple):
    """A component, by id, and the file that says it is there."""

    component: int
    path: str


_DECODER = msgspec.msgpack.Decoder(list[tuple[int, str]])


def packed(places: Iterable[Place]) -> tuple[bytes, bytes]:
    """(digest, body) of a list of places; equal lists, in whatever order, have equal digests."""
    plain = msgspec.msgpack.encode(sorted(places))
    return hashlib.sha256(plain).digest(), zlib.compress(plain, 6)


def unpacked(body: bytes) -> list[Place]:
    """The places that `packed` wrote."""
    return [Place(*each) for each in _DECODER.decode(zlib.decompress(body))]
