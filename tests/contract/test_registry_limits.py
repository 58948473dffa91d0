"""Limits of the registry's doors: what is over one is told so, with the status and the words that clients know."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_server import colleague_of, started

from assay.clock import SECOND, SetClock
from assay.oci import Digest
from assay.rates import BURST_SECONDS, Meters
from assay.registry.manifests import ManifestLimits
from assay.storage import Store

EMPTY = b"{}"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def refusal_of(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["message"]
    return answer.status_code, error["code"]


def described(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(content).text, "size": len(content)}


def put(client: httpx.Client, document: dict[str, Any]) -> httpx.Response:
    """Push a manifest by its digest."""
    content = json.dumps({"schemaVersion": 2, **document}).encode()
    headers = {"content-type": document["mediaType"]}
    return client.put(f"/manifests/{Digest.of(content)}", content=content, headers=headers)


@pytest.fixture
def narrow(store: Store, folder: Path) -> Iterator[httpx.Client]:
    """A client of a server that takes little of everything; the empty blob is there."""
    limits = ManifestLimits(bytes_max=2000, layers_max=2, children_max=2, nesting_max=1)
    options = {"services": {"manifest_limits": limits}, "intake": {"blob_bytes_max": 1000}}
    with started(store, folder, **options) as server, server.client() as client:
        client.post("/blobs/uploads/", params={"digest": Digest.of(EMPTY).text}, content=EMPTY)
        yield client


def image_of(layers: int) -> dict[str, Any]:
    empty = described(EMPTY, "application/vnd.oci.empty.v1+json")
    return {"mediaType": OCI_MANIFEST, "config": empty, "layers": [empty] * layers}


def test_layers_children_and_nesting_are_counted(narrow: httpx.Client) -> None:
    assert put(narrow, image_of(2)).status_code == 201
    assert refusal_of(put(narrow, image_of(3))) == (413, "SIZE_INVALID")
    image = described(json.dumps({"schemaVersion": 2, **image_of(2)}).encode(), OCI_MANIFEST)
    index = {"mediaType": OCI_INDEX, "manifests": [image] * 2}
    assert put(narrow, index).status_code == 201
    assert refusal_of(put(narrow, {**index, "manifests": [image] * 3})) == (413, "SIZE_INVALID")
    nested = described(json.dumps({"schemaVersion": 2, **index}).encode(), OCI_INDEX)
    assert refusal_of(put(narrow, {**index, "manifests": [nested]})) == (413, "SIZE_INVALID")


def test_a_manifest_has_as_many_bytes_as_are_set(narrow: httpx.Client) -> None:
    document = image_of(1)
    room = 2000 - len(json.dumps({"schemaVersion": 2, **document, "annotations": {"a": ""}}))
    assert put(narrow, {**document, "annotations": {"a": "x" * room}}).status_code == 201
    assert refusal_of(put(narrow, {**document, "annotations": {"a": "x" * (room + 1)}})) == (413, "SIZE_INVALID")


def test_a_blob_that_is_too_long_is_refused_before_or_while_it_comes(narrow: httpx.Client) -> None:
    for content in (b"x" * 1001, iter([b"x" * 600, b"x" * 600])):
        location = narrow.post("/blobs/uploads/").headers["location"]
        assert refusal_of(narrow.patch(httpx.URL(narrow.base_url).join(location), content=content)) == (
            413,
            "SIZE_INVALID",
        )
    location = httpx.URL(narrow.base_url).join(narrow.post("/blobs/uploads/").headers["location"])
    assert narrow.patch(location, content=b"x" * 600).status_code == 202
    assert refusal_of(narrow.patch(location, content=b"x" * 401)) == (413, "SIZE_INVALID")
    assert narrow.patch(location, content=b"x" * 400).status_code == 202


def test_open_uploads_are_counted_by_user_and_by_tenancy(store: Store, folder: Path) -> None:
    with started(store, folder, intake={"open_uploads_max": 3, "open_uploads_of_user_max": 2}) as server:
        everything = "Allow group carol to manage repos in tenancy"
        carol = colleague_of(server.account, store, "carol", everything)
        path = f"{server.path()}/blobs/uploads/"

        def begin(account: Any) -> httpx.Response:
            return httpx.post(path, auth=(account.login, account.token))

        assert [begin(server.account).status_code for _ in range(2)] == [202, 202]
        refused = begin(server.account)
        assert refusal_of(refused) == (429, "TOOMANYREQUESTS")
        assert "of this user" in refused.text
        assert int(refused.headers["retry-after"]) > 0
        kept = begin(carol)
        assert kept.status_code == 202
        refused = begin(carol)
        assert refusal_of(refused) == (429, "TOOMANYREQUESTS")
        assert "of this tenancy" in refused.text
        httpx.delete(f"{server.url}{kept.headers['location']}", auth=(carol.login, carol.token))
        assert begin(carol).status_code == 202


def test_the_registry_counts_requests_by_address_whoever_asks(store: Store, folder: Path, clock: SetClock) -> None:
    meters = Meters.of(address_per_second=1, user_per_second=0)
    with started(store, folder, services={"meters": meters}) as server:
        answers = [httpx.get(f"{server.url}/v2/") for _ in range(BURST_SECONDS + 2)]
        assert [answer.status_code for answer in answers] == [401] * (BURST_SECONDS + 1) + [429]
        assert refusal_of(answers[-1]) == (429, "TOOMANYREQUESTS")
        wait = int(answers[-1].headers["retry-after"])
        clock.advance(wait * SECOND)
        assert httpx.get(f"{server.url}/v2/").status_code == 401


def test_the_registry_counts_requests_by_user_and_leaves_others_alone(store: Store, folder: Path) -> None:
    meters = Meters.of(address_per_second=0, user_per_second=1)
    with started(store, folder, services={"meters": meters}) as server:
        account = server.account
        bearer = {"authorization": f"Bearer {server.bearer()}"}
        answers = [httpx.get(f"{server.url}/v2/", headers=bearer) for _ in range(BURST_SECONDS + 2)]
        assert [answer.status_code for answer in answers] == [200] * (BURST_SECONDS + 1) + [429]
        # The same user by another credential is the same user.
        assert httpx.get(f"{server.url}/v2/", auth=(account.login, account.token)).status_code == 429
        assert httpx.get(f"{server.url}/v2/").status_code == 401
        carol = colleague_of(account, store, "carol")
        assert httpx.get(f"{server.url}/v2/", auth=(carol.login, carol.token)).status_code == 200


@pytest.mark.parametrize("kept", ["address", "user"])
def test_the_token_server_counts_requests_by_address_and_by_user(store: Store, folder: Path, kept: str) -> None:
    rates = {"address_per_second": 0, "user_per_second": 0, f"{kept}_per_second": 1}
    with started(store, folder, services={"token_meters": Meters.of(**rates)}) as server:
        auth = (server.account.login, server.account.token) if kept == "user" else None
        asked = [httpx.get(f"{server.url}/20180419/docker/token", auth=auth) for _ in range(BURST_SECONDS + 2)]
        assert [answer.status_code for answer in asked] == [200] * (BURST_SECONDS + 1) + [429]
        assert refusal_of(asked[-1]) == (429, "TOOMANYREQUESTS")
        assert int(asked[-1].headers["retry-after"]) > 0


def test_who_fails_at_the_token_server_is_paused_by_name_and_address(store: Store, folder: Path) -> None:
    with started(store, folder) as server:
        account = server.account
        url = f"{server.url}/20180419/docker/token"
        wrong = [httpx.get(url, auth=(account.login, "assay_auth_wrong")) for _ in range(6)]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429]
        assert refusal_of(wrong[-1]) == (429, "TOOMANYREQUESTS")
        assert 0 < int(wrong[-1].headers["retry-after"]) <= 300
        # Also the form, and the right token: a pause is a pause.
        form = {"grant_type": "password", "username": account.login, "password": account.token}
        assert httpx.post(url, data=form).status_code == 429
        assert httpx.get(f"{server.url}/v2/", auth=(account.login, account.token)).status_code == 429


def test_one_address_may_not_try_many_names_at_the_token_server(store: Store, folder: Path) -> None:
    with started(store, folder) as server:
        url = f"{server.url}/token"
        for number in range(20):
            assert httpx.get(url, auth=(f"{server.account.namespace}/u{number}", "x")).status_code == 401
        assert refusal_of(httpx.get(url, auth=(f"{server.account.namespace}/u20", "x"))) == (429, "TOOMANYREQUESTS")
