"""Verbs on users. A user made here cannot sign in until somebody gives them a password or a token."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NoReturn, TypeVar

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.identity.seen import as_seen
from assay.iam.identity.targets import known, of_user
from assay.iam.records import compartments, credentials, rows
from assay.iam.records import identities as records
from assay.iam.resources import (
    EMAIL_LENGTH_MAX,
    Listing,
    State,
    Tags,
    User,
    exists,
    require_description,
    require_name,
)
from assay.storage import Store
from assay.storage.pages import Page

#: OCI's bit for "blocked" in inactiveStatus (the SDK's model of User: bit 2).
BLOCKED = 4

T = TypeVar("T")


def create(
    store: Store,
    actor: Actor,
    name: str,
    description: str = "",
    *,
    email: str = "",
    tags: Tags | None = None,
    retry_token: str | None = None,
) -> User:
    """A new user, in no group and without a way to sign in. Errors: Refused (EXISTS, …)."""
    require_name(name, "user")
    require_description(description)
    _require_email(email)

    def change(act: Act) -> User:
        ocid = store.site.new_ocid("user", regional=False).text
        written = records.insert_user(
            act.connection,
            ocid,
            actor.tenancy,
            name,
            tags or Tags(),
            act.now,
            description=description,
            email=email,
        )
        if not written:
            raise exists("user", name)
        return known(records.get_user(act.connection, actor.tenancy, ocid))

    return perform(
        store,
        actor,
        "CreateUser",
        locate=lambda _connection: Target(actor.tenancy, variables={"target.user.name": name}),
        change=change,
        replay=User,
        request=(name, description, email, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, user: str) -> User:
    """A user by OCID, as far as the actor may read. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get_user(connection, actor.tenancy, user))
        now = store.clock.now()
        authorize(connection, actor, "GetUser", of_user(found), now=now)
        return _as_seen(store, connection, actor, (found,))[0]


def listed(store: Store, actor: Actor, listing: Listing | None = None) -> Page[User]:
    """A page of the tenancy's users, each as far as the actor may read: who may only inspect gets names and states.

    Errors: Refused (NOT_FOUND when not permitted).
    """
    now = store.clock.now()
    with store.database.read() as connection:
        authorize(connection, actor, "ListUsers", Target(actor.tenancy), now=now)
        found = records.listed_users(store, connection, actor.tenancy, listing or Listing())
        return replace(found, items=_as_seen(store, connection, actor, found.items))


def update(
    store: Store,
    actor: Actor,
    user: str,
    *,
    description: str | None = None,
    email: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
) -> User:
    """Change what is given; a name never changes. Errors: Refused."""
    require_description(description or "")
    _require_email(email or "")
    given = {"description": description, "email": email}

    def change(act: Act) -> User:
        values = {name: value for name, value in given.items() if value is not None} | rows.tag_values(tags)
        records.change_user(act.connection, user, act.now, **values)
        return known(records.get_user(act.connection, actor.tenancy, user))

    return _perform(store, actor, "UpdateUser", user, change, if_match)


def set_blocked(store: Store, actor: Actor, user: str, *, blocked: bool | None, if_match: str | None = None) -> User:
    """Block a user, who is signed out at once and may nothing more; or let them in again; None leaves it.

    Errors: Refused (WRONG_STATE for the last active administrator).
    """

    def change(act: Act) -> User:
        if blocked:
            require_another_administrator(act.connection, actor.tenancy, user)
            credentials.delete_sessions(act.connection, user)
        if blocked is not None:
            state = State.INACTIVE if blocked else State.ACTIVE
            values = {"lifecycle_state": state, "inactive_status": BLOCKED if blocked else None}
            records.change_user(act.connection, user, act.now, **values)
        return known(records.get_user(act.connection, actor.tenancy, user))

    return _perform(store, actor, "UpdateUserState", user, change, if_match)


def delete(store: Store, actor: Actor, user: str, *, if_match: str | None = None) -> None:
    """Delete a user with their memberships, sessions and credentials.

    Errors: Refused (WRONG_STATE for the last active administrator).
    """

    def change(act: Act) -> None:
        require_another_administrator(act.connection, actor.tenancy, user)
        records.delete_memberships(act.connection, user_ocid=user)
        credentials.delete_all_of(act.connection, user)
        values = {"lifecycle_state": State.DELETED, "time_deleted": act.now, "password_hash": None}
        records.change_user(act.connection, user, act.now, **values)

    _perform(store, actor, "DeleteUser", user, change, if_match)


def refuse_capabilities(store: Store, actor: Actor, user: str) -> NoReturn:
    """What users may hold is not switched one by one here. Errors: Refused, as if denied where it would be."""
    with store.database.read() as connection:
        found = known(records.get_user(connection, actor.tenancy, user))
        authorize(connection, actor, "UpdateUserCapabilities", of_user(found), now=store.clock.now())
    raise Refused(
        "UpdateUserCapabilities is not here: every user may hold a password, API keys and auth tokens.",
        advice="Say with a policy who may make which credentials; block a user to let them in no more.",
        reason=Reason.UNSUPPORTED,
    )


def principal_of(user: User) -> Principal:
    """The user as who acts."""
    return Principal(PrincipalKind.USER, user.name, user.ocid)


def require_another_administrator(connection: Connection, tenancy: str, user: str) -> None:
    """Refused (WRONG_STATE) if `user` is the only active member of the tenancy's administrators."""
    found = compartments.tenancy_of(connection, tenancy)
    group = found.administrators if found else ""
    locked = records.get_group(connection, tenancy, group, lock=True)
    if locked is None or records.membership_of(connection, user, group) is None:
        return
    member = records.get_user(connection, tenancy, user)
    others = records.active_members(connection, group) - (member is not None and member.lifecycle_state is State.ACTIVE)
    if others < 1:
        raise Refused(
            "This is the tenancy's last active administrator.",
            advice=f"Put another active user into the group {locked.name} first.",
            reason=Reason.WRONG_STATE,
        )


def _perform(
    store: Store, actor: Actor, operation: str, user: str, change: Callable[[Act], T], if_match: str | None
) -> T:
    def locate(connection: Connection) -> Target:
        return of_user(known(records.get_user(connection, actor.tenancy, user, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)


def _as_seen(store: Store, connection: Connection, actor: Actor, found: Iterable[User]) -> tuple[User, ...]:
    unread = {"description": "", "email": "", "time_last_sign_in": None}
    return as_seen(store, connection, actor, "ReadUserDetails", found, of_user, **unread)


def _require_email(email: str) -> None:
    local, at, host = email.partition("@")
    if email and (len(email) > EMAIL_LENGTH_MAX or not (at and local and host) or set(email) & set(" \t\r\n<>")):
        raise Refused(f"{email[:80]!r} is not an e-mail address.", advice="Write one address, such as a@example.org.")
