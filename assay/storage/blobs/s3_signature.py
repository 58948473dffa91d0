"""Signatures of requests to S3-compatible stores: AWS Signature Version 4, for a header or within an address.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from assay.clock import Instant, moment
from assay.errors import Refused
from assay.secret import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"
#: A signed address can't last longer (a week).
LIFETIME_SECONDS_MAX = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """An access key; the token comes with keys that are lent for a while."""

    access_key: str
    secret_key: Secret
    session_token: Secret | None = None

    def __post_init__(self) -> None:
        if not self.access_key or not self.secret_key.reveal():
            raise Refused("The object store's access key is missing.", advice="Set s3_access_key and s3_secret_key.")


@dataclass(frozen=True, slots=True)
class S3Request:
    """What is signed of a request. `path` is as it is sent; query and headers are not encoded yet."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def encoded_query(self) -> str:
        """The query in the one form that is signed, which is also sent."""
        return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(self.query.items()))


def signed_headers(
    request: S3Request, credentials: S3Credentials, region: str, content_sha256: str, now: Instant
) -> dict[str, str]:
    """The headers to send, the signature among them."""
    headers = {
        **{name.lower(): value for name, value in request.headers.items()},
        "host": request.host,
        "x-amz-content-sha256": content_sha256,
        "x-amz-date": _time(now),
    }
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token.reveal()
    names = ";".join(sorted(headers))
    canonical = _canonical(request, request.encoded_query(), headers, content_sha256)
    signature = _signature(canonical, credentials, region, now)
    credential = f"{credentials.access_key}/{_scope(region, now)}"
    headers["authorization"] = f"{_ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
    return headers


def signed_query(
    request: S3Request, credentials: S3Credentials, region: str, now: Instant, lifetime_seconds: int
) -> str:
    """The query of an address that anybody may use for so long. Errors: Refused for a time that is too long."""
    if not 0 < lifetime_seconds <= LIFETIME_SECONDS_MAX:
        raise Refused(f"A signed address cannot last {lifetime_seconds} seconds.", advice="Use at most a week.")
    query = {
        **request.query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{_scope(region, now)}",
        "X-Amz-Date": _time(now),
        "X-Amz-Expires": str(lifetime_seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token is not None:
        query["X-Amz-Security-Token"] = credentials.session_token.reveal()
    asked = S3Request(request.method, request.host, request.path, query, {}).encoded_query()
    canonical = _canonical(request, asked, {"host": request.host}, "UNSIGNED-PAYLOAD")
    return f"{asked}&X-Amz-Signature={_signature(canonical, credentials, region, now)}"


def _canonical(request: S3Request, query: str, headers: Mapping[str, str], content_sha256: str) -> str:
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    return "\n".join((request.method, request.path, query, lines, ";".join(sorted(headers)), content_sha256))


def _signature(canonical: str, credentials: S3Credentials, region: str, now: Instant) -> str:
    said = "\n".join((_ALGORITHM, _time(now), _scope(region, now), hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key.reveal()}".encode()
    for step in (*_scope(region, now).split("/"), said):
        key = hmac.digest(key, step.encode(), "sha256")
    return key.hex()


def _scope(region: str, now: Instant) -> str:
    return f"{_time(now)[:8]}/{region}/s3/aws4_request"


def _time(now: Instant) -> str:
    return moment(now).strftime("%Y%m%dT%H%M%SZ")


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
