"""A real helm against the registry: a chart goes there and back.

Building helm takes minutes of CPU: at the small sizes it is used only where it was built before.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from go_programs import Missing, built
from registry_programs import Client
from registry_server import Server, started

from assay.registry import images
from assay.storage import Store

pytestmark = pytest.mark.real


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


@pytest.fixture
def helm(server: Server, tmp_path: Path) -> Client:
    try:
        program = built("helm", "helm.sh/helm/v3/cmd/helm", is_dear=True)
    except Missing as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: {fault}")
    client = Client(program, server, tmp_path / "helm")
    account = server.account
    login = ("registry", "login", "--plain-http", "-u", account.login, "--password-stdin", client.host)
    client.run(*login, given=account.token)
    return client


def test_a_chart_goes_there_and_back_and_is_no_image(helm: Client, server: Server) -> None:
    (helm.home / "shop" / "templates").mkdir(parents=True)
    (helm.home / "shop" / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.2.3+build.7\n")
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
    (helm.home / "shop" / "templates" / "map.yaml").write_text(text)
    helm.run("package", "shop")
    packed = next(helm.home.glob("shop-*.tgz")).read_bytes()
    (archive,) = (path.name for path in helm.home.glob("shop-*.tgz"))
    helm.run("push", "--plain-http", archive, f"oci://{helm.name('charts')}")
    where = f"oci://{helm.name('charts/shop')}"
    (helm.home / "back").mkdir()
    helm.run("pull", "--plain-http", where, "--version", "1.2.3+build.7", "-d", "back")
    assert next((helm.home / "back").glob("*.tgz")).read_bytes() == packed
    assert "version: 1.2.3+build.7" in helm.run("show", "chart", "--plain-http", where)
    rendered = helm.run("template", "mine", where, "--plain-http", "--version", "1.2.3+build.7")
    assert "name: mine" in rendered
    with server.client("charts/shop") as client:
        assert client.get("/tags/list").json()["tags"] == ["1.2.3_build.7"]
    assert images.listed(server.store, server.account.actor).items == ()
