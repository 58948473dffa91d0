"""How far the scans have come that a new or changed target asked for: the steps of its work requests (oci-api 2.2)."""

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.clock import Instant
from assay.iam import Act, work_requests
from assay.iam.work_requests import Status, Work
from assay.scanning.model import Cause, Scanner
from assay.scanning.permission import missing_statements
from assay.scanning.records import requests
from assay.scanning.risk import ScanState
from assay.storage import Store

#: Codes of a work request's errors.
NOT_WHOLE = {ScanState.PARTIAL: "ImagePartlyScanned", ScanState.FAILED: "ImageNotScanned"}
WITHDRAWN = "ScanWithdrawn"


def begin(store: Store, act: Act, work: Work, scanner: Scanner) -> None:
    """Open the work request of a change of a target: one step for each image that waits for it."""
    waiting = requests.enabled_for(act.connection, scanner.ocid)
    ocid = work_requests.begin(store, act, work, scanner, steps=waiting)
    if not waiting:
        return
    work_requests.log(act.connection, ocid, act.now, f"{waiting} images wait to be scanned.")
    if not revisions.published_revision(act.connection):
        work_requests.log(act.connection, ocid, act.now, "Scans begin when the first feed of advisories is read.")
    for statement in missing_statements(act.connection, scanner.tenancy, now=act.now):
        work_requests.log(act.connection, ocid, act.now, f"Scans begin when this statement stands: {statement}")


def image_done(
    connection: Connection,
    image: str,
    now: Instant,
    *,
    until: Instant | None = None,
    state: ScanState = ScanState.COMPLETE,
    reason: str = "",
) -> None:
    """An image waits no more: it was scanned, or is gone. `state` and `reason`: how the scan came out.

    `until`: since when it had waited when the scan began; should it wait anew since then, it goes on waiting.
    """
    request = requests.done(connection, image, until=until)
    if request is not None and request.cause is Cause.ENABLED:
        message = f"{image}: {reason}" if reason else image
        code = NOT_WHOLE.get(state, "")
        work_requests.advance(connection, request.target, now, code=code, message=message)


def withdrawn(connection: Connection, repository: str, now: Instant) -> None:
    """The images of a repository will not be scanned for the targets that asked for it. To be said before they go."""
    for target, count in sorted(requests.enabled_in(connection, repository).items()):
        message = f"{count} images of {repository} are looked at no more."
        work_requests.advance(
            connection, target, now, steps=count, finally_=Status.FAILED, code=WITHDRAWN, message=message
        )
