"""An upload is a row and staged bytes: `assay serve` is killed amid it, and it goes on there or in a second process."""

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from assay_server import CARRIED, AssayServer

CONTENT = random.Random(11).randbytes(3_000_000)
ACKNOWLEDGED = 1_000_000


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    address = request.getfixturevalue("postgres_server")
    name = f"r{time.monotonic_ns()}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{address}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def server_on(folder: Path, database: str, worker: str) -> AssayServer:
    return AssayServer(folder, str(CARRIED), database, {"ASSAY_WORKER_NAME": worker})


def login_of(server: AssayServer) -> tuple[str, str, str]:
    """The path of a repository, and a login."""
    me = server.call("GET", "/20260901/sessions/current")
    made = server.call("POST", f"/20160918/users/{me['userId']}/authTokens", {"description": "t"})
    return f"/v2/{me['namespace']}/app", f"{me['namespace']}/admin", made["token"]


def send_half_a_chunk(server: AssayServer, session: str, login: tuple[str, str], staged: Path) -> None:
    """Send a chunk whose end never comes, until some of it is staged."""
    basic = httpx.BasicAuth(*login)._auth_header
    head = f"PATCH {session} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic}\r\nContent-Length: 2000000\r\n\r\n"
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(head.encode() + CONTENT[ACKNOWLEDGED : ACKNOWLEDGED + 1_500_000])
    deadline = time.monotonic() + 60
    while sum(path.stat().st_size for path in staged.rglob("*") if path.is_file()) <= 2 * ACKNOWLEDGED:
        assert time.monotonic() < deadline, "nothing of the chunk was staged"
        time.sleep(0.02)
    server.kill()
    raw.close()


def test_uploads_go_on_in_a_second_process_after_the_first_is_killed(database: str, tmp_path: Path) -> None:
    """Two sessions of 1 MB; the first gets another chunk when the process is killed. The second process was there all
    along: in it the acknowledged offsets hold, the right digest makes a blob, and a wrong one leaves nothing.
    """
    one, two = (server_on(tmp_path / "server", database, name) for name in ("one", "two"))
    digest = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    wrong = f"sha256:{hashlib.sha256(CONTENT + b'.').hexdigest()}"
    one.start()
    try:
        one.sign_in_first()
        path, *login = login_of(one)
        two.start()
        with httpx.Client(base_url=one.url, auth=tuple(login), timeout=60) as client:
            sessions = [client.post(f"{path}/blobs/uploads/").headers["location"] for _ in range(2)]
            for session in sessions:
                chunk = client.patch(session, content=CONTENT[:ACKNOWLEDGED])
                assert chunk.headers["range"] == f"0-{ACKNOWLEDGED - 1}"
        send_half_a_chunk(one, sessions[0], (login[0], login[1]), tmp_path / "server" / "data" / "blobs" / "staged")
        with httpx.Client(base_url=two.url, auth=tuple(login), timeout=60) as client:
            for session in sessions:
                assert client.get(session).headers["range"] == f"0-{ACKNOWLEDGED - 1}"
            rest = {"content": CONTENT[ACKNOWLEDGED:], "headers": {"content-range": f"{ACKNOWLEDGED}-2999999"}}
            assert client.put(sessions[0], params={"digest": digest}, **rest).status_code == 201
            assert client.get(f"{path}/blobs/{digest}").content == CONTENT
            refused = client.put(sessions[1], params={"digest": wrong}, **rest)
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
            assert client.get(sessions[1]).status_code == 404
            assert client.head(f"{path}/blobs/{wrong}").status_code == 404
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM upload").fetchone() == (0,)
            blobs = connection.execute("SELECT digest FROM blob").fetchall()
            assert blobs == [(digest,)]
            parts = connection.execute("SELECT count(*) FROM layer_part WHERE digest <> %s", [digest]).fetchone()
            assert parts == (0,)
        kept = [each for each in (tmp_path / "server" / "data" / "blobs").rglob("*") if each.is_file()]
        assert [each.name for each in kept if "lock" not in each.name] == [digest.removeprefix("sha256:")]
    finally:
        one.stop()
        two.stop()
