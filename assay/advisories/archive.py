"""`all.zip` of a feed: one `<id>.json` a record, read within limits."""

import struct
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO, Self

from assay.advisories.osv import RECORD_BYTES_MAX
from assay.errors import Reason, Refused, Unavailable

MEMBERS_MAX = 2_000_000
#: A member that unpacks to more than this times its packed size is no list of facts.
RATIO_MAX = 500
#: Small members may be as repetitive as they like.
RATIO_FREE_BYTES = 64 * 1024

#: What `zipfile` raises on bytes that are no sound archive.
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_SUFFIX = ".json"


class Archive:
    """An open archive; `what` is its address. Errors of every method: Unavailable when it is damaged."""

    def __init__(self, file: BinaryIO, what: str) -> None:
        self._what = what
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except _FAULTS as fault:
            raise self._broken(fault) from fault
        members = self._zip.infolist()
        if len(members) > MEMBERS_MAX:
            raise Unavailable(
                f"{what} has {len(members)} members; at most {MEMBERS_MAX} are read.",
                advice="Check where the feed comes from.",
                may_pass=False,
            )
        self._members = {
            member.filename.removesuffix(_SUFFIX): member for member in members if member.filename.endswith(_SUFFIX)
        }

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def check(self, names: Iterable[str]) -> None:
        """Unpack each of these records once: sizes and checksums are right. One beyond the limits is passed over."""
        for name in names:
            with suppress(Refused):
                self.read(name)

    def read(self, name: str) -> bytes:
        """The bytes of one record, which the archive must contain. Errors: Refused for one beyond the limits."""
        member = self._members[name]
        allowed = min(RECORD_BYTES_MAX, max(RATIO_FREE_BYTES, member.compress_size * RATIO_MAX))
        if member.file_size > allowed or member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
            raise Refused(
                f"{self._what} holds {name} with {member.compress_size} packed and {member.file_size} unpacked bytes, "
                "or packed in an unknown way; it is not read.",
                advice="Check where the feed comes from.",
                reason=Reason.TOO_LARGE,
            )
        try:
            with self._zip.open(member) as stream:
                content = stream.read(allowed + 1)
        except _FAULTS as fault:
            raise self._broken(fault) from fault
        if len(content) != member.file_size:
            raise self._broken(f"{name} has not the size that the archive says")
        return content

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _broken(self, fault: object) -> Unavailable:
        return Unavailable(
            f"The archive {self._what} is cut off or damaged ({str(fault)[:120]}).",
            advice="Nothing was changed. Fetch or copy the archive again; the next refresh tries again by itself.",
            may_pass=False,
        )
