"""Statements on signatures that users pushed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from assay.oci import Digest
from assay.signing.envelope import Form
from assay.signing.records.tables import pushed_signature
from assay.signing.resources import PushedSignature
from assay.vault import SigningAlgorithm


def replace(
    connection: Connection,
    tenancy: str,
    compartment: str,
    repository: str,
    manifest: Digest,
    found: Sequence[PushedSignature],
) -> None:
    """Keep what was found in a pushed manifest, instead of what was found in it before."""
    table = pushed_signature
    connection.execute(delete(table).where(table.c.repository == repository, table.c.manifest == manifest.text))
    rows = [
        {
            "repository": repository,
            "manifest": manifest.text,
            "position": position,
            "tenancy": tenancy,
            "compartment": compartment,
            "subject": each.subject.text,
            "form": each.form,
            "reference": each.reference,
            "algorithm": each.algorithm,
            "key": each.key,
            "key_version": each.key_version,
            "signed": each.signed,
            "signature": each.signature,
            "time_created": each.time_created,
        }
        for position, each in enumerate(found)
    ]
    if rows:
        connection.execute(table.insert(), rows)


def move(connection: Connection, repository: str, compartment: str) -> None:
    """Let the rows of a repository lie in another compartment."""
    table = pushed_signature
    connection.execute(update(table).where(table.c.repository == repository).values(compartment=compartment))


def on_subject(
    connection: Connection, repository: str, subject: Digest, *, keys: Sequence[str] | None, rows_max: int
) -> tuple[PushedSignature, ...]:
    """What users pushed about a manifest, signed by some keys (None: by any), newest first."""
    table = pushed_signature
    query = select(table).where(table.c.repository == repository, table.c.subject == subject.text)
    if keys is not None:
        query = query.where(table.c.key.in_(keys))
    order = (table.c.time_created.desc(), table.c.manifest, table.c.position)
    return tuple(map(_value, connection.execute(query.order_by(*order).limit(rows_max))))


def _value(row: Row[Any]) -> PushedSignature:
    return PushedSignature(
        repository=row.repository,
        manifest=Digest(row.manifest),
        subject=Digest(row.subject),
        form=Form(row.form),
        reference=row.reference,
        algorithm=SigningAlgorithm(row.algorithm),
        key=row.key,
        key_version=row.key_version,
        signed=bytes(row.signed),
        signature=bytes(row.signature),
        time_created=row.time_created,
    )
