"""Verdicts of reviewers; written once, never changed."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, func, select

from assay.clock import Instant, new_etag
from assay.iam import Actor
from assay.scanning.counting import Counts
from assay.scanning.model import LifecycleState, Scan, Verdict
from assay.scanning.records.tables import scan_verdict


def add(
    connection: Connection, *, ocid: str, actor: Actor, scan: Scan, accepted: bool, reason: str, now: Instant
) -> Verdict:
    """Write a verdict of `actor` on `scan`."""
    row = connection.execute(
        scan_verdict.insert()
        .values(
            ocid=ocid,
            tenancy=scan.tenancy,
            compartment=scan.compartment,
            lifecycle_state=LifecycleState.ACTIVE,
            time_created=now,
            time_updated=now,
            etag=new_etag(),
            image=scan.image,
            repository=scan.repository,
            scan=scan.ocid,
            revision=scan.revision,
            accepted=accepted,
            reviewer=actor.principal.ocid,
            reviewer_name=actor.principal.name,
            reason=reason,
            counts=scan.counts.vector,
        )
        .returning(scan_verdict)
    ).one()
    return _verdict(row)


def of_image(connection: Connection, tenancy: str | None, image: str, rows_max: int) -> tuple[Verdict, ...]:
    """The verdicts on an image, the newest first; in one tenancy when it is given."""
    query = select(scan_verdict).where(scan_verdict.c.image == image)
    if tenancy is not None:
        query = query.where(scan_verdict.c.tenancy == tenancy)
    query = query.order_by(scan_verdict.c.time_created.desc(), scan_verdict.c.ocid.desc()).limit(rows_max)
    return tuple(_verdict(row) for row in connection.execute(query))


def newest_of_each(connection: Connection, images: Collection[str]) -> tuple[Verdict, ...]:
    """The newest verdict on each of these images (OCIDs), as far as there is one."""
    rank = func.row_number().over(
        partition_by=scan_verdict.c.image, order_by=(scan_verdict.c.time_created.desc(), scan_verdict.c.ocid.desc())
    )
    ranked = select(scan_verdict.c.ocid, rank.label("rank")).where(scan_verdict.c.image.in_(images)).subquery()
    query = select(scan_verdict).join(ranked, ranked.c.ocid == scan_verdict.c.ocid).where(ranked.c.rank == 1)
    return tuple(_verdict(row) for row in connection.execute(query))


def _verdict(row: Row[Any]) -> Verdict:
    return Verdict(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        repository=row.repository,
        image=row.image,
        scan=row.scan,
        revision=row.revision,
        accepted=row.accepted,
        reason=row.reason,
        reviewer=row.reviewer,
        reviewer_name=row.reviewer_name,
        counts=Counts.of(row.counts),
        time_created=Instant(row.time_created),
    )
