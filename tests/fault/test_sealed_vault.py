"""`assay serve` without its root key: what still runs, what cannot, and how it says so; and the way back."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from assay_server import CARRIED, AssayServer

from assay.admission import certificates
from assay.clock import SystemClock


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AssayServer]:
    """A server that was started once and is stopped; its root key lies beside."""
    server = AssayServer(tmp_path / "assay", str(CARRIED / "first"))
    server.start()
    server.stop()
    yield server
    server.stop()


def root_key(server: AssayServer) -> Path:
    return server.folder / "keys" / "root.key"


def told(server: AssayServer) -> dict[str, str]:
    answer = httpx.get(f"{server.url}/readyz")
    assert answer.status_code == 200
    said: dict[str, str] = answer.json()
    return said


def test_without_the_root_key_the_server_runs_admission_stays_closed_and_both_are_said(server: AssayServer) -> None:
    kept = root_key(server).rename(server.folder / "root.key.away")
    before = server.log
    server.start()
    said = told(server)
    assert said["database"] == "ok"
    assert str(root_key(server)) in said["vault"]
    for text in ("closed, so clusters deny everything", "start it again", "admission_certificate_file"):
        assert text in said["admission"]
        assert text in server.log.removeprefix(before)
    assert "THE ADMISSION PORT STAYS closed" in server.log
    assert "admission: https://" not in server.log.removeprefix(before)
    assert 'assay_condition{condition="admission"} 0.0' in httpx.get(f"{server.url}/metrics").text
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", server.admission_port)):
        pass
    assert httpx.get(f"{server.url}/v2/").status_code == 401
    assert not root_key(server).exists()

    server.stop()
    kept.rename(root_key(server))
    server.start()
    assert (told(server)["vault"], told(server)["admission"]) == ("ok", "ok")
    with socket.create_connection(("127.0.0.1", server.admission_port)):
        pass


def test_with_a_server_certificate_of_ones_own_admission_answers_though_the_vault_is_sealed(
    server: AssayServer, tmp_path: Path
) -> None:
    now = SystemClock().now()
    authority = certificates.make_authority("test", now)
    issued = certificates.issue_server(authority, ("127.0.0.1",), now)
    top = certificates.pem(authority.certificate)
    (tmp_path / "server.pem").write_text(issued.certificate + top)
    (tmp_path / "server.key").write_text(issued.private_key.reveal())
    server.settings = {
        "ASSAY_ADMISSION_CERTIFICATE_FILE": str(tmp_path / "server.pem"),
        "ASSAY_ADMISSION_KEY_FILE": str(tmp_path / "server.key"),
    }
    root_key(server).unlink()
    server.start()
    said = told(server)
    assert str(root_key(server)) in said["vault"]
    assert said["admission"] == "ok"
    trusting = ssl.create_default_context(cadata=top)
    with httpx.Client(verify=trusting) as client:
        asked = client.post(f"https://127.0.0.1:{server.admission_port}/v1/clusters/x/validate", json={})
    assert asked.status_code == 401
    assert "is needed" in asked.json()["message"]
