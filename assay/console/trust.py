"""Who vouches for an image, and who would admit it: asked of the rooms, told by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.admission import admit, examine
from assay.clock import Instant
from assay.console import keys, scope, words
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam import Actor, Principal, PrincipalKind
from assay.registry.model import Image
from assay.signing import verify
from assay.signing.envelope import Form

FORMS = {
    Form.NATIVE: "image signature",
    Form.COSIGN: "cosign tag",
    Form.BUNDLE: "Sigstore bundle",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a cluster answers when asked for an image. `kind` is ok, bad or info (it does not verify)."""

    cluster: str
    kind: str
    word: str
    because: str


@dataclass(frozen=True, slots=True)
class SignatureView:
    """A signature with its outcome, as the trust panel shows it. `delete` is set for records of this server."""

    verified: bool
    by: str
    format: str
    at: Instant
    because: str
    facts: tuple[tuple[str, str], ...]
    ocid: str
    is_record: bool


def answers_of(visit: Visit, image: Image, namespace: str) -> tuple[Answer, ...]:
    """What each cluster would answer now, decided on the digest by the rules of admission themselves."""
    reference = f"{visit.app.settings.registry_host}/{namespace}/{image.repository_name}@{image.digest}"
    answers = []
    with visit.store.database.read() as connection:
        for cluster in scope.clusters_of(visit)[: scope.CLUSTERS_ASKED_MAX]:
            if not cluster.policy.enabled:
                answers.append(Answer(cluster.name, "info", "Admits", "it does not verify images"))
                continue
            by = examine.Examination(
                connection,
                Actor(Principal(PrincipalKind.CLUSTER, cluster.name, cluster.ocid), cluster.tenancy),
                admit.trustee_of(cluster),
                cluster.policy,
                visit.app.gate,
                visit.now,
            )
            decision, _ = examine.examined(by, reference)
            if decision.allowed:
                said = f"signed by a key that it trusts ({words.listing(cluster.key_names)})"
                answers.append(Answer(cluster.name, "ok", "Admits", decision.warning or said))
            else:
                answers.append(Answer(cluster.name, "bad", "Denies", decision.reason))
    return tuple(answers)


def outcomes_of(visit: Visit, image: Image) -> tuple[verify.Outcome, ...]:
    """Every signature found on the image and its platforms, checked now; none for those who may not verify."""
    try:
        return verify.verify_image(visit.store, visit.actor, image.ocid)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()


def signature_views(visit: Visit, image: Image, outcomes: Sequence[verify.Outcome]) -> tuple[SignatureView, ...]:
    """One view for each signature, whatever the number of platforms it covers; verified ones first."""
    known = {key.ocid: key.display_name for key in keys.all_keys(visit)}
    parts: dict[tuple[str, Form], list[verify.Outcome]] = {}
    for outcome in outcomes:
        parts.setdefault((outcome.signature, outcome.form), []).append(outcome)
    views = []
    for (signature, form), part in parts.items():
        broken = next((outcome for outcome in part if not outcome.verified), None)
        first = part[0]
        children = sum(outcome.subject != image.digest for outcome in part)
        covers = "the image" if not children else f"the index and {words.plural(children, 'platform')}"
        views.append(
            SignatureView(
                verified=broken is None,
                by=known.get(first.key, "a key that you may not see"),
                format=FORMS[form],
                at=first.time_created,
                because=_sentence(broken.because) if broken else "",
                facts=(
                    ("Covers", covers),
                    ("Key version", words.brief_ocid(first.key_version)),
                    ("Algorithm", first.algorithm.value),
                    ("Record", words.brief_ocid(signature) if form is Form.NATIVE else words.short(signature)),
                ),
                ocid=signature,
                is_record=form is Form.NATIVE,
            )
        )
    return tuple(sorted(views, key=lambda view: (not view.verified, -view.at)))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
