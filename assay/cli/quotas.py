"""Quotas: how much may lie in the tenancy, a compartment or a repository, and how much does."""

import re
from decimal import Decimal
from typing import Annotated

import typer

from assay.cli import names, show
from assay.cli.options import Out, group
from assay.cli.session import Session, signed_in
from assay.cli.show import Output

app = group("How much may lie in repositories.")

QUOTAS = "/20260901/containerQuotas"
#: By first letter; with an `i` (20GiB) in powers of 1024, else (20G, 20GB) of 1000, as sizes are shown.
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,9})?)\s*([kmgt]?)(i?)b?", re.ASCII | re.IGNORECASE)
#: The largest limit that the API takes.
_BYTES_MAX = 2**62 - 1

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
    storage: Annotated[str, typer.Option(help="How much may be stored, such as 500GiB, 20G or 1.5TB.")] = "",
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
    """A size as people write it, in bytes; what is left of a byte is dropped. Errors: BadParameter."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise typer.BadParameter(
            f"{text[:40]!r} is no size; write a number with a unit, such as 20G, 1.5GB (powers of 1000) or 500GiB"
            " (of 1024), with K, M, G or T, or a number of bytes"
        )
    size = int(Decimal(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].lower()])
    if size > _BYTES_MAX:
        raise typer.BadParameter(
            f"{text[:40]!r} is more than a quota can be: at most {_BYTES_MAX} bytes, which is 4.6 million TB"
        )
    return size
