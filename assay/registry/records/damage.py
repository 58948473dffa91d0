"""Statements on damage: contents whose stored bytes are not what their digest says."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, delete, func, select

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.records.blobs import in_runs
from assay.registry.records.tables import damage
from assay.storage import insert


class Content(StrEnum):
    """What is stored under a digest."""

    BLOB = "blob"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class Damage:
    """What was found, and when first."""

    digest: Digest
    kind: Content
    says: str
    time_created: Instant


def note(connection: Connection, kind: Content, digest: Digest, says: str, now: Instant) -> bool:
    """Note a damage; whether it is a new one."""
    row = insert(connection, damage).values(digest=digest.text, kind=kind, says=says, time_created=now)
    return connection.execute(row.on_conflict_do_nothing()).rowcount == 1


def mended(connection: Connection, kind: Content, digest: Digest) -> bool:
    """Forget a damage; whether there was one."""
    gone = connection.execute(delete(damage).where(damage.c.digest == digest.text, damage.c.kind == kind))
    return gone.rowcount == 1


#: Built once: every pull and push asks it.
_OF = select(damage).where(damage.c.digest == bindparam("of"), damage.c.kind == bindparam("what"))


def of(connection: Connection, kind: Content, digest: Digest) -> Damage | None:
    """The damage of a content, if it has one."""
    row = connection.execute(_OF, {"of": digest.text, "what": kind}).one_or_none()
    return Damage(digest, kind, row.says, row.time_created) if row is not None else None


def among(connection: Connection, kind: Content, digests: Collection[Digest]) -> frozenset[Digest]:
    """Those of `digests` that are damaged."""
    found: set[Digest] = set()
    for run in in_runs({digest.text for digest in digests}):
        query = select(damage.c.digest).where(damage.c.kind == kind, damage.c.digest.in_(run))
        found.update(map(Digest, connection.execute(query).scalars()))
    return frozenset(found)


def counted(connection: Connection) -> int:
    """How many contents are damaged."""
    return connection.execute(select(func.count()).select_from(damage)).scalar_one()


def listed(connection: Connection, *, rows_max: int) -> tuple[Damage, ...]:
    """What is damaged, by digest."""
    rows = connection.execute(select(damage).order_by(damage.c.digest, damage.c.kind).limit(rows_max))
    return tuple(Damage(Digest(row.digest), Content(row.kind), row.says, row.time_created) for row in rows)
