"""Who issues, and what the admission server presents: made by the installation itself, or given by the operator.

Given are two files, a certificate and its key. A certificate authority issues server and client certificates in place
of the one that is made. Any other certificate is presented as it is; then the file holds the chain up to the authority
that clusters are to trust, and client certificates still come from the authority that is made.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from assay.admission import authority, certificates
from assay.admission.authority import Sealer
from assay.admission.certificates import Authority
from assay.clock import Instant, instant
from assay.errors import Refused
from assay.secret import Secret
from assay.storage import Store

FILE_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class GivenFiles:
    """The two PEM files that an operator gives: a certificate, perhaps with its chain, and its private key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What the server presents and whom it asks. PEM texts.

    `trusted_by` is what clusters need to trust it (their caBundle), `client_authorities` who issued client
    certificates. `files` are those it was read from, with their times of change.
    """

    certificate: str
    private_key: Secret
    leaf: x509.Certificate = field(repr=False)
    trusted_by: str
    client_authorities: str
    files: tuple[tuple[Path, int], ...] = ()

    def is_due(self, now: Instant) -> bool:
        """Whether a fresh one should take its place: it nears its end, or its files were changed."""
        changed = any(_time_of_change(path) not in (0, then) for path, then in self.files)
        return changed or certificates.due_for_renewal(self.leaf, now)

    @property
    def valid_until(self) -> Instant:
        """When clusters stop to accept it."""
        return instant(self.leaf.not_valid_after_utc)


def issuer(store: Store, root: Sealer, given: GivenFiles | None = None) -> Authority:
    """The authority that issues. Errors: Unavailable (database, SEALED), Corrupt, Refused for files that don't fit."""
    if given is not None:
        chain, key = _read(given)
        if _is_authority(chain[0]):
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise _unfit(given.key, "is not an ECDSA key, which an authority that is given must have")
            return Authority(chain[0], key, "".join(certificates.pem(each) for each in chain if not _is_top(each)))
    return authority.open_authority(store, root)


def server_identity(
    store: Store, root: Sealer, names: tuple[str, ...], given: GivenFiles | None = None
) -> ServerIdentity:
    """A server certificate for these host names, or the one that is given. Errors: as `issuer`."""
    if given is not None:
        chain, key = _read(given)
        if not _is_authority(chain[0]):
            return _as_given(given, chain, key, authority.trusted_bundle(store))
    issued = certificates.issue_server(issuer(store, root, given), names, store.clock.now())
    trusted = trusted_bundle(store, given)
    return ServerIdentity(
        certificate=issued.certificate,
        private_key=issued.private_key,
        leaf=certificates.load_pem(issued.certificate),
        trusted_by=trusted,
        client_authorities=trusted if given is None else trusted + authority.trusted_bundle(store),
        files=_times_of(given) if given else (),
    )


def trusted_bundle(store: Store, given: GivenFiles | None = None) -> str:
    """What clusters are to trust (PEM): what is given, else every valid authority that was made, newest first."""
    if given is None:
        return authority.trusted_bundle(store)
    chain, _ = _read(given)
    return certificates.pem(chain[-1])


def _as_given(given: GivenFiles, chain: list[x509.Certificate], key: PrivateKeyTypes, clients: str) -> ServerIdentity:
    top = chain[-1]
    if not _is_top(top) and not _is_authority(top):
        raise _unfit(given.certificate, "does not hold the chain up to the authority that clusters are to trust")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ServerIdentity(
        certificate="".join(map(certificates.pem, chain)),
        private_key=Secret(private.decode()),
        leaf=chain[0],
        trusted_by=certificates.pem(top),
        client_authorities=clients,
        files=_times_of(given),
    )


def _times_of(given: GivenFiles) -> tuple[tuple[Path, int], ...]:
    return tuple((path, _time_of_change(path)) for path in (given.certificate, given.key))


def _time_of_change(path: Path) -> int:
    """In nanoseconds; 0 for a file that is not there, as while it is being replaced."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _is_top(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _read(given: GivenFiles) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    try:
        chain = x509.load_pem_x509_certificates(_content(given.certificate))
    except ValueError as fault:
        raise _unfit(given.certificate, "holds no certificate in PEM form") from fault
    try:
        key = serialization.load_pem_private_key(_content(given.key), password=None)
    except (ValueError, TypeError) as fault:
        raise _unfit(given.key, "holds no unencrypted private key in PEM form") from fault
    if key.public_key() != chain[0].public_key():
        raise _unfit(given.key, "is not the key of the certificate")
    return chain, key


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError as fault:
        raise Refused(f"The file {path} cannot be read: {fault.strerror}.") from fault


def _unfit(path: Path, why: str) -> Refused:
    return Refused(
        f"The file {path} {why}.",
        advice="Give the certificate and key of an authority, or of the admission server with its whole chain.",
    )
