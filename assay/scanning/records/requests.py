"""Images that wait to be scanned: written when a push or a new scanner asks for it, gone with the scan."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Row, case, delete, func, select, update

from assay.clock import Instant
from assay.scanning.model import Cause
from assay.scanning.records.batches import batches
from assay.scanning.records.scans import CAUSES
from assay.scanning.records.tables import scan_request
from assay.storage import insert

_ENABLED = CAUSES.index(Cause.ENABLED)


@dataclass(frozen=True, slots=True)
class Request:
    """That an image be scanned for a target, and why. Its compartment is the target's."""

    image: str
    tenancy: str
    compartment: str
    target: str
    repository: str
    cause: Cause
    time_created: Instant


def put(connection: Connection, request: Request) -> None:
    """Ask for a scan. An image that waits already keeps its cause and its time, and changes its target at most."""
    values = {
        "image": request.image,
        "tenancy": request.tenancy,
        "compartment": request.compartment,
        "target": request.target,
        "repository": request.repository,
        "cause": CAUSES.index(request.cause),
        "time_created": request.time_created,
    }
    changed = {name: values[name] for name in ("compartment", "target", "repository")}
    statement = insert(connection, scan_request).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["image"], set_=changed))


def renew(connection: Connection, image: str, now: Instant) -> None:
    """Let an image that waits wait anew: a scan that has begun does not answer this request any more."""
    asked = scan_request.c.time_created
    later = case((asked < now, now), else_=asked + 1)
    connection.execute(update(scan_request).where(scan_request.c.image == image).values(time_created=later))


def of_images(connection: Connection, images: Collection[str]) -> dict[str, Request]:
    """The requests for these images."""
    found: dict[str, Request] = {}
    for piece in batches(images):
        query = select(scan_request).where(scan_request.c.image.in_(piece))
        found.update((row.image, _request(row)) for row in connection.execute(query))
    return found


def waiting(
    connection: Connection, *, tenancy: str = "", repository: str = "", after: str = "", limit: int
) -> tuple[Request, ...]:
    """Requests behind the image `after`, in the order of images; of one tenancy or repository when it is given."""
    query = select(scan_request).where(scan_request.c.image > after)
    if tenancy:
        query = query.where(scan_request.c.tenancy == tenancy)
    if repository:
        query = query.where(scan_request.c.repository == repository)
    return tuple(_request(row) for row in connection.execute(query.order_by(scan_request.c.image).limit(limit)))


def stands(connection: Connection, image: str) -> bool:
    """Whether the image still waits; holds its request, so that two workers with the same one take turns."""
    query = select(scan_request.c.image).where(scan_request.c.image == image).with_for_update()
    return connection.execute(query).scalar_one_or_none() is not None


def done(connection: Connection, image: str, *, until: Instant | None = None) -> Request | None:
    """The image waits no more, unless it was asked for after `until`; the request as it stood, if it did."""
    gone = delete(scan_request).where(scan_request.c.image == image)
    if until is not None:
        gone = gone.where(scan_request.c.time_created <= until)
    row = connection.execute(gone.returning(scan_request)).one_or_none()
    return None if row is None else _request(row)


def enabled_for(connection: Connection, target: str) -> int:
    """How many images wait because this target took up their repository."""
    query = select(func.count()).where(scan_request.c.target == target, scan_request.c.cause == _ENABLED)
    return connection.execute(query).scalar_one()


def enabled_in(connection: Connection, repository: str) -> Counter[str]:
    """How many images of a repository wait because it was taken up, by target; holds their requests."""
    query = select(scan_request.c.target).where(
        scan_request.c.repository == repository, scan_request.c.cause == _ENABLED
    )
    return Counter(connection.execute(query.order_by(scan_request.c.image).with_for_update()).scalars())


def hand_over(connection: Connection, repository: str, *, target: str, compartment: str) -> None:
    """Let the images of a repository that wait be scanned for another target."""
    connection.execute(
        update(scan_request)
        .where(scan_request.c.repository == repository)
        .values(target=target, compartment=compartment)
    )


def move(connection: Connection, target: str, compartment: str) -> None:
    """Let what waits for a target have its results in another compartment."""
    statement = update(scan_request).where(scan_request.c.target == target)
    connection.execute(statement.values(compartment=compartment))


def withdraw(connection: Connection, repository: str) -> None:
    """No image of a repository waits any more."""
    connection.execute(delete(scan_request).where(scan_request.c.repository == repository))


def _request(row: Row[tuple[object, ...]]) -> Request:
    return Request(
        image=row.image,
        tenancy=row.tenancy,
        compartment=row.compartment,
        target=row.target,
        repository=row.repository,
        cause=CAUSES[row.cause],
        time_created=Instant(row.time_created),
    )
