"""Signing in and out: the session of a person, kept in the profile."""

import sys
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from assay.cli import show
from assay.cli.connection import Connection, Profile, save_profile
from assay.cli.options import Out
from assay.cli.session import profile_file, signed_in
from assay.cli.show import Output
from assay.errors import Refused, Unavailable
from assay.secret import Secret

_CURRENT = "/20260901/sessions/current"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ACCOUNT: show.Columns = {"Server": "server", "User": "userName", "Registry": "registry", "Namespace": "namespace"}

_FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password as a line of standard input.")]
_NewFromInput = Annotated[
    bool, typer.Option("--new-password-stdin", help="Read the new password as a line of standard input (the next one).")
]


def login(
    url: Annotated[str, typer.Argument(help="The server, such as http://127.0.0.1:5080.")],
    user: Annotated[str, typer.Option("--user", "-u", help="Who signs in.")] = "admin",
    password_stdin: _FromInput = False,
    new_password_stdin: _NewFromInput = False,
    output: Out = Output.TABLE,
) -> None:
    """Sign in, and keep the session for the commands that follow. A one-time password is changed at once."""
    server = server_address(url)
    if server.startswith("http://") and urlsplit(server).hostname not in _LOOPBACK:
        show.note(f"assay: the password goes to {server} in clear; use https where others can listen.")
    password = _password(f"Password of {user}: ", from_input=password_stdin)
    begun = Connection(server).post("/20260901/sessions", {"user": user, "password": password.reveal()}).body
    token = Secret(begun["token"])
    connection = Connection(server, token)
    if begun["mustChangePassword"]:
        _change(connection, password, from_input=new_password_stdin)
    elif new_password_stdin:
        show.note("assay: the password was not changed: it is no one-time password (see: assay password).")
    who = connection.get(_CURRENT).body
    profile = Profile(
        server=server,
        user=who["userName"],
        token=token.reveal(),
        tenancy=who["tenancyId"],
        namespace=who["namespace"],
        registry=who["registry"],
    )
    save_profile(profile, profile_file())
    until = str(begun["timeExpires"])[:16].replace("T", " ")
    show.said(output, f"Signed in at {server} as {profile.user}, until {until}Z.", _account(profile, who))


def logout(output: Out = Output.TABLE) -> None:
    """End the session, and forget it."""
    session = signed_in()
    try:
        session.server.delete(_CURRENT)
    except (Refused, Unavailable) as fault:
        show.note(f"assay: the server did not end the session: {fault}")
    profile_file().unlink(missing_ok=True)
    show.said(output, f"Signed out of {session.profile.server}.", {"server": session.profile.server})


def whoami(output: Out = Output.TABLE) -> None:
    """Who is signed in, where, and how images are named there."""
    session = signed_in()
    show.thing(output, _ACCOUNT, _account(session.profile, session.server.get(_CURRENT).body))


def password(
    password_stdin: _FromInput = False, new_password_stdin: _NewFromInput = False, output: Out = Output.TABLE
) -> None:
    """Change one's own password; every other session ends."""
    session = signed_in()
    present = _password("Present password: ", from_input=password_stdin)
    _change(session.server, present, from_input=new_password_stdin)
    show.said(output, "The password is changed; other sessions have ended.", {"userName": session.profile.user})


def server_address(text: str) -> str:
    """`text` as scheme, host and port; without a scheme https, on this machine http. Errors: Refused."""
    if "://" not in text:
        host = urlsplit(f"//{text}").hostname
        text = f"http://{text}" if host in _LOOPBACK else f"https://{text}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Refused(f"{text[:200]!r} is not the address of a server.", advice="Write https://HOST[:PORT].")
    if parts.username or parts.password:
        raise Refused("The address holds a password.", advice="Give --user, and the password when it is asked for.")
    return f"{parts.scheme}://{parts.netloc}"


def _account(profile: Profile, who: dict[str, Any]) -> dict[str, Any]:
    return {"server": profile.server, **who}


def _change(connection: Connection, present: Secret, *, from_input: bool) -> None:
    if not from_input:
        show.note("The password must be changed. Use 12 characters or more; a few random words do well.")
    new = _password("New password: ", from_input=from_input, option="--new-password-stdin")
    if not from_input and _password("New password again: ", from_input=False) != new:
        raise Refused("The two new passwords differ.", advice="Nothing was changed; try again.")
    body = {"currentPassword": present.reveal(), "newPassword": new.reveal()}
    connection.post(f"{_CURRENT}/actions/changePassword", body)


def _password(prompt: str, *, from_input: bool, option: str = "--password-stdin") -> Secret:
    """A line of standard input, or what is typed without an echo. Errors: usage, when there is nobody to ask."""
    if from_input:
        text = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        from getpass import getpass

        text = getpass(prompt)
    else:
        raise typer.BadParameter(f"there is no terminal to ask for the password; use {option}")
    if not text:
        raise typer.BadParameter("the password is empty")
    return Secret(text)
