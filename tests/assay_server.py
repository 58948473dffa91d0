"""A real `assay serve` for tests: started on free loopback ports, signed in to, killed and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from places import free_port

CARRIED = Path(__file__).parent.parent / "assay" / "advisories" / "carried"
PASSWORD = "correct horse battery staple"
STARTED_WITHIN_SECONDS = 120
STATEMENTS = (
    "allow service vulnerability-scanning-service to read repos in tenancy",
    "allow service vulnerability-scanning-service to read compartments in tenancy",
)


@dataclass
class AssayServer:
    """`folder` holds everything; `database_url` empty for SQLite; `feed` a folder in the layout of the OSV bucket."""

    folder: Path
    feed: str
    database_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self.admission_port, self.oci_port = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def secret_file(self) -> Path:
        return self.folder / "keys" / "first-administrator-password"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def environment(self) -> dict[str, str]:
        """The environment in which the command line finds this server's settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        return inherited | {
            "ASSAY_DATA_FOLDER": str(self.folder / "data"),
            "ASSAY_ROOT_KEY_FILE": str(self.folder / "keys" / "root.key"),
            "ASSAY_PORT": str(self.port),
            "ASSAY_ADMISSION_PORT": str(self.admission_port),
            "ASSAY_OCI_PORT": str(self.oci_port),
            "ASSAY_FEED_ADDRESS": self.feed,
            "ASSAY_DATABASE_URL": self.database_url,
            **self.settings,
        }

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli.main", "serve"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"assay serve ended:\n{self.log}"
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError(f"assay serve does not answer:\n{self.log}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Interrupt it, as a person would; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def api(self) -> httpx.Client:
        """A client of the API, signed in when somebody is."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def sign_in_first(self) -> None:
        """Sign in with the one-time password and change it."""
        secret = self.secret_file.read_text().strip()
        with self.api() as api:
            self.token = api.post("/20260901/sessions", json={"user": "admin", "password": secret}).json()["token"]
        with self.api() as api:
            change = {"currentPassword": secret, "newPassword": PASSWORD}
            assert api.post("/20260901/sessions/current/actions/changePassword", json=change).status_code == 204

    def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """A call that must succeed; its JSON (or text)."""
        with self.api() as api:
            reply = api.request(method, path, params=query, json=body)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        if not reply.content:
            return None
        return reply.json() if "json" in reply.headers["content-type"] else reply.text

    def refused(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, str]:
        """A call that must be refused: status and message."""
        with self.api() as api:
            reply = api.request(method, path, params=query, json=body)
        assert not reply.is_success, f"{method} {path} was not refused: {reply.text}"
        return reply.status_code, str(reply.json()["message"])

    def wait_for(self, what: str, ask: Any, seconds: float = 60) -> Any:
        """What `ask` gives as soon as it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = ask()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what}: not in {seconds} s\n{self.log[-3000:]}")

    def review(self, cluster: str, token: str, image: str, phase: str = "mutate", **change: object) -> dict[str, Any]:
        """The answer to an AdmissionReview of a pod with one container."""
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "image": image}]}}  # fmt: skip
        request = {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "name": "p",
            "operation": "CREATE",
            "userInfo": {"username": "developer"},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            **change,
        }
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        reply = httpx.post(
            f"https://127.0.0.1:{self.admission_port}/v1/clusters/{cluster}/{phase}?timeout=10s",
            json=body,
            headers={"authorization": f"Bearer {token}"},
            verify=False,
            timeout=30,
        )
        assert reply.status_code == 200, f"{reply.status_code} {reply.text}"
        answer = reply.json()["response"]
        assert answer["uid"] == "u-1"
        return dict(answer)


def problems_by_name(scan: dict[str, Any]) -> dict[str, Any]:
    """The problems of a scan's details, by the vulnerability's name."""
    return {problem["name"]: problem for problem in scan["problems"]}


def pretty(value: object) -> str:
    """For messages of failed assertions."""
    return json.dumps(value, indent=1)[:4000]
