"""What `authorize` asks of the database: who calls, where the target lies, and the statements that could speak of it.

Statements are found by whom they name and for which resource type: a thousand that speak of others cost nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection

from assay.errors import Corrupt, Refused
from assay.iam.actor import RESOURCES, Actor, PrincipalKind
from assay.iam.circumstances import looked_up
from assay.iam.evaluate import ANYBODY, BoundStatement, Caller, Outcome, allows, holds, permissions_of
from assay.iam.matching_rules import parse_rule, variables_of_resource
from assay.iam.permissions import OPERATIONS, Operation
from assay.iam.records import authority as records
from assay.iam.records import named, owned
from assay.iam.resource_types import ALL_RESOURCES, TYPE_OF_PERMISSION
from assay.iam.resources import DynamicGroup
from assay.iam.statements import parse
from assay.iam.syntax import Statement, SubjectKind
from assay.iam.variables import Variables, id_variables

EVERY_TYPE = "*"
#: Statements that are kept as read; the least used are forgotten first, and read again when they are asked for.
STATEMENTS_READ_MAX = 4_096

_OWN_CREDENTIALS = (
    "'GetUser', 'ReadUserDetails', 'SignIn', 'SignOut', 'CreateOrResetUIPassword', 'ChangePassword', 'ListApiKeys',"
    " 'UploadApiKey',"
    " 'DeleteApiKey', 'ListAuthTokens', 'CreateAuthToken', 'UpdateAuthToken', 'DeleteAuthToken'"
)

#: What holds in every tenancy, as statements like any other (oci-api 4.5): people look after their own credentials,
#: and a cluster asks admission in its own name.
BUILT_IN = (
    (
        "allow any-user to manage users in tenancy where all {request.user.id = target.user.id,"
        f" request.operation in ({_OWN_CREDENTIALS})}}"
    ),
    (
        "allow any-user to {CLUSTER_JOIN} in tenancy where all {request.principal.type = 'cluster',"
        " request.principal.id = target.cluster.id}"
    ),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """An outcome with what it was judged by: the statements that name the caller, and the path of the compartment."""

    outcome: Outcome
    statements: tuple[BoundStatement, ...]
    path: tuple[str, ...]


def judged(
    connection: Connection,
    actor: Actor,
    operation: str,
    compartment: str,
    variables: Mapping[str, str],
    *,
    resource: str = "",
    now: int,
) -> Judged:
    """What the statements in force say of `actor` doing `operation` on a target in `compartment`.

    `resource` is the target's OCID, if it has one; `now` in microseconds. Errors: KeyError for an operation that has no
    row in the table (a fault of the program).
    """
    standing = standing_in(connection, actor, operation, compartment)
    outcome = judged_by(connection, actor, standing, compartment, variables, resource=resource, now=now)
    return Judged(outcome, standing.statements, standing.place.path)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an actor's operation is judged by in a compartment, whatever the target there; read once for a list."""

    row: Operation
    caller: Caller
    place: records.Place
    statements: tuple[BoundStatement, ...]
    wanted: frozenset[str]


def standing_in(connection: Connection, actor: Actor, operation: str, compartment: str) -> Standing:
    """Read what `judged_by` needs. Errors: KeyError for an operation that has no row in the table."""
    row = OPERATIONS[operation]
    place = records.place_of(connection, actor.tenancy, compartment)
    caller = caller_of(connection, actor, place.region)
    statements = statements_for(connection, actor.tenancy, caller, row.permissions)
    wanted = frozenset[str]().union(*(each.variables for each in statements))
    return Standing(row, caller, place, statements, wanted)


def judged_by(
    connection: Connection,
    actor: Actor,
    standing: Standing,
    compartment: str,
    variables: Mapping[str, str],
    *,
    resource: str,
    now: int,
) -> Outcome:
    """What the statements say of one target. It reads only what they ask of the target itself."""
    caller, place = standing.caller, standing.place
    known: Variables = {
        **id_variables(resource),
        **variables,
        "target.compartment.name": place.name,
        **looked_up(connection, actor, caller, resource, compartment, standing.wanted),
    }
    return allows(standing.statements, caller, standing.row, place.path, known, now=now)


def caller_of(connection: Connection, actor: Actor, region: str = "") -> Caller:
    """Whom statements are matched against. A user who is no longer active is nobody: anonymous, in no group."""
    principal = actor.principal
    if principal.kind in RESOURCES:
        groups = _dynamic_groups(connection, actor)
        return Caller(principal.kind, principal.name, principal.ocid, groups, region, principal.repository)
    if principal.kind is not PrincipalKind.USER:
        return Caller(principal.kind, principal.name, principal.ocid, region=region)
    found = records.groups_of(connection, actor.tenancy, principal.ocid)
    if found is None:
        return Caller(PrincipalKind.ANONYMOUS, principal.name, region=region)
    return Caller(principal.kind, principal.name, principal.ocid, found, region)


def _dynamic_groups(connection: Connection, actor: Actor) -> frozenset[str]:
    """The dynamic groups whose rule is true of the cluster, application or function that acts."""
    groups = named.every(connection, DynamicGroup, actor.tenancy)
    row = owned.get(connection, actor.tenancy, actor.principal.ocid) if groups else None
    if row is None:
        return frozenset()
    told = variables_of_resource(actor.principal.kind, actor.principal.ocid, row.compartment, row.defined_tags)
    return frozenset(group.ocid for group in groups if holds(parse_rule(group.matching_rule), told))


def statements_for(
    connection: Connection, tenancy: str, caller: Caller, permissions: frozenset[str]
) -> tuple[BoundStatement, ...]:
    """The statements of a tenancy that name the caller and could grant one of `permissions`; those built in first."""
    types = {TYPE_OF_PERMISSION[permission] for permission in permissions} | {EVERY_TYPE}
    found = records.statements(connection, tenancy, _keys_of_caller(caller), types)
    return (*built_in(tenancy), *map(_bound, found))


@lru_cache(maxsize=STATEMENTS_READ_MAX)
def built_in(tenancy: str) -> tuple[BoundStatement, ...]:
    """The statements that hold in every tenancy, as they stand in this one."""
    return tuple(BoundStatement(parse(text), tenancy, text, position=place) for place, text in enumerate(BUILT_IN, 1))


def grants_of(statement: Statement) -> set[tuple[str, str]]:
    """The (subject, resource type) pairs under which a bound statement is found."""
    grant = statement.grant
    if grant.resource_type == ALL_RESOURCES:
        types = {EVERY_TYPE}
    else:
        types = {TYPE_OF_PERMISSION[permission] for permission in permissions_of(grant)}
    return {(subject, kind) for subject in _keys_of_subject(statement) for kind in types}


@lru_cache(maxsize=STATEMENTS_READ_MAX)
def _bound(row: records.StoredStatement) -> BoundStatement:
    """A stored statement, read: what it says follows from its text alone, so it is read once."""
    try:
        return BoundStatement(parse(row.bound), row.compartment, row.text, row.policy, row.position)
    except Refused as fault:
        raise Corrupt(f"Statement {row.position} of the policy {row.policy} does not read: {fault.message}") from fault


def _keys_of_caller(caller: Caller) -> set[str]:
    if caller.kind is PrincipalKind.SERVICE:
        return {f"{SubjectKind.SERVICE}/{caller.name}"}
    if caller.kind in ANYBODY:
        kind = SubjectKind.GROUP if caller.kind is PrincipalKind.USER else SubjectKind.DYNAMIC_GROUP
        return {SubjectKind.ANY_USER.value, *(f"{kind}/{group}" for group in caller.groups)}
    return set()


def _keys_of_subject(statement: Statement) -> set[str]:
    subject = statement.subject
    if subject.kind is SubjectKind.ANY_USER:
        return {subject.kind.value}
    return {f"{subject.kind}/{named.ocid or named.name}" for named in subject.names}
