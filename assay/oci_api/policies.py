"""Identity: policies, and what their statements speak of: dynamic groups and network sources (oci-api 2.6, 4.5)."""

from typing import Any

from assay.iam import Target, authorize
from assay.iam.identity import dynamic_groups, network_sources, policies, resources, services
from assay.oci_api.contract import IN_COMPARTMENT, Gives, Need
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.identity_wire import (
    DESCRIBED,
    LISTED,
    NEW,
    changed_tags,
    described_reply,
    identity_tags,
    in_tenancy,
    listing_of,
)


def policy_reply(policy: resources.Policy) -> dict[str, Any]:
    """A Policy."""
    return {**described_reply(policy), "statements": policy.statements, "versionDate": policy.version_date or None}


def dynamic_group_reply(group: resources.DynamicGroup) -> dict[str, Any]:
    """A DynamicGroup."""
    return {**described_reply(group), "matchingRule": group.matching_rule}


def network_source_reply(source: resources.NetworkSource) -> dict[str, Any]:
    """A NetworkSources; there are no virtual networks here."""
    return {
        **described_reply(source),
        "publicSourceList": source.networks,
        "virtualSourceList": [],
        "services": ["all"],
    }


@takes(
    Gives.ONE,
    body={**IN_COMPARTMENT, **NEW, "statements": Need(list[str]), "versionDate": str},
)
def _create_policy(call: Call) -> Reply:
    made = policies.create(
        call.app.store,
        call.actor,
        call.field("compartmentId"),
        call.field("name"),
        call.field("statements"),
        call.field("description"),
        version_date=call.field("versionDate", ""),
        tags=identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(policy_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list_policies(call: Call) -> Reply:
    page = policies.listed(call.app.store, call.actor, call.needed("compartmentId"), listing_of(call))
    return Reply([policy_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_policy(call: Call) -> Reply:
    found = policies.get(call.app.store, call.actor, call.path["policy"])
    return Reply(policy_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"statements": list[str], "versionDate": str, **DESCRIBED})
def _update_policy(call: Call) -> Reply:
    found = policies.update(
        call.app.store,
        call.actor,
        call.path["policy"],
        statements=call.field("statements"),
        description=call.field("description"),
        version_date=call.field("versionDate"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(policy_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_policy(call: Call) -> Reply:
    policies.delete(call.app.store, call.actor, call.path["policy"], if_match=call.if_match)
    return Reply()


@takes(Gives.ITEMS)
def _list_missing_statements(call: Call) -> Reply:
    """What the service principals lack in this tenancy, as statements to add; none for those that lack nothing."""
    store, now = call.app.store, call.app.store.clock.now()
    with store.database.read() as connection:
        authorize(connection, call.actor, "ListPolicies", Target(compartment=call.actor.tenancy), now=now)
        found = {
            service.name: services.missing_statements(connection, call.actor.tenancy, needed, now=now)
            for service, needed in services.NEEDED.items()
        }
    return Reply({"items": [{"service": name, "statements": missing} for name, missing in found.items() if missing]})


@takes(Gives.ONE, body={"policyName": str, "statements": Need(list[str])})
def _add_statements(call: Call) -> Reply:
    name = call.field("policyName", policies.SERVICE_ACCESS)
    found = policies.add_statements(call.app.store, call.actor, call.field("statements"), name=name)
    return Reply(policy_reply(found), etag=found.etag)


@takes(Gives.ONE, body={**IN_COMPARTMENT, **NEW, "matchingRule": Need(str)})
def _create_dynamic_group(call: Call) -> Reply:
    made = dynamic_groups.create(
        call.app.store,
        in_tenancy(call).actor,
        call.field("name"),
        call.field("matchingRule"),
        call.field("description"),
        tags=identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(dynamic_group_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list_dynamic_groups(call: Call) -> Reply:
    page = dynamic_groups.listed(call.app.store, in_tenancy(call).actor, listing_of(call))
    return Reply([dynamic_group_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_dynamic_group(call: Call) -> Reply:
    found = dynamic_groups.get(call.app.store, call.actor, call.path["dynamic_group"])
    return Reply(dynamic_group_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"matchingRule": str, **DESCRIBED})
def _update_dynamic_group(call: Call) -> Reply:
    found = dynamic_groups.update(
        call.app.store,
        call.actor,
        call.path["dynamic_group"],
        matching_rule=call.field("matchingRule"),
        description=call.field("description"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(dynamic_group_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_dynamic_group(call: Call) -> Reply:
    dynamic_groups.delete(call.app.store, call.actor, call.path["dynamic_group"], if_match=call.if_match)
    return Reply()


@takes(Gives.ONE, body={**IN_COMPARTMENT, **NEW, "publicSourceList": Need(list[str])})
def _create_network_source(call: Call) -> Reply:
    made = network_sources.create(
        call.app.store,
        in_tenancy(call).actor,
        call.field("name"),
        call.field("publicSourceList"),
        call.field("description"),
        tags=identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(network_source_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list_network_sources(call: Call) -> Reply:
    page = network_sources.listed(call.app.store, in_tenancy(call).actor, listing_of(call))
    return Reply([network_source_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_network_source(call: Call) -> Reply:
    found = network_sources.get(call.app.store, call.actor, call.path["network_source"])
    return Reply(network_source_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"publicSourceList": list[str], **DESCRIBED})
def _update_network_source(call: Call) -> Reply:
    found = network_sources.update(
        call.app.store,
        call.actor,
        call.path["network_source"],
        networks=call.field("publicSourceList"),
        description=call.field("description"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(network_source_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_network_source(call: Call) -> Reply:
    network_sources.delete(call.app.store, call.actor, call.path["network_source"], if_match=call.if_match)
    return Reply()


_V = "/20160918"
_POLICY = f"{_V}/policies/{{policy}}"
_DYNAMIC_GROUP = f"{_V}/dynamicGroups/{{dynamic_group}}"
_NETWORK_SOURCE = f"{_V}/networkSources/{{network_source}}"

ROWS: tuple[Row, ...] = (
    Row("POST", f"{_V}/policies", "CreatePolicy", _create_policy),
    Row("GET", f"{_V}/policies", "ListPolicies", _list_policies),
    Row("GET", _POLICY, "GetPolicy", _get_policy),
    Row("PUT", _POLICY, "UpdatePolicy", _update_policy),
    Row("DELETE", _POLICY, "DeletePolicy", _delete_policy),
    Row("POST", f"{_V}/dynamicGroups", "CreateDynamicGroup", _create_dynamic_group),
    Row("GET", f"{_V}/dynamicGroups", "ListDynamicGroups", _list_dynamic_groups),
    Row("GET", _DYNAMIC_GROUP, "GetDynamicGroup", _get_dynamic_group),
    Row("PUT", _DYNAMIC_GROUP, "UpdateDynamicGroup", _update_dynamic_group),
    Row("DELETE", _DYNAMIC_GROUP, "DeleteDynamicGroup", _delete_dynamic_group),
    Row("POST", f"{_V}/networkSources", "CreateNetworkSource", _create_network_source),
    Row("GET", f"{_V}/networkSources", "ListNetworkSources", _list_network_sources),
    Row("GET", _NETWORK_SOURCE, "GetNetworkSource", _get_network_source),
    Row("PUT", _NETWORK_SOURCE, "UpdateNetworkSource", _update_network_source),
    Row("DELETE", _NETWORK_SOURCE, "DeleteNetworkSource", _delete_network_source),
    Row("GET", "/20260901/missingStatements", "ListPolicies", _list_missing_statements),
    Row("POST", "/20260901/policyStatements", "UpdatePolicy", _add_statements),
)
