"""Users, groups, and auth tokens for registry clients."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Description, Out, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

users = group("Users.")
groups = group("Groups of users, as policies name them.")
tokens = group("Auth tokens: the passwords of docker login and its like.")

USERS = "/20160918/users"
GROUPS = "/20160918/groups"
MEMBERSHIPS = "/20160918/userGroupMemberships"
DAY_SECONDS = 86_400

UserText = Annotated[str, typer.Argument(metavar="USER", help="A user's name or OCID.")]
GroupText = Annotated[str, typer.Argument(metavar="GROUP", help="A group's name or OCID.")]
OfUser = Annotated[str, typer.Option("--user", "-u", help="Whose (name or OCID); one's own if left out.")]

_USERS: show.Columns = {
    "User": "name",
    "Description": "description",
    "State": "lifecycleState",
    "Last sign-in": show.when("lastSuccessfulLoginTime"),
    "OCID": "id",
}
_GROUPS: show.Columns = {
    "Group": "name",
    "Description": "description",
    "Created": show.when("timeCreated"),
    "OCID": "id",
}
_TOKENS: show.Columns = {
    "Description": "description",
    "Created": show.when("timeCreated"),
    "Expires": show.when("timeExpires"),
    "OCID": "id",
}


def _user(session: Session, text: str) -> dict[str, Any]:
    return names.named(session, USERS, "user", text)


def _group(session: Session, text: str) -> dict[str, Any]:
    return names.named(session, GROUPS, "group", text)


@users.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="What to call them.")],
    description: Description = "",
    email: Annotated[str, typer.Option(help="Their address.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a user, with a one-time password that is shown once."""
    session = signed_in()
    body = {"compartmentId": session.profile.tenancy, "name": name, "description": description, "email": email}
    made = session.server.post(USERS, body).body
    password = session.server.post(f"{USERS}/{made['id']}/uiPassword").body["password"]
    show.note("The one-time password is shown only now, and must be changed at the first sign-in.")
    show.said(output, f"Created {name}. One-time password: {password}", {**made, "password": password})


@users.command("list")
def list_users(output: Out = Output.TABLE) -> None:
    """List users."""
    session = signed_in()
    found = session.server.everything(USERS, compartmentId=session.profile.tenancy)
    show.rows(output, _USERS, names.living(found), empty="There is no user.")


@users.command("show")
def show_user(user: UserText, output: Out = Output.TABLE) -> None:
    """Show a user and the groups they are in."""
    session = signed_in()
    found = _user(session, user)
    found["groups"] = [
        session.server.get(f"{GROUPS}/{each['groupId']}").body["name"]
        for each in session.server.everything(MEMBERSHIPS, compartmentId=session.profile.tenancy, userId=found["id"])
    ]
    show.thing(output, {**_USERS, "E-mail": "email", "Groups": "groups"}, found)


@users.command("reset-password")
def reset_password(user: UserText, output: Out = Output.TABLE) -> None:
    """Give a user a one-time password, which is shown once, and end their sessions."""
    session = signed_in()
    found = _user(session, user)
    made = session.server.post(f"{USERS}/{found['id']}/uiPassword").body
    show.said(output, f"One-time password of {found['name']}: {made['password']}", made)


@users.command()
def block(user: UserText, output: Out = Output.TABLE) -> None:
    """Let a user in no more: sessions and tokens end at once."""
    _set_blocked(user, output, blocked=True)


@users.command()
def unblock(user: UserText, output: Out = Output.TABLE) -> None:
    """Let a user in again."""
    _set_blocked(user, output, blocked=False)


@users.command("delete")
def delete_user(user: UserText, output: Out = Output.TABLE) -> None:
    """Delete a user with all their credentials."""
    session = signed_in()
    found = _user(session, user)
    session.server.delete(f"{USERS}/{found['id']}")
    show.said(output, f"Deleted {found['name']}.", found)


@groups.command("create")
def create_group(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    description: Description = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a group."""
    session = signed_in()
    body = {"compartmentId": session.profile.tenancy, "name": name, "description": description}
    show.said(output, f"Created the group {name}.", session.server.post(GROUPS, body).body)


@groups.command("list")
def list_groups(output: Out = Output.TABLE) -> None:
    """List groups."""
    session = signed_in()
    found = session.server.everything(GROUPS, compartmentId=session.profile.tenancy)
    show.rows(output, _GROUPS, names.living(found), empty="There is no group.")


@groups.command()
def members(of: GroupText, output: Out = Output.TABLE) -> None:
    """List the users in a group."""
    session = signed_in()
    rows = _memberships(session, _group(session, of))
    found = [session.server.get(f"{USERS}/{each['userId']}").body for each in rows]
    show.rows(output, _USERS, found, empty="Nobody is in it.")


@groups.command()
def add(to: GroupText, user: UserText, output: Out = Output.TABLE) -> None:
    """Put a user into a group."""
    session = signed_in()
    found, member = _group(session, to), _user(session, user)
    made = session.server.post(MEMBERSHIPS, {"groupId": found["id"], "userId": member["id"]}).body
    show.said(output, f"{member['name']} is in {found['name']}.", made)


@groups.command()
def remove(of: GroupText, user: UserText, output: Out = Output.TABLE) -> None:
    """Take a user out of a group."""
    session = signed_in()
    found, member = _group(session, of), _user(session, user)
    for each in _memberships(session, found, userId=member["id"]):
        session.server.delete(f"{MEMBERSHIPS}/{each['id']}")
    show.said(output, f"{member['name']} is no longer in {found['name']}.", member)


@groups.command("delete")
def delete_group(name: GroupText, output: Out = Output.TABLE) -> None:
    """Delete a group."""
    session = signed_in()
    found = _group(session, name)
    session.server.delete(f"{GROUPS}/{found['id']}")
    show.said(output, f"Deleted the group {found['name']}.", found)


@tokens.command("create")
def create_token(
    description: Description = "assay token create",
    days: Annotated[int | None, typer.Option(help="How long it lasts.", min=1)] = None,
    user: OfUser = "",
    output: Out = Output.TABLE,
) -> None:
    """Make an auth token for docker, podman or skopeo. It is shown once."""
    session = signed_in()
    whose = owner(session, user)
    body: dict[str, Any] = {"description": description}
    if days is not None:
        body["lifetimeInSeconds"] = days * DAY_SECONDS
    made = session.server.post(f"{USERS}/{whose['id']}/authTokens", body).body
    login = f"{session.profile.namespace}/{whose['name']}"
    show.note(f"User name for the client: {login}. The token is shown only now.")
    show.said(output, made["token"], {**made, "login": login, "registry": session.profile.registry})


@tokens.command("list")
def list_tokens(user: OfUser = "", output: Out = Output.TABLE) -> None:
    """List auth tokens, without their secrets."""
    session = signed_in()
    found = session.server.everything(f"{USERS}/{owner(session, user)['id']}/authTokens")
    show.rows(output, _TOKENS, found, empty="There is no auth token.")


@tokens.command("delete")
def delete_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="An auth token's OCID.")],
    user: OfUser = "",
    output: Out = Output.TABLE,
) -> None:
    """Delete an auth token; it opens nothing from now on."""
    session = signed_in()
    session.server.delete(f"{USERS}/{owner(session, user)['id']}/authTokens/{token}")
    show.said(output, "Deleted the auth token.", {"id": token})


def owner(session: Session, user: str) -> dict[str, Any]:
    """Whose credentials are meant: `id` and `name` of the user named, or of who is signed in. Errors: Refused."""
    if user:
        return _user(session, user)
    who = session.server.get("/20260901/sessions/current").body
    return {"id": who["userId"], "name": who["userName"]}


def _memberships(session: Session, found: dict[str, Any], **narrow: Any) -> list[dict[str, Any]]:
    return session.server.everything(MEMBERSHIPS, compartmentId=session.profile.tenancy, groupId=found["id"], **narrow)


def _set_blocked(user: str, output: Output, *, blocked: bool) -> None:
    session = signed_in()
    found = _user(session, user)
    changed = session.server.put(f"{USERS}/{found['id']}/state", {"blocked": blocked}).body
    show.said(output, f"{changed['name']} is {'blocked' if blocked else 'let in again'}.", changed)
