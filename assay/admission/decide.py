"""The decision about one image: may it run here, and if not, why, in words, and who can change that.

Pure: what the registry and the signing room know stands in the arguments. Any one signature that verifies, by a key
that the policy lists, is enough; an index needs one on itself and on every platform. Any doubt denies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.admission.keystates import KeyOutOfUse
from assay.admission.policy import ImagePolicy
from assay.errors import AssayError
from assay.oci import Digest, Reference

DIGEST_SHOWN = 12
HOSTS_SHOWN = 3


class Because(StrEnum):
    """Why an image is denied: the first step that failed."""

    REFERENCE = "reference"
    NO_KEYS = "no-keys"
    FOREIGN = "foreign-registry"
    UNKNOWN_IMAGE = "unknown-image"
    NOT_SIGNED = "not-signed"
    OTHER_KEY = "other-key"
    KEY_DISTRUSTED = "key-distrusted"
    OTHER_IMAGE = "other-image"
    NOT_VERIFIED = "not-verified"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class SignatureFound:
    """A signature on `digest` as the signing room found it; `key` is the OCID of the master encryption key.

    `detail` says why it is not verified; `out_of_use` stands where the reason is the state of its key, and
    `is_of_other_image` where it was made for another image. A `key` that is empty stands for a manifest that nothing
    can vouch for: `detail` says why.
    """

    digest: Digest
    key: str
    key_name: str
    verified: bool
    detail: str = ""
    is_of_other_image: bool = False
    out_of_use: KeyOutOfUse | None = None


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """A child of an index that runs somewhere: its digest and `os/architecture[/variant]`."""

    digest: Digest
    platform: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image as the registry has it: what a reference names at the moment of deciding.

    `tag_digest` is what the written tag names now, None when no tag is written or it names nothing.
    """

    repository: str
    tag: str
    digest: Digest
    tag_digest: Digest | None = None
    platforms: tuple[PlatformImage, ...] = ()

    @property
    def shown(self) -> str:
        """For people: `payments/api:2.14.1 (sha256:6bcb001153cc…)`."""
        name = f"{self.repository}:{self.tag}" if self.tag else self.repository
        return f"{name} ({short(self.digest)})"


@dataclass(frozen=True, slots=True)
class ImageDecision:
    """What was decided on one image. `because` is None when it is allowed; `fix` is who can do what about a denial.

    `shown` names the image for people, `reason` says why, `warning` what the user should know though it is allowed.
    """

    shown: str
    because: Because | None = None
    reason: str = ""
    fix: str = ""
    digest: Digest | None = None
    warning: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the image may run."""
        return self.because is None


@dataclass(frozen=True, slots=True)
class Trustee:
    """Who holds the policy: name, kind ("cluster" or "application"), OCID, and the names of the keys it lists."""

    name: str
    kind: str
    ocid: str
    key_names: tuple[str, ...] = ()

    @property
    def signer(self) -> str:
        """Who could sign so that it counts."""
        keys = ", ".join(self.key_names)
        return f"Whoever may use a key that {self.name} trusts ({keys})" if keys else "Whoever may use a trusted key"


def short(digest: Digest) -> str:
    """The algorithm and the first twelve digits, for people."""
    return f"{digest.algorithm}:{digest.encoded[:DIGEST_SHOWN]}…"


def pinned(reference: Reference, digest: Digest) -> str:
    """The reference with the digest that was decided on; the tag stays for readers, the digest decides."""
    return str(Reference(reference.host, reference.name, reference.tag or "latest", digest))


def decide(
    policy: ImagePolicy, trustee: Trustee, image: Candidate, signatures: Iterable[SignatureFound]
) -> ImageDecision:
    """The decision on an image of this registry that was found. The policy must be enabled."""
    if not policy.keys:
        return without_keys(trustee, image.shown)
    found = tuple(signatures)
    for digest, name in ((image.digest, ""), *((child.digest, child.platform) for child in image.platforms)):
        denial = _denial(policy, trustee, [each for each in found if each.digest == digest])
        if denial is not None:
            because, reason, fix = denial
            if name:
                reason = f"its platform {name} ({short(digest)}): {reason}"
            return ImageDecision(image.shown, because, reason, fix, image.digest)
    return allowed(image)


def allowed(image: Candidate) -> ImageDecision:
    """The decision that lets an image run."""
    return ImageDecision(image.shown, digest=image.digest, warning=_tag_warning(image))


def _denial(
    policy: ImagePolicy, trustee: Trustee, signatures: Sequence[SignatureFound]
) -> tuple[Because, str, str] | None:
    """Why these signatures, all that one digest has, are not enough; None when they are."""
    trusted = {key.text for key in policy.keys}
    ours = [each for each in signatures if each.key in trusted]
    if any(each.verified for each in ours):
        return None
    sign = f"{trustee.signer} can sign it"
    if spoilt := next((each for each in signatures if not each.key), None):
        return Because.NOT_VERIFIED, spoilt.detail, "Whoever administers the repository can push it again"
    if state := next((each.out_of_use for each in ours if each.out_of_use), None):
        spent = {each.key for each in ours if each.out_of_use and each.out_of_use.is_whole_key}
        others = [name for key, name in zip(policy.keys, trustee.key_names, strict=False) if key.text not in spent]
        return Because.KEY_DISTRUSTED, f"signed by {state}", state.fix(trustee.name, trustee.kind, others)
    if any(each.is_of_other_image for each in ours):
        return Because.OTHER_IMAGE, "its signature belongs to another image", sign
    if ours:
        return Because.NOT_VERIFIED, f"signed, but {ours[0].detail}", sign
    if strangers := sorted({each.key_name for each in signatures}):
        reason = f"signed only by {', '.join(strangers)}, which {trustee.name} does not trust"
        return Because.OTHER_KEY, reason, sign
    return Because.NOT_SIGNED, "not signed", sign


def _tag_warning(image: Candidate) -> str:
    if image.tag_digest is None or image.tag_digest == image.digest:
        return ""
    return f"tag {image.tag} of {image.repository} now names {short(image.tag_digest)}; the digest decides"


def without_keys(trustee: Trustee, shown: str) -> ImageDecision:
    """The denial of a policy that is enabled and lists no key."""
    return ImageDecision(
        shown,
        Because.NO_KEYS,
        f"the image verification policy of {trustee.name} is enabled and lists no key",
        f"Whoever administers the {trustee.kind} can add a key to the policy",
    )


def foreign(host: str, shown: str, own: Sequence[str]) -> ImageDecision:
    """The denial of another registry's image; the empty host is what clients complete to docker.io.

    `own` are the names of this registry, which are the list.
    """
    more = f" and {len(own) - HOSTS_SHOWN} more" if len(own) > HOSTS_SHOWN else ""
    return ImageDecision(
        shown,
        Because.FOREIGN,
        f"registry {host or 'docker.io'} is not on the list ({', '.join(own[:HOSTS_SHOWN])}{more})",
        "You can push a copy to this registry and have it signed",
    )


def unknown_image(trustee: Trustee, shown: str) -> ImageDecision:
    """The one denial for an image that does not exist and for one that the trustee may not read."""
    return ImageDecision(
        shown,
        Because.UNKNOWN_IMAGE,
        f"there is no such image that {trustee.name} may read",
        "Whoever administers the repository can push it or add the statement "
        f"Allow any-user to read repos in tenancy where request.user.id='{trustee.ocid}'",
    )


def bad_reference(fault: AssayError, shown: str) -> ImageDecision:
    """The denial of a text that is no image reference."""
    return ImageDecision(shown, Because.REFERENCE, fault.message.rstrip("."), "You can correct it")


def not_checked(supply: str, shown: str) -> ImageDecision:
    """The denial when something that is needed for deciding failed."""
    return ImageDecision(
        shown,
        Because.NOT_CHECKED,
        f"could not be checked: {supply.rstrip('.')}",
        "Whoever runs Assay can see to it",
    )


#: How many denials a message spells out; all of them are in the decision.
DENIALS_SHOWN = 3


def denial_message(denials: Sequence[tuple[str, ImageDecision]], address: str) -> str:
    """The text that the user reads. `denials` are (where, decision); `address` is the decision's, or empty."""
    texts = [f"{where} uses {decision.shown}: {decision.reason}" for where, decision in denials[:DENIALS_SHOWN]]
    if len(denials) > DENIALS_SHOWN:
        texts.append(f"and {len(denials) - DENIALS_SHOWN} more images are denied")
    end = f": {address}" if address else ""
    return f"{'; '.join(texts)}. {denials[0][1].fix}{end}"
