"""Runs the servers of one process, and says where they listen."""

import asyncio
import socket
from collections.abc import Sequence
from logging import getLogger

from assay.app import App, only_server, open_app
from assay.cli.logs import set_up_logs
from assay.cli.one_time import FIRST_SECRET_FILE, hand_over
from assay.console import routes as console_routes
from assay.errors import AssayError
from assay.http import server
from assay.oci_api import routes as api_routes
from assay.settings import Settings

log = getLogger("assay")


def run(settings: Settings) -> None:
    """Serve until interrupted. Errors: as of `open_app`; Refused when a port is taken, or the data folder in use.

    Ports and folder are taken before anything is made: a start that fails for want of them leaves nothing behind.
    """
    set_up_logs(settings.log_format)
    with (
        server.listening(settings.host, settings.port) as main,
        server.listening(settings.admission_host, settings.admission_port) as admission,
        only_server(settings),
    ):
        app = open_app(settings)
        announce(app)
        app.start()
        try:
            _serve(app, main, admission)
        finally:
            app.stop()


def _serve(app: App, main: Sequence[socket.socket], admission: Sequence[socket.socket]) -> None:
    servers = {server.main_server(app, [*api_routes(app), *console_routes(app)]): main}
    try:
        servers[server.admission_server(app)] = admission
    except AssayError as fault:
        # Without admission clusters fail closed; everything else can go on while somebody mends it.
        log.warning("ADMISSION DOES NOT RUN, so clusters deny: %s", fault)
        for listener in admission:
            listener.close()
    asyncio.run(server.serve(servers))


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
        user = app.first_start.administrator.name
        path = hand_over(settings, user, app.first_start.secret, FIRST_SECRET_FILE)
        if path is not None:
            log.warning("the first administrator is %r; the one-time password is in %s (delete the file)", user, path)
