"""Versions of Python packages: PEP 440 (packaging.python.org, "Version specifiers"), spellings normalised."""

import re
from functools import lru_cache

from assay.advisories.orders.keys import CACHED_KEYS, VERSION_LENGTH_MAX, number

_VERSION = re.compile(
    r"""\s* v? (?:(?P<epoch>[0-9]+)!)? (?P<release>[0-9]+(?:\.[0-9]+)*)
    (?: [-_.]? (?P<pre>alpha|a|beta|b|preview|pre|c|rc) [-_.]? (?P<pre_number>[0-9]*) )?
    (?P<post> -(?P<bare_post>[0-9]+) | [-_.]? (?:post|rev|r) [-_.]? (?P<post_number>[0-9]*) )?
    (?P<dev> [-_.]? dev [-_.]? (?P<dev_number>[0-9]*) )?
    (?: \+ (?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*) )? \s*""",
    re.ASCII | re.VERBOSE | re.IGNORECASE,
)
_DEV_ONLY, _ALPHA, _BETA, _CANDIDATE, _FINAL = (bytes((rank,)) for rank in range(5))
_PRE = {"a": _ALPHA, "b": _BETA, "c": _CANDIDATE, "r": _CANDIDATE, "p": _CANDIDATE}
_END, _FIRST, _SECOND = b"\x00", b"\x01", b"\x02"


@lru_cache(maxsize=CACHED_KEYS)
def key(version: str) -> bytes | None:
    """The sort key of a version; None for what PEP 440 does not allow."""
    parts = _VERSION.fullmatch(version) if len(version) <= VERSION_LENGTH_MAX else None
    if parts is None:
        return None
    post, dev = parts["post"], parts["dev"]
    built = [number(parts["epoch"] or ""), _release(parts["release"])]
    if parts["pre"]:
        built.append(_PRE[parts["pre"][0].lower()] + number(parts["pre_number"]))
    else:
        built.append(_DEV_ONLY if dev and not post else _FINAL)
    built.append(_FIRST + number(parts["bare_post"] or parts["post_number"] or "") if post else _END)
    built.append(_END + number(parts["dev_number"] or "") if dev else _FIRST)
    built += [_local(segment) for segment in re.split(r"[-_.]", parts["local"] or "") if segment]
    return b"".join(built) + _END


def _release(text: str) -> bytes:
    """Release numbers; zeros at the end say nothing."""
    numbers = [number(digits) for digits in text.split(".")]
    while numbers and numbers[-1] == number(""):
        numbers.pop()
    return b"".join(_FIRST + each for each in numbers) + _END


def _local(segment: str) -> bytes:
    """A segment of a local version: letters before numbers."""
    if segment.isdigit():
        return _SECOND + number(segment)
    return _FIRST + segment.lower().encode() + _END
