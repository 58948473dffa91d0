"""Work requests: what a service accepted to do, and how far it has come (oci-api 2.2, 2.4, 2.5; `opc-work-request-id`).

A verb calls `begin` inside its act, so a work request is there exactly when its change is. Most changes are whole with
their commit, and so is their work request; what follows a commit (the scans of a new target) is counted in steps, and
the room that does the work says how many are left. The OCID follows from the resource and the etag that the change
gave it: a door names the work request of what a verb returned, also for a repeated request, without asking anything.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Connection, Row

from assay.clock import DAY, Instant, Site
from assay.errors import Reason, Refused, not_found
from assay.iam.actor import Actor
from assay.iam.acts import Act
from assay.iam.authorization import Target, authorize, permitted
from assay.iam.records import rows
from assay.iam.records import work_requests as records
from assay.iam.records.work_requests import work_request, work_request_entry
from assay.storage import Store, pages

KEPT = 30 * DAY
FORGOTTEN_AT_ONCE_MAX = 100
ENTRIES_MAX = 1_000
MESSAGE_LENGTH_MAX = 1_000


class Service(StrEnum):
    """Whose work it is. The value is the prefix of the operations that read it (`iam.permissions`)."""

    SCANNING = "Scanning"
    CLUSTERS = "Cluster"
    FUNCTIONS = "Functions"
    IDENTITY = ""


class Status(StrEnum):
    """How it stands."""

    ACCEPTED = "ACCEPTED"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Work(StrEnum):
    """The operation types of the services, as clients know them."""

    CREATE_CONTAINER_SCAN_RECIPE = "CREATE_CONTAINER_SCAN_RECIPE"
    UPDATE_CONTAINER_SCAN_RECIPE = "UPDATE_CONTAINER_SCAN_RECIPE"
    DELETE_CONTAINER_SCAN_RECIPE = "DELETE_CONTAINER_SCAN_RECIPE"
    CREATE_CONTAINER_SCAN_TARGET = "CREATE_CONTAINER_SCAN_TARGET"
    UPDATE_CONTAINER_SCAN_TARGET = "UPDATE_CONTAINER_SCAN_TARGET"
    DELETE_CONTAINER_SCAN_TARGET = "DELETE_CONTAINER_SCAN_TARGET"
    DELETE_CONTAINER_SCAN_RESULT = "DELETE_CONTAINER_SCAN_RESULT"
    CLUSTER_CREATE = "CLUSTER_CREATE"
    CLUSTER_UPDATE = "CLUSTER_UPDATE"
    CLUSTER_DELETE = "CLUSTER_DELETE"
    CREATE_APPLICATION = "CREATE_APPLICATION"
    UPDATE_APPLICATION = "UPDATE_APPLICATION"
    DELETE_APPLICATION = "DELETE_APPLICATION"
    CREATE_FUNCTION = "CREATE_FUNCTION"
    UPDATE_FUNCTION = "UPDATE_FUNCTION"
    DELETE_FUNCTION = "DELETE_FUNCTION"
    DELETE_COMPARTMENT = "DELETE_COMPARTMENT"
    MOVE_COMPARTMENT = "MOVE_COMPARTMENT"

    @property
    def entity_type(self) -> str:
        """What it is about, as the services name it: `cluster`, `ContainerScanTarget`, `Function`."""
        if self.service is Service.CLUSTERS:
            return "cluster"
        return "".join(word.capitalize() for word in self.value.split("_")[1:])

    @property
    def action_type(self) -> str:
        """What is done to it: CREATED, UPDATED or DELETED."""
        verb = next(word for word in ("CREATE", "DELETE", "UPDATE", "MOVE") if word in self.value.split("_"))
        return "UPDATED" if verb == "MOVE" else f"{verb}D"

    @property
    def service(self) -> Service:
        """Whose work it is."""
        if self.startswith("CLUSTER_"):
            return Service.CLUSTERS
        if "CONTAINER_SCAN" in self.value:
            return Service.SCANNING
        return Service.IDENTITY if self.endswith("COMPARTMENT") else Service.FUNCTIONS


class Resource(Protocol):
    """What a work request can be about: a resource as its change left it."""

    @property
    def ocid(self) -> str:
        """Its OCID."""
        ...

    @property
    def compartment(self) -> str:
        """Where it lies."""
        ...

    @property
    def etag(self) -> str:
        """The etag that the change gave it."""
        ...


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """A work request. `resource` is an OCID; times are microseconds; `percent_complete` is 0 to 100."""

    ocid: str
    tenancy: str
    compartment: str
    service: Service
    operation_type: Work
    status: Status
    entity_type: str
    action_type: str
    resource: str
    steps_total: int
    steps_done: int
    time_accepted: Instant
    time_started: Instant | None
    time_updated: Instant
    time_finished: Instant | None
    etag: str

    @property
    def percent_complete(self) -> float:
        """How much of the work is done; 100 exactly when nothing is left."""
        return 100.0 * self.steps_done / self.steps_total if self.steps_total else 100.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An error (with a code) or a line of the log (without)."""

    number: int
    code: str
    message: str
    time_created: Instant


class SortBy(StrEnum):
    """By what work requests are listed; the OCID breaks ties."""

    ID = "ID"
    OPERATION_TYPE = "OPERATION_TYPE"
    STATUS = "STATUS"
    TIME_ACCEPTED = "TIME_ACCEPTED"
    TIME_STARTED = "TIME_STARTED"
    TIME_FINISHED = "TIME_FINISHED"


@dataclass(frozen=True, slots=True)
class WorkRequestFilter:
    """Which work requests of a compartment, in which order. An empty member narrows nothing."""

    compartment: str
    ocid: str = ""
    resource: str = ""
    entity_type: str = ""
    statuses: tuple[str, ...] = ()
    sort_by: SortBy = SortBy.TIME_ACCEPTED


def ocid_of(site: Site, resource: str, etag: str) -> str:
    """The OCID of the work request of the change that gave `resource` (an OCID) this etag."""
    return site.derived_ocid("workrequest", resource, etag).text


def begin(store: Store, act: Act, work: Work, resource: Resource, *, steps: int = 0) -> str:
    """Open the work request of the change that an act makes, after the change; its OCID.

    `steps`: how many pieces of work follow the commit; without any it has succeeded with the commit.
    """
    records.forget(act.connection, act.actor.tenancy, Instant(act.now - KEPT), FORGOTTEN_AT_ONCE_MAX)
    ocid = ocid_of(store.site, resource.ocid, resource.etag)
    records.add(
        act.connection,
        ocid=ocid,
        tenancy=act.actor.tenancy,
        compartment=resource.compartment,
        service=work.service.name,
        operation_type=work.value,
        status=Status.ACCEPTED if steps else Status.SUCCEEDED,
        entity_type=work.entity_type,
        action_type=work.action_type,
        resource=resource.ocid,
        steps_total=steps,
        steps_done=0,
        time_accepted=act.now,
        time_started=None if steps else act.now,
        time_updated=act.now,
        time_finished=None if steps else act.now,
    )
    return ocid


def log(connection: Connection, ocid: str, now: Instant, message: str, *, code: str = "") -> None:
    """Add a line to the log of a work request, or with a `code` to its errors. For the act that began it."""
    text = message[:MESSAGE_LENGTH_MAX]
    records.tell(connection, ocid, now, code=code, message=text, entries_max=ENTRIES_MAX)


def advance(
    connection: Connection,
    resource: str,
    now: Instant,
    *,
    steps: int = 1,
    finally_: Status = Status.SUCCEEDED,
    code: str = "",
    message: str = "",
) -> None:
    """Say that `steps` more steps of the open work requests on a resource are over; with none left they end.

    `finally_`: the status they end with. `code` and `message`: what went wrong with these steps, if anything did.
    """
    for row in records.open_on(connection, resource):
        if code:
            log(connection, row.ocid, now, message, code=code)
        done = min(row.steps_done + steps, row.steps_total)
        ended = {"status": finally_, "time_finished": now} if done == row.steps_total else {}
        started = now if row.time_started is None else row.time_started
        values = {"status": Status.IN_PROGRESS, "steps_done": done, "time_started": started, **ended}
        records.change(connection, row.ocid, now, **values)


def get(store: Store, actor: Actor, service: Service | None, ocid: str) -> WorkRequest:
    """One work request of a service; with None (the generic API) of any. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return _readable(store, connection, actor, service, ocid, "Get{}WorkRequest")


def listed(
    store: Store,
    actor: Actor,
    service: Service | None,
    narrow: WorkRequestFilter,
    window: pages.Window,
) -> pages.Page[WorkRequest]:
    """A page of the work requests of a compartment; with None those of all services that the actor may list.

    Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED for the limit).
    """
    now = store.clock.now()
    place = Target(narrow.compartment)
    with store.database.read() as connection:
        authorize(connection, actor, _operation("List{}WorkRequests", service), place, now=now)
        services = [
            each
            for each in ([service] if service is not None else Service)
            if permitted(connection, actor, _operation("List{}WorkRequests", each), place, now=now)
        ]
        query = records.listing(actor.tenancy, narrow.compartment, [each.name for each in services])
        wanted = {"ocid": narrow.ocid, "resource": narrow.resource, "entity_type": narrow.entity_type}
        for column, value in wanted.items():
            if value:
                query = query.where(work_request.c[column] == value)
        if narrow.statuses:
            query = query.where(work_request.c.status.in_(narrow.statuses))
        order = (records.SORTED[narrow.sort_by], work_request.c.ocid)
        found = pages.select_page(connection, store.page_key, query, order, window)
    return pages.Page(tuple(map(_work_request, found.items)), found.next_page)


def errors(store: Store, actor: Actor, service: Service | None, ocid: str, window: pages.Window) -> pages.Page[Entry]:
    """What went wrong, in the order of time. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED for the limit)."""
    return _entries(store, actor, service, ocid, "List{}WorkRequestErrors", window)


def logs(store: Store, actor: Actor, service: Service | None, ocid: str, window: pages.Window) -> pages.Page[Entry]:
    """What it told, in the order of time. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED for the limit)."""
    return _entries(store, actor, service, ocid, "List{}WorkRequestLogs", window)


def cancel(store: Store, actor: Actor, service: Service, ocid: str) -> None:
    """Nothing here can be cancelled: a change stands with its commit. Errors: Refused (NOT_FOUND, WRONG_STATE)."""
    with store.database.read() as connection:
        _readable(store, connection, actor, service, ocid, "Cancel{}WorkRequest")
    raise Refused(
        "The change that the work request stands for is made already.",
        advice="Undo it with a change of its own.",
        reason=Reason.WRONG_STATE,
    )


def _entries(
    store: Store, actor: Actor, service: Service | None, ocid: str, operation: str, window: pages.Window
) -> pages.Page[Entry]:
    with store.database.read() as connection:
        _readable(store, connection, actor, service, ocid, operation)
        query = records.entries(ocid, errors=operation.endswith("Errors"))
        order = (work_request_entry.c.work_request, work_request_entry.c.number)
        found = pages.select_page(connection, store.page_key, query, order, window)
    shown = tuple(Entry(row.number, row.code, row.message, Instant(row.time_created)) for row in found.items)
    return pages.Page(shown, found.next_page)


def _readable(
    store: Store, connection: Connection, actor: Actor, service: Service | None, ocid: str, operation: str
) -> WorkRequest:
    """The work request, if the actor may do this with it: by the rules of its service, and the generic API's too."""
    row = records.one(connection, actor.tenancy, ocid)
    if row is None or (service is not None and row.service != service.name):
        raise not_found()
    found = _work_request(row)
    for each in dict.fromkeys((_operation(operation, service), _operation(operation, found.service))):
        authorize(connection, actor, each, Target(found.compartment, resource=ocid), now=store.clock.now())
    return found


def _operation(pattern: str, service: Service | None) -> str:
    return pattern.format((service or Service.IDENTITY).value)


def _work_request(row: Row[Any]) -> WorkRequest:
    enums = {
        "service": Service[row.service],
        "operation_type": Work(row.operation_type),
        "status": Status(row.status),
    }
    return rows.value(WorkRequest, row, **enums)
