"""Who visits: the session cookie, and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from assay.app import App
from assay.console.replies import Cookie
from assay.errors import Reason, Refused
from assay.iam import ANONYMOUS, Actor
from assay.iam.credentials import sessions
from assay.secret import Secret

#: The prefix makes browsers refuse the cookie from other hosts and paths (RFC 6265bis, 4.1.3); it needs https.
COOKIE = "assay-session"
SECURE_COOKIE = f"__Host-{COOKIE}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in. `secret` is the session's token."""

    actor: Actor
    name: str
    secret: str
    must_change_password: bool


def cookie_name(*, secure: bool) -> str:
    """The name of the session cookie."""
    return SECURE_COOKIE if secure else COOKIE


def resume(app: App, cookies: Mapping[str, str], address: str, request_id: str, *, secure: bool) -> Person | None:
    """The person whose session the cookie names, or None. Errors: Unavailable."""
    secret = cookies.get(cookie_name(secure=secure), "")
    if not secret:
        return None
    try:
        session = sessions.resume(app.store, Secret(secret))
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_AUTHENTICATED:
            raise
        return None
    actor = session.restricted_actor(address, request_id)
    return Person(actor, session.user_name, secret, session.must_change_password)


def stranger(address: str, request_id: str) -> Actor:
    """Who acts on the pages that need no session: nobody, in no tenancy."""
    return Actor(ANONYMOUS, "", address, request_id)


def kept(token: Secret, *, secure: bool) -> Cookie:
    """The cookie of a new session; it lasts as long as the browser, and no longer than the session."""
    return Cookie(cookie_name(secure=secure), token.reveal())


def dropped(*, secure: bool) -> Cookie:
    """The cookie that takes a session's cookie away."""
    return Cookie(cookie_name(secure=secure), "")
