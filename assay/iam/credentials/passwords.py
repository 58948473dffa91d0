"""Verbs on passwords: an administrator resets one, a person changes their own."""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam import hashing
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target
from assay.iam.credentials import lockout, sessions
from assay.iam.identity import groups, tenancies, users
from assay.iam.identity.targets import known, of_user
from assay.iam.records import credentials as records
from assay.iam.records import identities
from assay.iam.resources import State, Tenancy, User
from assay.secret import Secret
from assay.storage import Store


@dataclass(frozen=True, slots=True)
class OneTimePassword:
    """A password that lets its user in once, to choose another. It is shown here and never again."""

    user: str
    password: Secret


def reset(store: Store, actor: Actor, user: str, *, if_match: str | None = None) -> OneTimePassword:
    """Give a user a one-time password and end their sessions. Errors: Refused (NOT_FOUND)."""
    password = Secret.random()
    password_hash = hashing.hash_of(password)

    def locate(connection: Connection) -> Target:
        return of_user(known(identities.get_user(connection, actor.tenancy, user, lock=True)))

    def change(act: Act) -> OneTimePassword:
        records.set_password(act.connection, user, password_hash, act.now, must_change=True)
        records.delete_sessions(act.connection, user)
        return OneTimePassword(user, password)

    return perform(store, actor, "CreateOrResetUIPassword", locate=locate, change=change, if_match=if_match)


def reset_administrator(store: Store, *, namespace: str = "", user: str = "") -> tuple[User, OneTimePassword]:
    """Let an administrator in whose password is lost; for the operator of the installation alone, never behind a door.

    `namespace` names the tenancy when there are several; `user` the administrator, when several are active.
    Errors: Refused, naming the administrators that there are.
    """
    with store.database.read() as connection:
        tenancy = tenancies.with_namespace(connection, namespace) if namespace else None
        tenancy = tenancy or tenancies.of_installation(connection)
    operator = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), tenancy.ocid)
    active = _active_administrators(store, operator, tenancy)
    found = [each for each in active if user in ("", each.name)]
    if len(found) != 1:
        raise Refused(
            f"{user!r} is no active administrator." if user else f"There are {len(active)} active administrators.",
            advice=f"Name one of: {', '.join(each.name for each in active)}.",
        )
    return found[0], reset(store, operator, found[0].ocid)


def _active_administrators(store: Store, operator: Actor, tenancy: Tenancy) -> list[User]:
    members = groups.memberships(store, operator, group=tenancy.administrators).items
    found = [users.get(store, operator, each.user) for each in members]
    return [each for each in found if each.lifecycle_state is State.ACTIVE]


def change(
    store: Store, session_token: Secret, current: Secret, new: Secret, *, address: str = "", request_id: str = ""
) -> None:
    """Change one's own password, and end one's other sessions. `session_token` is that of the session it is done in.

    Errors: Refused (NOT_AUTHENTICATED for a wrong `current`, counted as a failed sign-in; a `new` that is too weak).
    """
    session = sessions.resume(store, session_token)
    attempt = lockout.Attempt("password", session.user, address)
    with store.database.read() as connection:
        lockout.require_unlocked(connection, attempt, store.clock.now())
        stored = records.password_of(connection, session.user)
    if not hashing.fits(current, stored.hash):
        with store.database.write() as connection:
            advice = lockout.count(connection, attempt, store.clock.now())
        raise Refused("The present password is wrong.", advice=advice, reason=Reason.NOT_AUTHENTICATED)
    hashing.require_good(new, session.user_name)
    if new == current:
        raise Refused("The new password is the old one.", advice="Choose another.")
    password_hash = hashing.hash_of(new)

    def locate(connection: Connection) -> Target:
        return of_user(known(identities.get_user(connection, session.tenancy, session.user, lock=True)))

    def written(act: Act) -> None:
        records.set_password(act.connection, session.user, password_hash, act.now, must_change=False)
        records.delete_sessions(act.connection, session.user, but=hashing.digest_of(session_token))
        lockout.forget(act.connection, attempt)

    actor = session.restricted_actor(address, request_id)
    perform(store, actor, "ChangePassword", locate=locate, change=written)
