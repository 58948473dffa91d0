"""Retention policies and quotas: Assay's own operations on the registry, in the API's style."""

from typing import Any, Required, TypedDict

from assay.clock import rfc3339
from assay.errors import Refused
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, Gives, Members, Need
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.wire import compartments_of
from assay.registry.rules import quotas, retention, sweep
from assay.registry.rules.model import Going, Limits, PolicyDetails, Quota, RetentionPolicy, Rule, RuleKind


class RuleBody(TypedDict, total=False):
    """A rule of a retention policy."""

    kind: Required[RuleKind]
    count: int | None
    days: int | None
    tags: list[str] | None


#: What a policy says.
_SAID: Members = {"displayName": Need(str), "repositories": str, "isEnabled": bool, "rules": Need(list[RuleBody])}


def policy_reply(policy: RetentionPolicy) -> dict[str, Any]:
    """A retention policy."""
    return {
        "id": policy.ocid,
        "compartmentId": policy.compartment,
        "displayName": policy.details.display_name,
        "repositories": policy.details.repositories,
        "isEnabled": policy.details.is_enabled,
        "rules": [
            {"kind": each.kind, "count": each.count, "days": each.days, "tags": list(each.tags)}
            for each in policy.details.rules
        ],
        "timeCreated": rfc3339(policy.time_created),
        "timeUpdated": rfc3339(policy.time_updated),
    }


def going_reply(going: Going) -> dict[str, Any]:
    """An image that goes, with the grounds."""
    pulled = going.image.pulled
    return {
        "imageId": going.image.image,
        "imageDigest": going.image.digest.text,
        "versions": list(going.image.tags),
        "timeLastPushed": rfc3339(going.image.pushed),
        "timeLastPulled": None if pulled is None else rfc3339(pulled),
        "reasons": [
            {"retentionPolicyId": each.policy, "kind": each.rule, "reason": each.says} for each in going.grounds
        ],
    }


def quota_reply(quota: Quota) -> dict[str, Any]:
    """A quota with what it is held against."""
    return {
        "id": quota.place,
        "kind": quota.extent,
        "storageLimitInBytes": quota.limits.bytes_max,
        "storageUsedInBytes": quota.bytes_used,
        "repositoryLimit": quota.limits.repositories_max,
        "repositoryCount": quota.repositories_used,
    }


def _details(call: Call) -> PolicyDetails:
    rules: list[RuleBody] = call.field("rules")
    return PolicyDetails(
        call.field("displayName"),
        tuple(Rule(each["kind"], each.get("count"), each.get("days"), tuple(each.get("tags") or ())) for each in rules),
        call.field("repositories", "*"),
        is_enabled=call.field("isEnabled", default=False),
    )


@takes(Gives.ONE, body={**IN_COMPARTMENT, **_SAID})
def _create(call: Call) -> Reply:
    made = retention.create(
        call.app.store, call.actor, call.field("compartmentId"), _details(call), retry_token=call.retry_token
    )
    return Reply(policy_reply(made), etag=made.etag)


@takes(Gives.ITEMS, query={"compartmentId": str, "compartmentIdInSubtree": bool})
def _list(call: Call) -> Reply:
    places = compartments_of(call) if call.query.get("compartmentId") else ()
    found = retention.listed(call.app.store, call.actor, places)
    return Reply({"items": [policy_reply(each) for each in found]})


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    found = retention.get(call.app.store, call.actor, call.path["retention_policy"])
    return Reply(policy_reply(found), etag=found.etag)


@takes(Gives.ONE, body=_SAID)
def _update(call: Call) -> Reply:
    found = retention.change(
        call.app.store, call.actor, call.path["retention_policy"], _details(call), if_match=call.if_match
    )
    return Reply(policy_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete(call: Call) -> Reply:
    retention.delete(call.app.store, call.actor, call.path["retention_policy"], if_match=call.if_match)
    return Reply()


@takes(Gives.ITEMS, query={"retentionPolicyId": str, **PAGED})
def _preview(call: Call) -> Reply:
    call.app.pulls.count()
    found = sweep.preview(
        call.app.store,
        call.actor,
        call.path["repository"],
        policy=call.query.get("retentionPolicyId", ""),
        limit=call.limit,
        page=call.page or "",
    )
    items = [{**going_reply(each), "alsoRemovedDigests": list(parts)} for each, parts in found.items]
    body = {
        "items": items,
        "removedImageCount": found.going,
        "keptImageCount": found.staying,
        "policyCount": found.policies,
    }
    return Reply(body, next_page=found.next_page)


@takes(Gives.ITEMS)
def _apply(call: Call) -> Reply:
    call.app.pulls.count()
    found = sweep.apply(call.app.store, call.actor, call.path["repository"])
    items = [going_reply(each) for each in found.gone]
    return Reply({"items": items, "isFinished": found.is_finished, "policyCount": found.policies})


@takes(Gives.ITEMS)
def _quotas_of_repository(call: Call) -> Reply:
    found = quotas.of_repository(call.app.store, call.actor, call.path["repository"])
    return Reply({"items": [quota_reply(each) for each in found]})


@takes(Gives.ONE)
def _get_quota(call: Call) -> Reply:
    found = quotas.get(call.app.store, call.actor, call.path["place"])
    return Reply(quota_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"storageLimitInBytes": int, "repositoryLimit": int})
def _set_quota(call: Call) -> Reply:
    limits = Limits(call.field("storageLimitInBytes"), call.field("repositoryLimit"))
    if limits == Limits():
        raise Refused("The quota limits nothing.", advice="Give a limit, or delete the quota.")
    found = quotas.set_limits(call.app.store, call.actor, call.path["place"], limits, if_match=call.if_match)
    return Reply(quota_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _remove_quota(call: Call) -> Reply:
    quotas.remove(call.app.store, call.actor, call.path["place"], if_match=call.if_match)
    return Reply()


_POLICIES = "/20260901/retentionPolicies"
_REPOSITORY = "/20260901/repositories/{repository}"
_QUOTA = "/20260901/containerQuotas/{place}"

ROWS: tuple[Row, ...] = (
    Row("POST", _POLICIES, "CreateRetentionPolicy", _create),
    Row("GET", _POLICIES, "ListRetentionPolicies", _list),
    Row("GET", f"{_POLICIES}/{{retention_policy}}", "GetRetentionPolicy", _get),
    Row("PUT", f"{_POLICIES}/{{retention_policy}}", "UpdateRetentionPolicy", _update),
    Row("DELETE", f"{_POLICIES}/{{retention_policy}}", "DeleteRetentionPolicy", _delete),
    Row("GET", f"{_REPOSITORY}/retention", "PreviewRetention", _preview),
    Row("POST", f"{_REPOSITORY}/actions/applyRetention", "ApplyRetentionPolicies", _apply),
    Row("GET", f"{_REPOSITORY}/quotas", "GetContainerQuota", _quotas_of_repository),
    Row("GET", _QUOTA, "GetContainerQuota", _get_quota),
    Row("PUT", _QUOTA, "UpdateContainerQuota", _set_quota),
    Row("DELETE", _QUOTA, "DeleteContainerQuota", _remove_quota),
)
