"""Repositories: list, look at, create, delete, and set how they are."""

import sys
from typing import Annotated

import typer

from assay.cli import names, show
from assay.cli.options import Compartment, Out, Place, RepositoryName, group
from assay.cli.session import signed_in
from assay.cli.show import Output

app = group("Repositories.")

_LIST: show.Columns = {
    "Repository": "displayName",
    "Images": "imageCount",
    "Layers": show.size("layersSizeInBytes"),
    "Public": "isPublic",
    "Immutable": "isImmutable",
    "Last push": show.when("timeLastPushed"),
}
_ONE: show.Columns = {**_LIST, "Namespace": "namespace", "Created": show.when("timeCreated"), "OCID": "id"}


@app.command("list")
def list_(
    part: Annotated[str, typer.Argument(help="Only repositories whose name contains this.")] = "",
    compartment: Place = "",
    output: Out = Output.TABLE,
) -> None:
    """List repositories."""
    session = signed_in()
    found = session.server.everything(
        names.REPOSITORIES, **session.within(compartment), sortBy="DISPLAYNAME", sortOrder="ASC"
    )
    found = [each for each in found if part in each["displayName"]]
    show.rows(output, _LIST, found, empty="There is no repository. A push makes one, or: assay repository create NAME")


@app.command("show")
def show_(repository: RepositoryName, output: Out = Output.TABLE) -> None:
    """Show a repository."""
    show.thing(output, _ONE, names.repository(signed_in(), repository))


@app.command()
def create(
    name: RepositoryName,
    public: Annotated[bool, typer.Option("--public", help="Anybody may pull.")] = False,
    immutable: Annotated[bool, typer.Option("--immutable", help="A tag, once pushed, never moves.")] = False,
    compartment: Compartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Create an empty repository; pushing into a new name creates one too."""
    session = signed_in()
    body = {
        "compartmentId": session.compartment(compartment),
        "displayName": names.image_name(session, name).repository,
        "isPublic": public,
        "isImmutable": immutable,
    }
    made = session.server.post(names.REPOSITORIES, body).body
    show.said(output, f"Created {made['displayName']}.", made)


@app.command("set")
def set_(
    repository: RepositoryName,
    public: Annotated[bool | None, typer.Option("--public/--private", help="Who may pull.")] = None,
    immutable: Annotated[bool | None, typer.Option("--immutable/--mutable", help="Whether tags may move.")] = None,
    output: Out = Output.TABLE,
) -> None:
    """Make a repository public or private, immutable or mutable."""
    if public is None and immutable is None:
        raise typer.BadParameter("say what to set: --public, --private, --immutable or --mutable")
    session = signed_in()
    found = names.repository(session, repository)
    wanted = {"isPublic": public, "isImmutable": immutable}
    body = {member: value for member, value in wanted.items() if value is not None}
    changed = session.server.put(f"{names.REPOSITORIES}/{found['id']}", body).body
    access = "public" if changed["isPublic"] else "private"
    tags = "immutable" if changed["isImmutable"] else "mutable"
    show.said(output, f"{changed['displayName']} is {access}, its tags are {tags}.", changed)


@app.command()
def delete(
    repository: RepositoryName,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    output: Out = Output.TABLE,
) -> None:
    """Delete a repository with all its images."""
    session = signed_in()
    found = names.repository(session, repository)
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask; use --yes")
    if not yes:
        typer.confirm(f"Delete {found['displayName']} with its {found['imageCount']} images?", abort=True, err=True)
    session.server.delete(f"{names.REPOSITORIES}/{found['id']}")
    show.said(output, f"Deleted {found['displayName']}.", found)
