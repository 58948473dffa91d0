"""Statements on retention policies, and on images as their rules see them."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from assay.clock import Instant, new_etag
from assay.oci import Digest
from assay.registry.manifests import is_companion_tag
from assay.registry.model import LifecycleState
from assay.registry.records.tables import image, retention_policy, tag
from assay.registry.rules.model import Candidate, PolicyDetails, RetentionPolicy, Rule, RuleKind


def add(
    connection: Connection, ocid: str, tenancy: str, compartment: str, details: PolicyDetails, now: Instant
) -> RetentionPolicy:
    """Insert a policy; what was inserted."""
    row = connection.execute(
        retention_policy.insert()
        .values(
            ocid=ocid,
            tenancy=tenancy,
            compartment=compartment,
            lifecycle_state=LifecycleState.AVAILABLE,
            time_created=now,
            time_updated=now,
            etag=new_etag(),
            **_columns(details),
        )
        .returning(retention_policy)
    ).one()
    return _policy(row)


def change(connection: Connection, ocid: str, details: PolicyDetails, now: Instant) -> RetentionPolicy:
    """Set what a policy says; the policy afterwards."""
    return _set(connection, ocid, time_updated=now, **_columns(details))


def delete(connection: Connection, ocid: str, now: Instant) -> RetentionPolicy:
    """Delete a policy; as it was, with its last etag."""
    return _set(connection, ocid, time_updated=now, time_deleted=now, lifecycle_state=LifecycleState.DELETED)


def by_ocid(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> RetentionPolicy | None:
    """The policy with that OCID, unless it is deleted."""
    query = select(retention_policy).where(
        retention_policy.c.ocid == ocid,
        retention_policy.c.tenancy == tenancy,
        retention_policy.c.lifecycle_state == LifecycleState.AVAILABLE,
    )
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return _policy(row) if row is not None else None


def of_tenancy(connection: Connection, tenancy: str) -> tuple[RetentionPolicy, ...]:
    """The policies of a tenancy, by name."""
    query = select(retention_policy).where(
        retention_policy.c.tenancy == tenancy, retention_policy.c.lifecycle_state == LifecycleState.AVAILABLE
    )
    return tuple(
        map(_policy, connection.execute(query.order_by(retention_policy.c.display_name, retention_policy.c.ocid)))
    )


def tenancies(connection: Connection) -> tuple[str, ...]:
    """The tenancies that have a policy in force."""
    query = select(retention_policy.c.tenancy).where(
        retention_policy.c.is_enabled, retention_policy.c.lifecycle_state == LifecycleState.AVAILABLE
    )
    return tuple(connection.execute(query.distinct().order_by(retention_policy.c.tenancy)).scalars())


def candidates(connection: Connection, repository_ocid: str) -> tuple[Candidate, ...]:
    """The available images of a repository as rules see them."""
    tags: dict[str, list[str]] = {}
    named = select(tag.c.name, tag.c.digest).where(tag.c.repository == repository_ocid)
    for name, digest in connection.execute(named.order_by(tag.c.name)).all():
        if not is_companion_tag(name):
            tags.setdefault(digest, []).append(name)
    columns = (image.c.ocid, image.c.digest, image.c.time_last_pushed, image.c.time_last_pulled, image.c.time_untagged)
    held = select(*columns).where(
        image.c.repository == repository_ocid, image.c.lifecycle_state == LifecycleState.AVAILABLE
    )
    return tuple(
        Candidate(ocid, Digest(digest), tuple(tags.get(digest, ())), pushed, pulled, untagged)
        for ocid, digest, pushed, pulled, untagged in connection.execute(held).all()
    )


def _set(connection: Connection, ocid: str, **values: Any) -> RetentionPolicy:
    changed = update(retention_policy).where(retention_policy.c.ocid == ocid).values(etag=new_etag(), **values)
    return _policy(connection.execute(changed.returning(retention_policy)).one())


def _columns(details: PolicyDetails) -> dict[str, Any]:
    return {
        "display_name": details.display_name,
        "repositories": details.repositories,
        "is_enabled": details.is_enabled,
        "rules": details.rules,
    }


def _policy(row: Row[Any]) -> RetentionPolicy:
    rules = tuple(Rule(RuleKind(each["kind"]), each["count"], each["days"], tuple(each["tags"])) for each in row.rules)
    return RetentionPolicy(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        details=PolicyDetails(row.display_name, rules, row.repositories, row.is_enabled),
        time_created=row.time_created,
        time_updated=row.time_updated,
        etag=row.etag,
    )
