"""What every operation of the API door shares: reading the request, calling the verb, writing the reply.

An operation is a row: method, path, name, and a function from a `Call` to a `Reply`. Wire rules: oci-api 1.3 (headers)
and 1.5 (errors and shapes).
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from assay.app import App
from assay.errors import ANSWERS, AssayError, Denied, Reason, Refused
from assay.iam import Actor, PrincipalKind
from assay.iam.identity import trail
from assay.oci import require_no_nul, strict_json
from assay.oci_api.contract import Contract, Gives, Members, Need, kind_of, missing
from assay.rates import Meters
from assay.secret import Secret

BODY_BYTES_MAX = 1 << 20
NUMBER_DIGITS_MAX = 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,32}(?:/[A-Za-z0-9_-]{1,32}){0,2}")

#: Answers may hold secrets that are shown once: nothing on the way keeps them, and no browser guesses at their type.
_ALWAYS_SAID = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, read and checked: who, the path's parameters, and of query and JSON body what the contract names.

    `bearer` is the token that came with it, for the operations on sessions themselves. `host` is the Host header, which
    names a vault; `pairs` are the query's parameters as they stand, for those that may come more than once.
    """

    app: App
    actor: Actor
    contract: Contract
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    if_match: str | None
    retry_token: str | None
    bearer: Secret | None = None
    host: str = ""
    pairs: tuple[tuple[str, str], ...] = ()

    def needed(self, name: str) -> str:
        """A query parameter that must be there. Errors: Refused (MISSING_PARAMETER)."""
        if found := self.query.get(name):
            return found
        raise missing(name)

    def field(self, name: str, default: Any = None) -> Any:
        """A member of the body, of the type that the contract gives it; the default where it need not be there."""
        value, declared = self.body.get(name), self.contract.body[name]
        if value is None and not isinstance(declared, Need):
            return default
        return self.convert(name, value, kind_of(declared))

    def convert(self, name: str, value: Any, kind: Any) -> Any:
        """A value out of the body, of the type `kind`. Errors: Refused, naming it, when it is missing or another."""
        if value is None:
            raise missing(name)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as fault:
            raise Refused(f"{name}: {fault}.") from fault

    def flag(self, name: str) -> bool | None:
        """A boolean query parameter, or None. Errors: Refused for what is neither `true` nor `false`, in any case."""
        text = self.choice(name, ("true", "false"), "")
        return None if not text else text == "true"

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """A query parameter out of a few words, in any case. Errors: Refused for another."""
        text = self.query.get(name)
        if not text:
            return default
        found = next((word for word in allowed if word.lower() == text.lower()), None)
        if found is None:
            raise Refused(f"{name} is {text[:40]!r}.", advice=f"Use one of: {', '.join(allowed)}.")
        return found

    def choices(self, name: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A query parameter that may come more than once, each time out of a few words. Errors: Refused for another."""
        found = tuple(value.upper() for key, value in self.pairs if key == name)
        if strange := next((value for value in found if value not in allowed), None):
            raise Refused(f"{name} is {strange[:40]!r}.", advice=f"Use one of: {', '.join(allowed)}.")
        return found

    def number(self, name: str) -> int | None:
        """A whole number in the query, or None. Errors: Refused."""
        text = self.query.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
            raise Refused(f"{name} is {text[:20]!r}.", advice="Use a whole number.")
        return int(text)

    @property
    def limit(self) -> int | None:
        """The page size asked for."""
        return self.number("limit")

    @property
    def page(self) -> str | None:
        """The page token, or None."""
        return self.query.get("page") or None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation answers: a JSON value or nothing, and the headers that carry meaning."""

    body: Any = None
    status: int = 200
    etag: str = ""
    next_page: str = ""
    work_request: str = ""
    text: str = ""


Operation = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Contracted:
    """An operation with its contract; to call it is to run it."""

    run: Operation
    contract: Contract

    def __call__(self, call: Call) -> Reply:
        """What the operation answers."""
        return self.run(call)


def takes(
    gives: Gives,
    *,
    query: Members | None = None,
    body: Members | None = None,
    status: int = 200,
    refuses: tuple[Reason, ...] = (),
) -> Callable[[Operation], Contracted]:
    """Put an operation under a contract: what it reads of query and body, and what it gives."""
    return lambda run: Contracted(run, Contract(gives, query or {}, body or {}, status, refuses))


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of the API: `name` is the operation's name in the permission table's sense.

    The body of an `is_opaque` operation is whatever the caller sends; it is not read as JSON.
    """

    method: str
    path: str
    name: str
    run: Contracted
    is_opaque: bool = False


#: Who calls: of the request, its body, the operation, and the id under which the reply goes out.
Authenticate = Callable[[App, Request, bytes, Row, str], Actor]


@dataclass(frozen=True, slots=True)
class Door:
    """What all operations share. `authenticate` says who calls; the meters count requests by address and by user."""

    app: App
    authenticate: Authenticate
    meters: Meters


Endpoint = Callable[[Request], Awaitable[Response]]


def starlette_routes(doors: Sequence[tuple[Door, Sequence[Row]]]) -> list[Route]:
    """The rows as routes, one for each path, in the order in which the paths first stand."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for door, rows in doors:
        for row in rows:
            by_path.setdefault(row.path, {})[row.method] = _endpoint(door, row)
    return [Route(path, _ByMethod(endpoints)) for path, endpoints in by_path.items()]


class _ByMethod:
    """The operations of one path. Another method is answered with all that there are (RFC 9110, section 15.5.6)."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; HEAD as GET, whose body the server leaves out."""
        request = Request(scope, receive)
        endpoint = self._endpoints.get("GET" if request.method == "HEAD" else request.method, self._refuse)
        response = await endpoint(request)
        await response(scope, receive, send)

    async def _refuse(self, request: Request) -> Response:
        fault = Refused(f"{request.method} means nothing here.", reason=Reason.METHOD)
        response = error_response(fault, request_id_of(request))
        response.headers["allow"] = ", ".join(sorted(self._endpoints))
        return response


def _endpoint(door: Door, row: Row) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        request_id = request_id_of(request)
        try:
            door.meters.admit_address(address_of(request), door.app.store.clock.now())
            body = await _body(request)
            reply = await anyio.to_thread.run_sync(_run, door, row, request, body, request_id)
        except AssayError as fault:
            return error_response(fault, request_id)
        except Exception:
            log.exception("%s failed (request %s)", row.name, request_id)
            return error_response(
                AssayError("The server made a mistake; nothing was changed.", reason=Reason.INTERNAL), request_id
            )
        return _response(reply, request_id)

    return endpoint


def _run(door: Door, row: Row, request: Request, body: bytes, request_id: str) -> Reply:
    actor = door.authenticate(door.app, request, body, row, request_id)
    if actor.principal.kind is PrincipalKind.USER:
        door.meters.admit_user(actor.principal.ocid, door.app.store.clock.now())
    contract = row.run.contract
    pairs = tuple(pair for pair in request.query_params.multi_items() if pair[0] in contract.query)
    given = {} if row.is_opaque else _object(body)
    for foreign in (request.path_params, pairs, given):
        require_no_nul(foreign)
    call = Call(
        app=door.app,
        actor=Actor(actor.principal, actor.tenancy, actor.address, request_id),
        contract=contract,
        path=request.path_params,
        query=dict(pairs),
        body={name: given[name] for name in contract.body if name in given},
        if_match=request.headers.get("if-match"),
        retry_token=request.headers.get("opc-retry-token"),
        bearer=bearer_of(request),
        host=request.headers.get("host", ""),
        pairs=pairs,
    )
    contract.require(pairs, call.body)
    try:
        return row.run(call)
    except Denied as denial:
        trail.denials.note(call.app.store, call.actor, denial)
        raise


def address_of(request: Request) -> str:
    """The address that the request came from."""
    return request.client.host if request.client else ""


def bearer_of(request: Request) -> Secret | None:
    """The token of `Authorization: Bearer …`, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" and token.strip() else None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise Refused(f"The body is larger than {BODY_BYTES_MAX} bytes.", reason=Reason.TOO_LARGE)
    return bytes(body)


def _object(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    value = strict_json(body, size_max=BODY_BYTES_MAX, what="body")
    if not isinstance(value, dict):
        raise Refused("The body is not a JSON object.", reason=Reason.UNPARSABLE)
    return value


def error_response(fault: AssayError, request_id: str) -> Response:
    """`{"code", "message"}` with the status of the one answer table."""
    answer = ANSWERS[fault.reason]
    body = msgspec.json.encode({"code": answer.oci_code, "message": str(fault)})
    headers = {"opc-request-id": request_id, **_ALWAYS_SAID}
    if answer.status in (429, 503):
        headers["retry-after"] = str(fault.retry_after)
    return Response(body, answer.status, headers, "application/json")


def _response(reply: Reply, request_id: str) -> Response:
    told = {"etag": reply.etag, "opc-next-page": reply.next_page, "opc-work-request-id": reply.work_request}
    headers = {"opc-request-id": request_id, **_ALWAYS_SAID} | {name: value for name, value in told.items() if value}
    if reply.text:
        return Response(reply.text, reply.status, headers, "text/plain; charset=utf-8")
    if reply.body is None:
        return Response(b"", 204 if reply.status == 200 else reply.status, headers)
    return Response(msgspec.json.encode(reply.body), reply.status, headers, "application/json")


def request_id_of(request: Request) -> str:
    """The request's own id where it can be one, else a new one (oci-api 1.3)."""
    given = request.headers.get("opc-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16).upper()
