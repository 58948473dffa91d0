"""The head that all pages of one image share: its names, where it stands on its journey, its tabs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.console import people, repositories, stages, trust, words
from assay.console.chart import Standing
from assay.console.results import ScanView, standing_of, status_view
from assay.console.visit import Visit
from assay.oci import tag_name
from assay.registry import images
from assay.registry import repositories as registry
from assay.registry.model import Image, tag_or_digest
from assay.scanning import model, results, scanners, verdicts


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that must not be overlooked."""

    kind: str
    sign: str
    title: str
    words: str


@dataclass(frozen=True, slots=True)
class ImageView:
    """The head of an image's pages."""

    image: Image
    title: str
    digest: str
    path: str
    repository_path: str
    tags: tuple[str, ...]
    facts: tuple[str, ...]
    banners: tuple[Banner, ...]
    journey: tuple[stages.Stage, ...]
    tabs: tuple[tuple[str, str, int | None, bool], ...]
    scan: ScanView
    latest: model.Scan | None
    current: int
    verdict: model.Verdict | None
    scanner: bool
    scans: int


def image_of(visit: Visit) -> Image:
    """The image that the address names, by tag or digest. Errors: Refused (NOT_FOUND)."""
    named = visit.names.get("tag")
    reference = tag_name(named) if named else tag_or_digest(visit.names["digest"])
    return images.lookup(visit.store, visit.actor, visit.names["name"], reference)


def head_of(visit: Visit, image: Image, tab: str) -> ImageView:
    """All that the head of an image's pages shows; `tab` is the one in front."""
    path = f"/r/{image.repository_name}/-/{image.digest}"
    repository_path = f"/r/{image.repository_name}"
    status = results.statuses(visit.store, visit.actor, [image.ocid]).get(image.ocid)
    scan = status.scan if status else None
    with visit.store.database.read() as connection:
        verdict = verdicts.verdict_of(connection, image.ocid) if scan else None
        platforms = images.platforms(connection, image.repository, image.digest).present
    repository = registry.get(visit.store, visit.actor, image.repository)
    with visit.store.database.read() as connection:
        is_watched = scanners.of_repository(connection, repository) is not None
    outcomes = trust.outcomes_of(visit, image)
    views = trust.signature_views(visit, image, outcomes)
    answers = trust.answers_of(visit, image, repositories.namespace_of(visit))
    signing = stages.Signing(
        keys=tuple(dict.fromkeys(view.by for view in views if view.verified)),
        because=tuple(view.because for view in views if not view.verified),
    )
    pusher = people.names_of(visit, (image.created_by,)).get(image.created_by, "")
    journey = (
        stages.pushed(image.time_last_pushed, pusher),
        stages.catalogued(scan),
        stages.scanned(status, path, f"{repository_path}/-/scanner"),
        stages.reviewed(verdict, scan, path),
        stages.signed(signing, standing_of(verdict), path),
        stages.admitted(answers, path),
    )
    count = scan.counts.total if scan and status_view(status).kind == "whole" else None
    tabs = (
        (path, "Problems", count, tab == "problems"),
        (f"{path}/packages", "Packages", None, tab == "packages"),
        (f"{path}/signatures", "Signatures", len(views), tab == "signatures"),
        (f"{path}/scans", "Scans", None, tab == "scans"),
        (f"{path}/decisions", "Decisions", None, tab == "decisions"),
    )
    tags = tuple(version.version for version in image.versions)
    named = visit.names.get("tag") or (tags[0] if tags else "")
    return ImageView(
        image=image,
        title=f"{image.repository_name}:{named}" if named else f"{image.repository_name}@{words.short(image.digest)}",
        digest=image.digest.text,
        path=path,
        repository_path=repository_path,
        tags=tags,
        facts=_facts(image, [str(each.platform) for each in platforms if each.platform]),
        banners=_banners(views, verdict, scan),
        journey=journey,
        tabs=tabs,
        scan=status_view(status),
        latest=scan,
        current=(status.current_as_of if status else None) or (scan.revision if scan else 0),
        verdict=verdict,
        scanner=is_watched,
        scans=2 if scan and scan.cause is model.Cause.FEED else 1,
    )


def around(view: ImageView, *, below: bool = False) -> dict[str, Any]:
    """What every page of an image is given; `below` for pages under the image's own."""
    crumbs = [("/r", "Repositories"), (view.repository_path, view.image.repository_name)]
    if below:
        crumbs.append((view.path, view.tags[0] if view.tags else words.short(view.digest)))
    return {"image": view, "crumbs": tuple(crumbs), "none": None}


def _facts(image: Image, platforms: list[str]) -> tuple[str, ...]:
    said = [words.listing(platforms, most=4)] if platforms else []
    said.append(words.size(image.layers_bytes))
    if image.pull_count:
        said.append(f"pulled {words.plural(image.pull_count, 'time')}")
    return tuple(said)


def _banners(
    views: Sequence[trust.SignatureView], verdict: model.Verdict | None, scan: model.Scan | None
) -> tuple[Banner, ...]:
    found = []
    if standing_of(verdict) is Standing.REFUSED and any(view.verified for view in views) and verdict is not None:
        said = f"{verdict.reviewer_name} refused it at r{verdict.revision}: {verdict.reason}"
        found.append(Banner("bad", "warn", "Signed, but its verdict is refused.", said))
    if scan is not None and scan.state.value == "partial":
        said = f"{scan.reason}. There may be more than was found, so it has no risk level."
        found.append(Banner("warn", "warn", "Partly scanned: no risk level.", said))
    if scan is not None and scan.state.value == "failed":
        found.append(Banner("bad", "bad", "The scan failed.", f"{scan.reason}."))
    return tuple(found)
