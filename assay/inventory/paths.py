"""Paths in an image: always relative, without `.`, `..` or doubled slashes; the root is the empty string. Pure."""

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from enum import IntEnum

#: Links followed on the way to one file; Linux gives up (ELOOP) after as many.
LINKS_FOLLOWED_MAX = 40


def clean(name: str) -> str | None:
    """The path that an archive's name means, or None when it leads outside the image."""
    if not name.startswith(("/", "./", ".")) and "//" not in name and "/." not in name:
        return name.removesuffix("/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def parent(path: str) -> str:
    """The folder that holds `path`."""
    return path.rpartition("/")[0]


def ancestors(path: str) -> Iterator[str]:
    """The folders on the way to `path`, nearest first, without the root."""
    while path := path.rpartition("/")[0]:
        yield path


def resolve(path: str, target_of: Callable[[str], str | None], *, last: bool) -> str | None:
    """`path` with each link on the way replaced by where it leads, as Linux does it inside the image's root.

    `target_of` gives the target of the link at a path that itself has no link on its way, or None. `last` says whether
    a link at the very end is followed too. None: too many links (a loop).
    """
    followed = 0
    done: list[str] = []
    todo = path.split("/")[::-1]
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            # At the root this stays where it is, so nothing leads outside.
            del done[-1:]
            continue
        done.append(name)
        target = target_of("/".join(done)) if todo or last else None
        if target is None:
            continue
        followed += 1
        if followed > LINKS_FOLLOWED_MAX:
            return None
        done = [] if target.startswith("/") else done[:-1]
        todo.extend(reversed(target.split("/")))
    return "/".join(done)


class Kind(IntEnum):
    """What a layer has at a path. A way is a folder without an entry of its own, on the way to another entry."""

    WAY = 0
    FOLDER = 1
    FILE = 2


_KIND_BITS = 2
_BUCKETS = 256


def key(path: str) -> int:
    """The hash by which a path stands in a `PathSet`: 62 bits."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest()) >> _KIND_BITS


class PathSetMaker:
    """Collects paths; keeps 8 bytes each."""

    def __init__(self) -> None:
        # By the first byte of the hash, so that each bucket can be sorted alone and the whole never stands twice.
        self._buckets = [array("Q") for _ in range(_BUCKETS)]
        self.count = 0

    def add(self, path: str, kind: Kind) -> None:
        """One more path; the last entry for a path counts."""
        number = key(path)
        self._buckets[number >> 54].append(number << _KIND_BITS | kind)
        self.count += 1

    def packed(self) -> bytes:
        """Sorted numbers of eight bytes, least byte first."""
        pieces = []
        for bucket in filter(None, self._buckets):
            kinds: dict[int, int] = {}
            for entry in bucket:
                number, kind = entry >> _KIND_BITS, entry & 3
                if kind != Kind.WAY or number not in kinds:
                    kinds[number] = kind
            ordered = array("Q", sorted(number << _KIND_BITS | kind for number, kind in kinds.items()))
            if sys.byteorder == "big":
                ordered.byteswap()
            pieces.append(ordered.tobytes())
        return b"".join(pieces)


class PathSet:
    """Which paths a layer has, by hash: a wrong yes has a chance of one in 10^18 for each path asked."""

    def __init__(self, packed: bytes) -> None:
        self._numbers = array("Q")
        self._numbers.frombytes(packed[: len(packed) // 8 * 8])
        if sys.byteorder == "big":
            self._numbers.byteswap()

    @property
    def has_ways(self) -> bool:
        """Whether some folder on the way to an entry has none of its own."""
        return any(number & 3 == Kind.WAY for number in self._numbers)

    def kind(self, number: int) -> Kind | None:
        """What is at the path with this `key`, or None."""
        at = bisect_left(self._numbers, number << _KIND_BITS)
        if at < len(self._numbers) and self._numbers[at] >> _KIND_BITS == number:
            return Kind(self._numbers[at] & 3)
        return None
