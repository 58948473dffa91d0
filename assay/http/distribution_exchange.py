"""One request to the distribution door: what it says, what is called on its behalf, how it is answered.

Raw ASGI instead of a framework's request and response: blobs go through here, and most requests are small and many.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qs

import msgspec

from assay.clock import Instant
from assay.errors import ANSWERS, AssayError, Reason, Refused
from assay.http.bodies import Room
from assay.http.credentials import NOBODY, challenge
from assay.iam.credentials.registry_tokens import Scope
from assay.oci import Digest
from assay.rates import Meters
from assay.registry.manifests import ManifestLimits
from assay.registry.pulls import PullCounter
from assay.registry.uploads import Intake

RETRY_AFTER_SECONDS = 5
QUERY_MEMBERS_MAX = 100

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """What the distribution door and its token server need.

    `pool` is the registry's own bounded pool of threads. `url`: where clients reach the server, scheme included; empty
    to believe each request's `Host`. `service`: the name for which bearer tokens are given out. `token_lifetime` in
    microseconds. `meters` count requests to the registry, `token_meters` those to the token server.
    `room` is what bodies take of the memory.
    `blob_redirect_seconds`: how long the addresses last by which blobs are got from the object store itself; 0 to send
    them all from here.
    """

    intake: Intake
    pulls: PullCounter
    pool: Executor
    url: str
    service: str
    token_lifetime: int
    manifest_limits: ManifestLimits = field(default_factory=ManifestLimits)
    meters: Meters = field(default_factory=Meters.unlimited)
    token_meters: Meters = field(default_factory=Meters.unlimited)
    room: Room = field(default_factory=Room)
    blob_redirect_seconds: int = 0


class Exchange:
    """A request, and the means to answer it once."""

    def __init__(self, services: Services, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.services = services
        self.scope = scope
        self.receive = receive
        self.send = send
        self.is_answered = False
        #: Namespace and name of the repository, as the path has them; and who may do what, as far as a token says.
        self.repository = ""
        self.caller = NOBODY
        self._headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            # A header that stands twice is taken as its first; the framing ones are uvicorn's to check.
            self._headers.setdefault(name, value)
        self._query: dict[str, list[str]] | None = None

    @property
    def method(self) -> str:
        """The request's method."""
        return str(self.scope["method"])

    @property
    def address(self) -> str:
        """The client's address."""
        return str(self.scope["client"][0]) if self.scope.get("client") else ""

    @property
    def now(self) -> Instant:
        """The time."""
        return self.services.intake.store.clock.now()

    @property
    def origin(self) -> str:
        """Scheme and host by which the client reaches the server."""
        return self.services.url or f"{self.scope['scheme']}://{self.header('host')}"

    def header(self, name: str) -> str:
        """A request header, or the empty string."""
        return self._headers.get(name.encode(), b"").decode("latin-1")

    def all_of(self, name: str) -> tuple[str, ...]:
        """All values of a member of the query. Errors: Refused for too many members."""
        if self._query is None:
            try:
                self._query = parse_qs(
                    self.scope["query_string"].decode("latin-1"),
                    keep_blank_values=True,
                    max_num_fields=QUERY_MEMBERS_MAX,
                )
            except ValueError as fault:
                raise Refused(f"The query has more than {QUERY_MEMBERS_MAX} members.") from fault
            if not all(value.isprintable() for values in self._query.values() for value in values):
                raise Refused("The query holds signs that nothing here is named by.")
        return tuple(self._query.get(name, ()))

    def one_of(self, name: str) -> str | None:
        """The first value of a member of the query."""
        values = self.all_of(name)
        return values[0] if values else None

    def whole_number(self, name: str) -> int | None:
        """A member of the query that counts something. Errors: Refused."""
        text = self.one_of(name)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise Refused(f"{name} is {text[:20]!r}.", advice="Use a whole number.")
        return int(text)

    @property
    def content_length(self) -> int | None:
        """The length of the body, if it is given."""
        text = self.header("content-length")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def require_plain_body(self) -> None:
        """Errors: Refused for a body in a content coding: digests and sizes are of the bytes as they were pushed."""
        coding = self.header("content-encoding").strip().lower()
        if coding not in ("", "identity"):
            raise Refused(
                f"A body in the content coding {coding[:40]!r} is not read.",
                advice="Send the bytes as they are, without Content-Encoding.",
                reason=Reason.UNPARSABLE,
            )

    async def call(self, verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb on a thread of the registry's pool."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.services.pool, functools.partial(verb, *args, **kwargs))

    async def reply(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Answer with a short body; `content-length` is added, unless given (for HEAD)."""
        given = dict(headers or {})
        if status not in (204, 304):  # of which the body is another answer's (RFC 9110, section 8.6)
            given.setdefault("content-length", str(len(body)))
        await self.start(status, given)
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send status and headers; the body is the caller's."""
        self.is_answered = True
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        raw.append((b"docker-distribution-api-version", b"registry/2.0"))
        raw.append((b"x-content-type-options", b"nosniff"))
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def reply_json(self, value: Any, headers: Mapping[str, str] | None = None, *, status: int = 200) -> None:
        """Answer with a JSON document."""
        body = msgspec.json.encode(value)
        await self.reply(status, {"content-type": "application/json", **(headers or {})}, body)

    async def challenge(self, *scopes: Scope, error: str = "") -> None:
        """Send the client to the token server, for a token that holds `scopes`."""
        refusal = Refused(
            "This needs a sign-in, or more than the bearer token was given for.",
            advice="Log in as NAMESPACE/USER with an auth token.",
            reason=Reason.NOT_AUTHENTICATED,
        )
        await self.refuse(refusal, {"www-authenticate": challenge(self.origin, self.services.service, scopes, error)})

    async def refuse(self, fault: AssayError, headers: Mapping[str, str] | None = None) -> None:
        """Answer with an error, as the distribution specification writes it."""
        answer = ANSWERS[fault.reason]
        given = dict(headers or {})
        if isinstance(fault, NotAllowed):
            given["allow"] = fault.allow
        if fault.reason in (Reason.TOO_MANY_REQUESTS, Reason.UNAVAILABLE, Reason.SEALED):
            given["retry-after"] = str(max(RETRY_AFTER_SECONDS, fault.retry_after))
        error = {"code": answer.distribution_code, "message": str(fault), "detail": None}
        await self.reply_json({"errors": [error]}, given, status=answer.status)


class NotAllowed(Refused):
    """A method that means nothing at this path; the answer names those that do (RFC 9110, section 15.5.6)."""

    reason = Reason.METHOD

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        super().__init__(f"{method} means nothing here.")
        self.allow = ", ".join(sorted(allowed))


def content_headers(digest: Digest, media_type: str, size: int) -> dict[str, str]:
    """The headers of an answer that gives content of a digest."""
    return {
        "content-type": media_type,
        "content-length": str(size),
        "docker-content-digest": digest.text,
        "etag": f'"{digest}"',
    }
