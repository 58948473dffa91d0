"""`assay serve`: one process that is the whole installation. What it imports is heavy, and imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from assay.settings import read

Config = Annotated[Path | None, typer.Option(help="A TOML file with settings; see docs/settings.md.")]
DataFolder = Annotated[Path | None, typer.Option(help="Where blobs and the database lie.")]


def serve(
    config: Config = None,
    data_folder: DataFolder = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the registry, the console and the API.")] = None,
) -> None:
    """Start Assay: registry, scanner, vault, console, API and admission in one process."""
    from assay.cli.running import run

    run(read(config, data_folder=data_folder, host=host, port=port))
