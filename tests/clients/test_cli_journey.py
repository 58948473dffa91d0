"""Every command of the command line against a really started server, in the order of an image's journey.

Tables, refusals, exit statuses and prompts are those of real processes.

The tests of this file run in order and build on one another.
"""

import contextlib
import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from assay_server import CARRIED, PASSWORD, STATEMENTS, AssayServer

from assay.cli import main
from scripts.demo_image import Layer, text_layer, write_layout

pytestmark = pytest.mark.real

NEW_PASSWORD = "a fresh horse with a new battery"
TYPED_SECONDS = 60


@dataclass
class Cli:
    """The command line of one person at one server."""

    server: AssayServer
    folder: Path
    layouts: dict[str, Path]

    @property
    def profile(self) -> Path:
        return self.folder / "profile.json"

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "assay.cli.main", f"--profile={self.profile}", *words]

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.words(*words), input=typed, capture_output=True, text=True, timeout=120)

    def json(self, *words: str, typed: str = "", expect: int = 0) -> Any:
        """What a program gets. Run in this process: a third of a second saved, two hundred times."""
        out, err = io.StringIO(), io.StringIO()
        argv, stdin = sys.argv, sys.stdin
        sys.argv = ["assay", f"--profile={self.profile}", *words, "--output", "json"]
        sys.stdin = io.StringIO(typed)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
                main.run()
        finally:
            sys.argv, sys.stdin = argv, stdin
        assert (end.value.code or 0) == expect, f"{words}: {out.getvalue()}{err.getvalue()}"
        return json.loads(out.getvalue())

    def table(self, *words: str, typed: str = "") -> str:
        ended = self.run(*words, typed=typed)
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def refused(self, *words: str, status: int = 1) -> str:
        """What standard error says, on one line; standard output stays empty."""
        ended = self.run(*words)
        assert (ended.returncode, ended.stdout) == (status, ""), f"{words}: {ended.stdout}{ended.stderr}"
        return " ".join(ended.stderr.replace("│", " ").split())

    def on_terminal(self, words: list[str], answers: dict[str, str], environment: dict[str, str]) -> tuple[int, str]:
        """Run with a terminal, typing each answer at its prompt: exit status, and all that the terminal showed."""
        process, terminal = pty.fork()
        if process == 0:
            os.execvpe(words[0], words, environment)
        shown, waiting = "", dict(answers)
        deadline = time.monotonic() + TYPED_SECONDS
        while time.monotonic() < deadline and select.select([terminal], [], [], TYPED_SECONDS)[0]:
            try:
                shown += os.read(terminal, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                break
            for prompt in [each for each in waiting if each in shown]:
                os.write(terminal, waiting.pop(prompt).encode() + b"\n")
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown

    def push(self, tag: str, login: str, token: str, repository: str = "shop/cart") -> None:
        target = f"docker://{self.server.host}/{login.partition('/')[0]}/{repository}:{tag}"
        words = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", f"{login}:{token}"]
        ended = subprocess.run(
            [*words, f"oci:{self.layouts[tag]}:latest", target], capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stderr


def installed(name: str, version: str) -> Layer:
    """A layer that says, as pip does, that a Python package is installed."""
    path = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"
    return text_layer(path, f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    if shutil.which("skopeo") is None:
        pytest.skip("SKIPPED FOR WANT OF A PART: no skopeo (run scripts/install.sh test)")
    folder = tmp_path_factory.mktemp("cli")
    django = installed("Django", "3.2")
    layouts = {tag: folder / tag for tag in ("1.0", "2.0")}
    for tag, layout in layouts.items():
        write_layout(layout, [django, text_layer("app/version", tag)])
    feed = folder / "feed"
    shutil.copytree(CARRIED / "first", feed)
    server = AssayServer(folder / "server", str(feed))
    server.start()
    yield Cli(server, folder, layouts)
    assert server.stop() == 0, server.log


def test_nothing_is_done_before_somebody_signs_in(cli: Cli) -> None:
    assert cli.refused("image", "list") == "assay: You are not signed in. Run: assay login URL"


def test_a_wrong_password_is_refused_and_leaves_no_profile(cli: Cli) -> None:
    ended = cli.run("login", cli.server.url, "--password-stdin", typed="wrong\n")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "NotAuthenticated" in ended.stderr
    assert not cli.profile.exists()


def test_without_a_terminal_a_password_must_come_by_standard_input(cli: Cli) -> None:
    assert "use --password-stdin" in cli.refused("login", cli.server.url, status=2)


def test_the_one_time_password_is_changed_at_the_terminal_without_an_echo(cli: Cli) -> None:
    secret = cli.server.secret_file.read_text().strip()
    answers = {"Password of admin:": secret, "New password:": PASSWORD, "New password again:": PASSWORD}
    status, shown = cli.on_terminal(cli.words("login", cli.server.url), answers, dict(os.environ))
    assert status == 0, shown
    assert f"Signed in at {cli.server.url} as admin" in shown
    assert secret not in shown
    assert PASSWORD not in shown
    assert cli.profile.stat().st_mode & 0o777 == 0o600


def test_who_is_signed_in_is_told_to_people_and_to_programs(cli: Cli) -> None:
    who = cli.json("whoami")
    assert who["userName"] == "admin"
    assert who["registry"] == cli.server.host
    assert who["namespace"] in cli.table("whoami")


def test_a_password_is_changed_and_the_session_lasts(cli: Cli) -> None:
    cli.json("password", "--password-stdin", "--new-password-stdin", typed=f"{PASSWORD}\n{NEW_PASSWORD}\n")
    assert cli.json("whoami")["userName"] == "admin"


def test_empty_lists_say_what_to_do_next(cli: Cli) -> None:
    assert "assay repository create NAME" in cli.table("repository", "list")
    assert cli.json("repository", "list") == []


def test_an_auth_token_lets_a_real_client_push(cli: Cli) -> None:
    token = cli.json("token", "create", "--description", "tests", "--days", "2")
    assert token["token"].startswith("assay_auth_")
    for tag in ("1.0", "2.0"):
        cli.push(tag, token["login"], token["token"])
    listed = cli.json("token", "list")
    assert [each["description"] for each in listed] == ["tests"]
    assert listed[0]["token"] is None
    cli.json("token", "delete", token["id"])
    assert cli.json("token", "list") == []


def test_images_are_found_by_every_way_to_name_them(cli: Cli) -> None:
    who = cli.json("whoami")
    found = cli.json("image", "show", "shop/cart:1.0")
    names = (
        f"{who['namespace']}/shop/cart:1.0",
        f"{who['registry']}/{who['namespace']}/shop/cart:1.0",
        f"shop/cart@{found['digest']}",
        found["id"],
    )
    assert {cli.json("image", "show", name)["id"] for name in names} == {found["id"]}
    assert found["digest"][:19] in cli.table("image", "list", "shop/cart")
    assert len(cli.json("image", "list")) == 2


def test_a_name_that_finds_nothing_says_so(cli: Cli) -> None:
    assert "is an image of docker.io, not of" in cli.refused("image", "show", "docker.io/library/nginx:1")
    assert "names a repository, not an image of it" in cli.refused("image", "show", "shop/cart")
    assert "There is no repository 'shop/none'" in cli.refused("repository", "show", "shop/none")
    assert "There is no key 'none'" in cli.refused("sign", "shop/cart:1.0", "--key", "none")


def test_a_repository_is_made_set_and_deleted(cli: Cli) -> None:
    made = cli.json("repository", "create", "shop/extra", "--immutable")
    assert (made["isImmutable"], made["isPublic"]) == (True, False)
    changed = cli.json("repository", "set", "shop/extra", "--public", "--mutable")
    assert (changed["isImmutable"], changed["isPublic"]) == (False, True)
    assert "say what to set" in cli.refused("repository", "set", "shop/extra", status=2)
    assert [each["displayName"] for each in cli.json("repository", "list", "extra")] == ["shop/extra"]
    assert "there is no terminal to ask; use --yes" in cli.refused("repository", "delete", "shop/extra", status=2)
    status, _ = cli.on_terminal(cli.words("repository", "delete", "shop/extra"), {"[y/N]": "n"}, dict(os.environ))
    assert status == 1
    assert [each["displayName"] for each in cli.json("repository", "list", "extra")] == ["shop/extra"]
    cli.json("repository", "delete", "shop/extra", "--yes")
    assert cli.json("repository", "list", "extra") == []


def test_a_scanner_waits_for_the_two_statements_and_says_how_to_add_them(cli: Cli) -> None:
    assert tuple(cli.json("scanner", "add", "shop/cart")["missingStatements"]) == STATEMENTS
    said = cli.table("scanner", "status", "shop/cart")
    assert f"assay policy allow '{STATEMENTS[0]}' '{STATEMENTS[1]}'" in said
    assert "waits: the scanning service lacks a statement" in said
    assert "the scanning service may not read it" in cli.refused("scan", "wait", "shop/cart:1.0")
    assert cli.json("scan", "list", "shop/cart") == []
    missing = {each["service"]: each["statements"] for each in cli.json("policy", "check-missing", expect=1)}
    assert tuple(missing["vulnerability-scanning-service"]) == STATEMENTS


def test_a_statement_with_a_typo_is_pointed_at_and_changes_nothing(cli: Cli) -> None:
    said = cli.refused("policy", "create", "typo", "--statement", "allow servce x to read repos in tenancy")
    assert "'servce' is not a subject" in said
    assert "typo" not in [each["name"] for each in cli.json("policy", "list")]


def test_with_the_statements_the_images_that_were_there_are_scanned(cli: Cli) -> None:
    cli.json("policy", "allow", *STATEMENTS)
    scan = cli.json("scan", "wait", "shop/cart:1.0")
    assert (scan["cause"], scan["state"]) == ("enabled", "complete")
    services = [each["service"] for each in cli.json("policy", "check-missing", expect=1)]
    assert "vulnerability-scanning-service" not in services


def test_a_scan_shows_its_problems_with_fix_place_and_link(cli: Cli) -> None:
    # Django 3.2 and CVE-2021-35042, fixed in 3.2.5: a fact of PYSEC-2021-109.
    problems = {each["name"]: each for each in cli.json("scan", "show", "shop/cart:1.0")["problems"]}
    assert problems["CVE-2021-35042"]["vulnerablePackages"][0]["cveFixVersion"] == "3.2.5"
    row = next(line for line in cli.table("scan", "show", "shop/cart:1.0").splitlines() if "CVE-2021-35042" in line)
    assert row.split() == [
        "Critical",
        "CVE-2021-35042",
        "django",
        "3.2",
        "3.2.5",
        "usr/lib/python3/dist-packages/Django-3.2.dist-info/METADATA",
        "open",
        "https://www.cve.org/CVERecord?id=CVE-2021-35042",
    ]


def test_a_refreshed_feed_is_waited_for_and_makes_a_new_scan_where_something_changed(cli: Cli) -> None:
    feed = Path(cli.server.feed)
    # What a feed does when it withdraws a record: it is gone from the list.
    listing = feed / "PyPI" / "modified_id.csv"
    kept = [line for line in listing.read_text().splitlines() if "PYSEC-2021-109" not in line]
    listing.write_text("\n".join(kept) + "\n")
    ended = cli.run("feed", "refresh", "--output", "json")
    assert ended.returncode == 0, ended.stderr
    assert [each["revision"] for each in json.loads(ended.stdout)] == [2]
    assert "Refreshing osv: succeeded" in ended.stderr
    scans = cli.json("scan", "list", "shop/cart:1.0")
    assert [(each["cause"], each["feedRevision"]) for each in scans] == [("feed", 2), ("enabled", 1)]
    assert scans[0]["problemCount"] == scans[1]["problemCount"] - 1


def test_two_scans_are_compared_by_revision(cli: Cli) -> None:
    difference = cli.json("scan", "compare", "shop/cart:1.0#1", "shop/cart:1.0")
    assert [(each["kind"], each["name"]) for each in difference["changes"]] == [("withdrawn", "CVE-2021-35042")]
    assert "Critical → –" in cli.table("scan", "compare", "shop/cart:1.0#1", "shop/cart:1.0#2")
    assert "has no scan #7. It has #2, #1." in cli.refused("scan", "show", "shop/cart:1.0#7")


def test_a_feed_that_is_unknown_is_refused(cli: Cli) -> None:
    assert "NotAuthorizedOrNotFound" in cli.refused("feed", "refresh", "nothing")
    assert cli.json("feed", "status")[0]["isStale"] is False
    assert {"refresh", "scan"} <= {each["kind"] for each in cli.json("job", "list")}


def test_a_verdict_is_kept_and_shown_where_one_signs(cli: Cli) -> None:
    cli.json("verdict", "refuse", "shop/cart:1.0", "--reason", "wait for the fix")
    cli.json("verdict", "accept", "shop/cart:1.0", "--reason", "the fix is not needed here")
    assert [each["isAccepted"] for each in cli.json("verdict", "list", "shop/cart:1.0")] == [True, False]
    cli.json("vault", "create", "shop")
    assert cli.json("key", "create", "release", "--vault", "shop")["keyShape"]["curveId"] == "NIST_P256"
    ended = cli.run("sign", "shop/cart:1.0", "--key", "release")
    assert ended.returncode == 0, ended.stderr
    assert "Verdict: accepted by admin: the fix is not needed here" in ended.stderr


def test_verification_ends_with_1_when_no_signature_holds(cli: Cli) -> None:
    assert [each["isVerified"] for each in cli.json("verify", "shop/cart:1.0")] == [True]
    assert cli.json("verify", "shop/cart:2.0", expect=1) == []
    cli.json("key", "disable", "shop/release")
    assert "DISABLED" in cli.json("verify", "shop/cart:1.0", expect=1)[0]["because"]
    cli.json("key", "enable", "release")
    cli.json("verify", "shop/cart:1.0")


def test_a_signature_is_listed_and_deleted(cli: Cli) -> None:
    assert cli.json("sign", "shop/cart:2.0", "--key", "release")["warnings"] == []
    (found,) = cli.json("signature", "list", "shop/cart:2.0")
    assert found["keyName"] == "release"
    cli.json("signature", "delete", found["id"])
    assert cli.json("signature", "list", "shop/cart:2.0") == []
    cli.json("verify", "shop/cart:2.0", expect=1)


def test_a_key_goes_through_its_life(cli: Cli) -> None:
    before = cli.json("key", "create", "other", "--vault", "shop", "--shape", "rsa-2048")
    assert (before["keyShape"]["algorithm"], before["keyShape"]["length"]) == ("RSA", 256)
    version = cli.json("key", "rotate", "other")
    assert cli.json("key", "show", "other")["currentKeyVersion"] == version["id"]
    assert cli.table("key", "export-public", "other").startswith("-----BEGIN PUBLIC KEY-----\n")
    old = cli.json("key", "export-public", "other", "--version", before["currentKeyVersion"])["publicKey"]
    assert old != cli.json("key", "export-public", "other")["publicKey"]
    of = ("other", "--version", before["currentKeyVersion"])
    assert cli.json("key", "schedule-deletion", *of)["lifecycleState"] == "PENDING_DELETION"
    states = {each["id"]: (each["isCurrent"], each["lifecycleState"]) for each in cli.json("key", "versions", "other")}
    assert states == {version["id"]: (True, "ENABLED"), before["currentKeyVersion"]: (False, "PENDING_DELETION")}
    assert cli.json("key", "cancel-deletion", *of)["lifecycleState"] == "ENABLED"
    assert "current version" in cli.refused("key", "schedule-deletion", "other", "--version", version["id"])
    assert cli.json("key", "schedule-deletion", "other")["lifecycleState"] == "PENDING_DELETION"
    assert cli.json("key", "cancel-deletion", "other")["lifecycleState"] in ("ENABLED", "DISABLED")
    assert {each["displayName"] for each in cli.json("key", "list", "--vault", "shop")} == {"release", "other"}
    assert [each["displayName"] for each in cli.json("vault", "list")] == ["shop"]
    assert cli.json("vault", "show", "shop")["lifecycleState"] == "ACTIVE"


def test_a_cluster_admits_what_its_key_has_signed_and_says_why_not(cli: Cli) -> None:
    made = cli.json("cluster", "create", "prod", "--key", "release", "--enable")
    token = cli.json("cluster", "token", "prod")["token"]
    image = f"{cli.server.host}/{cli.json('whoami')['namespace']}/shop/cart"
    assert not cli.server.review(made["id"], token, f"{image}:1.0")["allowed"]
    cli.json("policy", "allow", f"allow any-user to read repos in tenancy where request.user.id = '{made['id']}'")
    assert cli.server.review(made["id"], token, f"{image}:1.0")["allowed"]
    message = cli.server.review(made["id"], token, f"{image}:2.0")["status"]["message"]
    assert "signed, but the signature was deleted" in message
    denied = cli.json("cluster", "decisions", "prod", "--denied")
    assert [each["isAllowed"] for each in denied] == [False, False]
    assert "signed, but the signature was deleted" in cli.table("decision", "show", denied[0]["number"])
    assert len(cli.json("cluster", "decisions", "prod", "--limit", "1")) == 1
    assert "NotAuthorizedOrNotFound" in cli.refused("decision", "show", "0000000000")


def test_why_takes_names_and_without_a_resource_asks_about_the_tenancy(cli: Cli) -> None:
    cluster = cli.json("cluster", "show", "prod")["id"]
    found = cli.json("iam", "why", "cluster:prod", "PullImage", "shop/cart")
    assert (found["isAllowed"], found["principalId"]) == (True, cluster)
    assert [each["statement"] for each in found["statements"]] == [
        f"allow any-user to read repos in tenancy where request.user.id = '{cluster}'"
    ]
    assert cli.json("iam", "why", cluster, "Sign", "key:release", expect=1)["missingGrants"] == ["use keys"]
    assert cli.json("iam", "why", "user:admin", "CreateCompartment")["isAllowed"]
    assert "admin may do CreateCompartment on tenancy." in cli.table("iam", "why", "admin", "CreateCompartment")
    assert "There is no cluster 'other'" in cli.refused("iam", "why", "cluster:other", "PullImage")
    who = cli.json("iam", "who-can", "CreateCompartment")
    assert [each["principalName"] for each in who] == ["admin"]
    assert "prod" in [each["principalName"] for each in cli.json("iam", "who-can", "PullImage", "shop/cart")]


def test_a_policy_is_changed_member_by_member(cli: Cli) -> None:
    assert cli.json("cluster", "policy", "prod", "--disable")["keyNames"] == ["release"]
    both = cli.json("cluster", "policy", "prod", "--key", "release", "--key", "shop/other", "--enable")
    assert (both["imagePolicyConfig"]["isPolicyEnabled"], both["keyNames"]) == (True, ["release", "other"])
    assert "trusts no key: every image is denied" in cli.run("cluster", "policy", "prod", "--no-keys").stderr
    assert "exclude one another" in cli.refused("cluster", "policy", "prod", "--no-keys", "--key", "x", status=2)
    assert cli.json("cluster", "show", "prod")["keyNames"] == []


def test_credentials_of_a_cluster_are_files_for_their_owner_and_can_be_revoked(cli: Cli) -> None:
    folder = cli.folder / "api-server"
    made = cli.json("cluster", "token", "prod", "--description", "files", "--days", "30", "--folder", str(folder))
    assert "token" not in made
    assert {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()} == {
        "kubeconfig": 0o600,
        "admission.yaml": 0o600,
    }
    assert "assay_cluster_" in (folder / "kubeconfig").read_text()
    assert 'kubeConfigFile: "/etc/kubernetes/assay/kubeconfig"' in (folder / "admission.yaml").read_text()
    assert "client-key-data" in cli.table("cluster", "certificate", "prod")
    kinds = [each["kind"] for each in cli.json("cluster", "credentials", "prod")]
    assert kinds == ["token", "token", "certificate"]
    for each in cli.json("cluster", "credentials", "prod"):
        cli.json("cluster", "revoke", "prod", each["id"])
    assert cli.json("cluster", "credentials", "prod") == []


def test_webhook_manifests_are_printed_as_they_are_applied(cli: Cli) -> None:
    text = cli.table("cluster", "manifests", "prod", "--exempt", "kube-system")
    assert text.startswith('apiVersion: "admissionregistration.k8s.io/v1"\n')
    assert '- "kube-system"' in text
    assert cli.json("cluster", "manifests", "prod", "--exempt", "kube-system")["manifests"] == text


def test_a_function_stays_on_its_digest_and_an_application_can_demand_signatures(cli: Cli) -> None:
    cli.json("application", "create", "shopfront")
    made = cli.json("function", "create", "cart", "--application", "shopfront", "--image", "shop/cart:1.0")
    shown = cli.json("function", "show", "shopfront/cart")
    assert (shown["imageDigest"], shown["watch"]["isScanned"]) == (made["imageDigest"], True)
    cli.json("application", "policy", "shopfront", "--key", "release", "--enable")
    said = cli.refused("function", "update", "shopfront/cart", "--image", "shop/cart:2.0")
    assert "FunctionImageVerificationFail" in said
    assert cli.json("function", "update", "shopfront/cart")["imageDigest"] == made["imageDigest"]
    assert [each["displayName"] for each in cli.json("function", "list", "-a", "shopfront")] == ["cart"]
    assert "names no application" in cli.refused("function", "show", "cart")
    assert "has functions" in cli.refused("application", "delete", "shopfront")
    cli.json("function", "delete", "shopfront/cart")
    cli.json("application", "delete", "shopfront")
    assert cli.json("application", "list") == []


def test_a_deleted_image_is_restored_under_its_tag(cli: Cli) -> None:
    cli.json("image", "delete", "shop/cart:2.0")
    assert "NotAuthorizedOrNotFound" in cli.refused("image", "show", "shop/cart:2.0")
    assert len(cli.json("image", "list", "--deleted")) == 1
    cli.json("image", "restore", "shop/cart:2.0")
    assert cli.json("image", "show", "shop/cart:2.0")["lifecycleState"] == "AVAILABLE"
    assert "There is no deleted image" in cli.refused("image", "restore", "shop/cart:2.0")


def test_people_are_managed_and_see_only_what_a_statement_lets_them(cli: Cli) -> None:
    password = cli.json("user", "create", "ann", "--description", "reviewer")["password"]
    cli.json("group", "create", "reviewers")
    cli.json("group", "add", "reviewers", "ann")
    assert cli.json("user", "show", "ann")["groups"] == ["reviewers"]
    assert [each["name"] for each in cli.json("group", "members", "reviewers")] == ["ann"]
    theirs = Cli(cli.server, cli.folder / "ann", cli.layouts)
    words = ("login", cli.server.url, "--user", "ann", "--password-stdin", "--new-password-stdin")
    theirs.json(*words, typed=f"{password}\n{NEW_PASSWORD}\n")
    assert "NotAuthorizedOrNotFound" in theirs.refused("repository", "list")
    cli.json("policy", "create", "reviewing", "--statement", "allow group reviewers to read repos in tenancy")
    assert [each["displayName"] for each in theirs.json("repository", "list")] == ["shop/cart"]
    assert "NotAuthorizedOrNotFound" in theirs.refused("image", "delete", "shop/cart:1.0")
    cli.json("user", "block", "ann")
    assert "NotAuthenticated" in theirs.refused("repository", "list")
    cli.json("user", "unblock", "ann")
    cli.json("group", "remove", "reviewers", "ann")
    assert cli.json("group", "members", "reviewers") == []
    cli.json("policy", "delete", "reviewing")
    cli.json("group", "delete", "reviewers")
    assert cli.json("user", "reset-password", "ann")["password"] != password
    cli.json("user", "delete", "ann")
    assert [each["name"] for each in cli.json("user", "list")] == ["admin"]
    assert "reviewers" not in [each["name"] for each in cli.json("group", "list")]


def test_compartments_hold_things_by_name(cli: Cli) -> None:
    cli.json("compartment", "create", "team-a")
    cli.json("repository", "create", "team/tool", "--compartment", "team-a")
    cli.json("vault", "create", "theirs", "--compartment", "team-a")
    assert [each["displayName"] for each in cli.json("repository", "list", "-c", "team-a")] == ["team/tool"]
    assert {each["displayName"] for each in cli.json("vault", "list")} == {"shop", "theirs"}
    assert [each["displayName"] for each in cli.json("vault", "list", "-c", "team-a")] == ["theirs"]
    assert "There is no compartment 'team-b'" in cli.refused("vault", "list", "-c", "team-b")
    assert "team-a" in cli.table("compartment", "list")
    cli.json("repository", "delete", "team/tool", "--yes")
    assert "IncorrectState" in cli.refused("compartment", "delete", "team-a")


def test_the_audit_log_tells_changes_and_denials(cli: Cli) -> None:
    events = cli.json("audit", "list", "--limit", "400")
    done = {(each["operation"], each["outcome"], each["principalName"]) for each in events}
    assert ("CreateContainerImageSignature", "done", "admin") in done
    assert ("DeleteContainerImage", "denied", "ann") in done
    assert NEW_PASSWORD not in json.dumps(events)
    key = cli.json("key", "show", "release")["id"]
    assert {each["resourceId"] for each in cli.json("audit", "list", "--resource", key)} == {key}


def test_a_scanner_is_removed_and_its_results_stay(cli: Cli) -> None:
    cli.json("scanner", "remove", "shop/cart")
    assert "has no image scanner" in cli.table("scanner", "status", "shop/cart")
    assert len(cli.json("scan", "list", "shop/cart:1.0")) == 2
    ended = cli.run("sign", "shop/cart:1.0", "--key", "release")
    assert ended.returncode == 0, ended.stderr
    assert "WARNING: The scan of this image is as of feed revision" in ended.stderr


def test_a_lost_password_is_reset_by_the_operator_into_a_private_file(cli: Cli) -> None:
    folder = cli.server.folder
    environment = {**os.environ, "ASSAY_ROOT_KEY_FILE": str(folder / "keys" / "root.key")}
    words = [*cli.words("reset-administrator"), "--data-folder", str(folder / "data")]
    ended = subprocess.run([*words, "--output", "json"], capture_output=True, text=True, env=environment, timeout=120)
    assert ended.returncode == 0, ended.stderr
    file = Path(json.loads(ended.stdout)["file"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert "NotAuthenticated" in cli.refused("whoami")
    again = cli.run("login", cli.server.url, "--password-stdin", typed=f"{NEW_PASSWORD}\n")
    assert again.returncode == 1
    status, shown = cli.on_terminal(words, {}, environment)
    secret = next(line.strip() for line in shown.splitlines() if len(line.strip()) == 32)
    assert status == 0
    assert file.read_text().strip() != secret
    words = ["login", cli.server.url, "--password-stdin", "--new-password-stdin"]
    assert cli.json(*words, typed=f"{secret}\n{PASSWORD}\n")["userName"] == "admin"
    missing = cli.run("reset-administrator", "--data-folder", str(folder / "nothing"))
    assert (missing.returncode, "There is no installation" in missing.stderr) == (1, True)


def test_signing_out_ends_the_session_at_the_server_too(cli: Cli) -> None:
    token = json.loads(cli.profile.read_text())["token"]
    cli.json("logout")
    assert not cli.profile.exists()
    cli.server.token = token
    assert cli.server.refused("GET", "/20260901/sessions/current")[0] == 401
    assert "You are not signed in" in cli.refused("whoami")


def test_wrong_usage_ends_with_2(cli: Cli) -> None:
    assert cli.run("nothing").returncode == 2
    assert cli.run("image", "show").returncode == 2
    assert cli.run("image", "list", "--output", "xml").returncode == 2


def test_an_interrupted_wait_ends_quietly(cli: Cli) -> None:
    cli.json("login", cli.server.url, "--password-stdin", typed=f"{PASSWORD}\n")
    token = cli.json("token", "create", "--description", "quiet")
    for tag in ("1.0", "2.0"):
        cli.push(tag, token["login"], token["token"], "shop/quiet")
    # The scanner takes the latest image. A wait for the other gives up only after a while: there is one to interrupt.
    cli.json("scanner", "add", "shop/quiet", "--images", "1")
    # Who runs the tests in the background may have had interrupts ignored, which is inherited.
    waiting = subprocess.Popen(
        cli.words("scan", "wait", "shop/quiet:1.0", "--seconds", "100"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert waiting.stderr is not None
    waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (130, b"")
    assert b"Traceback" not in err
