"""Rows of the certificate authorities of the admission port: one at first, one more after each rotation."""

from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text, select

from assay.clock import Instant
from assay.storage import insert, metadata

#: The private key is sealed under the root key and bound to its certificate. The rows are the installation's own.
certificate_authority = Table(
    "certificate_authority",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("certificate", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("sealed_key", LargeBinary, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class AuthorityRow:
    """An authority as it is stored: PEM texts, and the sealed key."""

    number: int
    certificate: str
    chain: str
    sealed_key: bytes = field(repr=False)
    valid_until: Instant


def authorities(connection: Connection, now: Instant) -> tuple[AuthorityRow, ...]:
    """The authorities that are still valid, newest first."""
    rows = connection.execute(
        select(certificate_authority)
        .where(certificate_authority.c.valid_until > now)
        .order_by(certificate_authority.c.number.desc())
    )
    return tuple(
        AuthorityRow(row.number, row.certificate, row.chain, row.sealed_key, Instant(row.valid_until)) for row in rows
    )


def insert_authority(connection: Connection, row: AuthorityRow, now: Instant) -> bool:
    """Keep a new authority; False when another replica has taken the number."""
    added = connection.execute(
        insert(connection, certificate_authority)
        .values(
            number=row.number,
            certificate=row.certificate,
            chain=row.chain,
            sealed_key=row.sealed_key,
            valid_until=row.valid_until,
            time_created=now,
        )
        .on_conflict_do_nothing()
    )
    return added.rowcount == 1
