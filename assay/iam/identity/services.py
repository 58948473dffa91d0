"""Service principals: parts of Assay that act in their own name, and only as far as a statement lets them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from assay.clock import Instant
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.authority import statements_for
from assay.iam.evaluate import BoundStatement, Caller, allows, permissions_of
from assay.iam.identity.policies import bound_to, read
from assay.iam.permissions import Operation
from assay.iam.records import authority as records
from assay.iam.syntax import Combination, Comparison, Condition, Operator, Statement, ValueKind

SCANNING = Principal(PrincipalKind.SERVICE, "vulnerability-scanning-service")
FUNCTIONS = Principal(PrincipalKind.SERVICE, "faas")

#: What each service needs before it can work (oci-api 4.2, 4.4); absent at first start.
NEEDED: Mapping[Principal, tuple[str, ...]] = {
    SCANNING: (
        "allow service vulnerability-scanning-service to read repos in tenancy",
        "allow service vulnerability-scanning-service to read compartments in tenancy",
    ),
    FUNCTIONS: ("allow service faas to read repos in tenancy",),
}


def acting(service: Principal, tenancy: str, request_id: str = "") -> Actor:
    """A service at work in a tenancy."""
    return Actor(service, tenancy, request_id=request_id)


def missing_statements(connection: Connection, tenancy: str, wanted: Sequence[str], *, now: Instant) -> tuple[str, ...]:
    """Those of `wanted` whose access no statement in force gives: the exact texts to add, in order.

    What is in force is asked, not what is written: `manage repos` covers `read repos`. A `wanted` with a condition is
    covered where that condition is met; it may hold equations joined by `all`. Errors: Refused for a fault in `wanted`.
    """
    bound = bound_to(connection, tenancy, tenancy, read(wanted)) if wanted else ()
    return tuple(text for text, statement in bound if not _covered(connection, tenancy, statement, text, now))


def _covered(connection: Connection, tenancy: str, statement: Statement, text: str, now: Instant) -> bool:
    needed = permissions_of(statement.grant)
    place = records.place_of(connection, tenancy, BoundStatement(statement, tenancy, text).reach)
    met = _equations(statement.condition)
    operation = Operation(text, statement.grant.resource_type, needed, met.get("request.operation", ""))
    for named in statement.subject.names:
        caller = Caller(PrincipalKind.SERVICE, named.name, region=place.region)
        in_force = statements_for(connection, tenancy, caller, needed)
        if not allows(in_force, caller, operation, place.path, met, now=now).allowed:
            return False
    return True


def _equations(condition: Condition | None) -> dict[str, str]:
    """Variables with values that make the condition true, as far as it consists of equations joined by `all`."""
    if isinstance(condition, Comparison):
        value = condition.values[0]
        is_equation = condition.operator is Operator.EQUAL and value.kind is ValueKind.TEXT
        return {condition.variable: value.text} if is_equation else {}
    if isinstance(condition, Combination) and condition.every:
        return {name: value for each in condition.conditions for name, value in _equations(each).items()}
    return {}
