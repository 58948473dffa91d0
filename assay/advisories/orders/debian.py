"""Versions of Debian and Ubuntu packages: Debian Policy 5.6.12, decided as `dpkg --compare-versions` does.

Like dpkg, and unlike Policy, this takes a version that begins with a letter or holds other printable characters.
"""

import re
from functools import lru_cache

from assay.advisories.orders.keys import CACHED_KEYS, VERSION_LENGTH_MAX, number

_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_RUN = re.compile(r"([^0-9]*)([0-9]*)", re.ASCII)
_EPOCH_MAX = 2**31 - 1
_END = b"\x02"
#: A tilde sorts before the end of a run, the end before letters, letters before everything else.
_RANKS = {code: code if chr(code).isalpha() else 0x80 + code - 0x20 for code in range(0x21, 0x7F)} | {ord("~"): 0x01}


@lru_cache(maxsize=CACHED_KEYS)
def key(version: str) -> bytes | None:
    """The sort key of a version; None for what dpkg refuses to compare."""
    if len(version) > VERSION_LENGTH_MAX or not _PRINTABLE.fullmatch(version):
        return None
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, "0"
    if not upstream or not revision or not _DIGITS.fullmatch(epoch) or int(epoch) > _EPOCH_MAX:
        return None
    return number(epoch) + _part(upstream) + _part(revision)


def _part(text: str) -> bytes:
    """The key of an upstream version or a revision: runs of other characters and of digits in turn."""
    runs = []
    for other, digits in _RUN.findall(text):
        runs.append(other.translate(_RANKS).encode("latin-1") + _END + number(digits))
    # A missing run is empty and a missing number is zero, so at the end such pairs say nothing.
    nothing = _END + number("")
    while len(runs) > 1 and runs[-1] == nothing:
        runs.pop()
    return b"".join(runs) + _END
