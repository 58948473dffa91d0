"""Byte ranges as HTTP and the distribution protocol write them. Pure."""

import re
from dataclasses import dataclass

from assay.errors import Reason, Refused

_CONTENT_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_ONE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """`count` bytes from `offset` on."""

    offset: int
    count: int

    @property
    def last(self) -> int:
        """The position of the last byte."""
        return self.offset + self.count - 1


def requested_span(header: str, size: int) -> Span | None:
    """What a `Range` header asks of `size` bytes; None for the whole (RFC 9110, section 14.2).

    More than one range, another unit, or nonsense is as no header at all, which the RFC allows.
    Errors: Refused (RANGE_INVALID) when the range ends before it begins, or begins behind the end.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None or found.group(0).endswith("=-"):
        return None
    first, last = found.groups()
    if not first:
        count = min(int(last), size)
        span = Span(size - count, count)
    else:
        end = min(int(last) + 1 if last else size, size)
        span = Span(int(first), end - int(first))
    if span.count <= 0:
        raise Refused(f"The range holds none of the {size} bytes.", reason=Reason.RANGE_INVALID)
    return span


def chunk_start(header: str, length: int | None) -> int:
    """Where a chunk begins, by its `Content-Range` (`<first>-<last>`, distribution-spec 1.1, end-5).

    Errors: Refused (RANGE_INVALID) for another form, (SIZE_INVALID) when it does not fit `length`, the Content-Length.
    """
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None or int(found.group(2)) < int(found.group(1)):
        raise Refused(
            f"{header[:80]!r} is not a range of a chunk.",
            advice="Write FIRST-LAST, both counted from 0 and both inclusive.",
            reason=Reason.RANGE_INVALID,
        )
    first, last = int(found.group(1)), int(found.group(2))
    if length is not None and last - first + 1 != length:
        raise Refused(
            f"The chunk has {length} bytes, its range {last - first + 1}.",
            advice="Let Content-Length and Content-Range agree.",
            reason=Reason.SIZE_INVALID,
        )
    return first
