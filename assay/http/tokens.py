"""The token server of the docker token flow: NAMESPACE/USER and an auth token in, a bearer token out (oci-api 4.1).

A token says who came and which scopes were asked for, never that they may: that is decided at each use. So asking for
more than one may have gives a token with which one is refused.
"""

from typing import Any
from urllib.parse import parse_qs

from starlette.routing import Route

from assay.clock import SECOND, rfc3339
from assay.errors import AssayError, Reason, Refused
from assay.http import bodies
from assay.http.credentials import basic
from assay.http.distribution_exchange import QUERY_MEMBERS_MAX, Exchange, NotAllowed, Receive, Send, Services
from assay.iam.credentials import auth_tokens, registry_tokens
from assay.iam.credentials.auth_tokens import Login
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
        """GET with Basic credentials, or without any: then the token is good for what is public."""
        login = None
        if exchange.header("authorization"):
            name, token = basic(exchange.header("authorization"))
            login = await self._log_in(exchange, name, token)
        await self._give(exchange, login, exchange.all_of("scope"))

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
        login = await self._log_in(exchange, name, Secret(password))
        await self._give(exchange, login, form.get("scope", []))

    async def _log_in(self, exchange: Exchange, name: str, token: Secret) -> Login:
        store = self._services.intake.store
        login = await exchange.call(auth_tokens.log_in, store, name, token, address=exchange.address)
        self._services.token_meters.admit_user(login.principal.ocid, exchange.now)
        return login

    async def _give(self, exchange: Exchange, login: Login | None, scopes: Any) -> None:
        services = self._services
        asked = registry_tokens.scopes_of(scopes)
        token = await exchange.call(
            registry_tokens.issue,
            services.intake.store,
            login,
            asked,
            services.service,
            lifetime=services.token_lifetime,
        )
        answer = {
            "token": token.reveal(),
            "access_token": token.reveal(),
            "expires_in": services.token_lifetime // SECOND,
            "issued_at": rfc3339(services.intake.store.clock.now()),
        }
        await exchange.reply_json(answer, {"cache-control": "no-store"})
