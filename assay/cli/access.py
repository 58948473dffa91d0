"""Why may somebody do something, and who may; dynamic groups and network sources, which statements speak of."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Description, Out, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

app = group("Who may do what, and why.")
dynamic_groups = group("Dynamic groups: clusters, applications and functions, by a matching rule.")
network_sources = group("Network sources: addresses with a name, for conditions on where a request comes from.")

DYNAMIC_GROUPS = "/20160918/dynamicGroups"
NETWORK_SOURCES = "/20160918/networkSources"
#: Exit status of `why` when the answer is no.
NOT_ALLOWED = 1

OperationText = Annotated[str, typer.Argument(metavar="OPERATION", help="An operation, such as PullImage or Sign.")]
ResourceText = Annotated[
    str,
    typer.Argument(
        metavar="RESOURCE",
        help="A repository or image; key:NAME, vault:NAME, cluster:NAME, application:NAME, function:APPLICATION/NAME,"
        " user:NAME, group:NAME, policy:NAME, compartment:NAME; an OCID; or tenancy, as when it is left out.",
    ),
]
TENANCY = "tenancy"
Name = Annotated[str, typer.Argument(help="What to call it.")]

_HOLDERS: show.Columns = {
    "Who": lambda row: f"{row['principalType']} {row['principalName']}",
    "By": lambda row: "\n".join(map(_told, row["statements"])),
}
_DYNAMIC_GROUPS: show.Columns = {
    "Dynamic group": "name",
    "Description": "description",
    "Matching rule": "matchingRule",
    "OCID": "id",
}
_NETWORK_SOURCES: show.Columns = {
    "Network source": "name",
    "Description": "description",
    "Networks": lambda row: "\n".join(row["publicSourceList"]),
    "OCID": "id",
}


@app.command()
def why(
    user: Annotated[
        str,
        typer.Argument(
            metavar="USER",
            help="A user or service; cluster:NAME, application:NAME, function:APPLICATION/NAME; or an OCID.",
        ),
    ],
    operation: OperationText,
    resource: ResourceText = TENANCY,
    address: Annotated[str, typer.Option(help="The address that the request would come from.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Tell whether somebody may do something, with the statements that decide; exit status 1 when not."""
    session = signed_in()
    query = {"operation": operation, "resourceId": _resource(session, resource), "address": address}
    principal = _principal(session, user)
    found = session.server.get("/20260901/accessExplanations", principal=principal, **query).body
    show.said(output, _explained(user, found, resource), found)
    if not found["isAllowed"]:
        raise typer.Exit(NOT_ALLOWED)


@app.command("who-can")
def who_can(operation: OperationText, resource: ResourceText = TENANCY, output: Out = Output.TABLE) -> None:
    """List the users, services and clusters (those with a credential) that may do something, and the statements why."""
    session = signed_in()
    path = "/20260901/accessHolders"
    ocid = _resource(session, resource)
    found = session.server.everything(path, operation=operation, resourceId=ocid)
    first = session.server.get(path, operation=operation, resourceId=ocid, limit=1).body
    if first["isOpenToEverybody"]:
        show.note("The repository is public: everybody may, also without signing in.")
    show.rows(output, _HOLDERS, found, empty="Nobody may, by any statement.")


@dynamic_groups.command("create")
def create_dynamic_group(
    name: Name,
    rule: Annotated[str, typer.Option("--rule", help="Such as \"resource.type = 'cluster'\".")],
    description: Description = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a dynamic group; a fault in its rule is pointed at, and nothing is created."""
    _create(DYNAMIC_GROUPS, "dynamic group", name, {"matchingRule": rule, "description": description}, output)


@dynamic_groups.command("list")
def list_dynamic_groups(output: Out = Output.TABLE) -> None:
    """List dynamic groups with their rules."""
    _list(DYNAMIC_GROUPS, _DYNAMIC_GROUPS, "There is no dynamic group.", output)


@dynamic_groups.command("delete")
def delete_dynamic_group(
    name: Annotated[str, typer.Argument(metavar="GROUP", help="A dynamic group's name or OCID.")],
    output: Out = Output.TABLE,
) -> None:
    """Delete a dynamic group."""
    _delete(DYNAMIC_GROUPS, "dynamicgroup", name, output)


@network_sources.command("create")
def create_network_source(
    name: Name,
    network: Annotated[list[str], typer.Option("--network", help="An address or network; one option each.")],
    description: Description = "",
    output: Out = Output.TABLE,
) -> None:
    """Create a network source."""
    _create(NETWORK_SOURCES, "network source", name, {"publicSourceList": network, "description": description}, output)


@network_sources.command("list")
def list_network_sources(output: Out = Output.TABLE) -> None:
    """List network sources with their networks."""
    _list(NETWORK_SOURCES, _NETWORK_SOURCES, "There is no network source.", output)


@network_sources.command("delete")
def delete_network_source(
    name: Annotated[str, typer.Argument(metavar="SOURCE", help="A network source's name or OCID.")],
    output: Out = Output.TABLE,
) -> None:
    """Delete a network source."""
    _delete(NETWORK_SOURCES, "networksource", name, output)


def _create(path: str, what: str, name: str, values: dict[str, Any], output: Output) -> None:
    session = signed_in()
    made = session.server.post(path, {"compartmentId": session.profile.tenancy, "name": name, **values}).body
    show.said(output, f"Created the {what} {name}.", made)


def _list(path: str, columns: show.Columns, empty: str, output: Output) -> None:
    session = signed_in()
    found = session.server.everything(path, compartmentId=session.profile.tenancy)
    show.rows(output, columns, names.living(found), empty=empty)


def _delete(path: str, kind: str, name: str, output: Output) -> None:
    session = signed_in()
    found = names.named(session, path, kind, name)
    session.server.delete(f"{path}/{found['id']}")
    show.said(output, f"Deleted {found['name']}.", found)


def _resource(session: Session, text: str) -> str:
    """The OCID of a resource as people name it. Errors: Refused."""
    if text.startswith("ocid1."):
        return text
    if text in (TENANCY, "root"):
        return session.profile.tenancy
    kind, colon, name = text.partition(":")
    found = _NAMED.get(kind) if colon else None
    if found is not None:
        return str(found(session, name))
    if names.image_name(session, text).version:
        return str(names.image(session, text)["id"])
    return str(names.repository(session, text)["id"])


def _principal(session: Session, text: str) -> str:
    """Who is asked about, as the API knows them: the OCID of what `KIND:NAME` names, else the text. Errors: Refused."""
    kind, colon, name = text.partition(":")
    return str(_NAMED[kind](session, name)) if colon and kind in _ACTING else text


_ACTING = ("user", "cluster", "application", "function")
_NAMED = {
    "key": lambda session, name: names.key(session, name)["id"],
    "vault": lambda session, name: names.vault(session, name)["id"],
    "cluster": lambda session, name: names.cluster(session, name)["id"],
    "application": lambda session, name: names.application(session, name)["id"],
    "function": lambda session, name: names.function(session, name)["id"],
    "compartment": lambda session, name: session.compartment(name),
    "user": lambda session, name: names.named(session, "/20160918/users", "user", name)["id"],
    "group": lambda session, name: names.named(session, "/20160918/groups", "group", name)["id"],
    "policy": lambda session, name: names.named(session, "/20160918/policies", "policy", name)["id"],
}


def _explained(user: str, found: dict[str, Any], resource: str) -> str:
    said = "may" if found["isAllowed"] else "may not"
    lines = [f"{user} {said} do {found['operation']} on {resource}. Needed: {', '.join(found['needed'])}."]
    if found["isOpenToEverybody"]:
        lines.append("The repository is public: everybody may.")
    lines += [f"  granted by {_told(each)}" for each in found["statements"]]
    if found["missing"]:
        lines.append(
            f"No statement grants {', '.join(found['missing'])}; it takes: {', '.join(found['missingGrants'])}."
        )
    lines += [f"  nearly: {_told(each)} {each['because']}" for each in found["nearMisses"]]
    return "\n".join(lines)


def _told(decider: dict[str, Any]) -> str:
    place = f"policy {decider['policyName']}, statement {decider['position']}" if decider["policyName"] else "built in"
    return f"{', '.join(decider['grants'])}: {decider['statement']} ({place})"
