"""Versions of npm packages: Semantic Versioning 2.0.0, section 11.

Published versions and advisories hold older spellings too, so this takes a leading "v" or "=", fewer or more than three
numbers (a missing one is zero), and a pre-release without its hyphen, as npm's loose mode does.
"""

import re
from functools import lru_cache

from assay.advisories.orders.keys import CACHED_KEYS, VERSION_LENGTH_MAX, number

_VERSION = re.compile(
    r"\s*[v=\s]*([0-9]+(?:\.[0-9]+)*)(?:[-.]?([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]*)?\s*", re.ASCII
)
_END, _NUMERIC, _ALPHANUMERIC, _RELEASE = (bytes((rank,)) for rank in range(4))


@lru_cache(maxsize=CACHED_KEYS)
def key(version: str) -> bytes | None:
    """The sort key of a version; None for what does not begin with a number."""
    parts = _VERSION.fullmatch(version) if len(version) <= VERSION_LENGTH_MAX else None
    if parts is None:
        return None
    numbers = [number(digits) for digits in parts[1].split(".")]
    while numbers and numbers[-1] == number(""):
        numbers.pop()
    core = b"".join(_NUMERIC + each for each in numbers) + _END
    if parts[2] is None:
        return core + _RELEASE
    return core + b"".join(_identifier(each) for each in parts[2].split(".")) + _END


def _identifier(text: str) -> bytes:
    """A pre-release identifier: numbers before texts."""
    if text.isdigit():
        return _NUMERIC + number(text)
    return _ALPHANUMERIC + text.encode() + _END
