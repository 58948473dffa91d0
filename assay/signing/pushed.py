"""Signatures that users push themselves: read once when they come, and kept if a key of the tenancy made them.

A signature tag or a bundle by somebody else's key is served like any artifact and counts for nothing. One by a master
encryption key of the tenancy is a claim by that key; whether the key is trusted is decided where one asks, and the
signature is verified there again. Our own, which come back here when they are published, are not read as claims.
Reading is bounded: 64 signatures and 1 MiB of an artifact, 64 key versions.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress

from assay.clock import Instant
from assay.errors import Refused
from assay.events import ArtifactPushed
from assay.iam.identity import tenancies
from assay.oci import Digest, MediaType, Reference
from assay.registry import artifacts, repositories
from assay.signing import bundle, cosign
from assay.signing.envelope import ARTIFACT_BYTES_MAX, PUSHED_SIGNATURES_MAX, Claim
from assay.signing.publish import publish_subject
from assay.signing.records import pushed as records
from assay.signing.records import signatures as own_records
from assay.signing.resources import PushedSignature
from assay.storage import BlobStore, Store
from assay.vault import Message, SigningAlgorithm, crypto

KEY_VERSIONS_TRIED_MAX = 64


def take_notice(store: Store, blobs: BlobStore, fact: ArtifactPushed, *, registry_hosts: Collection[str]) -> None:
    """Read what was pushed; where it replaced a signature tag of ours, put ours back beside it. For the outbox.

    `registry_hosts` are the names under which clients know this registry: a payload that names another registry or
    another repository is somebody else's.
    """
    manifest = Digest(fact.digest)
    with store.database.read() as connection:
        place = repositories.of_ocid(connection, fact.tenancy, fact.repository)
        held = artifacts.manifest(connection, fact.repository, manifest)
        namespace = tenancies.namespace_of(connection, fact.tenancy)
    if place is None or held is None:
        return
    stored, content = held
    signed = cosign.signed_digest(fact.tag)
    if signed is not None:
        claims = _layers(blobs, content)
    elif stored.subject is not None and stored.artifact_type == MediaType.SIGSTORE_BUNDLE:
        signed, claims = stored.subject, _bundles(blobs, content)
    else:
        return
    names = {f"{host}/{namespace}/{place.name}" for host in registry_hosts}
    with store.database.read() as connection:
        verifiers = crypto.latest_verifiers(connection, fact.tenancy, rows_max=KEY_VERSIONS_TRIED_MAX)
        ours = own_records.made_here(connection, fact.repository, signed)
    found = [
        kept
        for claim in claims
        if signed in claim.digests and claim.signature not in ours and _names_us(claim, names)
        for kept in _made_by(verifiers, claim, fact.repository, manifest, signed, store.clock.now())
    ]
    with store.database.write() as connection:
        records.replace(connection, fact.tenancy, place.compartment, fact.repository, manifest, found)
    if cosign.signed_digest(fact.tag) is not None:
        publish_subject(store, blobs, fact.tenancy, fact.repository, signed, beside=manifest)


def _names_us(claim: Claim, names: Collection[str]) -> bool:
    """Whether a claim that names an image names this repository; a bundle names none."""
    if not claim.reference:
        return True
    reference = Reference.parse(claim.reference)
    return f"{reference.host}/{reference.name}" in names


def _layers(blobs: BlobStore, content: bytes) -> Iterator[Claim]:
    """The claims of a signature manifest, as far as they are read; what is no signature is passed over."""
    with suppress(Refused):
        left = ARTIFACT_BYTES_MAX
        for layer in cosign.read_layers(content)[:PUSHED_SIGNATURES_MAX]:
            left -= layer.payload_size
            if left < 0:
                return
            with suppress(Refused):
                yield layer.claim(_small_blob(blobs, layer.payload_digest, layer.payload_size))


def _bundles(blobs: BlobStore, content: bytes) -> Iterator[Claim]:
    """The claim of a bundle's manifest, if it is one."""
    with suppress(Refused):
        yield bundle.read(_small_blob(blobs, bundle.layer_of(content), ARTIFACT_BYTES_MAX))


def _small_blob(blobs: BlobStore, digest: Digest, size_max: int) -> bytes:
    """The bytes of a blob, at most so many. Errors: Refused when it is longer, not there, or not what it is called."""
    with blobs.open(digest) as opened:
        content = opened.read(size_max + 1)
    if len(content) > size_max or not digest.matches(content):
        raise Refused(f"The blob {digest} is longer than it should be, or has changed.")
    return content


def _made_by(
    verifiers: tuple[crypto.Verifier, ...],
    claim: Claim,
    repository: str,
    manifest: Digest,
    subject: Digest,
    now: Instant,
) -> Iterator[PushedSignature]:
    """The claim with the key version that made it, if it is one of these."""
    for using in verifiers:
        for algorithm in SigningAlgorithm:
            if algorithm.is_of_artifacts(using.key.shape) and using.verifies(
                Message.hashed(claim.signed, algorithm), claim.signature
            ):
                yield PushedSignature(
                    repository=repository,
                    manifest=manifest,
                    subject=subject,
                    form=claim.form,
                    reference=claim.reference,
                    algorithm=algorithm,
                    key=using.key.ocid,
                    key_version=using.key_version,
                    signed=claim.signed,
                    signature=claim.signature,
                    time_created=now,
                )
                return
