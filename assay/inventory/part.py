"""The layer part: what one layer says, before it is known what lies under it.

It has no release and no components yet: composition decides both. Its stored form is msgpack, packed with zstd, and
holds no code; whoever changes a field here or what a format reads raises `FORMAT_VERSION`, and every layer is read
again when it is next asked for.
"""

from dataclasses import dataclass

import msgspec
from backports.zstd import ZstdDecompressor, ZstdError, compress

from assay.errors import Corrupt, Refused
from assay.inventory.formats import Parsed
from assay.oci import Digest

FORMAT_VERSION = 2

#: A stored part, unpacked; a reader that sends more is not believed.
PART_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A package file of the layer: where, in which format (`NAME` of its module), and what it says."""

    path: str
    format: str
    parsed: Parsed


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, its target as written; or a hard link at a package file's path, its target a path."""

    path: str
    target: str
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something isn't read: at `path`, or in the whole layer where that is empty."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class LayerPart:
    """What one layer says. Paths have no leading slash and no link of this same layer on their way.

    `digest` and `size` are those of the blob as the reader saw it; `diff_id` is the digest of what it unpacks to, or
    None when it wasn't unpacked to its end. `unpacked` and `members` count bytes and entries. `whiteouts` are the paths
    that the layer removes, `opaques` the folders whose lower content it hides (image-spec, "layer", "Whiteouts").
    `written` is a packed `PathSet` of all its paths. `asked` are paths that a link leads to and that were read for its
    sake, each with the link's path. Each tuple is sorted. `is_read` is false when no reader saw the blob to its end:
    then digest and size are what others say of it, and the part is not kept.
    """

    digest: Digest
    size: int
    diff_id: Digest | None = None
    unpacked: int = 0
    members: int = 0
    files: tuple[PackageFile, ...] = ()
    links: tuple[Link, ...] = ()
    whiteouts: tuple[str, ...] = ()
    opaques: tuple[str, ...] = ()
    written: bytes = b""
    asked: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()
    is_read: bool = True

    @property
    def is_complete(self) -> bool:
        """Whether all of the layer was read; composition may still know better, as upper layers hide things."""
        return not self.problems and not any(file.parsed.remarks for file in self.files)

    @property
    def reason(self) -> str:
        """The first thing that wasn't read, or nothing."""
        remarks = [f"{file.path}: {remark}" for file in self.files for remark in file.parsed.remarks]
        problems = [f"{problem.path}: {problem.text}" if problem.path else problem.text for problem in self.problems]
        return next(iter(problems + remarks), "")


def unread(digest: Digest, size: int, reason: str) -> LayerPart:
    """The part that stands for a layer nothing was read of."""
    return LayerPart(digest, size, problems=(Problem("", reason),), is_read=False)


_decoder = msgspec.msgpack.Decoder(LayerPart)


def encode(part: LayerPart) -> bytes:
    """The stored form of a part."""
    return compress(msgspec.msgpack.encode(part))


def decode(body: bytes) -> LayerPart:
    """The part whose stored form this is. Corrupt: it isn't one."""
    try:
        unpacker = ZstdDecompressor()
        packed = unpacker.decompress(body, PART_BYTES_MAX)
        if not unpacker.eof:
            raise Corrupt("A layer part is cut short or larger than a part can be.")
        return _decoder.decode(packed)
    except (ZstdError, EOFError, msgspec.DecodeError, UnicodeDecodeError, Refused) as fault:
        raise Corrupt(
            f"A layer part can't be read: {str(fault)[:200]}.", advice="It is made anew from the layer."
        ) from fault
