"""`assay serve` as a process: what a failed start leaves, who else may use the data folder, what it says, its end."""

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from assay_server import CARRIED, AssayServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AssayServer]:
    server = AssayServer(tmp_path / "assay", str(CARRIED / "first"))
    yield server
    server.stop()


def refused(server: AssayServer) -> str:
    """What `assay serve` says when it refuses to start."""
    command = [sys.executable, "-m", "assay.cli.main", "serve"]
    ended = subprocess.run(
        command,
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return ended.stderr


@pytest.mark.parametrize("which", ["port", "admission_port"])
def test_a_start_whose_port_is_taken_leaves_nothing_and_the_next_one_shows_the_secret(
    server: AssayServer, which: str
) -> None:
    port = getattr(server, which)
    with socket.create_server(("127.0.0.1", port)):
        said = refused(server)
    assert f"127.0.0.1:{port} cannot be listened on: Address already in use." in said
    assert list(server.folder.rglob("*")) == []
    server.start()
    server.sign_in_first()
    first = server.log
    assert first.count("one-time password") == 1
    server.stop()
    server.start()
    assert "one-time password" not in server.log.removeprefix(first)


def test_a_second_server_on_the_same_sqlite_data_folder_is_refused_until_the_first_is_gone(
    server: AssayServer, tmp_path: Path
) -> None:
    server.start()
    second = AssayServer(server.folder, server.feed)
    assert f"Another assay serve runs on {server.folder / 'data'}. Stop it first" in refused(second)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    reset = [sys.executable, "-m", "assay.cli.main", "reset-administrator", "--output=json"]
    ended = subprocess.run(reset, env=server.environment(), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    server.kill()
    second.start()
    assert second.stop() == 0


def test_each_start_up_line_is_logged_once_and_none_by_the_server_library(server: AssayServer) -> None:
    server.start()
    server.stop()
    lines = [line.partition(" ")[2] for line in server.log.splitlines()]
    assert len(lines) == len(set(lines)), server.log
    assert any(f"registry, console and API: {server.url}" in line for line in lines)
    assert any("stopping" in line for line in lines)
    assert "uvicorn" not in server.log


def test_before_its_first_synchronisation_a_feed_is_not_called_stale(tmp_path: Path) -> None:
    server = AssayServer(tmp_path / "assay", str(tmp_path / "no feed"))
    server.start()
    try:
        assert httpx.get(f"{server.url}/readyz").json()["feeds"] == "not yet synchronised: osv"
    finally:
        server.stop()


def test_idle_clients_do_not_hold_up_the_end(server: AssayServer) -> None:
    server.start()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    request = b"GET / HTTP/1.1\r\nHost: assay\r\n\r\n"
    plain = socket.create_connection(("127.0.0.1", server.port))
    silent = socket.create_connection(("127.0.0.1", server.admission_port))
    raw = socket.create_connection(("127.0.0.1", server.admission_port))
    with plain, silent, trusting.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
        for connection in (plain, tls):
            connection.sendall(request)
            assert connection.recv(4096).startswith(b"HTTP/1.1 ")
        assert server.stop() == 0
    assert "timeout graceful shutdown exceeded" not in server.log
