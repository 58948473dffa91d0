"""Statements on uploads."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from assay.clock import Instant
from assay.registry.model import LifecycleState, Repository, Upload
from assay.registry.records.tables import repository as repositories
from assay.registry.records.tables import upload


def add(connection: Connection, repository: Repository, begun: Upload) -> None:
    """Insert a fresh upload."""
    connection.execute(
        upload.insert().values(
            id=begun.id,
            tenancy=repository.tenancy,
            compartment=repository.compartment,
            repository=repository.ocid,
            acknowledged=begun.acknowledged,
            mark=begun.mark,
            started_by=begun.started_by,
            time_created=begun.time_created,
            time_expires=begun.time_expires,
        )
    )


def of_repository(connection: Connection, tenancy: str, repository_name: str, identity: str) -> Upload | None:
    """An upload by its id, if it belongs to the repository of that name."""
    query = (
        select(upload)
        .join(repositories, repositories.c.ocid == upload.c.repository)
        .where(
            upload.c.id == identity,
            repositories.c.tenancy == tenancy,
            repositories.c.name == repository_name,
            repositories.c.lifecycle_state != LifecycleState.DELETED,
        )
    )
    row = connection.execute(query).one_or_none()
    return _upload(row) if row is not None else None


def acknowledge(connection: Connection, before: Upload, after: Upload) -> bool:
    """Promise the bytes of `after`, if those of `before` are what was promised until now; whether they were."""
    changed = connection.execute(
        update(upload)
        .where(upload.c.id == before.id, upload.c.acknowledged == before.acknowledged, upload.c.mark == before.mark)
        .values(acknowledged=after.acknowledged, mark=after.mark, time_expires=after.time_expires)
    )
    return changed.rowcount == 1


def remove(connection: Connection, identity: str) -> bool:
    """Forget an upload; whether there was one."""
    return connection.execute(delete(upload).where(upload.c.id == identity)).rowcount == 1


def expired(connection: Connection, now: Instant, *, rows_max: int) -> tuple[str, ...]:
    """Ids of uploads whose time is over, longest first."""
    query = select(upload.c.id).where(upload.c.time_expires <= now).order_by(upload.c.time_expires).limit(rows_max)
    return tuple(connection.execute(query).scalars())


def open_in(connection: Connection, tenancy: str, started_by: str | None = None) -> int:
    """How many uploads of a tenancy are open, or of those one user's."""
    query = select(func.count()).where(upload.c.tenancy == tenancy)
    if started_by is not None:
        query = query.where(upload.c.started_by == started_by)
    return connection.execute(query).scalar_one()


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.id, row.repository, row.acknowledged, row.started_by, row.time_created, row.time_expires, row.mark
    )
