"""Statements on users, groups and memberships."""

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from assay.clock import Instant
from assay.iam.records import rows
from assay.iam.records.tables import cluster_token, group, membership, user
from assay.iam.resources import Group, Listing, Membership, State, Tags, User
from assay.storage import Store
from assay.storage.pages import Page


def insert_user(
    connection: Connection, ocid: str, tenancy: str, name: str, tags: Tags, now: Instant, **values: Any
) -> bool:
    """Write a user; False when the name is taken. `values`: description, email, password_hash."""
    row = {
        **rows.fresh(ocid, tenancy, tenancy, now, tags),
        "name": name,
        "name_key": name.lower(),
        "must_change_password": True,
        **values,
    }
    return rows.add(connection, user, row)


def get_user(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> User | None:
    """A user of a tenancy, unless deleted."""
    row = rows.one(connection, user, tenancy, ocid, lock=lock)
    return _user(row) if row and row.lifecycle_state != State.DELETED else None


def user_named(connection: Connection, tenancy: str, name: str) -> User | None:
    """The user of that name, letters of either case alike, unless deleted."""
    row = connection.execute(
        select(user).where(
            user.c.tenancy == tenancy, user.c.name_key == name.lower(), user.c.lifecycle_state != State.DELETED
        )
    ).one_or_none()
    return _user(row) if row else None


def listed_users(store: Store, connection: Connection, tenancy: str, listing: Listing) -> Page[User]:
    """A page of a tenancy's users."""
    found = rows.page(store, connection, user, select(user).where(user.c.tenancy == tenancy), listing)
    return Page(tuple(map(_user, found.items)), found.next_page)


def change_user(connection: Connection, ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of a user."""
    rows.change(connection, user, ocid, now, **values)


def insert_group(
    connection: Connection, ocid: str, tenancy: str, name: str, description: str, tags: Tags, now: Instant
) -> bool:
    """Write a group; False when the name is taken."""
    row = rows.fresh(ocid, tenancy, tenancy, now, tags)
    return rows.add(connection, group, {**row, "name": name, "name_key": name.lower(), "description": description})


def get_group(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Group | None:
    """A group of a tenancy, unless deleted."""
    row = rows.one(connection, group, tenancy, ocid, lock=lock)
    return _group(row) if row and row.lifecycle_state != State.DELETED else None


def listed_groups(store: Store, connection: Connection, tenancy: str, listing: Listing) -> Page[Group]:
    """A page of a tenancy's groups."""
    found = rows.page(store, connection, group, select(group).where(group.c.tenancy == tenancy), listing)
    return Page(tuple(map(_group, found.items)), found.next_page)


def change_group(connection: Connection, ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of a group."""
    rows.change(connection, group, ocid, now, **values)


def group_names(connection: Connection, tenancy: str) -> dict[str, str]:
    """Name → OCID of all groups of a tenancy."""
    query = select(group.c.name, group.c.ocid).where(
        group.c.tenancy == tenancy, group.c.lifecycle_state != State.DELETED
    )
    return {row.name: row.ocid for row in connection.execute(query)}


def insert_membership(
    connection: Connection, ocid: str, tenancy: str, user_ocid: str, group_ocid: str, now: Instant
) -> bool:
    """Write a membership; False when the user is in the group already."""
    row = rows.fresh(ocid, tenancy, tenancy, now)
    return rows.add(connection, membership, {**row, "user": user_ocid, "group": group_ocid})


def get_membership(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Membership | None:
    """A membership of a tenancy."""
    row = rows.one(connection, membership, tenancy, ocid, lock=lock)
    return _membership(row) if row else None


def membership_of(connection: Connection, user_ocid: str, group_ocid: str) -> Membership | None:
    """The membership of a user in a group."""
    row = connection.execute(
        select(membership).where(membership.c.user == user_ocid, membership.c.group == group_ocid)
    ).one_or_none()
    return _membership(row) if row else None


def listed_memberships(
    store: Store, connection: Connection, tenancy: str, user_ocid: str, group_ocid: str, listing: Listing
) -> Page[Membership]:
    """A page of a tenancy's memberships: of a user, of a group, or of both, where given."""
    query = select(membership).where(membership.c.tenancy == tenancy)
    query = query.where(membership.c.user == user_ocid) if user_ocid else query
    query = query.where(membership.c.group == group_ocid) if group_ocid else query
    found = rows.page(store, connection, membership, query, listing)
    return Page(tuple(map(_membership, found.items)), found.next_page)


def delete_memberships(connection: Connection, *, ocid: str = "", user_ocid: str = "", group_ocid: str = "") -> None:
    """Delete one membership, or all of a user or of a group."""
    wanted = {membership.c.ocid: ocid, membership.c.user: user_ocid, membership.c.group: group_ocid}
    (condition,) = (column == value for column, value in wanted.items() if value)
    connection.execute(delete(membership).where(condition))


def clusters_with_tokens(connection: Connection, tenancy: str) -> tuple[tuple[str, str], ...]:
    """OCID and name of the clusters of a tenancy that can act, by name."""
    token = cluster_token.c
    query = select(token.cluster, token.cluster_name).where(token.tenancy == tenancy).distinct()
    return tuple((row.cluster, row.cluster_name) for row in connection.execute(query.order_by(token.cluster_name)))


def active_members(connection: Connection, group_ocid: str) -> int:
    """How many active users are in a group."""
    query = (
        select(func.count())
        .select_from(membership)
        .join(user, user.c.ocid == membership.c.user)
        .where(membership.c.group == group_ocid, user.c.lifecycle_state == State.ACTIVE)
    )
    return int(connection.execute(query).scalar_one())


def _user(row: Row[Any]) -> User:
    return rows.value(User, row, lifecycle_state=State(row.lifecycle_state))


def _group(row: Row[Any]) -> Group:
    return rows.value(Group, row, lifecycle_state=State(row.lifecycle_state))


def _membership(row: Row[Any]) -> Membership:
    return rows.value(Membership, row, lifecycle_state=State(row.lifecycle_state))
