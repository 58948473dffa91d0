"""Statements that `authorize` runs on every request: few, by key, and built once, since building costs most."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, select

from assay.iam.records.tables import compartment, membership, policy_grant, policy_statement, tenancy, user


@dataclass(frozen=True, slots=True)
class Place:
    """Where something lies: OCIDs from the root down (none when there is no such compartment), its name, the region."""

    path: tuple[str, ...]
    name: str
    region: str


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement in force: as written, and bound to OCIDs. `compartment` is where its policy is attached."""

    policy: str
    position: int
    compartment: str
    text: str
    bound: str


_PLACE = (
    select(compartment.c.path, compartment.c.name, tenancy.c.home_region)
    .join(tenancy, tenancy.c.ocid == compartment.c.tenancy)
    .where(
        compartment.c.ocid == bindparam("place"),
        compartment.c.tenancy == bindparam("owner"),
        compartment.c.lifecycle_state == "ACTIVE",
    )
)

_GROUPS = (
    select(membership.c.group)
    .select_from(user)
    .join(membership, membership.c.user == user.c.ocid, isouter=True)
    .where(
        user.c.ocid == bindparam("person"),
        user.c.tenancy == bindparam("owner"),
        user.c.lifecycle_state == "ACTIVE",
    )
)

_KEYS = (
    select(policy_grant.c.policy, policy_grant.c.position)
    .where(
        policy_grant.c.tenancy == bindparam("owner"),
        policy_grant.c.subject.in_(bindparam("subjects", expanding=True)),
        policy_grant.c.resource_type.in_(bindparam("resource_types", expanding=True)),
    )
    .distinct()
    .subquery()
)

STATEMENTS = select(
    policy_statement.c.policy,
    policy_statement.c.position,
    policy_statement.c.compartment,
    policy_statement.c.text,
    policy_statement.c.bound,
).join(_KEYS, and_(_KEYS.c.policy == policy_statement.c.policy, _KEYS.c.position == policy_statement.c.position))


def place_of(connection: Connection, tenancy_ocid: str, ocid: str) -> Place:
    """Where an active compartment of a tenancy lies."""
    found = connection.execute(_PLACE, {"place": ocid, "owner": tenancy_ocid}).one_or_none()
    return Place(tuple(found.path.split("/")[:-1]), found.name, found.home_region) if found else Place((), "", "")


def groups_of(connection: Connection, tenancy_ocid: str, user_ocid: str) -> frozenset[str] | None:
    """The groups of an active user of a tenancy; None when there is no such user."""
    rows = connection.execute(_GROUPS, {"person": user_ocid, "owner": tenancy_ocid}).all()
    return frozenset(row.group for row in rows if row.group is not None) if rows else None


def statements(
    connection: Connection, tenancy_ocid: str, subjects: Iterable[str], resource_types: Iterable[str]
) -> tuple[StoredStatement, ...]:
    """The statements of a tenancy found under one of `subjects` and one of `resource_types`, by policy and position."""
    keys = {"owner": tenancy_ocid, "subjects": list(subjects), "resource_types": list(resource_types)}
    # Sorted here: asked for this order, SQLite goes through every statement that there is.
    found = (StoredStatement(*row) for row in connection.execute(STATEMENTS, keys))
    return tuple(sorted(found, key=lambda each: (each.policy, each.position)))
