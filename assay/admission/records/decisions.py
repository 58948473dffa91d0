"""Rows of decisions: what admission answered, with reasons. Written once and never changed."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, Row, Table, Text, delete, select

from assay.admission.model import DecidedImage, Decision
from assay.clock import Instant
from assay.storage import Json, insert, metadata

#: `fingerprint` is the whole hash of which `number` shows a part: equal for the calls that belong to one act.
decision = Table(
    "admission_decision",
    metadata,
    Column("number", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("tenancy", Text, nullable=False),
    Column("compartment", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("images", Json, nullable=False),
    Column("message", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False, index=True),
)
Index("ix_admission_decision_cluster", decision.c.cluster, decision.c.time_created, decision.c.number)


def fingerprint_of(connection: Connection, number: str) -> str | None:
    """The fingerprint of the decision with this number, None when the number is free."""
    return connection.execute(select(decision.c.fingerprint).where(decision.c.number == number)).scalar_one_or_none()


def insert_decision(connection: Connection, made: Decision, fingerprint: str) -> bool:
    """Keep a decision; False when its number is taken."""
    values = msgspec.to_builtins(made)
    added = connection.execute(
        insert(connection, decision).values(**values, fingerprint=fingerprint).on_conflict_do_nothing()
    )
    return added.rowcount == 1


def get_decision(connection: Connection, tenancy: str, number: str) -> Decision | None:
    """The decision of that number in a tenancy."""
    row = connection.execute(
        select(decision).where(decision.c.tenancy == tenancy, decision.c.number == number)
    ).one_or_none()
    return _decision(row) if row else None


def decisions(
    connection: Connection, cluster: str, *, allowed: bool | None, before: tuple[int, str] | None, rows_max: int
) -> tuple[Decision, ...]:
    """A cluster's decisions, newest first, from behind `before` (time, number) on."""
    query = select(decision).where(decision.c.cluster == cluster)
    if allowed is not None:
        query = query.where(decision.c.allowed == allowed)
    if before is not None:
        at, number = before
        same = (decision.c.time_created == at) & (decision.c.number < number)
        query = query.where((decision.c.time_created < at) | same)
    rows = connection.execute(query.order_by(decision.c.time_created.desc(), decision.c.number.desc()).limit(rows_max))
    return tuple(map(_decision, rows))


def delete_decisions(connection: Connection, older_than: Instant, rows_max: int) -> int:
    """Delete at most `rows_max` decisions that were made before a time; how many there were."""
    old = (
        select(decision.c.number)
        .where(decision.c.time_created < older_than)
        .order_by(decision.c.time_created)
        .limit(rows_max)
    )
    return connection.execute(delete(decision).where(decision.c.number.in_(old))).rowcount


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        number=row.number,
        tenancy=row.tenancy,
        compartment=row.compartment,
        cluster=row.cluster,
        policy_version=row.policy_version,
        namespace=row.namespace,
        kind=row.kind,
        name=row.name,
        operation=row.operation,
        username=row.username,
        allowed=row.allowed,
        images=msgspec.convert(row.images, tuple[DecidedImage, ...]),
        message=row.message,
        time_created=Instant(row.time_created),
    )
