"""Retention and quotas by the command line against a really started server, and what a real client sees of a quota.

The tests of this file run in order and build on one another.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from assay_server import CARRIED, PASSWORD, AssayServer

from scripts.demo_image import text_layer, write_layout

pytestmark = pytest.mark.real

TAGS = ("1.0", "1.1", "1.2", "dev")


@dataclass
class Shell:
    """Commands of one person at one server; `credentials` are LOGIN:TOKEN for clients."""

    server: AssayServer
    folder: Path
    credentials: str = ""

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "assay.cli.main", f"--profile={self.folder / 'profile.json'}", *words]
        return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=120)

    def json(self, *words: str, typed: str = "") -> Any:
        ended = self.run(*words, "--output", "json", typed=typed)
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        return json.loads(ended.stdout)

    def push(self, tag: str, repository: str = "shop/cart") -> subprocess.CompletedProcess[str]:
        layout = self.folder / f"{repository.replace('/', '-')}-{tag}"
        if not layout.exists():
            write_layout(layout, [text_layer("app/version", f"{repository} {tag}")])
        namespace = self.credentials.partition("/")[0]
        target = f"docker://{self.server.host}/{namespace}/{repository}:{tag}"
        words = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", self.credentials]
        return subprocess.run([*words, f"oci:{layout}:latest", target], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    if shutil.which("skopeo") is None:
        pytest.skip("SKIPPED FOR WANT OF A PART: no skopeo (run scripts/install.sh test)")
    folder = tmp_path_factory.mktemp("rules")
    feed = folder / "feed"
    shutil.copytree(CARRIED / "first", feed)
    server = AssayServer(folder / "server", str(feed), settings={"ASSAY_RETENTION_INTERVAL": "0"})
    server.start()
    shell = Shell(server, folder)
    secret = server.secret_file.read_text().strip()
    words = ("login", server.url, "--password-stdin", "--new-password-stdin")
    shell.json(*words, typed=f"{secret}\n{PASSWORD}\n")
    token = shell.json("token", "create", "--description", "tests")
    shell.credentials = f"{token['login']}:{token['token']}"
    for tag in TAGS:
        assert shell.push(tag).returncode == 0
    yield shell
    assert server.stop() == 0, server.log


def test_a_policy_is_made_tried_out_put_in_force_and_carried_out(shell: Shell) -> None:
    assert "nothing goes by itself" in shell.run("retention", "list").stdout
    made = shell.json("retention", "create", "few", "--repositories", "shop/*", "--keep-last", "2:1.*")
    assert (made["isEnabled"], made["rules"]) == (
        False,
        [{"kind": "KEEP_LAST", "count": 2, "days": None, "tags": ["1.*"]}],
    )
    assert shell.json("retention", "preview", "shop/cart") == []
    (going,) = shell.json("retention", "preview", "shop/cart", "--policy", "few")
    assert going["versions"] == ["1.0"]
    assert going["reasons"][0]["reason"] == "not among the 2 pushed last of those tagged 1.*"
    shell.json("retention", "set", "few", "--enable")
    assert "keep the 2 pushed last of those tagged 1.*" in shell.run("retention", "show", "few").stdout
    (gone,) = shell.json("retention", "run", "shop/cart")
    assert gone["imageId"] == going["imageId"]
    assert "Nothing goes from shop/cart" in shell.run("retention", "run", "shop/cart").stdout
    assert shell.json("image", "restore", "shop/cart:1.0")["displayName"] == "shop/cart:1.0"
    (who,) = {each["principalName"] for each in shell.json("audit", "list", "--operation", "DeleteContainerImage")}
    assert who == "image retention"
    shell.json("retention", "delete", "few")
    assert shell.json("retention", "list") == []


def test_every_kind_of_rule_can_be_written(shell: Shell) -> None:
    words = ["--keep-last", "3", "--keep-tags", "30:pr-*,dev", "--keep-tags", "stable", "--remove-untagged", "7"]
    made = shell.json("retention", "create", "all", *words, "--remove-not-pulled", "90", "--remove-old", "365:v*")
    said = [(each["kind"], each["count"], each["days"], each["tags"]) for each in made["rules"]]
    assert said == [
        ("KEEP_LAST", 3, None, []),
        ("KEEP_TAGS", None, 30, ["pr-*", "dev"]),
        ("KEEP_TAGS", None, None, ["stable"]),
        ("REMOVE_UNTAGGED", None, 7, []),
        ("REMOVE_NOT_PULLED", None, 90, []),
        ("REMOVE_OLD", None, 365, ["v*"]),
    ]
    refused = shell.run("retention", "create", "none", "--keep-last", "many")
    assert (refused.returncode, refused.stdout) == (2, "")
    refused = shell.run("retention", "create", "none")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "The policy has 0 rules" in refused.stderr


def test_a_quota_is_set_and_shown_and_a_real_client_is_told_which_one_refused_it(shell: Shell) -> None:
    used = shell.json("quota", "show", "--repository", "shop/cart")
    assert (used["kind"], used["storageLimitInBytes"]) == ("REPOSITORY", None)
    assert used["storageUsedInBytes"] > 0
    shell.json("quota", "set", "--repository", "shop/cart", "--storage", str(used["storageUsedInBytes"]))
    refused = shell.push("2.0")
    assert refused.returncode != 0
    assert "The repository shop/cart has a quota of" in refused.stderr
    assert shell.push("1.0").returncode == 0
    shell.json("quota", "set", "--storage", "20GiB", "--repositories", "2")
    kinds = [each["kind"] for each in shell.json("quota", "list", "shop/cart")]
    assert kinds == ["TENANCY", "REPOSITORY"]
    assert shell.push("1.0", "shop/second").returncode == 0
    refused = shell.push("1.0", "shop/third")
    assert "The tenancy has a quota of 2 repositories, and 2 are there" in refused.stderr
    for words in (("--repository", "shop/cart"), ()):
        shell.json("quota", "delete", *words)
    assert shell.push("2.0").returncode == 0
    assert shell.push("1.0", "shop/third").returncode == 0
