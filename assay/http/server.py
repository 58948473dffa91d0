"""Starts and stops the servers of one process: the main port, and TLS ports for admission and OCI's clients."""

import asyncio
import errno
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from logging import getLogger

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from assay.admission import identity
from assay.admission.identity import ServerIdentity
from assay.app import App
from assay.clock import SECOND
from assay.errors import Refused
from assay.http import admission, distribution, health
from assay.http.certificates import RenewedContext, renew_hourly
from assay.http.distribution import Services
from assay.http.tunnels import TunnelServer
from assay.http.visitors import protocol_of
from assay.rates import Meters
from assay.registry.manifests import ManifestLimits
from assay.settings import Settings

#: Threads for the registry's verbs; console and API have their own.
REGISTRY_THREADS = 16
STOP_SECONDS = 10
#: How long a connection may lie idle between two requests.
KEEP_ALIVE_SECONDS = 30
#: Files and sockets that the process may open: as many as the system lets it, up to here.
DESCRIPTORS_MAX = 65_536
#: Connections that wait in the kernel to be accepted, at each address.
BACKLOG = 2048
#: An address of a host that this machine doesn't have, such as ::1 where IPv6 is off.
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

log = getLogger(__name__)


@contextmanager
def listening(host: str, port: int) -> Iterator[Sequence[socket.socket]]:
    """Take a port on every address of `host`, until the block ends; who connects before it is served waits.

    Errors: Refused for a port that is taken, or a host that is not this machine's.
    """
    with ExitStack() as opened:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            sockets = []
            for family, _, _, _, address in dict.fromkeys(found):
                try:
                    listener = socket.create_server(address, family=family, backlog=BACKLOG)
                except OSError as fault:
                    if fault.errno not in _NO_SUCH_ADDRESS or len(found) == 1:
                        raise
                else:
                    sockets.append(opened.enter_context(listener))
        except OSError as fault:
            # create_server adds the address, which is said already.
            raise _cannot_listen(host, port, (fault.strerror or str(fault)).partition(" (")[0]) from fault
        if not sockets:
            raise _cannot_listen(host, port, "this machine has no such address")
        yield sockets


def _cannot_listen(host: str, port: int, why: str) -> Refused:
    return Refused(
        f"{host}:{port} cannot be listened on: {why}.",
        advice="Is another server running there? Set another port (docs/settings.md).",
    )


def main_server(app: App, routes: Sequence[BaseRoute]) -> uvicorn.Server:
    """The registry, health and metrics, and what other doors bring with `routes`."""
    pool = ThreadPoolExecutor(REGISTRY_THREADS, thread_name_prefix="registry")
    services = _services(app, pool)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown(wait=True)

    asgi = Starlette(routes=[*distribution.routes(services), *health.routes(app), *routes], lifespan=lifespan)
    return uvicorn.Server(_config(asgi, app.settings, app.settings.host, app.settings.port))


def _services(app: App, pool: Executor) -> Services:
    settings = app.settings
    return Services(
        intake=app.intake,
        pulls=app.pulls,
        pool=pool,
        url=settings.external_url,
        service=settings.registry_host,
        token_lifetime=settings.registry_token_lifetime,
        manifest_limits=ManifestLimits(
            settings.manifest_bytes_max,
            settings.manifest_layers_max,
            settings.index_children_max,
            settings.index_nesting_max,
            takes_sparse=settings.sparse_manifests == "take",
        ),
        meters=Meters.of(
            address_per_second=settings.registry_requests_per_second_address,
            user_per_second=settings.registry_requests_per_second_user,
        ),
        token_meters=Meters.of(
            address_per_second=settings.token_requests_per_second_address,
            user_per_second=settings.token_requests_per_second_user,
        ),
        blob_redirect_seconds=settings.blob_redirect_lifetime // SECOND if settings.blob_redirect == "on" else 0,
    )


def _config(asgi: Starlette, settings: Settings, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        asgi,
        host=host,
        port=port,
        http=protocol_of(settings),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def admission_server(app: App) -> uvicorn.Server:
    """The admission door over TLS. Errors: Unavailable (SEALED: there is no certificate to be had), Refused."""
    given = app.admission_files
    names = (app.settings.admission_host, *app.settings.admission_names)

    def supply() -> ServerIdentity:
        return identity.server_identity(app.store, app.root.key, names, given)

    tls = RenewedContext(supply, app.store.clock)
    door = admission.admission_app(app.store, app.gate, renew=tls.renew)
    config = admission.server_config(door, app.settings.admission_host, app.settings.admission_port, tls)
    config.timeout_graceful_shutdown = STOP_SECONDS
    return uvicorn.Server(config)


def oci_server(app: App, routes: Sequence[BaseRoute]) -> uvicorn.Server:
    """The API under the names that OCI's clients make, over TLS. Errors: as of `admission_server`."""
    endpoints = app.settings.endpoints(app.store.site.region)

    def supply() -> ServerIdentity:
        return identity.server_identity(app.store, app.root.key, endpoints.certificate_names)

    tls = RenewedContext(supply, app.store.clock, asks_clients=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        renewing = asyncio.create_task(renew_hourly(tls.renew, "oci"))
        yield
        renewing.cancel()

    config = _config(
        Starlette(routes=routes, lifespan=lifespan), app.settings, app.settings.oci_host, app.settings.oci_port
    )
    return TunnelServer(config, tls.context, endpoints.admits)


async def serve(servers: Mapping[uvicorn.Server, Sequence[socket.socket]]) -> None:
    """Run each server on its sockets, until interrupted or terminated, or until one of them ends."""
    _allow_descriptors()
    for server in servers:
        # Signals are ours: one interrupt stops all.
        server.capture_signals = _no_signals  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    def interrupted() -> None:
        log.info("stopping; what is under way has %d seconds to end", STOP_SECONDS)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    running = [asyncio.create_task(server.serve(list(sockets))) for server, sockets in servers.items()]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop()
        await asyncio.gather(*running)


def _allow_descriptors() -> None:
    """Shells give a process few descriptors, though it may have more: too few for the connections that are let in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _no_signals() -> Iterator[None]:
    yield
