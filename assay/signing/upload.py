"""Signatures that were made elsewhere with the vault's sign call: checked, then kept like our own.

The stock client signs and uploads in two calls, and never looks into a message when it verifies; so it is looked into
here. Cosign payload, bundle and the children of an index are added only if whoever brings it may use the key.
"""

from sqlalchemy import Connection

from assay.errors import AssayError, Reason, Refused, Unavailable, not_found
from assay.iam import Act, Actor, perform
from assay.signing import drafting
from assay.signing.drafting import CREATE, Draft
from assay.signing.envelope import Form
from assay.signing.native import NativeMessage, disagreement
from assay.signing.resources import Envelope, ImageSignature, Origin, UploadDetails
from assay.signing.subjects import subjects_of
from assay.storage import Store
from assay.vault import Custody, Message, crypto, shapes


def upload_signature(
    store: Store,
    actor: Actor,
    details: UploadDetails,
    *,
    custody: Custody,
    registry_host: str,
    retry_token: str | None = None,
) -> ImageSignature:
    """Keep a signature that was made with the vault's sign call (`image-signature create`, `sign-upload`), checked.

    Errors: Refused (NOT_FOUND when image or key are missing or not permitted, WRONG_STATE, MALFORMED when the message
    names something else than the record or the signature is not the key's), Corrupt.
    """
    drafted = drafting.attempt(lambda: _draft(store, actor, details, custody, registry_host))

    def change(act: Act) -> ImageSignature:
        if isinstance(drafted, AssayError):
            raise drafted
        _require_genuine(act.connection, drafted.record)
        return drafting.keep(act, drafted, custody)

    return perform(
        store,
        actor,
        CREATE,
        locate=lambda connection: drafting.target_of(drafting.image_of(connection, actor, details.image)),
        change=change,
        request=details,
        replay=ImageSignature,
        retry_token=retry_token,
    )


def _draft(store: Store, actor: Actor, details: UploadDetails, custody: Custody, registry_host: str) -> Draft:
    """The record as it was brought, with what may be added to it."""
    now = store.clock.now()
    said = NativeMessage.parse(details.message)
    with store.database.read() as connection:
        image = drafting.signable(connection, actor, details.image, now)
        if image.compartment != details.compartment:
            raise Refused(
                "The image does not lie in that compartment.", advice="Name the compartment of its repository."
            )
        named = NativeMessage(
            description=said.description,
            image_digest=image.digest,
            key=details.key,
            key_version=details.key_version,
            metadata=said.metadata,
            region=said.region,
            repository_name=image.repository_name,
            algorithm=details.algorithm,
        )
        naming = drafting.naming_of(connection, image, registry_host, "")
        record = drafting.record_of(
            store,
            actor,
            image,
            named,
            origin=Origin.UPLOADED,
            naming=naming,
            message=details.message,
            signature=details.signature,
            tags=(details.freeform_tags, details.defined_tags),
        )
        _require_genuine(connection, record)
        subjects = subjects_of(connection, image.repository, image.digest)
        own = Envelope(record.ocid, subjects[0], Form.NATIVE, record.algorithm, record.message, record.signature)
        try:
            using = crypto.signer(connection, actor, record.key, record.key_version, now=now)
            letters = drafting.letters_of(subjects, named, record.reference, using)[1:]
            messages = tuple(letter.message for letter in letters)
            made = crypto.make_signatures(connection, custody, using, messages)
        except (Refused, Unavailable):
            # What was brought is kept whatever stands in the way of adding to it.
            return Draft(record, (own,), None, ())
    return Draft(record, (own, *drafting.envelopes_of(record, letters, made, using)), using, messages)


def _require_genuine(connection: Connection, record: ImageSignature) -> None:
    """Refused unless the message names what the record says, and the signature is the key version's over it."""
    if why := disagreement(NativeMessage.parse(record.message), record.says(record.digest)):
        raise Refused(f"The signature does not belong to this image: {why}.", advice="Sign the image as it is here.")
    using = crypto.verifier(connection, record.tenancy, record.key_version)
    if using is None or using.key.ocid != record.key:
        raise not_found()
    if using.distrust is not None:
        raise Refused(
            f"The signature is not accepted: {using.distrust}.",
            advice="Use a key that is enabled.",
            reason=Reason.WRONG_STATE,
        )
    shapes.require_fit(record.algorithm, using.key.shape)
    if not using.verifies(Message(record.message, record.algorithm), record.signature):
        raise Refused("The signature is not this key version's over the message.", advice="Sign the message again.")
