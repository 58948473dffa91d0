"""Verbs on passwords: an administrator resets one, a person changes their own."""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam import hashing
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target
from assay.iam.credentials import lockout, sessions
from assay.iam.identity.targets import known, of_user
from assay.iam.records import credentials as records
from assay.iam.records import identities
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
        return of_user(
            known(identities.get_user(connection, actor.tenancy, user, lock=True), "CreateOrResetUIPassword")
        )

    def change(act: Act) -> OneTimePassword:
        records.set_password(act.connection, user, password_hash, act.now, must_change=True)
        records.delete_sessions(act.connection, user)
        return OneTimePassword(user, password)

    return perform(store, actor, "CreateOrResetUIPassword", locate=locate, change=change, if_match=if_match)


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
        return of_user(
            known(identities.get_user(connection, session.tenancy, session.user, lock=True), "ChangePassword")
        )

    def written(act: Act) -> None:
        records.set_password(act.connection, session.user, password_hash, act.now, must_change=False)
        records.delete_sessions(act.connection, session.user, but=hashing.digest_of(session_token))
        lockout.forget(act.connection, attempt)

    actor = session.restricted_actor(address, request_id)
    perform(store, actor, "ChangePassword", locate=locate, change=written)
