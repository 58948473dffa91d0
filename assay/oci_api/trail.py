"""The audit log over the API: Assay's own operation, in the API's style."""

from typing import Any

from assay.clock import rfc3339
from assay.iam.identity import trail
from assay.oci_api.frame import Call, Reply, Row


def entry_reply(entry: trail.Entry) -> dict[str, Any]:
    """A line of the log: who did what, on what, and what came of it."""
    return {
        "number": entry.id,
        "compartmentId": entry.compartment,
        "timeCreated": rfc3339(entry.time_created),
        "operation": entry.operation,
        "principalKind": entry.principal_kind,
        "principalId": entry.principal or None,
        "principalName": entry.principal_name,
        "address": entry.address or None,
        "requestId": entry.request_id or None,
        "resourceId": entry.resource or None,
        "outcome": entry.outcome,
        "reason": entry.reason or None,
    }


def _list(call: Call) -> Reply:
    page = trail.listed(
        call.app.store,
        call.actor,
        resource=call.query.get("resourceId", ""),
        limit=call.limit,
        page=call.page or "",
    )
    return Reply({"items": [entry_reply(each) for each in page.items]}, next_page=page.next_page)


ROWS: tuple[Row, ...] = (Row("GET", "/20260901/auditEvents", "ListAuditEvents", _list),)
