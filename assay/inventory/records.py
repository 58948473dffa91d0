"""The table of layer parts: global facts, reachable only through an image that somebody owns."""

from sqlalchemy import BigInteger, Boolean, Column, Connection, Integer, LargeBinary, Table, Text, delete, select

from assay.clock import Instant
from assay.errors import Corrupt
from assay.inventory.part import FORMAT_VERSION, LayerPart, decode, encode
from assay.oci import Digest
from assay.storage import insert, metadata

layer_part = Table(
    "layer_part",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("format_version", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
)


def find_part(connection: Connection, digest: Digest) -> LayerPart | None:
    """The part of this blob in the present format; None when there is none, or none that can be read."""
    body = connection.execute(
        select(layer_part.c.body).where(
            layer_part.c.digest == digest.text, layer_part.c.format_version == FORMAT_VERSION
        )
    ).scalar_one_or_none()
    try:
        return decode(body) if body is not None else None
    except Corrupt:
        return None


def forget(connection: Connection, digest: Digest) -> None:
    """Drop the parts of a blob, of whatever format."""
    connection.execute(delete(layer_part).where(layer_part.c.digest == digest.text))


def put_part(connection: Connection, part: LayerPart, now: Instant) -> None:
    """Store a part in place of an earlier one, and drop those of earlier formats."""
    earlier = (layer_part.c.digest == part.digest.text) & (layer_part.c.format_version < FORMAT_VERSION)
    connection.execute(delete(layer_part).where(earlier))
    said = {"body": encode(part), "complete": part.is_complete, "reason": part.reason, "time_created": now}
    fresh = insert(connection, layer_part).values(digest=part.digest.text, format_version=FORMAT_VERSION, **said)
    connection.execute(
        fresh.on_conflict_do_update(index_elements=[layer_part.c.digest, layer_part.c.format_version], set_=said)
    )
