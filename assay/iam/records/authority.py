"""Statements that `authorize` runs: few, by key, on every request."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from assay.iam.records.tables import compartment, membership, policy_grant, policy_statement, tenancy, user


@dataclass(frozen=True, slots=True)
class Place:
    """Where something lies: OCIDs from the root down; empty for a compartment that isn't there."""

    path: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement in force: as written, and bound to OCIDs. `compartment` is where its policy is attached."""

    policy: str
    position: int
    compartment: str
    text: str
    bound: str


def region(connection: Connection, tenancy_ocid: str) -> str:
    """The region of a tenancy; empty for one that isn't there."""
    return connection.execute(select(tenancy.c.home_region).where(tenancy.c.ocid == tenancy_ocid)).scalar() or ""


def place_of(connection: Connection, tenancy_ocid: str, ocid: str) -> Place:
    """The path of an active compartment of a tenancy, with its name."""
    found = connection.execute(
        select(compartment.c.path, compartment.c.name).where(
            compartment.c.ocid == ocid, compartment.c.tenancy == tenancy_ocid, compartment.c.lifecycle_state == "ACTIVE"
        )
    ).one_or_none()
    return Place(tuple(found.path.split("/")[:-1]), found.name) if found else Place((), "")


def groups_of(connection: Connection, tenancy_ocid: str, user_ocid: str) -> frozenset[str] | None:
    """The groups of an active user of a tenancy; None when there is no such user."""
    rows = connection.execute(
        select(membership.c.group)
        .select_from(user)
        .join(membership, membership.c.user == user.c.ocid, isouter=True)
        .where(and_(user.c.ocid == user_ocid, user.c.tenancy == tenancy_ocid, user.c.lifecycle_state == "ACTIVE"))
    ).all()
    return frozenset(row.group for row in rows if row.group is not None) if rows else None


def statements(
    connection: Connection, tenancy_ocid: str, subjects: Iterable[str], resource_types: Iterable[str]
) -> tuple[StoredStatement, ...]:
    """The statements of a tenancy found under one of `subjects` and one of `resource_types`, by policy and position."""
    keys = (
        select(policy_grant.c.policy, policy_grant.c.position)
        .where(
            policy_grant.c.tenancy == tenancy_ocid,
            policy_grant.c.subject.in_(sorted(subjects)),
            policy_grant.c.resource_type.in_(sorted(resource_types)),
        )
        .distinct()
        .subquery()
    )
    table = policy_statement.c
    query = (
        select(table.policy, table.position, table.compartment, table.text, table.bound)
        .join(keys, and_(keys.c.policy == table.policy, keys.c.position == table.position))
        .order_by(table.policy, table.position)
    )
    return tuple(StoredStatement(*row) for row in connection.execute(query))
