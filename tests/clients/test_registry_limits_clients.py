"""Real clients over a limit: skopeo and curl read the answer, whatever they are sending, and skopeo comes again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from registry_layouts import Layout
from registry_server import Server, started

from assay.clock import SystemClock
from assay.http.visitors import protocol_of
from assay.rates import BURST_SECONDS, Meters
from assay.registry.manifests import ManifestLimits
from assay.settings import Settings
from assay.storage import Store

pytestmark = pytest.mark.real

LARGE_BYTES = 200_000_000 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 20_000_000


def part(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"SKIPPED FOR WANT OF A PART: no {name} (run tests/parts/install.sh)")
    return found


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "REGISTRY_AUTH_FILE": "/dev/null"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.fixture
def narrow(store: Store, tmp_path: Path) -> Iterator[Server]:
    """A server that takes blobs of a megabyte, and manifests of a thousand bytes."""
    options = {"intake": {"blob_bytes_max": 1_000_000}, "services": {"manifest_limits": ManifestLimits(bytes_max=1000)}}
    with started(store, tmp_path / "blobs", http=protocol_of(Settings()), **options) as running:
        yield running


@pytest.mark.parametrize(
    ("layers", "layer_bytes", "said"),
    [(1, LARGE_BYTES, "The blob is longer than 1000000 bytes"), (9, 10, "The manifest is longer than 1000 bytes")],
    ids=["blob", "manifest"],
)
def test_skopeo_tells_its_user_what_is_too_large(
    narrow: Server, tmp_path: Path, layers: int, layer_bytes: int, said: str
) -> None:
    skopeo, layout = part("skopeo"), Layout(tmp_path / "layout")
    layout.tag(layout.image(layers=layers, layer_bytes=layer_bytes), "v1")
    account = narrow.account
    done = run(
        tmp_path, skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false",
        "--dest-creds", f"{account.login}:{account.token}", f"oci:{layout.folder}:v1",
        f"docker://127.0.0.1:{narrow.port}/{account.namespace}/team/app:v1",
    )  # fmt: skip
    assert done.returncode != 0
    assert said in done.stderr, done.stderr


@pytest.mark.parametrize("waits", [True, False], ids=["waiting for a go-ahead", "sending at once"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_curl_reads_the_answer_to_a_body_that_is_too_large(
    narrow: Server, tmp_path: Path, waits: bool, framing: str
) -> None:
    curl, body = part("curl"), tmp_path / "body"
    body.write_bytes(os.urandom(LARGE_BYTES))
    location = httpx.post(f"{narrow.path()}/blobs/uploads/", auth=(narrow.account.login, narrow.account.token)).headers[
        "location"
    ]
    headers = [] if waits else ["-H", "Expect:"]
    headers += ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    for method, url in (("PUT", f"{narrow.path()}/manifests/v1"), ("PATCH", f"{narrow.url}{location}")):
        done = run(
            tmp_path, curl, "-sS", "-w", "\n%{http_code}", "-u", f"{narrow.account.login}:{narrow.account.token}",
            "-X", method, *headers, "-T", str(body), url,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("\n413"), done.stdout
        assert '"code":"SIZE_INVALID"' in done.stdout


def test_skopeo_waits_as_it_is_told_and_comes_again(store: Store, tmp_path: Path) -> None:
    skopeo, layout = part("skopeo"), Layout(tmp_path / "layout")
    layout.tag(layout.image(layers=1), "v1")
    live = replace(store, clock=SystemClock())
    meters = Meters.of(address_per_second=3, user_per_second=0)
    with started(live, tmp_path / "blobs", services={"meters": meters}) as server:
        creds = f"{server.account.login}:{server.account.token}"
        image = f"docker://127.0.0.1:{server.port}/{server.account.namespace}/team/app:v1"
        pushed = run(
            tmp_path, skopeo, "--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", creds,
            f"oci:{layout.folder}:v1", image,
        )  # fmt: skip
        assert pushed.returncode == 0, pushed.stderr
        with httpx.Client() as busy:
            assert any(busy.get(f"{server.url}/v2/").status_code == 429 for _ in range(BURST_SECONDS * 100))
        done = run(tmp_path, skopeo, "--debug", "inspect", "--tls-verify=false", "--creds", creds, image)
        assert done.returncode == 0, done.stderr
        assert "sleeping for" in done.stderr, done.stderr
