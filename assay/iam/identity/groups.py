"""Verbs on groups and their members."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.identity.targets import known, of_group, of_user_and_group
from assay.iam.identity.users import require_another_administrator
from assay.iam.records import compartments, rows
from assay.iam.records import identities as records
from assay.iam.resources import (
    Group,
    Listing,
    Membership,
    State,
    Tags,
    exists,
    require_description,
    require_name,
)
from assay.storage import Store
from assay.storage.pages import Page

T = TypeVar("T")


def create(
    store: Store,
    actor: Actor,
    name: str,
    description: str = "",
    *,
    tags: Tags | None = None,
    retry_token: str | None = None,
) -> Group:
    """A new group without members, which no statement speaks of yet. Errors: Refused (EXISTS, …)."""
    require_name(name, "group", spaces=True)
    require_description(description)

    def change(act: Act) -> Group:
        ocid = store.site.new_ocid("group", regional=False).text
        if not records.insert_group(act.connection, ocid, actor.tenancy, name, description, tags or Tags(), act.now):
            raise exists("group", name)
        return known(records.get_group(act.connection, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "CreateGroup",
        locate=lambda _connection: Target(actor.tenancy, variables={"target.group.name": name}),
        change=change,
        replay=Group,
        request=(name, description, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, group: str) -> Group:
    """A group by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get_group(connection, actor.tenancy, group))
        authorize(connection, actor, "GetGroup", of_group(found), now=store.clock.now())
        return found


def listed(store: Store, actor: Actor, listing: Listing | None = None) -> Page[Group]:
    """A page of the tenancy's groups. Errors: Refused (NOT_FOUND when not permitted)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListGroups", Target(actor.tenancy), now=store.clock.now())
        return records.listed_groups(store, connection, actor.tenancy, listing or Listing())


def update(
    store: Store,
    actor: Actor,
    group: str,
    *,
    description: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
) -> Group:
    """Change what is given; a name never changes. Errors: Refused."""
    require_description(description or "")

    def change(act: Act) -> Group:
        values = rows.tag_values(tags) | ({} if description is None else {"description": description})
        records.change_group(act.connection, group, act.now, **values)
        return known(records.get_group(act.connection, actor.tenancy, group))

    return _perform(store, actor, "UpdateGroup", group, change, if_match)


def delete(store: Store, actor: Actor, group: str, *, if_match: str | None = None) -> None:
    """Delete a group with its memberships. Statements that name it say nothing more, also to a later namesake.

    Errors: Refused (WRONG_STATE for the administrators' group).
    """

    def change(act: Act) -> None:
        tenancy = known(compartments.tenancy_of(act.connection, actor.tenancy))
        if tenancy.administrators == group:
            raise Refused("The administrators' group cannot be deleted.", reason=Reason.WRONG_STATE)
        records.delete_memberships(act.connection, group_ocid=group)
        records.change_group(act.connection, group, act.now, lifecycle_state=State.DELETED, time_deleted=act.now)

    _perform(store, actor, "DeleteGroup", group, change, if_match)


def add_user(store: Store, actor: Actor, user: str, group: str, *, retry_token: str | None = None) -> Membership:
    """Put a user into a group; it counts from the user's next request on. Errors: Refused (EXISTS, NOT_FOUND)."""

    def change(act: Act) -> Membership:
        ocid = store.site.new_ocid("groupmembership", regional=False).text
        if not records.insert_membership(act.connection, ocid, actor.tenancy, user, group, act.now):
            raise Refused("The user is in the group already.", reason=Reason.EXISTS)
        return known(records.get_membership(act.connection, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "AddUserToGroup",
        locate=lambda connection: _place(connection, actor, user, group),
        change=change,
        replay=Membership,
        request=(user, group),
        retry_token=retry_token,
    )


def remove_user(store: Store, actor: Actor, membership: str, *, if_match: str | None = None) -> None:
    """Take a user out of a group, by the OCID of the membership.

    Errors: Refused (NOT_FOUND; WRONG_STATE for the last active administrator).
    """

    def locate(connection: Connection) -> Target:
        found = known(records.get_membership(connection, actor.tenancy, membership, lock=True))
        place = _place(connection, actor, found.user, found.group)
        return Target(place.compartment, found.ocid, found.etag, place.variables, found)

    def change(act: Act) -> None:
        found = known(records.get_membership(act.connection, actor.tenancy, membership))
        tenancy = known(compartments.tenancy_of(act.connection, actor.tenancy))
        if found.group == tenancy.administrators:
            require_another_administrator(act.connection, actor.tenancy, found.user)
        records.delete_memberships(act.connection, ocid=membership)

    perform(store, actor, "RemoveUserFromGroup", locate=locate, change=change, if_match=if_match)


def membership(store: Store, actor: Actor, ocid: str) -> Membership:
    """A membership by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get_membership(connection, actor.tenancy, ocid))
        place = _place(connection, actor, found.user, found.group)
        authorize(connection, actor, "GetUserGroupMembership", place, now=store.clock.now())
        return found


def memberships(
    store: Store, actor: Actor, *, user: str = "", group: str = "", listing: Listing | None = None
) -> Page[Membership]:
    """A page of the memberships of a user, of a group, or of both. Errors: Refused (MISSING_PARAMETER, NOT_FOUND)."""
    if not (user or group):
        raise Refused("Neither a user nor a group is given.", advice="Give one.", reason=Reason.MISSING_PARAMETER)
    with store.database.read() as connection:
        authorize(connection, actor, "ListUserGroupMemberships", Target(actor.tenancy), now=store.clock.now())
        return records.listed_memberships(store, connection, actor.tenancy, user, group, listing or Listing())


def _place(connection: Connection, actor: Actor, user: str, group: str) -> Target:
    found_user = known(records.get_user(connection, actor.tenancy, user))
    found_group = known(records.get_group(connection, actor.tenancy, group))
    return of_user_and_group(found_user, found_group)


def _perform(
    store: Store, actor: Actor, operation: str, group: str, change: Callable[[Act], T], if_match: str | None
) -> T:
    def locate(connection: Connection) -> Target:
        return of_group(known(records.get_group(connection, actor.tenancy, group, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)
