"""Verbs on compartments: a tree of at most six levels below the tenancy; names are unique in their parent."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlalchemy import Connection

from assay.errors import Reason, Refused, not_found
from assay.events import CompartmentMoved, PolicyChanged
from assay.iam import work_requests
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize, permitted
from assay.iam.identity.seen import as_seen
from assay.iam.identity.targets import known, of_compartment
from assay.iam.records import authority, rows
from assay.iam.records import compartments as records
from assay.iam.records.tables import compartment as table
from assay.iam.resources import (
    Compartment,
    Listing,
    State,
    Tags,
    deleted,
    exists,
    require_description,
    require_name,
)
from assay.iam.work_requests import Work
from assay.storage import Store
from assay.storage.pages import Page

DEPTH_MAX = 6


def create(
    store: Store,
    actor: Actor,
    parent: str,
    name: str,
    description: str = "",
    tags: Tags | None = None,
    *,
    retry_token: str | None = None,
) -> Compartment:
    """A new compartment in `parent`. Errors: Refused (NOT_FOUND, EXISTS, LIMIT_EXCEEDED below six levels)."""
    require_name(name, "compartment")
    require_description(description)

    def change(act: Act) -> Compartment:
        above = _active(act.connection, actor, parent)
        _require_depth(len(above.path) + 1)
        ocid = store.site.new_ocid("compartment", regional=False).text
        if not records.insert(act.connection, ocid, actor.tenancy, above, name, description, tags or Tags(), act.now):
            raise exists("compartment", name)
        return known(records.get(act.connection, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "CreateCompartment",
        locate=lambda _connection: Target(parent),
        change=change,
        replay=Compartment,
        request=(parent, name, description, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, compartment: str) -> Compartment:
    """A compartment, the tenancy itself among them. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get(connection, actor.tenancy, compartment))
        now = store.clock.now()
        authorize(connection, actor, "GetCompartment", of_compartment(found), now=now)
        return _as_seen(store, connection, actor, (found,))[0]


def named(store: Store, actor: Actor, path: str) -> Compartment:
    """The compartment with that path of names, such as `dev:team`, from below the tenancy. Errors: Refused."""
    with store.database.read() as connection:
        found = known(records.get(connection, actor.tenancy, actor.tenancy))
        for name in path.split(":"):
            found = known(records.child(connection, found.ocid, name))
        authorize(connection, actor, "GetCompartment", of_compartment(found), now=store.clock.now())
        return found


def listed(
    store: Store, actor: Actor, parent: str, listing: Listing | None = None, *, subtree: bool = False
) -> Page[Compartment]:
    """A page of the compartments in `parent`, or of all below it: those that the actor may see.

    What one may not see is left out, so a page may be short; whoever may only inspect one gets its name and state
    alone. Errors: Refused (NOT_FOUND when nothing may be seen).
    """
    now = store.clock.now()
    with store.database.read() as connection:
        above = known(records.get(connection, actor.tenancy, parent))
        found = records.listed(store, connection, above, listing or Listing(), subtree=subtree)
        visible = [
            item
            for item in found.items
            if permitted(connection, actor, "ListCompartments", of_compartment(item), now=now)
        ]
        seen = _as_seen(store, connection, actor, visible)
        if not seen:
            authorize(connection, actor, "ListCompartments", of_compartment(above), now=now)
        return replace(found, items=seen)


def with_all_below(connection: Connection, actor: Actor, compartment: str) -> tuple[Compartment, ...]:
    """An active compartment of the actor's tenancy and all below it, parents first; for lists of a whole subtree.

    It asks no permission: what is listed in each of them does. Errors: Refused as if denied.
    """
    found = records.get(connection, actor.tenancy, compartment)
    if found is None or found.lifecycle_state is not State.ACTIVE:
        raise not_found()
    return records.subtree(connection, found)


def path_of(connection: Connection, tenancy: str, compartment: str) -> tuple[str, ...]:
    """OCIDs from the tenancy down to a compartment of it; for what holds in a compartment and all below it."""
    return authority.place_of(connection, tenancy, compartment).path or (tenancy, compartment)


def hold(connection: Connection, tenancy: str, compartment: str) -> None:
    """Keep a compartment as it is until the transaction ends: who gives names to what lies in it takes turns."""
    records.get(connection, tenancy, compartment, lock=True)


def update(
    store: Store,
    actor: Actor,
    compartment: str,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
) -> Compartment:
    """Change what is given. Statements that name the compartment go on meaning it. Errors: Refused."""
    if name is not None:
        require_name(name, "compartment")
    require_description(description or "")

    def change(act: Act) -> Compartment:
        found = _active(act.connection, actor, compartment)
        values = rows.tag_values(tags)
        if name is not None:
            _require_no_root(found)
            _require_free(act.connection, found, name)
            values |= {"name": name, "name_key": name.lower()}
        if description is not None:
            values["description"] = description
        rows.change(act.connection, table, compartment, act.now, **values)
        return known(records.get(act.connection, actor.tenancy, compartment))

    return _perform(store, actor, "UpdateCompartment", compartment, change, if_match)


def delete(store: Store, actor: Actor, compartment: str, *, if_match: str | None = None) -> Compartment:
    """Delete an empty compartment. Errors: Refused (WRONG_STATE while anything lies in it)."""

    def change(act: Act) -> Compartment:
        found = _active(act.connection, actor, compartment)
        _require_no_root(found)
        if records.holds_anything(act.connection, compartment):
            raise Refused(
                f"The compartment {found.name!r} is not empty.",
                advice="Delete or move what lies in it first: compartments, repositories, vaults, policies.",
                reason=Reason.WRONG_STATE,
            )
        rows.change(act.connection, table, compartment, act.now, lifecycle_state=State.DELETED, time_deleted=act.now)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))
        gone = known(records.get(act.connection, actor.tenancy, compartment))
        work_requests.begin(store, act, Work.DELETE_COMPARTMENT, gone)
        return gone

    return _perform(store, actor, "DeleteCompartment", compartment, change, if_match)


def recover(store: Store, actor: Actor, compartment: str, *, if_match: str | None = None) -> Compartment:
    """Bring a deleted compartment back. Errors: Refused (EXISTS when its name was taken since, WRONG_STATE)."""

    def change(act: Act) -> Compartment:
        found = known(records.get(act.connection, actor.tenancy, compartment, lock=True))
        if found.lifecycle_state is State.ACTIVE:
            raise Refused(f"The compartment {found.name!r} is not deleted.", reason=Reason.WRONG_STATE)
        _active(act.connection, actor, found.compartment)
        _require_free(act.connection, found, found.name)
        rows.change(act.connection, table, compartment, act.now, lifecycle_state=State.ACTIVE, time_deleted=None)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))
        return known(records.get(act.connection, actor.tenancy, compartment))

    return _perform(store, actor, "RecoverCompartment", compartment, change, if_match)


def move(
    store: Store,
    actor: Actor,
    compartment: str,
    parent: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Compartment:
    """Put a compartment, with all that lies in it, into another parent: other policies reach it then.

    Needs the permission in the compartment and in the new parent. Errors: Refused (EXISTS, WRONG_STATE, …).
    """

    def change(act: Act) -> Compartment:
        found = _active(act.connection, actor, compartment)
        _require_no_root(found)
        authorize(act.connection, actor, "MoveCompartment", Target(parent), now=act.now)
        above = _active(act.connection, actor, parent)
        if found.ocid in above.path:
            raise Refused("A compartment cannot lie in itself.", advice="Choose a parent outside of it.")
        inside = records.subtree(act.connection, found)
        _require_depth(len(above.path) + max(len(each.path) for each in inside) - len(found.path) + 1)
        if records.child(act.connection, parent, found.name) not in (None, found):
            raise exists("compartment", found.name)
        records.move(act.connection, found, above, act.now)
        act.announce(PolicyChanged(tenancy=actor.tenancy, policy=""))
        act.announce(CompartmentMoved(tenancy=actor.tenancy, compartment=compartment))
        moved = known(records.get(act.connection, actor.tenancy, compartment))
        work_requests.begin(store, act, Work.MOVE_COMPARTMENT, moved)
        return moved

    def locate(connection: Connection) -> Target:
        return of_compartment(known(records.get(connection, actor.tenancy, compartment, lock=True)))

    return perform(
        store,
        actor,
        "MoveCompartment",
        locate=locate,
        change=change,
        if_match=if_match,
        replay=Compartment,
        request=(compartment, parent),
        retry_token=retry_token,
    )


def _perform(
    store: Store,
    actor: Actor,
    operation: str,
    compartment: str,
    change: Callable[[Act], Compartment],
    if_match: str | None,
) -> Compartment:
    def locate(connection: Connection) -> Target:
        return of_compartment(known(records.get(connection, actor.tenancy, compartment, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)


def _as_seen(
    store: Store, connection: Connection, actor: Actor, found: Iterable[Compartment]
) -> tuple[Compartment, ...]:
    return as_seen(store, connection, actor, "ReadCompartmentDetails", found, of_compartment, description="")


def _active(connection: Connection, actor: Actor, ocid: str) -> Compartment:
    found = known(records.get(connection, actor.tenancy, ocid, lock=True))
    if found.lifecycle_state is not State.ACTIVE:
        raise deleted("compartment")
    return found


def _require_depth(levels: int) -> None:
    if levels > DEPTH_MAX + 1:
        raise Refused(
            f"Compartments would lie deeper than {DEPTH_MAX} levels.",
            advice="Choose a parent further up.",
            reason=Reason.LIMIT_EXCEEDED,
        )


def _require_free(connection: Connection, found: Compartment, name: str) -> None:
    # The parent's row is held, so that no other transaction takes the name between this look and the change.
    records.get(connection, found.tenancy, found.compartment, lock=True)
    rival = records.child(connection, found.compartment, name)
    if rival is not None and rival.ocid != found.ocid:
        raise exists("compartment", name)


def _require_no_root(found: Compartment) -> None:
    if found.is_root:
        raise Refused("The tenancy itself can be neither renamed, moved nor deleted.", reason=Reason.WRONG_STATE)
