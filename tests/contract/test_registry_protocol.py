"""Clauses of the distribution specification and of HTTP beneath it, one by one, against a really started server."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_pieces import OCI_CONFIG, OCI_MANIFEST, described, manifest_of
from registry_server import Server, account_of, colleague_of, started

from assay.oci import Digest, MediaType
from assay.registry import images, repositories
from assay.storage import Store

LAYER = b"layer " * 1000
CONFIG = b'{"architecture":"amd64"}'
DOCKER_MANIFEST = MediaType.DOCKER_MANIFEST.value
DOCKER_LIST = MediaType.DOCKER_LIST.value


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as session:
        yield session


def push_blob(client: httpx.Client, content: bytes, algorithm: str = "sha256") -> Digest:
    digest = Digest.of(content, algorithm)
    answer = client.post("/blobs/uploads/", params={"digest": digest.text}, content=content)
    assert answer.status_code == 201, answer.text
    return digest


def put(client: httpx.Client, reference: object, content: bytes, kind: str = OCI_MANIFEST, **headers: str) -> Any:
    return client.put(f"/manifests/{reference}", content=content, headers={"content-type": kind, **headers})


def push_image(client: httpx.Client, tag: str = "v1", layer: bytes = LAYER) -> Digest:
    for blob in (CONFIG, layer):
        push_blob(client, blob)
    content = manifest_of(CONFIG, [layer])
    assert put(client, tag, content).status_code == 201
    return Digest.of(content)


class TestConditions:
    """RFC 9110, section 13."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_who_has_it_is_not_sent_it_again(self, client: httpx.Client, method: str) -> None:
        image = push_image(client)
        other = Digest.of(b"other")
        for path, digest in ((f"/blobs/{Digest.of(LAYER)}", Digest.of(LAYER)), ("/manifests/v1", image)):
            for known in (f'"{digest}"', f'W/"{digest}"', f'"{other}" , "{digest}"', "*"):
                answer = client.request(method, path, headers={"if-none-match": known})
                assert (answer.status_code, answer.content) == (304, b""), known
                assert answer.headers["etag"] == f'"{digest}"'
            for unknown in (f'"{other}"', f'W/"{other}"', f'"{digest}', "nonsense", '""'):
                assert client.request(method, path, headers={"if-none-match": unknown}).status_code == 200, unknown

    @pytest.mark.parametrize("path", [f"/blobs/{Digest.of(LAYER)}", "/manifests/v1"])
    def test_a_reader_may_want_just_one_content(self, client: httpx.Client, path: str) -> None:
        push_image(client)
        etag = client.head(path).headers["etag"]
        for wanted in (etag, f'"{Digest.of(b"other")}", {etag}', "*"):
            assert client.get(path, headers={"if-match": wanted}).status_code == 200
        for wanted in (f'"{Digest.of(b"other")}"', f"W/{etag}"):
            answer = client.get(path, headers={"if-match": wanted})
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (412, "UNSUPPORTED")

    def test_a_range_is_given_only_of_what_the_reader_has_begun_with(self, client: httpx.Client) -> None:
        path = f"/blobs/{push_blob(client, LAYER)}"
        etag = f'"{Digest.of(LAYER)}"'
        asked = {"range": "bytes=1-2"}
        assert client.get(path, headers={**asked, "if-range": etag}).status_code == 206
        for other in (f"W/{etag}", '"other"', "Sun, 06 Nov 1994 08:49:37 GMT"):
            answer = client.get(path, headers={**asked, "if-range": other})
            assert (answer.status_code, answer.content) == (200, LAYER)

    def test_a_tag_is_moved_and_removed_only_on_its_condition(self, client: httpx.Client) -> None:
        first = push_image(client)
        second = manifest_of(CONFIG, [LAYER, CONFIG])
        old, new = f'"{first}"', f'"{Digest.of(second)}"'
        assert put(client, "v1", second, **{"if-none-match": old}).status_code == 412
        assert put(client, "v1", second, **{"if-match": f"W/{old}"}).status_code == 412
        assert put(client, "v2", second, **{"if-match": "*"}).status_code == 412  # there is no v2
        assert client.get("/manifests/v1").headers["docker-content-digest"] == first.text
        assert put(client, "v1", second, **{"if-match": f"{new}, {old}"}).status_code == 201
        assert put(client, "v1", second, **{"if-match": "*"}).status_code == 201
        assert client.delete("/manifests/v1", headers={"if-match": old}).status_code == 412
        assert client.delete("/manifests/v1", headers={"if-match": new}).status_code == 202


class TestReading:
    def test_a_head_has_the_headers_of_its_get(self, client: httpx.Client) -> None:
        image = push_image(client)
        missing = Digest.of(b"missing")
        paths = ("/manifests/v1", f"/manifests/{image}", f"/blobs/{Digest.of(LAYER)}", "/tags/list?n=1")
        for path in (*paths, f"/referrers/{image}", f"/blobs/{missing}", "/manifests/none", "/tags/list?n=x"):
            head, get = client.head(path), client.get(path)
            varying = {"date"}
            assert head.status_code == get.status_code, path
            assert {k: v for k, v in head.headers.items() if k not in varying} == {
                k: v for k, v in get.headers.items() if k not in varying
            }, path
            assert head.content == b""
            assert int(head.headers["content-length"]) == len(get.content)

    @pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=0-1, -2", "lines=1-2", "bytes=-", "bytes=a-b", "bytes"])
    def test_what_is_not_one_range_is_answered_as_if_it_was_not_said(self, client: httpx.Client, asked: str) -> None:
        # RFC 9110, section 14.2: "A server MAY ignore the Range header field."
        answer = client.get(f"/blobs/{push_blob(client, LAYER)}", headers={"range": asked})
        assert (answer.status_code, answer.content) == (200, LAYER)
        assert "content-range" not in answer.headers

    def test_schema_1_is_refused_in_words(self, client: httpx.Client) -> None:
        old = {
            "schemaVersion": 1,
            "name": "team/app",
            "tag": "v1",
            "architecture": "amd64",
            "fsLayers": [],
            "history": [],
        }
        for kind in ("application/vnd.docker.distribution.manifest.v1+json", MediaType.DOCKER_SCHEMA1_SIGNED.value):
            answer = put(client, "v1", json.dumps(old).encode(), kind)
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["code"]) == (400, "MANIFEST_INVALID")
            assert "schema 1" in error["message"]

    def test_dockers_manifests_and_lists_come_back_as_they_were_sent(
        self, client: httpx.Client, server: Server
    ) -> None:
        for blob in (CONFIG, LAYER):
            push_blob(client, blob)
        child = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": described(CONFIG, MediaType.DOCKER_CONFIG.value),
                "layers": [described(LAYER, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
            },
            indent=3,
        ).encode()
        platform = {"os": "linux", "architecture": "amd64"}
        document = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": []}
        listed = json.dumps({**document, "manifests": [described(child, DOCKER_MANIFEST, platform=platform)]}).encode()
        assert put(client, Digest.of(child), child, DOCKER_MANIFEST).status_code == 201
        assert put(client, "v1", listed, DOCKER_LIST).status_code == 201
        for reference, content, kind in ((Digest.of(child), child, DOCKER_MANIFEST), ("v1", listed, DOCKER_LIST)):
            answer = client.get(f"/manifests/{reference}", headers={"accept": OCI_MANIFEST})
            assert (answer.content, answer.headers["content-type"]) == (content, kind)
        assert [each.version for each in images.listed(server.store, server.account.actor).items] == ["v1"]

    def test_an_image_without_layers_is_an_image(self, client: httpx.Client, server: Server) -> None:
        push_blob(client, CONFIG)
        assert put(client, "empty", manifest_of(CONFIG, [])).status_code == 201
        (image,) = images.listed(server.store, server.account.actor).items
        assert (image.display_name, image.layers_bytes) == ("team/app:empty", 0)

    def test_an_artifact_of_a_type_that_nobody_knows_is_kept_and_is_no_image(
        self, client: httpx.Client, server: Server
    ) -> None:
        push_blob(client, b"{}")
        push_blob(client, b"weights")
        content = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": "application/vnd.unheard-of.thing.v7",
                "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
                "layers": [described(b"weights", "application/x-nobody-knows")],
            }
        ).encode()
        assert put(client, "thing", content).status_code == 201
        assert client.get("/manifests/thing").content == content
        assert client.get("/tags/list").json()["tags"] == ["thing"]
        assert images.listed(server.store, server.account.actor).items == ()


class TestUploads:
    def test_a_chunk_out_of_order_is_told_where_to_go_on(self, client: httpx.Client, server: Server) -> None:
        location = client.post("/blobs/uploads/").headers["location"]
        session = f"{server.url}{location}"
        assert client.patch(session, content=b"01234", headers={"content-range": "0-4"}).status_code == 202
        whole = Digest.of(b"0123456789")
        for method, query in (("PATCH", {}), ("PUT", {"digest": whole.text})):
            for where in ("0-4", "6-10", "999999999999-1000000000003", "nonsense"):
                answer = client.request(
                    method, session, params=query, content=b"56789", headers={"content-range": where}
                )
                assert answer.status_code == 416, (method, where)
                assert answer.headers["range"] == "0-4"
                assert answer.headers["location"] == location
                assert answer.json()["errors"][0]["code"] == "BLOB_UPLOAD_INVALID"
        last = client.put(session, params={"digest": whole.text}, content=b"56789", headers={"content-range": "5-9"})
        assert last.status_code == 201
        assert client.get(
            last.headers["location"].removeprefix(f"/v2/{server.account.namespace}/team/app")
        ).content == (b"0123456789")

    def test_a_wrong_digest_ends_the_session_and_leaves_nothing(self, client: httpx.Client, server: Server) -> None:
        session = f"{server.url}{client.post('/blobs/uploads/').headers['location']}"
        client.patch(session, content=b"01234")
        wrong = Digest.of(b"other")
        answer = client.put(session, params={"digest": wrong.text}, content=b"56789")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
        assert client.get(session).status_code == 404
        for digest in (wrong, Digest.of(b"0123456789")):
            assert client.head(f"/blobs/{digest}").status_code == 404
            assert server.blobs.size(digest) is None

    @pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha999", "SHA256", ""])
    def test_an_algorithm_that_is_not_known_is_400(self, client: httpx.Client, algorithm: str) -> None:
        session = client.post("/blobs/uploads/").headers["location"]
        told = f"{algorithm}:{'0' * 40}"
        for answer in (
            client.post("/blobs/uploads/", params={"digest-algorithm": algorithm or "x"}),
            client.post("/blobs/uploads/", params={"digest": told}, content=b"x"),
            client.post("/blobs/uploads/", params={"mount": told}),
            client.put(f"{client.base_url.copy_with(raw_path=session.encode())}", params={"digest": told}),
            client.get(f"/blobs/{told}"),
        ):
            assert answer.status_code in (400, 404), answer.request.url
            assert answer.json()["errors"][0]["code"] in ("DIGEST_INVALID", "BLOB_UNKNOWN")

    def test_everything_works_by_sha512(self, client: httpx.Client, server: Server) -> None:
        config, layer = push_blob(client, CONFIG, "sha512"), Digest.of(LAYER, "sha512")
        begun = client.post("/blobs/uploads/", params={"digest-algorithm": "sha512"})
        session = f"{server.url}{begun.headers['location']}"
        client.patch(session, content=LAYER[:100], headers={"content-range": "0-99"})
        assert client.put(session, params={"digest": layer.text}, content=LAYER[100:]).status_code == 201
        part = client.get(f"/blobs/{layer}", headers={"range": "bytes=-6"})
        assert (part.status_code, part.content) == (206, b"layer ")
        with server.client("team/other") as other:
            here = f"{server.account.namespace}/team/app"
            token = server.bearer(
                f"repository:{here}:pull", f"repository:{server.account.namespace}/team/other:pull,push"
            )
            bearing = {"authorization": f"Bearer {token}"}
            mounted = other.post("/blobs/uploads/", params={"mount": layer.text, "from": here}, headers=bearing)
            assert (mounted.status_code, mounted.headers["docker-content-digest"]) == (201, layer.text)
        described_by = {"config": (config, CONFIG, OCI_CONFIG), "layer": (layer, LAYER, MediaType.OCI_LAYER_GZIP.value)}
        named = {
            what: {"mediaType": kind, "digest": digest.text, "size": len(content)}
            for what, (digest, content, kind) in described_by.items()
        }
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": named["config"]}
        content = json.dumps({**document, "layers": [named["layer"]]}).encode()
        image = Digest.of(content, "sha512")
        answer = client.put(
            f"/manifests/{image}", params={"tag": ["a", "b"]}, content=content, headers={"content-type": OCI_MANIFEST}
        )
        assert (answer.status_code, answer.headers["docker-content-digest"]) == (201, image.text)
        assert sorted(re.split(r",\s*", answer.headers["oci-tag"])) == ["a", "b"]
        for reference in (image, "a", "b"):
            served = client.get(f"/manifests/{reference}")
            assert (served.content, served.headers["docker-content-digest"]) == (content, image.text)
        about = {"mediaType": OCI_MANIFEST, "digest": image.text, "size": len(content)}
        referrer = json.dumps(
            {**document, "layers": [], "artifactType": "application/x.sbom", "subject": about}
        ).encode()
        pushed = put(client, Digest.of(referrer, "sha512"), referrer)
        assert pushed.headers["oci-subject"] == image.text
        listed = client.get(f"/referrers/{image}").json()["manifests"]
        assert [each["digest"] for each in listed] == [Digest.of(referrer, "sha512").text]
        assert client.delete(f"/manifests/{image}").status_code == 202
        assert client.get("/manifests/a").status_code == 404


class TestMounting:
    @pytest.fixture
    def blob(self, client: httpx.Client) -> Digest:
        return push_blob(client, LAYER)

    def mount(
        self, server: Server, blob: Digest, source: str | None = None, account: Any = None, to: str = "to"
    ) -> int:
        """The status of a mount into a repository of the account's tenancy."""
        account = account or server.account
        query = {"mount": blob.text} | ({"from": source} if source is not None else {})
        url = f"{server.url}/v2/{account.namespace}/{to}/blobs/uploads/"
        answer = httpx.post(url, params=query, auth=(account.login, account.token))
        if answer.status_code == 202:  # nothing was mounted: a session has begun
            path = f"{server.url}/v2/{account.namespace}/{to}/blobs/{blob}"
            assert httpx.head(path, auth=(account.login, account.token)).status_code == 404
        return answer.status_code

    def test_a_blob_is_mounted_from_where_the_caller_says_or_wherever_they_may_pull_it(
        self, server: Server, blob: Digest
    ) -> None:
        assert self.mount(server, blob, f"{server.account.namespace}/team/app") == 201
        assert self.mount(server, blob, to="elsewhere") == 201
        assert self.mount(server, Digest.of(b"nobody has it")) == 202
        assert self.mount(server, blob, f"{server.account.namespace}/no/such", to="third") == 202

    @pytest.mark.parametrize("source", ["", "/", "Team/App", "../team/app", "a b", "x" * 300])
    def test_a_source_that_is_no_name_mounts_nothing(self, server: Server, blob: Digest, source: str) -> None:
        assert self.mount(server, blob, source) == 202
        token = server.bearer(f"repository:{server.account.namespace}/to:pull,push")
        answer = httpx.post(
            f"{server.path('to')}/blobs/uploads/",
            params={"mount": blob.text, "from": source},
            headers={"authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 202

    def test_nothing_is_mounted_out_of_another_tenancy(self, server: Server, blob: Digest, store: Store) -> None:
        stranger = account_of(store, "others")
        assert self.mount(server, blob, account=stranger) == 202
        assert self.mount(server, blob, f"{server.account.namespace}/team/app", account=stranger) == 202
        repository = repositories.by_name(store, server.account.actor, "team/app")
        changes = repositories.RepositoryChanges(is_public=True)
        repositories.change(store, server.account.actor, repository.ocid, changes)
        assert self.mount(server, blob, f"{server.account.namespace}/team/app", account=stranger) == 202

    def test_nothing_is_mounted_out_of_a_repository_that_the_caller_may_not_read(
        self, server: Server, blob: Digest, store: Store
    ) -> None:
        statement = "allow group bob to manage repos in tenancy where target.repo.name = 'to'"
        bob = colleague_of(server.account, store, "bob", statement)
        assert self.mount(server, blob, account=bob) == 202
        assert self.mount(server, blob, f"{bob.namespace}/team/app", account=bob) == 202

    def test_nothing_is_mounted_out_of_a_repository_that_was_deleted(
        self, server: Server, blob: Digest, store: Store
    ) -> None:
        repository = repositories.by_name(store, server.account.actor, "team/app")
        repositories.delete(store, server.account.actor, repository.ocid)
        assert self.mount(server, blob) == 202
        assert self.mount(server, blob, f"{server.account.namespace}/team/app", to="again") == 202
