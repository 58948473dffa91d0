"""Pieces of order-preserving keys: byte strings that compare as the versions they stand for."""

#: Longer versions than this are none: the longest of 44,520 real advisories is shorter by half.
VERSION_LENGTH_MAX = 200
#: How many keys each order remembers.
CACHED_KEYS = 100_000


def number(digits: str) -> bytes:
    """The key of a run of decimal digits of any size (none: zero); leading zeros do not count."""
    significant = digits.lstrip("0").encode("ascii")
    return bytes((len(significant),)) + significant
