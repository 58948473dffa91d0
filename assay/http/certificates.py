"""TLS for the admission port: a context whose certificate is renewed while it serves, and who presented what.

The protocol class puts the client certificate that TLS has verified into the scope, as `CLIENT_CERTIFICATE` (DER, None
without one), and hangs up on clients that don't come to the end of their headers. It uses private parts of uvicorn,
whose version is pinned; `tests/contract/test_admission_door.py` holds what is promised here.
"""

import asyncio
import secrets
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from assay.admission.identity import ServerIdentity
from assay.clock import Clock

CLIENT_CERTIFICATE = "assay.client_certificate"
#: API servers send their headers at once.
HEADERS_SECONDS = 5.0
HEADERS_BYTES_MAX = 64 * 1024
#: In which an idle client may answer the end of TLS when the server stops.
LEAVE_SECONDS = 1.0

App = Callable[[Any, Any, Any], Awaitable[None]]


class RenewedContext:
    """A server's TLS context. `supply` gives a fresh identity; `renew`, called now and then, takes a due one."""

    def __init__(self, supply: Callable[[], ServerIdentity], clock: Clock) -> None:
        self._supply = supply
        self._clock = clock
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
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


class AdmissionProtocol(HttpToolsProtocol):
    """Give as `http=` to uvicorn's configuration."""

    _headers_due: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note who connected; TLS has come to its end here."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        self.app = _presenting(self.app, certificate)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """Hang up when headers grow beyond what they may be."""
        if self._headers_due is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._headers_due is not None and self._header_bytes > HEADERS_BYTES_MAX:
            self._hang_up()

    def on_message_begin(self) -> None:
        """A further request on the same connection has as long as the first."""
        self._await_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The headers are here; what comes now is the door's to bound."""
        self._headers_came()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """The server stops. An idle client need not take its leave: TLS would have us wait for its answer."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(LEAVE_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._headers_came()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._headers_due is None:
            self._header_bytes = 0
            self._headers_due = self.loop.call_later(HEADERS_SECONDS, self._hang_up)

    def _headers_came(self) -> None:
        if self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _hang_up(self) -> None:
        self._headers_came()
        self.transport.abort()


def _presenting(app: Any, certificate: bytes | None) -> Any:
    """`app`, told of the client certificate."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        scope[CLIENT_CERTIFICATE] = certificate
        await app(scope, receive, send)

    return served
