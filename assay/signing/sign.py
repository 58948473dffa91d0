"""Signing an image: one act makes every signature, and keeps them all.

The native message, cosign's payload and the bundle's statement are different bytes, so each is signed; of an index,
those of every child too. All are made with one unsealing of the key, before the write transaction begins (an RSA 4096
signature takes milliseconds, an index may need hundreds); inside it everything that allowed them is checked again.
Publishing writes the kept bytes and never needs the key.
"""

from assay.errors import AssayError
from assay.iam import Act, Actor, perform
from assay.signing import drafting
from assay.signing.drafting import CREATE, Draft
from assay.signing.native import NativeMessage, require_metadata
from assay.signing.resources import ImageSignature, Origin, SignDetails
from assay.signing.subjects import subjects_of
from assay.storage import Store
from assay.vault import Custody, crypto, shapes


def sign_image(
    store: Store,
    actor: Actor,
    details: SignDetails,
    *,
    custody: Custody,
    registry_host: str,
    retry_token: str | None = None,
) -> ImageSignature:
    """Sign an image with a master encryption key: native record, cosign payload and bundle, for every manifest of it.

    `registry_host` (`registry.example:5000`) is what clients call this registry; the cosign payload names it.
    Errors: Refused (NOT_FOUND when image or key are missing or not permitted, WRONG_STATE when the image is deleted or
    the key not in use, what the key's gate refuses, an algorithm that doesn't fit), Unavailable (SEALED), Corrupt.
    """
    require_metadata(details.metadata)
    drafted = drafting.attempt(lambda: _draft(store, actor, details, custody, registry_host))

    def change(act: Act) -> ImageSignature:
        if isinstance(drafted, AssayError):
            raise drafted
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


def _draft(store: Store, actor: Actor, details: SignDetails, custody: Custody, registry_host: str) -> Draft:
    """Everything that is to be signed, signed."""
    now = store.clock.now()
    with store.database.read() as connection:
        image = drafting.signable(connection, actor, details.image, now)
        using = crypto.signer(connection, actor, details.key, details.key_version, now=now)
        said = NativeMessage(
            description=details.description,
            image_digest=image.digest,
            key=details.key,
            key_version=using.key_version,
            metadata=details.metadata,
            region=store.site.region,
            repository_name=image.repository_name,
            algorithm=details.algorithm or shapes.default_algorithm(using.key.shape),
        )
        naming = drafting.naming_of(connection, image, registry_host, details.tag)
        subjects = subjects_of(connection, image.repository, image.digest)
        letters = drafting.letters_of(subjects, said, naming.reference, using)
        messages = tuple(letter.message for letter in letters)
        made = crypto.make_signatures(connection, custody, using, messages)
    record = drafting.record_of(
        store,
        actor,
        image,
        said,
        origin=Origin.MADE,
        naming=naming,
        message=letters[0].payload,
        signature=made[0],
        tags=(details.freeform_tags, details.defined_tags),
    )
    return Draft(record, drafting.envelopes_of(record, letters, made, using), using, messages)
