"""A real podman against the registry: login, build, push, pull."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from registry_layouts import Layout
from registry_server import Server, started
from request_signing import Client, KeyPair

from assay.iam.credentials import api_keys
from assay.registry import images
from assay.storage import Store

pytestmark = pytest.mark.real


@pytest.fixture
def podman() -> Iterator[list[str]]:
    found = shutil.which("podman")
    if found is None:
        pytest.skip("SKIPPED FOR WANT OF A PART: no podman (run tests/parts/install.sh)")
    with tempfile.TemporaryDirectory(prefix="pod") as home:  # podman wants a runroot of at most 50 characters
        folders = ["--root", f"{home}/root", "--runroot", f"{home}/run", "--tmpdir", f"{home}/tmp"]
        yield [found, *folders, "--storage-driver", "vfs", "--cgroup-manager=cgroupfs", "--events-backend=file"]


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


def run(podman: list[str], *arguments: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([*podman, *arguments], capture_output=True, text=True, timeout=180, input=given)
    assert not check or ended.returncode == 0, ended.stderr
    return ended


def test_podman_logs_in_builds_pushes_and_pulls(podman: list[str], server: Server, tmp_path: Path) -> None:
    account = server.account
    host = f"127.0.0.1:{server.port}"
    auth = ["--authfile", str(tmp_path / "auth.json"), "--tls-verify=false"]
    refused = run(podman, "login", *auth, "-u", account.login, "--password-stdin", host, given="wrong", check=False)
    assert refused.returncode != 0
    logged_in = run(podman, "login", *auth, "-u", account.login, "--password-stdin", host, given=account.token)
    assert "Login Succeeded" in logged_in.stdout

    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "hello").write_bytes(b"hello" * 1000)
    (tmp_path / "context" / "Containerfile").write_text("FROM scratch\nCOPY hello /hello\n")
    built = f"{host}/{account.namespace}/team/built:v1"
    run(podman, "build", "-q", "-t", built, str(tmp_path / "context"))
    run(podman, "push", "-q", *auth, built)
    (image,) = images.listed(server.store, account.actor).items
    assert image.display_name == "team/built:v1"

    before = json.loads(run(podman, "image", "inspect", built).stdout)[0]["Id"]
    run(podman, "rmi", "-a", "-f")
    run(podman, "pull", "-q", *auth, f"{host}/{account.namespace}/team/built@{image.digest}")
    after = json.loads(run(podman, "image", "inspect", before).stdout)[0]
    assert after["Digest"] == image.digest.text


def test_podman_pushes_an_image_of_a_layout_compressed_anew(podman: list[str], server: Server, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.tag(layout.image(layers=3), "v1")
    account = server.account
    identity = run(podman, "pull", "-q", f"oci:{layout.folder}:v1").stdout.strip()
    creds = ["--tls-verify=false", "--creds", f"{account.login}:{account.token}"]
    for name in ("team/app:v1", "team/other:v1"):
        run(podman, "push", "-q", *creds, identity, f"docker://127.0.0.1:{server.port}/{account.namespace}/{name}")
    names = sorted(image.display_name for image in images.listed(server.store, account.actor).items)
    assert names == ["team/app:v1", "team/other:v1"]


def test_podman_logs_in_with_the_token_of_a_signed_request(podman: list[str], server: Server, tmp_path: Path) -> None:
    actor, pair = server.account.actor, KeyPair()
    api_keys.upload(server.store, actor, actor.principal.ocid, pair.public_pem)
    host, target = f"127.0.0.1:{server.port}", "/20180419/docker/token"
    signer = Client(pair, actor.tenancy, actor.principal.ocid, host)
    headers = signer.headers("GET", target, server.store.clock.now())
    token = httpx.get(f"{server.url}{target}", headers=headers).json()["token"]
    layout = Layout(tmp_path / "layout")
    layout.tag(layout.image(), "v1")
    identity = run(podman, "pull", "-q", f"oci:{layout.folder}:v1").stdout.strip()
    auth = ["--authfile", str(tmp_path / "auth.json"), "--tls-verify=false"]
    run(podman, "login", *auth, "-u", "BEARER_TOKEN", "--password-stdin", host, given=token)
    run(podman, "push", "-q", *auth, identity, f"docker://{host}/{server.account.namespace}/team/app:v1")
    (image,) = images.listed(server.store, actor).items
    assert (image.display_name, image.created_by) == ("team/app:v1", actor.principal.ocid)


def test_podman_pushes_and_pulls_an_index(podman: list[str], server: Server, tmp_path: Path) -> None:
    account = server.account
    creds = ["--tls-verify=false", "--creds", f"{account.login}:{account.token}"]
    to = f"docker://127.0.0.1:{server.port}/{account.namespace}/team/both:v1"
    run(podman, "manifest", "create", "both")
    for architecture in ("amd64", "arm64"):
        layout = Layout(tmp_path / architecture)
        layout.tag(layout.image(architecture), "v1")
        run(podman, "manifest", "add", "--all", "both", f"oci:{layout.folder}:v1")
    run(podman, "manifest", "push", "--all", *creds, "both", to)
    with server.client("team/both") as client:
        index = client.get("/manifests/v1").json()
        assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    (image,) = images.listed(server.store, account.actor).items
    assert image.display_name == "team/both:v1"
    run(podman, "rmi", "-a", "-f")
    run(podman, "pull", "-q", *creds, to)
