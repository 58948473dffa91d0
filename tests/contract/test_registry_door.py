"""The distribution door by HTTP, against a really started server: answers, headers, refusals (distribution-spec)."""

import base64
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_pieces import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, described, index_of, manifest_of
from registry_server import Account, Server, account_of, colleague_of, started

from assay.clock import MINUTE, SetClock
from assay.oci import Digest
from assay.registry import images, repositories, uploads
from assay.registry.manifests import MANIFEST_BYTES_MAX
from assay.registry.repositories import RepositoryChanges
from assay.storage import Store

LAYER = b"layer " * 1000
CONFIG = b'{"architecture":"amd64"}'


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as session:
        yield session


def push_blob(client: httpx.Client, content: bytes) -> str:
    digest = Digest.of(content).text
    answer = client.post("/blobs/uploads/", params={"digest": digest}, content=content)
    assert answer.status_code == 201, answer.text
    return digest


def push_image(client: httpx.Client, tag: str = "v1", layer: bytes = LAYER) -> bytes:
    for blob in (CONFIG, layer):
        push_blob(client, blob)
    content = manifest_of(CONFIG, [layer])
    answer = put(client, tag, content)
    assert answer.status_code == 201, answer.text
    return content


def put(client: httpx.Client, reference: str, content: bytes, media_type: str = OCI_MANIFEST, **headers: str) -> Any:
    return client.put(f"/manifests/{reference}", content=content, headers={"content-type": media_type, **headers})


def code_of(answer: httpx.Response) -> str:
    """The distribution code of an error, whose body must have the specification's form."""
    (error,) = answer.json()["errors"]
    assert set(error) == {"code", "message", "detail"}
    assert error["message"]
    return str(error["code"])


def challenge_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 401, answer.text
    assert code_of(answer) == "UNAUTHORIZED"
    said = answer.headers["www-authenticate"]
    assert said.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', said))


class TestSigningIn:
    def test_who_says_nothing_is_sent_to_the_token_server(self, server: Server) -> None:
        for path in ("/v2/", "/v2"):
            said = challenge_of(httpx.get(f"{server.url}{path}"))
            assert said == {"realm": f"{server.url}/20180419/docker/token", "service": "registry.test"}
        said = challenge_of(httpx.post(f"{server.path()}/blobs/uploads/"))
        assert said["scope"] == f"repository:{server.account.namespace}/team/app:pull,push"

    def test_a_bearer_token_without_scope_is_enough_for_the_base(self, server: Server) -> None:
        headers = {"authorization": f"Bearer {server.bearer()}"}
        answer = httpx.get(f"{server.url}/v2/", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
        assert challenge_of(httpx.get(f"{server.path()}/tags/list", headers=headers))["error"] == "insufficient_scope"

    def test_a_token_for_pulling_does_not_push_nor_reach_another_repository(self, server: Server) -> None:
        with server.client() as client:
            push_image(client)
        with server.client(actions="pull") as client:
            assert client.get("/manifests/v1").status_code == 200
            assert challenge_of(client.post("/blobs/uploads/"))["error"] == "insufficient_scope"
            other = httpx.get(f"{server.path('team/other')}/tags/list", headers=client.headers)
            assert challenge_of(other)["scope"].endswith("/team/other:pull")

    def test_several_scopes_are_given_with_one_token_in_either_spelling(self, server: Server) -> None:
        name = f"repository:{server.account.namespace}"
        for scopes in (
            [f"{name}/team/a:push,pull", f"{name}/team/b:pull"],
            [f"{name}/team/a:pull,push {name}/team/b:pull"],
        ):
            headers = {"authorization": f"Bearer {server.bearer(*scopes)}"}
            assert httpx.post(f"{server.path('team/a')}/blobs/uploads/", headers=headers).status_code == 202
            assert httpx.get(f"{server.path('team/b')}/tags/list", headers=headers).status_code == 404

    def test_the_token_answer_has_what_clients_read(self, server: Server) -> None:
        auth = (server.account.login, server.account.token)
        for path in ("/20180419/docker/token", "/token"):
            answer = httpx.get(f"{server.url}{path}?service=registry.test&account=me", auth=auth)
            body = answer.json()
            assert body["token"] == body["access_token"]
            assert (body["expires_in"], body["issued_at"]) == (300, "2026-08-01T12:00:00.000Z")
            assert answer.headers["cache-control"] == "no-store"

    def test_the_password_grant_of_oauth_works_and_others_are_refused(self, server: Server) -> None:
        account = server.account
        scope = f"repository:{account.namespace}/team/app:pull,push"
        form = {"grant_type": "password", "username": account.login, "password": account.token, "scope": scope}
        token = httpx.post(f"{server.url}/token", data=form).json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.post(f"{server.path()}/blobs/uploads/", headers=headers).status_code == 202
        for wrong in ({"grant_type": "refresh_token"}, {**form, "password": "wrong"}, {}):
            assert httpx.post(f"{server.url}/token", data=wrong).status_code in (400, 401)
        assert httpx.post(f"{server.url}/token", content=b"x" * 70_000).status_code == 413

    @pytest.mark.parametrize("login", ["{ns}/nobody", "{ns}/admin/", "other/admin", "admin", ""])
    def test_wrong_credentials_get_no_token(self, server: Server, login: str) -> None:
        name = login.format(ns=server.account.namespace)
        answer = httpx.get(f"{server.url}/token", auth=(name, server.account.token))
        assert (answer.status_code, code_of(answer)) == (401, "UNAUTHORIZED")

    @pytest.mark.parametrize("header", ["Basic !!!", "Basic bm9jb2xvbg==", "Negotiate x", "Bearer x", "Bearer a.b.c"])
    def test_a_header_that_does_not_read_is_refused(self, server: Server, header: str) -> None:
        for url in (f"{server.url}/v2/", f"{server.path()}/tags/list"):
            assert challenge_of(httpx.get(url, headers={"authorization": header}))["error"] == "invalid_token"

    def test_a_bearer_token_ends(self, server: Server, clock: SetClock) -> None:
        headers = {"authorization": f"Bearer {server.bearer()}"}
        clock.advance(5 * MINUTE)
        assert challenge_of(httpx.get(f"{server.url}/v2/", headers=headers))["error"] == "invalid_token"

    def test_an_auth_token_may_be_sent_as_it_is(self, server: Server) -> None:
        answer = httpx.post(f"{server.path()}/blobs/uploads/", auth=(server.account.login, server.account.token))
        assert answer.status_code == 202


class TestWhoMay:
    def test_a_public_repository_is_pulled_by_anybody_and_pushed_by_nobody_else(self, server: Server) -> None:
        with server.client() as client:
            content = push_image(client)
        account = server.account
        ocid = repositories.by_name(server.store, account.actor, "team/app").ocid
        assert challenge_of(httpx.get(f"{server.path()}/manifests/v1"))["scope"].endswith("team/app:pull")
        repositories.change(server.store, account.actor, ocid, RepositoryChanges(is_public=True))
        anonymous = {"authorization": f"Bearer {anonymous_token(server)}"}
        for headers in ({}, anonymous):
            assert httpx.get(f"{server.path()}/manifests/v1", headers=headers).content == content
            blob = httpx.get(f"{server.path()}/blobs/{Digest.of(LAYER)}", headers=headers)
            assert blob.content == LAYER
            challenge_of(httpx.post(f"{server.path()}/blobs/uploads/", headers=headers))
            challenge_of(httpx.delete(f"{server.path()}/manifests/v1", headers=headers))

    def test_a_stranger_cannot_tell_what_is_missing_from_what_is_private(self, server: Server, store: Store) -> None:
        with server.client() as client:
            push_image(client)
        stranger = account_of(store, "strangers")
        answers = []
        for name in ("team/app", "team/nothing"):
            for namespace in (server.account.namespace, "nosuchspace1"):
                headers = {"authorization": f"Bearer {bearer_for(server, stranger, namespace, name)}"}
                answer = httpx.get(f"{server.url}/v2/{namespace}/{name}/manifests/v1", headers=headers)
                answers.append((answer.status_code, answer.text.replace(name, "")))
        assert set(answers) == {(404, answers[0][1])}
        for namespace in (server.account.namespace, "nosuchspace1"):
            challenge_of(httpx.get(f"{server.url}/v2/{namespace}/team/app/manifests/v1"))

    def test_statements_decide_who_pulls_and_who_pushes(self, server: Server, store: Store) -> None:
        with server.client() as client:
            push_image(client)
        reader = colleague_of(server.account, store, "reader", "allow group reader to read repos in tenancy")
        pusher = colleague_of(
            server.account,
            store,
            "pusher",
            "allow group pusher to manage repos in tenancy where all {target.repo.name = /team/*/,"
            " any {request.permission = 'REPOSITORY_READ', request.permission = 'REPOSITORY_UPDATE'}}",
        )
        outsider = colleague_of(server.account, store, "outsider")
        allowed = {"reader": (200, 404), "pusher": (200, 202), "outsider": (404, 404)}
        for account, expected in zip((reader, pusher, outsider), allowed.values(), strict=True):
            headers = {"authorization": f"Bearer {bearer_for(server, account, account.namespace, 'team/app')}"}
            pulled = httpx.get(f"{server.path()}/manifests/v1", headers=headers)
            pushed = httpx.post(f"{server.path()}/blobs/uploads/", headers=headers)
            assert (pulled.status_code, pushed.status_code) == expected, account.login
        headers = {"authorization": f"Bearer {bearer_for(server, pusher, pusher.namespace, 'team/new')}"}
        # Creating on push takes REPOSITORY_CREATE in the root compartment, which this group hasn't got.
        assert httpx.post(f"{server.path('team/new')}/blobs/uploads/", headers=headers).status_code == 404

    def test_the_catalogue_shows_what_one_may_pull_page_by_page(self, server: Server, store: Store) -> None:
        for name in ("team/a", "team/b", "other/c"):
            with server.client(name) as client:
                push_blob(client, LAYER)
        limited = colleague_of(
            server.account,
            store,
            "limited",
            "allow group limited to read repos in tenancy where target.repo.name = /team/*/",
        )
        space = server.account.namespace
        assert catalogue(server, server.account) == [f"{space}/other/c", f"{space}/team/a", f"{space}/team/b"]
        assert catalogue(server, limited) == [f"{space}/team/a", f"{space}/team/b"]
        assert catalogue(server, limited, n=1) == [f"{space}/team/a", f"{space}/team/b"]
        assert catalogue(server, account_of(store, "strangers")) == []
        assert challenge_of(httpx.get(f"{server.url}/v2/_catalog"))["scope"] == "registry:catalog:*"


def anonymous_token(server: Server) -> str:
    scope = f"repository:{server.account.namespace}/team/app:pull,push,delete"
    return str(httpx.get(f"{server.url}/token", params={"scope": scope}).json()["token"])


def bearer_for(server: Server, account: Account, namespace: str, name: str) -> str:
    return server.bearer(f"repository:{namespace}/{name}:pull,push,delete", account=account)


def catalogue(server: Server, account: Account, **query: int) -> list[str]:
    """All pages of the catalogue."""
    headers = {"authorization": f"Bearer {server.bearer('registry:catalog:*', account=account)}"}
    found: list[str] = []
    path = f"/v2/_catalog?{httpx.QueryParams(query)}"
    while path:
        answer = httpx.get(f"{server.url}{path}", headers=headers)
        found += answer.json()["repositories"]
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        path = link.group(1) if link else ""
    return found


class TestUploads:
    def test_a_blob_is_pushed_in_one_request(self, client: httpx.Client, server: Server) -> None:
        digest = push_blob(client, LAYER)
        answer = client.get(f"/blobs/{digest}")
        assert answer.content == LAYER
        assert answer.headers["docker-content-digest"] == digest
        assert answer.headers["content-type"] == "application/octet-stream"

    def test_a_blob_is_pushed_in_chunks(self, client: httpx.Client, server: Server) -> None:
        begun = client.post("/blobs/uploads/")
        assert (begun.status_code, begun.headers["range"]) == (202, "0-0")
        location = f"{server.url}{begun.headers['location']}"
        assert begun.headers["docker-upload-uuid"] == location.rsplit("/", 1)[1]
        for start, end in ((0, 2000), (2000, 5000)):
            answer = client.patch(location, content=LAYER[start:end], headers={"content-range": f"{start}-{end - 1}"})
            assert (answer.status_code, answer.headers["range"]) == (202, f"0-{end - 1}")
        answer = client.put(location, params={"digest": Digest.of(LAYER).text}, content=LAYER[5000:])
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/v2/{server.account.namespace}/team/app/blobs/{Digest.of(LAYER)}"
        assert client.get(f"/blobs/{Digest.of(LAYER)}").content == LAYER
        assert code_of(client.get(location)) == "BLOB_UPLOAD_UNKNOWN"

    def test_a_blob_is_streamed_without_length_in_many_pieces(self, client: httpx.Client, server: Server) -> None:
        content = b"0123456789abcdef" * 200_000
        location = f"{server.url}{client.post('/blobs/uploads/').headers['location']}"
        stream = (content[start : start + 70_001] for start in range(0, len(content), 70_001))
        assert client.patch(location, content=stream).headers["range"] == f"0-{len(content) - 1}"
        assert client.put(location, params={"digest": Digest.of(content).text}).status_code == 201
        assert client.get(f"/blobs/{Digest.of(content)}").content == content

    def test_disorder_is_answered_with_416_and_the_status_says_where_to_go_on(
        self, client: httpx.Client, server: Server
    ) -> None:
        location = f"{server.url}{client.post('/blobs/uploads/').headers['location']}"
        client.patch(location, content=LAYER[:100], headers={"content-range": "0-99"})
        for wrong in ("200-299", "0-99", "99-198"):
            answer = client.patch(location, content=LAYER[:100], headers={"content-range": wrong})
            assert (answer.status_code, code_of(answer)) == (416, "BLOB_UPLOAD_INVALID")
        answer = client.put(
            location,
            params={"digest": Digest.of(LAYER).text},
            content=LAYER[100:],
            headers={"content-range": f"0-{len(LAYER) - 101}"},
        )
        assert answer.status_code == 416
        status = client.get(location)
        assert (status.status_code, status.headers["range"]) == (204, "0-99")
        assert client.put(location, params={"digest": Digest.of(LAYER).text}, content=LAYER[100:]).status_code == 201

    def test_a_wrong_or_missing_digest_is_refused(self, client: httpx.Client, server: Server) -> None:
        wrong = Digest.of(b"something else").text
        answer = client.post("/blobs/uploads/", params={"digest": wrong}, content=LAYER)
        assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
        for digest in ("md5:abc", "sha256:abc", "sha256:" + "A" * 64, "nonsense", ""):
            answer = client.post("/blobs/uploads/", params={"digest": digest}, content=LAYER)
            assert (answer.status_code, code_of(answer)) == (400, "DIGEST_INVALID")
        location = f"{server.url}{client.post('/blobs/uploads/').headers['location']}"
        assert code_of(client.put(location, content=LAYER)) == "DIGEST_INVALID"
        assert client.put(location, params={"digest": wrong}, content=LAYER).status_code == 400
        assert client.get(location).status_code == 404
        assert client.head(f"/blobs/{Digest.of(LAYER)}").status_code == 404
        assert client.post("/blobs/uploads/", params={"digest-algorithm": "md5"}).status_code == 400

    def test_an_upload_is_cancelled(self, client: httpx.Client, server: Server) -> None:
        location = f"{server.url}{client.post('/blobs/uploads/').headers['location']}"
        assert client.delete(location).status_code == 204
        assert client.delete(location).status_code == 404
        assert client.patch(location, content=b"x").status_code == 404

    def test_what_came_of_a_broken_connection_is_kept_for_going_on(self, client: httpx.Client, server: Server) -> None:
        content = b"abcdefgh" * 500_000
        location = client.post("/blobs/uploads/").headers["location"]
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
            raw.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content[:3_000_000])
            deadline = time.monotonic() + 20
            upload = location.rsplit("/", 1)[1]
            while server.blobs.staged_size(upload) < 2_000_000 and time.monotonic() < deadline:
                time.sleep(0.01)
        end = wait_for_end(client, f"{server.url}{location}")
        assert 2_000_000 <= end + 1 <= 3_000_000
        rest = client.put(
            f"{server.url}{location}",
            params={"digest": Digest.of(content).text},
            content=content[end + 1 :],
            headers={"content-range": f"{end + 1}-{len(content) - 1}"},
        )
        assert rest.status_code == 201

    def test_a_mount_answers_at_once_or_begins_an_upload(self, client: httpx.Client, server: Server) -> None:
        space = server.account.namespace
        digest = push_blob(client, LAYER)
        both = server.bearer(f"repository:{space}/team/app:pull", f"repository:{space}/team/copy:pull,push")
        target = f"{server.path('team/copy')}/blobs/uploads/"
        headers = {"authorization": f"Bearer {both}"}
        query = {"mount": digest, "from": f"{space}/team/app"}
        mounted = httpx.post(target, params=query, headers=headers)
        assert (mounted.status_code, mounted.headers["docker-content-digest"]) == (201, digest)
        assert httpx.get(f"{server.url}{mounted.headers['location']}", headers=headers).content == LAYER
        unknown = httpx.post(target, params=query | {"mount": Digest.of(b"x").text}, headers=headers)
        assert unknown.status_code == 202
        elsewhere = httpx.post(target, params=query | {"from": "nosuchspace1/team/app"}, headers=headers)
        assert "repository:nosuchspace1/team/app:pull" in challenge_of(elsewhere)["scope"]
        assert httpx.post(target, params=query | {"mount": "sha256:0"}, headers=headers).status_code == 400

    def test_too_many_open_uploads_are_told_to_come_back_later(self, store: Store, tmp_path: Path) -> None:
        with started(store, tmp_path / "blobs", intake={"open_uploads_max": 1}) as server, server.client() as client:
            client.post("/blobs/uploads/")
            answer = client.post("/blobs/uploads/")
            assert (answer.status_code, code_of(answer)) == (429, "TOOMANYREQUESTS")
            assert answer.headers["retry-after"] == "5"


def wait_for_end(client: httpx.Client, location: str) -> int:
    """The last acknowledged byte, once the server has noticed that the writer is gone."""
    deadline = time.monotonic() + 20
    while True:
        end = int(client.get(location).headers["range"].removeprefix("0-"))
        if end > 0 or time.monotonic() > deadline:
            return end
        time.sleep(0.02)


class TestContent:
    def test_a_manifest_is_given_with_its_type_digest_and_entity_tag(
        self, client: httpx.Client, server: Server
    ) -> None:
        content = push_image(client)
        digest = Digest.of(content).text
        for reference in ("v1", digest):
            answer = client.get(f"/manifests/{reference}")
            assert answer.content == content
            assert answer.headers["content-type"] == OCI_MANIFEST
            assert answer.headers["docker-content-digest"] == digest
            head = client.head(f"/manifests/{reference}")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(content))
            again = client.get(f"/manifests/{reference}", headers={"if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")

    def test_pulls_are_counted_and_heads_are_not(self, client: httpx.Client, server: Server) -> None:
        push_image(client)
        for _ in range(3):
            client.get("/manifests/v1")
            client.head("/manifests/v1")
        assert server.services.pulls.count() == 3
        (image,) = images.listed(server.store, server.account.actor).items
        assert (image.pull_count, image.time_last_pulled) == (3, server.store.clock.now())
        assert server.services.pulls.count() == 0

    @pytest.mark.parametrize(
        ("asked", "status", "first", "last"),
        [
            ("bytes=0-0", 206, 0, 0),
            ("bytes=1000-1999", 206, 1000, 1999),
            ("bytes=5990-", 206, 5990, 5999),
            ("bytes=-10", 206, 5990, 5999),
            ("bytes=5990-999999", 206, 5990, 5999),
            ("bytes=0-1,3-4", 200, 0, 5999),
            ("nonsense", 200, 0, 5999),
        ],
    )
    def test_a_range_of_a_blob_is_given(
        self, client: httpx.Client, asked: str, status: int, first: int, last: int
    ) -> None:
        digest = push_blob(client, LAYER)
        answer = client.get(f"/blobs/{digest}", headers={"range": asked})
        assert (answer.status_code, answer.content) == (status, LAYER[first : last + 1])
        assert answer.headers.get("content-range") == (f"bytes {first}-{last}/6000" if status == 206 else None)
        stale = client.get(f"/blobs/{digest}", headers={"range": asked, "if-range": '"other"'})
        assert (stale.status_code, stale.content) == (200, LAYER)

    def test_a_range_behind_the_end_is_refused_with_the_size(self, client: httpx.Client) -> None:
        answer = client.get(f"/blobs/{push_blob(client, LAYER)}", headers={"range": "bytes=6000-"})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */6000")

    def test_a_blob_has_a_head_and_is_not_sent_twice(self, client: httpx.Client) -> None:
        digest = push_blob(client, LAYER)
        head = client.head(f"/blobs/{digest}", headers={"range": "bytes=0-5"})
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "6000", b"")
        again = client.get(f"/blobs/{digest}", headers={"if-none-match": head.headers["etag"]})
        assert again.status_code == 304

    def test_what_is_not_there_is_404_with_its_code(self, client: httpx.Client, server: Server) -> None:
        push_image(client)
        missing = {
            f"/blobs/{Digest.of(b'x')}": "BLOB_UNKNOWN",
            "/manifests/v2": "MANIFEST_UNKNOWN",
            f"/manifests/{Digest.of(b'x')}": "MANIFEST_UNKNOWN",
        }
        for path, code in missing.items():
            answer = client.get(path)
            assert (answer.status_code, code_of(answer)) == (404, code)
        with server.client("team/nothing") as other:
            answer = other.get("/tags/list")
            assert (answer.status_code, code_of(answer)) == (404, "NAME_UNKNOWN")

    def test_a_manifest_that_is_too_long_is_refused_before_or_while_it_comes(self, client: httpx.Client) -> None:
        content = manifest_of(CONFIG, [LAYER]) + b" " * MANIFEST_BYTES_MAX
        assert put(client, "v1", content).status_code == 413
        pieces = (content[start : start + 65536] for start in range(0, len(content), 65536))
        answer = client.put("/manifests/v1", content=pieces, headers={"content-type": OCI_MANIFEST})
        assert (answer.status_code, code_of(answer)) == (413, "SIZE_INVALID")

    def test_refusals_of_manifests_have_their_codes(self, client: httpx.Client) -> None:
        push_blob(client, CONFIG)
        cases = {
            (400, "MANIFEST_INVALID"): put(client, "v1", b"{"),
            (400, "MANIFEST_BLOB_UNKNOWN"): put(client, "v1", manifest_of(CONFIG, [LAYER])),
            (415, "MANIFEST_INVALID"): put(client, "v1", b"{}", "text/plain"),
            (400, "DIGEST_INVALID"): put(client, Digest.of(b"x").text, manifest_of(CONFIG, [])),
        }
        for expected, answer in cases.items():
            assert (answer.status_code, code_of(answer)) == expected
        for tag in (".hidden", "-dash", "a b", "x" * 129):
            assert put(client, tag, manifest_of(CONFIG, [])).status_code == 400

    def test_a_manifest_is_pushed_by_digest_with_tags(self, client: httpx.Client) -> None:
        content = push_image(client)
        answer = client.put(
            f"/manifests/{Digest.of(content)}",
            params=[("tag", "a"), ("tag", "b")],
            content=content,
            headers={"content-type": OCI_MANIFEST},
        )
        assert (answer.status_code, answer.headers["oci-tag"]) == (201, "a, b")
        assert client.get("/manifests/b").content == content

    def test_a_conditional_push_is_made_only_if_its_condition_holds(self, client: httpx.Client) -> None:
        first = push_image(client)
        second = manifest_of(CONFIG, [LAYER, CONFIG])
        assert put(client, "v1", second, **{"if-none-match": "*"}).status_code == 412
        assert put(client, "v1", second, **{"if-match": f'"{Digest.of(second)}"'}).status_code == 412
        assert put(client, "v1", second, **{"if-match": f'"{Digest.of(first)}"'}).status_code == 201
        assert put(client, "v2", second, **{"if-none-match": "*"}).status_code == 201

    def test_tags_are_listed_in_order_of_their_bytes_page_by_page(self, client: httpx.Client, server: Server) -> None:
        content = push_image(client, "b")
        for tag in ("a", "B", "_", "10", "9"):
            put(client, tag, content)
        everything = ["10", "9", "B", "_", "a", "b"]
        answer = client.get("/tags/list").json()
        assert answer == {"name": f"{server.account.namespace}/team/app", "tags": everything}
        found, path = [], "/tags/list?n=4"
        while path:
            page = client.get(path if not found else f"{server.url}{path}")
            found += page.json()["tags"]
            link = re.fullmatch(r'<([^>]+)>; rel="next"', page.headers.get("link", ""))
            path = link.group(1) if link else ""
        assert found == everything
        assert client.get("/tags/list?n=0").json()["tags"] == []
        assert "link" not in client.get("/tags/list?n=0").headers
        assert client.get("/tags/list?last=B").json()["tags"] == ["_", "a", "b"]
        for wrong in ("-1", "x", "1e3", "9" * 30):
            assert client.get("/tags/list", params={"n": wrong}).status_code == 400

    def test_referrers_are_given_as_an_index(self, client: httpx.Client) -> None:
        subject = push_image(client)
        referrer = manifest_of(
            CONFIG,
            [],
            artifactType="application/x.sbom",
            subject=described(subject, OCI_MANIFEST),
            annotations={"k": "v"},
        )
        answer = put(client, Digest.of(referrer).text, referrer)
        assert answer.headers["oci-subject"] == Digest.of(subject).text
        listed = client.get(f"/referrers/{Digest.of(subject)}")
        assert listed.headers["content-type"] == OCI_INDEX
        expected = described(referrer, OCI_MANIFEST, artifactType="application/x.sbom", annotations={"k": "v"})
        assert listed.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [expected]}
        narrowed = client.get(f"/referrers/{Digest.of(subject)}", params={"artifactType": "application/x.other"})
        assert (narrowed.json()["manifests"], narrowed.headers["oci-filters-applied"]) == ([], "artifactType")
        assert client.get(f"/referrers/{Digest.of(b'x')}").json()["manifests"] == []
        assert client.get("/referrers/nonsense").status_code == 400

    def test_tags_and_manifests_are_deleted(self, client: httpx.Client) -> None:
        content = push_image(client)
        put(client, "v2", content)
        assert client.delete("/manifests/v2").status_code == 202
        assert client.get("/manifests/v2").status_code == 404
        assert client.get("/manifests/v1").status_code == 200
        blob = f"/blobs/{Digest.of(LAYER)}"
        assert client.delete(blob).status_code == 405
        assert client.delete(f"/manifests/{Digest.of(content)}").status_code == 202
        assert client.get("/manifests/v1").status_code == 404
        assert client.delete(f"/manifests/{Digest.of(content)}").status_code == 404
        assert client.delete(blob).status_code == 202
        assert client.get(blob).status_code == 404

    def test_a_child_of_an_index_is_deleted_after_the_index(self, client: httpx.Client) -> None:
        child = push_image(client)
        index = index_of((child, "amd64"))
        put(client, "multi", index, OCI_INDEX)
        answer = client.delete(f"/manifests/{Digest.of(child)}")
        assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")
        assert client.delete(f"/manifests/{Digest.of(index)}").status_code == 202
        assert client.delete(f"/manifests/{Digest.of(child)}").status_code == 202


class TestHostileRequests:
    @pytest.mark.parametrize(
        "name", ["Team/App", "team//app", "team/%2e%2e/app", "..%2fapp", "a" * 300, "team/app%00", "tëam", "-a", "a/"]
    )
    def test_a_name_that_is_none_is_refused(self, server: Server, name: str) -> None:
        url = f"{server.url}/v2/{server.account.namespace}/{name}/manifests/v1"
        answer = httpx.get(url, auth=(server.account.login, server.account.token))
        assert answer.status_code in (400, 404)
        answer = httpx.post(
            f"{server.url}/v2/{server.account.namespace}/{name}/blobs/uploads/",
            auth=(server.account.login, server.account.token),
        )
        assert answer.status_code in (400, 404)

    def test_other_paths_and_methods_are_refused(self, client: httpx.Client, server: Server) -> None:
        for path in ("/nothing/here", "/manifests", "/blobs/", "/blobs/uploads/x/y", "/tags/all"):
            assert client.get(path).status_code in (400, 404)
        allow = {"/manifests/v1": "DELETE, GET, HEAD, PUT", "/blobs/x": "DELETE, GET, HEAD", "/tags/list": "GET, HEAD"}
        for method, path in (("POST", "/manifests/v1"), ("PATCH", "/blobs/x"), ("DELETE", "/tags/list")):
            answer = client.request(method, path)
            assert (answer.status_code, code_of(answer)) == (405, "UNSUPPORTED")
            assert answer.headers["allow"] == allow[path]
        answer = client.get("/a%0Ab/tags/list")
        assert (answer.status_code, code_of(answer)) == (400, "NAME_INVALID")
        assert httpx.get(f"{server.url}/v20").status_code == 404
        assert httpx.post(f"{server.url}/v2/").status_code == 405
        assert httpx.get(f"{server.url}/v2/" + "a/" * 2000).status_code == 400
        many = "&".join(f"tag=t{number}" for number in range(200))
        assert client.put(f"/manifests/{Digest.of(b'x')}?{many}", content=b"{}").status_code == 400

    def test_a_basic_header_of_many_bytes_is_refused(self, server: Server) -> None:
        value = base64.b64encode(b"a:" + b"b" * 30_000).decode()
        challenge_of(httpx.get(f"{server.url}/v2/", headers={"authorization": f"Basic {value}"}))

    @pytest.mark.parametrize(
        "framing",
        [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: -5",
            "Transfer-Encoding: xchunked",
        ],
    )
    def test_a_body_framed_in_two_ways_is_refused(self, client: httpx.Client, server: Server, framing: str) -> None:
        location = client.post("/blobs/uploads/").headers["location"]
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
            raw.sendall(f"{head}{framing}\r\n\r\nhello".encode())
            assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")
        session = location.rsplit("/", 1)[1]
        held = uploads.status(server.services.intake, server.account.actor, "team/app", session)
        assert held.acknowledged == 0


def test_a_config_blob_is_served_like_any_other(client: httpx.Client) -> None:
    push_image(client)
    assert json.loads(client.get(f"/blobs/{Digest.of(CONFIG)}").content) == {"architecture": "amd64"}
    assert OCI_CONFIG in client.get("/manifests/v1").text
