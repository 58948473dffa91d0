"""Pages of one image: its problems, its packages, and the decisions on it."""

from assay.admission import ledger
from assay.console import decisions, history, problems, scope, words
from assay.console.heads import around, head_of, image_of
from assay.console.replies import Listing, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.scanning import details, model

PATHS_SHOWN = 2
DECISIONS_LOOKED_AT = 200


def show(visit: Visit) -> Reply:
    """The problems of an image as of its latest scan, with its history above and its verdict beside them."""
    visit.only("q", "severity", "fix", "span")
    image = image_of(visit)
    view = head_of(visit, image, "problems")
    found: tuple[model.Problem, ...] = ()
    if view.latest is not None:
        found = details.get(visit.store, visit.actor, view.latest.ocid).problems
    rows, cells, next_page, total = problems.paged(visit, found)
    page = Page(
        "image_problems.html",
        {
            **around(view),
            **history.chart_values(visit, view),
            "rows": rows,
            "said": f"{len(rows)} of {words.plural(total, 'problem')}",
            "next": visit.link(after=next_page) if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "filtered": problems.said_filters(visit),
            "verdict": history.verdict_values(visit, view),
            "canonical": view.path if "tag" in visit.names else "",
        },
    )
    return Listing(page, problems.COLUMNS, cells, next_page)


def show_packages(visit: Visit) -> Reply:
    """All packages that the latest scan saw."""
    visit.only("q")
    view = head_of(visit, image_of(visit), "packages")
    found: tuple[model.InstalledPackage, ...] = ()
    if view.latest is not None:
        found = details.installed(visit.store, visit.actor, view.latest.ocid)
    wanted = visit.asked("q").lower()
    fitting = [each for each in found if wanted in each.name.lower()]
    part, next_page = problems.part_of(visit, fitting, lambda each: f"{each.name} {each.version} {each.ecosystem}")
    rows = [
        {
            "name": each.name,
            "version": each.version,
            "ecosystem": each.ecosystem,
            "source": each.source if each.source != each.name else "",
            "paths": tuple(dict.fromkeys(place.path for place in each.locations))[:PATHS_SHOWN],
            "platforms": tuple(dict.fromkeys(place.platform for place in each.locations if place.platform)),
        }
        for each in part
    ]
    page = Page(
        "image_packages.html",
        {
            **around(view),
            "rows": rows,
            "platforms": any(row["platforms"] for row in rows),
            "said": f"{len(rows)} of {words.plural(len(fitting), 'package')}",
            "next": visit.link(after=next_page) if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "nothing": "No package found" if view.latest else "Not catalogued yet",
            "nothing_because": "No package database of a known kind is in this image."
            if view.latest
            else f"{view.scan.words}. Its packages are known with its first scan.",
        },
    )
    columns = ("name", "version", "ecosystem", "architecture", "source", "locations")
    cells = [
        (each.name, each.version, each.ecosystem, each.architecture, each.source, tuple(p.path for p in each.locations))
        for each in part
    ]
    return Listing(page, columns, cells, next_page)


def show_decisions(visit: Visit) -> Reply:
    """What clusters answered when asked for this image: the latest of each cluster."""
    visit.only()
    image = image_of(visit)
    view = head_of(visit, image, "decisions")
    found = []
    for cluster in scope.clusters_of(visit):
        try:
            page = ledger.list_decisions(visit.store, visit.actor, cluster.ocid, limit=DECISIONS_LOOKED_AT)
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
            continue
        found += [
            decisions.row_of(decision, cluster.name)
            for decision in page.items
            if any(each.digest == image.digest.text for each in decision.images)
        ]
    rows = sorted(found, key=lambda row: row.at, reverse=True)[: visit.limit()]
    said = f"{len(rows)} among the latest {DECISIONS_LOOKED_AT} of each cluster"
    return Page("image_decisions.html", {**around(view), "rows": rows, "said": said, "next": "", "first": ""})
