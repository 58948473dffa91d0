"""Images: list, look at, delete and restore."""

from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import ImageText, Out, Place, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.errors import Reason, Refused

app = group("Images in repositories.")


def _tags(image: dict[str, Any]) -> str:
    return ", ".join(dict.fromkeys(each["version"] for each in image["versions"]))


def _last_tag(image: dict[str, Any]) -> str:
    """The tag that a deleted image remembers: without a tag it is displayed as `REPOSITORY:unknown@DIGEST`."""
    tag = str(image["displayName"]).partition("@")[0].rpartition(":")[2]
    return "" if tag == "unknown" else tag


def _by_digest(image: dict[str, Any]) -> str:
    return f"{image['repositoryName']}@{image['digest']}"


_LIST: show.Columns = {
    "Repository": "repositoryName",
    "Tags": _tags,
    "Digest": show.short("digest"),
    "Layers": show.size("layersSizeInBytes"),
    "Pulls": "pullCount",
    "Pushed": show.when("timeLastPushed"),
}
_DELETED: show.Columns = {
    "Repository": "repositoryName",
    "Last tag": _last_tag,
    # Whole: it is what `image restore` takes.
    "Digest": "digest",
    "Deleted": show.when("timeDeleted"),
    "Restorable until": show.when("timeRestorableUntil"),
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
    if deleted:
        show.rows(output, _DELETED, found, empty="There is no deleted image.")
    else:
        show.rows(output, _LIST, found, empty="There is no image.")


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
    named, tags = _by_digest(found), _tags(found)
    show.said(
        output,
        f"Deleted {named}, {f'and its tags: {tags}' if tags else 'which had no tag'}. "
        # By its digest alone: a tag may name another image by the time that somebody types it.
        f"To have it back, without tags: {show.command_line(['assay', 'image', 'restore', named])}",
        found,
    )


@app.command()
def restore(
    image: ImageText,
    tag: Annotated[str, typer.Option(help="Give it this tag; the one it is named by if left out.")] = "",
    move_tag: Annotated[bool, typer.Option("--move-tag", help="Take the tag from the image that has it now.")] = False,
    output: Out = Output.TABLE,
) -> None:
    """Restore a deleted image; without a tag if it is named by its digest alone."""
    session = signed_in()
    found = names.deleted_image(session, image)
    wanted = tag or ("" if names.is_ocid(image, "containerimage") else names.image_name(session, image).tag)
    if wanted and not move_tag:
        _require_free(session, found, wanted)
    body = {"version": wanted} if wanted else {}
    restored = session.server.post(f"{names.IMAGES}/{found['id']}/actions/restore", body).body
    tags = _tags(restored)
    show.said(output, f"Restored {_by_digest(restored)}, {f'tagged {tags}' if tags else 'without a tag'}.", restored)


def _require_free(session: Session, image: dict[str, Any], tag: str) -> None:
    """That no other image has a tag now. Errors: Refused."""
    having = session.server.everything(
        names.IMAGES, compartmentId=image["compartmentId"], repositoryId=image["repositoryId"], version=tag
    )
    others = [each["digest"] for each in having if each["digest"] != image["digest"]]
    if others:
        raise Refused(
            f"The tag {tag} of {image['repositoryName']} names {others[0]} now.",
            advice=f"Restore the image without a tag: assay image restore {_by_digest(image)}"
            " – or under another one with --tag, or let it take this one with --move-tag.",
            reason=Reason.EXISTS,
        )
