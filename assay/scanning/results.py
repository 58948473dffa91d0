"""Reading scans: of an image, of many, the latest of each, and how an image stands. As of the published revision.

Whoever reads needs the permission on the compartment of the scanner that made them (oci-api 4.2: results lie there).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.errors import not_found
from assay.iam import Actor, Target, authorize, permitted
from assay.scanning import doubts, ocids
from assay.scanning.counting import Counts
from assay.scanning.model import ImageStatus, RepositorySummary, Scan, ScanFilter, Standing
from assay.scanning.permission import missing_statements
from assay.scanning.records import inventories, requests, scans
from assay.scanning.records.scans import ScanRow
from assay.scanning.risk import ORDER, RiskLevel, ScanState
from assay.storage import Store, pages

LIST = "ListContainerScanResults"
GET = "GetContainerScanResult"


def listed(
    store: Store, actor: Actor, narrow: ScanFilter, *, limit: int | None = None, page: str = ""
) -> pages.Page[Scan]:
    """A page of scans, the newest first. Errors: Refused (NOT_FOUND when the actor may read none, PAGE_TOKEN)."""
    rows_max = pages.page_rows(limit)
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        query = (LIST, actor.tenancy, narrow)
        after = pages.decode_page(store.page_key, query, page) if page else None
        within = replace(narrow, compartments=_allowed_compartments(store, connection, actor, narrow))
        rows = scans.listed(connection, actor.tenancy, within, published, after, rows_max + 1)
        shown = rows[:rows_max]
        found = tuple(scan_of(store, connection, row) for row in shown)
    more = len(rows) > rows_max
    last = shown[-1] if shown else None
    token = (
        pages.encode_page(store.page_key, query, (last.time_created, last.rev, last.inventory.id))
        if more and last
        else ""
    )
    return pages.Page(found, token)


def get(store: Store, actor: Actor, ocid: str) -> Scan:
    """One scan. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return scan_of(store, connection, readable(store, connection, actor, ocid, GET))


def latest(connection: Connection, store: Store, image: str) -> Scan | None:
    """The latest scan of an image, whoever asks: for rooms that have decided already that it may be told."""
    published = revisions.published_revision(connection)
    row = scans.latest_of_images(connection, [image], published).get(image)
    return None if row is None else scan_of(store, connection, row)


def statuses(store: Store, actor: Actor, images: Collection[str]) -> Mapping[str, ImageStatus]:
    """How each of these images stands; those of which the actor may not read results are left out."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        found = inventories.of_images(connection, images)
        latest_scans = scans.latest_of_images(connection, list(found), published)
        waiting = requests.of_images(connection, images)
        allowed = _Allowed(store, connection, actor)
        result: dict[str, ImageStatus] = {}
        for image in images:
            inventory, request, row = found.get(image), waiting.get(image), latest_scans.get(image)
            place = inventory or request
            if place is not None and (place.tenancy != actor.tenancy or place.compartment not in allowed):
                continue
            scan = None if row is None else scan_of(store, connection, row)
            current = None if inventory is None or scan is None else inventory.readable_until(published)
            if request is not None:
                missing = missing_statements(connection, request.tenancy, now=store.clock.now())
                standing = (
                    Standing.NOT_PERMITTED if missing else Standing.WAITING if published else Standing.NO_ADVISORIES
                )
                result[image] = ImageStatus(image, standing, scan, current, missing)
            elif inventory is not None and inventory.is_live:
                result[image] = ImageStatus(image, Standing.SCANNED, scan, current)
            else:
                result[image] = ImageStatus(image, Standing.UNWATCHED, scan, current)
    return result


def repository_summaries(store: Store, actor: Actor, repositories: Collection[str]) -> Mapping[str, RepositorySummary]:
    """The latest scans of each repository, summed up; repositories without a readable scan are left out."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        allowed = _Allowed(store, connection, actor)
        found = scans.latest_of_repositories(connection, repositories, published)
        return {
            repository: _summary(store, connection, repository, rows)
            for repository, all_rows in found.items()
            if (
                rows := [
                    row
                    for row in all_rows
                    if row.inventory.tenancy == actor.tenancy and row.inventory.compartment in allowed
                ]
            )
        }


def readable(store: Store, connection: Connection, actor: Actor, ocid: str, operation: str) -> ScanRow:
    """The scan's row, if the actor may do `operation` on it. Errors: Refused (NOT_FOUND)."""
    key = ocids.mark_and_revision(ocid)
    published = revisions.published_revision(connection)
    row = None if key is None else scans.one(connection, *key, published)
    if row is None or row.inventory.tenancy != actor.tenancy or _ocid(store, row) != ocid:
        raise not_found()
    authorize(connection, actor, operation, target_of(row, ocid), now=store.clock.now())
    return row


def target_of(row: ScanRow, ocid: str) -> Target:
    """A scan as a target of an operation."""
    return Target(compartment=row.inventory.compartment, resource=ocid)


def scan_of(store: Store, connection: Connection, row: ScanRow) -> Scan:
    """The scan that a row says, with all reasons why it is not whole."""
    scan = _counted(store, row)
    if row.state is not ScanState.PARTIAL or row.inventory.chain is None:
        return scan
    # Of the latest scan, what held when it was made may have been purged since.
    published = revisions.published_revision(connection)
    until = scans.current_until(connection, row, published)
    return replace(scan, reasons=(*scan.reasons, *doubts.reasons(connection, row.inventory.chain, until)))


def _counted(store: Store, row: ScanRow) -> Scan:
    """The scan that a row says, with those reasons alone that came of reading the image."""
    return Scan(
        ocid=_ocid(store, row),
        tenancy=row.inventory.tenancy,
        compartment=row.inventory.compartment,
        target=row.inventory.target,
        repository=row.inventory.repository,
        image=row.inventory.image,
        revision=row.rev,
        cause=row.cause,
        state=row.state,
        reasons=tuple(each.rstrip(".") for each in row.inventory.reason.splitlines()),
        time_created=row.time_created,
        counts=Counts.of(row.vector),
        unrated_as=RiskLevel(store.unrated_as.upper()),
    )


def _ocid(store: Store, row: ScanRow) -> str:
    return ocids.of_scan(store.site, row.inventory.image, row.inventory.mark, row.rev)


def _summary(store: Store, connection: Connection, repository: str, rows: Sequence[ScanRow]) -> RepositorySummary:
    found = [_counted(store, row) for row in rows]
    latest = max(rows, key=lambda row: (row.time_created, row.rev), default=None)
    levels = Counter(scan.risk_level for scan in found)
    without = levels.pop(None, 0)
    by_risk = {level: levels[level] for level in ORDER if level in levels}
    return RepositorySummary(
        repository=repository,
        scanned=len(found),
        by_risk=by_risk,
        without_level=without,
        worst=next(iter(by_risk), None),
        latest=None if latest is None else scan_of(store, connection, latest),
    )


def _allowed_compartments(store: Store, connection: Connection, actor: Actor, narrow: ScanFilter) -> tuple[str, ...]:
    """The compartments to which a list is to be narrowed. Errors: Refused when the actor may list in none of them."""
    allowed = _Allowed(store, connection, actor)
    present = scans.compartments(connection, actor.tenancy, narrow)
    candidates = present or narrow.compartments or (actor.tenancy,)
    may = tuple(each for each in candidates if each in allowed)
    if not may:
        raise not_found()
    return may


class _Allowed:
    """The compartments in which an actor may list results, each asked for once."""

    def __init__(self, store: Store, connection: Connection, actor: Actor) -> None:
        self._store = store
        self._connection = connection
        self._actor = actor
        self._known: dict[str, bool] = {}

    def __contains__(self, compartment: str) -> bool:
        if compartment not in self._known:
            self._known[compartment] = permitted(
                self._connection, self._actor, LIST, Target(compartment), now=self._store.clock.now()
            )
        return self._known[compartment]
