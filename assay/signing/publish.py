"""Publishing signatures as registry artifacts: what cosign, podman and their kin read.

Everything that is written follows from the records, so publishing may happen twice, or again after somebody deleted an
artifact, and needs no key. Each signature becomes a layer under the tag `sha256-….sig`, merged with whatever stands
there, and a bundle that refers to the image; a deleted one is taken out of both. The tag is replaced only if it still
names what was read, so that nobody's layer is lost between.
"""

from logging import getLogger

from assay.clock import rfc3339
from assay.errors import Reason, Refused
from assay.events import ImageSigned, RepositoryMoved, SignatureDeleted
from assay.iam import Actor, Principal, PrincipalKind
from assay.oci import Descriptor, Digest, MediaType
from assay.registry import artifacts, removals, repositories
from assay.registry.model import Repository
from assay.signing import bundle, cosign
from assay.signing.envelope import Form
from assay.signing.records import pushed as pushed_records
from assay.signing.records import signatures as records
from assay.signing.resources import Envelope, ImageSignature, SignatureState
from assay.storage import BlobStore, Store

#: More signatures of one manifest than this are recorded, but not published.
PUBLISHED_MAX = cosign.LAYERS_MAX
_ATTEMPTS_MAX = 8
_PRINCIPAL = Principal(PrincipalKind.INSTALLATION, "image signing")

log = getLogger(__name__)


def publish(store: Store, blobs: BlobStore, fact: ImageSigned | SignatureDeleted) -> None:
    """Write, or take out, the artifacts of every manifest that a signature covers. For the outbox; may be repeated.

    Errors: Unavailable; Refused when the tag keeps changing under our hands (the outbox tries again).
    """
    with store.database.read() as connection:
        subjects = {each.subject.digest for each in records.envelopes_of(connection, fact.signature)}
    for subject in sorted(subjects):
        publish_subject(store, blobs, fact.tenancy, fact.repository, subject)


def publish_subject(
    store: Store, blobs: BlobStore, tenancy: str, repository: str, subject: Digest, *, beside: Digest | None = None
) -> None:
    """Let a repository (by OCID) show our signatures of one manifest of it, as they stand in the records.

    `beside` is a manifest that was pushed under the signature tag and perhaps replaced since: its layers are kept too.
    """
    with store.database.read() as connection:
        place = repositories.of_ocid(connection, tenancy, repository)
        if place is None or artifacts.manifest(connection, repository, subject) is None:
            return  # there is nothing (any more) that the signatures could be shown at
        layers = records.on_subject(connection, repository, subject, Form.COSIGN, rows_max=PUBLISHED_MAX)
        bundles = records.on_subject(connection, repository, subject, Form.BUNDLE, rows_max=PUBLISHED_MAX)
    actor = Actor(_PRINCIPAL, tenancy)
    for _ in range(_ATTEMPTS_MAX):
        try:
            _show_layers(store, blobs, actor, place, subject, layers, beside)
            break
        except Refused as refusal:
            if refusal.reason is Reason.EXISTS:
                # Immutable, and the tag was taken by what is no signature: the records decide whatever the tag says.
                log.warning("signing: %s cannot show its signatures of %s: %s", place.ocid, subject, refusal)
                break
            if refusal.reason is not Reason.ETAG_MISMATCH:
                raise
    else:
        raise Refused(f"The tag {cosign.signature_tag(subject)} keeps changing.", reason=Reason.ETAG_MISMATCH)
    for record, envelope in bundles:
        _show_bundle(store, blobs, actor, place, record, envelope)


def follow_repository(store: Store, fact: RepositoryMoved) -> None:
    """Let signatures lie where their repository lies. For the outbox; may be repeated."""
    with store.database.write() as connection:
        records.move(connection, fact.repository, fact.compartment)
        pushed_records.move(connection, fact.repository, fact.compartment)


def _show_layers(
    store: Store,
    blobs: BlobStore,
    actor: Actor,
    place: Repository,
    subject: Digest,
    signed: tuple[tuple[ImageSignature, Envelope], ...],
    beside: Digest | None,
) -> None:
    """Bring the signature tag up to date. Errors: Refused (ETAG_MISMATCH when it changed meanwhile)."""
    tag = cosign.signature_tag(subject)
    with store.database.read() as connection:
        named = artifacts.resolve(connection, actor.tenancy, place.name, tag)
        standing = artifacts.manifest(connection, place.ocid, named.digest) if named else None
        pushed = artifacts.manifest(connection, place.ocid, beside) if named and beside else None
    available = [envelope for record, envelope in signed if record.state is SignatureState.AVAILABLE]
    withdrawn = [envelope for record, envelope in signed if record.state is SignatureState.DELETED]
    layers = cosign.merged(
        standing[1] if standing else None,
        [cosign.Layer.of(envelope.payload, envelope.signature) for envelope in available],
        [cosign.Layer.of(envelope.payload, envelope.signature) for envelope in withdrawn],
        pushed[1] if pushed else None,
    )
    if layers is None:
        return
    if not layers:
        if named is not None:
            removals.delete_manifest(store, actor, place.name, named.digest)
        return
    made = cosign.artifact(layers)
    for content in (made.config, *(envelope.payload for envelope in available)):
        artifacts.put_blob(store, blobs, actor, place.name, content)
    expected = named.digest.text if named else ""
    artifacts.put_manifest(store, actor, place.name, tag, made.manifest, MediaType.OCI_MANIFEST, expected=expected)


def _show_bundle(
    store: Store, blobs: BlobStore, actor: Actor, place: Repository, record: ImageSignature, envelope: Envelope
) -> None:
    """Add the bundle of an available signature, or take out that of a deleted one."""
    subject = Descriptor(envelope.subject.media_type, envelope.subject.digest, envelope.subject.size)
    made = bundle.artifact(envelope.payload, subject, rfc3339(record.time_created))
    digest = Digest.of(made.manifest)
    with store.database.read() as connection:
        is_shown = artifacts.manifest(connection, place.ocid, digest) is not None
    if record.state is SignatureState.DELETED:
        if is_shown:
            removals.delete_manifest(store, actor, place.name, digest)
        return
    if not is_shown:
        for content in (made.config, made.bundle):
            artifacts.put_blob(store, blobs, actor, place.name, content)
        artifacts.put_manifest(store, actor, place.name, digest, made.manifest, MediaType.OCI_MANIFEST)
