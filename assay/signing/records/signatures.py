"""Statements on image signatures and their envelopes."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, func, or_, select, update

from assay.clock import Instant, new_etag
from assay.errors import not_found
from assay.oci import Digest
from assay.signing.envelope import Form
from assay.signing.records.tables import image_signature, signature_envelope
from assay.signing.resources import Envelope, ImageSignature, Origin, SignatureFilter, SignatureState, Subject
from assay.vault import SigningAlgorithm

_SAME_NAME = ("repository", "repository_name", "image", "key", "key_version", "algorithm")


def insert(connection: Connection, record: ImageSignature, envelopes: Sequence[Envelope]) -> None:
    """Write a record with all its envelopes."""
    columns = {name: getattr(record, name) for name in ImageSignature.__slots__ if name != "state"}
    columns |= {"digest": record.digest.text, "lifecycle_state": record.state}
    connection.execute(image_signature.insert().values(**columns))
    connection.execute(
        signature_envelope.insert(),
        [
            {
                "image_signature": record.ocid,
                "subject": each.subject.digest.text,
                "form": each.form,
                "tenancy": record.tenancy,
                "compartment": record.compartment,
                "repository": record.repository,
                "subject_media_type": each.subject.media_type,
                "subject_bytes": each.subject.size,
                "algorithm": each.algorithm,
                "payload": each.payload,
                "signature": each.signature,
            }
            for each in envelopes
        ],
    )


def get(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> ImageSignature:
    """The record, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    query = select(image_signature).where(image_signature.c.ocid == ocid, image_signature.c.tenancy == tenancy)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found()
    return _record(row)


def delete(connection: Connection, ocid: str, now: Instant) -> None:
    """Mark a record deleted; its bytes stay, so that denials can be explained."""
    change(connection, ocid, now, lifecycle_state=SignatureState.DELETED, time_deleted=now)


def change(connection: Connection, ocid: str, now: Instant, **values: Any) -> None:
    """Change a record; its etag and time of update change with it."""
    values |= {"time_updated": now, "etag": new_etag()}
    connection.execute(update(image_signature).where(image_signature.c.ocid == ocid).values(**values))


def move(connection: Connection, repository: str, compartment: str) -> None:
    """Let the records of a repository lie in another compartment."""
    for table in (image_signature, signature_envelope):
        connection.execute(update(table).where(table.c.repository == repository).values(compartment=compartment))


def listed(
    connection: Connection, tenancy: str, narrow: SignatureFilter, after: Sequence[Any] | None, *, rows_max: int
) -> tuple[ImageSignature, ...]:
    """Available records behind the sort key `after` (value, OCID), in the filter's order."""
    table = image_signature
    query = select(table).where(table.c.tenancy == tenancy, table.c.lifecycle_state == SignatureState.AVAILABLE)
    if narrow.compartments:
        query = query.where(table.c.compartment.in_(narrow.compartments))
    for name in _SAME_NAME:
        if wanted := getattr(narrow, name):
            query = query.where(table.c[name] == wanted)
    if narrow.digest:
        query = query.where(table.c.digest == narrow.digest)
    column = display_name() if narrow.by_name else table.c.time_created
    if after is not None:
        value, ocid = after
        behind = column < value if narrow.descending else column > value
        beside = table.c.ocid < ocid if narrow.descending else table.c.ocid > ocid
        query = query.where(or_(behind, and_(column == value, beside)))
    order = (column.desc(), table.c.ocid.desc()) if narrow.descending else (column, table.c.ocid)
    return tuple(map(_record, connection.execute(query.order_by(*order).limit(rows_max))))


def display_name() -> ColumnElement[str]:
    """`ImageSignature.display_name` as an expression."""

    def tail(column: Column[str]) -> ColumnElement[str]:
        return func.substr(column, func.length(column) - 9)

    table = image_signature.c
    return tail(table.key) + "::" + tail(table.key_version) + "::" + table.algorithm + "::" + tail(table.ocid)


def keys_on(connection: Connection, images: Collection[str]) -> tuple[tuple[str, str], ...]:
    """(image, key) for each key that has an available record on one of these images (OCIDs)."""
    query = select(image_signature.c.image, image_signature.c.key).where(
        image_signature.c.image.in_(images), image_signature.c.lifecycle_state == SignatureState.AVAILABLE
    )
    return tuple((row.image, row.key) for row in connection.execute(query.distinct()))


def on_subject(
    connection: Connection,
    repository: str,
    subject: Digest,
    form: Form,
    *,
    keys: Sequence[str] | None = None,
    rows_max: int,
) -> tuple[tuple[ImageSignature, Envelope], ...]:
    """The envelopes of one form over a manifest of a repository, by some keys (None: by any).

    Available records come first, then deleted ones, each newest first.
    """
    query = (
        select(image_signature, *(column.label(f"of_{column.name}") for column in signature_envelope.c))
        .join(signature_envelope, signature_envelope.c.image_signature == image_signature.c.ocid)
        .where(
            signature_envelope.c.repository == repository,
            signature_envelope.c.subject == subject.text,
            signature_envelope.c.form == form,
        )
        .order_by(image_signature.c.lifecycle_state, image_signature.c.time_created.desc(), image_signature.c.ocid)
        .limit(rows_max)
    )
    if keys is not None:
        query = query.where(image_signature.c.key.in_(keys))
    return tuple((_record(row), _joined(row)) for row in connection.execute(query))


def withdrawn_versions(connection: Connection, repository: str, subject: Digest) -> frozenset[str]:
    """The key versions of deleted records over a manifest of a repository."""
    query = (
        select(image_signature.c.key_version)
        .join(signature_envelope, signature_envelope.c.image_signature == image_signature.c.ocid)
        .where(
            signature_envelope.c.repository == repository,
            signature_envelope.c.subject == subject.text,
            image_signature.c.lifecycle_state == SignatureState.DELETED,
        )
        .distinct()
    )
    return frozenset(connection.execute(query).scalars())


def made_here(connection: Connection, repository: str, subject: Digest) -> frozenset[bytes]:
    """All signatures over a manifest of a repository that our records hold, deleted ones included."""
    query = select(signature_envelope.c.signature).where(
        signature_envelope.c.repository == repository, signature_envelope.c.subject == subject.text
    )
    return frozenset(bytes(signature) for signature in connection.execute(query).scalars())


def envelopes_of(connection: Connection, ocid: str) -> tuple[Envelope, ...]:
    """Everything that a record's act of signing signed."""
    query = select(signature_envelope).where(signature_envelope.c.image_signature == ocid)
    order = (signature_envelope.c.subject, signature_envelope.c.form)
    return tuple(map(_envelope, connection.execute(query.order_by(*order))))


def _record(row: Row[Any]) -> ImageSignature:
    return ImageSignature(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        repository=row.repository,
        repository_name=row.repository_name,
        image=row.image,
        digest=Digest(row.digest),
        key=row.key,
        key_version=row.key_version,
        algorithm=SigningAlgorithm(row.algorithm),
        origin=Origin(row.origin),
        reference=row.reference,
        created_by=row.created_by,
        message=bytes(row.message),
        signature=bytes(row.signature),
        state=SignatureState(row.lifecycle_state),
        time_created=row.time_created,
        time_updated=row.time_updated,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )


def _envelope(row: Row[Any]) -> Envelope:
    return Envelope(
        image_signature=row.image_signature,
        subject=Subject(Digest(row.subject), row.subject_media_type, row.subject_bytes),
        form=Form(row.form),
        algorithm=SigningAlgorithm(row.algorithm),
        payload=bytes(row.payload),
        signature=bytes(row.signature),
    )


def _joined(row: Row[Any]) -> Envelope:
    return Envelope(
        image_signature=row.ocid,
        subject=Subject(Digest(row.of_subject), row.of_subject_media_type, row.of_subject_bytes),
        form=Form(row.of_form),
        algorithm=SigningAlgorithm(row.of_algorithm),
        payload=bytes(row.of_payload),
        signature=bytes(row.of_signature),
    )
