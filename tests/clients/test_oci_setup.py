"""`assay oci-setup` against a real server: what it writes leads there, again changes nothing, and away it is undone.

What the stock clients then do is held by `test_oci_walk.py`.
"""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import httpx
import pytest
from assay_server import PASSWORD, AssayServer
from places import PROJECT
from request_signing import Client, KeyPair

from assay.clock import SystemClock

pytestmark = pytest.mark.real

OTHER = "[DEFAULT]\nregion=eu-frankfurt-1\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AssayServer]:
    folder = tmp_path_factory.mktemp("oci-setup")
    feed = folder / "feed"
    feed.mkdir()
    (feed / "ecosystems.txt").write_text("")
    running = AssayServer(folder / "server", str(feed))
    running.start()
    try:
        running.sign_in_first()
        yield running
    finally:
        assert running.stop() == 0, running.log


class Person:
    """Somebody who is signed in, with a home of their own."""

    def __init__(self, server: AssayServer, home: Path, token: str = "") -> None:
        self.server, self.home, self.oci = server, home, home / ".oci"
        bearer = {"authorization": f"Bearer {token or server.token}"}
        self.who = httpx.get(f"{server.url}/20260901/sessions/current", headers=bearer).json()
        profile = {
            "server": server.url,
            "user": self.who["userName"],
            "token": token or server.token,
            "tenancy": self.who["tenancyId"],
            "namespace": self.who["namespace"],
            "registry": self.who["registry"],
        }
        (home / "profile.json").write_text(json.dumps(profile))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "assay.cli.main", f"--profile={self.home}/profile.json", "oci-setup", *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=PROJECT)

    def set_up(self, *words: str) -> dict[str, object]:
        done = self.run(*words, "--output", "json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout)) if done.stdout else {}

    def fingerprints(self) -> list[str]:
        path = f"/20160918/users/{self.who['userId']}/apiKeys"
        return [each["fingerprint"] for each in self.server.call("GET", path)]


@pytest.fixture
def person(server: AssayServer, tmp_path: Path) -> Iterator[Person]:
    found = Person(server, tmp_path)
    yield found
    for each in found.fingerprints():
        server.call("DELETE", f"/20160918/users/{found.who['userId']}/apiKeys/{each}")


def test_the_profile_signs_requests_that_the_server_takes_over_the_port_s_own_names(person: Person) -> None:
    told = person.set_up()
    profile = ConfigParser()
    profile.read(person.oci / "config")
    own = person.oci / "assay-ASSAY"
    assert dict(profile["ASSAY"]) == {
        "user": person.who["userId"],
        "tenancy": person.who["tenancyId"],
        "fingerprint": person.fingerprints()[0],
        "key_file": str(own / "api-key.pem"),
        "region": "local",
    }
    assert told["hosts"] == []
    pair = KeyPair.of_pem((own / "api-key.pem").read_bytes())
    assert pair.fingerprint == profile["ASSAY"]["fingerprint"]
    host = f"objectstorage.local.assay.internal:{person.server.oci_port}"
    signed = Client(pair, profile["ASSAY"]["tenancy"], profile["ASSAY"]["user"], host)
    trust = ssl.create_default_context(cafile=str(own / "authorities.pem"))
    with httpx.Client(verify=trust, proxy=f"http://127.0.0.1:{person.server.oci_port}") as client:
        headers = signed.headers("GET", "/n", SystemClock().now())
        assert client.get(f"https://{host}/n", headers=headers).json() == person.who["namespace"]


def test_nobody_else_may_read_what_it_writes(person: Person) -> None:
    person.set_up()
    own = person.oci / "assay-ASSAY"
    assert own.stat().st_mode & 0o777 == 0o700
    for path in (person.oci / "config", *own.iterdir()):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_again_it_changes_nothing_and_other_profiles_stay(person: Person) -> None:
    person.oci.mkdir()
    (person.oci / "config").write_text(OTHER)
    person.set_up()
    files = {path: path.read_bytes() for path in person.oci.rglob("*") if path.is_file()}
    keys = person.fingerprints()
    person.set_up()
    assert {path: path.read_bytes() for path in person.oci.rglob("*") if path.is_file()} == files
    assert person.fingerprints() == keys
    assert (person.oci / "config").read_text().startswith(OTHER)
    person.set_up("--profile", "SECOND")
    assert len(person.fingerprints()) == 2
    person.set_up("--profile", "SECOND", "--remove")
    assert person.fingerprints() == keys
    person.set_up("--remove")
    assert person.fingerprints() == []
    assert (person.oci / "config").read_text() == OTHER
    assert [path.name for path in person.oci.iterdir()] == ["config"]


def test_a_key_that_was_taken_away_is_uploaded_again(person: Person) -> None:
    person.set_up()
    (before,) = person.fingerprints()
    person.server.call("DELETE", f"/20160918/users/{person.who['userId']}/apiKeys/{before}")
    person.set_up()
    assert person.fingerprints() == [before]


def test_a_key_of_one_s_own_is_used_where_it_lies(person: Person) -> None:
    pair = KeyPair()
    mine = person.home / "mine.pem"
    mine.write_text(pair.private_pem)
    told = person.set_up("--key-file", str(mine))
    assert (told["key_file"], told["fingerprint"]) == (str(mine), pair.fingerprint)
    assert not (person.oci / "assay-ASSAY" / "api-key.pem").exists()
    person.set_up("--remove")
    assert mine.read_text() == pair.private_pem
    public = person.home / "public.pem"
    public.write_text(pair.public_pem)
    done = person.run("--key-file", str(public))
    assert done.returncode == 1
    assert "holds no private key" in done.stderr


def test_a_profile_of_somebody_else_s_is_refused_before_anything_is_done(person: Person) -> None:
    person.oci.mkdir()
    (person.oci / "config").write_text("[ASSAY]\nregion=mine\n")
    for words in ((), ("--remove",)):
        done = person.run(*words)
        assert done.returncode == 1
        assert "did not make" in done.stderr
    assert person.run("--profile", "DEFAULT").returncode == 1
    assert person.fingerprints() == []
    assert [path.name for path in person.oci.iterdir()] == ["config"]


def test_whoever_may_do_nothing_else_can_set_up_their_own_client(server: AssayServer, tmp_path: Path) -> None:
    root = server.call("GET", "/20260901/sessions/current")["tenancyId"]
    user = server.call("POST", "/20160918/users", {"compartmentId": root, "name": "bob", "description": "d"})
    once = server.call("POST", f"/20160918/users/{user['id']}/uiPassword")["password"]
    sessions = f"{server.url}/20260901/sessions"
    token = httpx.post(sessions, json={"user": "bob", "password": once}).json()["token"]
    changed = {"currentPassword": once, "newPassword": PASSWORD}
    bearer = {"authorization": f"Bearer {token}"}
    httpx.post(f"{sessions}/current/actions/changePassword", json=changed, headers=bearer).raise_for_status()
    bob = Person(server, tmp_path, token)
    assert bob.set_up()["user"] == user["id"]
    assert len(bob.fingerprints()) == 1
    bob.set_up("--remove")
    assert bob.fingerprints() == []


def test_the_lines_for_hosts_name_every_service_and_each_vault(person: Person) -> None:
    body = {"compartmentId": person.who["tenancyId"], "displayName": "shop", "vaultType": "DEFAULT"}
    vault = person.server.call("POST", "/20180608/vaults", body)
    extension = vault["id"].split(".")[4]
    lines = person.set_up("--hosts")["hosts"]
    assert f"127.0.0.1  {extension}-crypto.kms.local.oci.assay.internal  # vault shop" in lines
    assert "127.0.0.1  artifacts.local.oci.assay.internal" in lines
    assert all(re.fullmatch(r"127\.0\.0\.1  [a-z0-9.-]+(  # vault [a-z]+)?", line) for line in lines)
    assert "HTTPS_PROXY=" not in (person.oci / "assay-ASSAY" / "env").read_text()


def test_models_asked_by_a_name_hold_names_and_by_the_main_address_that(person: Person) -> None:
    server = person.server
    body = {"compartmentId": person.who["tenancyId"], "displayName": "v", "vaultType": "DEFAULT"}
    vault = server.call("POST", "/20180608/vaults", body)
    assert vault["managementEndpoint"].startswith(f"{server.url}/vaults/")
    person.set_up()
    trust = ssl.create_default_context(cafile=str(person.oci / "assay-ASSAY" / "authorities.pem"))
    extension = vault["id"].split(".")[4]
    bearer = {"authorization": f"Bearer {server.token}"}
    with httpx.Client(verify=trust, proxy=f"http://127.0.0.1:{server.oci_port}", headers=bearer) as client:
        for port in ("", f":{server.oci_port}"):
            found = client.get(f"https://kms.local.assay.internal{port}/20180608/vaults/{vault['id']}").json()
            assert found["managementEndpoint"] == f"https://{extension}-management.kms.local.oci.assay.internal{port}"
            assert found["cryptoEndpoint"] == f"https://{extension}-crypto.kms.local.oci.assay.internal{port}"
            keys = client.get(
                f"{found['managementEndpoint']}/20180608/keys", params={"compartmentId": person.who["tenancyId"]}
            )
            assert keys.json() == []
