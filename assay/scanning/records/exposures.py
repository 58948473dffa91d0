"""Which vulnerabilities the images of a compartment have, and which images have one of them: matches, the other way."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from assay.clock import Instant
from assay.scanning.records.batches import batches
from assay.scanning.records.inventories import LIVE
from assay.scanning.records.matches import holds
from assay.scanning.records.scans import GONE
from assay.scanning.records.tables import chain_path, inventory, match, scan, set_item


class Exposure(NamedTuple):
    """A vulnerability in a compartment: its highest severity (5 critical … 1 low), in how many images, and whether
    a version of some package ends it."""

    vulnerability: int
    severity: int
    images: int
    is_fixable: bool


class Impacted(NamedTuple):
    """An image that has a vulnerability, the target that looks at it, its repository; all by OCID."""

    target: str
    repository: str
    image: str


def counted(
    connection: Connection, tenancy: str, compartment: str, rev: int, *, vulnerability: int | None = None
) -> list[Exposure]:
    """The vulnerabilities of the images that targets of a compartment look at, as of `rev`; or one of them."""
    chains = (
        select(inventory.c.chain_id, func.count().label("images"))
        .where(*_watched(tenancy, compartment), inventory.c.chain_id.is_not(None))
        .group_by(inventory.c.chain_id)
        .subquery("chains")
    )
    fixable = case((match.c.fix != "", 1), else_=0)
    found = select(
        chains.c.chain_id,
        chains.c.images,
        match.c.vulnerability_id,
        func.max(match.c.severity).label("worst"),
        func.max(fixable).label("fixable"),
    )
    found = found.select_from(
        chains.join(chain_path, chain_path.c.chain_id == chains.c.chain_id)
        .join(set_item, set_item.c.set_id == chain_path.c.set_id)
        .join(match, and_(match.c.component_id == set_item.c.component_id, holds(rev)))
    ).group_by(chains.c.chain_id, chains.c.images, match.c.vulnerability_id)
    if vulnerability is not None:
        found = found.where(match.c.vulnerability_id == vulnerability)
    each = found.subquery("each")
    query = select(each.c.vulnerability_id, func.max(each.c.worst), func.sum(each.c.images), func.max(each.c.fixable))
    rows = connection.execute(query.group_by(each.c.vulnerability_id).order_by(each.c.vulnerability_id))
    return [Exposure(identity, worst, int(images), bool(fixable)) for identity, worst, images, fixable in rows]


def times(
    connection: Connection, tenancy: str, compartment: str, vulnerabilities: Collection[int], rev: int
) -> dict[int, tuple[Instant, Instant]]:
    """When the scans of those images saw each vulnerability first and last."""
    found: dict[int, tuple[Instant, Instant]] = {}
    for piece in batches(sorted(vulnerabilities)):
        begun = (
            select(match.c.vulnerability_id, match.c.component_id, func.min(match.c.from_rev).label("since"))
            .where(match.c.vulnerability_id.in_(piece))
            .group_by(match.c.vulnerability_id, match.c.component_id)
            .subquery("begun")
        )
        query = (
            _holding(select(match.c.vulnerability_id, *_first_and_last(begun.c.since)), rev)
            .join(
                begun,
                and_(
                    begun.c.vulnerability_id == match.c.vulnerability_id, begun.c.component_id == match.c.component_id
                ),
            )
            .join(scan, and_(scan.c.inventory_id == inventory.c.id, scan.c.rev <= rev, scan.c.state != GONE))
            .where(match.c.vulnerability_id.in_(piece), *_watched(tenancy, compartment))
            .group_by(match.c.vulnerability_id)
        )
        found.update((row[0], (Instant(row[1] or row[2]), Instant(row[2]))) for row in connection.execute(query))
    return found


def impacted(connection: Connection, tenancy: str, compartment: str, vulnerability: int, rev: int) -> list[Impacted]:
    """The images that targets of a compartment look at and that have a vulnerability as of `rev`, by OCID."""
    query = _holding(select(inventory.c.target, inventory.c.repository, inventory.c.image).distinct(), rev)
    query = query.where(match.c.vulnerability_id == vulnerability, *_watched(tenancy, compartment))
    return [Impacted(*row) for row in connection.execute(query.order_by(inventory.c.image))]


def _holding(query: Select[Any], rev: int) -> Select[Any]:
    """`query` over matches as of `rev` with the inventories that they are found in."""
    return (
        query.select_from(match)
        .join(set_item, set_item.c.component_id == match.c.component_id)
        .join(chain_path, chain_path.c.set_id == set_item.c.set_id)
        .join(inventory, inventory.c.chain_id == chain_path.c.chain_id)
        .where(holds(rev))
    )


def _first_and_last(since: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    first = func.min(case((scan.c.rev >= since, scan.c.time_created)))
    return first, func.max(scan.c.time_created)


def _watched(tenancy: str, compartment: str) -> tuple[ColumnElement[bool], ...]:
    return (inventory.c.tenancy == tenancy, inventory.c.compartment == compartment, *LIVE)
