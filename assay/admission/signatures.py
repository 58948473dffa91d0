"""What the signing room says of an image, as the values that the pure rules decide on."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.admission.decide import PlatformImage, SignatureFound
from assay.admission.keystates import KeyOutOfUse
from assay.errors import Corrupt
from assay.oci import Digest
from assay.registry import artifacts
from assay.registry.manifests import STORED, read_manifest
from assay.signing import verify
from assay.signing.envelope import Form
from assay.signing.verify import Outcome, Trust, Why
from assay.vault import crypto


@dataclass(frozen=True, slots=True)
class Vouching:
    """The signatures on an image and its platforms, as they stand now.

    `is_trusted` is the signing room's own word. `fault` says why the image could not be looked through ("" when it
    could). `is_announced` is whether every change that could undo it is announced as a fact of the repository or of a
    key: so it is for our own records; that a user took back an artifact is not.
    """

    signatures: tuple[SignatureFound, ...]
    platforms: tuple[PlatformImage, ...]
    is_trusted: bool
    fault: str
    is_announced: bool


def vouching_for(
    connection: Connection, tenancy: str, repository: str, digest: Digest, trusted_keys: Sequence[str]
) -> Vouching:
    """What vouches for an image of a repository (OCID), itself and, of an index, every platform.

    Of an image that is not trusted, platforms behind the first that nobody vouches for are left out. Errors:
    Unavailable.
    """
    trust = verify.image_trust(connection, tenancy, repository, digest, trusted_keys)
    names = _KeyNames(connection, tenancy)
    children = [each for each in trust.subjects if each.subject != digest]
    named = _platform_names(connection, repository, digest) if children else {}
    return Vouching(
        signatures=tuple(names.found(outcome) for each in trust.subjects for outcome in each.outcomes),
        platforms=tuple(PlatformImage(each.subject, named.get(each.subject, "of the index")) for each in children),
        is_trusted=trust.is_trusted,
        fault="" if trust.subjects else trust.because,
        is_announced=all(map(_is_by_record, trust.subjects)),
    )


def _is_by_record(trust: Trust) -> bool:
    return any(outcome.verified and outcome.form is Form.NATIVE for outcome in trust.outcomes)


def _platform_names(connection: Connection, repository: str, digest: Digest) -> dict[Digest, str]:
    """What an index says of its children; those of an index in it have no name of their own."""
    held = artifacts.manifest(connection, repository, digest)
    if held is None:
        return {}
    stored, content = held
    children = read_manifest(content, stored.media_type, STORED).platforms
    return {child.digest: str(child.platform) for child in children if child.platform is not None}


class _KeyNames:
    """Looks up what keys are called, once for each key version."""

    def __init__(self, connection: Connection, tenancy: str) -> None:
        self._connection = connection
        self._tenancy = tenancy
        self._known: dict[str, crypto.Verifier | None] = {}

    def found(self, outcome: Outcome) -> SignatureFound:
        """The outcome with the name of its key; a key that is gone or was tampered with has its OCID for a name."""
        verifier = self._verifier(outcome.key_version) if outcome.key_version else None
        out_of_use = None
        if outcome.doubt and outcome.doubt.why is Why.KEY_OUT_OF_USE and verifier and verifier.distrust:
            number = crypto.version_number(self._connection, outcome.key_version)
            out_of_use = KeyOutOfUse(verifier.distrust, number)
        return SignatureFound(
            digest=outcome.subject,
            key=outcome.key,
            key_name=verifier.key.display_name if verifier else outcome.key,
            verified=outcome.verified,
            detail=outcome.because,
            is_of_other_image=outcome.doubt is not None and outcome.doubt.why is Why.OTHER_IMAGE,
            out_of_use=out_of_use,
        )

    def _verifier(self, key_version: str) -> crypto.Verifier | None:
        if key_version not in self._known:
            try:
                self._known[key_version] = crypto.verifier(self._connection, self._tenancy, key_version)
            except Corrupt:
                self._known[key_version] = None
        return self._known[key_version]
