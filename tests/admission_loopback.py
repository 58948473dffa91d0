"""The admission door on loopback, as a cluster sees it: TLS, its own port, reviews in and out."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from assay.admission.examine import Gate
from assay.admission.identity import ServerIdentity, server_identity
from assay.clock import Clock, SystemClock
from assay.http.admission import Timing, admission_app, server_config
from assay.http.certificates import RenewedContext
from assay.storage import Store
from assay.vault.root import SoftwareRoot

ROOT = SoftwareRoot(bytes(range(32)))
HOST = "registry.example:5000"
CONSOLE = "https://assay.example"


def gate() -> Gate:
    return Gate.at([HOST], CONSOLE)


def identity_of(store: Store) -> ServerIdentity:
    return server_identity(store, ROOT, ("127.0.0.1", "localhost"))


class Served:
    """A door that listens: its origin, and the TLS context it serves with."""

    def __init__(self, server: uvicorn.Server, thread: threading.Thread, tls: RenewedContext) -> None:
        self.port: int = server.servers[0].sockets[0].getsockname()[1]
        self.origin = f"https://127.0.0.1:{self.port}"
        self.tls = tls
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Listen no more."""
        self._server.should_exit = True
        self._thread.join(20)

    def client(self, token: str = "", certificate: tuple[str, str] | None = None, **more: Any) -> httpx.Client:
        """A client that trusts the door's authority, and presents what it is given (certificate and key files)."""
        context = ssl.create_default_context(cadata=self.tls.identity.trusted_by)
        if certificate:
            context.load_cert_chain(*certificate)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.origin, verify=context, headers=headers, timeout=30, **more)


@contextmanager
def serving(
    store: Store,
    *,
    with_gate: Gate | None = None,
    timing: Timing | None = None,
    clock: Clock | None = None,
    identity_from: Store | None = None,
) -> Iterator[Served]:
    """The door on a free port, in a thread of this process."""
    tls = RenewedContext(lambda: identity_of(identity_from or store), clock or SystemClock())
    app = admission_app(store, with_gate or gate(), renew=tls.renew, timing=timing)
    server = uvicorn.Server(server_config(app, "127.0.0.1", 0, tls))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the door did not start"
        assert time.monotonic() < deadline, "the door did not start"
        time.sleep(0.01)
    served = Served(server, thread, tls)
    try:
        yield served
    finally:
        served.stop()


def pod_review(*images: str, **request: Any) -> dict[str, Any]:
    """A review of a new pod with these images, one container each."""
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    members: dict[str, Any] = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ann", "groups": ["dev"]},
        "object": {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": containers},
        },
        "oldObject": None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": members | request}


def encoded(review: Any) -> bytes:
    return json.dumps(review).encode()


def written(folder: Path, certificate: str, key: str) -> tuple[str, str]:
    """A certificate and its key as files."""
    paths = folder / "client.crt", folder / "client.key"
    for path, text in zip(paths, (certificate, key), strict=True):
        path.write_text(text)
    return str(paths[0]), str(paths[1])
