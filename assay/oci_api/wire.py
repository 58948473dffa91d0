"""Small conversions between the wire and values, used by every service."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from assay.clock import Instant, instant
from assay.errors import Refused
from assay.iam.identity import compartments
from assay.oci_api.frame import Call


class Tagged(Protocol):
    """A resource with free-form and defined tags."""

    @property
    def freeform_tags(self) -> Mapping[str, str]:
        """Key to value."""
        ...

    @property
    def defined_tags(self) -> Mapping[str, Mapping[str, Any]]:
        """Namespace to key to value."""
        ...


def tags_of(call: Call) -> dict[str, Any]:
    """The tags of a create or update body, as details take them."""
    return {
        "freeform_tags": call.field("freeformTags", {}),
        "defined_tags": call.field("definedTags", {}),
    }


def tags_changed(call: Call) -> dict[str, Any]:
    """The tags of an update body; None where the body leaves them as they are."""
    return {
        "freeform_tags": call.field("freeformTags"),
        "defined_tags": call.field("definedTags"),
    }


def compartments_of(call: Call) -> tuple[str, ...]:
    """The compartment of a list, with all below it when the query says so."""
    compartment = call.needed("compartmentId")
    if not call.flag("compartmentIdInSubtree"):
        return (compartment,)
    with call.app.store.database.read() as connection:
        return tuple(each.ocid for each in compartments.with_all_below(connection, call.actor, compartment))


def tags_reply(resource: Tagged) -> dict[str, Any]:
    """The tags of a resource as every model shows them."""
    return {"freeformTags": resource.freeform_tags, "definedTags": resource.defined_tags, "systemTags": {}}


def instant_of(call: Call, name: str) -> Instant | None:
    """A time in the body, or None. Errors: Refused when it is no RFC 3339 time with a zone."""
    text = call.field(name, "")
    return instant_from(text, name) if text else None


def instant_from(text: str, name: str) -> Instant:
    """An RFC 3339 time with a zone. Errors: Refused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise Refused(f"{name} is {text[:40]!r}, not a time.", advice="Write 2026-12-31T23:59:59Z.") from fault
    if moment.tzinfo is None:
        raise Refused(f"{name} has no time zone.", advice="Write 2026-12-31T23:59:59Z.")
    return instant(moment)
