"""`assay serve`: one process that is the whole installation."""

import asyncio
import os
import sys
from logging import getLogger
from pathlib import Path
from typing import Annotated

import typer

from assay.app import App, open_app
from assay.cli import show
from assay.cli.logs import set_up_logs
from assay.console import routes as console_routes
from assay.errors import AssayError
from assay.http import server
from assay.oci_api import routes as api_routes
from assay.settings import Settings, read

FIRST_SECRET_FILE = "first-administrator-password"  # noqa: S105 - the name of a file

log = getLogger("assay")


def serve(
    config: Annotated[Path | None, typer.Option(help="A TOML file with settings; see docs/settings.md.")] = None,
    data_folder: Annotated[Path | None, typer.Option(help="Where blobs and the database lie.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the registry, the console and the API.")] = None,
) -> None:
    """Start Assay: registry, scanner, vault, console, API and admission in one process."""
    settings = read(config, data_folder=data_folder, host=host, port=port)
    set_up_logs(settings.log_format)
    app = open_app(settings)
    app.start()
    try:
        servers = [server.main_server(app, [*api_routes(app), *console_routes(app)])]
        try:
            servers.append(server.admission_server(app))
        except AssayError as fault:
            # Without admission clusters fail closed; everything else can go on while somebody mends it.
            log.warning("ADMISSION DOES NOT RUN, so clusters deny: %s", fault)
        announce(app)
        asyncio.run(server.serve(servers))
    finally:
        app.stop()


def announce(app: App) -> None:
    """Say where Assay listens, warn of a fresh root key, and show the first administrator's password once."""
    settings = app.settings
    log.info("registry, console and API: %s", settings.url)
    log.info("admission: https://%s:%d", settings.admission_host, settings.admission_port)
    log.info("data: %s", settings.data_folder)
    if app.root.made is not None:
        log.warning(
            "a root key was made: %s. It seals every private key and is in no backup of the data folder: "
            "keep a copy of it in a safe place, apart from backups.",
            app.root.made,
        )
    if app.root.sealed_because:
        log.error("the vault is sealed: %s", app.root.sealed_because)
    if app.first_start is not None:
        _show_first_secret(app, settings)


def _show_first_secret(app: App, settings: Settings) -> None:
    """On a terminal once; else into a file that only its owner may read."""
    first = app.first_start
    if first is None:
        return
    user, secret = first.administrator.name, first.secret
    if sys.stdout.isatty():
        show.document(
            f"\n  Sign in at {settings.url} as {user!r} with the one-time password\n\n      {secret.reveal()}\n\n"
            "  It is shown only now, and must be changed at the first sign-in.\n\n"
        )
        return
    path = settings.root_key_file.parent / FIRST_SECRET_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret.reveal() + "\n")
    log.warning("the first administrator is %r; the one-time password is in %s (delete the file)", user, path)
