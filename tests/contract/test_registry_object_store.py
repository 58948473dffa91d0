"""The registry with its blobs in an S3-compatible store, over HTTP: what holds for a folder holds there too."""

import gzip
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from blob_media import S3Medium, cleared
from inventory_layers import END, debian, dpkg_record, python_package
from registry_layouts import Layout
from registry_pieces import manifest_of
from registry_server import Server, colleague_of, started
from s3_server import S3Server, s3_server

from assay.errors import Unavailable
from assay.inventory import Component, LayerReaders, catalog
from assay.oci import Descriptor, Digest, MediaType
from assay.registry import images
from assay.storage import Store

#: What the database has to do with it is told apart elsewhere.
DATABASES = ["sqlite", "postgres"] if os.environ.get("ASSAY_TEST_SIZE") == "full" else ["sqlite"]

pytestmark = [pytest.mark.real, pytest.mark.parametrize("database", DATABASES, indirect=True)]

#: Three segments, the last one short.
CONTENT = random.Random(11).randbytes(20_000_000)
DIGEST = Digest.of(CONTENT)
MANIFEST_TYPE = {"content-type": MediaType.OCI_MANIFEST.value}


@pytest.fixture
def medium(s3: S3Server) -> Iterator[S3Medium]:
    with ExitStack() as closing:
        yield closing.enter_context(cleared(S3Medium(s3, closing)))


@pytest.fixture
def server(store: Store, medium: S3Medium, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path, blobs=medium.blobs) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client(timeout=120) as client:
        yield client


def push_blob(client: httpx.Client, content: bytes) -> str:
    digest = Digest.of(content).text
    answer = client.post("/blobs/uploads/", params={"digest": digest}, content=content)
    assert answer.status_code == 201, answer.text
    return digest


def test_an_image_is_pushed_in_chunks_and_pulled(client: httpx.Client, server: Server, medium: S3Medium) -> None:
    location = server.url + client.post("/blobs/uploads/").headers["location"]
    for start, end in ((0, 7_000_001), (7_000_001, 7_000_002), (7_000_002, len(CONTENT))):
        chunk = {"content-range": f"{start}-{end - 1}"}
        answer = client.patch(location, content=CONTENT[start:end], headers=chunk)
        assert (answer.status_code, answer.headers["range"]) == (202, f"0-{end - 1}")
    assert client.patch(location, content=b"x", headers={"content-range": "5-5"}).status_code == 416
    assert client.get(location).headers["range"] == f"0-{len(CONTENT) - 1}"
    assert client.put(location, params={"digest": DIGEST.text}).status_code == 201
    assert medium.blobs.staged() == ()
    push_blob(client, b"{}")
    manifest = manifest_of(b"{}", [CONTENT])
    assert client.put("/manifests/v1", content=manifest, headers=MANIFEST_TYPE).status_code == 201
    assert client.get("/manifests/v1").content == manifest
    head = client.head(f"/blobs/{DIGEST}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "20000000", b"")
    whole = client.get(f"/blobs/{DIGEST}")
    assert (whole.headers["content-length"], whole.content == CONTENT) == ("20000000", True)


def test_ranges_are_answered_with_just_those_bytes(client: httpx.Client) -> None:
    push_blob(client, CONTENT)
    for asked, start, end in (
        ("0-0", 0, 1),
        ("8388600-8388619", 8388600, 8388620),
        ("-5", len(CONTENT) - 5, len(CONTENT)),
    ):
        answer = client.get(f"/blobs/{DIGEST}", headers={"range": f"bytes={asked}"})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
        assert answer.headers["content-length"] == str(end - start)
        assert answer.content == CONTENT[start:end]
    assert client.get(f"/blobs/{DIGEST}", headers={"range": "bytes=20000000-"}).status_code == 416
    assert client.get(f"/blobs/{DIGEST}", headers={"if-none-match": f'"{DIGEST}"'}).status_code == 304


def test_a_blob_is_mounted_and_stored_once(client: httpx.Client, server: Server, medium: S3Medium) -> None:
    push_blob(client, b"layer")
    space = server.account.namespace
    token = server.bearer(f"repository:{space}/team/app:pull", f"repository:{space}/team/copy:pull,push")
    mount = {"mount": Digest.of(b"layer").text, "from": f"{space}/team/app"}
    with httpx.Client(base_url=server.path("team/copy"), headers={"authorization": f"Bearer {token}"}) as other:
        assert other.post("/blobs/uploads/", params=mount).status_code == 201
        assert other.get(f"/blobs/{mount['mount']}").content == b"layer"
    assert [kept.digest for kept in medium.blobs.stored()] == [Digest.of(b"layer")]


def test_a_wrong_digest_leaves_neither_blob_nor_staged_bytes(client: httpx.Client, medium: S3Medium) -> None:
    answer = client.post("/blobs/uploads/", params={"digest": Digest.of(b"other").text}, content=CONTENT)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "DIGEST_INVALID"
    assert medium.left() == []


def test_an_upload_goes_from_one_server_to_another(
    store: Store, server: Server, medium: S3Medium, tmp_path: Path
) -> None:
    with (
        started(store, tmp_path, server.account, blobs=medium.another()) as second,
        server.client(timeout=120) as here,
        second.client(timeout=120) as there,
    ):
        path = here.post("/blobs/uploads/").headers["location"]
        assert here.patch(server.url + path, content=CONTENT[:9_000_000]).status_code == 202
        assert there.get(second.url + path).headers["range"] == "0-8999999"
        assert there.patch(second.url + path, content=CONTENT[9_000_000:9_500_000]).status_code == 202
        last = here.put(server.url + path, params={"digest": DIGEST.text}, content=CONTENT[9_500_000:])
        assert last.status_code == 201
        assert there.get(f"/blobs/{DIGEST}").content == CONTENT


def test_those_who_may_pull_are_sent_to_the_store_where_that_is_set(
    store: Store, server: Server, medium: S3Medium, tmp_path: Path
) -> None:
    with server.client() as client:
        push_blob(client, CONTENT)
    stranger = colleague_of(server.account, store, "stranger")
    services = {"blob_redirect_seconds": 60}
    with started(store, tmp_path, server.account, blobs=medium.blobs, services=services) as redirecting:
        with redirecting.client() as client:
            answer = client.get(f"/blobs/{DIGEST}")
            assert (answer.status_code, answer.headers["content-length"], answer.content) == (307, "0", b"")
            assert answer.headers["cache-control"] == "no-store"
            address = httpx.URL(answer.headers["location"])
            assert address.params["X-Amz-Expires"] == "60"
            head = client.head(f"/blobs/{DIGEST}")
            assert (head.status_code, head.headers["content-length"]) == (200, "20000000")
        scope = f"repository:{server.account.namespace}/team/app:pull"
        theirs = {"authorization": f"Bearer {redirecting.bearer(scope, account=stranger)}"}
        for headers, status in (({}, 401), (theirs, 404)):
            refused = httpx.get(f"{redirecting.path()}/blobs/{DIGEST}", headers=headers)
            assert refused.status_code == status
            assert "location" not in refused.headers
    assert httpx.get(address).content == CONTENT
    assert httpx.get(address, headers={"range": "bytes=10-19"}).content == CONTENT[10:20]
    assert httpx.get(address.copy_set_param("X-Amz-Expires", "600")).status_code == 403
    assert httpx.get(address.copy_with(path=f"{address.path}0")).status_code == 403


def test_the_layers_of_a_pushed_image_are_read_from_the_store(
    store: Store, server: Server, client: httpx.Client
) -> None:
    layers = [
        gzip.compress(debian(dpkg_record("tzdata", "1")) + END, mtime=0),
        gzip.compress(python_package("opt", "six", "1.16.0") + END, mtime=0),
    ]
    for blob in (b"{}", *layers):
        push_blob(client, blob)
    assert client.put("/manifests/v1", content=manifest_of(b"{}", layers), headers=MANIFEST_TYPE).status_code == 201
    stack = [Descriptor(MediaType.OCI_LAYER_GZIP, Digest.of(layer), len(layer)) for layer in layers]
    with LayerReaders(partial(catalog.keep_part, store), processes=1) as readers:
        found = catalog.compose_image(store, server.blobs, readers, stack)
    assert found.complete
    assert found.components == {Component("Debian:12", "tzdata", "1", "amd64"), Component("PyPI", "six", "1.16.0")}


def test_skopeo_pushes_an_image_and_pulls_it_byte_for_byte(server: Server, tmp_path: Path) -> None:
    program = shutil.which("skopeo")
    if program is None:
        pytest.skip("SKIPPED FOR WANT OF A PART: no skopeo (run tests/parts/install.sh)")
    layout = Layout(tmp_path / "layout")
    layout.tag(layout.image(layer_bytes=9_000_000), "v1")
    name = f"docker://127.0.0.1:{server.port}/{server.account.namespace}/team/app:v1"
    secret = f"{server.account.login}:{server.account.token}"
    for side, source, target in (
        ("dest", f"oci:{layout.folder}:v1", name),
        ("src", name, f"oci:{tmp_path / 'back'}:v1"),
    ):
        subprocess.run(
            [
                program,
                "--insecure-policy",
                "copy",
                f"--{side}-tls-verify=false",
                f"--{side}-creds",
                secret,
                source,
                target,
            ],
            check=True,
            capture_output=True,
            timeout=120,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "REGISTRY_AUTH_FILE": "/dev/null"},
        )
    assert [image.display_name for image in images.listed(server.store, server.account.actor).items] == ["team/app:v1"]
    there, back = (
        {path.name for path in (folder / "blobs" / "sha256").iterdir()} for folder in (layout.folder, tmp_path / "back")
    )
    assert there == back


def test_while_the_store_is_away_clients_are_told_to_come_again_and_go_on_afterwards(
    store: Store, tmp_path: Path
) -> None:
    with s3_server(tmp_path / "s3") as s3, ExitStack() as closing:
        medium = S3Medium(s3, closing)
        server = closing.enter_context(started(store, tmp_path, blobs=medium.blobs))
        client = closing.enter_context(server.client(timeout=120))
        small = push_blob(client, b"here before")
        path = server.url + client.post("/blobs/uploads/").headers["location"]
        assert client.patch(path, content=CONTENT[:9_000_000]).status_code == 202
        s3.kill()
        with pytest.raises(Unavailable):
            medium.blobs.size(DIGEST)
        for answer in (
            client.patch(path, content=CONTENT[9_000_000:], headers={"content-range": "9000000-19999999"}),
            client.put(path, params={"digest": DIGEST.text}, content=CONTENT[9_000_000:]),
            client.post("/blobs/uploads/", params={"digest": Digest.of(b"new").text}, content=b"new"),
            client.get(f"/blobs/{small}"),
            client.head(f"/blobs/{small}"),
        ):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) >= 1
        s3.start()
        assert client.get(path).headers["range"] == "0-8999999"
        rest = client.patch(path, content=CONTENT[9_000_000:], headers={"content-range": "9000000-19999999"})
        assert rest.status_code == 202
        assert client.put(path, params={"digest": DIGEST.text}).status_code == 201
        assert client.get(f"/blobs/{DIGEST}").content == CONTENT
        assert client.get(f"/blobs/{small}").content == b"here before"
