"""The demonstration's server: started, asked, restarted with another feed, stopped by its process."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from scripts.demo_told import Failed

BIN = Path(sys.executable).parent
CARRIED = Path(__file__).parent.parent / "assay/advisories/carried"
PUBLIC_FEED = "https://osv-vulnerabilities.storage.googleapis.com"
#: What the demonstration's image is made of; the public feed has much more than that.
ECOSYSTEMS = "Debian,PyPI"
START_SECONDS = 60
STOP_SECONDS = 30
PROBE_SECONDS = 4
LOG_LINES_SHOWN = 25


class Server:
    """`assay serve` on loopback, with everything it keeps below one folder."""

    def __init__(self, folder: Path, port: int, admission_port: int, oci_port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.registry = f"127.0.0.1:{port}"
        self.secret_file = folder / "keys" / "first-administrator-password"
        self._admission_port = admission_port
        self._oci_port = oci_port
        self._log = folder / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._feed = folder / "feed"

    def start(self, feed: str = "", ecosystems: str = "") -> None:
        """Start it and wait until it answers. Without `feed` the advisories come from the folder that we carry."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        environment |= {
            "ASSAY_DATA_FOLDER": str(self.folder / "data"),
            "ASSAY_ROOT_KEY_FILE": str(self.folder / "keys" / "root.key"),
            "ASSAY_PORT": str(self.port),
            "ASSAY_ADMISSION_PORT": str(self._admission_port),
            "ASSAY_OCI_PORT": str(self._oci_port),
            "ASSAY_FEED_ADDRESS": feed or str(self._feed),
        }
        if ecosystems:
            environment["ASSAY_FEED_ECOSYSTEMS"] = ecosystems
        said_before = len(self._log.read_text(errors="replace")) if self._log.exists() else 0
        with self._log.open("ab") as log:
            # A session of its own: an interrupt reaches us alone, and we stop it in order.
            self._process = subprocess.Popen(
                [BIN / "assay", "serve"], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            ready = self._is_ready()
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the server did not start:\n{self.last_words()}")
            # It says so when the port is its own; else it is somebody else's server that answers there.
            if ready and f"API: {self.url}" in self._log.read_text(errors="replace")[said_before:]:
                return
            time.sleep(0.1)

    def stop(self) -> None:
        """End it in order; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""
        return 0 if self._process is None else self._process.wait()

    def carry(self, state: str) -> None:
        """Let the folder feed be one of the two states that the project carries, from one moment to the next."""
        fresh = self.folder / "feed.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(CARRIED / state)
        fresh.replace(self._feed)

    def last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def blobs_opened(self) -> int:
        """How many blobs this process has opened for reading since it started, from its metrics."""
        found = re.search(r"^assay_blobs_opened_total (\S+)$", httpx.get(f"{self.url}/metrics").text, re.MULTILINE)
        if found is None:
            raise Failed("the metrics have no assay_blobs_opened_total")
        return int(float(found[1]))

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


class Cluster:
    """An API server as the webhook sees it: trusts the authority of the manifests, presents the cluster's token."""

    def __init__(self, manifests: str, token: str) -> None:
        bundle = re.search(r'caBundle: "([^"]+)"', manifests)
        hooks = dict(re.findall(r'url: "(https://[^"]+/(mutate|validate))"', manifests))
        if bundle is None or len(hooks) != 2:
            raise Failed("the manifests lack the authority or the hooks")
        context = ssl.create_default_context(cadata=base64.b64decode(bundle[1]).decode())
        self._urls = {phase: url for url, phase in hooks.items()}
        self._trusted = context
        self._token = token

    def ask(self, phase: str, image: str) -> dict[str, Any]:
        """The response to "may a pod with this image run": `allowed`, and a patch or a status."""
        reply = self._post(phase, image, {"authorization": f"Bearer {self._token}"})
        if reply.status_code != 200:
            raise Failed(f"admission answered {reply.status_code}: {reply.text[:300]}")
        response: dict[str, Any] = reply.json()["response"]
        return response

    def ask_as_nobody(self, image: str) -> int:
        """The HTTP status that a caller without a credential gets."""
        return self._post("mutate", image, {}).status_code

    def _post(self, phase: str, image: str, headers: dict[str, str]) -> httpx.Response:
        return httpx.post(
            self._urls[phase], json=_review(image), headers=headers, params={"timeout": "10s"}, verify=self._trusted
        )


def pinned_image(response: dict[str, Any]) -> str:
    """The image that the response's patch puts into the pod."""
    patch = json.loads(base64.b64decode(response["patch"]))
    return next(str(change["value"]) for change in patch if change["op"] == "replace")


def is_reachable(feed: str) -> bool:
    """Whether a feed answers within a few seconds; a folder answers when it is there."""
    if "://" not in feed:
        return Path(feed).is_dir()
    try:
        with httpx.stream("GET", f"{feed}/PyPI/modified_id.csv", timeout=PROBE_SECONDS) as reply:
            return reply.status_code == 200
    except httpx.HTTPError:
        return False


def free_port(wanted: int) -> int:
    """`wanted`, or another loopback port when somebody listens there."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Failed("there is no free loopback port")


def need(*commands: str) -> None:
    """Fail unless these commands are installed."""
    missing = [command for command in commands if shutil.which(command) is None]
    if missing:
        raise Failed(f"not installed: {', '.join(missing)} (scripts/install.sh demo installs them by apt)")


def _review(image: str) -> dict[str, Any]:
    """An AdmissionReview of a new pod with one container, as an API server sends it."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"containers": [{"name": "cart", "image": image}]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "cart",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "developer"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
