"""No byte of a signed request can be changed, left out or put in: the stock client's recorded requests, and our own."""

import json
import os
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from request_signing import Client, KeyPair

from assay.clock import instant
from assay.errors import Refused
from assay.iam.request_signature import SignedRequest, check, is_genuine

NOW = instant(datetime(2026, 11, 21, 20, 26, 49, tzinfo=UTC))
#: Changes tried at each byte of a recorded request: every one in full, else enough to meet each kind.
STEP = 1 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 7
PAIR = KeyPair()
#: What HTTP itself takes out, or never lets through, in a header's value.
VISIBLE = [sign.encode() for sign in string.printable if sign not in string.whitespace]


def accepted(asked: SignedRequest, key: RSAPublicKey, user: str, now: int) -> bool:
    """Whether the request is taken as this user's; a changed key id names somebody else, and no key of theirs."""
    try:
        found = check(asked, now)
    except Refused:
        return False
    return str(found.signature.key_id) == user and is_genuine(key, found)


def recorded(folder: Path) -> Iterator[tuple[SignedRequest, int]]:
    for line in (folder / "requests.jsonl").read_text().splitlines():
        told = json.loads(line)
        headers = [(name.encode(), value.encode()) for name, value in told["headers"]]
        asked = SignedRequest(told["method"], told["target"].encode(), headers, told["body"].encode())
        date = datetime.strptime(asked.values("date")[0].decode(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        yield asked, instant(date)


def changed(text: bytes, step: int) -> Iterator[bytes]:
    """The text with one byte changed, left out, or put in; at every `step`th place, and always at both ends."""
    for place in sorted({*range(0, len(text), step), max(0, len(text) - 1)}) if text else ():
        for byte in (text[place] ^ 1, text[place] ^ 0x20, text[place] ^ 4):
            sign = bytes([byte])
            if sign in VISIBLE:
                yield text[:place] + sign + text[place + 1 :]
        yield text[:place] + text[place + 1 :]
        yield text[:place] + b"0" + text[place:]
    yield text + b"0"


def variations(asked: SignedRequest, step: int) -> Iterator[SignedRequest]:
    signed = {b"authorization", b"date", b"host", b"content-length", b"content-type", b"x-content-sha256"}
    # On requests without a body the clients send a content type that they don't sign.
    if asked.method in ("GET", "HEAD", "DELETE"):
        signed = {b"authorization", b"date", b"host"}
    for target in changed(asked.target, step):
        yield replace(asked, target=target)
    for body in changed(asked.body, step):
        yield replace(asked, body=body)
    for method in {"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"} - {asked.method}:
        yield replace(asked, method=method)
    for place, (name, value) in enumerate(asked.headers):
        if name.lower() in signed:
            for other in changed(value, step):
                yield replace(asked, headers=[*asked.headers[:place], (name, other), *asked.headers[place + 1 :]])
            yield replace(asked, headers=[*asked.headers[:place], *asked.headers[place + 1 :]])


@pytest.mark.shared
def test_every_recorded_request_of_the_stock_client_verifies_and_none_of_its_changes(shared_data: Path) -> None:
    folder = shared_data / "oci-requests"
    key = load_pem_public_key((folder / "public-key.pem").read_bytes())
    assert isinstance(key, RSAPublicKey)
    seen = tried = 0
    for asked, now in recorded(folder):
        user = str(check(asked, now).signature.key_id)
        assert accepted(asked, key, user, now), asked.target
        seen += 1
        for other in variations(asked, STEP):
            tried += 1
            assert not accepted(other, key, user, now), other
    assert seen == 81
    assert tried > 10_000


def test_no_changed_byte_of_our_own_signed_requests_verifies() -> None:
    client = Client(PAIR)
    for method, target, body in (
        ("GET", "/20160918/users?compartmentId=t&limit=10", b""),
        ("DELETE", "//20160918/users/u/apiKeys/6f%3A66", b""),
        ("POST", "/20160918/users", b'{"name": "alice"}'),
        ("PUT", "/20160918/users/u", b""),
    ):
        headers = client.headers(method, target, NOW, body)
        asked = SignedRequest(method, target.encode(), [(n.encode(), v.encode()) for n, v in headers.items()], body)
        assert accepted(asked, PAIR.private.public_key(), client.key_id, NOW)
        for other in variations(asked, 1):
            assert not accepted(other, PAIR.private.public_key(), client.key_id, NOW), other


targets = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60).map(lambda t: f"/{t}")


@settings(max_examples=60)
@given(target=targets, other=targets, body=st.binary(max_size=60), method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_whatever_was_signed_verifies_as_it_is_and_for_nothing_else(
    target: str, other: str, body: bytes, method: str
) -> None:
    client = Client(PAIR)
    body = body if method == "POST" else b""
    headers = [(n.encode(), v.encode()) for n, v in client.headers(method, target, NOW, body).items()]
    key = PAIR.private.public_key()
    assert accepted(SignedRequest(method, target.encode(), headers, body), key, client.key_id, NOW)
    assert accepted(SignedRequest(method, other.encode(), headers, body), key, client.key_id, NOW) == (other == target)


@settings(max_examples=300)
@given(authorization=st.text(max_size=300), value=st.binary(max_size=80), body=st.binary(max_size=20))
def test_any_bytes_are_taken_or_refused_and_never_break_the_reader(
    authorization: str, value: bytes, body: bytes
) -> None:
    text = authorization.encode()
    for said in (text, b"Signature " + text):
        asked = SignedRequest("POST", b"/n", [(b"authorization", said), (b"date", value), (b"host", value)], body)
        assert not accepted(asked, PAIR.private.public_key(), "", NOW)
