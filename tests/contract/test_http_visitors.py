"""How many may connect at once, and whose address counts behind a proxy: a real server, one door and all of them."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from registry_server import Server, started

from assay.http.visitors import protocol_of
from assay.iam.identity import trail
from assay.oci import Digest
from assay.rates import BURST_SECONDS, Meters
from assay.settings import Settings
from assay.storage import Store

ASKED = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answer_of(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer that ends the connection or has a length."""
    client.sendall(ASKED)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), body


@pytest.fixture
def narrow(store: Store, tmp_path: Path) -> Iterator[Server]:
    """A server with room for three connections."""
    settings = Settings(connections_max=3, connections_max_address=3)
    with started(store, tmp_path / "blobs", http=protocol_of(settings)) as running:
        yield running


def test_a_connection_too_many_is_told_so_and_the_next_gets_its_place(narrow: Server) -> None:
    with ExitStack() as opened:
        kept = [opened.enter_context(connected(narrow)) for _ in range(3)]
        assert [answer_of(each)[0] for each in kept] == [401] * 3
        with connected(narrow) as surplus:
            status, headers, body = answer_of(surplus)
            assert (status, headers["retry-after"], headers["connection"]) == (429, "5", "close")
            assert json.loads(body)["errors"][0]["code"] == "TOOMANYREQUESTS"
            assert surplus.recv(100) == b""
        assert [answer_of(each)[0] for each in kept] == [401] * 3
        kept.pop().close()
        # The server hears of it a moment later.
        assert any(answer_of(opened.enter_context(connected(narrow)))[0] == 401 for _ in range(50))


def test_far_too_many_are_not_even_told(narrow: Server) -> None:
    with ExitStack() as opened:
        for _ in range(6):
            opened.enter_context(connected(narrow))
        with connected(narrow) as surplus:
            assert surplus.recv(100) == b""


@pytest.mark.parametrize(("proxies", "status"), [((), 429), (("127.0.0.0/8",), 401)])
def test_one_address_may_not_take_every_place_but_a_trusted_proxy_may(
    store: Store, tmp_path: Path, proxies: tuple[str, ...], status: int
) -> None:
    settings = Settings(connections_max=9, connections_max_address=1, trusted_proxies=proxies)
    with started(store, tmp_path / "blobs", http=protocol_of(settings)) as server, ExitStack() as opened:
        assert answer_of(opened.enter_context(connected(server)))[0] == 401
        assert answer_of(opened.enter_context(connected(server)))[0] == status


def test_behind_a_trusted_proxy_each_client_has_a_rate_of_its_own(store: Store, tmp_path: Path) -> None:
    meters = Meters.of(address_per_second=1, user_per_second=0)
    http = protocol_of(Settings(trusted_proxies=("127.0.0.1",)))
    with started(store, tmp_path / "blobs", http=http, services={"meters": meters}) as server:

        def ask(client: str) -> int:
            return httpx.get(f"{server.url}/v2/", headers={"x-forwarded-for": client}).status_code

        assert [ask("192.0.2.1") for _ in range(BURST_SECONDS + 2)] == [401] * (BURST_SECONDS + 1) + [429]
        # Whatever it says of others.
        assert ask("192.0.2.2, 192.0.2.1") == 429
        assert ask("192.0.2.2") == 401


def test_without_a_trusted_proxy_nobody_leaves_its_rate_by_a_header(store: Store, tmp_path: Path) -> None:
    meters = Meters.of(address_per_second=1, user_per_second=0)
    with started(store, tmp_path / "blobs", http=protocol_of(Settings()), services={"meters": meters}) as server:
        names = ("x-forwarded-for", "forwarded", "x-real-ip")
        answers = [
            httpx.get(f"{server.url}/v2/", headers=dict.fromkeys(names, f"192.0.2.{number}")).status_code
            for number in range(BURST_SECONDS + 2)
        ]
        assert answers == [401] * (BURST_SECONDS + 1) + [429]


def test_the_audit_log_has_the_clients_address_and_a_pause_is_the_clients_own(store: Store, tmp_path: Path) -> None:
    http = protocol_of(Settings(trusted_proxies=("127.0.0.1",), trusted_proxy_header="Forwarded"))
    with started(store, tmp_path / "blobs", http=http) as server:
        account = server.account
        auth, seen = (account.login, account.token), {"forwarded": "for=198.51.100.7"}
        digest = Digest.of(b"{}").text
        pushed = httpx.post(f"{server.path()}/blobs/uploads/?digest={digest}", auth=auth, headers=seen, content=b"{}")
        assert pushed.status_code == 201
        newest = trail.entries.listed(store, account.actor).items[0]
        assert (newest.operation, newest.address) == ("PushImage", "198.51.100.7")
        for _ in range(5):
            assert httpx.get(f"{server.url}/v2/", auth=(account.login, "x"), headers=seen).status_code == 401
        assert httpx.get(f"{server.url}/v2/", auth=auth, headers=seen).status_code == 429
        assert httpx.get(f"{server.url}/v2/", auth=auth, headers={"forwarded": "for=198.51.100.8"}).status_code == 200
