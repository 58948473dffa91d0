"""Who comes to the registry's doors, by the `Authorization` header: with a bearer token, an auth token, or neither."""

import base64
import binascii
import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from assay.clock import SECOND
from assay.errors import Reason, Refused
from assay.iam import ANONYMOUS, Actor, Principal
from assay.iam.credentials import auth_tokens, registry_tokens
from assay.iam.credentials.registry_tokens import Scope
from assay.secret import Secret
from assay.storage import Store

CREDENTIAL_LENGTH_MAX = 32 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """Who came. `scopes` are those of a bearer token; None where nothing confines the caller but the statements.

    `said_who`: whether there was a header at all; who said nothing may be asked to.
    """

    principal: Principal
    tenancy: str
    scopes: tuple[Scope, ...] | None
    said_who: bool = True

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is known behind it."""
        return self.principal == ANONYMOUS

    def holds(self, scope: Scope) -> bool:
        """Whether the token was given out for that, by name or by `*`."""
        if self.scopes is None:
            return True
        everything = Scope(scope.kind, scope.name, ("*",))
        return any(each.covers(scope) or each.covers(everything) for each in self.scopes)

    def actor(self, tenancy: str, address: str, request_id: str) -> Actor:
        """Who acts in a tenancy; in any but their own, a stranger."""
        principal = self.principal if tenancy == self.tenancy else ANONYMOUS
        return Actor(principal, tenancy, address, request_id)


NOBODY = Caller(ANONYMOUS, "", None, said_who=False)


def caller_of(store: Store, authorization: str, service: str, address: str) -> Caller:
    """Who an `Authorization` header speaks of. Errors: Refused (NOT_AUTHENTICATED, TOO_MANY_REQUESTS)."""
    kind, _, value = authorization.partition(" ")
    if not kind:
        return NOBODY
    if kind.lower() == "bearer":
        return _bearing(store, Secret(value.strip()), service)
    name, token = basic(authorization)
    if name == registry_tokens.LOGIN_NAME:
        return _bearing(store, token, service)
    found = auth_tokens.log_in(store, name, token, address=address)
    return Caller(found.principal, found.tenancy, None)


def remembered(store: Store, authorization: str, service: str) -> Caller | None:
    """Whom `caller_of` would find by a bearer token, if that is known without reading anything. Never waits.

    It is known when the token was shown within this second, and nobody has changed anything since: tokens end by whole
    seconds.
    """
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "bearer":
        return None
    found = store.database.memory.get(_key(store, Secret(value.strip()), service))
    return found if isinstance(found, Caller) else None


def _bearing(store: Store, token: Secret, service: str) -> Caller:
    memory = store.database.memory
    moment, key = memory.moment(), _key(store, token, service)
    bearer = registry_tokens.redeem(store, token, service)
    caller = Caller(bearer.principal, bearer.tenancy, bearer.scopes)
    memory.keep(key, caller, moment)
    return caller


def _key(store: Store, token: Secret, service: str) -> Hashable:
    """What the answer depends on beside the rows. Of the token its hash, so that none lies about."""
    shown = hashlib.sha256(token.reveal().encode()).digest()
    return ("bearer", shown, service, store.clock.now() // SECOND)


def basic(authorization: str) -> tuple[str, Secret]:
    """Name and password of a Basic header (RFC 7617). Errors: Refused (NOT_AUTHENTICATED)."""
    kind, _, value = authorization.partition(" ")
    try:
        if kind.lower() == "basic" and len(value) <= CREDENTIAL_LENGTH_MAX:
            name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
            if colon and name.isprintable():
                return name, Secret(password)
    except (binascii.Error, ValueError):
        pass
    raise Refused(
        "The Authorization header does not read.",
        advice="Send a bearer token, or NAMESPACE/USER with an auth token.",
        reason=Reason.NOT_AUTHENTICATED,
    )


def challenge(origin: str, service: str, scopes: Sequence[Scope], error: str = "") -> str:
    """The `WWW-Authenticate` header that sends a client to the token server (oci-api 4.1)."""
    parts = {
        "realm": f"{origin}/20180419/docker/token",
        "service": service,
        "scope": " ".join(map(str, scopes)),
        "error": error,
    }
    said = ",".join(f'{name}="{_quotable(value)}"' for name, value in parts.items() if value)
    return f"Bearer {said}"


def _quotable(text: str) -> str:
    """What can stand between double quotes in a header."""
    return "".join(sign for sign in text if sign.isprintable() and sign.isascii() and sign not in '"\\')
