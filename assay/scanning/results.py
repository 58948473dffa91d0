"""Scans: of an image, of many, the latest of each; how an image stands; deleting and moving. As of what is published.

Whoever reads needs the permission on the compartment of the scanner that made them (oci-api 4.2: results lie there).
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.errors import not_found
from assay.iam import Act, Actor, Target, authorize, perform, permitted, work_requests
from assay.iam.work_requests import Work
from assay.registry import images, repositories
from assay.registry.model import Image
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
    """A page of scans in the filter's order. A name that nothing bears leaves none.

    Errors: Refused (NOT_FOUND when the actor may read none, PAGE_TOKEN).
    """
    rows_max = pages.page_rows(limit)
    query = (LIST, actor.tenancy, narrow)
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        after = pages.decode_page(store.page_key, query, page) if page else None
        allowed = _allowed_compartments(store, connection, actor, narrow)
        within, bearers = _with_ocids(connection, actor, replace(narrow, compartments=allowed))
        unrated_as = RiskLevel(store.unrated_as.upper())
        rows = (
            scans.listed(connection, actor.tenancy, within, bearers, unrated_as, published, after, rows_max + 1)
            if within is not None
            else ()
        )
        shown = rows[:rows_max]
        found = tuple(scan_of(store, connection, row) for row, _ in shown)
    token = pages.encode_page(store.page_key, query, shown[-1][1]) if len(rows) > rows_max else ""
    return pages.Page(found, token)


def _with_ocids(
    connection: Connection, actor: Actor, narrow: ScanFilter
) -> tuple[ScanFilter | None, Collection[str] | None]:
    """A filter with the repository's OCID in place of its name (None when no repository has it), and the images that
    bear the image name (None when none was asked for)."""
    if narrow.repository_name:
        repository = repositories.of_name(connection, actor.tenancy, narrow.repository_name)
        if repository is None or narrow.repository not in ("", repository.ocid):
            return None, None
        narrow = replace(narrow, repository=repository.ocid)
    if not narrow.image_name:
        return narrow, None
    return narrow, images.bearing(connection, actor.tenancy, narrow.image_name, repository=narrow.repository)


def image_of(store: Store, scan: Scan) -> Image | None:
    """The image that a scan is of, deleted ones included; None once it is purged. For whoever may read the scan."""
    with store.database.read() as connection:
        return images.of_ocid(connection, scan.tenancy, scan.image)


def get(store: Store, actor: Actor, ocid: str) -> Scan:
    """One scan. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return scan_of(store, connection, readable(store, connection, actor, ocid, GET))


def latest(connection: Connection, store: Store, image: str) -> Scan | None:
    """The latest scan of an image, whoever asks: for rooms that have decided already that it may be told."""
    published = revisions.published_revision(connection)
    row = scans.latest_of_images(connection, [image], published).get(image)
    return None if row is None else scan_of(store, connection, row)


def statuses(store: Store, actor: Actor, wanted: Collection[str]) -> Mapping[str, ImageStatus]:
    """How each of these images stands; those of which the actor may not read results are left out."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        found = inventories.of_images(connection, wanted)
        latest_scans = scans.latest_of_images(connection, list(found), published)
        waiting = requests.of_images(connection, wanted)
        allowed = _Allowed(store, connection, actor)
        result: dict[str, ImageStatus] = {}
        for image in wanted:
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
            elif inventory is not None and inventory.is_live and scan is not None:
                result[image] = ImageStatus(image, Standing.SCANNED, scan, current)
            else:
                result[image] = ImageStatus(image, Standing.UNWATCHED, scan, current)
    return result


def repository_summaries(store: Store, actor: Actor, wanted: Collection[str]) -> Mapping[str, RepositorySummary]:
    """The latest scans of each repository, summed up; repositories without a readable scan are left out."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        allowed = _Allowed(store, connection, actor)
        found = scans.latest_of_repositories(connection, wanted, published)
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


@dataclass(frozen=True, slots=True)
class Deleted:
    """A result that is gone. It has no etag: it is never changed, only deleted, and once."""

    ocid: str
    compartment: str
    etag: str = ""


def delete(store: Store, actor: Actor, ocid: str) -> Deleted:
    """Delete a result. No older one takes its place: an image whose latest result is deleted has none until it is
    scanned again. Verdicts that were given on it stay. Errors: Refused (NOT_FOUND)."""
    operation = "DeleteContainerScanResult"

    def apply(act: Act) -> Deleted:
        row = readable(store, act.connection, actor, ocid, operation)
        scans.erase(act.connection, row.inventory.id, row.rev)
        gone = Deleted(ocid, row.inventory.compartment)
        work_requests.begin(store, act, Work.DELETE_CONTAINER_SCAN_RESULT, gone)
        return gone

    return perform(store, actor, operation, locate=_locate(store, actor, ocid, operation), change=apply)


def move(store: Store, actor: Actor, ocid: str, compartment: str, *, retry_token: str | None = None) -> Scan:
    """Put a result into another compartment, with the other results of the same inventory, as they tell one story.

    The actor needs the permission in both compartments. Errors: Refused (NOT_FOUND, RETRY_TOKEN_REUSED).
    """
    operation = "ChangeContainerScanResultCompartment"

    def apply(act: Act) -> Scan:
        row = readable(store, act.connection, actor, ocid, operation)
        authorize(act.connection, act.actor, operation, Target(compartment), now=act.now)
        inventories.move(act.connection, compartment, inventory_id=row.inventory.id)
        return scan_of(store, act.connection, readable(store, act.connection, actor, ocid, operation))

    return perform(
        store,
        actor,
        operation,
        locate=_locate(store, actor, ocid, operation),
        change=apply,
        replay=Scan,
        retry_token=retry_token,
        request=(ocid, compartment),
    )


def _locate(store: Store, actor: Actor, ocid: str, operation: str) -> Callable[[Connection], Target]:
    def locate(connection: Connection) -> Target:
        return target_of(readable(store, connection, actor, ocid, operation), ocid)

    return locate
