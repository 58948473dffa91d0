"""Unpacking: what a layer is follows from its first bytes, and its end is checked."""

import gzip
import random
import zlib

import pytest
from backports import zstd
from inventory_layers import END, file

from assay.errors import Refused
from assay.inventory.compression import PIECE_BYTES_MAX, unpacker_for

ARCHIVE = file("a", random.Random(1).randbytes(5000)) + END


def unpack(blob: bytes, piece: int = 1 << 16) -> bytes:
    unpacker = unpacker_for(blob[:512])
    pieces = [out for start in range(0, len(blob), piece) for out in unpacker.feed(blob[start : start + piece])]
    unpacker.finish()
    assert all(len(out) <= PIECE_BYTES_MAX for out in pieces)
    return b"".join(pieces)


def skippable(content: bytes) -> bytes:
    return b"\x53\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


@pytest.mark.parametrize("piece", [1, 7, 512, 1 << 16])
@pytest.mark.parametrize(
    "blob",
    [
        ARCHIVE,
        gzip.compress(ARCHIVE),
        gzip.compress(ARCHIVE[:1000]) + gzip.compress(ARCHIVE[1000:]),
        gzip.compress(ARCHIVE[:1000]) + gzip.compress(b"") + gzip.compress(ARCHIVE[1000:]) + bytes(700),
        zstd.compress(ARCHIVE),
        zstd.compress(ARCHIVE[:1000]) + skippable(b"table of contents") + zstd.compress(ARCHIVE[1000:]),
        skippable(b"first") + zstd.compress(ARCHIVE) + skippable(b"last"),
    ],
    ids=["tar", "gzip", "gzip members", "gzip padded", "zstd", "zstd frames", "zstd skippable"],
)
def test_every_form_unpacks_to_the_archive(blob: bytes, piece: int) -> None:
    assert unpack(blob, piece) == ARCHIVE


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_what_unpacks_to_much_comes_in_small_pieces(pack: object) -> None:
    zeros = bytes(9 * PIECE_BYTES_MAX + 3)
    assert unpack(pack(zeros)) == zeros


@pytest.mark.parametrize(
    "head", [b"", b"{}", b"<html>", b"PK\3\4", random.Random(2).randbytes(512), b"\x1f", b"BZh9" * 200]
)
def test_what_is_no_layer_is_told_by_its_first_bytes(head: bytes) -> None:
    with pytest.raises(Refused, match="no layer"):
        unpacker_for(head)


def wrong_sum(blob: bytes) -> bytes:
    return blob[:-8] + bytes([blob[-8] ^ 0xFF]) + blob[-7:]


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (gzip.compress(ARCHIVE)[:2000], "gzip stream ends early"),
        (gzip.compress(ARCHIVE)[:-1], "gzip stream ends early"),
        (wrong_sum(gzip.compress(ARCHIVE)), "gzip stream is damaged"),
        (gzip.compress(ARCHIVE)[:-4] + b"\0\0\0\0", "gzip stream is damaged"),
        (gzip.compress(ARCHIVE) + b"junk", "aren't gzip follow"),
        (gzip.compress(ARCHIVE) + b"\x1f\x8bjunk" * 9, "gzip stream is damaged"),
        (b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 100, "gzip stream is damaged"),
        (zstd.compress(ARCHIVE)[:2000], "zstd stream ends early"),
        (zstd.compress(ARCHIVE) + b"junk" * 9, "zstd stream is damaged"),
        (
            zstd.compress(ARCHIVE, options={zstd.CompressionParameter.checksum_flag: 1})[:-1] + b"\0",
            "zstd stream is damaged",
        ),
    ],
)
def test_a_damaged_stream_is_refused_with_its_reason(blob: bytes, message: str) -> None:
    with pytest.raises(Refused, match=message):
        unpack(blob)


def test_a_zstd_frame_may_not_ask_for_two_gibibytes_of_window() -> None:
    # RFC 8878, 3.1.1.1.2: exponent 21 above 2^10, mantissa 0; one last raw block.
    block = ((len(ARCHIVE) << 3) | 1).to_bytes(3, "little") + ARCHIVE
    with pytest.raises(Refused, match="too large a window"):
        unpack(b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + block)
    assert unpack(b"\x28\xb5\x2f\xfd\x00" + bytes([(27 - 10) << 3]) + block) == ARCHIVE


def test_deflate_of_another_implementation_is_read() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
    assert unpack(packer.compress(ARCHIVE) + packer.flush()) == ARCHIVE
