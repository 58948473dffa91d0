"""What signing and the keeping of brought signatures share: the image, what is signed of it, and the record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from assay.clock import Instant, new_etag
from assay.errors import AssayError, Reason, Refused, not_found
from assay.events import ImageSigned
from assay.iam import Act, Actor, Target, authorize
from assay.iam.identity import tenancies
from assay.registry import images
from assay.registry.model import Image, LifecycleState
from assay.signing import bundle, cosign
from assay.signing.envelope import Form
from assay.signing.native import NativeMessage
from assay.signing.records import signatures as records
from assay.signing.resources import Envelope, ImageSignature, Origin, SignatureState, Subject
from assay.storage import Store
from assay.vault import Custody, Message, crypto, shapes

CREATE = "CreateContainerImageSignature"


@dataclass(frozen=True, slots=True)
class Naming:
    """How an image is named outside: the tenancy's namespace, and `HOST/NAMESPACE/REPOSITORY[:TAG]`."""

    namespace: str
    reference: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing to sign: the envelope's payload, and the message that the signature is over."""

    subject: Subject
    form: Form
    payload: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Draft:
    """A record with its envelopes, yet to be written; what Assay signed of it, by `using`, if anything."""

    record: ImageSignature
    envelopes: tuple[Envelope, ...]
    using: crypto.Signer | None
    messages: tuple[Message, ...]


def attempt(draft: Callable[[], Draft]) -> Draft | AssayError:
    """What `draft` makes, or why not: that is raised inside `perform`, which keeps a record of denials.

    It is raised there only after the retry token was looked at: a repeated request gets its first answer.
    """
    try:
        return draft()
    except AssayError as fault:
        return fault


def target_of(image: Image) -> Target:
    """An image as what an operation on its signatures acts on."""
    return Target(
        compartment=image.compartment, resource=image.ocid, variables={"target.repo.name": image.repository_name}
    )


def image_of(connection: Connection, actor: Actor, ocid: str) -> Image:
    """An image of the actor's tenancy, deleted ones included. Errors: Refused (NOT_FOUND)."""
    image = images.of_ocid(connection, actor.tenancy, ocid)
    if image is None:
        raise not_found()
    return image


def signable(connection: Connection, actor: Actor, ocid: str, now: Instant) -> Image:
    """The image, if the actor may sign it. Errors: Refused (NOT_FOUND; WRONG_STATE when it is deleted)."""
    image = image_of(connection, actor, ocid)
    authorize(connection, actor, CREATE, target_of(image), now=now)
    require_available(image)
    return image


def require_available(image: Image) -> None:
    """Refused (WRONG_STATE) when the image is deleted."""
    if image.lifecycle_state is not LifecycleState.AVAILABLE:
        raise Refused("The image is deleted.", advice="Restore it, or push it again.", reason=Reason.WRONG_STATE)


def letters_of(subjects: Sequence[Subject], said: NativeMessage, reference: str, using: crypto.Signer) -> list[Letter]:
    """What is signed of an image: of each manifest three things, the native message about the image itself first."""
    return [letter for subject in subjects for letter in _three(subject, said, reference, using)]


def _three(subject: Subject, said: NativeMessage, reference: str, using: crypto.Signer) -> list[Letter]:
    native = said.about(subject.digest).encode()
    algorithm = shapes.artifact_algorithm(using.key.shape)
    payload = cosign.Payload(reference, subject.digest).encode()
    statement = bundle.statement(subject.digest)
    return [
        Letter(subject, Form.NATIVE, native, Message(native, said.algorithm)),
        Letter(subject, Form.COSIGN, payload, Message(payload, algorithm)),
        Letter(subject, Form.BUNDLE, statement, Message(bundle.signed_bytes(statement), algorithm)),
    ]


def envelopes_of(
    record: ImageSignature, letters: list[Letter], made: tuple[bytes, ...], using: crypto.Signer
) -> tuple[Envelope, ...]:
    """The envelopes of letters that were signed, with the bytes that are published: a bundle holds its signature."""
    key_hint = bundle.hint(using.public_key_der)
    return tuple(
        Envelope(
            record.ocid,
            letter.subject,
            letter.form,
            letter.message.algorithm,
            bundle.encode(letter.payload, signature, key_hint) if letter.form is Form.BUNDLE else letter.payload,
            signature,
        )
        for letter, signature in zip(letters, made, strict=True)
    )


def record_of(
    store: Store,
    actor: Actor,
    image: Image,
    said: NativeMessage,
    *,
    origin: Origin,
    naming: Naming,
    message: bytes,
    signature: bytes,
    tags: tuple[Mapping[str, str], Mapping[str, Mapping[str, Any]]],
) -> ImageSignature:
    """A new record. `tags` are the free-form and the defined ones."""
    freeform, defined = tags
    now = store.clock.now()
    return ImageSignature(
        ocid=store.site.new_ocid("containerimagesignature", extension=f"0.{naming.namespace}").text,
        tenancy=image.tenancy,
        compartment=image.compartment,
        repository=image.repository,
        repository_name=image.repository_name,
        image=image.ocid,
        digest=image.digest,
        key=said.key,
        key_version=said.key_version,
        algorithm=said.algorithm,
        origin=origin,
        reference=naming.reference,
        created_by=actor.principal.ocid or actor.principal.name,
        message=message,
        signature=signature,
        state=SignatureState.AVAILABLE,
        time_created=now,
        time_updated=now,
        freeform_tags=dict(freeform),
        defined_tags={name: dict(values) for name, values in defined.items()},
        etag=new_etag(),
    )


def naming_of(connection: Connection, image: Image, registry_host: str, tag: str) -> Naming:
    """How the image is named. Errors: Refused when it does not bear that tag."""
    if tag and tag not in {version.version for version in image.versions}:
        raise Refused(
            f"The image does not bear the tag {tag}.", advice="Sign it under a tag that names it, or by digest."
        )
    namespace = tenancies.namespace_of(connection, image.tenancy)
    reference = f"{registry_host}/{namespace}/{image.repository_name}" + (f":{tag}" if tag else "")
    return Naming(namespace, reference)


def keep(act: Act, drafted: Draft, custody: Custody) -> ImageSignature:
    """Write what was drafted, once everything that allowed it was asked again in this transaction."""
    record = drafted.record
    require_available(image_of(act.connection, act.actor, record.image))
    if drafted.using is not None:
        crypto.signer(act.connection, act.actor, record.key, record.key_version, now=act.now)
        crypto.require_gate(act.connection, custody, drafted.using, drafted.messages)
    records.insert(act.connection, record, drafted.envelopes)
    act.announce(
        ImageSigned(
            tenancy=record.tenancy,
            repository=record.repository,
            image=record.image,
            digest=record.digest.text,
            signature=record.ocid,
        )
    )
    return record
