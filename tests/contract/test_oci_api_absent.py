"""What OCI's APIs have and Assay has not, and what no query may say."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_hub import ApiHub, api_hub

from assay.clock import SetClock
from assay.storage import Store


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[ApiHub]:
    with api_hub(store, tmp_path, clock) as hub:
        yield hub


@pytest.mark.parametrize(
    "path", ["/20160918/users/x/mfaTotpDevices", "/20180222/nodePools", "/20210215/hostScanRecipes", "/n/namespace/b"]
)
def test_an_operation_that_is_not_here_is_answered_by_its_path_and_not_tried_again(api: ApiHub, path: str) -> None:
    reply = api.ask("GET", path)
    assert (reply.status_code, reply.json()["code"]) == (501, "MethodNotImplemented")
    assert f"GET /{path.lstrip('/')}" in reply.json()["message"]
    assert reply.headers["opc-request-id"]


def test_another_method_on_a_known_path_names_those_that_there_are(api: ApiHub) -> None:
    reply = api.ask("PATCH", "/20160918/users")
    assert (reply.status_code, reply.json()["code"]) == (405, "MethodNotAllowed")


def test_a_boolean_filter_that_is_none_is_refused_and_its_case_does_not_matter(api: ApiHub) -> None:
    path = f"/20160918/container/repositories?compartmentId={api.place}&isPublic="
    assert api.ask("GET", f"{path}banana").status_code == 400
    assert api.ask("GET", f"{path}TRUE").status_code == 200


def test_a_lifecycle_state_is_found_in_any_case_and_an_unknown_one_refused(api: ApiHub) -> None:
    path = f"/20160918/users?compartmentId={api.place}&lifecycleState="
    assert [user["name"] for user in api.ask("GET", f"{path}active").json()] == ["admin"]
    assert api.ask("GET", f"{path}deleting").json() == []
    assert api.ask("GET", f"{path}XX").status_code == 400


def test_half_a_surrogate_pair_in_a_body_is_refused_before_anything_is_made(api: ApiHub) -> None:
    reply = api.ask("POST", "/20160918/groups", rb'{"name": "half", "description": "\ud800"}')
    assert (reply.status_code, reply.json()["code"]) == (400, "CannotParseRequest")


def test_a_nul_is_refused_wherever_it_comes_from(api: ApiHub) -> None:
    for path in (
        f"/20160918/users?compartmentId={api.place}&name=ad%00min",
        "/20160918/users/%00",
        f"/20160918/container/repositories?compartmentId={api.place}&displayName=%00",
    ):
        assert api.ask("GET", path).status_code == 400, path
    for path, body in (
        ("/20160918/groups", {"name": "nul", "description": "a\0b", "compartmentId": api.place}),
        ("/20260901/sessions", {"user": "ad\0min", "password": "x"}),
    ):
        assert api.ask("POST", path, json.dumps(body).encode()).status_code == 400, path
