"""Whatever a feed sends, reading it ends in a value or in a refusal of our own, never in another error."""

import io
import json
from contextlib import suppress
from typing import Any

import pytest
from advisory_bucket import content, packed, record
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.advisories import osv
from assay.advisories.archive import Archive
from assay.advisories.cvss import base_score
from assay.advisories.sync import parse_list
from assay.errors import Refused, Unavailable

RECORD = content(
    record(
        "TEST-1",
        aliases=["CVE-2026-1000"],
        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        references=[{"type": "WEB", "url": "https://example.org"}],
        database_specific={"severity": "HIGH"},
    )
)
ARCHIVE = packed({f"TEST-{n}.json": RECORD for n in range(5)})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
EDITS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8)


def edited(data: bytes, edits: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for place, value in edits:
        changed[place % len(changed)] = value
    return bytes(changed)


def read(data: bytes) -> None:
    try:
        advisory = osv.read(data)
    except Refused:
        return
    assert all(statement.package for statement in advisory.statements)


@given(edits=EDITS)
def test_a_record_with_some_bytes_changed(edits: list[tuple[int, int]]) -> None:
    read(edited(RECORD, edits))


@pytest.mark.parametrize("value", [0, 0x22, 0x5C, 0x80, 0xFF])
def test_a_record_with_any_one_byte_changed_to_one_that_ends_or_is_no_text(value: int) -> None:
    for place in range(len(RECORD)):
        read(edited(RECORD, [(place, value)]))


@pytest.mark.parametrize("member", [*list(json.loads(RECORD)), "withdrawn", "published", "upstream", "summary"])
@given(value=JSON)
def test_a_record_with_anything_as_one_of_its_members(member: str, value: Any) -> None:
    read(json.dumps(json.loads(RECORD) | {member: value}).encode())


@given(value=JSON)
def test_a_record_with_anything_said_of_a_package(value: Any) -> None:
    for member in ("package", "ranges", "versions", "severity", "ecosystem_specific", "database_specific"):
        whole = json.loads(RECORD)
        whole["affected"][0][member] = value
        read(json.dumps(whole).encode())


@settings(max_examples=300)
@given(data=st.binary(max_size=200) | st.text(alphabet='0123456789-TZ:,\n"A/.', max_size=80).map(str.encode))
def test_a_list_of_any_bytes(data: bytes) -> None:
    try:
        dates = parse_list(data, "list")
    except Unavailable:
        return
    assert all(osv.advisory_id(name) == name for name in dates)


@settings(max_examples=300)
@given(edits=EDITS, cut=st.integers(0, len(ARCHIVE)))
def test_an_archive_with_some_bytes_changed_or_cut_off(edits: list[tuple[int, int]], cut: int) -> None:
    for data in (edited(ARCHIVE, edits), ARCHIVE[:cut]):
        with suppress(Unavailable, Refused), Archive(io.BytesIO(data), "archive") as archive:
            for name in [f"TEST-{n}" for n in range(5)]:
                if name in archive:
                    assert len(archive.read(name)) <= osv.RECORD_BYTES_MAX


@given(
    text=st.text(max_size=60)
    | st.lists(st.sampled_from(["CVSS:3.1", "CVSS:4.0", "AV:N", "AC:L", "C:H", ":", ""])).map("/".join)
)
def test_a_vector_of_any_text(text: str) -> None:
    score = base_score(text)
    assert score is None or 0.0 <= score <= 10.0
