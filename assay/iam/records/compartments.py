"""Statements on tenancies and their trees of compartments."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select, update

from assay.clock import Instant
from assay.iam.binding import Node
from assay.iam.records import rows
from assay.iam.records.tables import compartment, tenancy
from assay.iam.resources import Compartment, Listing, State, Tags, Tenancy
from assay.storage import Store, metadata
from assay.storage.pages import Page


def insert_tenancy(connection: Connection, ocid: str, now: Instant, **values: str) -> bool:
    """Write a tenancy and its root compartment, which has the same OCID; False when the name is taken."""
    if not rows.add(connection, tenancy, {**rows.fresh(ocid, ocid, ocid, now), **values}):
        return False
    return insert(connection, ocid, ocid, None, values["name"], values["description"], Tags(), now)


def tenancies(connection: Connection) -> tuple[Tenancy, ...]:
    """All tenancies of the installation, oldest first."""
    found = connection.execute(select(tenancy).order_by(tenancy.c.time_created, tenancy.c.ocid))
    return tuple(rows.value(Tenancy, row, lifecycle_state=State(row.lifecycle_state)) for row in found)


def _tenancy(connection: Connection, condition: ColumnElement[bool]) -> Tenancy | None:
    row = connection.execute(select(tenancy).where(condition)).one_or_none()
    return rows.value(Tenancy, row, lifecycle_state=State(row.lifecycle_state)) if row else None


def tenancy_of(connection: Connection, ocid: str) -> Tenancy | None:
    """The tenancy with that OCID."""
    return _tenancy(connection, tenancy.c.ocid == ocid)


def tenancy_named(connection: Connection, namespace: str) -> Tenancy | None:
    """The tenancy with that namespace."""
    return _tenancy(connection, tenancy.c.namespace == namespace)


def insert(
    connection: Connection,
    ocid: str,
    tenancy_ocid: str,
    parent: Compartment | None,
    name: str,
    description: str,
    tags: Tags,
    now: Instant,
) -> bool:
    """Write a compartment below `parent` (without one, the root); False when the name is taken there."""
    values = {
        **rows.fresh(ocid, tenancy_ocid, parent.ocid if parent else ocid, now, tags),
        "name": name,
        "name_key": name.lower(),
        "description": description,
        "path": f"{_text(parent.path) if parent else ''}{ocid}/",
    }
    return rows.add(connection, compartment, values)


def get(connection: Connection, tenancy_ocid: str, ocid: str, *, lock: bool = False) -> Compartment | None:
    """A compartment of a tenancy, whatever its state."""
    row = rows.one(connection, compartment, tenancy_ocid, ocid, lock=lock)
    return _compartment(row) if row else None


def child(connection: Connection, parent: str, name: str) -> Compartment | None:
    """The compartment of that name in `parent`, letters of either case alike, unless it is deleted."""
    row = connection.execute(
        select(compartment).where(
            compartment.c.compartment == parent,
            compartment.c.name_key == name.lower(),
            compartment.c.lifecycle_state != State.DELETED,
            compartment.c.ocid != parent,
        )
    ).one_or_none()
    return _compartment(row) if row else None


def listed(
    store: Store, connection: Connection, parent: Compartment, listing: Listing, *, subtree: bool
) -> Page[Compartment]:
    """A page of the compartments in `parent`, or of all below it."""
    query = select(compartment).where(compartment.c.tenancy == parent.tenancy, compartment.c.ocid != parent.ocid)
    inside = _below(parent) if subtree else compartment.c.compartment == parent.ocid
    found = rows.page(store, connection, compartment, query.where(inside), listing)
    return Page(tuple(map(_compartment, found.items)), found.next_page)


def subtree(connection: Connection, top: Compartment) -> tuple[Compartment, ...]:
    """`top` and all active compartments below it, parents before their children."""
    query = select(compartment).where(
        compartment.c.tenancy == top.tenancy, _below(top), compartment.c.lifecycle_state == State.ACTIVE
    )
    return tuple(map(_compartment, connection.execute(query.order_by(func.length(compartment.c.path)))))


def nodes(connection: Connection, tenancy_ocid: str) -> tuple[Node, ...]:
    """The active compartments of a tenancy as statements name them."""
    query = select(compartment.c.ocid, compartment.c.compartment, compartment.c.name).where(
        compartment.c.tenancy == tenancy_ocid, compartment.c.lifecycle_state == State.ACTIVE
    )
    return tuple(Node(*row) for row in connection.execute(query))


def move(connection: Connection, moved: Compartment, parent: Compartment, now: Instant) -> None:
    """Put a compartment, with all below it, into `parent`."""
    before = _text(moved.path)
    after = f"{_text(parent.path)}{moved.ocid}/"
    connection.execute(
        update(compartment)
        .where(compartment.c.tenancy == moved.tenancy, _below(moved))
        .values(path=after + func.substr(compartment.c.path, len(before) + 1))
    )
    rows.change(connection, compartment, moved.ocid, now, compartment=parent.ocid)


def holds_anything(connection: Connection, ocid: str) -> bool:
    """Whether any resource of any room, not yet deleted, lies in a compartment."""
    return any(
        connection.execute(
            select(
                exists().where(
                    table.c.compartment == ocid,
                    table.c.ocid != ocid,
                    table.c.lifecycle_state != State.DELETED,
                )
            )
        ).scalar_one()
        for table in metadata.sorted_tables
        if {"ocid", "compartment", "lifecycle_state"} <= set(table.c.keys())
    )


def _below(top: Compartment) -> ColumnElement[bool]:
    """`top` itself and whatever lies below it. OCIDs hold no character that LIKE reads otherwise."""
    return compartment.c.path.like(f"{_text(top.path)}%")


def _text(path: tuple[str, ...]) -> str:
    return "".join(f"{step}/" for step in path)


def _compartment(row: Row[Any]) -> Compartment:
    return rows.value(
        Compartment,
        row,
        path=tuple(row.path.split("/")[:-1]),
        lifecycle_state=State(row.lifecycle_state),
    )
