"""AdmissionReview v1: reading a request strictly, and writing the one answer to it.

Pure. Source: `admission.k8s.io/v1` and the API server's webhook dispatcher: the answer echoes uid, version and kind;
`patch` and `patchType` stand together or not at all, and only in the mutating phase; a denial's status needs a code of
400 or more; a warning longer than 120 characters may be cut by the server.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from assay.errors import AssayError, Reason, Refused
from assay.oci import strict_json

#: The client's limit is 3 MiB per request, and a review carries the object before and after.
REVIEW_BYTES_MAX = 8 * 1024 * 1024
REVIEW_DEPTH_MAX = 64
UID_LENGTH_MAX = 128
TEXT_LENGTH_MAX = 512
GROUPS_MAX = 256
WARNING_LENGTH_MAX = 120
WARNINGS_MAX = 16
MESSAGE_LENGTH_MAX = 2048

_API_VERSION = "admission.k8s.io/v1"
_KIND = "AdmissionReview"


class Operation(StrEnum):
    """What the user does with the object."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


class Phase(StrEnum):
    """Which of a cluster's two hooks asks; the value is the last part of its path."""

    MUTATE = "mutate"
    VALIDATE = "validate"


class UnreadableReview(Refused):
    """A review that is not one; `uid` is its uid when at least that could be read, so that it can be answered."""

    def __init__(self, message: str, *, uid: str = "", reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(message, advice="Send one AdmissionReview of admission.k8s.io/v1.", reason=reason)
        self.uid = uid


@dataclass(frozen=True, slots=True)
class Review:
    """A request of the API server. `document` and `before` are the object after and before; `name` may be empty.

    `name` is the generateName where there is one, because only the validating phase knows the name made from it.
    """

    uid: str
    operation: Operation
    group: str
    kind: str
    namespace: str
    name: str
    username: str
    groups: tuple[str, ...]
    document: Mapping[str, Any] | None
    before: Mapping[str, Any] | None
    dry_run: bool
    #: Uid and resource version of the object that is changed; empty texts when it is created.
    object_uid: str = ""
    resource_version: str = ""

    @property
    def runs_nothing(self) -> str:
        """Why there is nothing to decide, or the empty string.

        The deletion time is believed on the object as it was before only: on CREATE it is the user's own writing.
        """
        if self.operation in (Operation.DELETE, Operation.CONNECT):
            return f"{self.operation} runs no image"
        if self.operation is Operation.UPDATE and _metadata(self.before).get("deletionTimestamp"):
            return "the object is being deleted"
        return ""


def read_review(content: bytes) -> Review:
    """The request in an AdmissionReview document.

    Errors: UnreadableReview: TOO_LARGE, UNPARSABLE, or MALFORMED with the uid where that could be read.
    """
    try:
        # Half a surrogate pair is refused field by field below, so that the refusal has its uid.
        review = strict_json(
            content, size_max=REVIEW_BYTES_MAX, depth_max=REVIEW_DEPTH_MAX, what=_KIND, allow_half_pairs=True
        )
    except Refused as fault:
        raise UnreadableReview(fault.message, reason=fault.reason) from fault
    if not isinstance(review, dict) or review.get("kind") != _KIND or review.get("apiVersion") != _API_VERSION:
        raise UnreadableReview(f"The document is not an {_KIND} of {_API_VERSION}.")
    request = review.get("request")
    if not isinstance(request, dict):
        raise UnreadableReview("The AdmissionReview has no request.")
    uid = request.get("uid")
    if not isinstance(uid, str) or not 0 < len(uid) <= UID_LENGTH_MAX or not uid.isprintable():
        raise UnreadableReview("The request has no uid.")
    try:
        return _request(uid, request)
    except UnreadableReview as fault:
        raise UnreadableReview(fault.message, uid=uid) from fault


def _request(uid: str, request: Mapping[str, Any]) -> Review:
    operation = request.get("operation")
    if operation not in tuple(Operation):
        raise UnreadableReview(f"The operation {str(operation)[:40]!r} is none of {', '.join(Operation)}.")
    document = _object(request, "object")
    before = _object(request, "oldObject")
    if operation in (Operation.CREATE, Operation.UPDATE) and document is None:
        raise UnreadableReview(f"A {operation} has no object.")
    if operation == Operation.UPDATE and before is None:
        raise UnreadableReview("An UPDATE has no oldObject.")
    dry_run = request.get("dryRun")
    if dry_run is not None and not isinstance(dry_run, bool):
        raise UnreadableReview("dryRun is not true or false.")
    kind = _object(request, "kind") or {}
    user = _object(request, "userInfo") or {}
    generate_name = _text(_metadata(document), "generateName")
    return Review(
        uid=uid,
        operation=Operation(operation),
        group=_text(kind, "group"),
        kind=_text(kind, "kind"),
        namespace=_text(request, "namespace"),
        name=generate_name or _text(request, "name") or _text(_metadata(document), "name"),
        username=_text(user, "username"),
        groups=_groups(user),
        document=document,
        before=before,
        dry_run=bool(dry_run),
        object_uid=_text(_metadata(before), "uid"),
        resource_version=_text(_metadata(before), "resourceVersion"),
    )


def _object(request: Mapping[str, Any], member: str) -> Mapping[str, Any] | None:
    value = request.get(member)
    if value is not None and not isinstance(value, dict):
        raise UnreadableReview(f"{member} is not an object.")
    return value


def _metadata(document: Mapping[str, Any] | None) -> Mapping[str, Any]:
    metadata = (document or {}).get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise UnreadableReview("metadata is not an object.")
    return metadata or {}


def _text(source: Mapping[str, Any], member: str) -> str:
    value = source.get(member)
    if value is None:
        return ""
    # Not printable are also lone surrogates and NUL, which neither an answer nor a database takes.
    if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not value.isprintable():
        raise UnreadableReview(f"{member} is not a text of at most {TEXT_LENGTH_MAX} printable characters.")
    return value


def _groups(user: Mapping[str, Any]) -> tuple[str, ...]:
    groups = user.get("groups")
    if groups is None:
        return ()
    if not isinstance(groups, list) or len(groups) > GROUPS_MAX:
        raise UnreadableReview(f"The user's groups are not a list of at most {GROUPS_MAX} texts.")
    return tuple(_text({"groups": group}, "groups") for group in groups)


@dataclass(frozen=True, slots=True)
class Pin:
    """One replacement in the object: the text at `pointer` must be `old` and becomes `new`."""

    pointer: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: allowed with pins and warnings, or denied with a message. Refuses a denial that pins.

    `notes` become audit annotations of the API server (it puts the hook's name before each key).
    """

    allowed: bool
    message: str = ""
    pins: tuple[Pin, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    code: int = field(default=403)

    def __post_init__(self) -> None:
        if not self.allowed and (self.pins or not self.message):
            raise Refused("A denial has a message and changes nothing.", reason=Reason.INTERNAL)

    @classmethod
    def refusal(cls, fault: AssayError) -> "Reply":
        """The denial of a request that could not be read or decided, with the reason."""
        return cls(allowed=False, message=str(fault), code=400 if fault.reason is Reason.MALFORMED else 403)


def patch_document(pins: Sequence[Pin]) -> bytes:
    """The JSON patch (RFC 6902): each replacement tests first that the text is still the one that was decided on."""
    operations: list[dict[str, str]] = []
    for pin in pins:
        operations.append({"op": "test", "path": pin.pointer, "value": pin.old})
        operations.append({"op": "replace", "path": pin.pointer, "value": pin.new})
    return msgspec.json.encode(operations)


def answer(uid: str, reply: Reply, phase: Phase) -> bytes:
    """The AdmissionReview document that answers the request with this uid."""
    response: dict[str, Any] = {"uid": uid, "allowed": reply.allowed}
    if not reply.allowed:
        response["status"] = {
            "status": "Failure",
            "code": reply.code,
            "reason": "Forbidden" if reply.code == 403 else "BadRequest",
            "message": shortened(reply.message, MESSAGE_LENGTH_MAX),
        }
    if reply.pins and phase is Phase.MUTATE:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(patch_document(reply.pins)).decode()
    if reply.warnings:
        response["warnings"] = _warnings(reply.warnings)
    if reply.notes:
        response["auditAnnotations"] = dict(reply.notes)
    return msgspec.json.encode({"apiVersion": _API_VERSION, "kind": _KIND, "response": response})


def _warnings(warnings: Iterable[str]) -> list[str]:
    texts = [shortened(text, WARNING_LENGTH_MAX) for text in warnings]
    if len(texts) <= WARNINGS_MAX:
        return texts
    return [*texts[: WARNINGS_MAX - 1], f"and {len(texts) - WARNINGS_MAX + 1} more warnings"]


def shortened(text: str, length_max: int) -> str:
    """The text, or its beginning and an ellipsis when it is longer than `length_max` characters."""
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
