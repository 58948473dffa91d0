"""Scans: written once, read as of what is published."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, case, delete, func, literal, or_, select, tuple_, update

from assay.clock import Instant
from assay.scanning.counting import Vector
from assay.scanning.model import Cause, ScanFilter, ScanSort
from assay.scanning.records import totals
from assay.scanning.records.batches import batches
from assay.scanning.records.inventories import STATES, Inventory, inventory_of
from assay.scanning.records.tables import OPEN, inventory, scan
from assay.scanning.risk import ORDER, RiskLevel, ScanState
from assay.storage import insert

#: Codes of causes in rows; a place in this tuple never changes.
CAUSES = (Cause.PUSH, Cause.ENABLED, Cause.FEED, Cause.MANUAL)

#: The state code of a scan that somebody deleted. Its row stays, so that no older scan is taken for the present one.
GONE = len(STATES)

#: What risk levels weigh where scans are sorted by them; a scan without a level comes before all.
WEIGHTS = {level: len(ORDER) - place for place, level in enumerate(ORDER)}


class ScanRow(NamedTuple):
    """A scan with the inventory it is of."""

    inventory: Inventory
    rev: int
    cause: Cause
    state: ScanState
    time_created: Instant
    vector: Vector


def add(
    connection: Connection,
    inventory_id: int,
    rev: int,
    *,
    cause: Cause,
    state: ScanState,
    vector: Vector,
    now: Instant,
) -> bool:
    """Write a scan unless there is one of this inventory as of `rev` that is not deleted; whether it was written."""
    numbers = dict(zip(totals.COLUMNS, vector, strict=True))
    values = {"cause": CAUSES.index(cause), "state": STATES.index(state), "time_created": now, **numbers}
    statement = insert(connection, scan).values(inventory_id=inventory_id, rev=rev, **values)
    again = statement.on_conflict_do_update(
        index_elements=["inventory_id", "rev"], set_=values, where=scan.c.state == GONE
    )
    return connection.execute(again.returning(scan.c.rev)).first() is not None


def erase(connection: Connection, inventory_id: int, rev: int) -> None:
    """Delete a scan: it is shown no more, and no older one takes its place."""
    statement = update(scan).where(scan.c.inventory_id == inventory_id, scan.c.rev == rev)
    connection.execute(statement.values(state=GONE))


def take_back(connection: Connection, inventory_id: int, rev: int) -> bool:
    """Remove the scan of an inventory as of a revision that is being prepared; whether there was one."""
    done = connection.execute(delete(scan).where(scan.c.inventory_id == inventory_id, scan.c.rev == rev))
    return done.rowcount == 1


def add_rescans(
    connection: Connection,
    inventories: Collection[int],
    rev: int,
    now: Instant,
    *,
    settled: Collection[int] = (),
    in_doubt: Collection[int] = (),
) -> None:
    """Write a scan as of `rev`, caused by the feed, for each of these inventories that is looked at still.

    `settled`, `in_doubt`: those of which any doubt begins or ends with `rev`, and which hold none, or some, as of it.
    Of all others nothing has changed in that: they are as whole as their scan before.
    """
    earlier = scan.alias("earlier")
    before = (
        select(earlier.c.state)
        .where(earlier.c.inventory_id == inventory.c.id, earlier.c.rev < rev)
        .order_by(earlier.c.rev.desc())
        .limit(1)
        .correlate(inventory)
        .scalar_subquery()
    )
    state = case(
        (inventory.c.state != STATES.index(ScanState.COMPLETE), inventory.c.state),
        (inventory.c.id.in_(in_doubt), STATES.index(ScanState.PARTIAL)),
        (inventory.c.id.in_(settled), inventory.c.state),
        else_=before,
    )
    live = [
        inventory.c.id.in_(inventories),
        inventory.c.until_rev == OPEN,
        inventory.c.frozen_rev.is_(None),
    ]
    counted = totals.sums(rev, live).subquery("counted")
    numbers = [counted.c[name] for name in totals.COLUMNS]
    rows = select(
        counted.c.inventory_id,
        literal(rev),
        literal(CAUSES.index(Cause.FEED)),
        state,
        literal(now),
        *numbers,
    ).select_from(counted.join(inventory, inventory.c.id == counted.c.inventory_id))
    columns = ["inventory_id", "rev", "cause", "state", "time_created", *totals.COLUMNS]
    # WHERE: without it SQLite reads ON CONFLICT as the join's ON.
    connection.execute(
        insert(connection, scan).from_select(columns, rows.where(literal(1) == 1)).on_conflict_do_nothing()
    )


def images_scanned(connection: Connection, inventories: Collection[int], rev: int) -> list[tuple[str, str, str]]:
    """(tenancy, repository, image) of those of these inventories that have a scan as of `rev`."""
    query = (
        select(inventory.c.tenancy, inventory.c.repository, inventory.c.image)
        .join(scan, scan.c.inventory_id == inventory.c.id)
        # On the scan's side: PostgreSQL does not carry a list over to the other side of an equation.
        .where(scan.c.inventory_id.in_(inventories), scan.c.rev == rev)
        .order_by(inventory.c.repository, inventory.c.id)
    )
    return [(tenancy, repository, image) for tenancy, repository, image in connection.execute(query)]


def one(connection: Connection, mark: str, rev: int, published: int) -> ScanRow | None:
    """The scan of the inventory with this mark as of `rev`, if it may be read."""
    query = _readable(published).where(inventory.c.mark == mark, scan.c.rev == rev)
    row = connection.execute(query).one_or_none()
    return None if row is None else _scan_of(row)


def compartments(connection: Connection, tenancy: str, narrow: ScanFilter) -> tuple[str, ...]:
    """The compartments in which images that `narrow` leaves have their results."""
    query = select(inventory.c.compartment).where(inventory.c.tenancy == tenancy, *_of_inventories(narrow)).distinct()
    return tuple(connection.execute(query.order_by(inventory.c.compartment)).scalars())


def listed(
    connection: Connection,
    tenancy: str,
    narrow: ScanFilter,
    images: Collection[str] | None,
    unrated_as: RiskLevel,
    published: int,
    after: Sequence[Any] | None,
    rows_max: int,
) -> tuple[tuple[ScanRow, tuple[int, int, int, int]], ...]:
    """Scans in the filter's order, each with its key (weight, time, revision, inventory), behind the key `after`.

    `images`: those that bear the name asked for, or None where none was.
    """
    level = _level(unrated_as)
    weights: dict[ScanSort, ColumnElement[int]] = {
        ScanSort.TIME: literal(0),
        ScanSort.PROBLEMS: _problems(),
        ScanSort.SEVERITY: level,
    }
    query = _readable(published).where(inventory.c.tenancy == tenancy, *_of_inventories(narrow), *_of_scans(narrow))
    if narrow.level is not None:
        query = query.where(level == WEIGHTS[narrow.level])
    if images is not None:
        query = query.where(inventory.c.image.in_(images))
    if narrow.is_latest_only:
        query = query.where(inventory.c.until_rev == OPEN, scan.c.rev == _latest(published))
    weight = weights[narrow.sort_by]
    key = (weight, scan.c.time_created, scan.c.rev, scan.c.inventory_id)
    if after is not None:
        query = query.where(tuple_(*key) < after if narrow.descending else tuple_(*key) > after)
    query = query.add_columns(weight.label("weight")).limit(rows_max)
    rows = connection.execute(query.order_by(*(each.desc() if narrow.descending else each.asc() for each in key)))
    return tuple((_scan_of(row), (row.weight, row.scanned, row.rev, row.id)) for row in rows)


def latest_of_images(connection: Connection, images: Collection[str], published: int) -> dict[str, ScanRow]:
    """The latest readable scan of each image's open inventory."""
    found: dict[str, ScanRow] = {}
    for piece in batches(images):
        query = _readable(published).where(
            inventory.c.image.in_(piece), inventory.c.until_rev == OPEN, scan.c.rev == _latest(published)
        )
        found.update((row.image, _scan_of(row)) for row in connection.execute(query))
    return found


def latest_of_repositories(
    connection: Connection, repositories: Collection[str], published: int
) -> dict[str, list[ScanRow]]:
    """The latest readable scans of all images of each repository."""
    found: dict[str, list[ScanRow]] = {}
    for piece in batches(repositories):
        query = _readable(published).where(
            inventory.c.repository.in_(piece), inventory.c.until_rev == OPEN, scan.c.rev == _latest(published)
        )
        for row in connection.execute(query.order_by(inventory.c.repository, inventory.c.id)):
            found.setdefault(row.repository, []).append(_scan_of(row))
    return found


def latest_of_live(connection: Connection, after_inventory: int, limit: int, published: int) -> list[ScanRow]:
    """The latest scans of the images that are looked at, in the order of inventories."""
    query = (
        _readable(published)
        .where(
            inventory.c.id > after_inventory,
            inventory.c.until_rev == OPEN,
            inventory.c.frozen_rev.is_(None),
            inventory.c.chain_id.is_not(None),
            scan.c.rev == _latest(published),
            scan.c.state != GONE,
        )
        .order_by(inventory.c.id)
        .limit(limit)
    )
    return [_scan_of(row) for row in connection.execute(query)]


def times(connection: Connection, inventory_id: int) -> dict[int, Instant]:
    """When each scan of an inventory was made, by revision."""
    query = select(scan.c.rev, scan.c.time_created).where(scan.c.inventory_id == inventory_id)
    return {rev: Instant(time) for rev, time in connection.execute(query)}


def current_until(connection: Connection, row: ScanRow, published: int) -> int:
    """The newest revision as of which a scan is known to be right: that up to which its inventory is read, if it is
    the latest; else its own, as between it and the next one nobody may have looked.
    """
    until = row.inventory.readable_until(published)
    later = select(scan.c.rev).where(scan.c.inventory_id == row.inventory.id, scan.c.rev > row.rev, scan.c.rev <= until)
    return row.rev if connection.execute(later.limit(1)).first() else max(row.rev, until)


def horizon(connection: Connection, before: Instant, published: int) -> int:
    """The newest published revision of which a scan was made before `before`; 0 if there is none."""
    query = select(func.max(scan.c.rev)).where(scan.c.time_created < before, scan.c.rev <= published)
    return connection.execute(query).scalar_one() or 0


def _readable(published: int) -> Select[Any]:
    """Scans joined with their inventories, clipped to what may be read: `Inventory.readable_until` as a condition."""
    numbers = [scan.c[name] for name in totals.COLUMNS]
    return (
        select(
            *inventory.c,
            scan.c.rev,
            scan.c.cause,
            scan.c.state.label("scan_state"),
            scan.c.time_created.label("scanned"),
            *numbers,
        )
        .join(scan, scan.c.inventory_id == inventory.c.id)
        .where(scan.c.rev <= _bound(published), scan.c.state != GONE)
    )


def _problems() -> ColumnElement[int]:
    return scan.c.c5 + scan.c.c4 + scan.c.c3 + scan.c.c2 + scan.c.c1


def _level(unrated_as: RiskLevel) -> ColumnElement[int]:
    """The weight of a scan's risk level: `risk.risk_level` as an expression; 0 where it has none."""
    numbers = {
        RiskLevel.CRITICAL: scan.c.c5,
        RiskLevel.HIGH: scan.c.c4,
        RiskLevel.MEDIUM: scan.c.c3,
        RiskLevel.LOW: scan.c.c1,
    }
    present = [
        (or_(number > 0, scan.c.c2 > 0) if level is unrated_as else number > 0, WEIGHTS[level])
        for level, number in numbers.items()
    ]
    not_whole = (scan.c.state != STATES.index(ScanState.COMPLETE), 0)
    return case(not_whole, *present, else_=WEIGHTS[RiskLevel.NONE])


def _bound(published: int) -> ColumnElement[int]:
    frozen = func.coalesce(inventory.c.frozen_rev, OPEN)
    nearest = case((frozen < inventory.c.until_rev, frozen), else_=inventory.c.until_rev)
    return case((nearest < published, nearest), else_=published)


def _latest(published: int) -> ColumnElement[int]:
    other = scan.alias("other")
    return (
        select(func.max(other.c.rev))
        .where(other.c.inventory_id == inventory.c.id, other.c.rev <= _bound(published))
        .correlate(inventory)
        .scalar_subquery()
    )


def _of_inventories(narrow: ScanFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.compartments:
        conditions.append(inventory.c.compartment.in_(narrow.compartments))
    if narrow.repository:
        conditions.append(inventory.c.repository == narrow.repository)
    if narrow.image:
        conditions.append(inventory.c.image == narrow.image)
    return conditions


def _of_scans(narrow: ScanFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if narrow.since is not None:
        conditions.append(scan.c.time_created >= narrow.since)
    if narrow.until is not None:
        conditions.append(scan.c.time_created <= narrow.until)
    return conditions


def _scan_of(row: Any) -> ScanRow:
    vector = (row.c5, row.c4, row.c3, row.c2, row.c1)
    return ScanRow(inventory_of(row), row.rev, CAUSES[row.cause], STATES[row.scan_state], Instant(row.scanned), vector)


def delete_older(connection: Connection, inventories: Collection[int], rev: int) -> int:
    """Remove the scans before `rev` that have a newer one, readable as well, at or before it; how many went."""
    other = scan.alias("other")
    newer = (
        select(literal(1))
        .select_from(other.join(inventory, inventory.c.id == other.c.inventory_id))
        .where(other.c.inventory_id == scan.c.inventory_id, other.c.rev > scan.c.rev, other.c.rev <= _bound(rev))
        .correlate(scan)
        .exists()
    )
    done = connection.execute(delete(scan).where(scan.c.inventory_id.in_(inventories), scan.c.rev < rev, newer))
    return done.rowcount
