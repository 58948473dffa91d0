"""Pages of signatures: the trust panel of an image, and the form that signs it."""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.console import history, keys, repositories, scope, trust, words
from assay.console.chart import Standing
from assay.console.heads import around, head_of, image_of
from assay.console.history import VerdictView
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Refused, not_found
from assay.registry import images
from assay.registry.model import Image
from assay.scanning import results
from assay.signing import caution, resources, sign, signatures
from assay.vault.resources import Key


@dataclass(frozen=True, slots=True)
class Effect:
    """What the verdict means for signing, as the note on top of the form."""

    kind: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Part:
    """A manifest that is signed."""

    digest: str
    words: str


def show(visit: Visit) -> Reply:
    """Who would admit the image, and every signature found on it, checked now."""
    visit.only()
    image = image_of(visit)
    view = head_of(visit, image, "signatures")
    return Page("image_signatures.html", {**around(view), **_panel(visit, image)})


def change(visit: Visit) -> Elsewhere:
    """Delete an image signature."""
    image = image_of(visit)
    if visit.sent("do") != "delete":
        raise Refused("The form names no act.", advice="Load the page again.")
    found = signatures.get_signature(visit.store, visit.actor, visit.sent("signature"))
    if found.image != image.ocid:
        raise not_found()
    signatures.delete_signature(visit.store, visit.actor, found.ocid)
    return visit.back(f"/r/{image.repository_name}/-/{image.digest}/signatures", "signature-deleted")


def show_form(visit: Visit) -> Reply:
    """The sign form: verdict first, then what exactly is signed, the key, and what follows."""
    visit.only("key")
    image = image_of(visit)
    view = head_of(visit, image, "signatures")
    verdict = history.verdict_values(visit, view)
    usable = [key for key in keys.all_keys(visit) if key.state == "ENABLED"]
    parts = _parts(visit, image)
    host = visit.app.settings.registry_host
    return Page(
        "sign.html",
        {
            **around(view, below=True),
            **_panel(visit, image),
            "verdict": verdict,
            "effect": _effect(verdict, has_scan=view.latest is not None),
            "caution": caution.caution(results.statuses(visit.store, visit.actor, [image.ocid]).get(image.ocid)),
            "subject": "the image" if len(parts) == 1 else f"the index and its {len(parts) - 1} platforms",
            "parts": parts,
            "signed_count": words.plural(len(parts), "digest"),
            "reference": f"{host}/{repositories.namespace_of(visit)}/{image.repository_name}",
            "keys": tuple((key.ocid, _choice(visit, key)) for key in usable),
            "after": Effect(
                "info",
                "After this, clusters that trust the key admit the image.",
                "Effective at the next request; nothing needs a restart.",
            ),
        },
    )


def make(visit: Visit) -> Elsewhere:
    """Sign the image: native record, cosign signature and bundle, for every manifest of it."""
    image = image_of(visit)
    details = resources.SignDetails(
        image=image.ocid,
        key=visit.sent("key"),
        tag=visit.names.get("tag") or image.version,
        description=visit.sent("note").strip(),
    )
    sign.sign_image(
        visit.store,
        visit.actor,
        details,
        custody=visit.app.custody,
        registry_host=visit.app.settings.registry_host,
    )
    return visit.back(f"/r/{image.repository_name}/-/{image.digest}/signatures", "signed")


def _panel(visit: Visit, image: Image) -> dict[str, object]:
    return {
        "answers": trust.answers_of(visit, image, repositories.namespace_of(visit)),
        "signatures": trust.signature_views(visit, image, trust.outcomes_of(visit, image)),
    }


def _parts(visit: Visit, image: Image) -> tuple[Part, ...]:
    """The manifests of an image: the index and its platforms, or the image alone."""
    with visit.store.database.read() as connection:
        platforms = images.platforms(connection, image.repository, image.digest).present
    children: Sequence[Part] = [
        Part(each.digest.text, str(each.platform or "")) for each in platforms if each.digest != image.digest
    ]
    return (Part(image.digest.text, "index" if children else ""), *children)


def _effect(verdict: VerdictView, *, has_scan: bool) -> Effect:
    if verdict.standing == Standing.PASSED.value:
        return Effect("ok", "The reviewer accepted this image.", "The newest scan shows what the reviewer saw.")
    if verdict.standing == Standing.LAPSED.value:
        return Effect("warn", "The reviewer accepted this image.", verdict.footer)
    if verdict.standing == Standing.REFUSED.value:
        return Effect("bad", "The reviewer refused this image.", "Signing it vouches for what was refused.")
    review = "Review its scan first; the verdict is shown here." if has_scan else "There is no scan to review."
    return Effect("warn", "Nobody has reviewed this image.", review)


def _choice(visit: Visit, key: Key) -> str:
    trusting = [cluster.name for cluster in scope.clusters_of(visit) if key.ocid in map(str, cluster.policy.keys)]
    said = f"trusted by {words.listing(trusting, 3)}" if trusting else "trusted by no cluster"
    return f"{key.display_name} · {key.shape} · {said}"
