"""Statements on policies and on what they say."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from assay.clock import Instant
from assay.iam.records import rows
from assay.iam.records.authority import StoredStatement
from assay.iam.records.tables import policy, policy_grant, policy_statement
from assay.iam.resources import Listing, Policy, State, Tags
from assay.storage import Store
from assay.storage.pages import Page


def insert(
    connection: Connection,
    ocid: str,
    tenancy: str,
    attached: str,
    name: str,
    tags: Tags,
    now: Instant,
    **values: Any,
) -> bool:
    """Write a policy; False when the name is taken there. `values`: description, version_date, statements, is_built_in.

    What its statements say is written by `say`.
    """
    row = rows.fresh(ocid, tenancy, attached, now, tags)
    return rows.add(connection, policy, {**row, "name": name, "name_key": name.lower(), **values})


def get(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Policy | None:
    """A policy of a tenancy, unless deleted."""
    row = rows.one(connection, policy, tenancy, ocid, lock=lock)
    return _policy(row) if row and row.lifecycle_state != State.DELETED else None


def named(connection: Connection, tenancy: str, attached: str, name: str) -> Policy | None:
    """The policy of that name attached to a compartment, unless deleted."""
    row = connection.execute(
        select(policy).where(
            policy.c.tenancy == tenancy,
            policy.c.compartment == attached,
            policy.c.name_key == name.lower(),
            policy.c.lifecycle_state != State.DELETED,
        )
    ).one_or_none()
    return _policy(row) if row else None


def listed(store: Store, connection: Connection, tenancy: str, attached: str, listing: Listing) -> Page[Policy]:
    """A page of the policies attached to a compartment."""
    query = select(policy).where(policy.c.tenancy == tenancy, policy.c.compartment == attached)
    found = rows.page(store, connection, policy, query, listing)
    return Page(tuple(map(_policy, found.items)), found.next_page)


def change(connection: Connection, ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of a policy."""
    rows.change(connection, policy, ocid, now, **values)


def say(
    connection: Connection,
    of: Policy,
    statements: Sequence[StoredStatement],
    grants: Iterable[tuple[int, str, str]],
) -> None:
    """Let a policy say these statements and nothing else. `grants`: (position, subject, resource type)."""
    for table in (policy_statement, policy_grant):
        connection.execute(delete(table).where(table.c.policy == of.ocid))
    owned = {"tenancy": of.tenancy, "compartment": of.compartment, "policy": of.ocid}
    if statements:
        connection.execute(
            policy_statement.insert(),
            [{**owned, "position": each.position, "text": each.text, "bound": each.bound} for each in statements],
        )
    found = [
        {**owned, "position": position, "subject": subject, "resource_type": resource_type}
        for position, subject, resource_type in sorted(grants)
    ]
    if found:
        connection.execute(policy_grant.insert(), found)


def _policy(row: Row[Any]) -> Policy:
    return rows.value(Policy, row, lifecycle_state=State(row.lifecycle_state), statements=tuple(row.statements))
