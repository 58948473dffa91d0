"""The image of a function: found in this registry, pinned to its digest, and decided on by the application's policy."""

from sqlalchemy import Connection

from assay.admission import ImagePolicy, examine
from assay.admission.decide import Because, ImageDecision, Trustee
from assay.admission.examine import Examination, FoundImage, Gate
from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.functions.model import Application
from assay.iam import Actor
from assay.iam.identity import services
from assay.oci import Digest, Reference

#: What OCI's service says; clients look for it (oci-api 4.4).
FAILED = "Image cannot be verified or no valid signature found"


def examination(
    connection: Connection,
    actor: Actor,
    application: Application,
    policy: ImagePolicy,
    key_names: tuple[str, ...],
    gate: Gate,
    now: Instant,
) -> Examination:
    """How images of an application are decided on: in the name of the user who deploys, by the application's policy."""
    trustee = Trustee(application.display_name, "application", application.ocid, key_names)
    return Examination(connection, actor, trustee, policy, gate, now)


def with_digest(image: str, digest: Digest | None) -> str:
    """The reference as it is looked up: a digest that was given beside it decides instead of the tag.

    Errors: Refused when the text is no reference, or names another digest than the one beside it.
    """
    if digest is None:
        return image
    reference = Reference.parse(image)
    if reference.digest is not None and reference.digest != digest:
        raise Refused(
            f"The image names {reference.digest}, imageDigest says {digest}.", advice="Give one of them, or the same."
        )
    return str(Reference(reference.host, reference.name, reference.tag, digest))


def require_allowed(by: Examination, text: str, function: str) -> FoundImage:
    """The image that `text` names, if it is here and the policy, when enabled, admits it.

    Errors: Refused: RELATED_NOT_FOUND for an image that isn't here or not the actor's to read, MALFORMED for a text
    that names none or another registry's, IMAGE_NOT_VERIFIED for one that the policy denies.
    """
    found = examine.find(by, text)
    if isinstance(found, ImageDecision):
        reason = Reason.RELATED_NOT_FOUND if found.because is Because.UNKNOWN_IMAGE else Reason.MALFORMED
        raise Refused(
            f"The image of {function!r}, {found.shown}: {found.reason}.", advice=f"{found.fix}.", reason=reason
        )
    if by.policy.enabled:
        require_verified(by, text, function)
    return found


def require_verified(by: Examination, text: str, function: str) -> None:
    """Refused (IMAGE_NOT_VERIFIED) unless the policy, which is enabled, admits the image; with what is wrong."""
    decision, _ = examine.examined(by, text)
    if not decision.allowed:
        raise Refused(
            f"{FAILED}: {function!r} uses {decision.shown}: {decision.reason}.",
            advice=f"{decision.fix}.",
            reason=Reason.IMAGE_NOT_VERIFIED,
        )


def require_invocable(
    connection: Connection, application: Application, image: str, digest: Digest, gate: Gate, now: Instant
) -> None:
    """Refused (IMAGE_NOT_VERIFIED) unless the application's policy admits the image on which a function stays.

    Decided in the name of the functions service, as far as a statement lets it read; who invokes need not see the
    image, so nothing is said of it.
    """
    if not application.policy.enabled:
        return
    service = services.acting(services.FUNCTIONS, application.tenancy)
    by = examination(connection, service, application, application.policy, application.key_names, gate, now)
    decision, _ = examine.examined(by, with_digest(image, digest))
    if not decision.allowed:
        (needed,) = services.NEEDED[services.FUNCTIONS]
        raise Refused(
            f"{FAILED}.",
            advice=f"Sign the image with a key that the application trusts, and let the service read it: {needed}",
            reason=Reason.IMAGE_NOT_VERIFIED,
        )
