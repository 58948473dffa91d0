"""Statements on quotas, and on what they are held against."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from assay.clock import Instant, new_etag
from assay.registry.model import LifecycleState
from assay.registry.records.tables import container_quota, repository, repository_blob
from assay.registry.rules.model import Limits
from assay.storage import insert


@dataclass(frozen=True, slots=True)
class StoredQuota:
    """The limits of a place, as they were set."""

    place: str
    limits: Limits
    etag: str


@dataclass(frozen=True, slots=True)
class Used:
    """What lies in some repositories: the bytes of the blobs that each holds, and how many of them there are."""

    stored_bytes: int
    repositories: int


#: Built once: every push asks it.
_PLACES = select(container_quota.c.place).where(container_quota.c.tenancy == bindparam("owner"))


def places(connection: Connection, tenancy: str) -> frozenset[str]:
    """The places of a tenancy that have a quota."""
    return frozenset(connection.execute(_PLACES, {"owner": tenancy}).scalars())


def of_places(
    connection: Connection, tenancy: str, named: Collection[str], *, lock: bool = False
) -> tuple[StoredQuota, ...]:
    """The quotas of these places. With `lock` nobody else checks against them until the transaction ends."""
    query = select(container_quota).where(container_quota.c.tenancy == tenancy, container_quota.c.place.in_(named))
    # Always in the same order, so that two who lock several never wait for one another.
    query = query.order_by(container_quota.c.place)
    return tuple(map(_quota, connection.execute(query.with_for_update() if lock else query)))


def set_limits(
    connection: Connection, tenancy: str, compartment: str, place: str, limits: Limits, now: Instant
) -> None:
    """Set the limits of a place, which lies in a compartment."""
    said = {
        "bytes_max": limits.bytes_max,
        "repositories_max": limits.repositories_max,
        "etag": new_etag(),
        "time_updated": now,
    }
    connection.execute(
        insert(connection, container_quota)
        .values(place=place, tenancy=tenancy, compartment=compartment, **said)
        .on_conflict_do_update(index_elements=[container_quota.c.place], set_=said)
    )


def remove(connection: Connection, place: str) -> bool:
    """Remove the quota of a place; whether there was one."""
    return connection.execute(delete(container_quota).where(container_quota.c.place == place)).rowcount == 1


def move(connection: Connection, place: str, compartment: str) -> None:
    """Let the quota of a repository lie where its repository lies."""
    connection.execute(update(container_quota).where(container_quota.c.place == place).values(compartment=compartment))


def used_by(connection: Connection, ocid: str) -> Used:
    """What one repository holds."""
    stored = connection.execute(select(repository.c.stored_bytes).where(repository.c.ocid == ocid)).scalar_one()
    return Used(stored, 1)


def used_in(connection: Connection, tenancy: str, compartments: Collection[str] | None = None) -> Used:
    """What lies in compartments of a tenancy (None: in all): also what deleted repositories hold until they are purged,
    which count no more themselves."""
    counted = func.count().filter(repository.c.lifecycle_state == LifecycleState.AVAILABLE)
    query = select(func.coalesce(func.sum(repository.c.stored_bytes), 0), counted).where(
        repository.c.tenancy == tenancy
    )
    if compartments is not None:
        query = query.where(repository.c.compartment.in_(compartments))
    stored, repositories = connection.execute(query).one()
    return Used(int(stored), repositories)


def largest_blob(connection: Connection, ocid: str) -> int:
    """The size of the largest blob that a repository holds."""
    query = select(func.max(repository_blob.c.size)).where(repository_blob.c.repository == ocid)
    return connection.execute(query).scalar_one() or 0


def _quota(row: Row[Any]) -> StoredQuota:
    return StoredQuota(row.place, Limits(row.bytes_max, row.repositories_max), row.etag)
