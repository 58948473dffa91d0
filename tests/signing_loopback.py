"""A registry of a hundred lines on loopback, for signing tests: manifests, tags, blobs, referrers; no sign-in.

Real clients read from it what Assay publishes, and write into it what users would push.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from assay.oci import Digest, MediaType

_PATH = re.compile(r"/v2/(?P<name>[a-z0-9/._-]+?)/(?P<kind>manifests|blobs|referrers)/(?P<rest>[A-Za-z0-9:._/-]*)")


@dataclass
class Held:
    """What one repository holds: media type and bytes by digest, tags, blobs."""

    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def put_manifest(self, content: bytes, *tags: str) -> Digest:
        digest = Digest.of(content)
        self.manifests[digest.text] = content
        self.tags |= dict.fromkeys(tags, digest.text)
        return digest

    def put_blob(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        self.blobs[digest.text] = content
        return digest

    def referrers(self, subject: str) -> list[dict[str, object]]:
        found = []
        for digest, content in self.manifests.items():
            document = json.loads(content)
            if document.get("subject", {}).get("digest") == subject:
                kind = document.get("artifactType") or document["config"]["mediaType"]
                found.append(_descriptor(digest, content) | {"artifactType": kind})
        return found


def _descriptor(digest: str, content: bytes) -> dict[str, object]:
    return {"mediaType": json.loads(content)["mediaType"], "digest": digest, "size": len(content)}


@dataclass
class Loopback:
    """The running registry: `host` is `127.0.0.1:PORT`."""

    host: str
    repositories: dict[str, Held]

    def held(self, name: str) -> Held:
        return self.repositories.setdefault(name, Held())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Held] = {}
        self.uploads: dict[str, bytes] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _target(self) -> tuple[Held, str, str]:
        """The repository, what is asked for, and the rest of the path."""
        found = _PATH.fullmatch(self.path.partition("?")[0])
        if found is None:
            return Held(), "", ""
        return self.server.repositories.setdefault(found["name"], Held()), found["kind"], found["rest"]

    def do_GET(self) -> None:
        held, kind, rest = self._target()
        if not kind:
            self._answer(200 if self.path == "/v2/" else 404)
        elif kind == "referrers":
            index = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": held.referrers(rest)}
            self._answer(200, json.dumps(index).encode(), Content_Type=MediaType.OCI_INDEX)
        elif kind == "blobs" and rest in held.blobs:
            self._answer(200, held.blobs[rest], Content_Type="application/octet-stream")
        elif kind == "manifests" and (digest := held.tags.get(rest, rest)) in held.manifests:
            content = held.manifests[digest]
            self._answer(200, content, Content_Type=json.loads(content)["mediaType"], Docker_Content_Digest=digest)
        else:
            self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._body()
        self._answer(202, Location=f"{self.path.partition('?')[0]}{uuid.uuid4().hex}")

    def do_PATCH(self) -> None:
        self.server.uploads[self.path] = self.server.uploads.get(self.path, b"") + self._body()
        self._answer(202, Location=self.path)

    def do_PUT(self) -> None:
        held, kind, rest = self._target()
        body = self.server.uploads.pop(self.path.partition("?")[0], b"") + self._body()
        if kind == "blobs":
            held.put_blob(body)
            self._answer(201)
            return
        digest = held.put_manifest(body, *([] if ":" in rest else [rest]))
        subject = json.loads(body).get("subject", {}).get("digest")
        extra = {"OCI_Subject": subject} if subject else {}
        self._answer(201, Docker_Content_Digest=digest.text, **extra)


@contextmanager
def loopback_registry() -> Iterator[Loopback]:
    """Serve until the block ends."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Loopback(f"127.0.0.1:{server.server_address[1]}", server.repositories)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
