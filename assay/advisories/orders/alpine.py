"""Versions of Alpine packages: apk-version(5) and the comparison of apk-tools 3.

    version = number *("." number) [letter] *("_" suffix [number]) ["~" commit hash] ["-r" number]

Where one version goes on and the other ends, the longer one is greater, unless it goes on with a pre-release suffix.
"""

import re
from functools import lru_cache

from assay.advisories.orders.keys import CACHED_KEYS, VERSION_LENGTH_MAX, number

#: In their order; those before the empty one are pre-releases.
_SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_RELEASE = _SUFFIXES.index("")
_VERSION = re.compile(
    r"([0-9]+)((?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(?:~([0-9a-f]+))?(?:-r([0-9]+))?",
    re.ASCII,
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)", re.ASCII)
#: What comes next decides between versions that are equal so far, in this order.
_BEFORE_RELEASE, _END, _REVISION, _HASH, _SUFFIX_NUMBER, _AFTER_RELEASE, _LETTER, _NUMBER = (
    bytes((rank,)) for rank in range(1, 9)
)


@lru_cache(maxsize=CACHED_KEYS)
def key(version: str) -> bytes | None:
    """The sort key of a version; None for what apk-tools calls invalid."""
    parts = _VERSION.fullmatch(version) if len(version) <= VERSION_LENGTH_MAX else None
    if parts is None:
        return None
    first, numbers, letter, suffixes, commit, revision = parts.groups()
    built = [number(first)]
    built += [_NUMBER + _component(digits) for digits in numbers.split(".")[1:]]
    if letter:
        built.append(_LETTER + letter.encode())
    for name, digits in _SUFFIX.findall(suffixes):
        rank = _SUFFIXES.index(name)
        built.append((_BEFORE_RELEASE if rank < _RELEASE else _AFTER_RELEASE) + bytes((rank,)))
        if digits:
            built.append(_SUFFIX_NUMBER + number(digits))
    if commit:
        built.append(_HASH + commit.encode() + b"\x00")
    if revision:
        built.append(_REVISION + number(revision))
    return b"".join(built) + _END


def _component(digits: str) -> bytes:
    """A number after a dot: one with a leading zero compares as text, and so before every one without."""
    if digits.startswith("0"):
        return b"\x01" + digits.encode() + b"\x00"
    return b"\x02" + number(digits)
