"""The OpenAPI document: every route is in it and nothing else is, it is valid, and it says what answers look like."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from api_room import ApiRoom, api_room

import assay.oci_api as door
from assay.clock import SetClock
from assay.http import distribution
from assay.http.tokens import token_routes
from assay.iam import hashing
from assay.oci_api import sign_in
from assay.storage import Store

DOCUMENT = door.openapi_document()
PATHS: dict[str, Any] = DOCUMENT["paths"]
ROWS = (*door._ROWS, *sign_in.OPEN_ROWS)
#: Paths that are no rows of the API.
OF_OTHER_DOORS = re.compile(r"/v2/|/20180419/docker/token|/v1/clusters/|/healthz|/readyz|/metrics")


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, item in PATHS.items()
        for method, operation in item.items()
        if method != "servers"
    ]


def test_every_route_of_the_api_is_in_the_document_and_no_other() -> None:
    told = {(method.upper(), path) for method, path, _ in operations() if not OF_OTHER_DOORS.match(path)}
    assert told == {(row.method, row.path) for row in ROWS}


def test_every_operation_of_the_registry_is_in_the_document() -> None:
    told = {(method.upper(), path) for method, path, _ in operations() if path.startswith("/v2/{name}")}
    served = set()
    for pattern, methods in distribution._TABLE:
        # The pattern that stands first takes a path: `uploads/` is no upload's name.
        matching = {path for _, path in told if first_of(path) is pattern}
        assert matching, pattern
        served |= {(method, path) for path in matching for method in methods}
    assert told == served
    assert {route.path for route in token_routes(None)} - {"/token"} <= set(PATHS)


def first_of(path: str) -> re.Pattern[str]:
    return next(each for each, _ in distribution._TABLE if each.fullmatch(path.removeprefix("/v2/")))


def test_each_operation_has_its_own_name_and_only_parameters_of_its_path() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for _, path, operation in operations():
        named = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)", path)), path


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                found: Any = DOCUMENT
                for part in value["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
            if "schema" in value:
                jsonschema_rs.meta.validate({"$defs": {}, **value["schema"]})
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(DOCUMENT)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_what_needs_a_caller_says_how_callers_are_known_and_what_does_not_says_so() -> None:
    open_paths = {(row.method.lower(), row.path) for row in sign_in.OPEN_ROWS}
    for method, path, operation in operations():
        if OF_OTHER_DOORS.match(path):
            continue
        wanted = [] if (method, path) in open_paths else [{"session": []}, {"signature": []}]
        assert operation["security"] == wanted, path
        assert "401" in operation["responses"]


def test_what_is_refused_by_its_name_alone_promises_nothing() -> None:
    backup = PATHS["/20180608/vaults/{vault}/actions/backup"]["post"]["responses"]
    assert "501" in backup
    assert not [status for status in backup if status.startswith("2")]


def test_a_body_has_the_members_that_the_door_reads_and_says_which_must_be_there() -> None:
    body = PATHS["/20180608/keys"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"] is True
    assert schema["required"] == ["compartmentId", "displayName", "keyShape"]
    assert set(schema["properties"]) == {
        *("compartmentId", "displayName", "keyShape", "protectionMode", "isAutoRotationEnabled"),
        *("freeformTags", "definedTags"),
    }


def test_the_server_and_the_command_line_give_the_same_document(api: ApiRoom) -> None:
    served = api.ask("GET", "/20260901/openapi.json").json()
    printed = subprocess.run(
        [sys.executable, "-m", "assay.cli.main", "openapi"], capture_output=True, text=True, check=True
    )
    assert served == json.loads(printed.stdout)
    assert served["openapi"].startswith("3.1.")


def test_a_method_that_means_nothing_is_answered_with_those_that_do(api: ApiRoom) -> None:
    reply = api.ask("PATCH", "/20160918/users")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "GET, POST"
    assert reply.json()["code"] == "MethodNotAllowed"


def test_no_answer_may_be_kept_on_its_way_or_read_as_another_type(api: ApiRoom) -> None:
    for path in ("/20160918/regions", "/20160918/users/nobody"):
        reply = api.ask("GET", path)
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_no_script_of_another_site_may_read_an_answer(api: ApiRoom) -> None:
    elsewhere = {"origin": "https://elsewhere.example", "access-control-request-method": "GET"}
    for method in ("GET", "OPTIONS"):
        reply = api.ask(method, "/20160918/regions", headers=elsewhere)
        assert [name for name in reply.headers if name.startswith("access-control-")] == []
