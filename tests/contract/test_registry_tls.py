"""The door where the kernel can't send files by itself: under TLS, pieces are read and sent."""

import datetime as dt
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from registry_server import Server, started

from assay.http.distribution_content import READ_BYTES
from assay.oci import Digest
from assay.storage import Store

CONTENT = bytes(range(256)) * 5000


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secured(store: Store, tmp_path: Path) -> Iterator[tuple[Server, httpx.Client]]:
    certificate, key = self_signed(tmp_path)
    options = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    trust = ssl.create_default_context(cafile=str(certificate))
    with started(store, tmp_path / "blobs", **options) as server:
        account = server.account
        with httpx.Client(base_url=server.path(), auth=(account.login, account.token), verify=trust) as client:
            yield server, client


def test_blobs_and_ranges_of_them_are_sent_under_tls(secured: tuple[Server, httpx.Client]) -> None:
    _, client = secured
    digest = Digest.of(CONTENT).text
    assert client.post("/blobs/uploads/", params={"digest": digest}, content=CONTENT).status_code == 201
    assert client.get(f"/blobs/{digest}").content == CONTENT
    for first, last in ((0, 0), (READ_BYTES - 1, READ_BYTES), (1, len(CONTENT) - 1)):
        answer = client.get(f"/blobs/{digest}", headers={"range": f"bytes={first}-{last}"})
        assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    empty = Digest.of(b"").text
    assert client.post("/blobs/uploads/", params={"digest": empty}).status_code == 201
    assert client.get(f"/blobs/{empty}").content == b""


def test_a_download_broken_off_under_tls_leaves_the_connection_for_others(
    secured: tuple[Server, httpx.Client],
) -> None:
    _, client = secured
    content = CONTENT * 20
    digest = Digest.of(content).text
    client.post("/blobs/uploads/", params={"digest": digest}, content=content)
    for _ in range(5):
        with client.stream("GET", f"/blobs/{digest}") as answer:
            next(answer.iter_raw(1000))
    assert client.get(f"/blobs/{digest}").content == content


def test_the_challenge_names_the_address_by_which_the_client_came(secured: tuple[Server, httpx.Client]) -> None:
    server, client = secured
    challenged = client.get("/tags/list", headers={"authorization": "Bearer nonsense"}, auth=None)
    assert f'realm="{server.url}/20180419/docker/token"' in challenged.headers["www-authenticate"]


def test_a_blob_whose_file_was_cut_is_not_served(secured: tuple[Server, httpx.Client]) -> None:
    server, client = secured
    digest = Digest.of(CONTENT)
    client.post("/blobs/uploads/", params={"digest": digest.text}, content=CONTENT)
    path = server.blobs.path(digest)
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(CONTENT[:-1])
    answer = client.get(f"/blobs/{digest}")
    # As if it were not there: whoever has the right bytes may push them, which mends it.
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
