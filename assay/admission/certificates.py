"""Certificates for the admission port: an authority, its server certificates, and the clusters' client certificates.

Pure but for randomness; the time is given. Source: RFC 5280; API servers look at the subject alternative names only.
Everything is ECDSA on P-256, which every API server speaks.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from assay.clock import Instant, instant, moment
from assay.errors import Corrupt, Refused
from assay.secret import Secret

AUTHORITY_DAYS = 3650
SERVER_DAYS = 90
CLIENT_DAYS = 365
#: Clocks of clusters may be a little behind ours.
BACKDATED = timedelta(minutes=5)
#: What has less than a third of its life left is renewed.
RENEWED_IN_LAST = 3
NAMES_MAX = 32
_COMMON_NAME_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that can issue. `chain` is what a server sends after its own certificate (PEM)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key: PEM texts, the SHA-256 fingerprint in hex, and until when it is valid."""

    certificate: str
    private_key: Secret
    fingerprint: str
    valid_until: Instant


def make_authority(name: str, now: Instant) -> Authority:
    """A new authority, self-signed, that may sign end certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _common_name(f"{name} admission authority")
    builder = _builder(subject, subject, key.public_key(), now, AUTHORITY_DAYS)
    return Authority(_authority_extensions(builder, key.public_key()).sign(key, hashes.SHA256()), key)


def cross_certificate(old: Authority, new: Authority, now: Instant) -> x509.Certificate:
    """The new authority certified by the old one: who trusts only the old one still accepts what the new one issues."""
    until = min(old.certificate.not_valid_after_utc, new.certificate.not_valid_after_utc)
    public = new.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(new.certificate.subject)
        .issuer_name(old.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(now).replace(microsecond=0) - BACKDATED)
        .not_valid_after(until)
    )
    return _authority_extensions(builder, public, of=old).sign(old.key, hashes.SHA256())


def issue_server(authority: Authority, names: Sequence[str], now: Instant) -> Issued:
    """A server certificate for host names and addresses, without ports. Errors: Refused for a name that is none."""
    if not 0 < len(names) <= NAMES_MAX:
        raise Refused(f"A server certificate for {len(names)} names was asked.", advice=f"Give 1 to {NAMES_MAX}.")
    alternatives = [_alternative(name) for name in dict.fromkeys(names)]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _issue(authority, _common_name(names[0]), alternatives, usage, now, SERVER_DAYS)


def issue_client(authority: Authority, cluster: str, now: Instant) -> Issued:
    """A client certificate for one cluster, by OCID. Its rights follow from its fingerprint's row, not its names."""
    alternatives: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:assay:{cluster}")]
    return _issue(authority, _common_name(cluster), alternatives, ExtendedKeyUsageOID.CLIENT_AUTH, now, CLIENT_DAYS)


def due_for_renewal(certificate: x509.Certificate, now: Instant) -> bool:
    """Whether less than a third of the certificate's life is left."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return moment(now) > certificate.not_valid_after_utc - life / RENEWED_IN_LAST


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of the DER, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def fingerprint_of_der(content: bytes) -> str:
    """The same, of a certificate as TLS presents it."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize().hex()


def pem(certificate: x509.Certificate) -> str:
    """The certificate's PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def load_pem(text: str) -> x509.Certificate:
    """The certificate of a stored PEM text. Errors: Corrupt."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError as fault:
        raise Corrupt("A stored certificate cannot be read.", advice="Restore it from a backup.") from fault


def key_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 DER of a private key, in clear: to be sealed at once."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key_der(content: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key again. Errors: Corrupt."""
    key = serialization.load_der_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Corrupt("The stored key of the certificate authority is not an ECDSA key.")
    return key


def _issue(
    authority: Authority,
    subject: x509.Name,
    alternatives: list[x509.GeneralName],
    usage: x509.ObjectIdentifier,
    now: Instant,
    days: int,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(subject, authority.certificate.subject, key.public_key(), now, days)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(
        pem(certificate) + authority.chain,
        Secret(private.decode()),
        fingerprint(certificate),
        instant(certificate.not_valid_after_utc),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: CertificatePublicKeyTypes, now: Instant, days: int
) -> x509.CertificateBuilder:
    begin = moment(now).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - BACKDATED)
        .not_valid_after(begin + timedelta(days=days))
    )


def _authority_extensions(
    builder: x509.CertificateBuilder, public: ec.EllipticCurvePublicKey, *, of: Authority | None = None
) -> x509.CertificateBuilder:
    issuer = of.key.public_key() if of else public
    return (
        # One authority may stand between: the new one, certified by the old one during a rotation.
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0 if of else 1), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LENGTH_MAX])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.rstrip("."))
    except ValueError as fault:
        raise Refused(f"{name[:80]!r} is not a host name.", advice="Use ASCII (punycode) names.") from fault
