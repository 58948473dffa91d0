"""The page of one's own account: API keys, auth tokens, password, and how the console looks."""

from dataclasses import dataclass

from assay.console import credentials
from assay.console.replies import Cookie, Elsewhere, Page, Reply
from assay.console.sign_in import PASSWORD_RULE
from assay.console.visit import THEME_COOKIE, THEMES, Visit
from assay.errors import Reason, Refused
from assay.iam.credentials import auth_tokens, passwords
from assay.iam.identity import groups, tenancies
from assay.secret import Secret

THEME_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in. `login` is the user name of registry clients."""

    ocid: str
    tenancy: str
    login: str
    groups: tuple[str, ...]


def show(visit: Visit) -> Reply:
    """The page."""
    visit.only()
    return _page(visit, "")


def change(visit: Visit) -> Reply:
    """Change API keys or tokens, change the password, or choose a theme."""
    act = visit.sent("do")
    me = visit.actor.principal.ocid
    done = credentials.change_keys(visit, me)
    if done is not None:
        return done
    if act == "create-token":
        lifetime = visit.app.settings.credential_lifetime
        made = auth_tokens.create(visit.store, visit.actor, me, visit.sent("description").strip(), lifetime=lifetime)
        return _page(visit, made.token.reveal() if made.token else "")
    if act == "theme":
        theme = visit.sent("theme")
        if theme not in THEMES:
            raise Refused("There is no such theme.", advice="Choose one of the list.")
        return Elsewhere("/me", (Cookie(THEME_COOKIE, theme, THEME_SECONDS),))
    if act == "password":
        passwords.change(
            visit.store,
            Secret(visit.session),
            Secret(visit.sent("old")),
            Secret(visit.sent("new")),
            address=visit.actor.address,
            request_id=visit.actor.request_id,
        )
        return visit.back("/me", "password-changed")
    raise Refused("The form names no act.", advice="Load the page again.")


def _page(visit: Visit, secret: str) -> Page:
    me = visit.actor.principal.ocid
    namespace = tenancies.namespace(visit.store, visit.actor)
    return Page(
        "me.html",
        {
            "account": Account(me, namespace, f"{namespace}/{visit.name}", _groups(visit)),
            "credentials": credentials.of_user(visit, me, "/me"),
            "secret": secret,
            "rule": PASSWORD_RULE,
            "registry": visit.app.settings.registry_host,
        },
    )


def _groups(visit: Visit) -> tuple[str, ...]:
    try:
        theirs = groups.memberships(visit.store, visit.actor, user=visit.actor.principal.ocid).items
        return tuple(groups.get(visit.store, visit.actor, each.group).name for each in theirs)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
