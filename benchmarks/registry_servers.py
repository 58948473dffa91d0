"""The servers that the registry's benchmark compares, on one disk: a real `assay serve`, Debian's docker-registry."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from assay_server import CARRIED, AssayServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from places import PROJECT, free_port

SERVER_CORES, CLIENT_CORES = {0}, {1}
SERVICE, ISSUER = "bench", "bench-issuer"
_TICKS = os.sysconf("SC_CLK_TCK")
_STARTED_WITHIN_SECONDS = 30


@dataclass
class Server:
    """A server under test. Stopped in its tracks (SIGSTOP) but for its own turns, so that it disturbs no other."""

    name: str
    process_id: int
    port: int
    #: What stands before the names of repositories.
    namespace: str

    def path(self, repository: str) -> str:
        """The path of a repository."""
        return f"/v2/{self.namespace}{repository}"

    def image(self, repository: str) -> str:
        """The name of its tag `latest` for skopeo."""
        return f"docker://127.0.0.1:{self.port}/{self.namespace}{repository}:latest"

    def headers(self, *_repositories: str) -> dict[str, str]:
        """What requests about these repositories carry: here nothing, since everything is open."""
        return {}

    def credentials(self, side: str) -> list[str]:
        """Options of skopeo for its `src` or `dest`."""
        return [f"--{side}-tls-verify=false"]

    def cpu_seconds(self) -> float:
        """CPU seconds of the process and of the children that it has waited for, or that run, until now."""
        ticks = 0
        for number in (self.process_id, *_children(self.process_id)):
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / _TICKS

    def forget_peak_memory(self) -> None:
        """Let the peak begin anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.process_id}/clear_refs").write_text("5")

    def peak_memory_mib(self) -> float:
        """The most memory that the server process held."""
        status = Path(f"/proc/{self.process_id}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def rest(self) -> None:
        """Stop in its tracks."""
        os.kill(self.process_id, signal.SIGSTOP)

    @contextmanager
    def turn(self, *, pinned: bool = True) -> Iterator[None]:
        """Run until the block ends: the server on its core and the client on the other, or both on all cores."""
        everywhere = set(range(os.cpu_count() or 1))
        cores = SERVER_CORES if pinned else everywhere
        os.sched_setaffinity(0, CLIENT_CORES if pinned else everywhere)
        for thread in Path(f"/proc/{self.process_id}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
        os.kill(self.process_id, signal.SIGCONT)
        try:
            yield
        finally:
            self.rest()


class Assay(Server):
    """Assay asks for a token for everything but public repositories."""

    def __init__(self, name: str, started: AssayServer, login: tuple[str, str]) -> None:
        assert started.process is not None
        namespace = login[0].partition("/")[0]
        super().__init__(name, started.process.pid, started.port, f"{namespace}/")
        self._login = login

    def headers(self, *repositories: str) -> dict[str, str]:
        """A fresh bearer token, got as clients get it."""
        scopes = [f"repository:{self.namespace}{name}:pull,push" for name in repositories]
        reply = httpx.get(
            f"http://127.0.0.1:{self.port}/20180419/docker/token",
            params=[("service", f"127.0.0.1:{self.port}"), *(("scope", scope) for scope in scopes)],
            auth=self._login,
        )
        return {"authorization": f"Bearer {reply.raise_for_status().json()['token']}"}

    def credentials(self, side: str) -> list[str]:
        """Login with an auth token."""
        return [*super().credentials(side), f"--{side}-creds", ":".join(self._login)]


class TokenPeer(Server):
    """A docker-registry that believes bearer tokens; the benchmark signs them."""

    def __init__(self, name: str, process_id: int, port: int, key: RSAKey, identity: str) -> None:
        super().__init__(name, process_id, port, "")
        self._key, self._identity = key, identity

    def headers(self, *repositories: str) -> dict[str, str]:
        """A bearer token of the peer's own kind, with the scopes that Assay's has."""
        now = int(time.time())
        access = [{"type": "repository", "name": name, "actions": ["pull", "push"]} for name in repositories]
        claims = {"iss": ISSUER, "sub": "bench", "aud": SERVICE, "exp": now + 3600, "nbf": now - 10, "iat": now,
            "jti": "1", "access": access}  # fmt: skip
        token = jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self._identity}, claims, self._key)
        return {"authorization": f"Bearer {token}"}


@contextmanager
def assay(folder: Path, name: str, settings: Mapping[str, str]) -> Iterator[Assay]:
    """Start Assay with a fresh data folder, an auth token of its administrator, and a public repository `public`."""
    # The peer counts no requests, and a benchmark comes from one address and one user.
    unmetered = {
        f"ASSAY_{door}_REQUESTS_PER_SECOND_{whose}": "0"
        for door in ("REGISTRY", "TOKEN")
        for whose in ("ADDRESS", "USER")
    }
    quiet = {"ASSAY_READERS": "0", **unmetered}
    started = AssayServer(folder / name, str(CARRIED / "first"), settings={**quiet, **settings})
    started.start()
    try:
        started.sign_in_first()
        session = started.call("GET", "/20260901/sessions/current")
        made = started.call("POST", f"/20160918/users/{session['userId']}/authTokens", {"description": "bench"})
        public = {"compartmentId": session["tenancyId"], "displayName": "public", "isPublic": True}
        started.call("POST", "/20160918/container/repositories", public)
        yield Assay(name, started, (f"{session['namespace']}/admin", made["token"]))
    finally:
        assert started.process is not None
        started.process.send_signal(signal.SIGCONT)
        started.stop()


@contextmanager
def peer(folder: Path) -> Iterator[Server]:
    """Start Debian's docker-registry, open to everybody."""
    with _docker_registry(folder, "docker-registry", {}) as (process_id, port):
        yield Server("docker-registry", process_id, port, "")


@contextmanager
def token_peer(folder: Path) -> Iterator[Server]:
    """Start Debian's docker-registry on the same files, with token authentication."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    bundle = folder / "token.pem"
    bundle.write_bytes(_certificate(key).public_bytes(serialization.Encoding.PEM))
    options = {"auth": {"token": {"realm": "http://127.0.0.1/token", "service": SERVICE, "issuer": ISSUER,
        "rootcertbundle": str(bundle)}}}  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with _docker_registry(folder, "docker-registry-token", options) as (process_id, port):
        imported = RSAKey.import_key(private.decode())
        yield TokenPeer("docker-registry-token", process_id, port, imported, _libtrust_identity(key))


def part(name: str) -> str:
    """The path of a program that the tests' scripts fetch, once."""
    script = PROJECT / "tests" / "parts" / f"{name}.sh"
    return subprocess.run(
        [script, PROJECT / ".parts" / name], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


@contextmanager
def _docker_registry(folder: Path, name: str, options: Mapping[str, object]) -> Iterator[tuple[int, int]]:
    program = part("docker-registry")
    port = free_port()
    # As quiet as it can be made: no line for each request, descriptors of blobs cached as Debian has it.
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "cache": {"blobdescriptor": "inmemory"},
            "filesystem": {"rootdirectory": str(folder / "docker-registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
        **options,
    }
    written = folder / f"{name}.json"
    written.write_text(json.dumps(config))  # JSON is YAML
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", written], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _STARTED_WITHIN_SECONDS
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/v2/")
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def _libtrust_identity(key: rsa.RSAPrivateKey) -> str:
    """The name of a key as docker-registry knows it (distribution's token specification, "kid")."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
    return ":".join(text[place : place + 4] for place in range(0, len(text), 4))


def _children(process_id: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{process_id}/task").iterdir():
        found += map(int, (thread / "children").read_text().split())
    return found
