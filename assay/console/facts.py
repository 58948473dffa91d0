"""What lists say of images: scan, verdict, and whose signature they carry; gathered for many images at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.console import keys
from assay.console.chart import Standing
from assay.console.results import ScanView, standing_of, status_view
from assay.console.visit import Visit
from assay.console.words import listing
from assay.registry import images
from assay.registry.model import Image, Repository
from assay.scanning import model, results, verdicts
from assay.signing import signatures
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
    ocids = [image.ocid for image in found]
    statuses = results.statuses(visit.store, visit.actor, ocids)
    known = {key.ocid: key for key in keys.all_keys(visit)} if found else {}
    with visit.store.database.read() as connection:
        # Whoever may read a result may read what was said of it, for both lie in the compartment of the scanner;
        # whoever may list images may list their signatures: both ask REPOSITORY_INSPECT.
        given = verdicts.verdicts_of(connection, [ocid for ocid, status in statuses.items() if status.scan])
        using = signatures.keys_on(connection, ocids)
    told = {}
    for ocid in ocids:
        status = statuses.get(ocid)
        verdict = standing_of(given.get(ocid), status.scan if status else None)
        told[ocid] = ImageFacts(status_view(status), status, verdict, _signed(using.get(ocid), known, verdict))
    return told


def latest_of(visit: Visit, repositories: Sequence[Repository]) -> Mapping[str, Image]:
    """Repository OCID → its image that was pushed last; the reader has been shown the repositories already."""
    with visit.store.database.read() as connection:
        return images.latest_of_each(connection, [repository.ocid for repository in repositories])


def _signed(using: frozenset[str] | None, known: Mapping[str, Key], verdict: Standing) -> Signed:
    if not using:
        return Signed("", "not yet" if verdict is Standing.PASSED else "no")
    usable = [known[key].display_name for key in using if key in known and known[key].state == "ENABLED"]
    if not usable:
        return Signed("bad", "key disabled") if using & set(known) else Signed("", "a key you may not see")
    if verdict is Standing.REFUSED:
        return Signed("warn", "verdict lost")
    return Signed("ok", listing(sorted(usable), most=2))
