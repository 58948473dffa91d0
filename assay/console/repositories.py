"""Pages of repositories: the list, one repository with its images, and its image scanner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.clock import Instant
from assay.console import facts, people, words
from assay.console.chart import Standing
from assay.console.facts import ImageFacts, Signed
from assay.console.replies import Elsewhere, Listing, Page, Reply
from assay.console.results import NOT_SCANNED, ScanView
from assay.console.scope import compartments_of
from assay.console.visit import Sorting, Visit, whole_number
from assay.errors import Reason, Refused
from assay.iam.identity import policies, services, tenancies
from assay.registry import images, repositories
from assay.registry.model import Image, ImageFilter, Order, Repository, RepositoryFilter
from assay.scanning import model, recipes, scanners

#: Up to so many repositories are sorted by risk; more are sorted by what the database has an index for.
RISK_SORTED_MAX = 200
LEVELS = ("critical", "high", "medium", "low", "none")
FILTERS = ("name", "compartment", "risk", "scanner")


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """A repository in the list, with its latest image."""

    name: str
    compartment: str
    latest: str
    scan: ScanView
    risk: str
    verdict: Standing
    signed: Signed
    scanner: bool
    images: int
    pushed: Instant | None

    @property
    def weight(self) -> tuple[int, ...]:
        """Worst first: what is unknown lies below Critical and above High (design, section 6)."""
        counts = self.scan.counts or (0, 0, 0, 0, 0)
        unknown = self.scan.kind in ("partial", "failed", "waiting")
        return (1 if counts[0] else 0, counts[0], int(unknown), *counts[1:])


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image in the list of its repository."""

    digest: str
    tags: tuple[str, ...]
    pushed: Instant
    pushed_by: str
    size: int
    scan: ScanView
    verdict: Standing
    signed: Signed


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its words, and where it leads."""

    words: str
    count: int
    small: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, and the address without it."""

    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter to choose."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Permission:
    """A statement that a service needs, and whether it is in force."""

    words: str
    statement: str
    granted: bool


@dataclass(frozen=True, slots=True)
class ScannerView:
    """The scanner of a repository with what its recipe says."""

    recipe: str
    image_count: int
    since: Instant
    is_own: bool


def show_list(visit: Visit) -> Reply:
    """All repositories that the reader may see."""
    visit.only(*FILTERS)
    sorting = Sorting.of(visit, ("risk", "name", "created"), "-risk" if not visit.asked("after") else "name")
    places = dict(compartments_of(visit))
    compartment = visit.asked("compartment")
    narrow = RepositoryFilter(
        compartments=(compartment,) if compartment else (), name_contains=visit.asked("name").lower()
    )
    rows, next_page = _listed(visit, narrow, sorting, places)
    rows = _filtered(visit, rows)
    page = Page(
        "repositories.html",
        {
            "compartment": places.get(compartment or visit.actor.tenancy, "your own"),
            "figures": _figures(rows) if not visit.asked("after") and not next_page else (),
            "filters": _filters(places),
            "chips": _chips(visit, places),
            "rows": rows,
            "most": max((sum(row.scan.counts) for row in rows if row.scan.counts), default=0),
            "sorting": sorting,
            "order": {"risk": "worst first", "name": "by name", "created": "by time"}[sorting.key],
            "said": words.plural(len(rows), "repository", "repositories") + (" on this page" if next_page else ""),
            "next": visit.link(after=next_page, sort=visit.asked("sort") or "name") if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "push": f"podman push {visit.app.settings.registry_host}/{namespace_of(visit)}/hello:1",
        },
    )
    columns = ("name", "compartment", "latest", "result", "risk", "verdict", "signed", "scanner", "images")
    cells = [
        (
            row.name,
            row.compartment,
            row.latest,
            row.scan.words,
            row.risk,
            row.verdict.value,
            row.signed.words,
            "on" if row.scanner else "off",
            row.images,
        )
        for row in rows
    ]
    return Listing(page, columns, cells, next_page)


def show(visit: Visit) -> Reply:
    """One repository: its images, its scanner, and how to push and pull."""
    visit.only("tag")
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    found = images.listed(
        visit.store,
        visit.actor,
        ImageFilter(repository=repository.ocid, version=f"*{visit.asked('tag')}*" if visit.asked("tag") else ""),
        limit=visit.limit(),
        page=visit.asked("after"),
    )
    known = facts.facts_of(visit, found.items)
    pushers = people.names_of(visit, {image.created_by for image in found.items})
    rows = tuple(
        _image_row(image, known.get(image.ocid, facts.UNKNOWN), pushers.get(image.created_by, ""))
        for image in found.items
    )
    reference = f"{visit.app.settings.registry_host}/{namespace_of(visit)}/{repository.name}"
    tag = next((row.tags[0] for row in rows if row.tags), "TAG")
    page = Page(
        "repository.html",
        {
            "repository": repository,
            "facts": (
                "Public" if repository.is_public else "Private",
                *(["Tags may not be overwritten"] if repository.is_immutable else []),
                f"{words.plural(repository.image_count, 'image')}, {words.size(repository.layers_bytes)}",
            ),
            "pushed": repository.time_last_pushed,
            "rows": rows,
            "said": f"{len(rows)} of {words.plural(repository.image_count, 'image')}",
            "next": visit.link(after=found.next_page) if found.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "push": f"podman push {reference}:1.0.0",
            "pull": f"podman pull {reference}:{tag}",
            "scanner": scanner_of(visit, repository),
            "permissions": permissions_of_scanning(visit),
            "first_images": model.IMAGE_COUNT_DEFAULT,
            "crumbs": (("/r", "Repositories"),),
        },
    )
    columns = ("digest", "tags", "pushed", "pushed_by", "bytes", "result", "verdict", "signed")
    cells = [
        (
            row.digest,
            row.tags,
            words.machine(row.pushed),
            row.pushed_by,
            row.size,
            row.scan.words,
            row.verdict.value,
            row.signed.words,
        )
        for row in rows
    ]
    return Listing(page, columns, cells, found.next_page)


def show_scanner(visit: Visit) -> Reply:
    """The form that adds, changes or removes the image scanner; what the scanning service lacks stands first."""
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    scanner = scanner_of(visit, repository)
    return Page(
        "scanner.html",
        {
            "repository": repository,
            "scanner": scanner,
            "lacking": tuple(each for each in permissions_of_scanning(visit) if not each.granted),
            "first_images": scanner.image_count if scanner else model.IMAGE_COUNT_DEFAULT,
            "crumbs": (("/r", "Repositories"), (f"/r/{repository.name}", repository.name)),
        },
    )


def change_scanner(visit: Visit) -> Elsewhere:
    """Add or remove the scanner, or add the statement that its service lacks."""
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    path = f"/r/{repository.name}"
    act = visit.sent("do")
    if act == "statement":
        wanted = visit.sent("statement")
        if wanted not in services.NEEDED[services.SCANNING]:
            raise Refused("That is not a statement of the scanning service.", advice="Load the page again.")
        policies.add_statements(visit.store, visit.actor, (wanted,))
        return visit.back(done="statement-added")
    if act == "remove":
        scanners.remove(visit.store, visit.actor, repository.ocid)
        return visit.back(path, "scanner-removed")
    if act != "add":
        raise Refused("The form names no act.", advice="Load the page again.")
    count = whole_number(visit.sent("images"), "number of images")
    scanners.add(visit.store, visit.actor, repository.ocid, image_count=count)
    lacking = any(not each.granted for each in permissions_of_scanning(visit))
    return visit.back(f"{path}/-/scanner", "scanner-lacks") if lacking else visit.back(path, "scanner-added")


def scanner_of(visit: Visit, repository: Repository) -> ScannerView | None:
    """The scanner that looks at a repository, as far as the reader may know its recipe."""
    with visit.store.database.read() as connection:
        found = scanners.of_repository(connection, repository)
    if found is None:
        return None
    try:
        recipe = recipes.get(visit.store, visit.actor, found.recipe)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ScannerView(found.display_name, model.IMAGE_COUNT_DEFAULT, found.time_created, is_own=False)
    is_own = repository.name in found.registry.repositories
    return ScannerView(recipe.display_name, recipe.image_count, found.time_created, is_own)


def permissions_of_scanning(visit: Visit) -> tuple[Permission, ...]:
    """The statements that the scanning service needs, each with whether it is in force."""
    needed = services.NEEDED[services.SCANNING]
    with visit.store.database.read() as connection:
        missing = services.missing_statements(connection, visit.actor.tenancy, needed, now=visit.now)
    found = []
    for statement in needed:
        what = "repositories" if "repos" in statement else "compartments"
        granted = statement not in missing
        said = f"May read {what}" if granted else f"The scanning service may not read {what}"
        found.append(Permission(said, statement, granted))
    return tuple(found)


def namespace_of(visit: Visit) -> str:
    """What stands before repository names in image references."""
    return tenancies.namespace(visit.store, visit.actor)


def rows_of(visit: Visit, found: Sequence[Repository], places: Mapping[str, str]) -> tuple[RepositoryRow, ...]:
    """Repositories as rows, each with the facts of its latest image."""
    latest = facts.latest_of(visit, found)
    known = facts.facts_of(visit, tuple(latest.values()))
    with visit.store.database.read() as connection:
        watched = scanners.watched(connection, visit.actor.tenancy, found)
    return tuple(
        _row(each, latest.get(each.ocid), known, places.get(each.compartment, "…"), is_watched=each.ocid in watched)
        for each in found
    )


def _listed(
    visit: Visit, narrow: RepositoryFilter, sorting: Sorting, places: Mapping[str, str]
) -> tuple[tuple[RepositoryRow, ...], str]:
    """The rows of a page. By risk all at once, when they are few enough; else page by page in the database's order."""
    order = Order(by_time=sorting.key == "created", descending=sorting.key == "created" and sorting.descending)
    if sorting.key != "risk":
        order = Order(by_time=sorting.key == "created", descending=sorting.descending)
        page = repositories.listed(
            visit.store, visit.actor, narrow, order, limit=visit.limit(), page=visit.asked("after")
        )
        return rows_of(visit, page.items, places), page.next_page
    page = repositories.listed(visit.store, visit.actor, narrow, order, limit=RISK_SORTED_MAX)
    if page.next_page:
        page = repositories.listed(visit.store, visit.actor, narrow, order, limit=visit.limit())
        return rows_of(visit, page.items, places), page.next_page
    rows = rows_of(visit, page.items, places)
    return tuple(sorted(rows, key=lambda row: row.weight, reverse=sorting.descending)), ""


def _row(
    repository: Repository, image: Image | None, known: Mapping[str, ImageFacts], compartment: str, *, is_watched: bool
) -> RepositoryRow:
    has = known.get(image.ocid, facts.UNKNOWN) if image else facts.UNKNOWN
    scan = has.status.scan if has.status else None
    return RepositoryRow(
        name=repository.name,
        compartment=compartment,
        latest=(image.version or words.short(image.digest)) if image else "",
        scan=has.scan if image else NOT_SCANNED,
        risk=scan.risk_level.value.lower() if scan and scan.risk_level else "",
        verdict=has.verdict,
        signed=has.signed,
        scanner=is_watched,
        images=repository.image_count,
        pushed=repository.time_last_pushed,
    )


def _image_row(image: Image, has: ImageFacts, pushed_by: str) -> ImageRow:
    return ImageRow(
        digest=image.digest.text,
        tags=tuple(version.version for version in image.versions),
        pushed=image.time_last_pushed,
        pushed_by=pushed_by,
        size=image.layers_bytes,
        scan=has.scan,
        verdict=has.verdict,
        signed=has.signed,
    )


def _filtered(visit: Visit, rows: tuple[RepositoryRow, ...]) -> tuple[RepositoryRow, ...]:
    """Rows of a page that fit the filters that are not the registry's."""
    risk, scanner = visit.one_of("risk", *LEVELS), visit.one_of("scanner", "on", "off")
    if risk:
        rows = tuple(row for row in rows if row.risk == risk)
    if scanner:
        rows = tuple(row for row in rows if row.scanner == (scanner == "on"))
    return rows


def _figures(rows: tuple[RepositoryRow, ...]) -> tuple[Figure, ...]:
    critical = sum(bool(row.scan.counts and row.scan.counts[0]) for row in rows)
    refused = sum(row.verdict is Standing.REFUSED for row in rows)
    return (
        Figure("Latest images with a Critical", critical, f"of {len(rows)}", "/r?risk=critical"),
        Figure("Refused", refused),
        Figure("Not reviewed", sum(row.verdict is Standing.NONE for row in rows)),
        Figure("Without image scanner", sum(not row.scanner for row in rows), "", "/r?scanner=off"),
        Figure("Partly scanned", sum(row.scan.kind == "partial" for row in rows)),
    )


def _filters(places: Mapping[str, str]) -> tuple[Choice, ...]:
    found = [
        Choice("risk", "Risk level", (("", "Any"), *((level, level.capitalize()) for level in LEVELS))),
        Choice("scanner", "Scanner", (("", "Any"), ("on", "On"), ("off", "Off"))),
    ]
    if len(places) > 1:
        found.insert(0, Choice("compartment", "Compartment", (("", "All"), *places.items())))
    return tuple(found)


def _chips(visit: Visit, places: Mapping[str, str]) -> tuple[Chip, ...]:
    said = {
        "name": f"Name contains “{visit.asked('name')}”",
        "compartment": f"Compartment {places.get(visit.asked('compartment'), '…')}",
        "risk": f"Risk level {visit.asked('risk')}",
        "scanner": f"Scanner {visit.asked('scanner')}",
    }
    return tuple(Chip(said[name], visit.link(**{name: None})) for name in FILTERS if visit.asked(name))
