"""May this actor do this operation there? Asked of the statements in force, in the transaction of the act."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from assay.errors import Denied
from assay.iam import authority
from assay.iam.actor import Actor, PrincipalKind
from assay.iam.evaluate import Outcome


@dataclass(frozen=True, slots=True)
class Target:
    """What is acted on.

    `compartment`: the compartment (OCID) in which it lies, or is to lie. `resource`: its OCID, if it has one yet.
    `etag`: its present etag, for `if-match`. `variables`: for conditions, such as `target.repo.name`.
    `before`: its value as audit shows it.
    """

    compartment: str
    resource: str = ""
    etag: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    before: object = None


def outcome_of(connection: Connection, actor: Actor, operation: str, target: Target, *, now: int) -> Outcome:
    """What the statements say of it, with those that decided. `now` in microseconds, for conditions on the time."""
    return authority.judged(
        connection, actor, operation, target.compartment, target.variables, resource=target.resource, now=now
    ).outcome


def authorize(connection: Connection, actor: Actor, operation: str, target: Target, *, now: int) -> bool:
    """Pass, or raise Denied: the same answer for what is missing and what is not the caller's to see.

    The installation itself passes: it is never a caller from outside. Returned is whether the answer lasts until a row
    changes: then no statement asked for the time.
    """
    if actor.principal.kind is PrincipalKind.INSTALLATION:
        return True
    outcome = outcome_of(connection, actor, operation, target, now=now)
    if not outcome.allowed:
        raise Denied(operation, target.compartment, target.resource)
    return not outcome.asks_time


def permitted(
    connection: Connection,
    actor: Actor,
    operation: str,
    target: Target,
    *,
    now: int,
    read: dict[str, authority.Standing] | None = None,
) -> bool:
    """Whether the statements allow it; for lists that show only what one may see.

    `read`: what was read for other targets, by compartment. A list hands the same dict to each call, for one actor and
    operation in one transaction, so that ten thousand rows cost no query each.
    """
    if actor.principal.kind is PrincipalKind.INSTALLATION:
        return True
    known = {} if read is None else read
    compartment = target.compartment
    if compartment not in known:
        known[compartment] = authority.standing_in(connection, actor, operation, compartment)
    judged_by, resource = authority.judged_by, target.resource
    return judged_by(
        connection, actor, known[compartment], compartment, target.variables, resource=resource, now=now
    ).allowed
