"""kill -9 amid a push, a refresh, a signing: nothing acknowledged is lost, nothing half-done shows."""

import hashlib
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from assay_server import CARRIED, STATEMENTS, AssayServer

pytestmark = pytest.mark.real

PIECE_BYTES = 256 * 1024
PIECES = 16


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AssayServer]:
    feed = tmp_path / "feed"
    shutil.copytree(CARRIED / "first", feed)
    url = ""
    if request.param == "postgres":
        server_url = request.getfixturevalue("postgres_server")
        name = f"kill{time.monotonic_ns()}"
        with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{server_url}/{name}"
    server = AssayServer(tmp_path / "assay", str(feed), url)
    server.start()
    server.sign_in_first()
    yield server
    server.stop()


def registry(server: AssayServer) -> tuple[httpx.Client, str]:
    """A client of the distribution door with a bearer token for `app`, and the repository's path."""
    me = server.call("GET", "/20260901/sessions/current")
    made = server.call("POST", f"/20160918/users/{me['userId']}/authTokens", {"description": "t"})
    name = f"{me['namespace']}/app"
    scope = {"service": server.host, "scope": f"repository:{name}:pull,push"}
    login = (f"{me['namespace']}/admin", made["token"])
    token = httpx.get(f"{server.url}/20180419/docker/token", params=scope, auth=login).json()["token"]
    return httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {token}"}, timeout=60), f"/v2/{name}"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_blob(client: httpx.Client, path: str, content: bytes) -> None:
    reply = client.post(f"{path}/blobs/uploads/", params={"digest": digest_of(content)}, content=content)
    assert reply.status_code == 201, reply.text


def push_image(client: httpx.Client, path: str, tag: str, layer: bytes) -> str:
    """Push an image with one (plain tar) layer; its digest."""
    config = (
        b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}'
        % digest_of(layer).encode()
    )
    push_blob(client, path, layer)
    push_blob(client, path, config)
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest_of(layer),
                "size": len(layer),
            }
        ],
    }
    reply = client.put(f"{path}/manifests/{tag}", json=manifest, headers={"content-type": media_type})
    assert reply.status_code == 201, reply.text
    return str(reply.headers["docker-content-digest"])


def test_a_push_goes_on_from_what_was_acknowledged_and_what_was_pushed_stays(server: AssayServer) -> None:
    client, path = registry(server)
    kept = push_image(client, path, "kept", bytes(10_240))
    content = random.Random(7).randbytes(PIECES * PIECE_BYTES)
    where = client.post(f"{path}/blobs/uploads/").headers["location"]
    acknowledged = 0
    for number in range(PIECES // 2):
        piece = content[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
        headers = {"content-range": f"{acknowledged}-{acknowledged + len(piece) - 1}"}
        reply = client.patch(where, content=piece, headers=headers)
        assert reply.status_code == 202, reply.text
        where, acknowledged = reply.headers["location"], acknowledged + len(piece)
    server.kill()
    server.start()
    status = client.get(where)
    assert status.status_code == 204, status.text
    staged = int(status.headers["range"].partition("-")[2]) + 1
    assert staged >= acknowledged
    assert client.head(f"{path}/blobs/{digest_of(content)}").status_code == 404, "half a blob must not show"
    rest = content[staged:]
    reply = client.patch(where, content=rest, headers={"content-range": f"{staged}-{len(content) - 1}"})
    assert reply.status_code == 202, reply.text
    reply = client.put(reply.headers["location"], params={"digest": digest_of(content)})
    assert reply.status_code == 201, reply.text
    assert digest_of(client.get(f"{path}/blobs/{digest_of(content)}").content) == digest_of(content)
    pulled = client.get(f"{path}/manifests/kept")
    assert pulled.status_code == 200
    assert digest_of(pulled.content) == kept
    assert client.get(f"{path}/tags/list").json()["tags"] == ["kept"]


def test_pushes_that_were_acknowledged_outlive_a_kill_amid_others(server: AssayServer) -> None:
    client, path = registry(server)
    pushed: dict[str, str] = {}

    def push_on() -> None:
        for number in range(10_000):
            try:
                pushed[f"v{number}"] = push_image(client, path, f"v{number}", number.to_bytes(4, "big") * 2560)
            except httpx.HTTPError:
                return

    pusher = threading.Thread(target=push_on)
    pusher.start()
    server.wait_for("some pushes", lambda: len(pushed) >= 5)
    server.kill()
    pusher.join()
    server.start()
    tags = set(client.get(f"{path}/tags/list").json()["tags"])
    assert set(pushed) <= tags
    for tag in tags:
        manifest = client.get(f"{path}/manifests/{tag}")
        assert digest_of(manifest.content) == pushed.get(tag, manifest.headers["docker-content-digest"])
        for layer in [*manifest.json()["layers"], manifest.json()["config"]]:
            assert digest_of(client.get(f"{path}/blobs/{layer['digest']}").content) == layer["digest"]


def test_a_feed_refresh_that_is_killed_is_finished_at_the_restart(server: AssayServer) -> None:
    feeds = "/20260901/feeds"

    def feed() -> dict[str, object]:
        return dict(server.call("GET", feeds)["items"][0])

    server.wait_for("the first revision", lambda: feed()["revision"] == 1)
    shutil.copytree(CARRIED / "later", server.feed, dirs_exist_ok=True)
    server.call("POST", f"{feeds}/osv/actions/refresh")
    time.sleep(random.Random(3).uniform(0.8, 1.4))
    server.kill()
    server.start()
    assert feed()["revision"] in (1, 2), "either the old state or the new, never one between"
    server.wait_for("the second revision", lambda: feed()["revision"] == 2, seconds=90)
    assert feed()["lastError"] is None


def test_signatures_that_were_acknowledged_outlive_a_kill_and_each_is_whole(server: AssayServer) -> None:
    client, path = registry(server)
    push_image(client, path, "v1", bytes(10_240))
    tenancy = server.call("GET", "/20260901/sessions/current")["tenancyId"]
    body = {"compartmentId": tenancy, "displayName": "v", "vaultType": "DEFAULT"}
    vault = server.call("POST", "/20180608/vaults", body)["managementEndpoint"]
    shape = {"algorithm": "ECDSA", "length": 32}
    body = {"compartmentId": tenancy, "displayName": "k", "keyShape": shape}
    key = server.call("POST", f"{vault}/20180608/keys", body)["id"]
    [image] = server.call("GET", "/20160918/container/images", compartmentId=tenancy)["items"]
    acknowledged: list[str] = []

    def sign_on() -> None:
        with server.api() as api:
            for _ in range(10_000):
                try:
                    reply = api.post(f"/20260901/images/{image['id']}/actions/sign", json={"kmsKeyId": key})
                except httpx.HTTPError:
                    return
                acknowledged.append(reply.json()["id"])

    signer = threading.Thread(target=sign_on)
    signer.start()
    server.wait_for("some signatures", lambda: len(acknowledged) >= 3)
    server.kill()
    signer.join()
    server.start()
    listed = server.call("GET", "/20160918/container/imageSignatures", compartmentId=tenancy, imageId=image["id"])
    assert set(acknowledged) <= {record["id"] for record in listed["items"]}
    outcomes = server.call("GET", f"/20260901/images/{image['id']}/verification")["items"]
    assert outcomes
    assert all(outcome["isVerified"] for outcome in outcomes), outcomes


def test_a_scan_that_was_waiting_when_the_server_was_killed_is_made_at_the_restart(server: AssayServer) -> None:
    client, path = registry(server)
    push_image(client, path, "v1", bytes(10_240))
    tenancy = server.call("GET", "/20260901/sessions/current")["tenancyId"]
    [image] = server.call("GET", "/20160918/container/images", compartmentId=tenancy)["items"]
    server.call("POST", f"/20260901/repositories/{image['repositoryId']}/scanner", {})
    body = {"compartmentId": tenancy, "name": "vss", "description": "d", "statements": list(STATEMENTS)}
    server.call("POST", "/20160918/policies", body)
    server.kill()
    server.start()
    results = "/20210215/containerScanResults"
    server.wait_for("the scan", lambda: server.call("GET", results, compartmentId=tenancy)["items"])
