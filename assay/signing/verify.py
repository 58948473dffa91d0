"""Verifying signatures, and deciding whether an image is trusted.

Each signature gets an outcome of its own: verified, or not verified and why. The steps, in this order:

1. the manifest is in the repository, and its bytes, hashed again, have its digest;
2. the signature was not deleted, and the image that it was made for is still there;
3. the signed message is well formed and names this digest, this repository, this key and version, this algorithm;
4. the signature is that key version's over these bytes;
5. key version, key and vault are in use now.

Everything is read from the database, in the caller's snapshot: no network, no blob. Numbers are bounded.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Corrupt, Refused
from assay.iam import Actor, authorize
from assay.oci import Digest
from assay.registry import artifacts, images
from assay.registry.model import LifecycleState
from assay.signing import bundle, cosign, drafting
from assay.signing.envelope import PUSHED_SIGNATURES_MAX, Form
from assay.signing.native import NativeMessage, disagreement
from assay.signing.records import pushed as pushed_records
from assay.signing.records import signatures as records
from assay.signing.resources import Envelope, ImageSignature, PushedSignature, SignatureState
from assay.signing.subjects import subjects_of
from assay.storage import Store
from assay.vault import Message, SigningAlgorithm, crypto

#: Of one manifest, so many of our own signatures are looked at.
SIGNATURES_MAX = 64
#: So many signatures by keys that are not trusted are named when nothing else explains a denial.
_OTHERS_MAX = 4


class Why(StrEnum):
    """The kinds of reasons for which a signature does not vouch."""

    MANIFEST = "manifest"
    WITHDRAWN = "withdrawn"
    MALFORMED = "malformed"
    OTHER_IMAGE = "other-image"
    NOT_TRUSTED = "not-trusted"
    NO_KEY = "no-key"
    WRONG = "wrong"
    KEY_OUT_OF_USE = "key-out-of-use"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a signature does not vouch: the kind of reason, for rules, and what exactly, in words."""

    why: Why
    words: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of verifying one signature. `doubt` says why it is not verified; it is None when it is.

    `signature` is the OCID of the native record; for what a user pushed it is the digest of the artifact's manifest.
    """

    subject: Digest
    signature: str
    form: Form
    key: str
    key_version: str
    algorithm: SigningAlgorithm
    time_created: Instant
    doubt: Doubt | None

    @property
    def verified(self) -> bool:
        """Whether nothing speaks against it."""
        return self.doubt is None

    @property
    def because(self) -> str:
        """Why it is not verified, in words; empty when it is."""
        return self.doubt.words if self.doubt else ""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether some keys vouch for one manifest: the outcomes of their signatures, and of others to explain a no."""

    subject: Digest
    outcomes: tuple[Outcome, ...]

    @property
    def key(self) -> str:
        """The key (OCID) that vouches for it, or the empty string."""
        return next((outcome.key for outcome in self.outcomes if outcome.verified), "")

    @property
    def because(self) -> str:
        """Why no key vouches for it; empty when one does."""
        if self.key:
            return ""
        reasons = dict.fromkeys(outcome.because for outcome in self.outcomes)
        return "; ".join(reasons) if reasons else "it has no signature"


@dataclass(frozen=True, slots=True)
class ImageTrust:
    """Whether some keys vouch for an image: for itself and, of an index, for every child but attestations.

    `because` says why not, and is empty when they do.
    """

    subjects: tuple[Trust, ...]
    because: str

    @property
    def is_trusted(self) -> bool:
        """Whether every manifest is vouched for."""
        return not self.because


def image_trust(
    connection: Connection, tenancy: str, repository: str, digest: Digest, trusted_keys: Sequence[str]
) -> ImageTrust:
    """Whether one of `trusted_keys` (OCIDs) vouches for each manifest of an image of a repository (OCID).

    Errors: Unavailable. Everything else is a no with its reason.
    """
    try:
        subjects = subjects_of(connection, repository, digest)
    except Refused as refusal:
        return ImageTrust((), refusal.message)
    trusts = []
    for subject in subjects:
        trust = trusted_signatures(connection, tenancy, repository, subject.digest, trusted_keys)
        trusts.append(trust)
        if trust.because:
            name = "the image" if subject.digest == digest else f"its platform {subject.digest}"
            return ImageTrust(tuple(trusts), f"{name} is not vouched for by a trusted key: {trust.because}")
    return ImageTrust(tuple(trusts), "")


def trusted_signatures(
    connection: Connection,
    tenancy: str,
    repository: str,
    digest: Digest,
    trusted_keys: Sequence[str],
    *,
    bind_repository: bool = True,
) -> Trust:
    """The signatures of one manifest by `trusted_keys`, each with its outcome: our records and what users pushed.

    With `bind_repository` a pushed signature counts only if its payload names this repository; a bundle names none.
    The caller's snapshot is all that is read. Errors: Unavailable.
    """
    if doubt := _changed(connection, repository, digest):
        return Trust(digest, (_nothing(digest, doubt),))
    bench = _Bench(connection, tenancy)
    withdrawn = records.withdrawn_versions(connection, repository, digest)
    own = records.on_subject(connection, repository, digest, Form.NATIVE, keys=trusted_keys, rows_max=SIGNATURES_MAX)
    outcomes = [bench.native(record, envelope) for record, envelope in own]
    if any(outcome.verified for outcome in outcomes):
        return Trust(digest, tuple(outcomes))
    pushed = pushed_records.on_subject(
        connection, repository, digest, keys=trusted_keys, rows_max=PUSHED_SIGNATURES_MAX
    )
    outcomes += [bench.pushed(each, withdrawn) for each in pushed if each.reference or not bind_repository]
    if not outcomes:
        others = records.on_subject(connection, repository, digest, Form.NATIVE, rows_max=_OTHERS_MAX)
        outcomes = [bench.untrusted(record, envelope) for record, envelope in others]
    return Trust(digest, tuple(outcomes))


def verify_image(store: Store, actor: Actor, image: str) -> tuple[Outcome, ...]:
    """Every signature of an image (by OCID) and of its platforms, ours and those that users pushed, with its outcome.

    Errors: Refused (NOT_FOUND; MANIFEST_UNKNOWN, LIMIT_EXCEEDED for an index that cannot be walked).
    """
    with store.database.read() as connection:
        found = drafting.image_of(connection, actor, image)
        authorize(connection, actor, "VerifyImageSignature", drafting.target_of(found), now=store.clock.now())
        bench = _Bench(connection, actor.tenancy)
        outcomes: list[Outcome] = []
        for subject in _digests(connection, found.repository, found.digest):
            doubt = _changed(connection, found.repository, subject)
            own = records.on_subject(connection, found.repository, subject, Form.NATIVE, rows_max=SIGNATURES_MAX)
            outcomes += [
                bench.native(record, envelope, doubt)
                for record, envelope in own
                if record.state is SignatureState.AVAILABLE
            ]
            pushed = pushed_records.on_subject(
                connection, found.repository, subject, keys=None, rows_max=PUSHED_SIGNATURES_MAX
            )
            withdrawn = records.withdrawn_versions(connection, found.repository, subject)
            outcomes += [bench.pushed(each, withdrawn, doubt) for each in pushed]
    return tuple(outcomes)


def _digests(connection: Connection, repository: str, digest: Digest) -> Iterable[Digest]:
    """The manifests of an image that are there; only itself where its own bytes cannot be believed."""
    if _changed(connection, repository, digest):
        return (digest,)
    return tuple(subject.digest for subject in subjects_of(connection, repository, digest, skips_absent=True))


def _changed(connection: Connection, repository: str, digest: Digest) -> Doubt | None:
    """Why the manifest cannot be vouched for whatever was signed, or None (step 1)."""
    held = artifacts.manifest(connection, repository, digest)
    if held is None:
        return Doubt(Why.MANIFEST, f"the manifest {digest} is not in the repository")
    if not digest.matches(held[1]):
        words = f"the stored bytes of the manifest do not have the digest {digest}: they were changed"
        return Doubt(Why.MANIFEST, words)
    return None


def _nothing(digest: Digest, doubt: Doubt) -> Outcome:
    """The outcome that stands for all signatures of a manifest that is not what it should be."""
    return Outcome(digest, "", Form.NATIVE, "", "", SigningAlgorithm.SHA_256_RSA_PKCS_PSS, Instant(0), doubt)


class _Bench:
    """Verifies signatures of one tenancy in one snapshot; key versions and images are looked up once."""

    def __init__(self, connection: Connection, tenancy: str) -> None:
        self._connection = connection
        self._tenancy = tenancy
        self._verifiers: dict[str, crypto.Verifier | Doubt] = {}
        self._images: dict[str, bool] = {}

    def native(self, record: ImageSignature, envelope: Envelope, doubt: Doubt | None = None) -> Outcome:
        """The outcome of one of our records over the manifest of an envelope; `doubt` settles it beforehand."""
        return _outcome(record, envelope, doubt or self._against_native(record, envelope))

    def untrusted(self, record: ImageSignature, envelope: Envelope) -> Outcome:
        """The outcome of a record by a key that is not asked for."""
        words = f"it is signed by the key {record.key}, which is not trusted here"
        return _outcome(record, envelope, Doubt(Why.NOT_TRUSTED, words))

    def pushed(self, found: PushedSignature, withdrawn: Collection[str], doubt: Doubt | None = None) -> Outcome:
        """The outcome of a signature that a user pushed.

        Where a record by the same key version was deleted (`withdrawn`), a copy of it in other hands counts no more;
        the image is signed again by a record, not by a push.
        """
        if doubt is None and found.key_version in withdrawn:
            doubt = Doubt(Why.WITHDRAWN, "the signature by this key version was deleted")
        return Outcome(
            subject=found.subject,
            signature=found.manifest.text,
            form=found.form,
            key=found.key,
            key_version=found.key_version,
            algorithm=found.algorithm,
            time_created=found.time_created,
            doubt=doubt or self._against_pushed(found),
        )

    def _against_native(self, record: ImageSignature, envelope: Envelope) -> Doubt | None:
        """Steps 2 to 5 for a native record."""
        if record.state is not SignatureState.AVAILABLE:
            return Doubt(Why.WITHDRAWN, "the signature was deleted")
        if not self._is_available(record.image):
            return Doubt(Why.WITHDRAWN, "the image that was signed was deleted")
        try:
            said = NativeMessage.parse(envelope.payload)
        except Refused as refusal:
            return Doubt(Why.MALFORMED, f"the signed message does not read: {refusal.message}")
        recorded = record.says(envelope.subject.digest)
        if differs := disagreement(said, recorded):
            is_same = (said.image_digest, said.repository_name) == (recorded.image_digest, recorded.repository_name)
            return Doubt(Why.MALFORMED if is_same else Why.OTHER_IMAGE, differs)
        return self._against_key(record, envelope.payload, envelope.signature)

    def _against_pushed(self, found: PushedSignature) -> Doubt | None:
        """Steps 2 to 5 for a signature that a user pushed; its repository was compared when it came."""
        if artifacts.manifest(self._connection, found.repository, found.manifest) is None:
            return Doubt(Why.WITHDRAWN, "the signature's artifact was deleted")
        try:
            if found.form is Form.BUNDLE:
                digests = bundle.digests_in(found.signed)
            else:
                digests = (cosign.Payload.parse(found.signed).digest,)
        except Refused as refusal:
            return Doubt(Why.MALFORMED, f"the signed payload does not read: {refusal.message}")
        if found.subject not in digests:
            return Doubt(Why.OTHER_IMAGE, f"the signed payload names {digests[0]}, not {found.subject}")
        return self._against_key(found, found.signed, found.signature)

    def _against_key(self, claimed: ImageSignature | PushedSignature, signed: bytes, signature: bytes) -> Doubt | None:
        """Steps 4 and 5: the key version's signature, and its standing now."""
        using = self._verifier(claimed.key_version)
        if isinstance(using, Doubt):
            return using
        if using.key.ocid != claimed.key:
            return Doubt(Why.NO_KEY, f"the key version {claimed.key_version} is not one of the key {claimed.key}")
        if not using.verifies(Message.hashed(signed, claimed.algorithm), signature):
            return Doubt(Why.WRONG, "the signature is not the key's over what was signed")
        return Doubt(Why.KEY_OUT_OF_USE, str(using.distrust)) if using.distrust else None

    def _verifier(self, key_version: str) -> crypto.Verifier | Doubt:
        """The public half of a key version, or why there is none."""
        if key_version not in self._verifiers:
            try:
                found = crypto.verifier(self._connection, self._tenancy, key_version)
                self._verifiers[key_version] = found or Doubt(Why.NO_KEY, f"there is no key version {key_version}")
            except Corrupt as fault:
                self._verifiers[key_version] = Doubt(Why.NO_KEY, fault.message)
        return self._verifiers[key_version]

    def _is_available(self, image: str) -> bool:
        if image not in self._images:
            found = images.of_ocid(self._connection, self._tenancy, image)
            self._images[image] = found is not None and found.lifecycle_state is LifecycleState.AVAILABLE
        return self._images[image]


def _outcome(record: ImageSignature, envelope: Envelope, doubt: Doubt | None) -> Outcome:
    return Outcome(
        subject=envelope.subject.digest,
        signature=record.ocid,
        form=envelope.form,
        key=record.key,
        key_version=record.key_version,
        algorithm=record.algorithm,
        time_created=record.time_created,
        doubt=doubt,
    )
