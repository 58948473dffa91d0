"""The rules of request signatures against oci-api 1.2 and the draft's own example; and what breaks each rule."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from request_signing import GENERIC, OF_BODIES, Client, KeyPair

from assay.clock import MINUTE, SECOND, instant
from assay.errors import Reason, Refused
from assay.iam.request_signature import SignedRequest, check, is_genuine, parse, signing_string

NOW = instant(datetime(2026, 11, 21, 20, 26, 49, tzinfo=UTC))
TARGET = "/20160918/container/images?compartmentId=c&repositoryName=proj%2Fapp"
BODY = b'{"displayName": "proj/app"}'

#: draft-cavage-http-signatures-08, appendix C: the key, and the signature of C.2's request.
DRAFT_KEY = b"""-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----
"""
DRAFT_SIGNATURE = (
    "qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzic+efkb3"
    "nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0="
)


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(KeyPair())


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> SignedRequest:
    return SignedRequest(
        method, target.encode(), [(name.encode(), value.encode()) for name, value in headers.items()], body
    )


def verifies(client: Client, asked: SignedRequest, now: int = NOW) -> bool:
    return is_genuine(client.pair.private.public_key(), check(asked, now))


def refusal(asked: SignedRequest, now: int = NOW) -> str:
    with pytest.raises(Refused) as caught:
        check(asked, now)
    assert caught.value.reason is Reason.NOT_AUTHENTICATED
    return caught.value.message


def test_the_signing_string_is_that_of_the_drafts_own_example() -> None:
    headers = [(b"Host", b"example.com"), (b"Date", b"Sun, 05 Jan 2014 21:31:40 GMT")]
    asked = SignedRequest("POST", b"/foo?param=value&pet=dog", headers, b"")
    key = load_pem_public_key(DRAFT_KEY)
    assert isinstance(key, RSAPublicKey)
    text = signing_string(asked, ("(request-target)", "host", "date"))
    key.verify(base64.b64decode(DRAFT_SIGNATURE), text, PKCS1v15(), SHA256())


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_a_body_verifies(client: Client, method: str) -> None:
    assert verifies(client, request(method, TARGET, client.headers(method, TARGET, NOW)))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [BODY, b""])
def test_a_request_with_a_body_or_an_empty_one_verifies(client: Client, method: str, body: bytes) -> None:
    headers = client.headers(method, TARGET, NOW, body)
    if not body:
        assert headers["x-content-sha256"] == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert verifies(client, request(method, TARGET, headers, body))


def test_attributes_and_signed_headers_may_stand_in_any_order(client: Client) -> None:
    names = ("host", "x-content-sha256", "(request-target)", "content-type", "date", "content-length")
    order = ("version", "keyId", "headers", "signature", "algorithm")
    headers = client.headers("POST", TARGET, NOW, BODY, names=names, order=order)
    assert verifies(client, request("POST", TARGET, headers, BODY))


def test_a_browser_may_sign_x_date_for_a_date_that_it_cannot_set(client: Client) -> None:
    headers = client.headers("GET", TARGET, NOW, names=("x-date", "(request-target)", "host"))
    assert "date" not in headers
    assert verifies(client, request("GET", TARGET, headers))
    assert "off the server's clock" in refusal(request("GET", TARGET, headers), NOW + 6 * MINUTE)


@pytest.mark.parametrize("target", ["//20160918/users", "/n?", "/n?a=%2f", "/n?a=%2F", "/a/../n", "/n;x=1?y"])
def test_the_target_is_signed_byte_for_byte(client: Client, target: str) -> None:
    headers = client.headers("GET", target, NOW)
    assert verifies(client, request("GET", target, headers))
    assert not verifies(client, request("GET", target.replace("//", "/").rstrip("?") + "&z", headers))


@pytest.mark.parametrize(("late", "taken"), [(5 * MINUTE, True), (5 * MINUTE + SECOND, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_date_may_be_five_minutes_off_and_no_more(client: Client, late: int, taken: bool, sign: int) -> None:
    asked = request("GET", TARGET, client.headers("GET", TARGET, NOW))
    if taken:
        assert verifies(client, asked, NOW + sign * late)
    else:
        assert "off the server's clock" in refusal(asked, NOW + sign * late)


def test_a_signature_is_over_exactly_when_its_date_is_too_old(client: Client) -> None:
    asked = request("GET", TARGET, client.headers("GET", TARGET, NOW))
    over = check(asked, NOW).time_over
    assert check(asked, over - 1).time_over == over
    assert "off the server's clock" in refusal(asked, over)


@pytest.mark.parametrize("left_out", [*GENERIC, *OF_BODIES])
def test_each_header_that_the_method_needs_must_be_signed(client: Client, left_out: str) -> None:
    names = tuple(name for name in (*GENERIC, *OF_BODIES) if name != left_out)
    headers = client.headers("POST", TARGET, NOW, BODY, names=names)
    assert f"leaves out {left_out}" in refusal(request("POST", TARGET, headers, BODY))


def test_a_body_that_the_signature_does_not_cover_is_refused(client: Client) -> None:
    asked = request("DELETE", TARGET, client.headers("DELETE", TARGET, NOW), b"{}")
    assert "leaves out content-length" in refusal(asked)


def test_the_body_must_have_the_length_and_digest_that_were_signed(client: Client) -> None:
    headers = client.headers("POST", TARGET, NOW, BODY)
    assert "length" in refusal(request("POST", TARGET, headers, BODY + b" "))
    assert "x-content-sha256" in refusal(request("POST", TARGET, headers, BODY.replace(b"app", b"apq")))


@pytest.mark.parametrize("name", ["date", "host", "authorization", "content-length"])
def test_a_signed_header_that_comes_twice_or_not_at_all_is_refused(client: Client, name: str) -> None:
    asked = request("POST", TARGET, client.headers("POST", TARGET, NOW, BODY), BODY)
    value = asked.values(name)[0]
    twice = SignedRequest(asked.method, asked.target, [*asked.headers, (name.title().encode(), value)], asked.body)
    none = [header for header in asked.headers if header[0] != name.encode()]
    assert f"{name} is there more than once" in refusal(twice)
    assert f"{name} is missing" in refusal(SignedRequest(asked.method, asked.target, none, asked.body))


@pytest.mark.parametrize(
    "date", ["2026-11-21T20:26:49Z", "Sat, 21 Nov 26 20:26:49 GMT", "Sat, 31 Feb 2026 20:26:49 GMT", "x" * 5000, ""]
)
def test_a_date_in_another_form_is_refused(client: Client, date: str) -> None:
    assert "date does not read" in refusal(request("GET", TARGET, client.headers("GET", TARGET, NOW, date=date)))


GOOD = 'Signature algorithm="rsa-sha256",headers="date (request-target) host",keyId="{}",signature="AAAA",version="1"'
FINGERPRINT = "6f:66:99:31:b9:87:b4:b1:f5:e4:b6:e0:a9:d3:2f:4c"


def test_a_header_is_read_by_name() -> None:
    found = parse(GOOD.format(f"ocid1.tenancy.oc1..t/ocid1.user.oc1..u/{FINGERPRINT}"))
    assert (found.key_id.tenancy, found.key_id.user) == ("ocid1.tenancy.oc1..t", "ocid1.user.oc1..u")
    assert (found.key_id.fingerprint, found.names) == (FINGERPRINT, ("date", "(request-target)", "host"))
    assert found.value == b"\0\0\0"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Signature ", "signature "),
        ("Signature ", "Basic "),
        ('"rsa-sha256"', '"rsa-sha512"'),
        ('"rsa-sha256"', '"hmac-sha256"'),
        ('version="1"', 'version="2"'),
        (',version="1"', ""),
        ('version="1"', 'version="1",expires="1"'),
        ('version="1"', 'version="1",version="1"'),
        ('version="1"', "version=1"),
        (",keyId", ", keyId"),
        ("date (request", "date  (request"),
        ("date (request", "Date (request"),
        ("host", "host host"),
        ('"AAAA"', '"AAA"'),
        ('"AAAA"', '"AAB="'),
        ('"AAAA"', '""'),
        ('"AAAA"', '"AA\nAA"'),
        (FINGERPRINT, FINGERPRINT.upper()),
        (FINGERPRINT, FINGERPRINT[:-3]),
        ("/ocid1.user.oc1..u", ""),
        ("/ocid1.user.oc1..u", "/"),
        ("..u/", "..u/x/"),
    ],
)
def test_what_is_no_signature_header_is_refused(before: str, after: str) -> None:
    text = GOOD.format(f"ocid1.tenancy.oc1..t/ocid1.user.oc1..u/{FINGERPRINT}")
    assert before in text
    with pytest.raises(Refused) as caught:
        parse(text.replace(before, after))
    assert caught.value.reason is Reason.NOT_AUTHENTICATED


def test_tokens_of_sessions_and_instances_are_refused_by_what_they_are() -> None:
    with pytest.raises(Refused, match="session, instance or resource token"):
        parse(GOOD.format("ST$eyJhbGciOiJSUzI1NiJ9.e30.c2ln"))


def test_what_is_too_long_is_refused_before_anything_is_verified(client: Client) -> None:
    headers = client.headers("GET", TARGET, NOW)
    many = {f"x-{number}": "1" for number in range(100)}
    assert "too many headers" in refusal(request("GET", TARGET, headers | many))
    assert "too many headers" in refusal(request("GET", TARGET, headers | {"x-long": "1" * 9000}))
    assert "too many headers" in refusal(request("GET", "/" + "n" * 17_000, headers))
    assert "longer than" in refusal(request("GET", TARGET, headers | {"authorization": "Signature " + "a" * 17_000}))
    names = (*GENERIC, *(f"x-{number}" for number in range(18)))
    with pytest.raises(Refused, match="list of signed headers"):
        parse(GOOD.format(f"t/u/{FINGERPRINT}").replace("date (request-target) host", " ".join(names)))


def test_a_method_that_no_client_signs_is_refused(client: Client) -> None:
    assert "cannot be signed" in refusal(request("OPTIONS", TARGET, client.headers("OPTIONS", TARGET, NOW)))


def test_a_signature_is_remembered_by_its_own_bytes(client: Client) -> None:
    asked = request("GET", TARGET, client.headers("GET", TARGET, NOW))
    signed = check(asked, NOW).signature
    assert signed.digest() == hashlib.sha256(signed.value).hexdigest()
