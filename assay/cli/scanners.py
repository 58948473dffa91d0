"""Image scanners: put one on a repository, take it away, see how its images stand."""

import shlex
from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import Out, RepositoryName, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

app = group("Image scanners on repositories.")

_STANDINGS = {
    "scanned": "scanned",
    "unwatched": "not watched",
    "waiting": "waits to be scanned",
    "waiting-for-feed": "waits for the first feed revision",
    "not-permitted": "waits: the scanning service lacks a statement",
}


def _standing(status: dict[str, Any]) -> str:
    """How the image stands; a scan that did not see all of it is never shown as a clean one."""
    scan = status["latestScan"]
    seen = "" if scan is None or scan["state"] == "complete" else f" ({scan['state']})"
    return _STANDINGS[status["standing"]] + seen


_LIST: show.Columns = {
    "Image": "image",
    "Digest": show.short("digest"),
    "Standing": _standing,
    "Risk": "latestScan.highestProblemSeverity",
    "Problems": "latestScan.problemCount",
    "Scanned": show.when("latestScan.timeFinished"),
}


@app.command()
def add(
    repository: RepositoryName,
    images: Annotated[int, typer.Option(help="So many of the latest images are scanned at once.", min=0)] = 4,
    output: Out = Output.TABLE,
) -> None:
    """Scan the latest images of a repository, and from now on every push to it."""
    session = signed_in()
    found = names.repository(session, repository)
    made = session.server.post(_path(found), {"imageCount": images}).body
    missing = session.server.get(_path(found)).body["missingStatements"]
    if missing:
        show.note(_what_is_missing(missing))
    show.said(output, f"Added an image scanner to {found['displayName']}.", {**made, "missingStatements": missing})


@app.command()
def remove(repository: RepositoryName, output: Out = Output.TABLE) -> None:
    """Scan a repository no more; what was found stays."""
    session = signed_in()
    found = names.repository(session, repository)
    removed = session.server.delete(_path(found)).body
    show.said(output, f"Removed the image scanner from {found['displayName']}; its results stay.", removed)


@app.command()
def status(repository: RepositoryName, output: Out = Output.TABLE) -> None:
    """Show whether a repository is scanned, what is missing for that, and how its images stand."""
    session = signed_in()
    found = names.repository(session, repository)
    standing = session.server.get(_path(found)).body
    statuses = _statuses(session, found)
    if output is Output.JSON:
        show.as_json({**standing, "images": statuses})
        return
    watched = "has an image scanner" if standing["scanner"] else "has no image scanner"
    show.line(f"{found['displayName']} {watched}.")
    if not standing["scanner"]:
        show.line(f"Add one with: assay scanner add {shlex.quote(found['displayName'])}")
    if standing["missingStatements"]:
        show.line(_what_is_missing(standing["missingStatements"]))
    show.rows(output, _LIST, statuses, empty="No image of it was scanned, or waits to be.")


def command_to_allow(statements: list[str]) -> str:
    """The command that adds these statements."""
    return show.command_line(["assay", "policy", "allow", *statements])


def _what_is_missing(statements: list[str]) -> str:
    lines = "\n".join(f"  {each}" for each in statements)
    return (
        f"The scanning service may not read the images yet. It lacks:\n{lines}\n"
        f"Add this with:\n  {command_to_allow(statements)}"
    )


def _statuses(session: Session, repository: dict[str, Any]) -> list[dict[str, Any]]:
    """How the images of a repository stand, with how they are called."""
    images = session.server.everything(names.IMAGES, **session.within(""), repositoryId=repository["id"])
    known = {each["id"]: each for each in images}
    found = session.server.everything(f"/20260901/repositories/{repository['id']}/scanStatuses")
    return [
        {**each, "image": known[each["imageId"]]["displayName"], "digest": known[each["imageId"]]["digest"]}
        for each in found
        if each["imageId"] in known
    ]


def _path(repository: dict[str, Any]) -> str:
    return f"/20260901/repositories/{repository['id']}/scanner"
