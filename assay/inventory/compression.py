"""Unpacking a layer as its bytes arrive: gzip of one or many members, zstd of one or many frames, or nothing.

What a layer is follows from its first bytes alone; media types lie.
"""

from collections.abc import Iterator
from typing import Protocol

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
from isal import isal_zlib

from assay.errors import Reason, Refused
from assay.inventory.tarwalk import BLOCK_BYTES, may_begin_archive

#: Bytes that a verdict on the first bytes needs.
SNIFFED_BYTES = BLOCK_BYTES
#: Unpacked bytes that are handed on at once, whatever the ratio.
PIECE_BYTES_MAX = 1 << 20
#: log2 of the history a zstd frame may ask for: 128 MiB, what the zstd program itself accepts.
ZSTD_WINDOW_LOG_MAX = 27

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: RFC 8878, 3.1.2: sixteen magic numbers of frames that carry no content.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_GZIP_WBITS = 31
#: The library's stub file declares an instance.
_GZIP_FAULT: type[Exception] = isal_zlib.error  # type: ignore[assignment]


class Unpacker(Protocol):
    """Takes a blob in pieces of any size, gives the archive in pieces of at most `PIECE_BYTES_MAX`."""

    def feed(self, content: bytes) -> Iterator[bytes]:
        """The pieces that follow from this content. Refused: the stream is damaged."""
        ...

    def finish(self) -> None:
        """Say that the blob has ended. Refused: the stream hasn't."""
        ...


def unpacker_for(head: bytes) -> Unpacker:
    """The unpacker for a blob that begins with `head` (`SNIFFED_BYTES`, or all of it). Refused: it is no layer."""
    if head.startswith(_GZIP):
        return _Gzip()
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return _Zstd()
    if may_begin_archive(head):
        return _Plain()
    raise Refused(
        "It is no layer: it begins as neither gzip, zstd nor tar.",
        advice="Push layers as tar archives, plain or packed with gzip or zstd.",
        reason=Reason.MEDIA_TYPE,
    )


class _Plain:
    def feed(self, content: bytes) -> Iterator[bytes]:
        for start in range(0, len(content), PIECE_BYTES_MAX):
            yield content[start : start + PIECE_BYTES_MAX]

    def finish(self) -> None:
        """A plain archive ends where it ends."""


class _Gzip:
    def __init__(self) -> None:
        self._member = isal_zlib.decompressobj(_GZIP_WBITS)
        self._between = False

    def feed(self, content: bytes) -> Iterator[bytes]:
        more = False
        while content or more:
            if self._between:
                # gzip(1) allows zeros after the last member (tapes); anything else has to be a further member.
                content = content.lstrip(b"\0")
                if not content:
                    return
                if content[0] != _GZIP[0]:
                    raise Refused("Bytes that aren't gzip follow after the end of its gzip stream.")
                self._member, self._between = isal_zlib.decompressobj(_GZIP_WBITS), False
            try:
                piece = self._member.decompress(content, PIECE_BYTES_MAX)
            except _GZIP_FAULT as fault:
                raise Refused(f"Its gzip stream is damaged: {fault}.") from fault
            if piece:
                yield piece
            # A full piece may leave more of it inside, with all the input taken.
            more = len(piece) == PIECE_BYTES_MAX and not self._member.eof
            content = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._between = self._member.eof

    def finish(self) -> None:
        if not self._between:
            raise Refused("Its gzip stream ends early.")


class _Zstd:
    def __init__(self) -> None:
        self._frame: ZstdDecompressor | None = None

    def feed(self, content: bytes) -> Iterator[bytes]:
        while content:
            if self._frame is None:
                self._frame = ZstdDecompressor(options={DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX})
            frame, piece = self._frame, b""
            while not frame.eof:
                try:
                    piece = frame.decompress(content, PIECE_BYTES_MAX)
                except ZstdError as fault:
                    raise Refused(f"Its zstd stream is damaged or too large a window is asked for: {fault}.") from fault
                content = b""
                if piece:
                    yield piece
                if frame.needs_input and not frame.eof:
                    return
            content, self._frame = frame.unused_data, None

    def finish(self) -> None:
        if self._frame is not None:
            raise Refused("Its zstd stream ends early.")
