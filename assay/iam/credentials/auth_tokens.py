"""Auth tokens: the passwords of `docker login` and its kin, two for each user, shown once, kept as digests."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.iam import hashing
from assay.iam.actor import Actor, Principal
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.credentials import lifetimes, lockout
from assay.iam.credentials.lifetimes import LIFETIME
from assay.iam.credentials.owners import owner
from assay.iam.identity import tenancies
from assay.iam.identity.targets import known
from assay.iam.identity.users import principal_of
from assay.iam.records import credentials as records
from assay.iam.records import identities
from assay.iam.records.tables import auth_token
from assay.iam.resources import State, require_description
from assay.secret import Secret
from assay.storage import Store

TOKENS_MAX = 2
TOKEN_PREFIX = "assay_auth_"  # noqa: S105 - what tokens begin with, not one of them

#: What may stand between namespace and user name: the one identity domain, and what federated users write in OCI.
_DOMAINS = ("default", "oracleidentitycloudservice")


@dataclass(frozen=True, slots=True)
class AuthToken:
    """An auth token; `token` is there only in the answer to its creation."""

    ocid: str
    tenancy: str
    user: str
    description: str
    lifecycle_state: State
    time_created: Instant
    time_expires: Instant | None
    etag: str
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Who logged in: the principal, the tenancy with its namespace, and the OCID of the credential that was shown."""

    principal: Principal
    tenancy: str
    namespace: str
    credential: str


def create(
    store: Store,
    actor: Actor,
    user: str,
    description: str = "",
    *,
    lifetime: int | None = LIFETIME,
    retry_token: str | None = None,
) -> AuthToken:
    """A new auth token. `lifetime` in microseconds; None for one that doesn't expire.

    Errors: Refused (NOT_FOUND; LIMIT_EXCEEDED when the user has two; a lifetime beyond ten years).
    """
    require_description(description)
    lifetimes.require(lifetime, "token")
    token = hashing.new_token(TOKEN_PREFIX)

    def change(act: Act) -> AuthToken:
        if records.count_tokens(act.connection, auth_token, user) >= TOKENS_MAX:
            raise Refused(
                f"The user has {TOKENS_MAX} auth tokens already.",
                advice="Delete one first.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        ocid = store.site.new_ocid("credential", regional=False).text
        records.insert_token(
            act.connection,
            auth_token,
            ocid,
            actor.tenancy,
            actor.tenancy,
            act.now,
            user=user,
            description=description,
            token_digest=hashing.digest_of(token),
            time_expires=lifetimes.end_of(act.now, lifetime),
        )
        row = known(records.get_token(act.connection, auth_token, actor.tenancy, ocid))
        return _token(row, token)

    return perform(
        store,
        actor,
        "CreateAuthToken",
        locate=lambda connection: owner(connection, actor, user, lock=True),
        change=change,
        replay=AuthToken,
        request=(user, description, lifetime),
        retry_token=retry_token,
    )


def listed(store: Store, actor: Actor, user: str) -> tuple[AuthToken, ...]:
    """A user's auth tokens, oldest first; never the tokens themselves. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        target = owner(connection, actor, user)
        authorize(connection, actor, "ListAuthTokens", target, now=store.clock.now())
        return tuple(map(_token, records.tokens_of(connection, auth_token, user)))


def update(
    store: Store, actor: Actor, user: str, token: str, *, description: str | None, if_match: str | None = None
) -> AuthToken:
    """Change a token's description; None leaves it. Errors: Refused (NOT_FOUND)."""
    require_description(description or "")

    def change(act: Act) -> AuthToken:
        if description is not None:
            records.change_token(act.connection, auth_token, token, act.now, description=description)
        return _token(known(records.get_token(act.connection, auth_token, actor.tenancy, token)))

    return perform(
        store,
        actor,
        "UpdateAuthToken",
        locate=lambda connection: _target(connection, actor, user, token),
        change=change,
        if_match=if_match,
    )


def delete(store: Store, actor: Actor, user: str, token: str, *, if_match: str | None = None) -> None:
    """Delete a token: it lets nobody in any more, and bearer tokens got with it end at once. Errors: Refused."""

    def change(act: Act) -> None:
        records.delete_token(act.connection, auth_token, token)

    perform(
        store,
        actor,
        "DeleteAuthToken",
        locate=lambda connection: _target(connection, actor, user, token),
        change=change,
        if_match=if_match,
    )


def log_in(store: Store, login: str, token: Secret, *, address: str = "") -> Login:
    """Who shows this auth token as `NAMESPACE/USER` (or `NAMESPACE/DOMAIN/USER`).

    Errors: Refused (NOT_AUTHENTICATED, the same for every cause; TOO_MANY_REQUESTS during a pause).
    """
    now = store.clock.now()
    attempt = lockout.Attempt("auth token", login, address, by_name=False)
    with store.database.read() as connection:
        lockout.require_unlocked(connection, attempt, now)
        found = _logged_in(connection, login, token, now)
    if found is not None:
        return found
    with store.database.write() as connection:
        advice = lockout.count(connection, attempt, now)
    raise Refused(
        "Name or auth token is wrong, or the token has expired.",
        advice=f"Log in as NAMESPACE/USER with an auth token, not the password. {advice}",
        reason=Reason.NOT_AUTHENTICATED,
    )


def _logged_in(connection: Connection, login: str, token: Secret, now: Instant) -> Login | None:
    namespace, _, rest = login.partition("/")
    domain, slash, name = rest.rpartition("/")
    tenancy = tenancies.with_namespace(connection, namespace)
    row = records.token_with(connection, auth_token, hashing.digest_of(token))
    if tenancy is None or row is None or (slash and domain.lower() not in _DOMAINS):
        return None
    user = identities.user_named(connection, tenancy.ocid, name)
    is_theirs = user is not None and row.user == user.ocid and user.lifecycle_state is State.ACTIVE
    if user is None or not is_theirs or lifetimes.is_over(row.time_expires, now):
        return None
    return Login(principal_of(user), tenancy.ocid, tenancy.namespace, row.ocid)


def _target(connection: Connection, actor: Actor, user: str, token: str) -> Target:
    whose = owner(connection, actor, user)
    row = known(records.get_token(connection, auth_token, actor.tenancy, token, lock=True))
    found = known(_token(row) if row.user == user else None)
    return Target(whose.compartment, token, found.etag, whose.variables, found)


def _token(row: Row[Any], token: Secret | None = None) -> AuthToken:
    return AuthToken(
        row.ocid,
        row.tenancy,
        row.user,
        row.description,
        State(row.lifecycle_state),
        row.time_created,
        row.time_expires,
        row.etag,
        token,
    )
