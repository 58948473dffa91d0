"""Options and arguments that many commands share, each said once."""

from typing import Annotated

import typer

from assay.cli.show import Output

Out = Annotated[Output, typer.Option("--output", "-o", help="A table for people, or JSON for programs.")]
Compartment = Annotated[
    str, typer.Option("--compartment", "-c", help="A compartment's name or OCID; the root compartment if left out.")
]
Place = Annotated[
    str, typer.Option("--compartment", "-c", help="Only this compartment (name or OCID); all of them if left out.")
]
RepositoryName = Annotated[str, typer.Argument(metavar="REPOSITORY", help="A repository, such as shop/cart.")]
ImageText = Annotated[
    str,
    typer.Argument(
        metavar="IMAGE", help="REPOSITORY:TAG or REPOSITORY@DIGEST, with or without host and namespace; or an OCID."
    ),
]
ScanText = Annotated[
    str,
    typer.Argument(metavar="SCAN", help="An image for its latest scan, IMAGE#REVISION for an earlier one, or an OCID."),
]
KeyText = Annotated[str, typer.Argument(metavar="KEY", help="A key's name, VAULT/NAME, or OCID.")]
ClusterText = Annotated[str, typer.Argument(metavar="CLUSTER", help="A cluster's name or OCID.")]
Description = Annotated[str, typer.Option(help="What it is for.")]


def group(help_text: str) -> typer.Typer:
    """A group of commands; alone it prints its help."""
    return typer.Typer(no_args_is_help=True, help=help_text)
