"""Request signatures of the OCI clients, version "1": what a signed request must look like, and what was signed.

Pure rules; who holds which key is asked elsewhere. Source: oci-api 1.2, draft-cavage-http-signatures-08 (the signing
string), RFC 8017 section 8.2 (RSASSA-PKCS1-v1_5), RFC 9110 section 5.6.7 (dates).

Reading is strict, so that a request has one reading only and no changed byte goes unnoticed: nothing unknown among the
attributes, no signed header twice, base64 in its one canonical form.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime, parsedate_to_datetime
from hmac import compare_digest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from assay.clock import MINUTE, Instant, instant, moment
from assay.errors import Reason, Refused

SKEW_MAX = 5 * MINUTE
AUTHORIZATION_BYTES_MAX = 16 * 1024
HEADER_BYTES_MAX = 8 * 1024
TARGET_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
SIGNED_NAMES_MAX = 20
KEY_ID_LENGTH_MAX = 600

SCHEME = "Signature"
ALGORITHM = "rsa-sha256"
VERSION = "1"
TARGET = "(request-target)"
#: What begins the keyId of session, instance and resource principals; a token follows.
TOKEN_PREFIX = "ST$"  # noqa: S105 - what such key ids begin with, not a token

_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_ATTRIBUTES = frozenset({"algorithm", "headers", "keyId", "signature", "version"})
_ATTRIBUTE = re.compile(r'([A-Za-z]+)="([^"\\]*)"')
_SIGNED_NAME = re.compile(r"\(request-target\)|[a-z0-9!#$%&'*+.^_`|~-]+")
_FINGERPRINT = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){15}")
_OCID = re.compile(r"[0-9A-Za-z_.-]+")
#: IMF-fixdate (RFC 9110, section 5.6.7).
_DATE = re.compile(rb"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came: method, raw request target (path and query, byte for byte), headers, whole body.

    Header names may be in any case; header values are without the white space around them.
    """

    method: str
    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: str) -> list[bytes]:
        """All values of a header, in order. `name` in lower case."""
        wanted = name.encode()
        return [value for each, value in self.headers if each.lower() == wanted]


@dataclass(frozen=True, slots=True)
class KeyId:
    """`<tenancy OCID>/<user OCID>/<fingerprint>`: whose key it is said to be. Nothing says yet that it exists."""

    tenancy: str
    user: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.tenancy}/{self.user}/{self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Signature:
    """What the Authorization header says: whose key, which headers were signed in which order, and the signature."""

    key_id: KeyId
    names: tuple[str, ...]
    value: bytes

    def digest(self) -> str:
        """What the signature is remembered by. RSA with this padding has one signature for one message and key."""
        return hashlib.sha256(self.value).hexdigest()


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that keeps every rule but one: whether the key's owner signed `message` is still to be verified.

    `time_signed` is the date that it carries, `time_over` the first moment at which it is too old to be taken.
    """

    signature: Signature
    message: bytes
    time_signed: Instant
    time_over: Instant


def is_signed(authorization: str) -> bool:
    """Whether an Authorization header is of this scheme."""
    return authorization.partition(" ")[0].lower() == SCHEME.lower()


def check(request: SignedRequest, now: Instant) -> Checked:
    """All that can be told without a key: form, bounds, the headers that must be signed, date, length, body's digest.

    Errors: Refused (NOT_AUTHENTICATED), saying what is wrong: all of it is the caller's own doing.
    """
    _require_bounds(request)
    signature = parse(_single(request, "authorization").decode("latin-1"))
    _require_names(request, signature.names)
    _require_body(request, signature.names)
    dates = [_instant(_single(request, name)) for name in ("date", "x-date") if name in signature.names]
    if any(abs(now - date) > SKEW_MAX for date in dates):
        raise _refused(
            "The request's date is more than five minutes off the server's clock.",
            f"Set the clock of the client; here it is {format_datetime(moment(now), usegmt=True)}.",
        )
    oldest = min(dates)
    return Checked(signature, signing_string(request, signature.names), oldest, Instant(oldest + SKEW_MAX + 1))


def parse(authorization: str) -> Signature:
    """Read `Signature algorithm="rsa-sha256",headers="…",keyId="…",signature="…",version="1"`, in any order.

    Errors: Refused (NOT_AUTHENTICATED) for anything else; for a token instead of an API key, saying that.
    """
    scheme, _, rest = authorization.partition(" ")
    said = _attributes(rest) if scheme == SCHEME else None
    if said is None:
        raise _refused("The Authorization header does not read as a request signature of version 1.")
    if said["algorithm"] != ALGORITHM or said["version"] != VERSION:
        raise _refused("The request is not signed with rsa-sha256, version 1.", "Use the algorithm of API keys.")
    if said["keyId"].startswith(TOKEN_PREFIX):
        raise _refused(
            "The request is signed in the name of a session, instance or resource token.",
            "Only API keys of users are known here: keyId is TENANCY/USER/FINGERPRINT.",
        )
    names = tuple(said["headers"].split(" "))
    if len(names) > SIGNED_NAMES_MAX or len(set(names)) < len(names) or not all(map(_SIGNED_NAME.fullmatch, names)):
        raise _refused("The list of signed headers does not read.", "Name each header once, in lower case.")
    return Signature(_key_id(said["keyId"]), names, _base64(said["signature"], "signature"))


def signing_string(request: SignedRequest, names: Sequence[str]) -> bytes:
    """What is signed: a line for each name in the order given. Errors: Refused for a header missing or there twice."""
    return b"\n".join(
        f"{TARGET}: {request.method.lower()} ".encode() + request.target
        if name == TARGET
        else name.encode() + b": " + _single(request, name)
        for name in names
    )


def is_genuine(key: RSAPublicKey, checked: Checked) -> bool:
    """Whether the private key of `key` signed the request."""
    try:
        key.verify(checked.signature.value, checked.message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _require_bounds(request: SignedRequest) -> None:
    others = (header for header in request.headers if header[0].lower() != b"authorization")
    longest = max((len(name) + len(value) for name, value in others), default=0)
    if len(request.headers) > HEADERS_MAX or longest > HEADER_BYTES_MAX or len(request.target) > TARGET_BYTES_MAX:
        raise _refused("The request has too many headers, or too long ones.")
    if len(_single(request, "authorization")) > AUTHORIZATION_BYTES_MAX:
        raise _refused(f"The Authorization header is longer than {AUTHORIZATION_BYTES_MAX} bytes.")


def _attributes(text: str) -> Mapping[str, str] | None:
    """The five attributes by name; None when one is missing, unknown, or there twice."""
    pairs = [_ATTRIBUTE.fullmatch(part) for part in text.split(",")]
    said = {pair[1]: pair[2] for pair in pairs if pair is not None}
    return said if len(pairs) == len(_ATTRIBUTES) and said.keys() == _ATTRIBUTES else None


def _key_id(text: str) -> KeyId:
    parts = text.split("/")
    if len(text) > KEY_ID_LENGTH_MAX or len(parts) != 3 or not _FINGERPRINT.fullmatch(parts[2]):
        raise _refused("keyId does not read.", "Write TENANCY/USER/FINGERPRINT, the fingerprint in lower case.")
    if not all(map(_OCID.fullmatch, parts[:2])):
        raise _refused("keyId does not name a tenancy and a user by OCID.")
    return KeyId(*parts)


def _require_names(request: SignedRequest, names: Sequence[str]) -> None:
    if request.method not in _WITHOUT_BODY | _WITH_BODY:
        raise _refused(f"A request of method {request.method[:20]!r} cannot be signed.")
    needed = [TARGET, "host"]
    if request.method in _WITH_BODY or request.body:
        needed += ["content-length", "content-type", "x-content-sha256"]
    missing = [name for name in needed if name not in names]
    if not {"date", "x-date"} & set(names):
        missing.insert(0, "date")
    if missing:
        raise _refused(f"The request's signature leaves out {', '.join(missing)}.", "Sign all that the method needs.")


def _require_body(request: SignedRequest, names: Sequence[str]) -> None:
    if "content-length" in names and _single(request, "content-length") != str(len(request.body)).encode():
        raise _refused("The body has not the length that content-length says.")
    if "x-content-sha256" in names:
        said = _base64(_single(request, "x-content-sha256").decode("latin-1"), "x-content-sha256")
        if not compare_digest(said, hashlib.sha256(request.body).digest()):
            raise _refused("The body is not the one that x-content-sha256 was made of.")


def _single(request: SignedRequest, name: str) -> bytes:
    """The one value of a header. Errors: Refused when there is none, or more than one to choose from."""
    values = request.values(name)
    if len(values) != 1:
        raise _refused(f"The header {name} is {'missing' if not values else 'there more than once'}.")
    return values[0]


def _instant(date: bytes) -> Instant:
    """A date in the one form that HTTP sends. The day of the week is signed like the rest, and says nothing more."""
    try:
        found = parsedate_to_datetime(date.decode()) if _DATE.fullmatch(date) else None
    except ValueError:
        found = None
    if found is None:
        raise _refused("The request's date does not read.", "Write it like 'Sat, 21 Nov 2026 20:26:49 GMT'.")
    return instant(found)


def _base64(text: str, what: str) -> bytes:
    """The bytes of canonical base64: unused bits are zero, so that no other text says the same."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise _refused(f"{what} is not base64.") from fault
    if not found or base64.b64encode(found).decode() != text:
        raise _refused(f"{what} is not base64 in its one form.")
    return found


def _refused(message: str, advice: str = "Sign it as the OCI clients do.") -> Refused:
    return Refused(message, advice=advice, reason=Reason.NOT_AUTHENTICATED)
