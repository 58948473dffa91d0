"""Rules of uploads that are staged as objects, without I/O: which segments count, and how a blob is made of them.

Each hold writes segments of its own, never over another's: `<offset>-<name>-<name of the segment before>`. The mark of
what was acknowledged is the last segment's name, and the chain from there back to offset 0 is the upload, whatever
else was written meanwhile by holds that broke off or lost the race to be acknowledged.
"""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from assay.storage.blobs.port import unknown_upload

#: What is gathered in memory, and written in one go. 10,000 such parts, which is what stores take, are 78 GiB.
SEGMENT_BYTES = 8 * 1024 * 1024
#: Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
PART_BYTES_MIN = 5 * 1024 * 1024
PARTS_MAX = 10_000

_NAME = re.compile(r"(\d{14})-([0-9a-f]{16})-([0-9a-f]{16}|first)")


@dataclass(frozen=True, slots=True)
class Segment:
    """Some bytes of an upload, in one object."""

    offset: int
    size: int
    identity: str
    before: str

    @classmethod
    def fresh(cls, offset: int, size: int, before: "Segment | None") -> Self:
        """A segment to be written behind another one."""
        return cls(offset, size, secrets.token_hex(8), before.identity if before is not None else "first")

    @classmethod
    def named(cls, name: str, size: int) -> Self | None:
        """The segment of an object; None when it is none."""
        found = _NAME.fullmatch(name)
        return cls(int(found[1]), size, found[2], found[3]) if found and size else None

    @property
    def name(self) -> str:
        """The last part of its key, and the mark of an upload that ends with it."""
        return f"{self.offset:014d}-{self.identity}-{self.before}"

    @property
    def end(self) -> int:
        """Where it ends in the upload."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a blob: segments that are read and joined, or one that the store copies."""

    segments: tuple[Segment, ...]
    has_tail: bool = False

    @property
    def is_copied(self) -> bool:
        """Whether the store can copy it."""
        return len(self.segments) == 1 and not self.has_tail


def chain(segments: Iterable[Segment], mark: str) -> tuple[Segment, ...]:
    """The segments from the first byte to the end of the marked one. Errors: Refused (UPLOAD_UNKNOWN): one is gone."""
    known: Mapping[str, Segment] = {segment.identity: segment for segment in segments}
    found = _NAME.fullmatch(mark)
    last = known.get(found[2]) if found else None
    if last is None or last.name != mark:
        raise unknown_upload()
    linked = [last]
    while linked[-1].offset:
        before = known.get(linked[-1].before)
        if before is None or before.end != linked[-1].offset:
            raise unknown_upload()
        linked.append(before)
    return tuple(reversed(linked))


def dead(segments: Iterable[Segment], linked: Sequence[Segment]) -> tuple[Segment, ...]:
    """Those that can't count any more: what was acknowledged covers all their bytes, and they are not of it."""
    end, counting = linked[-1].end, set(linked)
    return tuple(segment for segment in segments if segment.end <= end and segment not in counting)


def taken_in(linked: Sequence[Segment], tail_bytes: int) -> int:
    """How many segments at the end are to be written anew with a tail of so many bytes behind them.

    Those that are no longer than what comes behind them, while it all fits one segment: so an upload in small chunks
    has few segments, and each byte is written a number of times that grows with the logarithm of the segment's size.
    """
    count = 0
    while count < len(linked) and (before := linked[-1 - count].size) <= tail_bytes <= SEGMENT_BYTES - before:
        tail_bytes += before
        count += 1
    return count


def parts(linked: Sequence[Segment], tail_bytes: int) -> tuple[Part, ...]:
    """How to make a blob of an upload: parts that are long enough, and few enough. One segment alone can be copied."""
    total = tail_bytes + (linked[-1].end if linked else 0)
    least = max(PART_BYTES_MIN, -(-total // PARTS_MAX))
    made: list[Part] = []
    run: list[Segment] = []
    for segment in linked:
        run.append(segment)
        if sum(each.size for each in run) >= least:
            made.append(Part(tuple(run)))
            run = []
    if run or tail_bytes:
        made.append(Part(tuple(run), has_tail=bool(tail_bytes)))
    return tuple(made)
