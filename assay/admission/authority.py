"""The certificate authority of the admission port: made at first start, kept sealed, renewed, rotated without a gap.

The private key is in the database only as the root key wraps it, bound to its own certificate; without the root key
(a sealed vault) nothing can be issued, and what was issued stays valid. After a rotation the new authority is also
certified by the one before, and clusters are given both: whichever of the two a cluster trusts, it accepts the server.
"""

from typing import Protocol

from assay.admission import certificates
from assay.admission.certificates import Authority
from assay.admission.records import authorities as records
from assay.admission.records.authorities import AuthorityRow
from assay.clock import instant
from assay.errors import Corrupt
from assay.storage import Store

_BOUND_TO = b"assay certificate authority 1 "


class Sealer(Protocol):
    """The vault's root key, as far as it is needed here."""

    def wrap(self, data_key: bytes, associated: bytes) -> bytes:
        """Encrypted, and authenticated together with `associated`. Errors: Unavailable (SEALED)."""
        ...

    def unwrap(self, wrapped: bytes, associated: bytes) -> bytes:
        """The same in clear. Errors: Unavailable (SEALED), Corrupt."""
        ...


def open_authority(store: Store, root: Sealer) -> Authority:
    """The authority that issues: the newest, made when there is none or when the newest nears its end.

    Errors: Unavailable (database, SEALED), Corrupt.
    """
    now = store.clock.now()
    with store.database.read() as connection:
        rows = records.authorities(connection, now)
    if rows and not certificates.due_for_renewal(certificates.load_pem(rows[0].certificate), now):
        return _opened(root, rows[0])
    return rotate_authority(store, root)


def rotate_authority(store: Store, root: Sealer) -> Authority:
    """A new authority beside those that are valid; the newest of them certifies it. Errors: as above."""
    now = store.clock.now()
    new = certificates.make_authority(store.site.region, now)
    with store.database.write() as connection:
        rows = records.authorities(connection, now)
        chain = ""
        if rows:
            chain = certificates.pem(certificates.cross_certificate(_opened(root, rows[0]), new, now))
        row = AuthorityRow(
            number=rows[0].number + 1 if rows else 1,
            certificate=certificates.pem(new.certificate),
            chain=chain,
            sealed_key=root.wrap(certificates.key_der(new.key), _bound(new)),
            valid_until=instant(new.certificate.not_valid_after_utc),
        )
        inserted = records.insert_authority(connection, row, now)
    # When another replica was first, its authority is as good.
    return Authority(new.certificate, new.key, chain) if inserted else open_authority(store, root)


def trusted_bundle(store: Store) -> str:
    """The PEM certificates of every valid authority, newest first: clusters' caBundle. Empty before first start."""
    with store.database.read() as connection:
        return "".join(row.certificate for row in records.authorities(connection, store.clock.now()))


def _opened(root: Sealer, row: AuthorityRow) -> Authority:
    certificate = certificates.load_pem(row.certificate)
    bound = _BOUND_TO + certificates.fingerprint(certificate).encode()
    authority = Authority(certificate, certificates.load_key_der(root.unwrap(row.sealed_key, bound)), row.chain)
    if authority.key.public_key() != certificate.public_key():
        raise Corrupt("The stored key of the certificate authority is not that of its certificate.")
    return authority


def _bound(authority: Authority) -> bytes:
    return _BOUND_TO + certificates.fingerprint(authority.certificate).encode()
