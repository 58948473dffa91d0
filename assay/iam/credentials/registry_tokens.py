"""Bearer tokens of the registry door: short-lived, signed, confined to scopes (the docker token flow, oci-api 4.1).

A token is a JWT under HS256; its key follows from the installation's page key and is the same on every replica, so
nothing is stored. It says who came and for which repositories, never that they may: the door asks `authorize` at each
use. The credential behind it is looked up at each use too, so a deleted auth token or API key ends its bearer tokens at
once.

A token got by a signed request may be had without scopes, and is then confined to none: it is a password for a while,
which `docker login` takes for the user `BEARER_TOKEN`, and for which clients get tokens with scopes.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from assay.clock import HOUR, MINUTE, SECOND, Instant
from assay.errors import Reason, Refused
from assay.iam.actor import ANONYMOUS, Actor, Principal, PrincipalKind
from assay.iam.credentials import lifetimes
from assay.iam.credentials.auth_tokens import Login
from assay.iam.credentials.cluster_tokens import ClusterLogin
from assay.iam.credentials.signed_requests import SignedLogin
from assay.iam.records import api_keys
from assay.iam.records import credentials as records
from assay.iam.records.tables import auth_token, cluster_token
from assay.secret import Secret
from assay.storage import Store

LIFETIME = 5 * MINUTE
#: Of a token got by a signed request: long enough for the pushes of a build that logs in once.
SIGNED_LIFETIME = HOUR
#: The user name with which such a token is shown as a password (oci-api 4.1).
LOGIN_NAME = "BEARER_TOKEN"
SCOPES_MAX = 20
SCOPE_LENGTH_MAX = 512
TOKEN_LENGTH_MAX = 16_384
_ALGORITHM = "HS256"
#: The claims that say who came, and what they showed.
_CALLER = ("sub", "name", "kind", "tenancy", "credential", "fingerprint")
_SCOPE = re.compile(r"(?P<kind>[a-z]+(?:\([a-z]+\))?):(?P<name>[^\s,]+):(?P<actions>[a-z*]+(?:,[a-z*]+)*|)")


@dataclass(frozen=True, slots=True)
class Scope:
    """`repository:<namespace>/<name>:pull,push` in the docker token flow; actions in order, each once."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"

    def covers(self, other: "Scope") -> bool:
        """Whether everything in `other` lies in this scope."""
        return (self.kind, self.name) == (other.kind, other.name) and set(other.actions) <= set(self.actions)


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a valid bearer token says: who came, in which tenancy (empty for anonymous callers), for which scopes.

    `scopes` None: whatever the caller may.
    """

    principal: Principal
    tenancy: str
    scopes: tuple[Scope, ...] | None

    def covers(self, scope: Scope) -> bool:
        """Whether the token was given out for that."""
        return self.scopes is None or any(each.covers(scope) for each in self.scopes)

    def actor(self, tenancy: str = "", address: str = "", request_id: str = "") -> Actor:
        """Who acts in a request. A token of one tenancy acts in another only as a stranger.

        `tenancy` is that of the repository asked for; without it, the token's own.
        """
        if tenancy and tenancy != self.tenancy:
            return Actor(ANONYMOUS, tenancy, address, request_id)
        return Actor(self.principal, self.tenancy, address, request_id)


def scopes_of(texts: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes of a token request: `scope` parameters, each with one or more scopes separated by spaces.

    Errors: Refused for more than 20, and for what is not a scope.
    """
    words = [word for text in texts for word in text.split()]
    if len(words) > SCOPES_MAX:
        raise Refused(f"A token is asked for with {len(words)} scopes.", advice=f"Ask for at most {SCOPES_MAX}.")
    return tuple(dict.fromkeys(map(_scope, words)))


def _scope(text: str) -> Scope:
    match = _SCOPE.fullmatch(text) if len(text) <= SCOPE_LENGTH_MAX else None
    if match is None:
        raise Refused(f"{text[:80]!r} is not a scope.", advice="Write repository:NAMESPACE/NAME:pull,push.")
    actions = dict.fromkeys(action for action in match["actions"].split(",") if action)
    return Scope(match["kind"], match["name"], tuple(actions))


def issue(
    store: Store,
    login: Login | ClusterLogin | SignedLogin | None,
    scopes: Sequence[Scope] | None,
    service: str,
    *,
    lifetime: int = LIFETIME,
) -> Secret:
    """A bearer token for whoever logged in (None: an anonymous caller), for `scopes`, valid at `service`.

    `scopes` None, for who signed a request: whatever they may. `lifetime` in microseconds.
    """
    now = store.clock.now()
    principal = login.principal if login else ANONYMOUS
    claims = {
        "sub": principal.ocid,
        "name": principal.name,
        "kind": principal.kind.value,
        "tenancy": login.tenancy if login else "",
    }
    if isinstance(login, SignedLogin):
        claims["fingerprint"] = login.fingerprint
    else:
        claims["credential"] = login.credential if login else ""
    return _written(store, claims, scopes, service, now, (now + lifetime) // SECOND)


def narrow(store: Store, token: Secret, scopes: Sequence[Scope], service: str, *, lifetime: int) -> tuple[Secret, int]:
    """A bearer token for those of `scopes` that `token`, another one, holds; and for how long, in microseconds.

    It speaks for the same caller, and ends when `token` does or after `lifetime`. Errors: as of `redeem`.
    """
    now = store.clock.now()
    claims = _valid(store, token, service, now)
    bearer = _bearer(claims)
    until = min(claims["exp"], (now + lifetime) // SECOND)
    kept = {name: claims[name] for name in _CALLER if name in claims}
    held = [each for each in scopes if bearer.covers(each)]
    return _written(store, kept, held, service, now, until), until * SECOND - now


def _written(
    store: Store, caller: dict[str, str], scopes: Sequence[Scope] | None, service: str, now: Instant, until: int
) -> Secret:
    access = None
    if scopes is not None:
        access = [{"type": each.kind, "name": each.name, "actions": list(each.actions)} for each in scopes]
    claims = {
        **caller,
        "aud": service,
        "iat": now // SECOND,
        "nbf": now // SECOND,
        "exp": until,
        "jti": secrets.token_hex(16),
        "access": access,
    }
    return Secret(jwt.encode({"alg": _ALGORITHM, "typ": "JWT"}, claims, _key(store)))


def redeem(store: Store, token: Secret, service: str) -> Bearer:
    """What a bearer token says, if it is ours, for this service, in its time, and its credential is still there.

    Errors: Refused (NOT_AUTHENTICATED, the same for every cause).
    """
    return _bearer(_valid(store, token, service, store.clock.now()))


def _bearer(claims: dict[str, Any]) -> Bearer:
    principal = Principal(PrincipalKind(claims["kind"]), claims["name"], claims["sub"])
    access = claims["access"]
    if access is None:
        return Bearer(principal, claims["tenancy"], None)
    scopes = (Scope(each["type"], each["name"], tuple(each["actions"])) for each in access)
    return Bearer(principal, claims["tenancy"], tuple(scopes))


def _valid(store: Store, token: Secret, service: str, now: Instant) -> dict[str, Any]:
    claims = _claims(store, token)
    in_time = claims is not None and claims["nbf"] <= now // SECOND < claims["exp"]
    if claims is None or not in_time or claims["aud"] != service or not _stands(store, claims, now):
        raise Refused("The bearer token is not valid.", advice="Log in again.", reason=Reason.NOT_AUTHENTICATED)
    return claims


def _claims(store: Store, token: Secret) -> dict[str, Any] | None:
    text = token.reveal()
    if len(text) > TOKEN_LENGTH_MAX or not text.isascii():
        return None
    try:
        return jwt.decode(text, _key(store), algorithms=[_ALGORITHM]).claims
    except (JoseError, ValueError):
        return None


def _stands(store: Store, claims: dict[str, Any], now: Instant) -> bool:
    """Whether the credential that the token was got with is still there. An anonymous caller had none."""
    if claims["kind"] == PrincipalKind.ANONYMOUS:
        return True
    table = cluster_token if claims["kind"] == PrincipalKind.CLUSTER else auth_token
    with store.database.read() as connection:
        if "fingerprint" in claims:
            return api_keys.signer(connection, claims["tenancy"], claims["sub"], claims["fingerprint"], now) is not None
        row = records.get_token(connection, table, claims["tenancy"], claims["credential"])
    return row is not None and not lifetimes.is_over(row.time_expires, now)


def _key(store: Store) -> OctKey:
    # A key of its own, so that a page token can never pass for a bearer token or the other way round.
    return OctKey.import_key(hmac.digest(store.page_key.reveal().encode(), b"registry bearer tokens", hashlib.sha256))
