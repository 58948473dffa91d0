"""`assay serve` with its blobs in a bucket: killed amid a push, it goes on where it had acknowledged."""

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from assay_server import CARRIED, AssayServer
from blob_media import content_of
from s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, s3_blobs

from assay.oci import Digest

pytestmark = pytest.mark.real

CONTENT = random.Random(17).randbytes(18_000_000)
DIGEST = Digest.of(CONTENT)


@pytest.fixture
def server(s3: S3Server, tmp_path: Path) -> Iterator[AssayServer]:
    feed = tmp_path / "feed"
    shutil.copytree(CARRIED / "first", feed)
    settings = {
        "ASSAY_BLOB_STORE": f"s3://{BUCKET}/{tmp_path.name}",
        "ASSAY_S3_ENDPOINT": s3.endpoint,
        "ASSAY_S3_ACCESS_KEY": ACCESS_KEY,
        "ASSAY_S3_SECRET_KEY": SECRET_KEY,
        "ASSAY_BLOB_REDIRECT": "on",
    }
    server = AssayServer(tmp_path / "assay", str(feed), settings=settings)
    server.start()
    server.sign_in_first()
    yield server
    server.stop()


def registry(server: AssayServer) -> httpx.Client:
    me = server.call("GET", "/20260901/sessions/current")
    made = server.call("POST", f"/20160918/users/{me['userId']}/authTokens", {"description": "t"})
    login = (f"{me['namespace']}/admin", made["token"])
    return httpx.Client(base_url=f"{server.url}/v2/{me['namespace']}/app", auth=login, timeout=60)


def test_a_killed_server_goes_on_with_an_upload_that_lies_in_the_bucket(
    s3: S3Server, server: AssayServer, tmp_path: Path
) -> None:
    with registry(server) as client:
        upload = server.url + client.post("/blobs/uploads/").headers["location"]
        assert client.patch(upload, content=CONTENT[:9_000_000]).status_code == 202
        server.kill()
        server.start()
        assert client.get(upload).headers["range"] == "0-8999999"
        rest = client.put(
            upload,
            params={"digest": DIGEST.text},
            content=CONTENT[9_000_000:],
            headers={"content-range": f"9000000-{len(CONTENT) - 1}"},
        )
        assert rest.status_code == 201, rest.text
        sent = client.get(f"/blobs/{DIGEST}")
        assert sent.status_code == 307
        assert httpx.get(sent.headers["location"]).content == CONTENT
    with s3_blobs(s3, tmp_path.name) as blobs:
        assert content_of(blobs, DIGEST) == CONTENT
        assert blobs.staged() == ()
    assert SECRET_KEY not in server.log
    command = [sys.executable, "-m", "assay.cli.main", "registry", "fsck"]
    looked = subprocess.run(command, env=server.environment(), capture_output=True, text=True, timeout=120, check=False)
    assert looked.returncode == 0, looked.stdout + looked.stderr


def test_an_address_without_tls_is_refused_at_the_start_and_the_key_is_not_told(tmp_path: Path) -> None:
    settings = {
        "ASSAY_BLOB_STORE": "s3://bucket/prefix",
        "ASSAY_S3_ENDPOINT": "http://10.1.2.3:9000",
        "ASSAY_S3_ACCESS_KEY": "key",
        "ASSAY_S3_SECRET_KEY": "a secret of the tests",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "assay.cli.main", "serve"],
        env=AssayServer(tmp_path, "feed", settings=settings).environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode != 0
    assert "s3_plain_http" in ended.stderr
    assert "a secret of the tests" not in ended.stdout + ended.stderr
