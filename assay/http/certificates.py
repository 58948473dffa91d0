"""TLS for the ports that speak it: a context whose certificate is renewed while it serves, and who presented what.

The admission port's protocol class puts the client certificate that TLS has verified into the scope, as
`CLIENT_CERTIFICATE` (DER, None without one). It uses private parts of uvicorn, whose version is pinned;
`tests/contract/test_admission_door.py` holds what is promised here.
"""

import asyncio
import secrets
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from logging import getLogger
from typing import Any

from cryptography.hazmat.primitives import serialization

from assay.admission.identity import ServerIdentity
from assay.clock import HOUR, SECOND, Clock
from assay.errors import AssayError
from assay.http.headers import BoundedHeaders

CLIENT_CERTIFICATE = "assay.client_certificate"
#: In which an idle client may answer the end of TLS when the server stops.
LEAVE_SECONDS = 1.0
RENEWAL_SECONDS = HOUR / SECOND

log = getLogger(__name__)

App = Callable[[Any, Any, Any], Awaitable[None]]


class RenewedContext:
    """A server's TLS context. `supply` gives a fresh identity; `renew`, called now and then, takes a due one."""

    def __init__(self, supply: Callable[[], ServerIdentity], clock: Clock, *, asks_clients: bool = True) -> None:
        self._supply = supply
        self._clock = clock
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if asks_clients:
            # A certificate is asked for, not demanded: a bearer token does as well.
            self.context.verify_mode = ssl.CERT_OPTIONAL
        self.identity = supply()
        self._load()

    def renew(self) -> bool:
        """Take a fresh identity if the present one is due; connections that stand keep theirs. Errors: as `supply`."""
        if not self.identity.is_due(self._clock.now()):
            return False
        self.identity = self._supply()
        self._load()
        return True

    def _load(self) -> None:
        """Put the identity into the context. OpenSSL reads files only: the key is written encrypted, for a moment."""
        password = secrets.token_urlsafe()
        key = serialization.load_pem_private_key(self.identity.private_key.reveal().encode(), password=None)
        encrypted = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
        with tempfile.NamedTemporaryFile(prefix="assay-tls-") as file:
            file.write(self.identity.certificate.encode() + encrypted)
            file.flush()
            self.context.load_cert_chain(file.name, password=password)
        if self.identity.client_authorities:
            self.context.load_verify_locations(cadata=self.identity.client_authorities)


async def renew_hourly(renew: Callable[[], bool], port: str) -> None:
    """Renew a context for ever, and log it; `port` is what the log calls it."""
    while True:
        await asyncio.sleep(RENEWAL_SECONDS)
        try:
            if await asyncio.to_thread(renew):
                log.info("%s: the server certificate was renewed", port)
        except AssayError as fault:
            log.warning("%s: the server certificate is due and could not be renewed: %s", port, fault)


class AdmissionProtocol(BoundedHeaders):
    """Give as `http=` to uvicorn's configuration."""

    #: API servers send their headers at once.
    headers_seconds = 5.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who connected; TLS has come to its end here."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app = _presenting(self.app, certificate)

    def shutdown(self) -> None:
        """The server stops. An idle client need not take its leave: TLS would have us wait for its answer."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(LEAVE_SECONDS, self.transport.abort)

    def cut(self) -> None:
        """End a connection at once: TLS would have us wait for the client's leave."""
        self.transport.abort()


def _presenting(app: Any, certificate: bytes | None) -> Any:
    """`app`, told of the client certificate."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        scope[CLIENT_CERTIFICATE] = certificate
        await app(scope, receive, send)

    return served
