"""The port of OCI's clients: TLS at once or after CONNECT, nothing onward, and nobody waited for for ever."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from places import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from assay.admission import identity
from assay.clock import SystemClock
from assay.endpoints import Endpoints
from assay.http import tunnels
from assay.http.certificates import RenewedContext
from assay.http.sendfile import SendfileProtocol
from assay.http.tunnels import TunnelServer
from assay.storage import Store
from assay.vault.root import SoftwareRoot

ROOT = SoftwareRoot(bytes(range(32)))
STARTED_WITHIN_SECONDS = 30


async def told(request: Request) -> JSONResponse:
    return JSONResponse({"host": request.headers["host"], "scheme": request.url.scheme, "peer": request.client.host})


@dataclass
class Port:
    endpoints: Endpoints
    trust: Path

    @property
    def number(self) -> int:
        return self.endpoints.port

    def connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.number), timeout=20)

    def answered(self, sent: bytes) -> bytes:
        """All that the port answers to something that is no TLS, until it hangs up."""
        with self.connected() as connection:
            connection.sendall(sent)
            return received(connection)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.trust))


def received(connection: socket.socket) -> bytes:
    pieces = b""
    try:
        while piece := connection.recv(4096):
            pieces += piece
    except ConnectionResetError:
        pass
    return pieces


@pytest.fixture
def port(store: Store, tmp_path: Path) -> Iterator[Port]:
    number = free_port()
    endpoints = Endpoints("local", "assay.internal", f"127.0.0.1:{number}")

    def supply() -> identity.ServerIdentity:
        return identity.server_identity(store, ROOT, endpoints.certificate_names)

    # TLS clients look at the machine's clock, so the certificates are made by it.
    store = Store(store.database, SystemClock(), store.site, store.page_key)
    tls = RenewedContext(supply, store.clock, asks_clients=False)
    trust = tmp_path / "trust.pem"
    trust.write_text(tls.identity.trusted_by)
    config = uvicorn.Config(
        Starlette(routes=[Route("/n", told)]), host="127.0.0.1", port=number, http=SendfileProtocol, log_config=None
    )
    server = TunnelServer(config, tls.context, endpoints.admits)
    listener = socket.create_server(("127.0.0.1", number))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    deadline = time.monotonic() + STARTED_WITHIN_SECONDS
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield Port(endpoints, trust)
    server.should_exit = True
    thread.join(STARTED_WITHIN_SECONDS)
    listener.close()
    assert not thread.is_alive()


def test_tls_is_spoken_at_once_with_a_certificate_for_the_address_and_every_name(port: Port) -> None:
    with httpx.Client(verify=port.context()) as client:
        assert client.get(f"https://127.0.0.1:{port.number}/n").json() == {
            "host": f"127.0.0.1:{port.number}",
            "scheme": "https",
            "peer": "127.0.0.1",
        }
    for name in (*port.endpoints.services, *port.endpoints.vault_hosts("abcdefgh")):
        with port.connected() as plain, port.context().wrap_socket(plain, server_hostname=name) as secured:
            assert secured.version() in ("TLSv1.2", "TLSv1.3"), name


@pytest.mark.parametrize("asked", ["", ":{port}"])
def test_a_client_whose_proxy_it_is_reaches_a_name_that_nobody_resolves(port: Port, asked: str) -> None:
    host = "artifacts.local.oci.assay.internal" + asked.format(port=port.number)
    with httpx.Client(verify=port.context(), proxy=f"http://127.0.0.1:{port.number}") as client:
        for _ in range(2):
            assert client.get(f"https://{host}/n").json()["host"] == host


def test_a_name_of_somebody_else_is_refused_and_nothing_is_connected(port: Port) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        own = listener.getsockname()[1]
        said = port.answered(f"CONNECT 127.0.0.1:{own} HTTP/1.1\r\n\r\n".encode())
        assert said.startswith(b"HTTP/1.1 403 ")
        with pytest.raises(TimeoutError):
            listener.accept()
    with (
        httpx.Client(verify=port.context(), proxy=f"http://127.0.0.1:{port.number}") as client,
        pytest.raises(httpx.ProxyError, match="403"),
    ):
        client.get("https://example.com/")


def test_what_is_neither_tls_nor_a_connect_is_told_so(port: Port) -> None:
    assert port.answered(b"GET /n HTTP/1.1\r\nhost: x\r\n\r\n").startswith(b"HTTP/1.1 400 This port speaks TLS")
    assert port.answered(b"CONNECT " + b"x" * 20_000).startswith(b"HTTP/1.1 431 ")


def test_after_a_granted_connect_only_tls_goes_on(port: Port) -> None:
    with port.connected() as connection:
        connection.sendall(b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /n HTTP/1.1\r\nhost: x\r\n\r\n")
        assert received(connection) == b""


def test_who_says_nothing_or_goes_half_way_is_hung_up_on(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "GREETING_SECONDS", 0.5)
    for sent in (b"", b"CONNECT kms.local", b"CONNECT kms.local.assay.internal:443 HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
        with port.connected() as connection:
            connection.sendall(sent)
            assert received(connection) in (b"", b"HTTP/1.1 200 Connection established\r\n\r\n"), sent


def test_more_who_wait_than_there_is_room_for_are_hung_up_on_and_others_go_on_after_them(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "GREETINGS_MAX", 3)
    waiting = [port.connected() for _ in range(3)]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with port.connected() as extra:
            extra.settimeout(0.5)
            try:
                if extra.recv(1) == b"":
                    break
            except (TimeoutError, ConnectionResetError):
                continue
    else:
        raise AssertionError("nobody was hung up on")
    for connection in waiting:
        connection.close()
    with httpx.Client(verify=port.context(), transport=httpx.HTTPTransport(verify=port.context(), retries=5)) as client:
        assert client.get(f"https://127.0.0.1:{port.number}/n").status_code == 200
