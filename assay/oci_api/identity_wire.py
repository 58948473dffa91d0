"""What the Identity operations share on the wire (oci-api 2.6): members of a model, tags, how lists are asked for."""

from typing import Any

from assay.clock import rfc3339
from assay.errors import not_found
from assay.iam.identity import resources
from assay.oci_api.contract import PAGED, SORT_ORDER, TAGS, Members, Need, one_of
from assay.oci_api.frame import Call
from assay.oci_api.wire import tags_reply

#: The states that Identity's models know, of which some last no time here (oci-api 2.6).
LIFECYCLE_STATES = ("CREATING", "ACTIVE", "INACTIVE", "DELETING", "DELETED")
#: How lists are asked for.
LISTED: Members = {
    "name": str,
    "lifecycleState": one_of(LIFECYCLE_STATES),
    "sortBy": one_of(resources.SortBy),
    **SORT_ORDER,
    **PAGED,
}
#: What every body that creates says, beside where; a description may be empty, but must be there.
NEW: Members = {"name": Need(str), "description": Need(str), **TAGS}
#: What every update body may say.
DESCRIBED: Members = {"description": str, **TAGS}

Described = (
    resources.Compartment
    | resources.User
    | resources.Group
    | resources.DynamicGroup
    | resources.NetworkSource
    | resources.Policy
)


def described_reply(resource: Described) -> dict[str, Any]:
    """The members that all described resources share."""
    return {
        "id": resource.ocid,
        "compartmentId": resource.compartment,
        "name": resource.name,
        "description": resource.description,
        "lifecycleState": resource.lifecycle_state,
        "timeCreated": rfc3339(resource.time_created),
        **tags_reply(resource),
    }


def identity_tags(call: Call) -> resources.Tags:
    """The tags of a create body."""
    return resources.Tags(call.field("freeformTags", {}), call.field("definedTags", {}))


def changed_tags(call: Call) -> resources.Tags | None:
    """The tags of an update body; None where the body leaves them as they are."""
    return identity_tags(call) if "freeformTags" in call.body or "definedTags" in call.body else None


def in_tenancy(call: Call) -> Call:
    """The call. Errors: Refused, when it names another place than the tenancy, in which users and groups lie."""
    named = call.field("compartmentId") if "compartmentId" in call.contract.body else call.needed("compartmentId")
    if named != call.actor.tenancy:
        raise not_found()
    return call


def listing_of(call: Call) -> resources.Listing:
    """Order, page and filters of a list."""
    sort_by = resources.SortBy(call.choice("sortBy", tuple(resources.SortBy), resources.SortBy.NAME))
    return resources.Listing(
        sort_by=sort_by,
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC") == "DESC",
        limit=call.limit,
        page=call.page or "",
        name=call.query.get("name", ""),
        state=call.choice("lifecycleState", LIFECYCLE_STATES, ""),
    )
