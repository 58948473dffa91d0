"""The token server of the docker token flow: NAMESPACE/USER and an auth token in, a bearer token out (oci-api 4.1).

Instead of the two, a request may be signed as OCI's clients sign: without scopes it gets a token that is a password for
an hour, for the user BEARER_TOKEN.

A token says who came and which scopes were asked for, never that they may: that is decided at each use. So asking for
more than one may have gives a token with which one is refused.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from starlette.routing import Route

from assay.clock import SECOND, rfc3339
from assay.errors import AssayError, Reason, Refused
from assay.http import bodies
from assay.http.credentials import basic
from assay.http.distribution_exchange import QUERY_MEMBERS_MAX, Exchange, NotAllowed, Receive, Send, Services
from assay.http.sendfile import REQUEST_TARGET
from assay.iam.credentials import auth_tokens, registry_tokens, signed_requests
from assay.iam.credentials.auth_tokens import Login
from assay.iam.credentials.registry_tokens import Scope
from assay.iam.credentials.signed_requests import SignedLogin, SignedRequest
from assay.secret import Secret

FORM_BYTES_MAX = 64 * 1024


def token_routes(services: Services) -> list[Route]:
    """`/20180419/docker/token`, and `/token` for clients that know no other."""
    server = TokenServer(services)
    return [Route(path, server) for path in ("/20180419/docker/token", "/token")]


class TokenServer:
    """The ASGI application that gives out bearer tokens."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(self._services, scope, receive, send)
        try:
            self._services.token_meters.admit_address(exchange.address, exchange.now)
            if exchange.method == "GET":
                await self._by_query(exchange)
            elif exchange.method == "POST":
                await self._by_form(exchange)
            else:
                raise NotAllowed(exchange.method, ("GET", "POST"))
        except bodies.ClientStalled as stalled:
            await exchange.reply(408, {"connection": "close"}, f"{stalled}\n".encode())
        except bodies.ClientGone:
            return
        except AssayError as fault:
            headers = {"www-authenticate": 'Basic realm="Assay"'} if fault.reason is Reason.NOT_AUTHENTICATED else {}
            await exchange.refuse(fault, headers)

    async def _by_query(self, exchange: Exchange) -> None:
        """GET with Basic credentials, signed, or without any: then the token is good for what is public."""
        authorization = exchange.header("authorization")
        asked = registry_tokens.scopes_of(exchange.all_of("scope"))
        if not authorization:
            await self._give(exchange, None, asked)
        elif signed_requests.is_signed(authorization):
            await self._to_signer(exchange, asked)
        else:
            await self._to_name(exchange, *basic(authorization), asked)

    async def _by_form(self, exchange: Exchange) -> None:
        """POST as in OAuth 2 (RFC 6749, section 4.3): grant_type, username, password, scope."""
        content = await bodies.whole(exchange.receive, bytes_max=FORM_BYTES_MAX, what="form")
        try:
            form = parse_qs(content.decode(), keep_blank_values=True, max_num_fields=QUERY_MEMBERS_MAX)
        except ValueError as fault:
            raise Refused("The form does not read.", reason=Reason.UNPARSABLE) from fault
        if form.get("grant_type") != ["password"]:
            raise Refused("Only grant_type=password is known.", advice="Send username and password.")
        name, password = (form.get(field, [""])[0] for field in ("username", "password"))
        await self._to_name(exchange, name, Secret(password), registry_tokens.scopes_of(form.get("scope", [])))

    async def _to_name(self, exchange: Exchange, name: str, password: Secret, asked: Sequence[Scope]) -> None:
        services = self._services
        store, most = services.intake.store, services.token_lifetime
        if name == registry_tokens.LOGIN_NAME:
            narrow = registry_tokens.narrow
            token, lifetime = await exchange.call(narrow, store, password, asked, services.service, lifetime=most)
            await self._answer(exchange, token, lifetime)
            return
        login = await exchange.call(auth_tokens.log_in, store, name, password, address=exchange.address)
        services.token_meters.admit_user(login.principal.ocid, exchange.now)
        await self._give(exchange, login, asked)

    async def _to_signer(self, exchange: Exchange, asked: Sequence[Scope]) -> None:
        scope = exchange.scope
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        told = scope.get("extensions", {}).get(REQUEST_TARGET, {"target": scope["raw_path"] + query})
        request = SignedRequest(exchange.method, bytes(told["target"]), tuple(scope["headers"]), b"")
        store = self._services.intake.store
        login = await exchange.call(signed_requests.log_in, store, request, address=exchange.address)
        self._services.token_meters.admit_user(login.principal.ocid, exchange.now)
        await self._give(exchange, login, asked or None, lifetime=registry_tokens.SIGNED_LIFETIME)

    async def _give(
        self,
        exchange: Exchange,
        login: Login | SignedLogin | None,
        asked: Sequence[Scope] | None,
        *,
        lifetime: int | None = None,
    ) -> None:
        services = self._services
        lifetime = lifetime or services.token_lifetime
        issue = registry_tokens.issue
        token = await exchange.call(issue, services.intake.store, login, asked, services.service, lifetime=lifetime)
        await self._answer(exchange, token, lifetime)

    async def _answer(self, exchange: Exchange, token: Secret, lifetime: int) -> None:
        answer = {
            "token": token.reveal(),
            "access_token": token.reveal(),
            "expires_in": lifetime // SECOND,
            "issued_at": rfc3339(exchange.now),
        }
        await exchange.reply_json(answer, {"cache-control": "no-store"})
