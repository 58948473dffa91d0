"""API keys and auth tokens as pages show them, and the page of one user."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.credentials import api_keys, auth_tokens, passwords
from assay.iam.credentials.api_keys import ApiKey
from assay.iam.credentials.auth_tokens import AuthToken
from assay.iam.identity import users

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user has; None where the reader may not see it. `action` is where the forms go."""

    action: str
    keys: tuple[ApiKey, ...] | None
    tokens: tuple[AuthToken, ...] | None


def of_user(visit: Visit, user: str, action: str) -> Credentials:
    """The credentials of a user, as far as the reader may see them."""
    return Credentials(
        action,
        _seen(lambda: api_keys.listed(visit.store, visit.actor, user)),
        _seen(lambda: auth_tokens.listed(visit.store, visit.actor, user)),
    )


def change_keys(visit: Visit, user: str) -> Elsewhere | None:
    """Upload or delete what the form says, and go back to its page; None when the form is about something else."""
    act = visit.sent("do")
    if act == "upload-key":
        lifetime = visit.app.settings.credential_lifetime
        api_keys.upload(visit.store, visit.actor, user, visit.sent("key"), lifetime=lifetime)
        return visit.back(done="api-key-uploaded")
    if act == "delete-key":
        api_keys.delete(visit.store, visit.actor, user, visit.sent("fingerprint"))
        return visit.back(done="api-key-deleted")
    if act == "delete-token":
        auth_tokens.delete(visit.store, visit.actor, user, visit.sent("token"))
        return visit.back(done="token-deleted")
    return None


def show_user(visit: Visit) -> Reply:
    """One user with their credentials."""
    visit.only()
    return _page(visit, "")


def change_user(visit: Visit) -> Reply:
    """Change a user's credentials, let them in or not, or give them a one-time password, which this answer shows."""
    user = visit.names["user"]
    done = change_keys(visit, user)
    if done is not None:
        return done
    act = visit.sent("do")
    if act == "reset-password":
        return _page(visit, passwords.reset(visit.store, visit.actor, user).password.reveal())
    if act in ("block", "unblock"):
        users.set_blocked(visit.store, visit.actor, user, blocked=act == "block")
        return visit.back(done=f"user-{act}ed")
    raise Refused("The form names no act.", advice="Load the page again.")


def _page(visit: Visit, secret: str) -> Page:
    user = users.get(visit.store, visit.actor, visit.names["user"])
    return Page(
        "user.html",
        {
            "user": user,
            "credentials": of_user(visit, user.ocid, f"/iam/users/{user.ocid}"),
            "secret": secret,
            "made": user.time_created,
            "crumbs": (("/iam/users", "Users"),),
        },
    )


def _seen(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return None
