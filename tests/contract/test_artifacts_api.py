"""Artifacts over the wire: orders, pages and what is left behind them, totals, wildcards, whole models, etags."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from api_hub import ApiHub, api_hub

from assay.clock import SetClock
from assay.iam import hashing
from assay.storage import Store

REPOSITORIES = "/20160918/container/repositories"
IMAGES = "/20160918/container/images"
CONFIGURATION = "/20160918/container/configuration"


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiHub]:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    with api_hub(store, tmp_path, clock) as made:
        yield made


@pytest.fixture
def stocked(api: ApiHub) -> ApiHub:
    """With five images in three repositories, pushed one after another."""
    for number, (repository, tag) in enumerate(
        [("team/b", "v2"), ("team/a", "v1"), ("team/b", "v1"), ("other/c", "w1"), ("team/b", "v10")]
    ):
        api.clock.advance(1_000_000)
        api.hub.push({"a": number + 1}, tag=tag, repository=repository)
    return api


def names(api: ApiHub, path: str, **query: str) -> list[str]:
    return [each["displayName"] for each in api.items(path, **query)]


def test_images_come_in_each_order_that_the_api_has(stocked: ApiHub) -> None:
    by_time = ["team/b:v10", "other/c:w1", "team/b:v1", "team/a:v1", "team/b:v2"]
    assert names(stocked, IMAGES) == by_time
    assert names(stocked, IMAGES, sortBy="TIMECREATED", sortOrder="ASC") == by_time[::-1]
    by_name = ["other/c:w1", "team/a:v1", "team/b:v1", "team/b:v10", "team/b:v2"]
    assert names(stocked, IMAGES, sortBy="DISPLAYNAME") == by_name
    assert names(stocked, IMAGES, sortBy="DISPLAYNAME", sortOrder="DESC") == by_name[::-1]


def test_images_are_found_by_name_wildcards_version_and_digest(stocked: ApiHub) -> None:
    assert names(stocked, IMAGES, displayName="team/b:v1") == ["team/b:v1"]
    assert names(stocked, IMAGES, displayName="team/b") == []
    assert names(stocked, IMAGES, repositoryName="team*", version="v1*", sortBy="DISPLAYNAME") == [
        "team/a:v1",
        "team/b:v1",
        "team/b:v10",
    ]
    digest = stocked.items(IMAGES, displayName="team/a:v1")[0]["digest"]
    assert names(stocked, IMAGES, imageDigest=digest) == ["team/a:v1"]
    assert names(stocked, IMAGES, isVersioned="false") == []


def test_an_image_without_a_version_is_called_by_its_last_one_or_unknown_and_its_digest(stocked: ApiHub) -> None:
    (image,) = stocked.items(IMAGES, displayName="team/a:v1")
    removed = stocked.ask("POST", f"{IMAGES}/{image['id']}/actions/removeVersion", {"version": "v1"}).json()
    assert removed["displayName"] == f"team/a:v1@{image['digest']}"
    assert names(stocked, IMAGES, isVersioned="false") == [f"team/a:v1@{image['digest']}"]
    assert names(stocked, IMAGES, displayName=removed["displayName"]) == [removed["displayName"]]


@pytest.mark.parametrize(("path", "counts"), [(IMAGES, [3, 1, 0]), (REPOSITORIES, [1, 0])])
def test_a_page_says_how_much_is_left_behind_it(stocked: ApiHub, path: str, counts: list[int]) -> None:
    left: list[int] = []
    query = {"compartmentId": stocked.place, "limit": "2"}
    while True:
        reply = stocked.ask("GET", path, query=query)
        left.append(reply.json()["remainingItemsCount"])
        if "opc-next-page" not in reply.headers:
            break
        query["page"] = reply.headers["opc-next-page"]
    assert left == counts


def test_the_totals_of_repositories_are_the_same_on_every_page(stocked: ApiHub) -> None:
    query = {"compartmentId": stocked.place, "limit": "1"}
    seen = set()
    while True:
        reply = stocked.ask("GET", REPOSITORIES, query=query)
        body = reply.json()
        # Five images of one layer each, each of another content.
        seen.add((body["repositoryCount"], body["imageCount"], body["layerCount"]))
        if "opc-next-page" not in reply.headers:
            break
        query["page"] = reply.headers["opc-next-page"]
    assert seen == {(3, 5, 5)}


def test_a_page_token_of_another_list_is_refused(stocked: ApiHub) -> None:
    query = {"compartmentId": stocked.place, "limit": "1"}
    token = stocked.ask("GET", IMAGES, query=query).headers["opc-next-page"]
    for path, more in ((REPOSITORIES, {}), (IMAGES, {"version": "v1"})):
        refused = stocked.ask("GET", path, query={**query, **more, "page": token})
        assert (refused.status_code, refused.json()["code"]) == (400, "PaginationTokenFormat")


def test_every_operation_on_one_image_answers_with_its_layers(stocked: ApiHub) -> None:
    (image,) = stocked.items(IMAGES, displayName="team/a:v1")
    path = f"{IMAGES}/{image['id']}"
    layers = stocked.ask("GET", path).json()["layers"]
    assert [layer.keys() for layer in layers] == [{"digest", "sizeInBytes", "timeCreated"}]
    looked_up = stocked.ask(
        "POST", f"{IMAGES}/actions/lookupImageByUri", {"imageUri": f"{stocked.namespace}/team/a:v1"}
    )
    tagged = stocked.ask("PUT", path, {"freeformTags": {"a": "b"}})
    assert stocked.ask("DELETE", path).status_code == 204
    restored = stocked.ask("POST", f"{path}/actions/restore", {"version": "v1"})
    removed = stocked.ask("POST", f"{path}/actions/removeVersion", {"version": "v1"})
    for reply in (looked_up, tagged, restored, removed):
        assert reply.json()["layers"] == layers, reply.text
        assert reply.headers["etag"]


def test_a_deleted_image_says_until_when_it_can_be_restored(stocked: ApiHub) -> None:
    (image,) = stocked.items(IMAGES, displayName="team/a:v1")
    assert (image["timeDeleted"], image["timeRestorableUntil"]) == (None, None)
    assert stocked.ask("DELETE", f"{IMAGES}/{image['id']}").status_code == 204
    (gone,) = stocked.items(IMAGES, lifecycleState="DELETED")
    deleted, until = (datetime.fromisoformat(gone[member]) for member in ("timeDeleted", "timeRestorableUntil"))
    # The restore window of an installation that is not set otherwise (docs/registry.md).
    assert until - deleted == timedelta(days=2)


def test_a_change_holds_only_for_the_etag_that_stands(stocked: ApiHub) -> None:
    (image,) = stocked.items(IMAGES, displayName="team/a:v1")
    (repository,) = stocked.items(REPOSITORIES, displayName="team/a")
    changes = [
        ("PUT", f"{REPOSITORIES}/{repository['id']}", {"isPublic": True}),
        ("PUT", f"{IMAGES}/{image['id']}", {"freeformTags": {"a": "b"}}),
        ("PUT", f"{CONFIGURATION}?compartmentId={stocked.place}", {"isRepositoryCreatedOnFirstPush": False}),
    ]
    for method, path, body in changes:
        etag = stocked.ask("GET", path).headers["etag"]
        late = stocked.ask(method, path, body, headers={"if-match": "other"})
        assert (late.status_code, late.json()["code"]) == (412, "NoEtagMatch"), path
        done = stocked.ask(method, path, body, headers={"if-match": etag})
        assert done.status_code == 200, done.text
        assert done.headers["etag"] != etag


def test_a_repository_moves_with_all_that_lies_in_it_once_for_a_retry_token(stocked: ApiHub) -> None:
    body = {"compartmentId": stocked.place, "name": "there", "description": "d"}
    there = stocked.ask("POST", "/20160918/compartments", body).json()["id"]
    (repository,) = stocked.items(REPOSITORIES, displayName="team/b")
    path = f"{REPOSITORIES}/{repository['id']}/actions/changeCompartment"
    for _ in range(2):
        moved = stocked.ask("POST", path, {"compartmentId": there}, headers={"opc-retry-token": "once"})
        assert (moved.status_code, moved.content) == (204, b""), moved.text
    assert names(stocked, IMAGES, compartmentId=there, sortBy="DISPLAYNAME") == ["team/b:v1", "team/b:v10", "team/b:v2"]
    assert names(stocked, IMAGES, compartmentIdInSubtree="true", repositoryName="team/b", version="v2") == ["team/b:v2"]
    assert names(stocked, IMAGES, repositoryName="team/b") == []


def test_names_and_sizes_of_the_wrong_shape_are_refused_by_their_code(stocked: ApiHub) -> None:
    wrong = [
        ("GET", IMAGES, None, {}, 400, "MissingParameter"),
        ("GET", IMAGES, None, {"compartmentId": stocked.place, "sortBy": "SIZE"}, 400, "InvalidParameter"),
        ("GET", IMAGES, None, {"compartmentId": stocked.place, "limit": "0"}, 400, "InvalidParameter"),
        ("POST", REPOSITORIES, {"compartmentId": stocked.place, "displayName": "Team/A"}, {}, 400, "InvalidParameter"),
        ("POST", REPOSITORIES, {"compartmentId": stocked.place}, {}, 400, "MissingParameter"),
        (
            "POST",
            REPOSITORIES,
            {"compartmentId": stocked.place, "displayName": "team/a"},
            {},
            409,
            "NotAuthorizedOrResourceAlreadyExists",
        ),
        ("GET", CONFIGURATION, None, {"compartmentId": "ocid1.compartment.oc1..x"}, 404, "NotAuthorizedOrNotFound"),
    ]
    for method, path, body, query, status, code in wrong:
        reply = stocked.ask(method, path, body, query)
        assert (reply.status_code, reply.json()["code"]) == (status, code), (path, query, reply.text)
