"""Admitting a workload: one review in, one reply out, and the decision recorded.

Any doubt denies: what cannot be read, found, checked or recorded is not allowed. A decision that allows is given only
once it is recorded; a denial stands although recording it failed, and says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from logging import getLogger

from sqlalchemy import Connection

from assay.admission import decide, ledger
from assay.admission.clusters import readable_cluster
from assay.admission.decide import ImageDecision, Trustee
from assay.admission.examine import Examination, FoundImage, Gate, examined
from assay.admission.ledger import Outcome
from assay.admission.model import Cluster, ClusterState, DecidedImage
from assay.admission.reviews import Operation, Phase, Pin, Reply, Review, shortened
from assay.admission.workloads import ImageUse, image_uses, is_pod
from assay.errors import AssayError, Refused, not_found
from assay.iam import Actor
from assay.storage import Store

NOTE_LENGTH_MAX = 65_536

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One image use with its decision; `kept` when it is as it was before an update."""

    use: ImageUse
    decision: ImageDecision
    found: FoundImage | None
    kept: bool


def admit(
    store: Store,
    actor: Actor,
    review: Review,
    phase: Phase,
    *,
    gate: Gate,
    still_wanted: Callable[[], bool] = lambda: True,
) -> Reply:
    """The reply to a review that the cluster `actor` sends.

    `still_wanted` tells whether somebody waits for the reply: a decision that comes too late is not recorded.
    Errors: Refused (NOT_FOUND for a cluster that is deleted), Unavailable; both mean that nothing is allowed.
    """
    actor = replace(actor, request_id=review.uid)
    with store.database.read() as connection:
        cluster = readable_cluster(store, connection, actor, actor.principal.ocid, "AdmitWorkload")
        if cluster.state is ClusterState.DELETED:
            raise not_found()
        if review.runs_nothing or not cluster.policy.enabled:
            return Reply(allowed=True)
        try:
            uses = image_uses(review.group, review.kind, review.document or {})
        except Refused as fault:
            return Reply.refusal(fault)
        judged = _judged(store, connection, actor, cluster, review, uses, gate)
    return _reply(store, actor, cluster, review, phase, judged, gate, still_wanted)


def undecided(supply: str) -> Reply:
    """The denial of a review that could not be decided on; `supply` says what failed."""
    denial = decide.not_checked(supply, "")
    return Reply(allowed=False, message=f"The images {denial.reason}. {denial.fix}")


def trustee_of(cluster: Cluster) -> Trustee:
    """The cluster as who holds the policy."""
    return Trustee(cluster.name, "cluster", cluster.ocid, cluster.key_names)


def _judged(
    store: Store,
    connection: Connection,
    actor: Actor,
    cluster: Cluster,
    review: Review,
    uses: Sequence[ImageUse],
    gate: Gate,
) -> tuple[_Judged, ...]:
    by = Examination(connection, actor, trustee_of(cluster), cluster.policy, gate, store.clock.now())
    before = _identities_before(review)
    decisions = {text: examined(by, text) for text in dict.fromkeys(use.text for use in uses)}
    return tuple(_Judged(use, *decisions[use.text], kept=use.identity in before) for use in uses)


def _identities_before(review: Review) -> frozenset[tuple[str, str, str]]:
    """The image uses of the object before an update; none when it was something else, or is created."""
    if review.operation is not Operation.UPDATE or review.before is None:
        return frozenset()
    try:
        return frozenset(use.identity for use in image_uses(review.group, review.kind, review.before))
    except Refused:
        return frozenset()


def _reply(
    store: Store,
    actor: Actor,
    cluster: Cluster,
    review: Review,
    phase: Phase,
    judged: Sequence[_Judged],
    gate: Gate,
    still_wanted: Callable[[], bool],
) -> Reply:
    """What is kept from before an update never blocks it, for labels and finalizers must change; it is warned of."""
    changed = [each for each in judged if not each.kept]
    denials = [(each.use.where, each.decision) for each in changed if not each.decision.allowed]
    outcome = Outcome(not denials, tuple(_decided_image(each) for each in changed))

    def message(number: str) -> str:
        return decide.denial_message(denials, f"{gate.console_url}/d/{number}" if number else "") if denials else ""

    warnings = tuple(_warnings(judged))
    number = ""
    if changed and not review.dry_run:
        try:
            number = ledger.record(store, actor, cluster, review, outcome, message, still_wanted=still_wanted)
        except AssayError as fault:
            log.warning("admission: the decision on %s could not be recorded: %s", review.uid, fault)
            if outcome.allowed:
                return undecided(f"the decision could not be recorded, {fault.message}")
            warnings = (*warnings, "The decision could not be recorded; there is no page about it.")
    notes = _notes(cluster, number, denials)
    if denials:
        return Reply(allowed=False, message=message(number), warnings=warnings, notes=notes)
    pins = tuple(_pins(changed)) if phase is Phase.MUTATE and is_pod(review.group, review.kind) else ()
    return Reply(allowed=True, pins=pins, warnings=warnings, notes=notes)


def _pins(changed: Sequence[_Judged]) -> list[Pin]:
    """What turns tags into digests; a reference that has a digest is left as it is."""
    return [
        Pin(each.use.pointer, each.use.text, decide.pinned(each.found.reference, each.decision.digest))
        for each in changed
        if each.found is not None and each.found.reference.digest is None and each.decision.digest is not None
    ]


def _warnings(judged: Sequence[_Judged]) -> list[str]:
    warnings = []
    for each in judged:
        if each.kept and not each.decision.allowed:
            warnings.append(f"{each.use.where} would be denied now: {each.decision.reason}")
        elif not each.kept and each.decision.warning:
            warnings.append(f"{each.use.where}: {each.decision.warning}")
    return warnings


def _notes(cluster: Cluster, number: str, denials: Sequence[tuple[str, ImageDecision]]) -> tuple[tuple[str, str], ...]:
    """For the API server's audit log: all denials, though the message spells out a few."""
    notes = [("policy-version", str(cluster.policy_version))]
    if number:
        notes.append(("decision", number))
    if denials:
        texts = (f"{where} uses {decision.shown}: {decision.reason}" for where, decision in denials)
        notes.append(("denied", shortened("; ".join(texts), NOTE_LENGTH_MAX)))
    return tuple(notes)


def _decided_image(each: _Judged) -> DecidedImage:
    decision = each.decision
    return DecidedImage(
        where=each.use.where,
        text=each.use.text,
        shown=decision.shown,
        allowed=decision.allowed,
        because=decision.because or "",
        reason=decision.reason,
        fix=decision.fix,
        digest=decision.digest.text if decision.digest else "",
    )
