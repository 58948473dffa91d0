"""Walking a tar archive as its bytes arrive, without ever holding more than one header and one wanted file.

Reads what runtimes unpack (Go's archive/tar): v7, ustar, GNU and pax archives. Where readers differ, the archive is
walked as POSIX says and the difference is a problem, so that a layer can't mean one thing here and another when it
runs. Source: POSIX pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

import zlib
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from assay.errors import Refused
from assay.inventory.limits import ReadLimits

BLOCK_BYTES = 512
_ZEROS = bytes(BLOCK_BYTES)
_CHECKSUM = slice(148, 156)
_ADLER_MODULUS = 65521
_PAX_NAMES = (b"path", b"linkpath", b"GNU.sparse.name")
_SPARSE_EXTENDED, _SPARSE_EXTENDED_AGAIN = 482, 504


class MemberKind(Enum):
    """What an entry is, as far as a layer cares."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARD_LINK = "hard link"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "fifo"
    SPARSE_FILE = "sparse file"


_KINDS = {
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.CHARACTER_DEVICE,
    b"4": MemberKind.BLOCK_DEVICE,
    b"5": MemberKind.FOLDER,
    b"6": MemberKind.FIFO,
    b"S": MemberKind.SPARSE_FILE,
}


class Member(NamedTuple):
    """One entry: its name and link target as written, and the bytes of content that follow it in the archive."""

    name: str
    kind: MemberKind
    size: int
    target: str


class Visitor(Protocol):
    """Who is told of entries, in the archive's order."""

    def member(self, member: Member) -> int:
        """A new entry; how many bytes of its content are wanted, from its start."""
        ...

    def content(self, content: bytes) -> None:
        """The wanted bytes of the last entry; not called when none were wanted or it has none."""
        ...


def may_begin_archive(head: bytes) -> bool:
    """Whether the first block is a header or the end of an empty archive."""
    block = head[:BLOCK_BYTES]
    return len(block) == BLOCK_BYTES and (block == _ZEROS or _checksum_holds(block))


class TarWalker:
    """Takes an archive in pieces of any size. Every method raises Refused when the archive can't be walked further."""

    def __init__(self, visitor: Visitor, limits: ReadLimits) -> None:
        self._visitor = visitor
        self._limits = limits
        self._collected = bytearray()
        self._wanted = BLOCK_BYTES
        self._then: Callable[[bytes], None] = self._header
        self._skip = 0
        self._padding = 0
        self._long_name: str | None = None
        self._long_target: str | None = None
        self._pax: dict[str, bytes] = {}
        self._pax_for_all: dict[str, bytes] = {}
        self._has_extension = False
        self._sparse_size = 0
        self._ended = False
        self.offset = 0
        self.members = 0
        self.remarks: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Walk on through the next bytes of the archive."""
        at, end = 0, len(piece)
        while at < end:
            if self._ended:
                self._look_behind_the_end(piece[at:])
                at = end
            elif self._skip:
                step = min(self._skip, end - at)
                self._skip -= step
                at += step
            elif not self._collected and end - at >= self._wanted:
                at += self._wanted
                self._then(piece[at - self._wanted : at])
            else:
                step = min(self._wanted - len(self._collected), end - at)
                self._collected += piece[at : at + step]
                at += step
                if len(self._collected) == self._wanted:
                    collected = bytes(self._collected)
                    self._collected.clear()
                    self._then(collected)
        self.offset += end

    def finish(self) -> None:
        """Say that the archive has ended; zero blocks and the last padding may be missing, as for runtimes."""
        if self._collected or self._then != self._header or self._skip > self._padding:
            raise Refused("The archive ends in the middle of an entry.")

    def _look_behind_the_end(self, rest: bytes) -> None:
        if not self.remarks and rest.count(0) != len(rest):
            self.remarks.append("bytes follow after the end of the archive; no runtime unpacks them")

    def _header(self, block: bytes) -> None:
        if block == _ZEROS:
            self._ended = True
            return
        if not _checksum_holds(block):
            raise Refused(f"The archive's header number {self.members + 1} is damaged.")
        size = _number(block[124:136])
        flag = block[156:157]
        self._wanted = BLOCK_BYTES
        if flag in b"xXgLK":
            if size > self._limits.header_bytes_max:
                raise Refused(f"A header of {size:,} bytes is longer than {self._limits.header_bytes_max:,}.")
            self._collect_extension(flag, size)
        elif flag == b"S":
            self._sparse_size = size
            self._sparse_header = block
            if block[_SPARSE_EXTENDED]:
                self._then = self._sparse_extension
            else:
                self._member(block, size)
        else:
            self._member(block, size)

    def _sparse_extension(self, block: bytes) -> None:
        if not block[_SPARSE_EXTENDED_AGAIN]:
            self._then = self._header
            self._member(self._sparse_header, self._sparse_size)

    def _collect_extension(self, flag: bytes, size: int) -> None:
        def collected(body: bytes) -> None:
            self._wanted, self._then = BLOCK_BYTES, self._header
            self._extension(flag, body[:size])

        if size:
            self._wanted, self._then = size + -size % BLOCK_BYTES, collected

    def _extension(self, flag: bytes, body: bytes) -> None:
        self._has_extension = True
        if flag == b"L":
            self._long_name = _text(body)
        elif flag == b"K":
            self._long_target = _text(body)
        elif flag == b"g":
            self._pax_for_all |= _pax_records(body)
            if self._pax_for_all.keys() & {"path", "linkpath", "size"}:
                self.remarks.append("a global header sets the name or size of entries; runtimes ignore that")
        else:
            self._pax = _pax_records(body)

    def _member(self, block: bytes, size: int) -> None:
        self.members += 1
        if self.members > self._limits.members_max:
            raise Refused(f"The archive has more than {self._limits.members_max:,} entries.")
        flag = block[156:157]
        member = Member(
            _name(block), _KINDS.get(flag, MemberKind.FILE), size, _text(block[157:257]) if block[157] else ""
        )
        if self._has_extension:
            member = self._extended(member)
        name, kind, size, _ = member
        if kind is MemberKind.FILE and name.endswith("/"):
            member = Member(name, MemberKind.FOLDER, size, "")
        elif kind is not MemberKind.FILE and kind is not MemberKind.SPARSE_FILE:
            size = 0  # their size field means nothing, whatever it says
        self._padding = -size % BLOCK_BYTES
        self._skip = size + self._padding
        wanted = self._visitor.member(member)
        if wanted and size:
            self._skip = 0
            self._collect_content(min(wanted, size), size)

    def _collect_content(self, wanted: int, size: int) -> None:
        def collected(body: bytes) -> None:
            self._wanted, self._then = BLOCK_BYTES, self._header
            self._skip = size - wanted + self._padding
            self._visitor.content(body)

        self._wanted, self._then = wanted, collected

    def _extended(self, member: Member) -> Member:
        """The member with what extensions before it say in place of its own header."""
        name, kind, size, target = member
        # An empty value takes back what was said for all (POSIX pax, "pax Extended Header").
        pax = {key: value for key, value in {**self._pax_for_all, **self._pax}.items() if value}
        name = _text(pax["path"]) if "path" in pax else name
        target = _text(pax["linkpath"]) if "linkpath" in pax else target
        size = _decimal(pax["size"]) if "size" in pax else size
        if "GNU.sparse.major" in pax or "GNU.sparse.map" in pax or "GNU.sparse.size" in pax:
            kind = MemberKind.SPARSE_FILE
            name = _text(pax["GNU.sparse.name"]) if "GNU.sparse.name" in pax else name
        name = name if self._long_name is None else self._long_name
        target = target if self._long_target is None else self._long_target
        self._long_name = self._long_target = None
        self._pax = {}
        self._has_extension = bool(self._pax_for_all)
        return Member(name, kind, size, target)


def _checksum_holds(block: bytes) -> bool:
    """Whether the header's sum of bytes is right, its own field taken as spaces.

    The low half of Adler-32 is one plus the sum of all bytes, modulo a prime: twenty times faster than adding here.
    """
    field = block[_CHECKSUM]
    try:
        wanted = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        return False
    plain = wanted - 8 * ord(" ") + sum(field)
    if zlib.adler32(block) & 0xFFFF == (plain + 1) % _ADLER_MODULUS:
        return True
    # Some old programs added signed bytes.
    signed = sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * ord(" ")
    return wanted == signed


def _number(field: bytes) -> int:
    """Octal digits, or big-endian binary when the first bit is set (GNU). Refused: neither, or negative."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise Refused("The archive gives an entry a negative size.")
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    digits = field.strip(b" \0").partition(b"\0")[0]
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise Refused(f"The archive gives an entry the size {digits!r}.")
    return int(digits, 8)


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise Refused(f"The archive gives an entry the size {value[:24]!r}.")
    return int(value)


def _text(value: bytes) -> str:
    """A name; it ends at a zero byte. What is no UTF-8, or isn't visible, is escaped, as in `\\x1b` for Escape.

    So names, which reach pages and terminals, carry no control or direction marks and stay as distinct as they are.
    """
    text = value.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _name(block: bytes) -> str:
    # In GNU headers ("ustar" and two spaces) other fields lie where ustar has the prefix.
    if block[345] and block[257:263] == b"ustar\0":
        return f"{_text(block[345:500])}/{_text(block[:100])}"
    return _text(block[:100])


def _pax_records(body: bytes) -> dict[str, bytes]:
    """The records `length key=value\\n` of a pax header. Refused: malformed."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 12)
        digits = body[at:space]
        end = at + int(digits) if space > at and digits.isdigit() else 0
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end <= space or not equals or body[end - 1 : end] != b"\n" or (key in _PAX_NAMES and b"\0" in value):
            raise Refused("The archive has a damaged pax header.")
        records[key.decode("utf-8", "backslashreplace")] = value
        at = end
    return records
