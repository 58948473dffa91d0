"""Statements of the scrub: all that is stored, page by page."""

from sqlalchemy import Connection, select

from assay.oci import Digest
from assay.registry.records.damage import Content
from assay.registry.records.tables import blob, manifest


def blobs_after(connection: Connection, after: str, *, rows_max: int) -> tuple[tuple[Digest, int], ...]:
    """Blobs and their sizes behind a digest, in order."""
    query = select(blob.c.digest, blob.c.size).where(blob.c.digest > after).order_by(blob.c.digest).limit(rows_max)
    return tuple((Digest(row.digest), row.size) for row in connection.execute(query))


def manifests_after(connection: Connection, after: str, *, rows_max: int) -> tuple[Digest, ...]:
    """Manifests behind a digest, in order."""
    query = select(manifest.c.digest).where(manifest.c.digest > after).order_by(manifest.c.digest).limit(rows_max)
    return tuple(map(Digest, connection.execute(query).scalars()))


def content_of(connection: Connection, digest: Digest) -> bytes | None:
    """The bytes of a manifest, None when it is gone."""
    query = select(manifest.c.content).where(manifest.c.digest == digest.text)
    found = connection.execute(query).scalar_one_or_none()
    return bytes(found) if found is not None else None


def locked(connection: Connection, kind: Content, digest: Digest) -> bool:
    """Hold the row of a content until the transaction ends; whether there is one."""
    table = blob if kind is Content.BLOB else manifest
    query = select(table.c.digest).where(table.c.digest == digest.text).with_for_update()
    return connection.execute(query).one_or_none() is not None
