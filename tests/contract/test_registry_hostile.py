"""Hostile requests against a real registry, byte for byte: each gets its 4xx with a reason, and no more happens."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_server import Server, started

from assay.http import bodies
from assay.http.visitors import protocol_of
from assay.oci import Digest
from assay.registry import repositories
from assay.settings import Settings
from assay.storage import Store

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = b"{}"

HOST = b"Host: x\r\n"
CHUNKED = b"POST /v2/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(*headers: bytes, target: bytes = b"/v2/", version: bytes = b"HTTP/1.1") -> bytes:
    return b" ".join((b"GET", target, version)) + b"\r\n" + b"".join(each + b"\r\n" for each in headers) + b"\r\n"


def post(*headers: bytes, body: bytes = b"hello") -> bytes:
    return b"POST /v2/ HTTP/1.1\r\nHost: x\r\n" + b"".join(each + b"\r\n" for each in headers) + b"\r\n" + body


#: Name → what is sent, and the statuses of all that comes back before the connection ends.
FRAMINGS: dict[str, tuple[bytes, list[int]]] = {
    "length and chunks": (post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), [400]),
    "chunks and length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"), [400]),
    "two equal lengths": (post(b"Content-Length: 5", b"Content-Length: 5"), [400]),
    "two lengths": (post(b"Content-Length: 5", b"Content-Length: 6"), [400]),
    "a list of lengths": (post(b"Content-Length: 5, 5"), [400]),
    "a signed length": (post(b"Content-Length: +5"), [400]),
    "a negative length": (post(b"Content-Length: -5"), [400]),
    "a hexadecimal length": (post(b"Content-Length: 0x5"), [400]),
    "an empty length": (post(b"Content-Length: "), [400]),
    "a length beyond 64 bits": (post(b"Content-Length: 99999999999999999999"), [400]),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked"), [400]),
    "no coding": (post(b"Transfer-Encoding: identity"), [400]),
    "a coding after chunked": (post(b"Transfer-Encoding: chunked, identity"), [400]),
    "a coding before chunked": (post(b"Transfer-Encoding: gzip, chunked"), [400]),
    "chunked twice": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), [400]),
    "chunked after a vertical tab": (post(b"Transfer-Encoding: \x0bchunked"), [400]),
    "a space before the colon": (post(b"Transfer-Encoding : chunked"), [400]),
    "a folded coding": (post(b"Transfer-Encoding:\r\n chunked"), [400]),
    "chunks in HTTP/1.0": (b"POST /v2/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]),
    "a folded header": (get(b"Host: x", b"X: a\r\n b"), [400]),
    "bare line feeds": (b"GET /v2/ HTTP/1.1\nHost: x\n\n", [400]),
    "a bare line feed": (get(b"Host: x\nX: y"), [400]),
    "a bare carriage return": (get(b"Host: x\rX: y"), [400]),
    "a zero byte in a header": (get(b"Host: x", b"X: a\x00b"), [400]),
    "a header without a colon": (get(b"Host: x", b"XYZ"), [400]),
    "a space before the first header": (get(b" X: a", b"Host: x"), [400]),
    "a header without a name": (get(b"Host: x", b": a"), [400]),
    "a chunk size that overflows": (CHUNKED + b"FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n", [400]),
    "a chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", [400]),
    "a negative chunk size": (CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", [400]),
    "a chunk size and a space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", [400]),
    "chunks with bare line feeds": (CHUNKED + b"5\nhello\n0\n\n", [400]),
    "a chunk longer than its size": (CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", [400]),
    "a coding behind the body": (CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n", [400]),
    "no host": (get(), [400]),
    "two hosts": (get(b"Host: x", b"Host: y"), [400]),
    "a host that is none": (get(b"Host: a b"), [400]),
    "HTTP/0.9": (b"GET /v2/\r\n\r\n", [400]),
    "HTTP/2.0": (get(b"Host: x", version=b"HTTP/2.0"), [400]),
    "HTTP/1.2": (get(b"Host: x", version=b"HTTP/1.2"), [400]),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "another's target": (get(b"Host: x", target=b"ftp//x"), [400]),
    "bytes in the target": (get(b"Host: x", target=b"/v2/\xff\xfe"), [400]),
    "a tunnel": (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", [405]),
    "a tunnel to a path": (b"CONNECT /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
    "another expectation": (post(b"Expect: a-miracle", b"Content-Length: 5"), [417]),
    "too many headers": (get(b"Host: x", *[b"a:"] * 300), [431]),
    "headers that are too long": (get(b"Host: x", b"a: " + b"x" * 70_000), [431]),
    "a target that is too long": (get(b"Host: x", target=b"/v2/" + b"a" * 70_000), [431]),
    "a good request before": (get(b"Host: x") + b"\x00\x01", [401, 400]),
    "a request after a bad one": (get() + get(b"Host: x"), [400]),
    "an upgrade, and a request after it": (
        get(b"Host: x", b"Connection: Upgrade", b"Upgrade: h2c") + get(b"Host: x"),
        [401],
    ),
    "an absolute target": (get(b"Host: x", b"Connection: close", target=b"http://elsewhere.test/v2/"), [401]),
    "HTTP/1.0": (get(version=b"HTTP/1.0"), [401]),
    "a trace": (b"TRACE /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [405]),
    "noise": (bytes(range(256)) * 8, [400]),
    "nothing but line ends": (b"\r\n" * 50 + get(b"Host: x", b"Connection: close"), [401]),
}


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs", http=protocol_of(Settings())) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as opened:
        yield opened


def answers_to(server: Server, sent: bytes) -> list[tuple[int, bytes]]:
    """Status and body of all answers that come before the server ends the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as raw, suppress(ConnectionError):
        raw.sendall(sent)
        while piece := raw.recv(65536):
            received += piece
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: ([0-9]+)", head)[1])
        found.append((int(head.split()[1]), rest[:length]))
        received = rest[length:]
    return found


def test_what_can_be_read_in_two_ways_or_in_none_is_refused_with_a_reason(server: Server) -> None:
    for name, (sent, expected) in FRAMINGS.items():
        answers = answers_to(server, sent)
        assert [status for status, _ in answers] == expected, name
        for status, body in answers:
            assert status == 401 or len(body) > 15, name
    assert httpx.get(f"{server.url}/v2/").status_code == 401


NAMES = [
    "..", "../..", "../../etc/passwd", "team/../../../etc", "a/./b", "a//b", "a/", "%2e%2e", "%2e%2e%2f%2e%2e",
    "%252e%252e",
    "..%2f..%2f", "..%5c..%5c", "..\\..\\", "%00", "a%00b", "a%0d%0aX-Injected:%20y", "%c0%ae%c0%ae", "%e0%80%ae",
    "%ef%bc%8e%ef%bc%8e", "caf%c3%a9", "a%e2%80%8bb", "%f0%9f%92%a9", "%ff%fe", "A", "a b", "a%20b", "~a", "a$b", "-a",
    "a-",
    "a..b", "a___b", "_catalog", "x" * 256, "a/" * 400 + "a", ";a", "a;b=c", "a%2520", "con", "nul", "a:b", "a@b", "%",
    "%zz", "%u002e", ".git/config", "blobs", "manifests/x/manifests",
]  # fmt: skip


def test_names_that_leave_their_place_are_refused_and_nothing_is_made(
    server: Server, client: httpx.Client, store: Store, tmp_path: Path
) -> None:
    authorization = f"authorization: {client.headers['authorization']}\r\nconnection: close\r\n\r\n".encode()
    digest = Digest.of(EMPTY).text
    namespace = server.account.namespace
    taken = set()
    for name in NAMES:
        for method, path in (("GET", "manifests/v1"), ("POST", "blobs/uploads/"), ("GET", f"blobs/{digest}")):
            target = f"/v2/{namespace}/{name}/{path}".encode()
            ((status, body),) = answers_to(
                server, f"{method} ".encode() + target + b" HTTP/1.1\r\n" + HOST + authorization
            )
            assert 400 <= status < 500, (name, method, status)
            assert json.loads(body)["errors"][0]["message"] if body.startswith(b"{") else len(body) > 15, name
            if status not in (400, 431):
                taken.add(name)
    # Names of repositories all the same (distribution-spec, the pattern of <name>): the token is for another.
    assert taken == {"con", "nul", "blobs", "manifests/x/manifests"}
    assert repositories.names(store, server.account.actor, "", rows_max=10) == ()
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


TAGS = [
    "..",
    "%2e%2e",
    "a%2fb",
    "a%00",
    "-a",
    ".a",
    "a" * 129,
    "a%20b",
    "sha256:",
    "sha256:..",
    "sha256:%2e%2e%2fx",
    "é".encode().hex(),
]
UPLOADS = ["..", "%2e%2e", "..%2f..%2fx", "%00", "*", "a" * 500, "00000000-0000-0000-0000-000000000000", "'%20or%201=1"]


def test_tags_digests_and_uploads_that_are_none_are_refused(server: Server, client: httpx.Client) -> None:
    authorization = f"authorization: {client.headers['authorization']}\r\nconnection: close\r\n\r\n".encode()
    paths = [f"manifests/{tag}" for tag in TAGS] + [f"blobs/{tag}" for tag in TAGS]
    paths += [f"referrers/{tag}" for tag in TAGS] + [f"blobs/uploads/{upload}" for upload in UPLOADS]
    for path in paths:
        target = f"/v2/{server.account.namespace}/team/app/{path}".encode()
        for method in ("GET", "DELETE"):
            ((status, body),) = answers_to(
                server, f"{method} ".encode() + target + b" HTTP/1.1\r\n" + HOST + authorization
            )
            assert 400 <= status < 500, (path, method, status)
            assert body.startswith(b'{"errors":[{"code":"'), path


def put(client: httpx.Client, content: bytes, media_type: str = OCI_MANIFEST, reference: str = "") -> tuple[int, str]:
    """Push bytes as a manifest; status and code."""
    headers = {"content-type": media_type}
    answer = client.put(f"/manifests/{reference or Digest.of(content)}", content=content, headers=headers)
    return answer.status_code, answer.json()["errors"][0]["code"] if answer.status_code >= 400 else ""


def image(**more: Any) -> bytes:
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(EMPTY).text, "size": len(EMPTY)}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [empty]}
    return json.dumps(document | more).encode()


def inside(content: bytes) -> bytes:
    """A good manifest with some bytes more as a member."""
    return image()[:-1] + b', "x": ' + content + b"}"


INVALID, LARGE = (400, "MANIFEST_INVALID"), (413, "SIZE_INVALID")
DOCUMENTS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "lists in lists": (inside(b"[" * 100_000 + b"]" * 100_000), INVALID),
    "objects in objects": (inside(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), INVALID),
    "lists that never end": (inside(b"[" * 1_000_000), INVALID),
    "a member twice": (image()[:-1] + b', "schemaVersion": 2}', INVALID),
    "a member twice, once escaped": (image()[:-1] + b', "schema\\u0056ersion": 2}', INVALID),
    "layers twice": (image()[:-1] + b', "layers": []}', INVALID),
    "not a number": (inside(b"NaN"), INVALID),
    "infinity": (inside(b"-Infinity"), INVALID),
    "a number of a million digits": (inside(b"1" * 1_000_000), INVALID),
    "a size that is a fraction": (image().replace(b'"size": 2', b'"size": 2.0'), INVALID),
    "a size beyond 64 bits": (image().replace(b'"size": 2', b'"size": 18446744073709551618'), INVALID),
    "a negative size": (image().replace(b'"size": 2', b'"size": -2'), INVALID),
    "a size that is true": (image().replace(b'"size": 2', b'"size": true'), INVALID),
    "a size that is not the blob's": (image().replace(b'"size": 2', b'"size": 3'), INVALID),
    "bytes that are no UTF-8": (inside(b'"\xff\xfe"'), INVALID),
    "an overlong form": (inside(b'"\xc0\xae"'), INVALID),
    "a half of a pair": (inside(b'"\\ud800"'), INVALID),
    "a byte order mark": (b"\xef\xbb\xbf" + image(), INVALID),
    "UTF-16": (image().decode().encode("utf-16"), INVALID),
    "two documents": (image() + image(), INVALID),
    "a comment": (b"/* */" + image(), INVALID),
    "a comma too many": (image()[:-1] + b",}", INVALID),
    "nothing": (b"", INVALID),
    "zero bytes": (b"\x00" * 1000, INVALID),
    "a list": (b"[]", INVALID),
    "ten thousand layers": (image(layers=json.loads(image())["layers"] * 10_000), LARGE),
    "a million values": (inside(b"[" + b"0," * 1_000_000 + b"0]"), LARGE),
    "a hundred thousand annotations": (image(annotations={str(number): "" for number in range(100_001)}), LARGE),
    "an annotation of five megabytes": (image(annotations={"a": "x" * 5_000_000}), LARGE),
    "a digest of a megabyte": (image().replace(b"sha256:", b"sha256:" + b"0" * 1_000_000, 1), (400, "DIGEST_INVALID")),
    "a media type of a megabyte": (image().replace(b"vnd.oci.empty", b"x" * 1_000_000, 1), INVALID),
    "a blob that is not there": (
        image().replace(Digest.of(EMPTY).text.encode(), Digest.of(b"x").text.encode(), 1),
        (400, "MANIFEST_BLOB_UNKNOWN"),
    ),
}  # fmt: skip


def test_documents_that_are_bombs_or_can_be_read_in_two_ways_are_refused(client: httpx.Client) -> None:
    assert client.post("/blobs/uploads/", params={"digest": Digest.of(EMPTY).text}, content=EMPTY).status_code == 201
    for name, (content, expected) in DOCUMENTS.items():
        assert put(client, content) == expected, name
    assert put(client, image(), reference=Digest.of(b"another").text) == (400, "DIGEST_INVALID")
    assert client.get("/tags/list").json()["tags"] == []
    # A thousand times one layer is odd, and true.
    assert put(client, image(layers=json.loads(image())["layers"] * 1000)) == (201, "")


def test_indexes_cannot_name_themselves_nor_pretend_nor_be_ten_thousand_wide(client: httpx.Client) -> None:
    client.post("/blobs/uploads/", params={"digest": Digest.of(EMPTY).text}, content=EMPTY)
    content = image()
    assert put(client, content) == (201, "")
    child = {"mediaType": OCI_MANIFEST, "digest": Digest.of(content).text, "size": len(content)}

    def index(*children: dict[str, Any]) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()

    assert put(client, index(*[child] * 10_000), OCI_INDEX) == LARGE
    itself = index({**child, "digest": "sha256:" + "0" * 64})
    named = itself.replace(b"0" * 64, Digest.of(itself).encoded.encode())
    assert put(client, named, OCI_INDEX) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert put(client, named, OCI_INDEX, Digest.of(itself).text) == (400, "DIGEST_INVALID")
    assert put(client, index({**child, "mediaType": OCI_INDEX}), OCI_INDEX) == INVALID
    assert put(client, index({**child, "size": child["size"] + 1}), OCI_INDEX) == INVALID
    assert put(client, index(child), OCI_MANIFEST) == INVALID


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "gzip, identity", "x"])
def test_a_body_in_a_content_coding_is_not_read(client: httpx.Client, coding: str) -> None:
    headers = {"content-encoding": coding, "content-type": OCI_MANIFEST}
    for answer in (
        client.put("/manifests/v1", content=image(), headers=headers),
        client.post("/blobs/uploads/", params={"digest": Digest.of(EMPTY).text}, content=EMPTY, headers=headers),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "UNSUPPORTED")
        assert "Content-Encoding" in answer.text


def test_who_says_not_who_they_are_has_no_body_read(server: Server) -> None:
    target = f"/v2/{server.account.namespace}/team/app/manifests/v1".encode()
    head = b"PUT " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\nConnection: close\r\n\r\n"
    ((status, body),) = answers_to(server, head)
    assert (status, json.loads(body)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert server.services.room.held_bytes == 0


def test_a_body_that_does_not_come_is_not_waited_for(
    server: Server, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.3)
    location = client.post("/blobs/uploads/").headers["location"]
    authorization = f"Authorization: {client.headers['authorization']}\r\n".encode()
    for target, method in ((location, b"PATCH"), ("/token", b"POST")):
        head = b"%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: 10\r\n\r\n" % (method, target.encode(), authorization)
        ((status, _),) = answers_to(server, head + b"hello")
        assert status == 408, target
    # The upload is free for another try.
    assert client.patch(httpx.URL(server.url).join(location), content=b"hello").status_code == 202


def test_an_idle_connection_ends(store: Store, tmp_path: Path) -> None:
    with started(store, tmp_path / "blobs", http=protocol_of(Settings()), timeout_keep_alive=1) as server:
        assert [status for status, _ in answers_to(server, get(b"Host: x"))] == [401]


def test_manifests_that_are_being_sent_hold_a_bounded_room(server: Server, client: httpx.Client) -> None:
    room = server.services.room
    with room.hold() as take:
        take(room._held_bytes_max)
        answer = client.put("/manifests/v1", content=image(), headers={"content-type": OCI_MANIFEST})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
        assert int(answer.headers["retry-after"]) > 0
    assert put(client, image()) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert room.held_bytes == 0
