"""The command line's way to a server, against small real servers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from places import free_port

from assay.cli.account import server_address
from assay.cli.connection import Connection, Profile, load_profile, save_profile
from assay.cli.session import Session
from assay.errors import Reason, Refused, Unavailable
from assay.secret import Secret

TENANCY = "ocid1.tenancy.oc1..t"
TEAM = "ocid1.compartment.oc1..team"


class Canned(BaseHTTPRequestHandler):
    """Answers as the API does, from a few canned lists."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.headers.get("authorization") != "Bearer token":
            return self._answer(401, {"code": "NotAuthenticated", "message": "Who are you?"})
        if parts.path == "/numbers":
            page = int(query.get("page", "0"))
            return self._answer(200, {"items": [page]}, {"opc-next-page": str(page + 1)} if page < 3 else {})
        if parts.path == "/20160918/compartments":
            return self._answer(200, [{"id": TEAM, "name": "team", "lifecycleState": "ACTIVE"}])
        if parts.path == "/things" and query["compartmentId"] == TEAM:
            return self._answer(200, [{"name": "of the team"}])
        if parts.path == "/elsewhere":
            return self._answer(302, {}, {"location": "/numbers"})
        if parts.path == "/html":
            return self._answer(502, "<html>")
        return self._answer(404, {"code": "NotAuthorizedOrNotFound", "message": "Not found."})

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode() if not isinstance(body, str) else body.encode()
        self.send_response(status)
        kind = "text/html" if isinstance(body, str) else "application/json"
        for name, value in {"content-type": kind, "opc-request-id": "R1", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Canned)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def session_at(url: str) -> Session:
    return Session(Profile(url, "admin", "token", TENANCY, "ns", "r.example"), Connection(url, Secret("token")))


def test_all_pages_of_a_list_are_read(url: str) -> None:
    assert Connection(url, Secret("token")).everything("/numbers") == [0, 1, 2, 3]


def test_no_more_pages_are_read_than_rows_are_wanted(url: str) -> None:
    assert Connection(url, Secret("token")).everything("/numbers", rows_max=2) == [0, 1]


def test_a_refusal_says_message_code_and_request(url: str) -> None:
    with pytest.raises(Refused, match=r"Not found\. \(NotAuthorizedOrNotFound, request R1\)") as refusal:
        Connection(url, Secret("token")).get("/nothing")
    assert refusal.value.reason is Reason.NOT_FOUND


def test_a_missing_sign_in_is_told_apart(url: str) -> None:
    with pytest.raises(Refused, match=r"Who are you\?") as refusal:
        Connection(url).get("/numbers")
    assert refusal.value.reason is Reason.NOT_AUTHENTICATED


def test_an_answer_that_is_not_ours_is_shown_with_its_status(url: str) -> None:
    with pytest.raises(Refused, match="The server answered 502: <html>"):
        Connection(url, Secret("token")).get("/html")


def test_a_redirection_is_not_followed_with_the_token(url: str) -> None:
    with pytest.raises(Refused, match="The server answered 302"):
        Connection(url, Secret("token")).get("/elsewhere")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        Connection(f"http://127.0.0.1:{free_port()}").get("/numbers")


def test_a_list_over_all_compartments_leaves_out_those_that_are_refused(url: str) -> None:
    assert session_at(url).everywhere("/things", "") == [{"name": "of the team"}]


def test_a_list_that_is_refused_everywhere_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="Not found"):
        session_at(url).everywhere("/nothing", "")


def test_a_compartment_goes_by_name_by_ocid_or_is_the_root(url: str) -> None:
    session = session_at(url)
    assert [session.compartment(each) for each in ("", "root", "team", TEAM)] == [TENANCY, TENANCY, TEAM, TEAM]
    with pytest.raises(Refused, match="There is no compartment 'other'"):
        session.compartment("other")


def test_a_profile_is_for_its_owner_alone_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "profile.json"
    profile = Profile("http://h", "admin", "secret", TENANCY, "ns", "h")
    for _ in range(2):
        save_profile(profile, path)
        assert path.stat().st_mode & 0o777 == 0o600
    assert load_profile(path) == profile


@pytest.mark.parametrize("content", ["", "{", '{"server": "x"}', "[]"])
def test_a_profile_that_does_not_read_means_not_signed_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(Refused, match="You are not signed in"):
        load_profile(path)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:5080/", "http://127.0.0.1:5080"),
        ("127.0.0.1:5080", "http://127.0.0.1:5080"),
        ("localhost", "http://localhost"),
        ("assay.example", "https://assay.example"),
        ("https://assay.example:8443", "https://assay.example:8443"),
    ],
)
def test_an_address_without_a_scheme_is_https_but_on_this_machine(text: str, address: str) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize("text", ["", "ftp://x", "https://x/console", "https://x?y", "https://admin:secret@x"])
def test_what_is_no_address_of_a_server_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        server_address(text)
