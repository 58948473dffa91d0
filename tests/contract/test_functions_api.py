"""Functions over the wire, in both versions and on both databases: definitions, image policies, invocations."""

from pathlib import Path
from typing import Any

import pytest
from api_bodies import OF_APPLICATION, OF_FUNCTION
from api_room import ApiRoom, api_room
from route_world import HOST

from assay.clock import MINUTE, SetClock
from assay.iam import hashing
from assay.iam.identity import policies, services
from assay.storage import Store
from assay.vault import keys
from assay.vault.resources import Key

NEW, OLD = "/20260325", "/20181201"
REPOSITORY = "fn/hello"
UNVERIFIED = (502, "FunctionImageVerificationFail")
NOT_FOUND = (404, "NotAuthorizedOrNotFound")


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


@pytest.fixture
def key(api: ApiRoom) -> Key:
    return api.desk.key()


def image(api: ApiRoom, rest: str = ":v1") -> str:
    return f"{HOST}/{api.desk.namespace}/{REPOSITORY}{rest}"


def make_application(api: ApiRoom, name: str = "shop", **members: Any) -> str:
    body = {"compartmentId": api.place, "displayName": name, "subnetIds": ["subnet"], **members}
    return str(api.made("POST", f"{NEW}/applications", body)["id"])


def nested(api: ApiRoom, application: str, name: str = "cart", **members: Any) -> dict[str, Any]:
    source = {"sourceType": "CONTAINER_IMAGE", "image": image(api), **members}
    return {"applicationId": application, "displayName": name, "memoryInMBs": 128, "sourceDetails": source}


def policy(*trusted: Key, enabled: bool = True) -> dict[str, Any]:
    return {"imagePolicyConfig": {"isPolicyEnabled": enabled, "keyDetails": [{"kmsKeyId": k.ocid} for k in trusted]}}


def let_the_service_read(api: ApiRoom) -> None:
    policies.add_statements(api.desk.store, api.desk.actor, services.NEEDED[services.FUNCTIONS])


def test_both_versions_keep_one_function_and_pin_the_digest_of_its_tag(api: ApiRoom) -> None:
    _, digest = api.desk.push("v1", "one", REPOSITORY)
    application = make_application(api)
    flat = {"applicationId": application, "displayName": "flat", "memoryInMBs": 256, "image": image(api)}
    for number, (version, body) in enumerate(((NEW, nested(api, application)), (OLD, flat))):
        made = api.made("POST", f"{version}/functions", body)
        source = {"sourceType": "CONTAINER_IMAGE", "image": image(api), "imageDigest": digest.text}
        assert (made["image"], made["imageDigest"], made["sourceDetails"]) == (image(api), digest.text, source)
        assert made["invokeEndpoint"] == f"http://{HOST}"
        assert made["memoryInMBs"] == (128, 256)[number]
        for other in (NEW, OLD):
            assert api.made("GET", f"{other}/functions/{made['id']}") == made
    api.desk.push("v1", "two", REPOSITORY)
    kept = api.items(f"{NEW}/functions", applicationId=application)
    assert {each["imageDigest"] for each in kept} == {digest.text}


def test_a_digest_in_the_body_decides_and_other_sources_are_refused(api: ApiRoom) -> None:
    _, first = api.desk.push("v1", "one", REPOSITORY)
    api.desk.push("v1", "two", REPOSITORY)
    application = make_application(api)
    made = api.made("POST", f"{NEW}/functions", nested(api, application, imageDigest=first.text))
    assert made["sourceDetails"]["imageDigest"] == first.text
    for source in ({"sourceType": "ARCHIVE"}, {"sourceType": "PRE_BUILT_FUNCTIONS", "pbfListingId": "x"}):
        body = {**nested(api, application, "x"), "sourceDetails": source}
        assert api.refused("POST", f"{NEW}/functions", body) == (400, "InvalidParameter")


def test_an_image_that_is_not_there_is_said_to_be_the_related_resource(api: ApiRoom) -> None:
    application = make_application(api)
    reply = api.ask("POST", f"{NEW}/functions", nested(api, application))
    assert (reply.status_code, reply.json()["code"]) == (400, "RelatedResourceNotAuthorizedOrNotFound")
    assert image(api) in reply.json()["message"]
    missing = nested(api, application[:-4] + "aaaa")
    assert api.refused("POST", f"{NEW}/functions", missing) == NOT_FOUND


def test_what_clients_give_is_given_back_and_an_update_leaves_what_it_does_not_name(api: ApiRoom) -> None:
    api.desk.push("v1", "one", REPOSITORY)
    application = make_application(api, **OF_APPLICATION, shape="GENERIC_ARM", config={"a": "b"})
    api.made("PUT", f"{NEW}/applications/{application}", {"syslogUrl": "tcp://other:514", "freeformTags": {"t": "1"}})
    found = api.made("GET", f"{NEW}/applications/{application}")
    expected = {**OF_APPLICATION, "syslogUrl": "tcp://other:514", "shape": "GENERIC_ARM", "config": {"a": "b"}}
    assert {name: found[name] for name in expected} == expected
    function = api.made("POST", f"{NEW}/functions", {**nested(api, application), **OF_FUNCTION})["id"]
    api.made("PUT", f"{NEW}/functions/{function}", {"timeoutInSeconds": 60})
    found = api.made("GET", f"{NEW}/functions/{function}")
    expected = {**OF_FUNCTION, "timeoutInSeconds": 60, "memoryInMBs": 128, "shape": "GENERIC_ARM"}
    assert {name: found[name] for name in expected} == expected
    for wrong in ({"failureDestination": {"queueId": "q"}}, {"provisionedConcurrencyConfig": {"strategy": "MANY"}}):
        status, _ = api.refused("PUT", f"{NEW}/functions/{function}", wrong)
        assert status == 400


def test_lists_are_narrowed_and_ordered_as_the_client_asks(api: ApiRoom) -> None:
    api.desk.push("v1", "one", REPOSITORY)
    application = make_application(api, "b")
    made: dict[str, str] = {"b": application}
    for name in ("c", "a"):
        api.clock.advance(MINUTE)
        made[name] = make_application(api, name)
    functions = {}
    for name in ("y", "x", "z"):
        api.clock.advance(MINUTE)
        functions[name] = str(api.made("POST", f"{NEW}/functions", nested(api, application, name))["id"])
    lists: tuple[tuple[str, dict[str, str], list[str], dict[str, str]], ...] = (
        (f"{NEW}/applications", made, ["b", "c", "a"], {}),
        (f"{OLD}/functions", functions, ["y", "x", "z"], {"applicationId": application}),
    )
    for path, known, in_time, of in lists:

        def listed(path: str = path, of: dict[str, str] = of, **query: str) -> list[str]:
            return [str(each["displayName"]) for each in api.items(path, **of, **query)]

        assert listed() == sorted(known)
        assert listed(sortOrder="DESC") == sorted(known, reverse=True)
        assert listed(sortBy="timeCreated") == in_time
        assert listed(sortBy="timeCreated", sortOrder="DESC") == in_time[::-1]
        assert listed(sortBy="id") == sorted(known, key=lambda name: known[name])
        assert listed(displayName=in_time[0]) == [in_time[0]]
        assert listed(id=known[in_time[1]]) == [in_time[1]]
        assert listed(lifecycleState="UPDATING") == []
        api.made("DELETE", f"{path}/{known[in_time[2]]}")
        assert listed(lifecycleState="DELETED") == [in_time[2]]
        assert listed() == sorted(in_time[:2])
        wrong = {"compartmentId": api.place, **of, "sortBy": "color"}
        assert api.refused("GET", path, query=wrong) == (400, "InvalidParameter")
    assert api.refused("GET", f"{NEW}/functions") == (400, "MissingParameter")


def test_each_change_has_a_work_request_that_names_what_it_changed(api: ApiRoom) -> None:
    api.desk.push("v1", "one", REPOSITORY)
    here = {"compartmentId": api.place, "displayName": "shop", "subnetIds": []}
    made = api.ask("POST", f"{NEW}/applications", here)
    application = f"{NEW}/applications/{made.json()['id']}"
    function = api.ask("POST", f"{NEW}/functions", nested(api, made.json()["id"]))
    cart = f"{NEW}/functions/{function.json()['id']}"
    for reply, operation, resource in (
        (made, "CREATE_APPLICATION", made.json()["id"]),
        (function, "CREATE_FUNCTION", function.json()["id"]),
        (api.ask("PUT", cart, {"memoryInMBs": 512}), "UPDATE_FUNCTION", function.json()["id"]),
        (api.ask("DELETE", cart), "DELETE_FUNCTION", function.json()["id"]),
        (api.ask("PUT", application, {"config": {"a": "b"}}), "UPDATE_APPLICATION", made.json()["id"]),
        (api.ask("DELETE", application), "DELETE_APPLICATION", made.json()["id"]),
    ):
        work = api.made("GET", f"{NEW}/workRequests/{reply.headers['opc-work-request-id']}")
        assert (work["operationType"], work["status"]) == (operation, "SUCCEEDED")
        assert work["resources"][0]["identifier"] == resource


def test_an_application_moves_with_its_functions(api: ApiRoom) -> None:
    api.desk.push("v1", "one", REPOSITORY)
    application = make_application(api)
    function = api.made("POST", f"{NEW}/functions", nested(api, application))["id"]
    path, there = f"{NEW}/applications/{application}", {"compartmentId": api.other}
    etag = api.ask("GET", path).headers["etag"]
    moved = api.ask("POST", f"{path}/actions/changeCompartment", there, headers={"if-match": etag})
    assert (moved.status_code, moved.content) == (204, b"")
    assert api.refused("POST", f"{path}/actions/changeCompartment", there, if_match=etag) == (412, "NoEtagMatch")
    for each in (path, f"{NEW}/functions/{function}"):
        assert api.made("GET", each)["compartmentId"] == api.other
    nowhere = {"compartmentId": "ocid1.compartment.oc1..aaaaaaaa" + "x" * 52}
    assert api.refused("POST", f"{path}/actions/changeCompartment", nowhere) == NOT_FOUND


def test_an_unsigned_image_is_refused_with_ocis_code_and_words_wherever_oci_refuses_it(api: ApiRoom, key: Key) -> None:
    first, _ = api.desk.push("v1", "one", REPOSITORY)
    plain, strict = make_application(api, "plain"), make_application(api, "strict", **policy(key))
    said = api.ask("POST", f"{NEW}/functions", nested(api, strict))
    assert (said.status_code, said.json()["code"]) == UNVERIFIED
    assert said.json()["message"].startswith("Image cannot be verified or no valid signature found")
    api.made("POST", f"{NEW}/functions", nested(api, plain))
    assert api.refused("PUT", f"{NEW}/applications/{plain}", policy(key)) == UNVERIFIED
    api.desk.sign(first, key)
    api.made("PUT", f"{NEW}/applications/{plain}", policy(key))
    function = api.made("POST", f"{NEW}/functions", nested(api, strict))["id"]
    api.desk.push("v2", "two", REPOSITORY)
    source = {"sourceDetails": {"sourceType": "CONTAINER_IMAGE", "image": image(api, ":v2")}}
    assert api.refused("PUT", f"{NEW}/functions/{function}", source) == UNVERIFIED
    assert api.refused("PUT", f"{OLD}/functions/{function}", {"image": image(api, ":v2")}) == UNVERIFIED
    keys.disable_key(api.desk.store, api.desk.actor, key.ocid)
    assert api.refused("PUT", f"{NEW}/functions/{function}", {"config": {"a": "b"}}) == UNVERIFIED


def test_an_invocation_of_a_signed_function_is_501_and_of_an_unsigned_one_502(api: ApiRoom, key: Key) -> None:
    let_the_service_read(api)
    pushed, _ = api.desk.push("v1", "one", REPOSITORY)
    api.desk.sign(pushed, key)
    application = make_application(api, **policy(key))
    function = api.made("POST", f"{NEW}/functions", nested(api, application))["id"]
    for version in (NEW, OLD):
        reply = api.ask("POST", f"{version}/functions/{function}/actions/invoke", b"\xff any bytes")
        assert (reply.status_code, reply.json()["code"]) == (501, "MethodNotImplemented")
        assert "it does not run functions" in reply.json()["message"]
    keys.disable_key(api.desk.store, api.desk.actor, key.ocid)
    for version in (NEW, OLD):
        reply = api.ask("POST", f"{version}/functions/{function}/actions/invoke", b"{}")
        assert (reply.status_code, reply.json()["code"]) == UNVERIFIED
        assert reply.json()["message"].startswith("Image cannot be verified or no valid signature found.")
        assert REPOSITORY not in reply.json()["message"]
    api.made("PUT", f"{NEW}/applications/{application}", policy(enabled=False))
    assert api.refused("POST", f"{NEW}/functions/{function}/actions/invoke", b"{}") == (501, "MethodNotImplemented")


def test_without_its_statement_the_functions_service_verifies_nothing_and_says_which_is_missing(
    api: ApiRoom, key: Key
) -> None:
    pushed, _ = api.desk.push("v1", "one", REPOSITORY)
    api.desk.sign(pushed, key)
    application = make_application(api, **policy(key))
    function = api.made("POST", f"{NEW}/functions", nested(api, application))["id"]
    reply = api.ask("POST", f"{NEW}/functions/{function}/actions/invoke", b"{}")
    assert (reply.status_code, reply.json()["code"]) == UNVERIFIED
    assert "allow service faas to read repos in tenancy" in reply.json()["message"]
    let_the_service_read(api)
    assert api.refused("POST", f"{NEW}/functions/{function}/actions/invoke", b"{}") == (501, "MethodNotImplemented")


def test_an_application_with_a_policy_has_at_most_five_functions_and_five_keys(api: ApiRoom, key: Key) -> None:
    pushed, _ = api.desk.push("v1", "one", REPOSITORY)
    api.desk.sign(pushed, key)
    more = [api.desk.key(name=f"k{number}") for number in range(5)]
    crowded = {"compartmentId": api.place, "displayName": "x", "subnetIds": [], **policy(key, *more)}
    assert api.refused("POST", f"{NEW}/applications", crowded) == (400, "LimitExceeded")
    application = make_application(api, **policy(*more[:4], key))
    for number in range(5):
        api.made("POST", f"{NEW}/functions", nested(api, application, f"f{number}"))
    assert api.refused("POST", f"{NEW}/functions", nested(api, application, "f5")) == (400, "LimitExceeded")
    free = make_application(api, "free")
    for number in range(6):
        api.made("POST", f"{NEW}/functions", nested(api, free, f"f{number}"))
    assert api.refused("PUT", f"{NEW}/applications/{free}", policy(key)) == (400, "LimitExceeded")


def test_why_knows_the_repository_of_a_function_that_is_asked_about(api: ApiRoom) -> None:
    api.desk.push("v1", "one", REPOSITORY)
    function = api.made("POST", f"{NEW}/functions", nested(api, make_application(api)))["id"]
    text = "allow any-user to inspect users in tenancy where request.principal.repo_name = '{}'"
    asked = {"principal": function, "operation": "ListUsers", "resourceId": api.place}
    for repository, may in (("fn/other", False), (REPOSITORY, True)):
        policies.add_statements(api.desk.store, api.desk.actor, [text.format(repository)])
        found = api.made("GET", "/20260901/accessExplanations", query=asked)
        assert (found["isAllowed"], found["principalName"]) == (may, "cart")
