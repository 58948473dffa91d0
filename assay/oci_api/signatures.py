"""Image signatures (oci-api 2.1): records made elsewhere and uploaded; and, beyond OCI, signing and verifying here."""

import base64
import binascii
from typing import Any

from assay.clock import rfc3339
from assay.errors import Refused
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, SUBTREE, TAGS, Gives, Need, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.wire import compartments_of, tags_changed, tags_of, tags_reply
from assay.scanning import results
from assay.signing import caution, sign, signatures, upload, verify
from assay.signing.resources import ImageSignature, SignatureFilter, SignDetails, UploadDetails
from assay.signing.verify import Outcome
from assay.vault import SigningAlgorithm

#: Members by which signatures are looked for.
_FILTERS = (
    *("imageId", "repositoryId", "repositoryName", "imageDigest", "displayName"),
    *("kmsKeyId", "kmsKeyVersionId", "signingAlgorithm"),
)


def signature_reply(record: ImageSignature) -> dict[str, Any]:
    """A ContainerImageSignature."""
    return {
        "id": record.ocid,
        "compartmentId": record.compartment,
        "displayName": record.display_name,
        "imageId": record.image,
        "imageDigest": str(record.digest),
        "repositoryName": record.repository_name,
        "kmsKeyId": record.key,
        "kmsKeyVersionId": record.key_version,
        "signingAlgorithm": record.algorithm,
        "message": base64.b64encode(record.message).decode(),
        "signature": base64.b64encode(record.signature).decode(),
        "createdBy": record.created_by,
        "lifecycleState": record.state,
        "timeCreated": rfc3339(record.time_created),
        **tags_reply(record),
    }


def outcome_reply(outcome: Outcome) -> dict[str, Any]:
    """What came of verifying one signature."""
    return {
        "subject": str(outcome.subject),
        "signatureId": outcome.signature,
        "form": outcome.form,
        "kmsKeyId": outcome.key,
        "kmsKeyVersionId": outcome.key_version,
        "signingAlgorithm": outcome.algorithm,
        "timeCreated": rfc3339(outcome.time_created),
        "isVerified": outcome.verified,
        "because": outcome.because,
    }


def _bytes(call: Call, name: str) -> bytes:
    try:
        return base64.b64decode(call.field(name), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Refused(f"{name} is not base64.", advice="Send standard base64 with padding.") from fault


@takes(
    Gives.ONE,
    body={
        **IN_COMPARTMENT,
        "imageId": Need(str),
        "kmsKeyId": Need(str),
        "kmsKeyVersionId": Need(str),
        "signingAlgorithm": Need(SigningAlgorithm),
        "message": Need(str),
        "signature": Need(str),
        **TAGS,
    },
)
def _create(call: Call) -> Reply:
    details = UploadDetails(
        compartment=call.field("compartmentId"),
        image=call.field("imageId"),
        key=call.field("kmsKeyId"),
        key_version=call.field("kmsKeyVersionId"),
        algorithm=call.field("signingAlgorithm"),
        message=_bytes(call, "message"),
        signature=_bytes(call, "signature"),
        **tags_of(call),
    )
    made = upload.upload_signature(
        call.app.store,
        call.actor,
        details,
        custody=call.app.custody,
        registry_host=call.app.settings.registry_host,
        retry_token=call.retry_token,
    )
    return Reply(signature_reply(made), etag=made.etag)


@takes(
    Gives.ONE,
    query={
        **SUBTREE,
        **dict.fromkeys(_FILTERS, str),
        "sortBy": one_of(("TIMECREATED", "DISPLAYNAME")),
        **SORT_ORDER,
        **PAGED,
    },
)
def _list(call: Call) -> Reply:
    narrow = SignatureFilter(
        compartments=compartments_of(call),
        image=call.query.get("imageId", ""),
        repository=call.query.get("repositoryId", ""),
        repository_name=call.query.get("repositoryName", ""),
        digest=call.query.get("imageDigest", ""),
        display_name=call.query.get("displayName", ""),
        key=call.query.get("kmsKeyId", ""),
        key_version=call.query.get("kmsKeyVersionId", ""),
        algorithm=call.query.get("signingAlgorithm", ""),
        by_name=call.choice("sortBy", ("TIMECREATED", "DISPLAYNAME"), "TIMECREATED") == "DISPLAYNAME",
        descending=call.choice("sortOrder", ("ASC", "DESC"), "DESC") == "DESC",
    )
    page = signatures.list_signatures(call.app.store, call.actor, narrow, limit=call.limit, page=call.page or "")
    body = {
        "items": [signature_reply(each) for each in page.items],
        "remainingItemsCount": signatures.remaining(call.app.store, call.actor, narrow, page.next_page),
    }
    return Reply(body, next_page=page.next_page)


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    found = signatures.get_signature(call.app.store, call.actor, call.path["signature"])
    return Reply(signature_reply(found), etag=found.etag)


@takes(Gives.ONE, body=TAGS)
def _update(call: Call) -> Reply:
    found = signatures.change_tags(
        call.app.store, call.actor, call.path["signature"], if_match=call.if_match, **tags_changed(call)
    )
    return Reply(signature_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete(call: Call) -> Reply:
    signatures.delete_signature(call.app.store, call.actor, call.path["signature"], if_match=call.if_match)
    return Reply()


@takes(
    Gives.ONE,
    body={
        "kmsKeyId": Need(str),
        "kmsKeyVersionId": str,
        "signingAlgorithm": SigningAlgorithm,
        "tag": str,
        "description": str,
        "metadata": str,
        **TAGS,
    },
)
def _sign(call: Call) -> Reply:
    details = SignDetails(
        image=call.path["image"],
        key=call.field("kmsKeyId"),
        key_version=call.field("kmsKeyVersionId", ""),
        algorithm=call.field("signingAlgorithm"),
        tag=call.field("tag", ""),
        description=call.field("description", ""),
        metadata=call.field("metadata", ""),
        **tags_of(call),
    )
    made = sign.sign_image(
        call.app.store,
        call.actor,
        details,
        custody=call.app.custody,
        registry_host=call.app.settings.registry_host,
        retry_token=call.retry_token,
    )
    status = results.statuses(call.app.store, call.actor, [made.image]).get(made.image)
    doubtful = caution.caution(status)
    return Reply({**signature_reply(made), "warnings": [str(doubtful)] if doubtful else []}, etag=made.etag)


@takes(Gives.ITEMS)
def _verify(call: Call) -> Reply:
    outcomes = verify.verify_image(call.app.store, call.actor, call.path["image"])
    return Reply({"items": [outcome_reply(each) for each in outcomes]})


_SIGNATURES = "/20160918/container/imageSignatures"
_IMAGE = "/20260901/images/{image}"

ROWS: tuple[Row, ...] = (
    Row("POST", _SIGNATURES, "CreateContainerImageSignature", _create),
    Row("GET", _SIGNATURES, "ListContainerImageSignatures", _list),
    Row("GET", f"{_SIGNATURES}/{{signature}}", "GetContainerImageSignature", _get),
    Row("PUT", f"{_SIGNATURES}/{{signature}}", "UpdateContainerImageSignature", _update),
    Row("DELETE", f"{_SIGNATURES}/{{signature}}", "DeleteContainerImageSignature", _delete),
    Row("POST", f"{_IMAGE}/actions/sign", "CreateContainerImageSignature", _sign),
    Row("GET", f"{_IMAGE}/verification", "VerifyImageSignature", _verify),
)
