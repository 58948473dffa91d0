"""Statements on uploads. They are built once, since building costs most."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from assay.clock import Instant
from assay.registry.model import LifecycleState, Repository, Upload
from assay.registry.records.tables import repository as repositories
from assay.registry.records.tables import upload

_OF_REPOSITORY = (
    select(upload)
    .join(repositories, repositories.c.ocid == upload.c.repository)
    .where(
        upload.c.id == bindparam("identity"),
        repositories.c.tenancy == bindparam("owner"),
        repositories.c.name == bindparam("named"),
        repositories.c.lifecycle_state != LifecycleState.DELETED,
    )
)
_REMOVE = delete(upload).where(upload.c.id == bindparam("identity"))
_OPEN = select(func.count()).where(upload.c.tenancy == bindparam("owner"))
_OPEN_OF_USER = _OPEN.where(upload.c.started_by == bindparam("user"))


def add(connection: Connection, repository: Repository, begun: Upload) -> None:
    """Insert a fresh upload."""
    connection.execute(
        upload.insert(),
        {
            "id": begun.id,
            "tenancy": repository.tenancy,
            "compartment": repository.compartment,
            "repository": repository.ocid,
            "acknowledged": begun.acknowledged,
            "mark": begun.mark,
            "started_by": begun.started_by,
            "time_created": begun.time_created,
            "time_expires": begun.time_expires,
        },
    )


def of_repository(connection: Connection, tenancy: str, repository_name: str, identity: str) -> Upload | None:
    """An upload by its id, if it belongs to the repository of that name."""
    keys = {"identity": identity, "owner": tenancy, "named": repository_name}
    row = connection.execute(_OF_REPOSITORY, keys).one_or_none()
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
    return connection.execute(_REMOVE, {"identity": identity}).rowcount == 1


def expired(connection: Connection, now: Instant, *, rows_max: int) -> tuple[str, ...]:
    """Ids of uploads whose time is over, longest first."""
    query = select(upload.c.id).where(upload.c.time_expires <= now).order_by(upload.c.time_expires).limit(rows_max)
    return tuple(connection.execute(query).scalars())


def open_in(connection: Connection, tenancy: str, started_by: str | None = None) -> int:
    """How many uploads of a tenancy are open, or of those one user's."""
    if started_by is None:
        return connection.execute(_OPEN, {"owner": tenancy}).scalar_one()
    return connection.execute(_OPEN_OF_USER, {"owner": tenancy, "user": started_by}).scalar_one()


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        row.id, row.repository, row.acknowledged, row.started_by, row.time_created, row.time_expires, row.mark
    )
