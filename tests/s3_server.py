"""A real S3 server (SeaweedFS) on loopback, which tests start, stop and start again on the same data."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from places import PARTS, PROJECT

from assay.clock import SystemClock
from assay.secret import Secret
from assay.storage.blobs import S3Blobs
from assay.storage.blobs.s3_bucket import Bucket, S3Place
from assay.storage.blobs.s3_signature import S3Credentials

START_SECONDS = 60
INSTALL_SECONDS = 300
ACCESS_KEY = "AKIDTESTS"
SECRET_KEY = "a key of the tests"
BUCKET = "assay-tests"

_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


class S3Server:
    """The server. Its ports and data stay the same when it is started again."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self._running: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(parents=True)
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identity = {"name": "tests", "credentials": keys, "actions": ["Admin", "Read", "Write", "List"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ports = [f"-{name}={port}" for name, port in self._ports.items()]
        with (self._folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                [
                    self._program,
                    "server",
                    "-s3",
                    f"-s3.config={self._folder / 's3.json'}",
                    "-s3.iam=false",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-dir={self._folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.max=200",
                    f"-filer.localSocket={self._folder / 'filer.sock'}",
                    f"-s3.localSocket={self._folder / 's3.sock'}",
                    *ports,
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._running.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the S3 server does not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait(20)
            self._running = None

    def bucket(self, prefix: str = "", **more: object) -> Bucket:
        """Its bucket, below a prefix."""
        place = S3Place(self.endpoint, BUCKET, prefix)
        return Bucket(place, S3Credentials(ACCESS_KEY, Secret(SECRET_KEY)), SystemClock(), **more)

    def _answers(self) -> bool:
        """Whether the bucket can be made, or is there, and takes objects."""
        with ExitStack() as closing:
            bucket = self.bucket("ready")
            closing.callback(bucket.close)
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
            except OSError:
                return False
            if bucket._ask("PUT", None).status not in (200, 409):
                return False
            return bucket._ask("PUT", "ready", content=b"yes").status == 200


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """A started server; skips loudly where the part can't be had. Stopped by its process id."""
    place = Path(os.environ.get("ASSAY_S3_SERVER") or PROJECT / ".parts" / "s3")
    installed = subprocess.run(
        [PARTS / "s3.sh", place], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if installed.returncode:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: no S3 server: {installed.stderr[-500:]}")
    server = S3Server(Path(installed.stdout.strip()), folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def s3_blobs(server: S3Server, prefix: str, **more: object) -> Iterator[S3Blobs]:
    """A blob store in the server's bucket, of one more process."""
    blobs = S3Blobs(server.bucket(prefix, **more))
    try:
        yield blobs
    finally:
        blobs.close()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
