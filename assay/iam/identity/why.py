"""Why may somebody do something, or not; and who may: the answer with the statements that decide.

The answers come from the very evaluation that lets requests in, so that they cannot differ from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Refused, not_found
from assay.iam import authority
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.authorization import Target, authorize
from assay.iam.evaluate import BoundStatement, Outcome
from assay.iam.permissions import OPERATIONS
from assay.iam.records import authority as authority_records
from assay.iam.records import identities, owned, policies
from assay.iam.resources import Listing, State
from assay.iam.statements import SERVICES
from assay.iam.variables import id_variables
from assay.iam.words import nearest
from assay.storage import Store
from assay.storage.pages import Page

EXPLAIN = "ExplainAccess"


@dataclass(frozen=True, slots=True)
class Decider:
    """A statement that grants something needed: as written, with its policy (empty for what holds in every tenancy).

    `position` is its place in the policy, from 1; `grants` are the needed permissions that it holds, in order.
    """

    statement: str
    policy: str
    policy_name: str
    position: int
    grants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A statement that names the caller and holds what is missing, and why it does not grant it here."""

    decider: Decider
    because: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether `principal` may do `operation`: what it needs, who grants it, and what no statement grants.

    `missing_grants` says what a statement would have to grant, such as `read repos`.
    """

    principal: Principal
    operation: str
    allowed: bool
    needed: tuple[str, ...]
    by: tuple[Decider, ...]
    missing: tuple[str, ...]
    missing_grants: tuple[str, ...]
    near_misses: tuple[NearMiss, ...]


def explain(
    store: Store, actor: Actor, principal: Principal, operation: str, target: Target, *, address: str = ""
) -> Explanation:
    """Why `principal` of the actor's tenancy may, or may not, do `operation` on `target` now, calling from `address`.

    Errors: Refused (NOT_FOUND unless the actor may read all policies of the tenancy; an operation that there is not).
    """
    require_operation(operation)
    now = store.clock.now()
    with store.database.read() as connection:
        authorize(connection, actor, EXPLAIN, Target(actor.tenancy), now=now)
        asked = Actor(principal, actor.tenancy, address)
        return _explained(connection, asked, operation, target, now)


def who_can(
    store: Store,
    actor: Actor,
    operation: str,
    target: Target,
    *,
    limit: int | None = None,
    page: str = "",
) -> Page[Explanation]:
    """Those who may do `operation` on `target` now: a page of users by name; with the first, services and clusters.

    Of the clusters, those that hold a token. A page may be short: those who may not are left out. Errors: as of
    `explain`; PAGE_TOKEN.
    """
    require_operation(operation)
    now = store.clock.now()
    with store.database.read() as connection:
        authorize(connection, actor, EXPLAIN, Target(actor.tenancy), now=now)
        listing = Listing(limit=limit, page=page, state=State.ACTIVE)
        users = identities.listed_users(store, connection, actor.tenancy, listing)
        others = () if page else _others(connection, actor.tenancy)
        people = (Principal(PrincipalKind.USER, user.name, user.ocid) for user in users.items)
        found = tuple(_those_who_may(connection, actor.tenancy, (*people, *others), operation, target, now))
        return Page(found, users.next_page)


def principal_of(store: Store, actor: Actor, text: str) -> Principal:
    """The user or service of a name, or the user, cluster, application or function of an OCID.

    Errors: Refused as if denied for one that is not there, or not the tenancy's.
    """
    with store.database.read() as connection:
        authorize(connection, actor, EXPLAIN, Target(actor.tenancy), now=store.clock.now())
        kind = text.split(".")[1] if text.startswith("ocid1.") and text.count(".") > 1 else ""
        if kind in (PrincipalKind.CLUSTER, PrincipalKind.APPLICATION, PrincipalKind.FUNCTION):
            if owned.get(connection, actor.tenancy, text) is None:
                raise not_found()
            return Principal(PrincipalKind(kind), text, text)
        user = (
            identities.get_user(connection, actor.tenancy, text)
            if kind
            else identities.user_named(connection, actor.tenancy, text)
        )
        if user is not None:
            return Principal(PrincipalKind.USER, user.name, user.ocid)
    service = next((name for name in SERVICES if name == text.lower()), "")
    if not service:
        raise not_found()
    return Principal(PrincipalKind.SERVICE, service)


def place_of(store: Store, actor: Actor, resource: str) -> Target:
    """Any resource of the tenancy, or a compartment, as what is acted on; what only its room knows is not in it.

    Errors: Refused as if denied for one that is not there.
    """
    with store.database.read() as connection:
        authorize(connection, actor, EXPLAIN, Target(actor.tenancy), now=store.clock.now())
        if authority_records.place_of(connection, actor.tenancy, resource).path:
            return Target(resource, resource)
        found = owned.get(connection, actor.tenancy, resource)
    if found is None:
        raise not_found()
    return Target(found.compartment, resource, variables=id_variables(resource))


def require_operation(name: str) -> None:
    """Refused unless there is an operation of that name."""
    if name not in OPERATIONS:
        meant = nearest(name, OPERATIONS)
        hint = f"Did you mean {meant!r}?" if meant else "Operations are named as in OCI, such as PullImage or Sign."
        raise Refused(f"There is no operation {name[:100]!r}.", advice=hint)


def _others(connection: Connection, tenancy: str) -> tuple[Principal, ...]:
    clusters = identities.clusters_with_tokens(connection, tenancy)
    return (
        *(Principal(PrincipalKind.SERVICE, name) for name in SERVICES),
        *(Principal(PrincipalKind.CLUSTER, name, ocid) for ocid, name in clusters),
    )


def _those_who_may(
    connection: Connection,
    tenancy: str,
    principals: Iterable[Principal],
    operation: str,
    target: Target,
    now: Instant,
) -> Iterable[Explanation]:
    for principal in principals:
        found = _explained(connection, Actor(principal, tenancy), operation, target, now)
        if found.allowed:
            yield found


def _explained(connection: Connection, asked: Actor, operation: str, target: Target, now: Instant) -> Explanation:
    judged = authority.judged(
        connection, asked, operation, target.compartment, target.variables, resource=target.resource, now=now
    )
    outcome = judged.outcome
    names: dict[str, str] = {}

    def decider(bound: BoundStatement, permissions: frozenset[str]) -> Decider:
        if bound.policy and bound.policy not in names:
            policy = policies.get(connection, asked.tenancy, bound.policy)
            names[bound.policy] = policy.name if policy else ""
        grants = tuple(sorted(permissions & bound.permissions))
        return Decider(bound.text, bound.policy, names.get(bound.policy, ""), bound.position, grants)

    return Explanation(
        principal=asked.principal,
        operation=operation,
        allowed=outcome.allowed,
        needed=tuple(sorted(outcome.needed)),
        by=tuple(decider(each, outcome.needed) for each in outcome.by),
        missing=tuple(sorted(outcome.missing)),
        missing_grants=outcome.missing_grants(),
        near_misses=tuple(
            NearMiss(decider(each, outcome.missing), because) for each, because in _near(judged, outcome)
        ),
    )


def _near(judged: authority.Judged, outcome: Outcome) -> Iterable[tuple[BoundStatement, str]]:
    """Statements that name the caller and hold a missing permission. One built in is for its own case alone."""
    for bound in judged.statements:
        if bound.policy and bound.permissions & outcome.missing:
            reaches = bound.attached in judged.path and bound.reach in judged.path
            yield bound, "Its condition is not met." if reaches else "It does not reach this compartment."
