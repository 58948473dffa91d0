"""Quotas: how much may lie in the tenancy, a compartment or a repository, and how much does."""

import re
from typing import Annotated

import typer

from assay.cli import names, show
from assay.cli.options import Out, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

app = group("How much may lie in repositories.")

QUOTAS = "/20260901/containerQuotas"
_UNITS: dict[str, int] = {"": 1, "B": 1} | {
    f"{letter}{unit}": base ** (power + 1)
    for power, letter in enumerate("KMGT")
    for unit, base in (("iB", 1024), ("B", 1000))
}

Repository = Annotated[str, typer.Option("--repository", "-r", help="A repository.")]
InCompartment = Annotated[
    str, typer.Option("--compartment", "-c", help="A compartment (name or OCID), with all below it.")
]

_COLUMNS: show.Columns = {
    "Of": "kind",
    "Used": show.size("storageUsedInBytes"),
    "Limit": show.size("storageLimitInBytes"),
    "Repositories": "repositoryCount",
    "At most": "repositoryLimit",
    "OCID": "id",
}


@app.command("show")
def show_(repository: Repository = "", compartment: InCompartment = "", output: Out = Output.TABLE) -> None:
    """Show what is used and what may be: of a repository, a compartment, or else the tenancy."""
    session = signed_in()
    show.thing(output, _COLUMNS, session.server.get(_path(session, repository, compartment)).body)


@app.command("list")
def list_(
    repository: Annotated[str, typer.Argument(help="A repository, such as shop/cart.")], output: Out = Output.TABLE
) -> None:
    """List all quotas that hold in a repository, from the tenancy's down to its own."""
    session = signed_in()
    found = names.repository(session, repository)
    quotas = session.server.everything(f"/20260901/repositories/{found['id']}/quotas")
    show.rows(output, _COLUMNS, quotas, empty=f"No quota holds in {found['displayName']}.")


@app.command("set")
def set_(
    storage: Annotated[str, typer.Option(help="How much may be stored, such as 500GiB.")] = "",
    repositories: Annotated[int | None, typer.Option(help="How many repositories there may be.", min=0)] = None,
    repository: Repository = "",
    compartment: InCompartment = "",
    output: Out = Output.TABLE,
) -> None:
    """Set the quota of a repository, a compartment, or else the tenancy. What is left out is not limited."""
    if not storage and repositories is None:
        raise typer.BadParameter("say what to limit: --storage or --repositories")
    session = signed_in()
    body = {"storageLimitInBytes": _bytes(storage) if storage else None, "repositoryLimit": repositories}
    show.thing(output, _COLUMNS, session.server.put(_path(session, repository, compartment), body).body)


@app.command()
def delete(repository: Repository = "", compartment: InCompartment = "", output: Out = Output.TABLE) -> None:
    """Remove the quota of a repository, a compartment, or else the tenancy."""
    session = signed_in()
    path = _path(session, repository, compartment)
    found = session.server.get(path).body
    session.server.delete(path)
    show.said(output, f"The {str(found['kind']).lower()} has no quota any more.", found)


def _path(session: Session, repository: str, compartment: str) -> str:
    if repository and compartment:
        raise typer.BadParameter("give --repository or --compartment, not both")
    place = names.repository(session, repository)["id"] if repository else session.compartment(compartment)
    return f"{QUOTAS}/{place}"


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,18})\s*([A-Za-z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise typer.BadParameter(f"{text[:40]!r} is no size; write 500GiB, 20GB or a number of bytes")
    return int(found[1]) * _UNITS[found[2]]
