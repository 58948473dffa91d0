"""What a walk stands on: a fresh server, somebody signed in, and the stock client set up by `assay oci-setup`."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay_server import CARRIED, AssayServer
from places import PARTS, PROJECT

from scripts.demo_image import Layer, text_layer, write_layout

SDK_BEFORE = "2.160.0"
INSTALL_SECONDS = 900
COMMAND_SECONDS = 180
PROFILE = "WALK"


class Missing(Exception):
    """A real part that the walk needs cannot be had."""


class Failed(Exception):
    """A command did not do what it is held to."""


def installed(script: str, folder: str, *arguments: str) -> Path:
    """What a script under tests/parts installs. Errors: Missing."""
    place = PROJECT / ".parts" / folder
    done = subprocess.run(
        [PARTS / script, place, *arguments], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise Missing(f"{folder}: {done.stderr[-500:]}")
    return Path(done.stdout.strip())


def client_program() -> Path:
    """The stock `oci`, with today's SDK beside it. Errors: Missing."""
    return installed("oci-cli.sh", "oci-cli")


def sdk_before() -> Path:
    """A Python that has the SDK of before the Functions service changed its wire version. Errors: Missing."""
    return installed("oci-sdk.sh", f"oci-sdk-{SDK_BEFORE}", SDK_BEFORE)


def container_client() -> str:
    """A client that signs in to a registry and pushes. Errors: Missing."""
    found = shutil.which("skopeo")
    if found is None:
        raise Missing("skopeo (run scripts/install.sh test)")
    return found


def package_layer(name: str, version: str) -> Layer:
    """A layer that says, as pip does, that a Python package is installed."""
    path = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"
    return text_layer(path, f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@dataclass
class Reply:
    """What a command of the stock client printed: its JSON, or nothing, and all its words."""

    whole: dict[str, Any]
    text: str

    @property
    def data(self) -> Any:
        return self.whole.get("data")


@dataclass
class Stage:
    """`folder` holds everything; `program` is the stock `oci`."""

    folder: Path
    program: Path
    known: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "Stage":
        feed = self.folder / "feed"
        shutil.copytree(CARRIED / "first", feed)
        self.server = AssayServer(self.folder / "server", str(feed))
        self.server.start()
        try:
            self._set_up()
        except BaseException:
            self.server.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def _set_up(self) -> None:
        self.server.sign_in_first()
        who = self.server.call("GET", "/20260901/sessions/current")
        self.known |= {"tenancy": who["tenancyId"], "user": who["userId"], "namespace": who["namespace"]}
        self.profile = self.folder / "profile.json"
        session = {
            "server": self.server.url,
            "user": who["userName"],
            "token": self.server.token,
            "tenancy": who["tenancyId"],
            "namespace": who["namespace"],
            "registry": who["registry"],
        }
        self.profile.write_text(json.dumps(session))
        self.assay("oci-setup", "--profile", PROFILE, "--folder", str(self.clients))

    @property
    def clients(self) -> Path:
        """The folder of the stock client's configuration."""
        return self.folder / "oci"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a shell that has sourced what `assay oci-setup` wrote; nothing of ours beside it."""
        bare = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        told = subprocess.run(
            ["bash", "-c", '. "$1"; env -0', "bash", self.clients / f"assay-{PROFILE}" / "env"],
            env=bare,
            capture_output=True,
            check=True,
            timeout=20,
        )
        return dict(each.split("=", 1) for each in told.stdout.decode().split("\0") if each)

    def assay(self, *words: str) -> str:
        """A command of `assay` itself that must succeed; its standard output."""
        command = [sys.executable, "-m", "assay.cli.main", f"--profile={self.profile}", *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, cwd=PROJECT
        )
        if done.returncode:
            raise Failed(f"assay {' '.join(words)}: {done.stderr}")
        return done.stdout

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """A command of the stock client, which says no address: it finds the server by itself."""
        command = [self.program, "--no-retry", *words]
        return subprocess.run(
            command, env=self.environment, input=typed, capture_output=True, text=True, timeout=COMMAND_SECONDS
        )

    def oci(self, *words: str) -> Reply:
        """A command that must succeed. Its standard output may begin with progress; the JSON comes last."""
        done = self.run(*words)
        if done.returncode:
            raise Failed(f"oci {' '.join(words)}: {done.stdout}{done.stderr}")
        text = done.stdout.strip()
        at = 0 if text.startswith("{") else text.find("\n{") + 1
        return Reply(json.loads(text[at:]) if "{" in text else {}, text)

    def refused(self, *words: str) -> tuple[int, str, str]:
        """A command that the server must refuse: status, code and message, as the client shows them."""
        done = self.run(*words)
        if done.returncode == 0:
            raise Failed(f"oci {' '.join(words)} was not refused: {done.stdout}")
        text = done.stderr
        if "{" not in text:
            raise Failed(f"oci {' '.join(words)}: {text}")
        shown = json.loads(text[text.index("{") :])
        return shown["status"], shown["code"], shown["message"]

    def push(self, name: str, tag: str, *layers: Layer, user: str = "", password: str = "") -> str:
        """Sign in to the registry, with the auth token if not otherwise, and push, as people do; what was pushed."""
        layout = self.folder / "images" / name.replace("/", "-") / tag
        digest = write_layout(layout, list(layers))
        host, namespace = self.server.host, self.known["namespace"]
        logins = self.folder / "logins.json"
        client = container_client()
        login = [client, "login", "--tls-verify=false", f"--authfile={logins}", "--password-stdin", host]
        copy = [client, "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", f"--authfile={logins}"]
        for command, typed in (
            ([*login, f"--username={user or f'{namespace}/admin'}"], password or self.known["token"]),
            ([*copy, f"oci:{layout}:latest", f"docker://{host}/{namespace}/{name}:{tag}"], ""),
        ):
            done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=COMMAND_SECONDS)
            if done.returncode:
                raise Failed(f"{client}: {done.stderr}")
        return digest

    def sdk(self, python: Path) -> str:
        """Play the rows that the SDK of a Python has; what it said. Errors: Failed, when one did not hold."""
        vulnerable = package_layer("Django", "3.2")
        images: dict[str, dict[str, str]] = {}
        for tag in ("1.0", "2.0"):
            layout = self.folder / "images" / tag
            digest = write_layout(layout, [vulnerable, text_layer("app/version", tag)])
            images[tag] = {"layout": str(layout), "digest": digest}
        facts = self.folder / "facts.json"
        told = {"profile": PROFILE, "host": self.server.host, "images": images, "folder": str(self.folder)}
        facts.write_text(json.dumps({**told, "registry_client": container_client()}))
        done = subprocess.run(
            [python, Path(__file__).with_name("sdk.py"), facts],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if done.returncode:
            raise Failed(f"{done.stdout}{done.stderr[-2000:]}")
        return done.stdout

    def wait_for(self, what: str, ask: Any, seconds: float = 90) -> Any:
        """What `ask` gives as soon as it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = ask()
            if found:
                return found
            time.sleep(0.3)
        raise Failed(f"{what}: not in {seconds:g} s")


def hold(found: Any, **wanted: Any) -> None:
    """Fields of a reply are what they must be. A name of ours with `_` is the client's with `-`. Errors: Failed."""
    wrong = {
        name: (found.get(name.replace("_", "-"), "(missing)"), value)
        for name, value in wanted.items()
        if found.get(name.replace("_", "-"), "(missing)") != value
    }
    if wrong:
        told = "; ".join(f"{name} is {have!r}, not {want!r}" for name, (have, want) in wrong.items())
        raise Failed(told)


def true(holds: object, says: str) -> None:
    """Something that must be so. Errors: Failed."""
    if not holds:
        raise Failed(says)
