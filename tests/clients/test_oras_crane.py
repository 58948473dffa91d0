"""Real oras and crane against the registry: artifacts and referrers, copies and changes of images."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import newer_suites
import pytest
from registry_layouts import Layout, tar_of
from registry_programs import Client
from registry_server import Server, started

from assay.oci import Digest
from assay.registry import images
from assay.storage import Store

pytestmark = pytest.mark.real

SPDX = "application/spdx+json"
SIGNATURE = "application/vnd.cncf.notary.signature"


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


def names_of(server: Server) -> list[str]:
    return sorted(image.display_name for image in images.listed(server.store, server.account.actor).items)


def manifest_in(layout: Layout, digest: Digest) -> dict[str, list[dict[str, str]]]:
    return dict(json.loads((layout.folder / "blobs" / "sha256" / digest.encoded).read_bytes()))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


class TestOras:
    @pytest.fixture
    def oras(self, server: Server, tmp_path: Path) -> Client:
        client = Client(newer_suites.program("sid", "oras"), server, tmp_path / "oras")
        account = server.account
        client.run("login", "--plain-http", "-u", account.login, "--password-stdin", client.host, given=account.token)
        return client

    def test_a_file_is_pushed_as_an_artifact_and_pulled(self, oras: Client, server: Server, tmp_path: Path) -> None:
        (oras.home / "model.bin").write_bytes(b"weights" * 100_000)
        kind = ("--artifact-type", "application/vnd.example.model")
        oras.run("push", "--plain-http", *kind, oras.name("ml/model:1"), "model.bin:application/x-weights")
        oras.run("pull", "--plain-http", "-o", str(tmp_path / "back"), oras.name("ml/model:1"))
        assert (tmp_path / "back" / "model.bin").read_bytes() == b"weights" * 100_000
        assert oras.run("repo", "tags", "--plain-http", oras.name("ml/model")).split() == ["1"]
        assert oras.run("repo", "ls", "--plain-http", oras.host).split() == [f"{server.account.namespace}/ml/model"]
        assert names_of(server) == []

    def test_sboms_and_signatures_are_attached_found_and_copied_with_their_image(
        self, oras: Client, server: Server, layout: Layout
    ) -> None:
        digest = layout.tag(layout.index("amd64", "arm64"), "v1")
        oras.run("cp", "--to-plain-http", "--from-oci-layout", f"{layout.folder}:v1", oras.name("team/app:v1"))
        for name, kind in (("sbom.json", SPDX), ("signature", SIGNATURE)):
            (oras.home / name).write_text(json.dumps({"of": name}))
            oras.run("attach", "--plain-http", "--artifact-type", kind, oras.name("team/app:v1"), f"{name}:{kind}")
        found = json.loads(
            oras.run("discover", "--plain-http", "--distribution-spec", "v1.1-referrers-api", "--format", "json",
                     oras.name("team/app:v1"))
        )  # fmt: skip
        attached = found.get("referrers") or found["manifests"]
        assert {each["artifactType"] for each in attached} == {SPDX, SIGNATURE}
        told = oras.run(
            "discover", "--plain-http", "--format", "json", "--artifact-type", SPDX, oras.name("team/app:v1")
        )
        narrowed = json.loads(told)
        assert [each["artifactType"] for each in narrowed.get("referrers") or narrowed["manifests"]] == [SPDX]
        # Copied whole into another repository: every platform, and what was attached.
        plain = ("--from-plain-http", "--to-plain-http")
        oras.run("cp", "-r", *plain, oras.name("team/app:v1"), oras.name("team/copy:v1"))
        with server.client("team/copy") as copy:
            there = copy.get(f"/referrers/{digest}").json()["manifests"]
            assert {each["artifactType"] for each in there} == {SPDX, SIGNATURE}
            children = manifest_in(layout, digest)["manifests"]
            assert all(copy.head(f"/manifests/{each['digest']}").status_code == 200 for each in children)
        assert names_of(server) == ["team/app:v1", "team/copy:v1"]

    def test_a_manifest_and_a_blob_are_deleted(self, oras: Client) -> None:
        (oras.home / "f").write_text("x")
        oras.run("push", "--plain-http", oras.name("a/b:1"), "f")
        oras.run("manifest", "delete", "--plain-http", "--force", oras.name("a/b:1"))
        assert "not found" in oras.run("manifest", "fetch", "--plain-http", oras.name("a/b:1"), check=False).lower()
        (oras.home / "blob").write_text("only a blob")
        digest = Digest.of(b"only a blob")
        oras.run("blob", "push", "--plain-http", oras.name(f"a/b@{digest}"), "blob")
        assert oras.run("blob", "fetch", "--plain-http", "-o", "-", oras.name(f"a/b@{digest}")) == "only a blob"
        oras.run("blob", "delete", "--plain-http", "--force", oras.name(f"a/b@{digest}"))
        oras.run("blob", "fetch", "--plain-http", "-o", "-", oras.name(f"a/b@{digest}"), check=False)


class TestCrane:
    @pytest.fixture
    def crane(self, server: Server, tmp_path: Path) -> Client:
        client = Client(newer_suites.program("sid", "crane"), server, tmp_path / "crane")
        account = server.account
        client.run("auth", "login", "-u", account.login, "--password-stdin", client.host, given=account.token)
        return client

    def test_an_image_is_pushed_copied_changed_and_listed(
        self, crane: Client, server: Server, layout: Layout, tmp_path: Path
    ) -> None:
        digest = layout.tag(layout.image(), "v1")
        crane.run("push", str(layout.folder), crane.name("team/app:v1"))
        crane.run("copy", crane.name("team/app:v1"), crane.name("team/copy:v1"))
        assert crane.run("digest", crane.name("team/copy:v1")).strip() == digest.text
        crane.run("mutate", crane.name("team/app:v1"), "--label", "who=tests", "-t", crane.name("team/app:v2"))
        config = json.loads(crane.run("config", crane.name("team/app:v2")))
        assert config["config"]["Labels"] == {"who": "tests"}
        crane.run("tag", crane.name("team/app:v1"), "stable")
        assert crane.run("ls", crane.name("team/app")).split() == ["stable", "v1", "v2"]
        crane.run("pull", "--format", "oci", crane.name("team/app:v1"), str(tmp_path / "back"))
        for layer in manifest_in(layout, digest)["layers"]:
            assert (tmp_path / "back" / "blobs" / "sha256" / Digest(layer["digest"]).encoded).exists()
        namespace = server.account.namespace
        assert crane.run("catalog", crane.host).split() == [f"{namespace}/team/app", f"{namespace}/team/copy"]
        crane.run("delete", crane.name(f"team/copy@{digest}"))
        assert "MANIFEST_UNKNOWN" in crane.run("manifest", crane.name("team/copy:v1"), check=False)

    def test_platforms_are_put_together_and_a_layer_is_appended(
        self, crane: Client, server: Server, layout: Layout
    ) -> None:
        for name in ("amd64", "arm64"):
            single = Layout(crane.home / name)
            single.tag(single.image(name), "v1")
            crane.run("push", str(single.folder), crane.name(f"team/app:{name}"))
        parts = [word for name in ("amd64", "arm64") for word in ("-m", crane.name(f"team/app:{name}"))]
        crane.run("index", "append", *parts, "-t", crane.name("team/app:v1"))
        index = json.loads(crane.run("manifest", crane.name("team/app:v1")))
        assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
        (crane.home / "layer.tar.gz").write_bytes(gzip.compress(tar_of({"etc/more": b"more"})))
        crane.run("append", "-b", crane.name("team/app:amd64"), "-f", "layer.tar.gz", "-t", crane.name("team/app:more"))
        assert len(json.loads(crane.run("manifest", crane.name("team/app:more")))["layers"]) == 3
        assert names_of(server) == ["team/app:amd64", "team/app:arm64", "team/app:more", "team/app:v1"]
