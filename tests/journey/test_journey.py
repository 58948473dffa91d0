"""The whole story against a started server, on both databases: each yes has its negative control.

The tests of this file run in order and build on one another; each is one stage of the journey.
"""

import base64
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from assay_server import CARRIED, STATEMENTS, AssayServer, pretty, problems_by_name
from newer_suites import program

from scripts.demo_image import debian_layer, python_layer, text_layer, write_layout

pytestmark = pytest.mark.real

REPOSITORY = "shop/cart"
#: Of pillow 8.0.0, requests 2.19.1 and django 3.2, by the records that the project carries (their README names them).
KNOWN_FIRST = {"CVE-2021-25287": ("pillow", "8.0.0", "8.2.0", "CRITICAL")}


@dataclass
class Story:
    """What the stages hand on."""

    server: AssayServer
    feed: Path
    layouts: Path
    digests: dict[str, str]
    tenancy: str = ""
    namespace: str = ""
    auth_token: str = ""
    repository: str = ""
    image: str = ""
    scan: str = ""
    vault: str = ""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    cluster: str = ""
    cluster_token: str = ""

    def reference(self, what: str) -> str:
        return f"{self.server.host}/{self.namespace}/{REPOSITORY}{what}"

    def skopeo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=120)

    def push(self, layout: str, tag: str, credentials: str = "") -> subprocess.CompletedProcess[str]:
        login = credentials or f"{self.namespace}/admin:{self.auth_token}"
        source, target = f"oci:{self.layouts / layout}:latest", f"docker://{self.reference(f':{tag}')}"
        return self.skopeo("copy", "--dest-tls-verify=false", "--dest-creds", login, source, target)

    def image_of(self, tag: str) -> dict[str, Any]:
        body = {"imageUri": f"{self.namespace}/{REPOSITORY}:{tag}"}
        return dict(self.server.call("POST", "/20160918/container/images/actions/lookupImageByUri", body))

    def scans(self, image: str) -> list[dict[str, Any]]:
        found = self.server.call("GET", "/20210215/containerScanResults", compartmentId=self.tenancy, imageId=image)
        return list(found["items"])

    def details(self, scan: str) -> dict[str, Any]:
        return dict(self.server.call("GET", f"/20210215/containerScanResults/{scan}"))

    def metric(self, name: str) -> float:
        lines = self.server.call("GET", "/metrics").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name)))

    def allow(self, name: str, *statements: str) -> None:
        body = {"compartmentId": self.tenancy, "name": name, "description": "d", "statements": list(statements)}
        self.server.call("POST", "/20160918/policies", body)

    def review(self, image: str, **more: Any) -> dict[str, Any]:
        return self.server.review(self.cluster, self.cluster_token, image, **more)

    def why_denied(self, image: str, **more: Any) -> str:
        answer = self.review(image, **more)
        assert not answer["allowed"], pretty(answer)
        return str(answer["status"]["message"])


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The demo's image, and two more on its base, as OCI layouts."""
    folder = tmp_path_factory.mktemp("layouts")
    try:
        base, application = debian_layer(folder / "work"), python_layer(folder / "work")
    except subprocess.CalledProcessError as fault:
        pytest.skip(f"SKIPPED FOR WANT OF A PACKAGE MIRROR: {fault.stderr}")
    digests = {
        "cart": write_layout(folder / "cart", [base, application]),
        "unsigned": write_layout(folder / "unsigned", [base, text_layer("etc/motd", "unsigned\n")]),
        "other": write_layout(folder / "other", [base, text_layer("etc/motd", "signed by another key\n")]),
    }
    return folder, digests


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def story(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    layouts: tuple[Path, dict[str, str]],
) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp(request.param)
    feed = folder / "feed"
    shutil.copytree(CARRIED / "first", feed)
    url = ""
    if request.param == "postgres":
        server_url = request.getfixturevalue("postgres_server")
        name = f"journey{time.monotonic_ns()}"
        with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = f"{server_url}/{name}"
    server = AssayServer(folder / "assay", str(feed), url)
    server.start()
    yield Story(server, feed, *layouts)
    server.stop()


def test_the_first_administrators_secret_is_left_in_a_file_of_its_own_and_must_be_changed(story: Story) -> None:
    server = story.server
    assert server.secret_file.stat().st_mode & 0o777 == 0o600
    secret = server.secret_file.read_text().strip()
    assert str(server.secret_file) in server.log
    assert secret not in server.log
    status, message = server.refused("POST", "/20260901/sessions", {"user": "admin", "password": secret + "x"})
    assert (status, message.startswith("Name or password is wrong")) == (401, True)
    with server.api() as api:
        server.token = api.post("/20260901/sessions", json={"user": "admin", "password": secret}).json()["token"]
    status, message = server.refused("GET", "/20260901/sessions/current")
    assert status == 403
    assert "password must be changed" in message
    server.sign_in_first()
    me = server.call("GET", "/20260901/sessions/current")
    story.tenancy, story.namespace = me["tenancyId"], me["namespace"]
    token = server.call("POST", f"/20160918/users/{me['userId']}/authTokens", {"description": "push"})
    story.auth_token = token["token"]
    listed = server.call("GET", f"/20160918/users/{me['userId']}/authTokens")
    assert [each["token"] for each in listed] == [None]


def test_skopeo_pushes_and_pulls_and_the_repository_is_private(story: Story, tmp_path: Path) -> None:
    wrong = story.push("cart", "1.0", credentials=f"{story.namespace}/admin:wrong")
    assert wrong.returncode != 0
    assert "unauthorized" in wrong.stderr.lower()
    pushed = story.push("cart", "1.0")
    assert pushed.returncode == 0, pushed.stderr
    image = story.image_of("1.0")
    assert image["digest"] == story.digests["cart"]
    story.repository, story.image = image["repositoryId"], image["id"]
    source = f"docker://{story.reference(':1.0')}"
    anonymous = story.skopeo("copy", "--src-tls-verify=false", "--src-no-creds", source, f"dir:{tmp_path / 'no'}")
    assert anonymous.returncode != 0
    login = f"{story.namespace}/admin:{story.auth_token}"
    pulled = story.skopeo("copy", "--src-tls-verify=false", "--src-creds", login, source, f"oci:{tmp_path / 'yes'}:v")
    assert pulled.returncode == 0, pulled.stderr
    assert story.digests["cart"] in (tmp_path / "yes" / "index.json").read_text()


def test_a_scanner_gets_nothing_until_both_statements_are_there(story: Story) -> None:
    story.server.call("POST", f"/20260901/repositories/{story.repository}/scanner", {})
    statuses = f"/20260901/repositories/{story.repository}/scanStatuses"

    def status() -> dict[str, Any]:
        return dict(story.server.call("GET", statuses)["items"][0])

    story.server.wait_for("a status", lambda: story.server.call("GET", statuses)["items"])
    assert status()["standing"] == "not-permitted"
    assert status()["missingStatements"] == list(STATEMENTS)
    wrong = {
        "compartmentId": story.tenancy,
        "name": "typo",
        "description": "d",
        "statements": ["allow service vulnerability-scanning-service to raed repos in tenancy"],
    }
    code, message = story.server.refused("POST", "/20160918/policies", wrong)
    assert code == 400
    assert "raed" in message
    assert "read" in message.partition("raed")[2]
    story.allow("scanning-repos", STATEMENTS[0])
    time.sleep(1)
    assert status()["missingStatements"] == [STATEMENTS[1]]
    assert story.scans(story.image) == []
    story.allow("scanning-compartments", STATEMENTS[1])
    scans = story.server.wait_for("a scan", lambda: story.scans(story.image))
    story.scan = scans[0]["id"]


def test_the_scan_names_the_problems_with_level_versions_place_and_link(story: Story) -> None:
    scan = story.details(story.scan)
    assert scan["highestProblemSeverity"] == "CRITICAL"
    assert scan["problemCount"] == len(scan["problems"]) == sum(scan["counts"].values())
    problems = problems_by_name(scan)
    for name, (package, installed, fixed, severity) in KNOWN_FIRST.items():
        found = problems[name]
        assert found["severity"] == severity
        assert found["cveReference"] == f"https://www.cve.org/CVERecord?id={name}"
        assert found["description"]
        [where] = found["vulnerablePackages"]
        assert (where["name"], where["version"], where["cveFixVersion"]) == (package, installed, fixed)
        assert where["locations"] == ["usr/lib/python3/dist-packages/Pillow-8.0.0.dist-info/METADATA"]


def test_a_later_push_is_scanned_by_itself(story: Story) -> None:
    for layout, tag in (("unsigned", "unsigned"), ("other", "other")):
        assert story.push(layout, tag).returncode == 0
        image = story.image_of(tag)["id"]
        assert story.server.wait_for(f"a scan of {tag}", lambda image=image: story.scans(image))


def test_new_advisories_rescan_only_what_they_change_and_open_no_blob(story: Story) -> None:
    untouched = story.image_of("unsigned")["id"]
    before = problems_by_name(story.details(story.scan))
    opened = story.metric("assay_blobs_opened_total")
    scans_untouched = len(story.scans(untouched))
    shutil.copytree(CARRIED / "later", story.feed, dirs_exist_ok=True)
    story.server.call("POST", "/20260901/feeds/osv/actions/refresh")
    scans = story.server.wait_for(
        "a second scan", lambda: found if len(found := story.scans(story.image)) == 2 else None
    )
    assert story.metric("assay_blobs_opened_total") == opened
    newest = story.details(scans[0]["id"])
    assert newest["cause"] == "feed"
    assert newest["feedRevision"] == 2
    after = problems_by_name(newest)
    assert set(after) > set(before)
    compared = story.server.call("GET", "/20260901/scanComparison", before=story.scan, after=scans[0]["id"])
    new = {change["name"] for change in compared["changes"] if change["kind"] == "new"}
    assert new == set(after) - set(before)
    assert all(change["cause"] == "feed" for change in compared["changes"])
    assert problems_by_name(story.details(story.scan)).keys() == before.keys(), "an old scan stays as it was"
    assert len(story.scans(untouched)) == scans_untouched, "what did not change is not scanned again"
    story.scan = scans[0]["id"]


def test_a_reviewer_records_a_verdict(story: Story) -> None:
    code, _ = story.server.refused("POST", f"/20260901/scans/{story.scan}/verdicts", {"isAccepted": True, "reason": ""})
    assert code == 400
    story.server.call(
        "POST", f"/20260901/scans/{story.scan}/verdicts", {"isAccepted": True, "reason": "known, isolated"}
    )
    [verdict] = story.server.call("GET", f"/20260901/images/{story.image}/verdicts")["items"]
    assert (verdict["isAccepted"], verdict["reason"], verdict["reviewer"]) == (True, "known, isolated", "admin")


@pytest.mark.parametrize(
    ("name", "shape"),
    [("release", {"algorithm": "ECDSA", "length": 32}), ("stranger", {"algorithm": "RSA", "length": 256})],
)
def test_keys_are_made_in_a_vault_and_only_their_public_half_comes_out(
    story: Story, name: str, shape: dict[str, Any]
) -> None:
    if not story.vault:
        body = {"compartmentId": story.tenancy, "displayName": "acme", "vaultType": "DEFAULT"}
        story.vault = story.server.call("POST", "/20180608/vaults", body)["managementEndpoint"]
    body = {"compartmentId": story.tenancy, "displayName": name, "keyShape": shape, "protectionMode": "SOFTWARE"}
    key = story.server.call("POST", f"{story.vault}/20180608/keys", body)
    version = story.server.call("GET", f"/20180608/keys/{key['id']}/keyVersions/{key['currentKeyVersion']}")
    assert version["publicKey"].startswith("-----BEGIN PUBLIC KEY-----")
    assert "PRIVATE" not in json.dumps([key, version])
    story.keys[name] = {**key, "publicKey": version["publicKey"]}


def sign(story: Story, tag: str, key: str) -> dict[str, Any]:
    image = story.image_of(tag)["id"]
    body = {"kmsKeyId": story.keys[key]["id"], "tag": tag}
    return dict(story.server.call("POST", f"/20260901/images/{image}/actions/sign", body))


def test_a_signed_image_verifies_and_an_unsigned_one_has_no_signature(story: Story) -> None:
    sign(story, "1.0", "release")
    sign(story, "other", "stranger")
    verified = story.server.call("GET", f"/20260901/images/{story.image}/verification")["items"]
    assert [outcome["isVerified"] for outcome in verified] == [True]
    unsigned = story.image_of("unsigned")["id"]
    assert story.server.call("GET", f"/20260901/images/{unsigned}/verification")["items"] == []


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_an_unmodified_cosign_verifies_it_and_refuses_other_keys(story: Story, suite: str, tmp_path: Path) -> None:
    cosign = program(suite, "cosign")

    def verify(tag: str, key: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / f"{key}.pub"
        file.write_text(story.keys[key]["publicKey"])
        login = ["--registry-username", f"{story.namespace}/admin", "--registry-password", story.auth_token]
        command = [str(cosign), "verify", "--key", str(file), "--insecure-ignore-tlog", "--allow-http-registry", *login]
        return subprocess.run([*command, story.reference(f":{tag}")], capture_output=True, text=True, timeout=60)

    ours = story.server.wait_for("publication", lambda: r if (r := verify("1.0", "release")).returncode == 0 else None)
    assert story.digests["cart"] in ours.stdout
    other_key = verify("1.0", "stranger")
    assert other_key.returncode != 0
    # As each of the two cosigns says it: for the tag form, and for the bundle.
    reasons = ("no matching signatures", "accepted signatures do not match threshold, Found: 0")
    assert any(reason in other_key.stderr for reason in reasons), other_key.stderr
    unsigned = verify("unsigned", "release")
    assert unsigned.returncode != 0
    assert "no signatures found" in unsigned.stderr


def test_a_cluster_has_a_policy_credentials_and_manifests(story: Story) -> None:
    policy = {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": story.keys["release"]["id"]}]}
    body = {
        "compartmentId": story.tenancy,
        "name": "prod",
        "vcnId": "",
        "kubernetesVersion": "v1.36",
        "imagePolicyConfig": policy,
    }
    story.cluster = story.server.call("POST", "/20180222/clusters", body)["id"]
    story.cluster_token = story.server.call("POST", f"/20260901/clusters/{story.cluster}/tokens", {})["token"]
    printed = story.server.call("GET", f"/20260901/clusters/{story.cluster}/webhookManifests")
    assert "MutatingWebhookConfiguration" in printed
    assert "ValidatingWebhookConfiguration" in printed
    assert story.cluster_token not in printed


def test_a_cluster_sees_no_repository_until_a_statement_lets_it(story: Story) -> None:
    assert "there is no such image that prod may read" in story.why_denied(story.reference(":1.0"))
    story.allow("prod", f"allow any-user to read repos in tenancy where request.user.id = '{story.cluster}'")


def test_the_signed_image_is_admitted_and_pinned_to_its_digest(story: Story) -> None:
    answer = story.review(story.reference(":1.0"))
    assert answer["allowed"], pretty(answer)
    patch = json.loads(base64.b64decode(answer["patch"]))
    pinned = f"{story.reference(':1.0')}@{story.digests['cart']}"
    assert patch[-1] == {"op": "replace", "path": "/spec/containers/0/image", "value": pinned}
    validated = story.review(pinned, phase="validate")
    assert validated["allowed"]
    assert "patch" not in validated


def test_everything_else_is_denied_for_its_own_reason(story: Story) -> None:
    assert "not signed" in story.why_denied(story.reference(":unsigned"))
    assert "stranger" in story.why_denied(story.reference(":other"))
    assert "registry docker.io is not on the list" in story.why_denied("nginx:1.27")
    assert "there is no such image" in story.why_denied(story.reference(":9.9"))
    answer = story.server.review(story.cluster, story.cluster_token, story.reference(":1.0"), object=None)
    assert not answer["allowed"]


def test_a_stranger_cannot_ask_in_the_clusters_name(story: Story) -> None:
    with pytest.raises(AssertionError, match="401"):
        story.server.review(story.cluster, "assay_cluster_madeup", story.reference(":1.0"))


def test_a_disabled_key_denies_at_once_and_an_enabled_one_admits_again(story: Story) -> None:
    key = story.keys["release"]["id"]
    story.server.call("POST", f"/20180608/keys/{key}/actions/disable")
    assert "release" in story.why_denied(story.reference(":1.0"))
    story.server.call("POST", f"/20180608/keys/{key}/actions/enable")
    assert story.review(story.reference(":1.0"))["allowed"]


def test_a_deleted_signature_denies_at_once(story: Story) -> None:
    assert story.push("cart", "twice").returncode == 0
    [signature] = story.server.call(
        "GET", "/20160918/container/imageSignatures", compartmentId=story.tenancy, imageDigest=story.digests["cart"]
    )["items"]
    story.server.call("DELETE", f"/20160918/container/imageSignatures/{signature['id']}")
    assert "the signature was deleted" in story.why_denied(story.reference(":1.0"))
    sign(story, "1.0", "release")
    assert story.review(story.reference(":1.0"))["allowed"]


def test_an_enabled_policy_without_keys_denies(story: Story) -> None:
    policy = story.server.call("GET", f"/20180222/clusters/{story.cluster}")["imagePolicyConfig"]
    path = f"/20180222/clusters/{story.cluster}"
    story.server.call("PUT", path, {"imagePolicyConfig": {"isPolicyEnabled": True, "keyDetails": []}})
    assert not story.review(story.reference(":1.0"))["allowed"]
    story.server.call("PUT", path, {"imagePolicyConfig": policy})
    assert story.review(story.reference(":1.0"))["allowed"]


def test_a_function_is_pinned_to_its_digest_and_told_of_a_newer_push(story: Story) -> None:
    body = {"compartmentId": story.tenancy, "displayName": "shop", "subnetIds": []}
    application = story.server.call("POST", "/20260325/applications", body)["id"]
    source = {"sourceType": "CONTAINER_IMAGE", "image": story.reference(":1.0")}
    body = {"applicationId": application, "displayName": "cart", "memoryInMBs": 128, "sourceDetails": source}
    function = story.server.call("POST", "/20260325/functions", body)
    assert function["imageDigest"] == story.digests["cart"]
    watched = story.server.call("GET", f"/20260901/functions/{function['id']}/watch")
    assert watched["isScanned"]
    assert watched["scanStatus"]["latestScan"]["id"] == story.scan
    assert watched["newerDigest"] is None
    assert story.push("unsigned", "1.0").returncode == 0
    watched = story.server.call("GET", f"/20260901/functions/{function['id']}/watch")
    assert watched["newerDigest"] == story.digests["unsigned"]
    assert "not signed" in story.why_denied(story.reference(":1.0")), "the tag moved to an unsigned image"
    assert story.push("cart", "1.0").returncode == 0
    code, message = story.server.refused("POST", f"/20260325/functions/{function['id']}/actions/invoke", {})
    assert code == 501
    assert "does not run functions" in message
    foreign = {
        **body,
        "displayName": "n",
        "sourceDetails": {"sourceType": "CONTAINER_IMAGE", "image": "docker.io/library/nginx:1"},
    }
    code, _ = story.server.refused("POST", "/20260325/functions", foreign)
    assert code == 400


def test_bytes_that_were_changed_in_the_database_are_noticed(story: Story) -> None:
    change_manifest(story, b"\n")
    try:
        [outcome] = story.server.call("GET", f"/20260901/images/{story.image}/verification")["items"]
        assert not outcome["isVerified"]
        assert "changed" in outcome["because"]
        assert "changed" in story.why_denied(story.reference(":1.0"))
    finally:
        change_manifest(story, b"")
    assert story.review(story.reference(":1.0"))["allowed"]


def change_manifest(story: Story, tail: bytes) -> None:
    """Behind the server's back: give the stored manifest another last byte, or its own bytes again."""
    original = (story.layouts / "cart/blobs/sha256" / story.digests["cart"].partition(":")[2]).read_bytes()
    digest, content = story.digests["cart"], original + tail
    if story.server.database_url:
        with psycopg.connect(story.server.database_url) as connection:
            changed = connection.execute("UPDATE manifest SET content = %s WHERE digest = %s", (content, digest))
            assert changed.rowcount == 1
    else:
        with sqlite3.connect(story.server.folder / "data/assay.db", timeout=30) as connection:
            changed = connection.execute("UPDATE manifest SET content = ? WHERE digest = ?", (content, digest))
            assert changed.rowcount == 1


def test_a_removed_scanner_scans_no_more_and_keeps_its_results(story: Story) -> None:
    scans = len(story.scans(story.image))
    story.server.call("DELETE", f"/20260901/repositories/{story.repository}/scanner")
    assert len(story.scans(story.image)) == scans
    assert story.push("other", "unwatched").returncode == 0
    time.sleep(1)
    assert len(story.scans(story.image)) == scans


def test_no_secret_stands_in_the_log_or_in_the_database(story: Story) -> None:
    told = story.server.log
    secrets = [story.auth_token, story.cluster_token, story.server.token]
    assert not [secret for secret in secrets if secret in told]
    for file in (story.server.folder / "data").glob("*.db*"):
        content = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], file
        assert b"PRIVATE KEY" not in content


def test_it_stops_when_it_is_interrupted_and_starts_again_as_it_was(story: Story) -> None:
    assert story.server.stop() == 0
    story.server.start()
    assert story.review(story.reference(":1.0"))["allowed"]
    assert story.image_of("1.0")["id"] == story.image
