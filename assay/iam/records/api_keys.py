"""API keys of users, and the signatures that must not come twice: tables and statements."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
)

from assay.clock import Instant
from assay.iam.records import rows
from assay.iam.records.tables import user
from assay.iam.resources import State
from assay.storage import insert, metadata, owned

#: Public keys that verify a user's request signatures; the private key is never here. `public_key` is PEM (SPKI).
api_key = Table(
    "api_key",
    metadata,
    *owned(),
    Column("user", Text, ForeignKey("iam_user.ocid"), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("time_expires", BigInteger),
    UniqueConstraint("user", "fingerprint"),
)

#: Digests of the signatures of requests that change something, until their date is too old to be taken.
used_signature = Table(
    "used_signature",
    metadata,
    *owned(resource=False),
    Column("digest", Text, primary_key=True),
    Column("time_over", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature a key verifies."""

    public_key: str
    user_name: str


def insert_key(
    connection: Connection, ocid: str, tenancy: str, now: Instant, owner: str, fingerprint: str, **values: Any
) -> bool:
    """Write a key; False when its user has it already. `values`: public_key, time_expires."""
    fresh = rows.fresh(ocid, tenancy, tenancy, now)
    return rows.add(connection, api_key, {**fresh, "user": owner, "fingerprint": fingerprint, **values})


def keys_of(connection: Connection, owner: str) -> tuple[Row[Any], ...]:
    """The keys of a user, oldest first, expired ones among them."""
    query = select(api_key).where(api_key.c.user == owner).order_by(api_key.c.time_created, api_key.c.ocid)
    return tuple(connection.execute(query))


def count_keys(connection: Connection, owner: str) -> int:
    """How many keys a user has, expired ones among them."""
    return int(connection.execute(select(func.count()).where(api_key.c.user == owner)).scalar_one())


def get_key(
    connection: Connection, tenancy: str, owner: str, fingerprint: str, *, lock: bool = False
) -> Row[Any] | None:
    """One key of a user."""
    table = api_key.c
    query = select(api_key).where(table.user == owner, table.fingerprint == fingerprint, table.tenancy == tenancy)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def delete_key(connection: Connection, ocid: str) -> None:
    """Delete a key; nothing of it stays."""
    connection.execute(delete(api_key).where(api_key.c.ocid == ocid))


def delete_keys(connection: Connection, owner: str) -> None:
    """Delete all keys of a user."""
    connection.execute(delete(api_key).where(api_key.c.user == owner))


def signer(connection: Connection, tenancy: str, owner: str, fingerprint: str, now: Instant) -> Signer | None:
    """The key and its user, if the key has not expired and the user is active."""
    table = api_key.c
    query = (
        select(table.public_key, user.c.name)
        .join(user, user.c.ocid == table.user)
        .where(
            table.tenancy == tenancy,
            table.user == owner,
            table.fingerprint == fingerprint,
            (table.time_expires.is_(None)) | (table.time_expires > now),
            user.c.tenancy == tenancy,
            user.c.lifecycle_state == State.ACTIVE,
        )
    )
    row = connection.execute(query).one_or_none()
    return Signer(*row) if row else None


def use_signature(connection: Connection, tenancy: str, digest: str, time_over: Instant) -> bool:
    """Write down that a signature was used; False when it was before."""
    written = (
        insert(connection, used_signature)
        .values(tenancy=tenancy, compartment=tenancy, digest=digest, time_over=time_over)
        .on_conflict_do_nothing()
        .returning(used_signature.c.digest)
    )
    return connection.execute(written).first() is not None


def forget_signatures(connection: Connection, now: Instant) -> int:
    """Delete the signatures whose date is too old by now; how many they were."""
    return connection.execute(delete(used_signature).where(used_signature.c.time_over <= now)).rowcount
