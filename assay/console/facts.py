"""What lists say of images: scan, verdict, and whose signature they carry; gathered for many images at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.console import keys
from assay.console.chart import Standing
from assay.console.results import ScanView, standing_of, status_view
from assay.console.visit import Visit
from assay.console.words import listing
from assay.errors import Reason, Refused
from assay.registry import images
from assay.registry.model import Image, ImageFilter, Repository
from assay.scanning import model, results, verdicts
from assay.signing import resources, signatures
from assay.vault.resources import Key


@dataclass(frozen=True, slots=True)
class Signed:
    """What a cell says of signatures: `kind` is ok, warn, bad or "" (none)."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of an image beside what the registry says."""

    scan: ScanView
    status: model.ImageStatus | None
    verdict: Standing
    signed: Signed


UNKNOWN = ImageFacts(status_view(None), None, Standing.NONE, Signed("", "no"))


def facts_of(visit: Visit, found: Sequence[Image]) -> Mapping[str, ImageFacts]:
    """Image OCID → its facts, as far as the reader may know them."""
    statuses = results.statuses(visit.store, visit.actor, [image.ocid for image in found])
    with visit.store.database.read() as connection:
        # Whoever may read a result may read what was said of it: both lie in the compartment of the scanner.
        given = {ocid: verdicts.verdict_of(connection, ocid) for ocid, status in statuses.items() if status.scan}
    known = {key.ocid: key for key in keys.all_keys(visit)} if found else {}
    told = {}
    for image in found:
        status = statuses.get(image.ocid)
        verdict = standing_of(given.get(image.ocid), status.scan if status else None)
        told[image.ocid] = ImageFacts(status_view(status), status, verdict, _signed(visit, image, known, verdict))
    return told


def latest_of(visit: Visit, repositories: Sequence[Repository]) -> Mapping[str, Image]:
    """Repository OCID → its image that was made last, for those that have one."""
    found: dict[str, Image] = {}
    for repository in repositories:
        if repository.image_count:
            page = images.listed(visit.store, visit.actor, ImageFilter(repository=repository.ocid), limit=1)
            found.update({image.repository: image for image in page.items})
    return found


def signatures_of(visit: Visit, image: Image) -> tuple[resources.ImageSignature, ...]:
    """The image's own signatures; none for those who may not list them."""
    try:
        return signatures.list_signatures(visit.store, visit.actor, resources.SignatureFilter(image=image.ocid)).items
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()


def _signed(visit: Visit, image: Image, known: Mapping[str, Key], verdict: Standing) -> Signed:
    using = {signature.key for signature in signatures_of(visit, image)}
    if not using:
        return Signed("", "not yet" if verdict is Standing.PASSED else "no")
    usable = [known[key].display_name for key in using if key in known and known[key].state == "ENABLED"]
    if not usable:
        return Signed("bad", "key disabled") if using & set(known) else Signed("", "a key you may not see")
    if verdict is Standing.REFUSED:
        return Signed("warn", "verdict lost")
    return Signed("ok", listing(sorted(usable), most=2))
