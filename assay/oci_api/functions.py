"""Functions: applications and functions, in both wire versions of the service (oci-api 2.4).

One storage, two spellings: replies carry the image flat and nested, which either client reads.
"""

from collections.abc import Iterable
from typing import Any

from assay.admission import ImagePolicy
from assay.admission.model import Listing, SortBy
from assay.clock import rfc3339
from assay.errors import Reason, Refused
from assay.functions import applications, functions, watch
from assay.functions.model import (
    Application,
    ApplicationChange,
    ApplicationDetails,
    Function,
    FunctionChange,
    FunctionDetails,
    Resources,
    Shape,
)
from assay.iam import work_requests
from assay.oci import Digest
from assay.oci_api import given_back
from assay.oci_api.clusters import policy_of, policy_reply
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, TAGS, Gives, Members, Need, one_of, several
from assay.oci_api.frame import Call, Contracted, Reply, Row, takes
from assay.oci_api.origins import functions_origin
from assay.oci_api.scan_results import status_reply
from assay.oci_api.wire import tags_changed, tags_of, tags_reply

VERSIONS = ("/20181201", "/20260325")

#: States that a filter may name, also those in which no definition here ever is.
_STATES = ("CREATING", "ACTIVE", "INACTIVE", "UPDATING", "DELETING", "DELETED", "FAILED")
_SORT_BY = {"timeCreated": SortBy.TIME_CREATED, "id": SortBy.ID, "displayName": SortBy.NAME}
_LISTED: Members = {
    "displayName": str,
    "id": str,
    "lifecycleState": several(_STATES),
    "sortBy": one_of(_SORT_BY),
    **SORT_ORDER,
    **PAGED,
}
#: What an update of an application, and its creation, may say.
_OF_APPLICATIONS: Members = {
    "config": dict[str, str],
    "imagePolicyConfig": given_back.ApplicationImagePolicy,
    **given_back.OF_APPLICATIONS,
    **TAGS,
}
#: What an update of a function, and its creation, may say; the image in both spellings.
_OF_FUNCTIONS: Members = {
    "sourceDetails": given_back.FunctionSource,
    "image": str,
    "imageDigest": str,
    "memoryInMBs": int,
    "timeoutInSeconds": int,
    "config": dict[str, str],
    **given_back.OF_FUNCTIONS,
    **TAGS,
}


def application_reply(application: Application) -> dict[str, Any]:
    """An Application, which is an ApplicationSummary too."""
    return {
        **dict.fromkeys(given_back.OF_APPLICATIONS),
        **application.kept,
        "id": application.ocid,
        "compartmentId": application.compartment,
        "displayName": application.display_name,
        "lifecycleState": application.state,
        "subnetIds": application.subnets,
        "shape": application.shape,
        "config": application.config,
        "imagePolicyConfig": policy_reply(application.policy),
        "timeCreated": rfc3339(application.time_created),
        "timeUpdated": rfc3339(application.time_updated),
        **tags_reply(application),
    }


def function_reply(call: Call, function: Function) -> dict[str, Any]:
    """A Function, which is a FunctionSummary too, with the image in both spellings."""
    digest = str(function.image_digest)
    return {
        **dict.fromkeys(given_back.OF_FUNCTIONS),
        **function.kept,
        "id": function.ocid,
        "compartmentId": function.compartment,
        "applicationId": function.application,
        "displayName": function.display_name,
        "lifecycleState": function.state,
        "image": function.image,
        "imageDigest": digest,
        "sourceDetails": {"sourceType": "CONTAINER_IMAGE", "image": function.image, "imageDigest": digest},
        "memoryInMBs": function.resources.memory_mb,
        "timeoutInSeconds": function.resources.timeout_seconds,
        "config": function.config,
        "shape": function.shape,
        "invokeEndpoint": functions_origin(call),
        "timeCreated": rfc3339(function.time_created),
        "timeUpdated": rfc3339(function.time_updated),
        **tags_reply(function),
    }


def _kept(call: Call, names: Iterable[str]) -> dict[str, Any]:
    given = {name: call.field(name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _listing(call: Call) -> Listing:
    return Listing(
        name=call.query.get("displayName", ""),
        ocid=call.query.get("id", ""),
        states=call.choices("lifecycleState", _STATES),
        sort_by=_SORT_BY[call.choice("sortBy", tuple(_SORT_BY), "displayName")],
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC") == "DESC",
        limit=call.limit,
        page=call.page or "",
    )


def _work_request(call: Call, changed: Application | Function) -> str:
    return work_requests.ocid_of(call.app.store.site, changed.ocid, changed.etag)


@takes(
    Gives.ONE,
    body={**IN_COMPARTMENT, "displayName": Need(str), "subnetIds": Need(list[str]), "shape": Shape, **_OF_APPLICATIONS},
)
def _create_application(call: Call) -> Reply:
    details = ApplicationDetails(
        compartment=call.field("compartmentId"),
        display_name=call.field("displayName"),
        subnets=tuple(call.field("subnetIds")),
        shape=call.field("shape", Shape.X86),
        config=call.field("config", {}),
        policy=policy_of(call) or ImagePolicy(),
        kept=_kept(call, given_back.OF_APPLICATIONS),
        **tags_of(call),
    )
    made = applications.create(call.app.store, call.actor, details, retry_token=call.retry_token)
    return Reply(application_reply(made), etag=made.etag, work_request=_work_request(call, made))


@takes(Gives.LIST, query={**IN_COMPARTMENT, **_LISTED})
def _list_applications(call: Call) -> Reply:
    page = applications.listed(call.app.store, call.actor, call.needed("compartmentId"), _listing(call))
    return Reply([application_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_application(call: Call) -> Reply:
    found = applications.get(call.app.store, call.actor, call.path["application"])
    return Reply(application_reply(found), etag=found.etag)


@takes(Gives.ONE, body=_OF_APPLICATIONS, refuses=(Reason.IMAGE_NOT_VERIFIED,))
def _update_application(call: Call) -> Reply:
    wanted = ApplicationChange(
        config=call.field("config"),
        policy=policy_of(call),
        kept=_kept(call, given_back.OF_APPLICATIONS) or None,
        **tags_changed(call),
    )
    found = applications.update(
        call.app.store,
        call.actor,
        call.path["application"],
        wanted,
        gate=call.app.gate,
        if_match=call.if_match,
    )
    return Reply(application_reply(found), etag=found.etag, work_request=_work_request(call, found))


@takes(Gives.NOTHING, body=IN_COMPARTMENT)
def _move_application(call: Call) -> Reply:
    found = applications.move(
        call.app.store,
        call.actor,
        call.path["application"],
        call.field("compartmentId"),
        if_match=call.if_match,
    )
    return Reply(etag=found.etag)


@takes(Gives.NOTHING)
def _delete_application(call: Call) -> Reply:
    gone = applications.delete(call.app.store, call.actor, call.path["application"], if_match=call.if_match)
    return Reply(work_request=_work_request(call, gone))


def _source(call: Call) -> tuple[str | None, Digest | None]:
    """Image and digest, from `sourceDetails` or flat. Errors: Refused for a source that is no container image."""
    source = call.field("sourceDetails")
    if source is not None and source["sourceType"] != "CONTAINER_IMAGE":
        raise Refused(
            f"Functions from {source['sourceType']} are not kept here.", advice="Use sourceType CONTAINER_IMAGE."
        )
    members = call.body if source is None else source
    image, digest = members.get("image"), members.get("imageDigest")
    return (
        None if image is None else call.convert("image", image, str),
        None if digest is None else Digest(call.convert("imageDigest", digest, str)),
    )


def _resources(call: Call, present: Resources) -> Resources:
    return Resources(
        memory_mb=call.field("memoryInMBs", present.memory_mb),
        timeout_seconds=call.field("timeoutInSeconds", present.timeout_seconds),
    )


@takes(
    Gives.ONE,
    body={**_OF_FUNCTIONS, "applicationId": Need(str), "displayName": Need(str), "memoryInMBs": Need(int)},
    refuses=(Reason.IMAGE_NOT_VERIFIED,),
)
def _create_function(call: Call) -> Reply:
    image, digest = _source(call)
    details = FunctionDetails(
        application=call.field("applicationId"),
        display_name=call.field("displayName"),
        image=call.convert("image", image, str),
        image_digest=digest,
        resources=_resources(call, Resources()),
        config=call.field("config", {}),
        kept=_kept(call, given_back.OF_FUNCTIONS),
        **tags_of(call),
    )
    made = functions.create(call.app.store, call.actor, details, gate=call.app.gate, retry_token=call.retry_token)
    return Reply(function_reply(call, made), etag=made.etag, work_request=_work_request(call, made))


@takes(Gives.LIST, query={"applicationId": Need(str), **_LISTED})
def _list_functions(call: Call) -> Reply:
    page = functions.listed(call.app.store, call.actor, call.needed("applicationId"), _listing(call))
    return Reply([function_reply(call, each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_function(call: Call) -> Reply:
    found = functions.get(call.app.store, call.actor, call.path["function"])
    return Reply(function_reply(call, found), etag=found.etag)


@takes(Gives.ONE, body=_OF_FUNCTIONS, refuses=(Reason.IMAGE_NOT_VERIFIED,))
def _update_function(call: Call) -> Reply:
    image, digest = _source(call)
    resized = "memoryInMBs" in call.body or "timeoutInSeconds" in call.body
    present = functions.get(call.app.store, call.actor, call.path["function"]).resources if resized else Resources()
    wanted = FunctionChange(
        image=image,
        image_digest=digest,
        resources=_resources(call, present) if resized else None,
        config=call.field("config"),
        kept=_kept(call, given_back.OF_FUNCTIONS) or None,
        **tags_changed(call),
    )
    found = functions.update(
        call.app.store,
        call.actor,
        call.path["function"],
        wanted,
        gate=call.app.gate,
        if_match=call.if_match,
    )
    return Reply(function_reply(call, found), etag=found.etag, work_request=_work_request(call, found))


@takes(Gives.NOTHING)
def _delete_function(call: Call) -> Reply:
    gone = functions.delete(call.app.store, call.actor, call.path["function"], if_match=call.if_match)
    return Reply(work_request=_work_request(call, gone))


@takes(Gives.REFUSAL, refuses=(Reason.IMAGE_NOT_VERIFIED,))
def _invoke_function(call: Call) -> Reply:
    functions.invoke(call.app.store, call.actor, call.path["function"], gate=call.app.gate)


@takes(Gives.ONE)
def _watch_function(call: Call) -> Reply:
    """Whether its repository is scanned, the latest scan of its own digest, and whether a newer push is there."""
    found = watch.watch(call.app.store, call.actor, call.path["function"])
    body = {
        "repositoryName": found.repository_name or None,
        "isScanned": found.is_scanned,
        "imageId": found.image or None,
        "scanStatus": None if found.status is None else status_reply(call, found.status),
        "newerDigest": None if found.newer is None else str(found.newer.digest),
    }
    return Reply(body)


_OPERATIONS: tuple[tuple[str, str, str, Contracted], ...] = (
    ("POST", "/applications", "CreateApplication", _create_application),
    ("GET", "/applications", "ListApplications", _list_applications),
    ("GET", "/applications/{application}", "GetApplication", _get_application),
    ("PUT", "/applications/{application}", "UpdateApplication", _update_application),
    ("DELETE", "/applications/{application}", "DeleteApplication", _delete_application),
    (
        "POST",
        "/applications/{application}/actions/changeCompartment",
        "ChangeApplicationCompartment",
        _move_application,
    ),
    ("POST", "/functions", "CreateFunction", _create_function),
    ("GET", "/functions", "ListFunctions", _list_functions),
    ("GET", "/functions/{function}", "GetFunction", _get_function),
    ("PUT", "/functions/{function}", "UpdateFunction", _update_function),
    ("DELETE", "/functions/{function}", "DeleteFunction", _delete_function),
    ("POST", "/functions/{function}/actions/invoke", "InvokeFunction", _invoke_function),
)

ROWS: tuple[Row, ...] = (
    *(
        Row(method, f"{version}{path}", name, run, is_opaque=name == "InvokeFunction")
        for version in VERSIONS
        for method, path, name, run in _OPERATIONS
    ),
    Row("GET", "/20260901/functions/{function}/watch", "GetFunction", _watch_function),
)
