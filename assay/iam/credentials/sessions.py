"""Sessions of people: sign in by name and password, be known by a random token, sign out.

Only the token's digest is stored. A session ends at its absolute end, when it is idle too long, when its user is
blocked or changes the password, and by signing out. The form tokens against request forgery follow from the session's
token (see the console), so nothing more is kept for them.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import HOUR, MINUTE, Instant
from assay.errors import Reason, Refused
from assay.iam import audit, hashing
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target
from assay.iam.credentials import lockout
from assay.iam.identity import tenancies
from assay.iam.identity.targets import known, of_user
from assay.iam.identity.users import principal_of
from assay.iam.records import compartments, identities
from assay.iam.records import credentials as records
from assay.iam.resources import State, User
from assay.secret import Secret
from assay.storage import Store

LIFETIME = 12 * HOUR
IDLE = HOUR
#: A session's use is written down at most this often.
TOUCHED_EVERY = MINUTE
SESSION_PREFIX = "assay_session_"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. With `must_change_password` they may do nothing else first."""

    tenancy: str
    user: str
    user_name: str
    must_change_password: bool
    time_created: Instant
    time_expires: Instant

    def actor(self, address: str = "", request_id: str = "") -> Actor:
        """The person as who acts. Errors: Refused (PASSWORD_CHANGE_NEEDED)."""
        if self.must_change_password:
            raise Refused(
                "The password must be changed first.",
                advice="Choose a password of your own, then go on.",
                reason=Reason.PASSWORD_CHANGE_NEEDED,
            )
        return self.restricted_actor(address, request_id)

    def restricted_actor(self, address: str = "", request_id: str = "") -> Actor:
        """The person as who signs out or changes the password, even while nothing else is let."""
        principal = Principal(PrincipalKind.USER, self.user_name, self.user)
        return Actor(principal, self.tenancy, address, request_id)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session with its token, which is shown to nobody but the person's own client."""

    token: Secret
    session: Session


def sign_in(
    store: Store, name: str, password: Secret, *, address: str = "", request_id: str = "", lifetime: int = LIFETIME
) -> SignedIn:
    """A session for a user by `name` (where there are several tenancies, `NAMESPACE/NAME`) and password.

    `lifetime` in microseconds. Errors: Refused (NOT_AUTHENTICATED, the same for an unknown name, a wrong password and a
    blocked user, with the tries left; TOO_MANY_REQUESTS during a pause).
    """
    now = store.clock.now()
    with store.database.read() as connection:
        user = _user_named(connection, name)
        attempt = lockout.Attempt("password", user.ocid if user else name, address)
        lockout.require_unlocked(connection, attempt, now)
        stored = records.password_of(connection, user.ocid) if user else None
    # Hashing takes long by design: no transaction is open meanwhile.
    is_right = hashing.fits(password, stored.hash if stored else None)
    if user is None or stored is None or not is_right or user.lifecycle_state is not State.ACTIVE:
        raise _failed(store, attempt, user, request_id)
    token = hashing.new_token(SESSION_PREFIX)
    session = Session(user.tenancy, user.ocid, user.name, stored.must_change, now, Instant(now + lifetime))
    actor = session.restricted_actor(address, request_id)

    def locate(connection: Connection) -> Target:
        return of_user(known(identities.get_user(connection, actor.tenancy, user.ocid, lock=True)))

    def change(act: Act) -> SignedIn:
        records.insert_session(
            act.connection,
            hashing.digest_of(token),
            session.tenancy,
            session.user,
            address,
            time_created=act.now,
            time_expires=session.time_expires,
            time_idle_out=act.now + IDLE,
        )
        records.note_sign_in(act.connection, session.user, act.now)
        lockout.forget(act.connection, attempt)
        return SignedIn(token, session)

    return perform(store, actor, "SignIn", locate=locate, change=change)


def resume(store: Store, token: Secret) -> Session:
    """The session of a token; its use keeps it from ending for want of use. Errors: Refused (NOT_AUTHENTICATED)."""
    now = store.clock.now()
    digest = hashing.digest_of(token)
    with store.database.read() as connection:
        found = records.session_of(connection, digest)
    if found is None or now >= found.time_expires or now >= found.time_idle_out:
        raise Refused("You are not signed in, or no longer.", advice="Sign in.", reason=Reason.NOT_AUTHENTICATED)
    if now + IDLE - found.time_idle_out >= TOUCHED_EVERY:
        with store.database.write() as connection:
            records.touch_session(connection, digest, Instant(now + IDLE))
    return Session(
        found.tenancy,
        found.user,
        found.user_name,
        found.must_change_password,
        found.time_created,
        found.time_expires,
    )


def sign_out(store: Store, token: Secret, *, address: str = "", request_id: str = "") -> None:
    """End the session of a token. Errors: Refused (NOT_AUTHENTICATED)."""
    session = resume(store, token)
    actor = session.restricted_actor(address, request_id)

    def locate(connection: Connection) -> Target:
        return of_user(known(identities.get_user(connection, session.tenancy, session.user)))

    def change(act: Act) -> None:
        records.delete_session(act.connection, hashing.digest_of(token))

    perform(store, actor, "SignOut", locate=locate, change=change)


def _user_named(connection: Connection, name: str) -> User | None:
    namespace, slash, plain = name.rpartition("/")
    if slash:
        tenancy = tenancies.with_namespace(connection, namespace)
        return identities.user_named(connection, tenancy.ocid, plain) if tenancy else None
    found = compartments.tenancies(connection)
    return identities.user_named(connection, found[0].ocid, plain) if len(found) == 1 else None


def _failed(store: Store, attempt: lockout.Attempt, user: User | None, request_id: str) -> Refused:
    """Count the failure, and audit it where the name is somebody's; the refusal tells neither apart."""
    now = store.clock.now()
    with store.database.write() as connection:
        advice = lockout.count(connection, attempt, now)
        if user is not None:
            actor = Actor(principal_of(user), user.tenancy, attempt.address, request_id)
            audit.record(
                connection,
                actor,
                "SignIn",
                now,
                compartment=user.compartment,
                resource=user.ocid,
                denied_because="The password was wrong, or the user is blocked.",
            )
    return Refused("Name or password is wrong.", advice=advice, reason=Reason.NOT_AUTHENTICATED)
