"""Signing in and out, and the change of a password that was given."""

from urllib.parse import urlsplit

from assay.console import sessions
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.credentials import passwords
from assay.iam.credentials import sessions as verbs
from assay.secret import Secret

PASSWORD_RULE = "At least 12 characters; a few random words do well."  # noqa: S105 - a rule, not a password


def show(visit: Visit) -> Reply:
    """The form, or the console for those who are signed in already."""
    if visit.name and not visit.fault:
        return Elsewhere(local(visit.asked("next")))
    return Page(
        "sign_in.html",
        {
            "next": local(visit.sent("next", visit.asked("next"))),
            "user": visit.sent("user"),
            "wrong": f"{visit.fault.message} {visit.fault.advice}".strip() if visit.fault else "",
        },
    )


def act(visit: Visit) -> Reply:
    """Sign in."""
    made = verbs.sign_in(
        visit.store,
        visit.sent("user").strip(),
        Secret(visit.sent("password")),
        address=visit.actor.address,
        request_id=visit.actor.request_id,
        lifetime=visit.app.settings.session_lifetime,
    )
    cookie = sessions.kept(made.token, secure=visit.secure)
    if made.session.must_change_password:
        return Elsewhere("/sign-in/password", (cookie,))
    return Elsewhere(local(visit.sent("next")), (cookie,))


def sign_out(visit: Visit) -> Reply:
    """End the session."""
    cookies = (sessions.dropped(secure=visit.secure),)
    try:
        verbs.sign_out(
            visit.store, Secret(visit.session), address=visit.actor.address, request_id=visit.actor.request_id
        )
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_AUTHENTICATED:
            raise
    return Elsewhere("/sign-in", cookies)


def show_password(visit: Visit) -> Reply:
    """The form that those who must change their password cannot go around."""
    if not visit.name:
        return Elsewhere("/sign-in")
    fault = visit.fault
    message = f"{fault.message} {fault.advice}".strip() if fault else ""
    place = "new"
    if fault and fault.reason in (Reason.NOT_AUTHENTICATED, Reason.TOO_MANY_REQUESTS):
        place = "old"
    elif visit.sent("new") != visit.sent("again"):
        place = "again"
    wrong = {name: message if name == place else "" for name in ("old", "new", "again")}
    return Page("password.html", {"user": visit.name, "wrong": wrong, "rule": PASSWORD_RULE})


def change_password(visit: Visit) -> Reply:
    """Change the password; the session goes on."""
    if not visit.name:
        return Elsewhere("/sign-in")
    if visit.sent("new") != visit.sent("again"):
        raise Refused("The two are not the same.", advice="Write the new password twice.")
    passwords.change(
        visit.store,
        Secret(visit.session),
        Secret(visit.sent("old")),
        Secret(visit.sent("new")),
        address=visit.actor.address,
        request_id=visit.actor.request_id,
    )
    return Elsewhere("/?done=password-changed")


def local(address: str) -> str:
    """`address` if it is one of this console, else the overview: nobody is sent elsewhere after signing in."""
    parts = urlsplit(address)
    is_local = (
        address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    )
    return address if is_local and address.isprintable() else "/"
