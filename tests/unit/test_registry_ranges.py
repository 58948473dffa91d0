"""Byte ranges. Expected values by hand from RFC 9110, section 14, and distribution-spec 1.1, end-5."""

import pytest

from assay.errors import Reason, Refused
from assay.http.ranges import Span, chunk_start, requested_span


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        ("bytes=0-0", 10, Span(0, 1)),
        ("bytes=0-9", 10, Span(0, 10)),
        ("bytes=0-10", 10, Span(0, 10)),
        ("bytes=3-", 10, Span(3, 7)),
        ("bytes=-3", 10, Span(7, 3)),
        ("bytes=-30", 10, Span(0, 10)),
        ("Bytes=9-9", 10, Span(9, 1)),
        ("bytes=-", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=a-b", 10, None),
        ("items=0-1", 10, None),
        ("bytes=0-" + "9" * 400, 10, None),
        ("", 10, None),
    ],
)
def test_a_range_header_asks_for_one_span_or_for_all(header: str, size: int, span: Span | None) -> None:
    assert requested_span(header, size) == span


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-11", 10), ("bytes=0-", 0), ("bytes=-0", 5), ("bytes=5-4", 10)]
)
def test_a_range_that_holds_nothing_is_refused(header: str, size: int) -> None:
    with pytest.raises(Refused) as refusal:
        requested_span(header, size)
    assert refusal.value.reason is Reason.RANGE_INVALID


def test_a_chunk_begins_where_its_range_says() -> None:
    assert chunk_start("0-0", 1) == 0
    assert chunk_start("1048576-2097151", 1_048_576) == 1_048_576
    assert chunk_start("5-9", None) == 5


@pytest.mark.parametrize(
    ("header", "length", "reason"),
    [
        ("bytes 0-4/5", 5, Reason.RANGE_INVALID),
        ("4-0", 5, Reason.RANGE_INVALID),
        ("-4", 5, Reason.RANGE_INVALID),
        ("0-", 5, Reason.RANGE_INVALID),
        ("0-4\n", 4, Reason.SIZE_INVALID),
        ("0-5", 5, Reason.SIZE_INVALID),
        ("9" * 30 + "-" + "9" * 31, 5, Reason.RANGE_INVALID),
    ],
)
def test_a_chunk_range_of_another_form_or_length_is_refused(header: str, length: int, reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        chunk_start(header, length)
    assert refusal.value.reason is reason
