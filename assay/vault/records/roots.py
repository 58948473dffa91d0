"""The one row about the root key."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from assay.clock import Instant
from assay.storage import insert
from assay.vault.records.tables import root_key
from assay.vault.shapes import RootKind

_ONLY = 1


@dataclass(frozen=True, slots=True)
class RootRow:
    """What is known of the root key: where it comes from, salt and cost of a passphrase, a known text wrapped by it."""

    kind: RootKind
    salt: bytes = field(repr=False)
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    wrapped_check: bytes = field(repr=False)


def root_row(connection: Connection) -> RootRow | None:
    """The row, or None before the first start has written it."""
    columns = (column for column in root_key.c if column.name not in ("id", "time_created"))
    row = connection.execute(select(*columns)).mappings().one_or_none()
    return RootRow(**{**row, "kind": RootKind(row["kind"])}) if row else None


def insert_root_row(connection: Connection, row: RootRow, now: Instant) -> RootRow:
    """Write the row unless there is one; the row that stands."""
    values = {name: getattr(row, name) for name in RootRow.__slots__}
    fresh = insert(connection, root_key).values(id=_ONLY, **values, time_created=now)
    connection.execute(fresh.on_conflict_do_nothing(index_elements=[root_key.c.id]))
    return root_row(connection) or row
