"""Work requests in the shapes of Vulnerability Scanning, Container Engine, Functions, and the generic API.

Scanning and Functions answer with `items`, Container Engine and the generic API with bare arrays (oci-api 1.5, 2.2,
2.4, 2.5). The generic API is Identity's too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assay.clock import rfc3339
from assay.iam import Actor, work_requests
from assay.iam.work_requests import Entry, Service, SortBy, Status, WorkRequest, WorkRequestFilter
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, Gives, Members, one_of, several
from assay.oci_api.frame import Call, Contracted, Reply, Row, takes
from assay.storage import Store
from assay.storage.pages import PAGE_ROWS_MAX, Page, Window

#: `work_requests.errors` or `work_requests.logs`.
Verb = Callable[[Store, Actor, Service | None, str, Window], Page[Entry]]

#: Where a client reads what a work request is about, by the type of entity.
_PATHS = {
    "ContainerScanRecipe": "/20210215/containerScanRecipes",
    "ContainerScanTarget": "/20210215/containerScanTargets",
    "ContainerScanResult": "/20210215/containerScanResults",
    "cluster": "/20180222/clusters",
    "Application": "/20260325/applications",
    "Function": "/20260325/functions",
    "Compartment": "/20160918/compartments",
}

#: Statuses that clients may ask for; work here is never in those beyond `Status`.
_RESOURCE_TYPES = ("CLUSTER", "NODEPOOL")
_STATUSES = (*Status, "WAITING", "NEEDS_ATTENTION", "CANCELING", "CANCELED")


@dataclass(frozen=True, slots=True)
class Shape:
    """One service's door: its path, whose work requests, how lists are wrapped, the parameter that names a resource."""

    path: str
    service: Service | None
    has_items: bool
    resource_parameters: tuple[str, ...] = ()

    @property
    def listed(self) -> Gives:
        """How lists are wrapped."""
        return Gives.ITEMS if self.has_items else Gives.LIST

    @property
    def prefix(self) -> str:
        """What its operations are called by in the permission table."""
        return "" if self.service is None else self.service.value


def work_request_reply(found: WorkRequest) -> dict[str, Any]:
    """A WorkRequest or WorkRequestSummary of any service: one has members that another leaves out."""
    return {
        "id": found.ocid,
        "compartmentId": found.compartment,
        "operationType": found.operation_type,
        "status": found.status,
        "percentComplete": found.percent_complete,
        "resources": [
            {
                "entityType": found.entity_type,
                "actionType": found.action_type,
                "identifier": found.resource,
                "entityUri": f"{_PATHS[found.entity_type]}/{found.resource}",
                "metadata": {},
            }
        ],
        "timeAccepted": rfc3339(found.time_accepted),
        "timeStarted": _time(found.time_started),
        "timeUpdated": rfc3339(found.time_updated),
        "timeFinished": _time(found.time_finished),
    }


def entry_reply(entry: Entry) -> dict[str, Any]:
    """A WorkRequestError, or a WorkRequestLogEntry, which has no code."""
    told = {"message": entry.message, "timestamp": rfc3339(entry.time_created)}
    return {"code": entry.code, **told} if entry.code else told


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _window(call: Call, *, descending: bool) -> Window:
    direction = call.choice("sortOrder", ("ASC", "DESC"), "DESC" if descending else "ASC")
    return Window(descending=direction == "DESC", limit=call.limit, page=call.page or "")


def _asked(shape: Shape) -> Members:
    kind = {} if shape.has_items else {"resourceType": one_of(_RESOURCE_TYPES)}
    return {
        **IN_COMPARTMENT,
        **kind,
        **dict.fromkeys(("workRequestId", *shape.resource_parameters), str),
        "status": several(_STATUSES),
        "sortBy": one_of((*SortBy, "timeAccepted")),
        **SORT_ORDER,
        **PAGED,
    }


def _listing(shape: Shape) -> Contracted:
    @takes(shape.listed, query=_asked(shape))
    def run(call: Call) -> Reply:
        resource = next((value for name in shape.resource_parameters if (value := call.query.get(name))), "")
        kind = call.choice("resourceType", _RESOURCE_TYPES, "") if not shape.has_items else ""
        narrow = WorkRequestFilter(
            compartment=call.needed("compartmentId"),
            ocid=call.query.get("workRequestId", ""),
            resource=resource,
            entity_type=kind.lower(),
            statuses=call.choices("status", _STATUSES),
            sort_by=SortBy(_sort(call)),
        )
        page = work_requests.listed(call.app.store, call.actor, shape.service, narrow, _window(call, descending=True))
        items = [work_request_reply(each) for each in page.items]
        if shape.service is None:
            for item in items:
                item["errors"] = _entries(call, item["id"], work_requests.errors)
        return Reply({"items": items} if shape.has_items else items, next_page=page.next_page)

    return run


def _sort(call: Call) -> str:
    if call.query.get("sortBy") == "timeAccepted":
        return "TIME_ACCEPTED"
    return call.choice("sortBy", tuple(SortBy), "TIME_ACCEPTED")


def _getting(shape: Shape) -> Contracted:
    @takes(Gives.ONE)
    def run(call: Call) -> Reply:
        found = work_requests.get(call.app.store, call.actor, shape.service, call.path["request"])
        body = work_request_reply(found)
        if shape.service is None:
            body["errors"] = _entries(call, found.ocid, work_requests.errors)
            body["logs"] = _entries(call, found.ocid, work_requests.logs)
        return Reply(body, etag=found.etag)

    return run


def _entries(call: Call, ocid: str, verb: Verb) -> list[dict[str, Any]]:
    """Entries as Identity's models hold them within the work request; the others give them as lists of their own."""
    entries = verb(call.app.store, call.actor, None, ocid, Window(limit=PAGE_ROWS_MAX))
    return [entry_reply(each) for each in entries.items]


def _telling(shape: Shape, verb: Verb) -> Contracted:
    # Container Engine's are asked for in a compartment, though the work request's own is where they lie.
    place = IN_COMPARTMENT if shape.service is Service.CLUSTERS else {}

    @takes(shape.listed, query={**place, **SORT_ORDER, **PAGED})
    def run(call: Call) -> Reply:
        window = _window(call, descending=False)
        page = verb(call.app.store, call.actor, shape.service, call.path["request"], window)
        items = [entry_reply(each) for each in page.items]
        return Reply({"items": items} if shape.has_items else items, next_page=page.next_page)

    return run


def _cancelling(service: Service) -> Contracted:
    @takes(Gives.NOTHING)
    def run(call: Call) -> Reply:
        work_requests.cancel(call.app.store, call.actor, service, call.path["request"])
        return Reply()

    return run


_SHAPES = (
    Shape("/20210215/workRequests", Service.SCANNING, has_items=True),
    Shape("/20180222/workRequests", Service.CLUSTERS, has_items=False, resource_parameters=("clusterId", "resourceId")),
    Shape("/20260325/workRequests", Service.FUNCTIONS, has_items=True, resource_parameters=("resourceId",)),
    Shape("/20181201/workRequests", Service.FUNCTIONS, has_items=True, resource_parameters=("resourceId",)),
    Shape("/20160918/workRequests", None, has_items=False, resource_parameters=("resourceId", "resourceIdentifier")),
)


def _rows(shape: Shape) -> tuple[Row, ...]:
    one = f"{shape.path}/{{request}}"
    return (
        Row("GET", shape.path, f"List{shape.prefix}WorkRequests", _listing(shape)),
        Row("GET", one, f"Get{shape.prefix}WorkRequest", _getting(shape)),
        Row("GET", f"{one}/errors", f"List{shape.prefix}WorkRequestErrors", _telling(shape, work_requests.errors)),
        Row("GET", f"{one}/logs", f"List{shape.prefix}WorkRequestLogs", _telling(shape, work_requests.logs)),
        *(
            Row("DELETE", one, f"Cancel{service.value}WorkRequest", _cancelling(service))
            for service in (Service.CLUSTERS, Service.FUNCTIONS)
            if shape.service is service
        ),
    )


ROWS: tuple[Row, ...] = tuple(row for shape in _SHAPES for row in _rows(shape))
