"""Statements on repositories and on a tenancy's registry configuration.

Those that every request runs are built once, since building costs most.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, bindparam, func, or_, select, tuple_, update

from assay.clock import Instant
from assay.registry.model import (
    LifecycleState,
    Order,
    Readme,
    ReadmeFormat,
    Repository,
    RepositoryFilter,
    RepositoryTotals,
)
from assay.registry.records.tables import (
    container_configuration,
    image,
    repository,
    repository_blob,
    repository_manifest,
    tag,
    tag_move,
    upload,
)
from assay.storage import insert

_BY_NAME = select(repository).where(
    repository.c.tenancy == bindparam("owner"),
    repository.c.name == bindparam("named"),
    repository.c.lifecycle_state != LifecycleState.DELETED,
)
_BY_OCID = select(repository).where(repository.c.ocid == bindparam("at"), repository.c.tenancy == bindparam("owner"))
_HELD = _BY_NAME.with_for_update()
_LOCK = select(repository.c.ocid).where(repository.c.ocid == bindparam("at")).with_for_update()
_COUNT = (
    update(repository)
    .where(repository.c.ocid == bindparam("at"))
    .values(
        image_count=repository.c.image_count + bindparam("images"),
        layer_count=repository.c.layer_count + bindparam("layers"),
        layers_bytes=repository.c.layers_bytes + bindparam("bytes_in_layers"),
        stored_bytes=repository.c.stored_bytes + bindparam("bytes_stored"),
        time_last_pushed=func.coalesce(bindparam("pushed_at", type_=BigInteger), repository.c.time_last_pushed),
    )
)
#: Tables whose rows lie in the compartment of their repository.
_FOLLOWERS = (image, repository_blob, repository_manifest, tag, tag_move, upload)


def add(connection: Connection, **values: Any) -> Repository | None:
    """Insert a repository with these columns; what was inserted, None where the name is taken."""
    row = connection.execute(
        insert(connection, repository).values(**values).on_conflict_do_nothing().returning(repository)
    ).one_or_none()
    return _repository(row) if row is not None else None


def by_name(connection: Connection, tenancy: str, name: str) -> Repository | None:
    """The repository of that name that is not deleted."""
    row = connection.execute(_BY_NAME, {"owner": tenancy, "named": name}).one_or_none()
    return _repository(row) if row is not None else None


def held_by_name(connection: Connection, tenancy: str, name: str) -> Repository | None:
    """As `by_name`, and its row is held as `lock` does; what is returned is as it stands once it is held."""
    row = connection.execute(_HELD, {"owner": tenancy, "named": name}).one_or_none()
    return _repository(row) if row is not None else None


def counted(connection: Connection, tenancy: str) -> int:
    """How many repositories of a tenancy are not deleted."""
    query = select(func.count()).where(
        repository.c.tenancy == tenancy, repository.c.lifecycle_state != LifecycleState.DELETED
    )
    return connection.execute(query).scalar_one()


def by_ocid(connection: Connection, tenancy: str, ocid: str) -> Repository | None:
    """The repository with that OCID, deleted ones included."""
    row = connection.execute(_BY_OCID, {"at": ocid, "owner": tenancy}).one_or_none()
    return _repository(row) if row is not None else None


def lock(connection: Connection, ocid: str) -> None:
    """Hold the repository's row until the transaction ends, so that pushes and removals in it take turns.

    There may be none to hold: what was deleted long ago is purged. Whoever holds it reads what they found again.
    """
    connection.execute(_LOCK, {"at": ocid}).one_or_none()


def change(connection: Connection, ocid: str, **values: Any) -> Repository:
    """Set columns; the repository afterwards."""
    row = connection.execute(
        update(repository).where(repository.c.ocid == ocid).values(**values).returning(repository)
    ).one()
    return _repository(row)


def count(
    connection: Connection,
    ocid: str,
    *,
    images: int = 0,
    layers: int = 0,
    layers_bytes: int = 0,
    stored_bytes: int = 0,
    pushed_at: Instant | None = None,
) -> None:
    """Add to the counts, and note the time of a push. The etag stays: a push is no edit of the repository."""
    grown = {"images": images, "layers": layers, "bytes_in_layers": layers_bytes, "bytes_stored": stored_bytes}
    connection.execute(_COUNT, {"at": ocid, **grown, "pushed_at": pushed_at})


def move(connection: Connection, ocid: str, compartment: str) -> None:
    """Put everything that lies in a repository into another compartment; the repository's own row is not touched."""
    for table in _FOLLOWERS:
        connection.execute(update(table).where(table.c.repository == ocid).values(compartment=compartment))


def listed(
    connection: Connection,
    tenancy: str,
    narrow: RepositoryFilter,
    order: Order,
    after: Sequence[Any] | None,
    *,
    rows_max: int,
) -> tuple[Repository, ...]:
    """Repositories by name or time of creation, then OCID, behind the sort key `after`."""
    first = repository.c.time_created if order.by_time else repository.c.name
    query = select(repository).where(*_conditions(tenancy, narrow))
    if after is not None:
        query = query.where(behind(first, repository.c.ocid, after, descending=order.descending))
    query = sort(query, first, repository.c.ocid, descending=order.descending).limit(rows_max)
    return tuple(_repository(row) for row in connection.execute(query))


def behind_key(
    connection: Connection, tenancy: str, narrow: RepositoryFilter, order: Order, after: Sequence[Any]
) -> int:
    """How many repositories come behind a sort key."""
    first = repository.c.time_created if order.by_time else repository.c.name
    place = behind(first, repository.c.ocid, after, descending=order.descending)
    query = select(func.count()).select_from(repository).where(*_conditions(tenancy, narrow), place)
    return connection.execute(query).scalar_one()


def totals(connection: Connection, tenancy: str, narrow: RepositoryFilter) -> RepositoryTotals:
    """Sums over all that `narrow` leaves."""
    row = connection.execute(
        select(
            func.count().label("repositories"),
            func.coalesce(func.sum(repository.c.image_count), 0).label("images"),
            func.coalesce(func.sum(repository.c.layer_count), 0).label("layers"),
            func.coalesce(func.sum(repository.c.layers_bytes), 0).label("layers_bytes"),
        ).where(*_conditions(tenancy, narrow))
    ).one()
    return RepositoryTotals(row.repositories, int(row.images), int(row.layers), int(row.layers_bytes))


def due_for_retention(
    connection: Connection, tenancy: str, before: Instant, *, rows_max: int
) -> tuple[Repository, ...]:
    """Repositories of a tenancy through which retention has not gone since then."""
    query = select(repository).where(
        repository.c.tenancy == tenancy,
        repository.c.lifecycle_state == LifecycleState.AVAILABLE,
        or_(repository.c.time_retained.is_(None), repository.c.time_retained <= before),
    )
    return tuple(_repository(row) for row in connection.execute(query.order_by(repository.c.ocid).limit(rows_max)))


def retained(connection: Connection, ocids: Collection[str], now: Instant) -> None:
    """Note that retention has gone through these repositories."""
    connection.execute(update(repository).where(repository.c.ocid.in_(ocids)).values(time_retained=now))


def is_created_on_first_push(connection: Connection, tenancy: str) -> bool:
    """The tenancy's setting; true where nobody has set it."""
    found = connection.execute(
        select(container_configuration.c.is_repository_created_on_first_push).where(
            container_configuration.c.tenancy == tenancy
        )
    ).scalar_one_or_none()
    return True if found is None else bool(found)


def set_created_on_first_push(connection: Connection, tenancy: str, now: Instant, *, value: bool) -> None:
    """Set it. The row lies in the root compartment, which is the tenancy."""
    values = {"is_repository_created_on_first_push": value, "time_updated": now}
    connection.execute(
        insert(connection, container_configuration)
        .values(tenancy=tenancy, compartment=tenancy, **values)
        .on_conflict_do_update(index_elements=[container_configuration.c.tenancy], set_=values)
    )


def behind(
    first: ColumnElement[Any], second: ColumnElement[Any], key: Sequence[Any], *, descending: bool
) -> ColumnElement[bool]:
    """Whether a row comes behind `key` in a keyset list sorted by two columns."""
    place, last = tuple_(first, second), tuple_(*key)
    return place < last if descending else place > last


def sort(query: Select[Any], first: ColumnElement[Any], second: ColumnElement[Any], *, descending: bool) -> Select[Any]:
    """The query in that order."""
    if descending:
        return query.order_by(first.desc(), second.desc())
    return query.order_by(first, second)


def _conditions(tenancy: str, narrow: RepositoryFilter) -> list[ColumnElement[bool]]:
    found = [repository.c.tenancy == tenancy]
    if narrow.compartments:
        found.append(repository.c.compartment.in_(narrow.compartments))
    if narrow.ocid:
        found.append(repository.c.ocid == narrow.ocid)
    if narrow.name:
        found.append(repository.c.name == narrow.name)
    if narrow.name_contains:
        found.append(repository.c.name.contains(narrow.name_contains, autoescape=True))
    if narrow.is_public is not None:
        found.append(repository.c.is_public == narrow.is_public)
    if narrow.lifecycle_state is None:
        found.append(repository.c.lifecycle_state != LifecycleState.DELETED)
    else:
        found.append(repository.c.lifecycle_state == narrow.lifecycle_state)
    return found


def _repository(row: Row[Any]) -> Repository:
    readme = Readme(row.readme_content, ReadmeFormat(row.readme_format)) if row.readme_content is not None else None
    return Repository(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        name=row.name,
        lifecycle_state=LifecycleState(row.lifecycle_state),
        is_public=row.is_public,
        is_immutable=row.is_immutable,
        readme=readme,
        created_by=row.created_by,
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_last_pushed=row.time_last_pushed,
        image_count=row.image_count,
        layer_count=row.layer_count,
        layers_bytes=row.layers_bytes,
        stored_bytes=row.stored_bytes,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )
