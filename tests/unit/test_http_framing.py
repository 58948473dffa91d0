"""What the headers of a request may say of where it ends, by the examples of RFC 9112."""

from http import HTTPStatus

import pytest

from assay.http.framing import FRAMING_BYTES_FREE, fault_of, is_overhead

HOST = (b"host", b"registry.test")


def status_of(version: str, *headers: tuple[bytes, bytes]) -> int:
    fault = fault_of(version, headers)
    return 0 if fault is None else fault.status


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [(b"host", b"")],
        [(b"host", b"[2001:db8::1]:5000")],
        [HOST, (b"content-length", b"0")],
        [HOST, (b"content-length", b" 17 ")],
        [HOST, (b"transfer-encoding", b"chunked")],
        [HOST, (b"transfer-encoding", b"\tCHUNKED ")],
        [HOST, (b"x", b"1"), (b"x", b"2")],
    ],
)
def test_what_can_be_read_in_one_way_is_taken(headers: list[tuple[bytes, bytes]]) -> None:
    assert fault_of("1.1", headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST, HOST],
        [(b"host", b"a b")],
        [(b"host", b"a/b")],
        [(b"host", b"user@a")],
        [HOST, (b"content-length", b"5"), (b"content-length", b"5")],
        [HOST, (b"content-length", b"5, 5")],
        [HOST, (b"content-length", b"+5")],
        [HOST, (b"content-length", b"0x5")],
        [HOST, (b"content-length", b"\xb2")],
        [HOST, (b"content-length", b"1" * 19)],
        [HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
    ],
)
def test_what_can_be_read_in_two_ways_is_a_bad_request(headers: list[tuple[bytes, bytes]]) -> None:
    assert status_of("1.1", *headers) == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"xchunked", b"chunked;q=1", b""])
def test_another_transfer_coding_is_a_bad_request(coding: bytes) -> None:
    assert status_of("1.1", HOST, (b"transfer-encoding", coding)) == HTTPStatus.BAD_REQUEST


def test_older_http_needs_no_host_and_knows_no_chunks_and_other_versions_are_not_spoken() -> None:
    assert status_of("1.0") == 0
    assert status_of("1.0", (b"transfer-encoding", b"chunked")) == HTTPStatus.BAD_REQUEST
    for version in ("0.9", "2.0", "1.2"):
        assert status_of(version, HOST) == HTTPStatus.BAD_REQUEST


def test_chunks_of_one_byte_are_no_overhead_and_long_extensions_are() -> None:
    # `1\r\nx\r\n`: five bytes of framing to each of the body; `0\r\n\r\n` ends it.
    assert not is_overhead(5 * 100_000 + 5, 100_000)
    assert not is_overhead(FRAMING_BYTES_FREE, 0)
    assert is_overhead(FRAMING_BYTES_FREE + 1, 0)
    assert is_overhead(FRAMING_BYTES_FREE + 100 * 65_536, 100)
