"""May this caller do this, here? The pure rule of the policy language (oci-api 4.5): default deny, statements only add.

An operation needs permissions; each must be granted by some statement, not all by the same one. A statement grants a
permission if it names the caller, reaches the compartment, holds the permission, and its condition is true for it.
Comparisons ignore case, as OCI's do. A variable that the request doesn't have makes its comparison false, also `!=`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from assay.clock import Instant, rfc3339
from assay.errors import Refused
from assay.iam.actor import RESOURCES, PrincipalKind
from assay.iam.permissions import Operation
from assay.iam.reader import timestamp
from assay.iam.resource_types import TYPE_OF_PERMISSION, Verb, granted, least_verb
from assay.iam.syntax import (
    Combination,
    Comparison,
    Condition,
    Grant,
    Operator,
    Statement,
    SubjectKind,
    Value,
    ValueKind,
    matches,
)
from assay.iam.variables import UTC_TIMESTAMP, Variables

#: Principals whom `any-user` names. Services are let in by name alone: a broad statement never switches one on unseen.
ANYBODY = frozenset({PrincipalKind.USER, *RESOURCES})


@dataclass(frozen=True)
class BoundStatement:
    """A statement in force: names replaced by OCIDs, and where its policy is attached.

    `text` is as written, `policy` the OCID of its policy (empty for what holds in every tenancy), `position` its place
    there, from 1. Without slots, because what it grants is worked out once.
    """

    statement: Statement
    attached: str
    text: str
    policy: str = ""
    position: int = 1

    def __post_init__(self) -> None:
        names = self.statement.subject.names
        unbound = self.statement.location.path or (
            self.statement.subject.kind is not SubjectKind.SERVICE and not all(name.ocid for name in names)
        )
        if unbound:
            raise Refused(f"The statement {self.text[:200]!r} still holds names where OCIDs should stand.")

    @property
    def reach(self) -> str:
        """The compartment that it speaks of, with all below it."""
        return self.statement.location.ocid or self.attached

    @cached_property
    def permissions(self) -> frozenset[str]:
        """What it grants where its condition is true."""
        return permissions_of(self.statement.grant)

    @cached_property
    def variables(self) -> frozenset[str]:
        """What its condition asks for."""
        return named_variables(self.statement.condition)


def permissions_of(grant: Grant) -> frozenset[str]:
    """The permissions that a grant names: by verb, or by name (then only those of its resource type, if it has one)."""
    if grant.verb is not None:
        return granted(grant.verb, grant.resource_type)
    if not grant.resource_type:
        return frozenset(grant.permissions)
    return frozenset(grant.permissions) & granted(Verb.MANAGE, grant.resource_type)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom statements are matched against. `groups` holds OCIDs: of a user's groups, of a resource's dynamic groups."""

    kind: PrincipalKind
    name: str
    ocid: str = ""
    groups: frozenset[str] = frozenset()
    region: str = ""
    repository: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer with its reasons: `by` are the statements that granted something needed, in their order.

    `asks_time`: whether a statement asked for the time, so that the answer may change by itself.
    """

    needed: frozenset[str]
    by: tuple[BoundStatement, ...]
    missing: frozenset[str]
    asks_time: bool = False

    @property
    def allowed(self) -> bool:
        """Whether everything that is needed was granted."""
        return not self.missing

    def missing_grants(self) -> tuple[str, ...]:
        """What a statement would have to grant, such as `read repos`, one for each resource type; in order."""
        by_type: dict[str, list[str]] = {}
        for permission in sorted(self.missing):
            by_type.setdefault(TYPE_OF_PERMISSION[permission], []).append(permission)
        return tuple(f"{least_verb(names, kind)} {kind}" for kind, names in sorted(by_type.items()))


def allows(
    statements: Sequence[BoundStatement],
    caller: Caller,
    operation: Operation,
    compartment_path: tuple[str, ...],
    variables: Variables,
    *,
    now: int,
) -> Outcome:
    """What `statements` say of `caller` doing `operation` on a target in the last compartment of `compartment_path`.

    The path runs from the root (the tenancy) down; an empty one, of a compartment that isn't there, denies. `variables`
    are those of the target; those of the request are added here and win. `now` in microseconds.
    """
    known = {**variables, **_request_variables(caller, operation, compartment_path, now)}
    mine = [each for each in statements if _reaches(each, compartment_path) and _names(each.statement, caller)]
    deciding: set[int] = set()
    missing = set()
    for permission in operation.permissions:
        asked = {**known, "request.permission": permission}
        grants = {
            place
            for place, each in enumerate(mine)
            if permission in each.permissions and holds(each.statement.condition, asked)
        }
        deciding |= grants
        if not grants:
            missing.add(permission)
    asks_time = any(UTC_TIMESTAMP in each.variables for each in mine)
    by = tuple(mine[place] for place in sorted(deciding))
    return Outcome(operation.permissions, by, frozenset(missing), asks_time)


def holds(condition: Condition | None, variables: Variables) -> bool:
    """Whether a condition is true of these variables; no condition is always true."""
    if condition is None:
        return True
    if isinstance(condition, Combination):
        results = (holds(each, variables) for each in condition.conditions)
        return all(results) if condition.every else any(results)
    return _compares(condition, variables)


def named_variables(condition: Condition | None) -> frozenset[str]:
    """The variables that a condition asks for, on either side."""
    if condition is None:
        return frozenset()
    if isinstance(condition, Combination):
        return frozenset().union(*map(named_variables, condition.conditions))
    others = (value.text for value in condition.values if value.kind is ValueKind.VARIABLE)
    return frozenset({condition.variable, *others})


def _values(name: str, variables: Variables) -> tuple[str, ...]:
    found = variables.get(name, ())
    return (found,) if isinstance(found, str) else found


def _compares(comparison: Comparison, variables: Variables) -> bool:
    actual = _values(comparison.variable, variables)
    if not actual:
        return False
    if comparison.operator in (Operator.BEFORE, Operator.AFTER):
        limit, at = timestamp(comparison.values[0].text), timestamp(actual[0])
        if limit is None or at is None:
            return False
        return at < limit if comparison.operator is Operator.BEFORE else at > limit
    results = [_equals(actual, value, variables) for value in comparison.values]
    if comparison.operator is Operator.NOT_EQUAL:
        return results == [False]
    return True in results


def _equals(actual: tuple[str, ...], value: Value, variables: Variables) -> bool | None:
    """Whether any of `actual` is equal, letters of either case alike; None when the other side is not known."""
    if value.kind is ValueKind.PATTERN:
        return any(matches(value.text, each) for each in actual)
    others = _values(value.text, variables) if value.kind is ValueKind.VARIABLE else (value.text,)
    if not others:
        return None
    return not {each.lower() for each in actual}.isdisjoint(each.lower() for each in others)


def _reaches(bound: BoundStatement, path: tuple[str, ...]) -> bool:
    # Both: a compartment may have been moved out from under the one that the policy is attached to.
    return bound.attached in path and bound.reach in path


def _names(statement: Statement, caller: Caller) -> bool:
    subject = statement.subject
    if subject.kind is SubjectKind.ANY_USER:
        return caller.kind in ANYBODY
    if subject.kind is SubjectKind.SERVICE:
        return caller.kind is PrincipalKind.SERVICE and any(name.name == caller.name for name in subject.names)
    kinds = {PrincipalKind.USER} if subject.kind is SubjectKind.GROUP else RESOURCES
    return caller.kind in kinds and any(name.ocid in caller.groups for name in subject.names)


def _request_variables(caller: Caller, operation: Operation, path: tuple[str, ...], now: int) -> dict[str, str]:
    found = {
        "request.operation": operation.api_name,
        "request.principal.type": caller.kind.value,
        "request.region": caller.region,
        "request.user.id": caller.ocid,
        "request.principal.id": caller.ocid,
        "request.user.name": caller.name if caller.kind is PrincipalKind.USER else "",
        "request.principal.repo_name": caller.repository,
        "target.compartment.id": path[-1] if path else "",
        UTC_TIMESTAMP: rfc3339(Instant(now)),
    }
    return {name: value for name, value in found.items() if value}
