"""A bucket of an S3-compatible store: the few requests that blobs need, over a pool of kept connections.

Source: AWS, Amazon S3 API Reference. Every request carries the SHA-256 of its body, which the store compares with what
it received. Requests that broke off are sent again: all of them can be, without harm.
"""

import hashlib
import http.client
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree as ET

from assay.clock import Clock, Instant, instant
from assay.errors import Refused, Unavailable
from assay.storage.blobs.s3_signature import S3Credentials, S3Request, signed_headers, signed_query

#: How long a connection may take to be made, and how long the store may say nothing.
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 20.0
#: Pauses before a request is sent again that the store could not take, or that broke off.
PAUSES_SECONDS = (0.1, 0.5)
IDLE_CONNECTIONS_MAX = 32
LIST_ROWS = 1_000
#: A list of 1,000 keys of 1,024 bytes, each with what stands beside it.
DOCUMENT_BYTES_MAX = 4 * 1024 * 1024
ERROR_BYTES_MAX = 64 * 1024

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PASSING = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where blobs lie: `s3://BUCKET/PREFIX` at an endpoint."""

    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    is_path_style: bool = True
    allows_plain_http: bool = False

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname or address.path.strip("/") or address.query:
            raise Refused(f"s3_endpoint is {self.endpoint!r}.", advice="Use https://HOST or https://HOST:PORT.")
        if address.username is not None or address.password is not None:
            raise Refused("s3_endpoint holds a password.", advice="Use s3_access_key and s3_secret_key.")
        if address.scheme == "http" and address.hostname not in _LOOPBACK and not self.allows_plain_http:
            raise Refused(
                f"s3_endpoint {self.endpoint!r} has no TLS: whoever is on the way reads every blob.",
                advice="Use https, or set s3_plain_http if the network is your own.",
            )
        if not _BUCKET.fullmatch(self.bucket):
            raise Refused(
                f"{self.bucket!r} is no name of a bucket: 3 to 63 letters, digits, dots, hyphens and underscores,"
                " with a letter or digit first and last.",
                advice="Set blob_store to s3://BUCKET/PREFIX.",
            )
        if len(self.prefix) > 500 or not self.prefix.isascii() or not self.prefix.isprintable():
            raise Refused("The prefix in blob_store can't stand in keys.", advice="Use letters, digits, - and /.")

    @classmethod
    def of(cls, address: str, **more: object) -> "S3Place":
        """The place that `s3://BUCKET/PREFIX` names. Errors: Refused."""
        scheme, _, rest = address.partition("://")
        if scheme != "s3":
            raise Refused(
                f"blob_store is {address!r}.", advice="Leave it empty for a folder, or use s3://BUCKET/PREFIX."
            )
        bucket, _, prefix = rest.partition("/")
        return cls(bucket=bucket, prefix=prefix.strip("/"), **more)  # type: ignore[arg-type] # as the fields are


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a list shows it; the key without the place's prefix."""

    key: str
    size: int
    time_changed: Instant


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes


class Bucket:
    """The bucket. Errors of every request: Unavailable, saying what to look at."""

    def __init__(
        self, place: S3Place, credentials: S3Credentials, clock: Clock, *, silence_seconds: float = SILENCE_SECONDS
    ) -> None:
        address = urlsplit(place.endpoint)
        self._place = place
        self._credentials = credentials
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._is_tls = address.scheme == "https"
        self._server = address.netloc
        self._host = address.netloc if place.is_path_style else f"{place.bucket}.{address.netloc}"
        self._root = f"/{place.bucket}" if place.is_path_style else ""
        self._tls = ssl.create_default_context() if self._is_tls else None
        self._guard = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections that are kept."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def put(self, key: str, content: bytes | memoryview) -> None:
        """Store an object, whole or not at all; one that is there is replaced."""
        self._done(self._ask("PUT", key, content=content))

    def get(self, key: str, offset: int, count: int) -> bytes | None:
        """`count` bytes (at least one) of an object, which has so many; None when it isn't there."""
        answer = self._ask("GET", key, headers={"range": f"bytes={offset}-{offset + count - 1}"}, bytes_max=count)
        if _is_missing(answer):
            return None
        if len(self._done(answer, 200, 206).content) != count or (answer.status == 200 and offset):
            raise Unavailable("The object store gave other bytes than it was asked for.", advice="See its log.")
        return answer.content

    def size(self, key: str) -> int | None:
        """An object's size; None when it isn't there."""
        answer = self._ask("HEAD", key)
        return None if answer.status == 404 else int(self._done(answer).headers["content-length"])

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        answer = self._ask("DELETE", key)
        if answer.status != 404:
            self._done(answer, 200, 204)

    def copy(self, source: str, target: str) -> bool:
        """Let the store copy an object; False when there is none."""
        answer = self._ask("PUT", target, headers={"x-amz-copy-source": self._path(source)})
        if _is_missing(answer):
            return False
        self._document(answer)
        return True

    def listed(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """The objects whose keys begin with `prefix`, behind the key `after`, in the store's order."""
        query = {"list-type": "2", "prefix": self._key(prefix), "max-keys": str(LIST_ROWS), "encoding-type": "url"}
        if after:
            query["start-after"] = self._key(after)
        while True:
            page = self._document(self._ask("GET", None, query=query))
            for found in page.iterfind("{*}Contents"):
                key = unquote(found.findtext("{*}Key", ""))
                size = int(found.findtext("{*}Size", "0"))
                changed = datetime.fromisoformat(found.findtext("{*}LastModified", ""))
                yield Entry(key.removeprefix(self._key("")), size, instant(changed))
            token = page.findtext("{*}NextContinuationToken", "")
            if page.findtext("{*}IsTruncated") != "true" or not token:
                return
            query["continuation-token"] = token

    def begin_parts(self, key: str) -> str:
        """Begin an object that is made of parts; the name of this attempt."""
        answer = self._ask("POST", key, query={"uploads": ""})
        return self._document(answer).findtext("{*}UploadId", "")

    def put_part(self, key: str, attempt: str, number: int, content: bytes) -> str:
        """Store a part (of 5 MiB at least, unless it is the last); its entity tag."""
        query = {"partNumber": str(number), "uploadId": attempt}
        return self._done(self._ask("PUT", key, query=query, content=content)).headers["etag"]

    def copy_part(self, key: str, attempt: str, number: int, source: str) -> str:
        """Let the store copy an object as a part; its entity tag."""
        query = {"partNumber": str(number), "uploadId": attempt}
        answer = self._ask("PUT", key, query=query, headers={"x-amz-copy-source": self._path(source)})
        return self._document(answer).findtext("{*}ETag", "")

    def finish_parts(self, key: str, attempt: str, tags: Sequence[str]) -> bool:
        """Make the object of its parts; False when the attempt is unknown, as after one that succeeded."""
        parts = (f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in enumerate(tags, 1))
        body = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
        answer = self._ask("POST", key, query={"uploadId": attempt}, content=body)
        if _is_missing(answer):
            return False
        self._document(answer)
        return True

    def drop_parts(self, key: str, attempt: str) -> None:
        """Forget an attempt, if it is known."""
        answer = self._ask("DELETE", key, query={"uploadId": attempt})
        if answer.status != 404:
            self._done(answer, 200, 204)

    def address(self, key: str, lifetime_seconds: int) -> str:
        """An address at which anybody may GET the object for so long."""
        request = S3Request("GET", self._host, self._path(key), {}, {})
        query = signed_query(request, self._credentials, self._place.region, self._clock.now(), lifetime_seconds)
        return f"{'https' if self._is_tls else 'http'}://{self._host}{request.path}?{query}"

    def _key(self, key: str) -> str:
        return f"{self._place.prefix}/{key}" if self._place.prefix else key

    def _path(self, key: str | None) -> str:
        return f"{self._root}/{quote(self._key(key), safe='/-_.~')}" if key is not None else (self._root or "/")

    def _ask(
        self,
        method: str,
        key: str | None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | memoryview = b"",
        bytes_max: int = DOCUMENT_BYTES_MAX,
    ) -> _Answer:
        """Send a request, again if need be; the last answer, whatever it says."""
        request = S3Request(method, self._host, self._path(key), query or {}, headers or {})
        hashed = hashlib.sha256(content).hexdigest()
        for pause in (*PAUSES_SECONDS, None):
            signed = signed_headers(request, self._credentials, self._place.region, hashed, self._clock.now())
            try:
                answer = self._sent(request, signed, content, bytes_max)
            except TimeoutError as fault:
                self._give_up(fault)  # who is silent now will hardly speak at once
            except (OSError, http.client.HTTPException) as fault:
                self.close()  # the others were made as long ago
                if pause is None:
                    self._give_up(fault)
            else:
                if answer.status not in _PASSING or pause is None:
                    return answer
            time.sleep(pause or 0)
        raise AssertionError("the last try answers or gives up")

    def _sent(
        self, request: S3Request, headers: Mapping[str, str], content: bytes | memoryview, bytes_max: int
    ) -> _Answer:
        query = request.encoded_query()
        connection = self._connection()
        try:
            connection.request(
                request.method, f"{request.path}?{query}" if query else request.path, content, dict(headers)
            )
            response = connection.getresponse()
            body = _body(response, max(bytes_max, ERROR_BYTES_MAX))
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._keep(connection)
        return _Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def _connection(self) -> http.client.HTTPConnection:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        if self._tls is not None:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, timeout=CONNECT_SECONDS, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(self._host, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(self._silence_seconds)
        return connection

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._guard:
            if len(self._idle) < IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
                return
        connection.close()

    def _document(self, answer: _Answer) -> ET.Element:
        """The XML of an answer. A copy or a completion may fail after its 200 was sent: then the XML says so."""
        self._done(answer)
        root = _parsed(answer.content)
        if root is None:
            raise Unavailable("The object store's answer could not be read.", advice="See its log.")
        if root.tag.endswith("Error"):
            self._failed(answer.status, root.findtext("{*}Code", root.findtext("Code", "")))
        return root

    def _done(self, answer: _Answer, *expected: int) -> _Answer:
        if answer.status not in (expected or (200,)):
            root = _parsed(answer.content)
            self._failed(answer.status, root.findtext("{*}Code", "") if root is not None else "")
        return answer

    def _failed(self, status: int, code: str) -> NoReturn:
        advice = "Look at the object store, then try again."
        if status in (301, 307, 400):
            advice = "Check s3_region, s3_endpoint and s3_path_style."
        elif status in (401, 403):
            advice = "Check s3_access_key and s3_secret_key, what the key may do, and both clocks."
        elif status == 404:
            advice = f"Check that there is a bucket {self._place.bucket}."
        said = f" ({code[:60]})" if code.isalnum() else ""
        raise Unavailable(
            f"The object store at {self._server} answered {status}{said}.", advice=advice, may_pass=status >= 429
        )

    def _give_up(self, fault: Exception) -> NoReturn:
        what = "said nothing in time" if isinstance(fault, TimeoutError) else "could not be reached, or hung up"
        raise Unavailable(
            f"The object store at {self._server} {what}.", advice="Check that it runs, then try again."
        ) from fault


def _body(response: http.client.HTTPResponse, bytes_max: int) -> bytes:
    body = response.read(bytes_max + 1)
    if len(body) > bytes_max:
        raise http.client.HTTPException("the answer is too long")
    response.close()
    return body


def _is_missing(answer: _Answer) -> bool:
    """Whether what an answer is about isn't there, rather than the bucket."""
    return answer.status == 404 and b"NoSuchBucket" not in answer.content


def _parsed(content: bytes) -> ET.Element | None:
    """A document of the store. Stores send no entities of their own making, so none are read."""
    if b"<!" in content:
        return None
    try:
        return ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError:
        return None
