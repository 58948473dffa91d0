"""Identity: compartments, tenancy and regions; the namespace of Object Storage (oci-api 2.6, 2.7).

Lists are bare arrays here. Users and groups are `people`, policies and what they speak of `policies`.
"""

from typing import Any

from assay.iam import work_requests
from assay.iam.identity import compartments, resources, tenancies
from assay.oci_api.contract import IN_COMPARTMENT, SUBTREE, Gives, Need, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.identity_wire import DESCRIBED, LISTED, NEW, changed_tags, described_reply, identity_tags, listing_of
from assay.oci_api.wire import tags_reply


def compartment_reply(compartment: resources.Compartment) -> dict[str, Any]:
    """A Compartment."""
    return {**described_reply(compartment), "isAccessible": True}


@takes(Gives.ONE, body={**IN_COMPARTMENT, **NEW})
def _create_compartment(call: Call) -> Reply:
    made = compartments.create(
        call.app.store,
        call.actor,
        call.field("compartmentId"),
        call.field("name"),
        call.field("description"),
        identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(compartment_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**SUBTREE, "accessLevel": one_of(("ANY", "ACCESSIBLE")), **LISTED})
def _list_compartments(call: Call) -> Reply:
    # Both levels give what the caller may inspect: whatever else there is stays unknown.
    call.choice("accessLevel", ("ANY", "ACCESSIBLE"), "ANY")
    page = compartments.listed(
        call.app.store,
        call.actor,
        call.needed("compartmentId"),
        listing_of(call),
        subtree=bool(call.flag("compartmentIdInSubtree")),
    )
    return Reply([compartment_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_compartment(call: Call) -> Reply:
    found = compartments.get(call.app.store, call.actor, call.path["compartment"])
    return Reply(compartment_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"name": str, **DESCRIBED})
def _update_compartment(call: Call) -> Reply:
    found = compartments.update(
        call.app.store,
        call.actor,
        call.path["compartment"],
        name=call.field("name"),
        description=call.field("description"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(compartment_reply(found), etag=found.etag)


@takes(Gives.NOTHING, status=202)
def _delete_compartment(call: Call) -> Reply:
    gone = compartments.delete(call.app.store, call.actor, call.path["compartment"], if_match=call.if_match)
    return Reply(status=202, work_request=work_requests.ocid_of(call.app.store.site, gone.ocid, gone.etag))


@takes(Gives.NOTHING, body={"targetCompartmentId": Need(str)}, status=202)
def _move_compartment(call: Call) -> Reply:
    moved = compartments.move(
        call.app.store,
        call.actor,
        call.path["compartment"],
        call.field("targetCompartmentId"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(status=202, work_request=work_requests.ocid_of(call.app.store.site, moved.ocid, moved.etag))


@takes(Gives.ONE)
def _recover_compartment(call: Call) -> Reply:
    found = compartments.recover(call.app.store, call.actor, call.path["compartment"], if_match=call.if_match)
    return Reply(compartment_reply(found), etag=found.etag)


@takes(Gives.ONE)
def _get_tenancy(call: Call) -> Reply:
    found = tenancies.get(call.app.store, call.actor, call.path["tenancy"])
    body = {
        "id": found.ocid,
        "name": found.name,
        "description": found.description,
        "homeRegionKey": tenancies.Region(found.home_region).key,
        **tags_reply(found),
    }
    return Reply(body, etag=found.etag)


@takes(Gives.LIST)
def _list_regions(call: Call) -> Reply:
    region = tenancies.region(call.app.store, call.actor)
    return Reply([{"key": region.key, "name": region.name}])


@takes(Gives.LIST)
def _list_region_subscriptions(call: Call) -> Reply:
    region = tenancies.region(call.app.store, call.actor, "ListRegionSubscriptions", call.path["tenancy"])
    return Reply([{"regionKey": region.key, "regionName": region.name, "status": "READY", "isHomeRegion": True}])


@takes(Gives.LIST, query=IN_COMPARTMENT)
def _list_availability_domains(call: Call) -> Reply:
    found = tenancies.availability_domain(call.app.store, call.actor, call.needed("compartmentId"))
    return Reply([{"id": found.ocid, "name": found.name, "compartmentId": found.compartment}])


@takes(Gives.WORD, query={"compartmentId": str})
def _get_namespace(call: Call) -> Reply:
    return Reply(tenancies.namespace(call.app.store, call.actor, call.query.get("compartmentId", "")))


_V = "/20160918"
_COMPARTMENT = f"{_V}/compartments/{{compartment}}"
_TENANCY = f"{_V}/tenancies/{{tenancy}}"

ROWS: tuple[Row, ...] = (
    Row("GET", "/n", "GetNamespace", _get_namespace),
    Row("GET", _TENANCY, "GetTenancy", _get_tenancy),
    Row("GET", f"{_TENANCY}/regionSubscriptions", "ListRegionSubscriptions", _list_region_subscriptions),
    Row("GET", f"{_V}/regions", "ListRegions", _list_regions),
    Row("GET", f"{_V}/availabilityDomains", "ListAvailabilityDomains", _list_availability_domains),
    Row("POST", f"{_V}/compartments", "CreateCompartment", _create_compartment),
    Row("GET", f"{_V}/compartments", "ListCompartments", _list_compartments),
    Row("GET", _COMPARTMENT, "GetCompartment", _get_compartment),
    Row("PUT", _COMPARTMENT, "UpdateCompartment", _update_compartment),
    Row("DELETE", _COMPARTMENT, "DeleteCompartment", _delete_compartment),
    Row("POST", f"{_COMPARTMENT}/actions/moveCompartment", "MoveCompartment", _move_compartment),
    Row("POST", f"{_COMPARTMENT}/actions/recoverCompartment", "RecoverCompartment", _recover_compartment),
)
