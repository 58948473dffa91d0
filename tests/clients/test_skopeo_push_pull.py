"""A real skopeo against the registry: images, an index, other compressions, refusals, deletion."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_layouts import Layout
from registry_server import Server, started
from sqlalchemy import func, select

from assay.oci import Digest
from assay.registry import images
from assay.registry.uploads import Nobody
from assay.storage import Store, metadata

pytestmark = pytest.mark.real


@pytest.fixture
def skopeo() -> str:
    found = shutil.which("skopeo")
    if found is None:
        pytest.skip("SKIPPED FOR WANT OF A PART: no skopeo (run tests/parts/install.sh)")
    return found


class Sent(Nobody):
    """Notes which blobs were sent by uploads."""

    def __init__(self) -> None:
        self.blobs: list[str] = []

    def published(self, upload: str, digest: Digest, size: int) -> None:
        self.blobs.append(digest.encoded)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def server(store: Store, tmp_path: Path, sent: Sent) -> Iterator[Server]:
    with started(store, tmp_path / "blobs", intake={"follower": sent}) as running:
        yield running


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


class Skopeo:
    """Runs skopeo with an account, on an image name of the server."""

    def __init__(self, program: str, server: Server, tmp_path: Path) -> None:
        self._program = program
        self._server = server
        self._home = tmp_path

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self._home), "PATH": "/usr/bin:/bin", "REGISTRY_AUTH_FILE": "/dev/null"}
        return subprocess.run(
            [self._program, "--insecure-policy", *arguments],
            check=check,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )

    def name(self, rest: str) -> str:
        return f"docker://127.0.0.1:{self._server.port}/{self._server.account.namespace}/{rest}"

    def creds(self, side: str, token: str = "") -> list[str]:
        account = self._server.account
        tls = f"--{side}-tls-verify=false" if side else "--tls-verify=false"
        creds = f"--{side}-creds" if side else "--creds"
        return [tls, creds, f"{account.login}:{token or account.token}"]

    def push(self, source: str, to: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self("copy", *options, *self.creds("dest"), source, self.name(to), check=check)

    def pull(self, what: str, to: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self("copy", *options, *self.creds("src"), self.name(what), to)


@pytest.fixture
def run(skopeo: str, server: Server, tmp_path: Path) -> Skopeo:
    return Skopeo(skopeo, server, tmp_path)


def listed(server: Server) -> list[str]:
    return sorted(image.display_name for image in images.listed(server.store, server.account.actor).items)


def blobs_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs" / "sha256").iterdir()}


def test_an_image_goes_there_and_back_byte_for_byte(
    run: Skopeo, server: Server, layout: Layout, tmp_path: Path
) -> None:
    digest = layout.tag(layout.image(), "v1")
    run.push(f"oci:{layout.folder}:v1", "team/app:v1")
    run.pull("team/app:v1", f"oci:{tmp_path / 'back'}:v1")
    assert blobs_in(tmp_path / "back") == blobs_in(layout.folder)
    assert listed(server) == ["team/app:v1"]
    inspected = json.loads(run("inspect", *run.creds(""), run.name("team/app:v1")).stdout)
    assert inspected["Digest"] == digest.text
    assert inspected["RepoTags"] == ["v1"]


def test_a_push_is_audited_by_a_row_for_each_blob_and_manifest(run: Skopeo, server: Server, layout: Layout) -> None:
    layout.tag(layout.image(layers=2), "v1")
    run.push(f"oci:{layout.folder}:v1", "team/app:v1")
    audit = metadata.tables["audit"]
    with server.store.database.read() as connection:
        count = select(func.count()).where(audit.c.operation == "PushImage")
        assert connection.execute(count).scalar_one() == 4  # two layers, the config, the manifest


def test_an_index_with_all_its_platforms_is_one_image(
    run: Skopeo, server: Server, layout: Layout, tmp_path: Path
) -> None:
    digest = layout.tag(layout.index("amd64", "arm64"), "v1")
    run.push(f"oci:{layout.folder}:v1", "team/app:v1", "--all")
    assert listed(server) == ["team/app:v1"]
    run.pull("team/app:v1", f"oci:{tmp_path / 'back'}:v1", "--all")
    assert blobs_in(tmp_path / "back") == blobs_in(layout.folder)
    arm = ("--override-os", "linux", "--override-arch", "arm64")
    raw = run(*arm, "inspect", "--config", *run.creds(""), run.name(f"team/app@{digest}")).stdout
    assert json.loads(raw)["architecture"] == "arm64"


@pytest.mark.parametrize("options", [["--format", "v2s2"], ["--dest-compress-format", "zstd"], ["--dest-decompress"]])
def test_docker_manifests_and_other_compressions_are_taken(
    run: Skopeo, server: Server, layout: Layout, tmp_path: Path, options: list[str]
) -> None:
    layout.tag(layout.image(), "v1")
    source = f"oci:{layout.folder}:v1"
    if options == ["--dest-decompress"]:
        run("copy", *options, source, f"dir:{tmp_path / 'plain'}")
        source, options = f"dir:{tmp_path / 'plain'}", []
    run.push(source, "team/app:v1", *options)
    run.pull("team/app:v1", f"dir:{tmp_path / 'back'}")
    assert listed(server) == ["team/app:v1"]


def test_a_second_push_sends_no_layer_again_and_another_repository_gets_them_by_mount(
    run: Skopeo, server: Server, layout: Layout, sent: Sent
) -> None:
    digest = layout.tag(layout.image(), "v1")
    manifest = json.loads((layout.folder / "blobs" / "sha256" / digest.encoded).read_bytes())
    layers = {layer["digest"].removeprefix("sha256:") for layer in manifest["layers"]}
    run.push(f"oci:{layout.folder}:v1", "team/app:v1")
    assert layers < set(sent.blobs)
    sent.blobs.clear()
    run.push(f"oci:{layout.folder}:v1", "team/app:v2")
    run("copy", *run.creds("src"), *run.creds("dest"), run.name("team/app:v1"), run.name("team/copy:v1"))
    assert not layers & set(sent.blobs)
    assert listed(server) == ["team/app:v2", "team/copy:v1"]


def test_a_wrong_auth_token_is_told_so_and_pushes_nothing(run: Skopeo, server: Server, layout: Layout) -> None:
    layout.tag(layout.image(), "v1")
    source, target = f"oci:{layout.folder}:v1", run.name("team/app:v1")
    refused = run("copy", *run.creds("dest", "wrong"), source, target, check=False)
    assert refused.returncode != 0
    assert "auth token is wrong" in refused.stderr or "unauthorized" in refused.stderr.lower()
    anonymous = run("copy", "--dest-tls-verify=false", "--dest-no-creds", source, target, check=False)
    assert anonymous.returncode != 0
    assert "unauthorized" in anonymous.stderr.lower() or "authentication required" in anonymous.stderr.lower()
    assert listed(server) == []


def test_a_deleted_tag_is_gone(run: Skopeo, server: Server, layout: Layout) -> None:
    layout.tag(layout.image(), "v1")
    run.push(f"oci:{layout.folder}:v1", "team/app:v1")
    run("delete", *run.creds(""), run.name("team/app:v1"))
    assert listed(server) == []
    assert "manifest unknown" in run("inspect", *run.creds(""), run.name("team/app:v1"), check=False).stderr


def test_nothing_is_logged_of_the_tls_hello_with_which_clients_begin(
    run: Skopeo, layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    layout.tag(layout.image(), "v1")
    run.push(f"oci:{layout.folder}:v1", "team/app:v1")
    assert "Invalid HTTP request" not in caplog.text
