"""Runs the servers of one process, and says where they listen."""

import asyncio
import ctypes
from collections.abc import Sequence
from dataclasses import replace
from logging import getLogger

import uvicorn
import uvloop
from starlette.routing import BaseRoute

from assay.app import App, only_server, open_app
from assay.cli.logs import set_up_logs
from assay.cli.one_time import FIRST_SECRET_FILE, hand_over
from assay.console import routes as console_routes
from assay.errors import AssayError, Reason
from assay.http import server
from assay.oci_api import routes as api_routes
from assay.settings import Settings, misspelt

#: The key of our certificate authority is sealed as well, so no certificate can be issued.
_WITHOUT_ROOT_KEY = (
    "Until then the admission port can only be opened with a server certificate of your own: "
    "set admission_certificate_file and admission_key_file."
)

#: What glibc's mallopt(3) calls M_MMAP_THRESHOLD and M_ARENA_MAX, and what they are set to.
_ALLOCATION = {-3: 256 * 1024, -8: 2}

log = getLogger("assay")


def run(settings: Settings) -> None:
    """Serve until interrupted. Errors: as of `open_app`; Refused when a port is taken, or the data folder in use.

    Ports and folder are taken before anything is made: a start that fails for want of them leaves nothing behind.
    """
    set_up_logs(settings.log_format)
    for warning in misspelt():
        log.warning(warning)
    _allocate_sparingly()
    with (
        server.listening(settings.host, settings.port) as main,
        server.listening(settings.admission_host, settings.admission_port) as admission,
        server.listening(settings.oci_host, settings.oci_port) as oci,
        only_server(settings),
    ):
        app, door = _with_admission(open_app(settings))
        api = api_routes(app)
        servers = {server.main_server(app, [*api, *console_routes(app)]): main}
        oci_door = _oci_server(app, api)
        for one, listeners in ((door, admission), (oci_door, oci)):
            if one is not None:
                servers[one] = listeners
                continue
            for listener in listeners:
                listener.close()
        announce(app, has_oci_port=oci_door is not None)
        app.start()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve(servers))
        finally:
            app.stop()


def _allocate_sparingly() -> None:
    """Let few threads' heaps grow, and large pieces go back to the system at once: pushes are made of such pieces.

    A quarter less memory under sixteen pushes at once. Other C libraries have no such thing, and need it less.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        for parameter, value in _ALLOCATION.items():
            library.mallopt(parameter, value)


def _with_admission(app: App) -> tuple[App, uvicorn.Server | None]:
    """The admission server. Without one the app knows why: clusters fail closed, and everything else can go on."""
    try:
        return app, server.admission_server(app)
    except AssayError as fault:
        because = f"closed, so clusters deny everything. {fault}"
        if fault.reason is Reason.SEALED:
            because += f" {_WITHOUT_ROOT_KEY}"
        return replace(app, admission_closed_because=because), None


def _oci_server(app: App, api: Sequence[BaseRoute]) -> uvicorn.Server | None:
    """The port of OCI's clients, which is left out where its certificate cannot be had."""
    try:
        return server.oci_server(app, api)
    except AssayError as fault:
        log.warning("there is no port for OCI's clients, which need --endpoint now: %s", fault)
        return None


def announce(app: App, *, has_oci_port: bool = False) -> None:
    """Say where Assay listens, warn of a fresh root key, and show the first administrator's password once."""
    settings = app.settings
    log.info("registry, console and API: %s", settings.url)
    if app.admission_closed_because:
        log.error("THE ADMISSION PORT STAYS %s", app.admission_closed_because)
    else:
        log.info("admission: https://%s:%d", settings.admission_host, settings.admission_port)
    if has_oci_port:
        log.info("OCI clients (assay oci-setup): https://%s:%d", settings.oci_host, settings.oci_port)
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
