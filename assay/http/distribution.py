"""The door for registry clients: `/v2/<tenancy namespace>/<repository name>/…` (distribution-spec 1.1, current main).

Finds the operation by path and method, the caller by bearer token (or an auth token sent as it is), and says refusals
as the specification writes them. Who did not say who they are is asked to, whatever is or isn't behind the name.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from starlette.routing import BaseRoute, Match

from assay.errors import AssayError, Denied, Reason, Refused, not_found
from assay.http import bodies, credentials, distribution_content, distribution_uploads
from assay.http.distribution_exchange import Exchange, NotAllowed, Receive, Send, Services
from assay.http.tokens import token_routes
from assay.iam import Actor
from assay.iam.credentials.registry_tokens import Scope
from assay.iam.identity import tenancies, trail
from assay.oci import repository_name

__all__ = ["Services", "routes"]

PATH_LENGTH_MAX = 1024

log = getLogger(__name__)

Handler = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a method on a path means. `actions` are what a token's scope must hold for it."""

    handler: Handler
    actions: tuple[str, ...]


_PULL, _PUSH, _DELETE = ("pull",), ("pull", "push"), ("delete",)
#: What a caller attempts whose token lacks an action, as the table of permissions names it.
_ACTS = {"pull": "PullImage", "push": "PushImage", "delete": "DeleteContainerImage"}

#: Path below `/v2/`, by method. The repository's name is greedy: it may hold any word that stands in a path.
_TABLE: tuple[tuple[re.Pattern[str], dict[str, Operation]], ...] = (
    (re.compile(r"(.+)/blobs/uploads/?"), {"POST": Operation(distribution_uploads.begin, _PUSH)}),
    (
        re.compile(r"(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": Operation(distribution_uploads.status, _PUSH),
            "PATCH": Operation(distribution_uploads.append, _PUSH),
            "PUT": Operation(distribution_uploads.finish, _PUSH),
            "DELETE": Operation(distribution_uploads.cancel, _PUSH),
        },
    ),
    (
        re.compile(r"(.+)/blobs/([^/]+)"),
        {
            "GET": Operation(distribution_content.get_blob, _PULL),
            "HEAD": Operation(distribution_content.get_blob, _PULL),
            "DELETE": Operation(distribution_content.delete_blob, _DELETE),
        },
    ),
    (
        re.compile(r"(.+)/manifests/([^/]+)"),
        {
            "GET": Operation(distribution_content.get_manifest, _PULL),
            "HEAD": Operation(distribution_content.get_manifest, _PULL),
            "PUT": Operation(distribution_content.put_manifest, _PUSH),
            "DELETE": Operation(distribution_content.delete_manifest, _DELETE),
        },
    ),
    (
        re.compile(r"(.+)/tags/list"),
        {
            "GET": Operation(distribution_content.list_tags, _PULL),
            "HEAD": Operation(distribution_content.list_tags, _PULL),
        },
    ),
    (
        re.compile(r"(.+)/referrers/([^/]+)"),
        {
            "GET": Operation(distribution_content.list_referrers, _PULL),
            "HEAD": Operation(distribution_content.list_referrers, _PULL),
        },
    ),
)
_CATALOG = Scope("registry", "catalog", ("*",))


def routes(services: Services) -> list[BaseRoute]:
    """The routes of the door: `/v2/…` and the token server. No middleware may wrap them that touches bodies."""
    return [BelowV2(Door(services)), *token_routes(services)]


class BelowV2(BaseRoute):
    """Everything below `/v2`, whatever it holds: also line ends, which no pattern of a route takes."""

    def __init__(self, door: "Door") -> None:
        self._door = door

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether a path is the door's."""
        is_below = scope["type"] == "http" and f"{scope['path']}/".startswith("/v2/")
        return (Match.FULL if is_below else Match.NONE), {}

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        """Let the door answer."""
        await self._door(scope, receive, send)


class Door:
    """The ASGI application behind `/v2/`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tenancies: dict[str, str] = {}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(self._services, scope, receive, send)
        needed: tuple[Scope, ...] = ()
        try:
            self._services.meters.admit_address(exchange.address, exchange.now)
            path = str(scope["path"]).removeprefix("/v2").removeprefix("/")
            if path in ("", "_catalog"):
                needed = (_CATALOG,) if path else ()
                await self._serve_root(exchange, needed)
            else:
                operation, exchange.repository, what = _find(exchange.method, path)
                needed = (Scope("repository", exchange.repository, operation.actions),)
                await self._serve(exchange, operation, needed, what)
        except bodies.ClientStalled as stalled:
            await exchange.reply(408, {"connection": "close"}, f"{stalled}\n".encode())
        except bodies.ClientGone:
            return
        except AssayError as fault:
            if not isinstance(fault, Refused):
                log.warning("registry: %s: %s %s: %s", exchange.address, exchange.method, scope["path"], fault)
            if exchange.is_answered:
                raise
            await self._refuse(exchange, fault, needed)
        except Exception:
            log.exception("registry: %s: %s %s failed", exchange.address, exchange.method, scope["path"])
            if exchange.is_answered:
                raise
            await exchange.refuse(AssayError("Something went wrong in the server.", advice="See its log."))

    async def _serve(
        self, exchange: Exchange, operation: Operation, needed: tuple[Scope, ...], what: tuple[str, ...]
    ) -> None:
        exchange.require_plain_body()
        await self._meet(exchange)
        namespace, _, name = exchange.repository.partition("/")
        actor = self._actor(exchange, await self._tenancy_of(exchange, namespace))
        if not all(map(exchange.caller.holds, needed)):
            await self._note(exchange, actor, Denied(_ACTS[operation.actions[-1]], actor.tenancy))
            await exchange.challenge(*needed, error="insufficient_scope")
            return
        if exchange.caller.is_anonymous and operation.actions != _PULL:
            # Nobody pushes unknown: their body is not even read.
            await exchange.challenge(*needed)
            return
        try:
            if not actor.tenancy or not name:
                raise not_found()
            await operation.handler(exchange, actor, name, *what)
        except Refused as refusal:
            # Who is not known is asked who they are, before they learn that there is nothing, or nothing for them.
            if refusal.reason is Reason.NOT_FOUND and exchange.caller.is_anonymous and not exchange.is_answered:
                await exchange.challenge(*needed)
                return
            if isinstance(refusal, Denied):
                await self._note(exchange, actor, refusal)
            # One text for all of these, whatever was looked for and wherever the search ended.
            raise (not_found() if refusal.reason is Reason.NOT_FOUND else refusal) from None

    async def _note(self, exchange: Exchange, actor: Actor, denial: Denied) -> None:
        await exchange.call(trail.denials.note, self._services.intake.store, actor, denial)

    async def _serve_root(self, exchange: Exchange, needed: tuple[Scope, ...]) -> None:
        if exchange.method not in ("GET", "HEAD"):
            raise NotAllowed(exchange.method, ("GET", "HEAD"))
        await self._meet(exchange)
        if not exchange.caller.said_who:
            await exchange.challenge(*needed)
        elif not needed:
            await exchange.reply_json({})
        elif not all(map(exchange.caller.holds, needed)):
            await exchange.challenge(*needed, error="insufficient_scope")
        else:
            namespace = await exchange.call(self._namespace_of, exchange.caller.tenancy)
            actor = self._actor(exchange, exchange.caller.tenancy)
            await distribution_content.list_repositories(exchange, actor, namespace)

    async def _meet(self, exchange: Exchange) -> None:
        """Find out who calls. Errors: Refused (NOT_AUTHENTICATED)."""
        authorization = exchange.header("authorization")
        if authorization:
            services = self._services
            store, service = services.intake.store, services.service
            known = credentials.remembered(store, authorization, service)
            if known is None:
                known = await exchange.call(credentials.caller_of, store, authorization, service, exchange.address)
            exchange.caller = known
            if not exchange.caller.is_anonymous:
                services.meters.admit_user(exchange.caller.principal.ocid, exchange.now)

    def _actor(self, exchange: Exchange, tenancy: str) -> Actor:
        return exchange.caller.actor(tenancy, exchange.address, secrets.token_hex(16))

    async def _refuse(self, exchange: Exchange, fault: AssayError, needed: tuple[Scope, ...]) -> None:
        if fault.reason is Reason.NOT_AUTHENTICATED:
            said = credentials.challenge(exchange.origin, self._services.service, needed, "invalid_token")
            await exchange.refuse(fault, {"www-authenticate": said})
        else:
            await exchange.refuse(fault)

    async def _tenancy_of(self, exchange: Exchange, namespace: str) -> str:
        """The tenancy (OCID) of a namespace, which never changes; empty where there is none, which may."""
        if namespace not in self._tenancies:
            found = await exchange.call(self._look_up, namespace)
            if not found:
                return ""
            self._tenancies[namespace] = found
        return self._tenancies[namespace]

    def _look_up(self, namespace: str) -> str:
        with self._services.intake.store.database.read() as connection:
            found = tenancies.with_namespace(connection, namespace)
        return found.ocid if found is not None else ""

    def _namespace_of(self, tenancy: str) -> str:
        with self._services.intake.store.database.read() as connection:
            return tenancies.namespace_of(connection, tenancy)


def _find(method: str, path: str) -> tuple[Operation, str, tuple[str, ...]]:
    """The operation, the repository with its namespace, and what else the path names. Errors: Refused."""
    if len(path) > PATH_LENGTH_MAX:
        raise Refused(f"The path is longer than {PATH_LENGTH_MAX} characters.", reason=Reason.NAME_INVALID)
    if not path.isprintable():
        raise Refused("The path holds signs that no name has.", reason=Reason.NAME_INVALID)
    for pattern, operations in _TABLE:
        if found := pattern.fullmatch(path):
            if method not in operations:
                raise NotAllowed(method, operations)
            name, *what = found.groups()
            return operations[method], repository_name(name), tuple(what)
    raise Refused("There is nothing at this path.", reason=Reason.NAME_INVALID)
