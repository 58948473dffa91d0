"""Vulnerability Scanning over the wire, on both databases: work requests, recipes, targets, results, problems."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_hub import VSS, ApiHub, api_hub

from assay.clock import SetClock
from assay.iam import hashing
from assay.scanning import waiting
from assay.storage import Store

#: Images by tag, with what the claims of the world say of them: `a` 1 to 4 is critical, `b` medium.
PUSHED = {"v1": {"a": 1}, "v2": {"b": 1}, "v3": {"a": 1, "b": 1}, "v4": {"c": 1}}


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiHub]:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    with api_hub(store, tmp_path, clock) as made:
        yield made


@pytest.fixture
def scanned(api: ApiHub) -> ApiHub:
    """With the four images, pushed one after another, and a scan of each."""
    api.target(api.recipe()["id"], "team/app")
    for tag, packages in PUSHED.items():
        api.hub.push(packages, tag=tag)
        api.clock.advance(1_000_000)
        assert api.hub.deliver() == 1
    return api


def scan_some(api: ApiHub, repository: str) -> int:
    """Scan what waits of one repository."""
    hub = api.hub
    ocid = hub.repository(repository).ocid
    return waiting.scan_waiting(hub.store, hub.room.blobs, hub.readers, repository=ocid)


def test_the_work_request_of_a_new_target_advances_with_each_image_that_is_scanned(api: ApiHub) -> None:
    api.hub.push({"a": 1}, repository="team/one")
    api.hub.push({"a": 1}, tag="v1", repository="team/two")
    api.hub.push({"b": 1}, tag="v2", repository="team/two")
    api.hub.deliver()
    made = api.target(api.recipe()["id"], "team/one", "team/two")
    work = api.work(made)
    assert (work["status"], work["percentComplete"], work["timeFinished"]) == ("ACCEPTED", 0.0, None)
    assert work["operationType"] == "CREATE_CONTAINER_SCAN_TARGET"
    (resource,) = work["resources"]
    assert resource["identifier"] == made.json()["id"]
    assert (resource["entityType"], resource["actionType"]) == ("ContainerScanTarget", "CREATED")
    assert scan_some(api, "team/one") == 1
    work = api.work(made)
    assert (work["status"], round(work["percentComplete"])) == ("IN_PROGRESS", 33)
    assert scan_some(api, "team/two") == 2
    work = api.work(made)
    assert (work["status"], work["percentComplete"]) == ("SUCCEEDED", 100.0)
    assert work["timeFinished"] is not None
    logs = api.items(f"{VSS}/workRequests/{work['id']}/logs")
    assert [each["message"] for each in logs] == ["3 images wait to be scanned."]
    assert api.items(f"{VSS}/workRequests/{work['id']}/errors") == []


def test_a_target_that_nothing_waits_for_is_whole_with_its_commit(api: ApiHub) -> None:
    work = api.work(api.target(api.recipe()["id"], "team/none"))
    assert (work["status"], work["percentComplete"]) == ("SUCCEEDED", 100.0)


def test_a_target_that_is_deleted_before_its_images_are_scanned_fails_its_work_request(api: ApiHub) -> None:
    api.hub.push({"a": 1})
    api.hub.deliver()
    made = api.target(api.recipe()["id"], "team/app")
    gone = api.ask("DELETE", f"{VSS}/containerScanTargets/{made.json()['id']}")
    assert api.work(gone)["status"] == "SUCCEEDED"
    work = api.work(made)
    assert work["status"] == "FAILED"
    (error,) = api.items(f"{VSS}/workRequests/{work['id']}/errors")
    assert error["code"] == "ScanWithdrawn"
    assert error["message"].startswith("1 images of ")


def test_the_same_retry_token_gets_the_first_target_and_its_work_request_again(api: ApiHub) -> None:
    recipe = api.recipe()["id"]
    first = api.target(recipe, "team/app", opc_retry_token="once")
    again = api.target(recipe, "team/app", opc_retry_token="once")
    assert again.json() == first.json()
    assert again.headers["opc-work-request-id"] == first.headers["opc-work-request-id"]
    assert len(api.items(f"{VSS}/containerScanTargets")) == 1
    other = api.target(recipe, "team/other", opc_retry_token="once")
    assert (other.status_code, other.json()["code"]) == (409, "InvalidatedRetryToken")


@pytest.mark.parametrize("kind", ["containerScanRecipes", "containerScanTargets"])
def test_an_update_answers_without_a_body_and_only_to_the_etag_that_stands(api: ApiHub, kind: str) -> None:
    recipe = api.recipe()["id"]
    ocid = recipe if kind == "containerScanRecipes" else api.target(recipe, "team/app").json()["id"]
    path = f"{VSS}/{kind}/{ocid}"
    etag = api.ask("GET", path).headers["etag"]
    done = api.ask("PUT", path, {"displayName": "named"}, headers={"if-match": etag})
    assert (done.status_code, done.content) == (204, b"")
    assert api.work(done)["operationType"] == f"UPDATE_CONTAINER_SCAN_{kind.removeprefix('containerScan')[:-1].upper()}"
    late = api.ask("PUT", path, {"displayName": "late"}, headers={"if-match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "NoEtagMatch")
    assert api.ask("GET", path).json()["displayName"] == "named"


def test_what_has_no_name_is_named_after_what_it_is_and_when(api: ApiHub) -> None:
    # The tests' clock stands at noon of its day (tests/places.py).
    recipe = api.recipe()
    target = api.target(recipe["id"], "team/app").json()
    assert recipe["displayName"].startswith("containerscanrecipe20")
    assert target["displayName"].startswith("containerscantarget20")


def test_lists_of_targets_go_by_name_and_state_in_either_order(api: ApiHub) -> None:
    names = {}
    for name in ("b", "a", "c"):
        names[name] = api.recipe(displayName=name)["id"]
        api.clock.advance(1_000_000)
    path = f"{VSS}/containerScanRecipes"
    assert [each["displayName"] for each in api.items(path)] == ["c", "a", "b"]
    assert [each["displayName"] for each in api.items(path, sortOrder="ASC")] == ["b", "a", "c"]
    assert [each["displayName"] for each in api.items(path, sortBy="displayName")] == ["a", "b", "c"]
    by_name = api.items(path, sortBy="displayName", sortOrder="DESC")
    assert [each["displayName"] for each in by_name] == ["c", "b", "a"]
    api.ask("DELETE", f"{path}/{names['a']}")
    assert [each["displayName"] for each in api.items(path, lifecycleState="DELETED")] == ["a"]
    assert [each["displayName"] for each in api.items(path, displayName="b")] == ["b"]
    assert api.items(path, lifecycleState="CREATING") == []


def test_scan_level_none_switches_scanning_off_and_standard_on_again(api: ApiHub) -> None:
    recipe = api.recipe()["id"]
    api.target(recipe, "team/app")
    path = f"{VSS}/containerScanRecipes/{recipe}"
    api.ask("PUT", path, {"scanSettings": {"scanLevel": "NONE"}})
    api.hub.push({"a": 1})
    assert api.hub.deliver() == 0
    api.ask("PUT", path, {"scanSettings": {"scanLevel": "STANDARD"}})
    assert api.hub.deliver() == 1


def test_results_come_in_each_order_that_the_api_has(scanned: ApiHub) -> None:
    path = f"{VSS}/containerScanResults"

    def tags(**query: str) -> list[str]:
        return [each["image"] for each in scanned.items(path, **query)]

    assert tags() == ["v4", "v3", "v2", "v1"]
    assert tags(sortBy="timeStarted", sortOrder="ASC") == ["v1", "v2", "v3", "v4"]
    # Problems: v1 one, v2 one, v3 two, v4 none; equal ones by time.
    assert tags(sortBy="problemCount") == ["v3", "v2", "v1", "v4"]
    assert tags(sortBy="problemCount", sortOrder="ASC") == ["v4", "v1", "v2", "v3"]
    assert tags(sortBy="highestProblemSeverity") == ["v3", "v1", "v2", "v4"]
    assert tags(sortBy="highestProblemSeverity", sortOrder="ASC") == ["v4", "v2", "v1", "v3"]


def test_results_are_narrowed_by_repository_image_severity_and_time(scanned: ApiHub) -> None:
    path = f"{VSS}/containerScanResults"

    def tags(**query: str) -> list[str]:
        return [each["image"] for each in scanned.items(path, **query)]

    assert tags(repository="team/app", image="v2") == ["v2"]
    assert tags(image="v2") == ["v2"]
    assert tags(repository="team/none") == []
    assert tags(repository="team/app", image="v9") == []
    assert tags(highestProblemSeverity="CRITICAL") == ["v3", "v1"]
    assert tags(highestProblemSeverity="MEDIUM") == ["v2"]
    assert tags(highestProblemSeverity="NONE") == ["v4"]
    first = scanned.items(path, sortOrder="ASC")[0]
    assert tags(timeStartedLessThanOrEqualTo=first["timeStarted"].replace(".000Z", ".999Z")) == ["v1"]
    refused = scanned.ask("GET", path, query={"compartmentId": scanned.place, "sortBy": "colour"})
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidParameter")


def test_a_deleted_result_is_gone_and_no_older_one_takes_its_place(scanned: ApiHub) -> None:
    path = f"{VSS}/containerScanResults"
    (result,) = scanned.items(path, image="v1")
    done = scanned.ask("DELETE", f"{path}/{result['id']}")
    assert scanned.work(done)["operationType"] == "DELETE_CONTAINER_SCAN_RESULT"
    gone = scanned.ask("GET", f"{path}/{result['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "NotAuthorizedOrNotFound")
    assert scanned.items(path, image="v1") == []
    status = scanned.hub.status(result["imageId"])
    assert status is not None
    assert (status.scan, status.standing) == (None, "unwatched")
    scanned.hub.push(PUSHED["v1"], tag="v1")
    assert scanned.hub.deliver() == 1
    assert [each["problemCount"] for each in scanned.items(path, image="v1")] == [1]


def test_a_target_moves_with_its_results_and_one_image_moves_alone(scanned: ApiHub) -> None:
    body = {"compartmentId": scanned.place, "name": "there", "description": "d"}
    there = scanned.ask("POST", "/20160918/compartments", body).json()["id"]
    path = f"{VSS}/containerScanResults"
    (result,) = scanned.items(path, image="v1")
    scanned.ask("POST", f"{path}/{result['id']}/actions/changeCompartment", {"compartmentId": there})
    assert [each["image"] for each in scanned.items(path, compartmentId=there)] == ["v1"]
    target = scanned.items(f"{VSS}/containerScanTargets")[0]["id"]
    moved = scanned.ask(
        "POST", f"{VSS}/containerScanTargets/{target}/actions/changeCompartment", {"compartmentId": there}
    )
    assert moved.status_code == 204, moved.text
    assert [each["image"] for each in scanned.items(path, compartmentId=there)] == ["v4", "v3", "v2", "v1"]
    found = scanned.ask("GET", f"{path}/{result['id']}").json()
    assert (found["compartmentId"], found["targetCompartmentId"]) == (there, scanned.place)
    wide = {"areSubcompartmentsIncluded": "true"}
    assert [each["image"] for each in scanned.items(path, image="v1", **wide)] == ["v1"]
    assert scanned.items(path, **wide) == []


def test_vulnerabilities_are_listed_by_compartment_with_the_images_that_have_them(scanned: ApiHub) -> None:
    path = f"{VSS}/vulnerabilities"
    found = scanned.items(path)
    told = [(each["name"], each["severity"], each["impactedResourcesCount"]) for each in found]
    # `a` 1 stands in v1 and v3, `b` 1 in v2 and v3 (scanning_hub.CLAIMS).
    two = {"hostCount": 0, "imageCount": 2}
    assert told == [("CVE-2026-1001", "CRITICAL", two), ("PYSEC-2", "MEDIUM", two)]
    assert [each["vulnerabilityType"] for each in found] == ["CVE", "PROBLEM"]
    assert [each["name"] for each in scanned.items(path, sortBy="name", sortOrder="DESC")] == [
        "PYSEC-2",
        "CVE-2026-1001",
    ]
    by_time = scanned.items(path, sortBy="firstDetected", sortOrder="ASC")
    assert [each["name"] for each in by_time] == ["CVE-2026-1001", "PYSEC-2"]
    assert [each["name"] for each in scanned.items(path, severity="MEDIUM")] == ["PYSEC-2"]
    assert scanned.items(path, severity="NONE") == []
    assert [each["name"] for each in scanned.items(path, vulnerabilityType="CVE")] == ["CVE-2026-1001"]
    assert [each["name"] for each in scanned.items(path, name="PYSEC-2")] == ["PYSEC-2"]
    one = scanned.ask("GET", f"{path}/{found[0]['id']}").json()
    assert (one["cveDetails"]["cveReference"], one["cveDetails"]["patchable"]) == ("CVE-2026-1001", "true")
    images = scanned.items(f"{path}/{found[0]['id']}/impactedContainers")
    assert [each["image"] for each in images] == ["v1", "v3"]
    assert {each["repository"] for each in images} == {scanned.hub.repository().ocid}
    results = scanned.items(f"{VSS}/containerScanResults", image="v1")
    assert images[0]["lastContainerScanId"] == results[0]["id"]
    times = [scanned.items(f"{VSS}/containerScanResults", image=tag)[0]["timeStarted"] for tag in ("v1", "v3")]
    assert [found[0]["timeFirstDetected"], found[0]["timeLastDetected"]] == times


def test_work_requests_are_listed_by_compartment_and_by_the_generic_api_too(api: ApiHub) -> None:
    made = api.target(api.recipe()["id"], "team/app")
    found = api.items(f"{VSS}/workRequests")
    kinds = [each["operationType"] for each in found]
    assert sorted(kinds) == ["CREATE_CONTAINER_SCAN_RECIPE", "CREATE_CONTAINER_SCAN_TARGET"]
    assert api.items("/20180222/workRequests") == []
    everything = api.items("/20160918/workRequests", resourceId=made.json()["id"])
    assert [each["id"] for each in everything] == [made.headers["opc-work-request-id"]]
    one = api.ask("GET", f"/20160918/workRequests/{everything[0]['id']}").json()
    assert (one["errors"], one["logs"]) == ([], [])
    missing = api.ask("GET", f"/20180222/workRequests/{everything[0]['id']}")
    assert (missing.status_code, missing.json()["code"]) == (404, "NotAuthorizedOrNotFound")
