"""The one error tree, and the one table by which the doors answer errors.

    AssayError
    ├── Refused       the caller asked for what may not, or cannot, be done
    ├── Unavailable   a supply (database, store, feed, child process, key source) failed; trying again may help
    └── Corrupt       stored bytes do not say what their record says

`message` says what happened; `advice` says what to do. Neither ever holds a secret.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused or failed: the key of the answer table."""

    MALFORMED = "malformed"
    MISSING_PARAMETER = "missing-parameter"
    UNPARSABLE = "unparsable"
    NOT_AUTHENTICATED = "not-authenticated"
    PASSWORD_CHANGE_NEEDED = "password-change-needed"  # noqa: S105 - a reason, not a password
    NOT_FOUND = "not-found"
    RELATED_NOT_FOUND = "related-not-found"
    NOT_ALLOWED = "not-allowed"
    EXISTS = "exists"
    WRONG_STATE = "wrong-state"
    ETAG_MISMATCH = "etag-mismatch"
    RETRY_TOKEN_REUSED = "retry-token-reused"  # noqa: S105 - a reason, not a password
    LIMIT_EXCEEDED = "limit-exceeded"
    QUOTA_EXCEEDED = "quota-exceeded"
    TOO_LARGE = "too-large"
    TOO_MANY_REQUESTS = "too-many-requests"
    PAGE_TOKEN = "page-token"  # noqa: S105 - a reason, not a password
    METHOD = "method"
    UNSUPPORTED = "unsupported"
    MEDIA_TYPE = "media-type"
    NAME_INVALID = "name-invalid"
    REPOSITORY_UNKNOWN = "repository-unknown"
    MANIFEST_UNKNOWN = "manifest-unknown"
    MANIFEST_INVALID = "manifest-invalid"
    MANIFEST_BLOB_UNKNOWN = "manifest-blob-unknown"
    BLOB_UNKNOWN = "blob-unknown"
    UPLOAD_UNKNOWN = "upload-unknown"
    UPLOAD_INVALID = "upload-invalid"
    RANGE_INVALID = "range-invalid"
    DIGEST_INVALID = "digest-invalid"
    SIZE_INVALID = "size-invalid"
    UNAVAILABLE = "unavailable"
    SEALED = "sealed"
    IMAGE_NOT_VERIFIED = "image-not-verified"
    CORRUPT = "corrupt"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Answer:
    """How each door says a reason: HTTP status, OCI service code, distribution-spec code."""

    status: int
    oci_code: str
    distribution_code: str


#: Source: OCI service codes, reference of the API errors; distribution-spec 1.1, "Error Codes".
ANSWERS: dict[Reason, Answer] = {
    Reason.MALFORMED: Answer(400, "InvalidParameter", "UNSUPPORTED"),
    Reason.MISSING_PARAMETER: Answer(400, "MissingParameter", "UNSUPPORTED"),
    Reason.UNPARSABLE: Answer(400, "CannotParseRequest", "UNSUPPORTED"),
    Reason.NOT_AUTHENTICATED: Answer(401, "NotAuthenticated", "UNAUTHORIZED"),
    Reason.PASSWORD_CHANGE_NEEDED: Answer(403, "NotAllowed", "DENIED"),
    Reason.NOT_FOUND: Answer(404, "NotAuthorizedOrNotFound", "NAME_UNKNOWN"),
    Reason.RELATED_NOT_FOUND: Answer(400, "RelatedResourceNotAuthorizedOrNotFound", "NAME_UNKNOWN"),
    Reason.NOT_ALLOWED: Answer(403, "NotAllowed", "DENIED"),
    Reason.EXISTS: Answer(409, "NotAuthorizedOrResourceAlreadyExists", "DENIED"),
    Reason.WRONG_STATE: Answer(409, "IncorrectState", "DENIED"),
    Reason.ETAG_MISMATCH: Answer(412, "NoEtagMatch", "UNSUPPORTED"),
    Reason.RETRY_TOKEN_REUSED: Answer(409, "InvalidatedRetryToken", "UNSUPPORTED"),
    Reason.LIMIT_EXCEEDED: Answer(400, "LimitExceeded", "DENIED"),
    Reason.QUOTA_EXCEEDED: Answer(400, "QuotaExceeded", "DENIED"),
    Reason.TOO_LARGE: Answer(413, "RequestEntityTooLarge", "SIZE_INVALID"),
    Reason.TOO_MANY_REQUESTS: Answer(429, "TooManyRequests", "TOOMANYREQUESTS"),
    Reason.PAGE_TOKEN: Answer(400, "PaginationTokenFormat", "UNSUPPORTED"),
    Reason.METHOD: Answer(405, "MethodNotAllowed", "UNSUPPORTED"),
    Reason.UNSUPPORTED: Answer(501, "MethodNotImplemented", "UNSUPPORTED"),
    Reason.MEDIA_TYPE: Answer(415, "InvalidParameter", "MANIFEST_INVALID"),
    Reason.NAME_INVALID: Answer(400, "InvalidParameter", "NAME_INVALID"),
    Reason.REPOSITORY_UNKNOWN: Answer(404, "NotAuthorizedOrNotFound", "NAME_UNKNOWN"),
    Reason.MANIFEST_UNKNOWN: Answer(404, "NotAuthorizedOrNotFound", "MANIFEST_UNKNOWN"),
    Reason.MANIFEST_INVALID: Answer(400, "InvalidParameter", "MANIFEST_INVALID"),
    Reason.MANIFEST_BLOB_UNKNOWN: Answer(400, "InvalidParameter", "MANIFEST_BLOB_UNKNOWN"),
    Reason.BLOB_UNKNOWN: Answer(404, "NotAuthorizedOrNotFound", "BLOB_UNKNOWN"),
    Reason.UPLOAD_UNKNOWN: Answer(404, "NotAuthorizedOrNotFound", "BLOB_UPLOAD_UNKNOWN"),
    Reason.UPLOAD_INVALID: Answer(400, "InvalidParameter", "BLOB_UPLOAD_INVALID"),
    Reason.RANGE_INVALID: Answer(416, "InvalidParameter", "BLOB_UPLOAD_INVALID"),
    Reason.DIGEST_INVALID: Answer(400, "InvalidParameter", "DIGEST_INVALID"),
    Reason.SIZE_INVALID: Answer(400, "InvalidParameter", "SIZE_INVALID"),
    Reason.UNAVAILABLE: Answer(503, "ServiceUnavailable", "UNAVAILABLE"),
    Reason.SEALED: Answer(503, "ServiceUnavailable", "UNAVAILABLE"),
    Reason.IMAGE_NOT_VERIFIED: Answer(502, "FunctionImageVerificationFail", "DENIED"),
    Reason.CORRUPT: Answer(500, "InternalServerError", "UNKNOWN"),
    Reason.INTERNAL: Answer(500, "InternalServerError", "UNKNOWN"),
}


class AssayError(Exception):
    """Root of the tree: a reason, a message for people, and advice on what to do next.

    `retry_after`: in how many seconds trying again may help; told where the answer says "later" (429, 503).
    """

    reason: Reason = Reason.INTERNAL

    def __init__(self, message: str, *, advice: str = "", reason: Reason | None = None, retry_after: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.retry_after = retry_after
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class Refused(AssayError):
    """The caller asked for something that may not, or cannot, be done; nothing was changed."""

    reason = Reason.MALFORMED


class Denied(Refused):
    """No statement allows it. It says what `not_found` says; what was attempted is for the audit log alone.

    `operation` is a row of the table of permissions, `compartment` and `resource` the OCIDs of what it was aimed at.
    """

    reason = Reason.NOT_FOUND

    def __init__(self, operation: str, compartment: str, resource: str = "") -> None:
        same = not_found()
        super().__init__(same.message, advice=same.advice)
        self.operation = operation
        self.compartment = compartment
        self.resource = resource


class Unavailable(AssayError):
    """A supply failed (database, blob store, feed, child process, root key); nothing was changed.

    `may_pass` False: trying again cannot help before somebody mends the supply.
    """

    reason = Reason.UNAVAILABLE

    def __init__(self, message: str, *, advice: str = "", reason: Reason | None = None, may_pass: bool = True) -> None:
        super().__init__(message, advice=advice, reason=reason)
        self.may_pass = may_pass


class Corrupt(AssayError):
    """Stored bytes do not match their record; the object is not served and not trusted."""

    reason = Reason.CORRUPT


def not_found() -> Refused:
    """The one answer for what is missing and for what is not the caller's to see: the same words for both, always."""
    return Refused(
        "Authorization failed or requested resource not found.",
        advice="Check the name or OCID, and that a policy lets you see it.",
        reason=Reason.NOT_FOUND,
    )
