"""Verbs on dynamic groups: clusters, applications and functions, by a matching rule."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.events import PolicyChanged
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.identity.targets import known, of_dynamic_group
from assay.iam.matching_rules import parse_rule
from assay.iam.records import named as records
from assay.iam.records import rows
from assay.iam.resources import (
    DynamicGroup,
    Listing,
    State,
    Tags,
    exists,
    require_description,
    require_name,
)
from assay.storage import Store
from assay.storage.pages import Page

DYNAMIC_GROUPS_MAX = 50

T = TypeVar("T")


def create(
    store: Store,
    actor: Actor,
    name: str,
    matching_rule: str,
    description: str = "",
    *,
    tags: Tags | None = None,
    retry_token: str | None = None,
) -> DynamicGroup:
    """A new dynamic group, which no statement speaks of yet.

    Errors: Refused, pointing at the word in the rule at which it goes wrong; EXISTS.
    """
    require_name(name, "dynamic group")
    require_description(description)
    parse_rule(matching_rule, written=True)

    def change(act: Act) -> DynamicGroup:
        if records.count(act.connection, DynamicGroup, actor.tenancy) >= DYNAMIC_GROUPS_MAX:
            raise Refused(
                f"The tenancy has {DYNAMIC_GROUPS_MAX} dynamic groups.",
                advice="Delete one that is no longer needed.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        ocid = store.site.new_ocid("dynamicgroup", regional=False).text
        values = {"description": description, "matching_rule": matching_rule}
        if not records.insert(
            act.connection, DynamicGroup, ocid, actor.tenancy, name, tags or Tags(), act.now, **values
        ):
            raise exists("dynamic group", name)
        return known(records.get(act.connection, DynamicGroup, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "CreateDynamicGroup",
        locate=lambda _connection: Target(actor.tenancy, variables={"target.dynamicgroup.name": name}),
        change=change,
        replay=DynamicGroup,
        request=(name, matching_rule, description, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, ocid: str) -> DynamicGroup:
    """A dynamic group by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get(connection, DynamicGroup, actor.tenancy, ocid))
        authorize(connection, actor, "GetDynamicGroup", of_dynamic_group(found), now=store.clock.now())
        return found


def listed(store: Store, actor: Actor, listing: Listing | None = None) -> Page[DynamicGroup]:
    """A page of the tenancy's dynamic groups. Errors: Refused (NOT_FOUND when not permitted)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListDynamicGroups", Target(actor.tenancy), now=store.clock.now())
        return records.listed(store, connection, DynamicGroup, actor.tenancy, listing or Listing())


def update(
    store: Store,
    actor: Actor,
    ocid: str,
    *,
    matching_rule: str | None = None,
    description: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
) -> DynamicGroup:
    """Change what is given; a name never changes. It counts from the next request on. Errors: as of `create`."""
    require_description(description or "")
    values = rows.tag_values(tags) | ({} if description is None else {"description": description})
    if matching_rule is not None:
        parse_rule(matching_rule, written=True)
        values["matching_rule"] = matching_rule

    def change(act: Act) -> DynamicGroup:
        records.change(act.connection, DynamicGroup, ocid, act.now, **values)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))
        return known(records.get(act.connection, DynamicGroup, actor.tenancy, ocid))

    return _perform(store, actor, "UpdateDynamicGroup", ocid, change, if_match)


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> None:
    """Delete a dynamic group. Statements that name it say nothing more, also to a later namesake. Errors: Refused."""

    def change(act: Act) -> None:
        records.change(act.connection, DynamicGroup, ocid, act.now, lifecycle_state=State.DELETED, time_deleted=act.now)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))

    _perform(store, actor, "DeleteDynamicGroup", ocid, change, if_match)


def _perform(
    store: Store, actor: Actor, operation: str, ocid: str, change: Callable[[Act], T], if_match: str | None
) -> T:
    def locate(connection: Connection) -> Target:
        return of_dynamic_group(known(records.get(connection, DynamicGroup, actor.tenancy, ocid, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)
