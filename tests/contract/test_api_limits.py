"""What one request may cost the API: bodies, their nesting, pages and numbers are bounded, and refused by code."""

from pathlib import Path

import pytest
from api_room import ApiRoom, api_room

from assay.clock import SetClock
from assay.iam import hashing
from assay.oci_api.frame import BODY_BYTES_MAX
from assay.storage import Store
from assay.storage.pages import PAGE_ROWS_MAX

USERS = "/20160918/users"


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


def test_a_body_has_at_most_a_mebibyte_and_one_byte_more_is_refused(api: ApiRoom) -> None:
    frame = f'{{"compartmentId":"{api.place}","name":"a","description":""}}'.encode()
    largest = frame[:-2] + b"x" * (BODY_BYTES_MAX - len(frame)) + frame[-2:]
    assert len(largest) == 1 << 20
    assert api.refused("POST", USERS, largest) == (400, "InvalidParameter")
    assert api.refused("POST", USERS, largest + b" ") == (413, "RequestEntityTooLarge")


def test_a_body_is_one_object_not_nested_too_deep_with_no_member_twice(api: ApiRoom) -> None:
    for body in (b"[]", b"1", b"{", b"\xff", b'{"name":"a","name":"b"}', b'{"name":' + b"[" * 100 + b"]" * 100 + b"}"):
        assert api.refused("POST", USERS, body) == (400, "CannotParseRequest"), body[:20]


def test_a_page_has_at_most_a_thousand_rows(api: ApiRoom) -> None:
    assert PAGE_ROWS_MAX == 1000
    here = {"compartmentId": api.place}
    assert api.ask("GET", USERS, query={**here, "limit": "1000"}).status_code == 200
    for limit in ("1001", "0", "-1", "1e3", "99999999999999999999", "\u0661"):
        assert api.refused("GET", USERS, query={**here, "limit": limit}) == (400, "InvalidParameter"), limit


@pytest.mark.parametrize("number", [-1, 10**12, 2**63, 10**40])
def test_numbers_beyond_their_range_are_refused_and_break_nothing(api: ApiRoom, number: int) -> None:
    for method, path, member in (
        ("PUT", "/20260901/auditChain", "retentionDays"),
        ("POST", f"{USERS}/{api.desk.actor.principal.ocid}/authTokens", "lifetimeInSeconds"),
    ):
        answer = api.refused(method, path, {"description": "d", member: number})
        assert answer == (400, "InvalidParameter"), (path, number)


def test_a_query_member_comes_once_unless_it_is_a_list(api: ApiRoom) -> None:
    here = f"compartmentId={api.place}"
    for twice in (f"{here}&{here}", f"{here}&limit=1&limit=1", f"{here}&name=a&sortBy=NAME&name=b"):
        reply = api.ask("GET", f"{USERS}?{twice}")
        assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter"), twice
        assert "is given 2 times" in reply.json()["message"]
    for path in ("/20180222/clusters", "/20260325/applications"):
        assert api.ask("GET", f"{path}?{here}&lifecycleState=ACTIVE&lifecycleState=DELETED").status_code == 200
    assert api.ask("GET", f"{USERS}?{here}&unknown=1&unknown=2").status_code == 200
