"""The audit log over the API: Assay's own operations, in the API's style."""

from typing import Any

from assay.clock import Instant
from assay.errors import Refused
from assay.iam.identity.trail import entries, exports, retention, sealing
from assay.iam.identity.trail.chain import Link
from assay.oci_api.contract import PAGED, SORT_ORDER, Gives, Need, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.wire import instant_from
from assay.storage.pages import Window

_EVENTS, _CHAIN = "/20260901/auditEvents", "/20260901/auditChain"

#: Members by which entries are looked for.
_SEARCHED = (
    *("compartmentId", "resourceId", "principalId", "principalName", "operation"),
    *("address", "requestId", "startTime", "endTime"),
)
#: A detailed entry may have two values of 16 KiB.
DETAILED_ROWS_MAX = 100


@takes(
    Gives.ITEMS,
    query={
        **dict.fromkeys(_SEARCHED, str),
        "outcome": one_of(("done", "denied")),
        "isDetailed": bool,
        "isSealed": bool,
        **SORT_ORDER,
        **PAGED,
    },
)
def _list(call: Call) -> Reply:
    is_detailed = bool(call.flag("isDetailed"))
    limit = min(call.limit or DETAILED_ROWS_MAX, DETAILED_ROWS_MAX) if is_detailed else call.limit
    page = entries.page_of(
        call.app.store,
        call.actor,
        entries.Search(
            compartment=call.query.get("compartmentId", ""),
            resource=call.query.get("resourceId", ""),
            principal=call.query.get("principalId", ""),
            principal_name=call.query.get("principalName", ""),
            operation=call.query.get("operation", ""),
            outcome=call.choice("outcome", ("done", "denied"), ""),
            address=call.query.get("address", ""),
            request_id=call.query.get("requestId", ""),
            since=_time(call, "startTime"),
            until=_time(call, "endTime"),
        ),
        Window(call.choice("sortOrder", ("ASC", "DESC"), "DESC") == "DESC", limit, call.page or ""),
        is_sealed=bool(call.flag("isSealed")),
    )
    shown = [_reply(each, is_detailed=is_detailed) for each in page.items]
    return Reply({"items": shown}, next_page=page.next_page)


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    position = call.path["position"]
    found = entries.get(call.app.store, call.actor, int(position) if position.isdecimal() and len(position) < 18 else 0)
    return Reply(exports.value(found))


def _reply(entry: entries.Entry, *, is_detailed: bool) -> dict[str, Any]:
    shown = exports.value(entry)
    return shown if is_detailed else {name: shown[name] for name in shown if name not in ("before", "after", "seal")}


def _time(call: Call, name: str) -> Instant | None:
    text = call.query.get(name)
    return instant_from(text, name) if text else None


def _chain_reply(chain: sealing.Chain) -> dict[str, Any]:
    return {
        "sealedPosition": chain.last.position,
        "seal": chain.last.seal,
        "firstPosition": chain.start.position + 1,
        "sealBeforeFirst": chain.start.seal,
        "unsealedCount": chain.unsealed,
        "retentionDays": chain.retention_days,
    }


@takes(Gives.ONE)
def _get_chain(call: Call) -> Reply:
    return Reply(_chain_reply(sealing.state(call.app.store, call.actor)))


@takes(Gives.ONE, body={"retentionDays": Need(int)})
def _update_chain(call: Call) -> Reply:
    return Reply(_chain_reply(retention.set_days(call.app.store, call.actor, call.field("retentionDays"))))


@takes(Gives.ONE, body={"position": int, "seal": str})
def _check(call: Call) -> Reply:
    position, seal = call.field("position"), call.field("seal")
    if (position is None) != (seal is None):
        raise Refused("Only one of position and seal is there.", advice="Give both, as the last answer has them.")
    after = None if position is None else Link(position, seal)
    found = sealing.check(call.app.store, call.actor, after)
    return Reply(
        {
            "position": found.holds.position,
            "seal": found.holds.seal,
            "isIntact": not found.fault,
            "fault": found.fault or None,
            "isFinished": found.is_finished,
        }
    )


ROWS: tuple[Row, ...] = (
    Row("GET", _EVENTS, "ListAuditEvents", _list),
    Row("GET", f"{_EVENTS}/{{position}}", "ListAuditEvents", _get),
    Row("GET", _CHAIN, "ListAuditEvents", _get_chain),
    Row("PUT", _CHAIN, "UpdateAuditRetention", _update_chain),
    Row("POST", f"{_CHAIN}/actions/check", "ListAuditEvents", _check),
)
