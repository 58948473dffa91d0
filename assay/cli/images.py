"""Images: list, look at, delete and restore."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import ImageText, Out, Place, group
from assay.cli.session import signed_in
from assay.cli.show import Output

app = group("Images in repositories.")


def _tags(image: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(each["version"] for each in image["versions"]))


_LIST: show.Columns = {
    "Repository": "repositoryName",
    "Tags": _tags,
    "Digest": show.short("digest"),
    "Layers": show.size("layersSizeInBytes"),
    "Pulls": "pullCount",
    "Pushed": show.when("timeLastPushed"),
}
_ONE: show.Columns = {
    "Repository": "repositoryName",
    "Tags": _tags,
    "Digest": "digest",
    "Layers": lambda image: len(image["layers"]),
    "Size": show.size("layersSizeInBytes"),
    "State": "lifecycleState",
    "Pulls": "pullCount",
    "Pushed": show.when("timeLastPushed"),
    "Pulled": show.when("timeLastPulled"),
    "OCID": "id",
}


@app.command("list")
def list_(
    repository: Annotated[str, typer.Argument(help="Only images of this repository.")] = "",
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted images, which can be restored.")] = False,
    compartment: Place = "",
    output: Out = Output.TABLE,
) -> None:
    """List images, the newest first."""
    session = signed_in()
    name = names.repository(session, repository)["displayName"] if repository else ""
    found = session.server.everything(
        names.IMAGES,
        **session.within(compartment),
        repositoryName=name,
        lifecycleState="DELETED" if deleted else "AVAILABLE",
    )
    show.rows(output, _LIST, found, empty="There is no image." if not deleted else "There is no deleted image.")


@app.command("show")
def show_(image: ImageText, output: Out = Output.TABLE) -> None:
    """Show an image."""
    session = signed_in()
    found = session.server.get(f"{names.IMAGES}/{names.image(session, image)['id']}").body
    show.thing(output, _ONE, found)


@app.command()
def delete(image: ImageText, output: Out = Output.TABLE) -> None:
    """Delete an image with all its tags; it can be restored for a time."""
    session = signed_in()
    found = names.image(session, image)
    session.server.delete(f"{names.IMAGES}/{found['id']}")
    show.said(
        output,
        f"Deleted {found['displayName']}. To have it back: assay image restore {found['displayName']}",
        found,
    )


@app.command()
def restore(
    image: ImageText,
    tag: Annotated[str, typer.Option(help="Give it this tag; the one it is named by if left out.")] = "",
    output: Out = Output.TABLE,
) -> None:
    """Restore a deleted image."""
    session = signed_in()
    found = names.deleted_image(session, image)
    wanted = tag or ("" if names.is_ocid(image, "containerimage") else names.image_name(session, image).tag)
    body = {"version": wanted} if wanted else {}
    restored = session.server.post(f"{names.IMAGES}/{found['id']}/actions/restore", body).body
    show.said(output, f"Restored {restored['displayName']}.", restored)
