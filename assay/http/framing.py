"""Whether the headers of a request can be believed about where it ends and whom it is for (RFC 9112). Pure.

The parser refuses most of what two servers could read in two ways: both lengths, folded lines, bare line ends. Here is
what it lets through. In doubt a request is refused: behind a proxy the doubt would be an attacker's way past it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

#: A host and perhaps a port (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is not taken, and the status that says so."""

    status: HTTPStatus
    text: str


def fault_of(version: str, headers: Iterable[tuple[bytes, bytes]]) -> Fault | None:
    """What is wrong with a request of an HTTP version such as `1.1`, whose header names are in lower case; None if
    nothing is."""
    if version not in ("1.0", "1.1"):
        return _bad(f"HTTP {version} is not spoken here; use HTTP/1.1.")
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _SINGLE:
            if name in found:
                return _bad(f"There are two {name.decode().title()} headers.")
            found[name] = value.strip()
    if version == "1.1" and b"host" not in found:
        return _bad("There is no Host header (RFC 9112, section 3.2).")
    if not _HOST.fullmatch(found.get(b"host", b"")):
        return _bad("The Host header names no host.")
    coding, length = found.get(b"transfer-encoding"), found.get(b"content-length")
    if length is not None and not _DIGITS.fullmatch(length):
        return _bad("The Content-Length is no number of bytes.")
    if coding is None:
        return None
    if length is not None or version == "1.0":
        return _bad("A body is framed by Content-Length or by Transfer-Encoding, in HTTP/1.1, and not by both.")
    if coding.lower() != b"chunked":
        return _bad("Of transfer codings only chunked is known, alone.")
    return None


def is_overhead(framing_bytes: int, body_bytes: int) -> bool:
    """Whether a chunked body has more framing than chunks of one byte have: extensions and trailers make it so."""
    return framing_bytes > FRAMING_BYTES_FREE + FRAMING_BYTES_EACH * body_bytes


#: What the framing of a chunked body may take: so much in any case, and for each byte of the body.
FRAMING_BYTES_FREE = 16 * 1024
FRAMING_BYTES_EACH = 8


def _bad(text: str) -> Fault:
    return Fault(HTTPStatus.BAD_REQUEST, text)
