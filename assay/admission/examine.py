"""From a reference to a decision: what the registry and the signing room know is put before the pure rules.

The order is that of the reference (signing-and-admission 2.5): the text is an image reference; its host is one of
ours; tag and digest are found in the database, in one snapshot, in a repository that a statement lets the asking
principal read; then the signatures of the image, and of an index of every platform, are checked as they stand now.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from assay.admission import decide
from assay.admission.decide import Candidate, ImageDecision, Trustee
from assay.admission.hosts import Hosts
from assay.admission.policy import ImagePolicy
from assay.admission.reviews import shortened
from assay.admission.signatures import vouching_for
from assay.admission.trust import TrustCache, TrustKey
from assay.clock import Instant
from assay.errors import AssayError, Refused
from assay.iam import Actor, Target, permitted
from assay.iam.identity import tenancies
from assay.oci import Reference
from assay.registry import artifacts
from assay.storage import outbox

SHOWN_LENGTH_MAX = 160
DEFAULT_TAG = "latest"


@dataclass(frozen=True, slots=True)
class Gate:
    """What all decisions of one server share.

    `hosts` are the registry's names, `console_url` is where people look a decision up, `trust` remembers trusted
    images.
    """

    hosts: Hosts
    console_url: str
    trust: TrustCache = field(default_factory=TrustCache)

    @classmethod
    def at(cls, hosts: Iterable[str], console_url: str) -> "Gate":
        """The gate of a registry with these host names. Errors: Refused for a name that is none."""
        return cls(Hosts.of(hosts), console_url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Examination:
    """By which policy and in whose name (`actor`) images are decided on, in the snapshot of one transaction."""

    connection: Connection
    actor: Actor
    trustee: Trustee
    policy: ImagePolicy
    gate: Gate
    now: Instant


@dataclass(frozen=True, slots=True)
class FoundImage:
    """What a reference names: the image, and the OCID of its repository."""

    reference: Reference
    repository: str
    candidate: Candidate


def examined(by: Examination, text: str) -> tuple[ImageDecision, FoundImage | None]:
    """The decision on the image that `text` names, and the image if it was found. The policy must be enabled."""
    if not by.policy.keys:
        return decide.without_keys(by.trustee, _shown(text)), None
    found = find(by, text)
    if isinstance(found, ImageDecision):
        return found, None
    try:
        return _decided(by, found), found
    except AssayError as fault:
        # Rules about supplies: bytes that changed, an index beyond its limits. A lost database is the caller's.
        return decide.not_checked(fault.message, found.candidate.shown), found


def _decided(by: Examination, found: FoundImage) -> ImageDecision:
    keys = tuple(key.text for key in by.policy.keys)
    # The epoch is read first: whatever changes after it makes what is remembered below the memory of another epoch.
    epoch = outbox.sequences(by.connection, (found.repository, *keys))
    entry = TrustKey(found.repository, found.candidate.digest, keys, epoch)
    if by.gate.trust.holds(entry, by.now):
        return decide.allowed(found.candidate)
    given = vouching_for(by.connection, by.actor.tenancy, found.repository, found.candidate.digest, keys)
    if given.fault:
        return decide.not_checked(given.fault, found.candidate.shown)
    candidate = replace(found.candidate, platforms=given.platforms)
    decision = decide.decide(by.policy, by.trustee, candidate, given.signatures)
    if decision.allowed and not given.is_trusted:
        # Both look at the same signatures: where they differ, one of them is wrong.
        return decide.not_checked("the signatures are in doubt", found.candidate.shown)
    if decision.allowed and given.is_announced:
        by.gate.trust.remember(entry, by.now)
    return decision


def find(by: Examination, text: str) -> FoundImage | ImageDecision:
    """The image that `text` names, or the denial when it names none that the actor may read."""
    try:
        reference = Reference.parse(text)
        is_ours = by.gate.hosts.know(reference.host)
    except Refused as fault:
        return decide.bad_reference(fault, _shown(text))
    if not is_ours:
        return decide.foreign(reference.host, _shown(text), sorted(by.gate.hosts.names))
    return _resolved(by, reference) or decide.unknown_image(by.trustee, _shown(text))


def _shown(text: str) -> str:
    """A reference as a denial may print it, whatever somebody wrote into it."""
    return shortened(text if text.isascii() and text.isprintable() else repr(text), SHOWN_LENGTH_MAX)


def _resolved(by: Examination, reference: Reference) -> FoundImage | None:
    namespace, _, name = reference.name.partition("/")
    tenancy = tenancies.with_namespace(by.connection, namespace)
    if not name or tenancy is None or tenancy.ocid != by.actor.tenancy:
        return None
    tag = reference.tag or ("" if reference.digest else DEFAULT_TAG)
    tagged = artifacts.resolve(by.connection, tenancy.ocid, name, tag) if tag else None
    named = artifacts.resolve(by.connection, tenancy.ocid, name, reference.digest) if reference.digest else tagged
    if named is None:
        return None
    target = Target(named.compartment, named.repository, variables={"target.repo.name": name})
    if not permitted(by.connection, by.actor, "PullImage", target, now=by.now):
        return None
    candidate = Candidate(name, tag, named.digest, tagged.digest if tagged else None)
    return FoundImage(reference, named.repository, candidate)
