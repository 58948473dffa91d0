"""Recipes and targets: the rows of image scanners."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, exists, or_, select, update

from assay.clock import Instant, new_etag
from assay.scanning.model import LifecycleState, Recipe, Registry, ScanLevel, Scanner, ScannerFilter
from assay.scanning.records.tables import scan_recipe, scan_target, scan_target_repository


def add_recipe(connection: Connection, now: Instant, **values: Any) -> Recipe:
    """Insert a recipe with these columns."""
    row = connection.execute(scan_recipe.insert().values(**_fresh(now), **values).returning(scan_recipe)).one()
    return _recipe(row)


def add_target(connection: Connection, now: Instant, *, registry: Registry, **values: Any) -> Scanner:
    """Insert a target with these columns, looking at `registry`."""
    values |= _of_registry(registry)
    row = connection.execute(scan_target.insert().values(**_fresh(now), **values).returning(scan_target)).one()
    _name_repositories(connection, row.ocid, registry.repositories)
    return _scanner(row, tuple(sorted(set(registry.repositories))))


def recipe(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Recipe | None:
    """The recipe with that OCID, deleted ones included."""
    row = _one(connection, scan_recipe, tenancy, ocid, lock=lock)
    return None if row is None else _recipe(row)


def target(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Scanner | None:
    """The target with that OCID, deleted ones included."""
    row = _one(connection, scan_target, tenancy, ocid, lock=lock)
    return None if row is None else _scanner(row, _repositories(connection, [ocid]).get(ocid, ()))


def change_recipe(connection: Connection, ocid: str, now: Instant, **values: Any) -> Recipe:
    """Set columns of a recipe; what it is then."""
    return _recipe(_changed(connection, scan_recipe, ocid, now, values))


def change_target(
    connection: Connection, ocid: str, now: Instant, *, registry: Registry | None = None, **values: Any
) -> Scanner:
    """Set columns of a target and, when given, what it looks at; what it is then."""
    if registry is not None:
        values |= _of_registry(registry)
        connection.execute(delete(scan_target_repository).where(scan_target_repository.c.target == ocid))
        _name_repositories(connection, ocid, registry.repositories)
    row = _changed(connection, scan_target, ocid, now, values)
    return _scanner(row, _repositories(connection, [ocid]).get(ocid, ()))


def recipes(
    connection: Connection, tenancy: str, narrow: ScannerFilter, after: Sequence[Any] | None, rows_max: int
) -> tuple[Recipe, ...]:
    """Recipes in the filter's order, behind the key (time or name, OCID)."""
    return tuple(map(_recipe, _listed(connection, scan_recipe, tenancy, narrow, after, rows_max)))


def targets(
    connection: Connection, tenancy: str, narrow: ScannerFilter, after: Sequence[Any] | None, rows_max: int
) -> tuple[Scanner, ...]:
    """Targets in the filter's order, behind the key (time or name, OCID)."""
    rows = _listed(connection, scan_target, tenancy, narrow, after, rows_max)
    named = _repositories(connection, [row.ocid for row in rows])
    return tuple(_scanner(row, named.get(row.ocid, ())) for row in rows)


def targets_of_recipe(connection: Connection, ocid: str) -> tuple[Scanner, ...]:
    """The active targets that use a recipe, the oldest first."""
    return _active(connection, scan_target.c.recipe == ocid)


def scanning(connection: Connection, tenancy: str, repository_name: str) -> tuple[Scanner, ...]:
    """Active targets, with a recipe that scans, that name this repository or none; those that name it first."""
    names = _names(scan_target_repository.c.name == repository_name)
    found = _active(connection, scan_target.c.tenancy == tenancy, _scans(), or_(names, ~_names()))
    return tuple(sorted(found, key=lambda scanner: not scanner.registry.repositories))


def all_scanning(connection: Connection, tenancy: str) -> tuple[Scanner, ...]:
    """All active targets of a tenancy with a recipe that scans."""
    return _active(connection, scan_target.c.tenancy == tenancy, _scans())


def naming(connection: Connection, tenancy: str, repository_name: str) -> tuple[Scanner, ...]:
    """Active targets that name this repository, whether or not their recipe scans; the oldest first."""
    return _active(
        connection, scan_target.c.tenancy == tenancy, _names(scan_target_repository.c.name == repository_name)
    )


def _scans() -> ColumnElement[bool]:
    return exists().where(
        scan_recipe.c.ocid == scan_target.c.recipe,
        scan_recipe.c.lifecycle_state == LifecycleState.ACTIVE,
        scan_recipe.c.scan_level != ScanLevel.NONE,
    )


def _names(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(scan_target_repository.c.target == scan_target.c.ocid, *conditions)


def _active(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Scanner, ...]:
    query = select(scan_target).where(scan_target.c.lifecycle_state == LifecycleState.ACTIVE, *conditions)
    rows = connection.execute(query.order_by(scan_target.c.time_created, scan_target.c.ocid)).all()
    named = _repositories(connection, [row.ocid for row in rows])
    return tuple(_scanner(row, named.get(row.ocid, ())) for row in rows)


def _fresh(now: Instant) -> dict[str, Any]:
    return {
        "lifecycle_state": LifecycleState.ACTIVE,
        "time_created": now,
        "time_updated": now,
        "etag": new_etag(),
    }


def _one(connection: Connection, table: Table, tenancy: str, ocid: str, *, lock: bool) -> Row[Any] | None:
    query = select(table).where(table.c.ocid == ocid, table.c.tenancy == tenancy)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def _changed(connection: Connection, table: Table, ocid: str, now: Instant, values: dict[str, Any]) -> Row[Any]:
    if values.get("lifecycle_state") is LifecycleState.DELETED:
        values = {**values, "time_deleted": now}
    statement = update(table).where(table.c.ocid == ocid).values(**values, time_updated=now, etag=new_etag())
    return connection.execute(statement.returning(table)).one()


def _listed(
    connection: Connection,
    table: Table,
    tenancy: str,
    narrow: ScannerFilter,
    after: Sequence[Any] | None,
    rows_max: int,
) -> Sequence[Row[Any]]:
    query = select(table).where(table.c.tenancy == tenancy, table.c.compartment.in_(narrow.compartments))
    if narrow.display_name:
        query = query.where(table.c.display_name == narrow.display_name)
    if narrow.lifecycle_state:
        query = query.where(table.c.lifecycle_state == narrow.lifecycle_state)
    first = table.c.time_created if narrow.by_time else table.c.display_name
    if after is not None:
        key, ocid = after
        beyond = first < key if narrow.descending else first > key
        behind = table.c.ocid < ocid if narrow.descending else table.c.ocid > ocid
        query = query.where(or_(beyond, and_(first == key, behind)))
    order = [each.desc() if narrow.descending else each.asc() for each in (first, table.c.ocid)]
    return connection.execute(query.order_by(*order).limit(rows_max)).all()


def _name_repositories(connection: Connection, ocid: str, names: Collection[str]) -> None:
    rows = [{"target": ocid, "name": name} for name in sorted(set(names))]
    if rows:
        connection.execute(scan_target_repository.insert(), rows)


def _repositories(connection: Connection, targets: Collection[str]) -> dict[str, tuple[str, ...]]:
    named: dict[str, tuple[str, ...]] = {}
    query = select(scan_target_repository).where(scan_target_repository.c.target.in_(targets))
    for row in connection.execute(query.order_by(scan_target_repository.c.target, scan_target_repository.c.name)):
        named[row.target] = (*named.get(row.target, ()), row.name)
    return named


def _of_registry(registry: Registry) -> dict[str, Any]:
    return {"registry_compartment": registry.compartment, "registry_url": registry.url}


def _owned(row: Row[Any]) -> dict[str, Any]:
    return {
        "ocid": row.ocid,
        "tenancy": row.tenancy,
        "compartment": row.compartment,
        "display_name": row.display_name,
        "lifecycle_state": LifecycleState(row.lifecycle_state),
        "time_created": Instant(row.time_created),
        "time_updated": Instant(row.time_updated),
        "freeform_tags": row.freeform_tags,
        "defined_tags": row.defined_tags,
        "etag": row.etag,
    }


def _recipe(row: Row[Any]) -> Recipe:
    return Recipe(**_owned(row), image_count=row.image_count, scan_level=ScanLevel(row.scan_level))


def _scanner(row: Row[Any], repositories: tuple[str, ...]) -> Scanner:
    return Scanner(
        **_owned(row),
        description=row.description,
        recipe=row.recipe,
        registry=Registry(row.registry_compartment, repositories, row.registry_url),
    )
