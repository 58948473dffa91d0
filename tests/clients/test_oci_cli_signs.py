"""The stock oci command line and SDK, unchanged, against a real server: signed requests, keys in rotation, replays."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from assay_server import PASSWORD, AssayServer
from places import PARTS, PROJECT
from request_signing import Client, KeyPair

from assay.clock import SystemClock

pytestmark = pytest.mark.real

INSTALL_SECONDS = 600
#: An SDK script that prints what three calls gave.
SDK = """
import sys, oci
config = oci.config.from_file(sys.argv[1])
storage = oci.object_storage.ObjectStorageClient(config, service_endpoint=sys.argv[2])
identity = oci.identity.IdentityClient(config, service_endpoint=sys.argv[2])
print(storage.get_namespace().data)
print(*[user.name for user in identity.list_users(config["tenancy"]).data])
key = identity.list_api_keys(config["user"]).data[0]
print(key.key_id, key.lifecycle_state, key.time_created.tzinfo)
"""


@pytest.fixture(scope="session")
def oci_program() -> Path:
    """The program `oci` of a virtual environment of its own."""
    place = Path(os.environ.get("ASSAY_OCI_CLI") or PROJECT / ".parts" / "oci-cli")
    done = subprocess.run(
        [PARTS / "oci-cli.sh", place], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: no oci command line: {done.stderr[-500:]}")
    return Path(done.stdout.strip())


@dataclass(frozen=True)
class Oci:
    """The command line under one profile."""

    program: Path
    home: Path
    url: str

    @property
    def config(self) -> Path:
        return self.home / "config"

    def use(self, client: Client) -> None:
        """Write the profile of a key."""
        self.home.mkdir(exist_ok=True)
        key = self.home / f"{client.pair.fingerprint[:5]}.pem".replace(":", "")
        lines = {
            "user": client.user,
            "tenancy": client.tenancy,
            "fingerprint": client.pair.fingerprint,
            "key_file": str(key),
            "region": "us-ashburn-1",
        }
        for path, text in (
            (key, client.pair.private_pem),
            (self.config, "[DEFAULT]\n" + "".join(f"{name}={value}\n" for name, value in lines.items())),
        ):
            path.write_text(text)
            path.chmod(0o600)

    def run(self, *words: str, endpoint: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, "--config-file", self.config, "--endpoint", endpoint or self.url, *words, "--no-retry"],
            capture_output=True,
            text=True,
            timeout=120,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "SUPPRESS_LABEL_WARNING": "True"},
        )

    def data(self, *words: str, endpoint: str = "") -> object:
        """What a command that must succeed prints as data."""
        done = self.run(*words, endpoint=endpoint)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"] if done.stdout.strip() else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssayServer]:
    folder = tmp_path_factory.mktemp("oci")
    feed = folder / "feed"
    feed.mkdir()
    (feed / "ecosystems.txt").write_text("")
    running = AssayServer(folder / "server", str(feed))
    running.start()
    try:
        running.sign_in_first()
        yield running
    finally:
        running.stop()


@pytest.fixture
def client(server: AssayServer) -> Iterator[Client]:
    """The administrator with a fresh key."""
    me = server.call("GET", "/20260901/sessions/current")
    pair = KeyPair()
    keys = f"/20160918/users/{me['userId']}/apiKeys"
    server.call("POST", keys, {"key": pair.public_pem})
    yield Client(pair, me["tenancyId"], me["userId"], server.host)
    for each in server.call("GET", keys):
        server.call("DELETE", f"{keys}/{each['fingerprint']}")


@pytest.fixture
def oci(oci_program: Path, tmp_path: Path, server: AssayServer, client: Client) -> Oci:
    found = Oci(oci_program, tmp_path / "home", server.url)
    found.use(client)
    return found


def test_the_command_line_is_let_in_by_its_signature(oci: Oci, server: AssayServer) -> None:
    namespace = server.call("GET", "/n")
    assert oci.data("os", "ns", "get") == namespace
    # An endpoint that ends with a slash makes the client sign, and send, two.
    assert oci.data("os", "ns", "get", endpoint=f"{server.url}/") == namespace
    assert [user["name"] for user in oci.data("iam", "user", "list")] == ["admin"]  # type: ignore[attr-defined]


def test_keys_rotate_by_the_command_line_and_an_old_one_is_refused_at_once(oci: Oci, client: Client) -> None:
    following = Client(KeyPair(), client.tenancy, client.user)
    public = oci.home / "public.pem"
    public.write_text(following.pair.public_pem)
    user = ("--user-id", client.user)
    made = oci.data("iam", "user", "api-key", "upload", *user, "--key-file", str(public))
    assert isinstance(made, dict)
    assert (made["fingerprint"], made["key-id"]) == (following.pair.fingerprint, following.key_id)
    assert (made["lifecycle-state"], made["inactive-status"]) == ("ACTIVE", None)
    oci.use(following)
    oci.data("iam", "user", "api-key", "delete", *user, "--fingerprint", client.pair.fingerprint, "--force")
    listed = oci.data("iam", "user", "api-key", "list", *user)
    assert [key["fingerprint"] for key in listed] == [following.pair.fingerprint]  # type: ignore[attr-defined]
    oci.use(client)
    refused = oci.run("os", "ns", "get")
    assert refused.returncode == 1
    assert '"code": "NotAuthenticated"' in refused.stderr
    assert '"status": 401' in refused.stderr


def test_a_private_key_that_is_uploaded_by_mistake_is_refused(oci: Oci, client: Client) -> None:
    key = next(oci.home.glob("*.pem"))
    refused = oci.run("iam", "user", "api-key", "upload", "--user-id", client.user, "--key-file", str(key))
    assert refused.returncode == 1
    assert "This is a private key" in refused.stderr


def test_the_sdk_reads_what_it_asked_for(oci: Oci, client: Client, server: AssayServer) -> None:
    python = oci.program.parent / "python"
    done = subprocess.run(
        [python, "-c", SDK, oci.config, server.url], capture_output=True, text=True, timeout=120, check=True
    )
    namespace, names, key = done.stdout.splitlines()
    assert (namespace, names) == (server.call("GET", "/n"), "admin")
    assert key == f"{client.key_id} ACTIVE tzutc()"


def test_the_raw_target_is_what_was_signed_also_where_servers_see_no_difference(
    client: Client, server: AssayServer
) -> None:
    def answered(signed: str, sent: str) -> int:
        headers = client.headers("GET", signed, SystemClock().now())
        url = httpx.URL(server.url).copy_with(raw_path=sent.encode())
        return httpx.get(url, headers=headers).status_code

    assert answered("/n", "/n") == 200
    assert answered("/n?", "/n?") == 200
    assert answered("/n", "/n?") == 401
    assert answered("/n?", "/n") == 401
    assert answered("/%6e", "/%6e") == 200
    assert answered("/n", "/%6e") == 401
    assert answered("//n", "//n") == 200
    assert answered("//n", "/n") == 401


def test_a_recorded_change_is_carried_out_once_by_a_real_server(client: Client, server: AssayServer) -> None:
    target = "/20160918/groups"
    body = json.dumps({"compartmentId": client.tenancy, "name": "builders", "description": "who build"}).encode()
    headers = client.headers("POST", target, SystemClock().now(), body)
    first = httpx.post(server.url + target, content=body, headers=headers)
    again = httpx.post(server.url + target, content=body, headers=headers)
    assert (first.status_code, again.status_code) == (200, 409)
    assert again.json()["code"] == "IncorrectState"
    assert "not carried out twice" in again.json()["message"]


def test_a_key_that_assay_made_here_lets_the_command_line_in(
    oci: Oci, client: Client, server: AssayServer, tmp_path: Path
) -> None:
    environment = {**os.environ, "ASSAY_PROFILE": str(tmp_path / "profile.json")}

    def assay(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "assay.cli.main", *words]
        return subprocess.run(program, input=typed, capture_output=True, text=True, timeout=60, env=environment)

    assert assay("login", server.url, "--password-stdin", typed=PASSWORD).returncode == 0
    file = tmp_path / "made.pem"
    made = assay("user", "api-key", "generate", str(file), "--days", "2", "--output", "json")
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines()[1] not in made.stdout + made.stderr
    key = json.loads(made.stdout)
    profile = {"fingerprint": key["fingerprint"], "key_file": str(file), "user": client.user, "tenancy": client.tenancy}
    lines = "".join(f"{name}={value}\n" for name, value in {**profile, "region": "us-ashburn-1"}.items())
    oci.config.write_text(f"[DEFAULT]\n{lines}")
    assert oci.data("os", "ns", "get") == server.call("GET", "/n")
    # The file is not written over, and a private key is not sent.
    assert "is there already" in assay("user", "api-key", "generate", str(file)).stderr
    assert "it was not sent" in assay("user", "api-key", "upload", str(file)).stderr
    assert key["fingerprint"] in assay("user", "api-key", "list", "--output", "json").stdout
    assert assay("user", "api-key", "delete", key["fingerprint"]).returncode == 0
    assert oci.run("os", "ns", "get").returncode == 1
