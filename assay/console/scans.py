"""Pages of scans: all of an image, one with its problems and its review, two compared."""

from dataclasses import dataclass
from typing import Any

from assay.clock import Instant
from assay.console import differences, history, problems, words
from assay.console.chart import Standing
from assay.console.heads import ImageView, around, head_of, image_of
from assay.console.replies import Cell, Elsewhere, Listing, Page, Reply
from assay.console.results import LETTERS, ScanView, cause_of, name_of, problems_said, risk_of, view_of
from assay.console.visit import Visit
from assay.errors import Refused, not_found
from assay.scanning import comparison, details, model, verdicts

COLUMNS = ("scan", "when", "cause", "critical", "high", "medium", "low", "unrated", "state", "risk", "verdict", "ocid")
DIFFERENCE_COLUMNS = ("change", "before", "after", "vulnerability", "summary", "packages", "fixed", "because", "link")


@dataclass(frozen=True, slots=True)
class ScanRow:
    """A scan in a table or at the head of its page."""

    name: str
    href: str
    ocid: str
    at: Instant
    cause: str
    scan: ScanView
    risk: str
    verdict: Standing
    revision: int
    said: str


def show_list(visit: Visit) -> Reply:
    """All scans of an image, newest first, with the chart above."""
    visit.only("span")
    view = head_of(visit, image_of(visit), "scans")
    scans = history.scans_of(visit, view)
    given = history.given_on(visit, view)
    rows = [_row(view, scan, history.standing_at(scan, given)) for scan in reversed(scans)]
    part, next_page = problems.part_of(visit, rows, lambda row: row.ocid)
    page = Page(
        "image_scans.html",
        {
            **around(view),
            **history.chart_values(visit, view),
            "rows": part,
            "said": f"{len(part)} of {words.plural(len(rows), 'scan')}",
            "next": visit.link(after=next_page) if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )
    shown = {row.ocid for row in part}
    cells = [_cells(scan, history.standing_at(scan, given)) for scan in reversed(scans) if scan.ocid in shown]
    return Listing(page, COLUMNS, cells, next_page)


def show(visit: Visit) -> Reply:
    """One scan: its problems as of its revision, and the form to review it."""
    visit.only(*problems.FILTERS)
    view, scan, previous = _found(visit, visit.names["scan"])
    found = details.get(visit.store, visit.actor, scan.ocid)
    given = history.verdict_values(visit, view, scan)
    rows, cells, next_page, total = problems.paged(visit, found.problems)
    page = Page(
        "scan.html",
        {
            **around(view, below=True),
            "scan": _row(view, scan, Standing(given.standing)),
            "why_at": f"?scan={name_of(scan)}",
            "previous": name_of(previous) if previous else "",
            "reason": f"{scan.reason}." if scan.reasons else "",
            "current": found.current_as_of,
            "reviewable": scan.state.value != "failed",
            "verdict": given,
            "rows": rows,
            "said": f"{len(rows)} of {words.plural(total, 'problem')}",
            "next": visit.link(after=next_page) if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )
    return Listing(page, problems.COLUMNS, cells, next_page)


def show_why(visit: Visit) -> Reply:
    """Why one vulnerability is a problem of this image: package, file, layer, advisory, range's end, severity."""
    visit.only("scan")
    view, scan, _ = _found(visit, visit.asked("scan"))
    found = details.get(visit.store, visit.actor, scan.ocid)
    name = visit.names["problem"]
    problem = next((each for each in found.problems if name == each.name or name in each.aliases), None)
    if problem is None:
        raise not_found()
    return Page(
        "why.html",
        {
            **around(view, below=True),
            "problem": problem,
            "level": LETTERS[problem.severity],
            "packages": tuple((each, LETTERS[each.severity]) for each in problem.packages),
            "is_open": problem.state is model.ProblemState.OPEN,
            "scan": _row(view, scan, Standing.NONE),
        },
    )


def review(visit: Visit) -> Elsewhere:
    """Record a verdict on a scan."""
    view, scan, _ = _found(visit, visit.names["scan"])
    verdict = visit.sent("verdict")
    if verdict not in ("accepted", "refused"):
        raise Refused("The form says neither accepted nor refused.", advice="Choose one.")
    verdicts.record(visit.store, visit.actor, scan.ocid, accepted=verdict == "accepted", reason=visit.sent("reason"))
    return visit.back(view.path, "verdict-recorded")


def show_difference(visit: Visit) -> Reply:
    """What changed from one scan to another, grouped by what caused it."""
    visit.only("from", "to", "group")
    view = head_of(visit, image_of(visit), "scans")
    scans = history.scans_of(visit, view)
    if not scans:
        raise not_found()
    named = {name_of(scan): scan for scan in scans}
    before = _chosen(visit, "from", named, scans[-2] if len(scans) > 1 else scans[-1])
    after = _chosen(visit, "to", named, scans[-1])
    by = visit.one_of("group", *differences.GROUPINGS) or differences.GROUPINGS[0]
    found = comparison.compare(visit.store, visit.actor, before.ocid, after.ocid)
    groups = differences.grouped(found.changes, by)
    given = history.given_on(visit, view)
    is_same = all(change.cause is model.ChangeCause.FEED for change in found.changes)
    page = Page(
        "compare.html",
        {
            **around(view, below=True),
            "a": _row(view, before, history.standing_at(before, given)),
            "b": _row(view, after, history.standing_at(after, given)),
            "same": "Same packages: only what is known about them changed." if is_same else "The packages changed too.",
            "choices": history.choices_of(scans, visit.now),
            "group": by,
            "figures": differences.figures(found.changes, groups),
            "groups": groups,
        },
    )
    return Listing(page, DIFFERENCE_COLUMNS, [_difference_cells(change) for change in found.changes])


def _found(visit: Visit, name: str) -> tuple[ImageView, model.Scan, model.Scan | None]:
    """The image, the scan of it that is called so (the latest without a name), and the one before. Errors: Refused."""
    view = head_of(visit, image_of(visit), "scans")
    scans = history.scans_of(visit, view)
    index = next((i for i in range(len(scans) - 1, -1, -1) if name in ("", name_of(scans[i]))), None)
    if index is None:
        raise not_found()
    return view, scans[index], scans[index - 1] if index else None


def _chosen(visit: Visit, field: str, named: dict[str, model.Scan], default: model.Scan) -> model.Scan:
    asked = visit.asked(field)
    if asked and asked not in named:
        raise Refused(f"There is no scan {asked[:40]!r} of this image.", advice="Choose one of the list.")
    return named[asked] if asked else default


def _row(view: ImageView, scan: model.Scan, verdict: Standing) -> ScanRow:
    return ScanRow(
        name=name_of(scan),
        href=f"{view.path}/scans/{name_of(scan)}",
        ocid=scan.ocid,
        at=scan.time_created,
        cause=cause_of(scan),
        scan=view_of(scan),
        risk=risk_of(scan),
        verdict=verdict,
        revision=scan.revision,
        said=problems_said(scan),
    )


def _cells(scan: model.Scan, verdict: Standing) -> tuple[Cell, ...]:
    counts = scan.counts
    return (
        name_of(scan),
        words.machine(scan.time_created),
        scan.cause.value,
        counts.critical,
        counts.high,
        counts.medium,
        counts.low,
        counts.unrated,
        scan.state.value,
        scan.risk_level.value if scan.risk_level else None,
        verdict.value,
        scan.ocid,
    )


def _difference_cells(change: model.ProblemChange) -> tuple[Any, ...]:
    return (
        change.kind.value,
        change.before.name.lower() if change.before else None,
        change.after.name.lower() if change.after else None,
        change.name,
        change.summary,
        tuple(f"{package.name}@{package.version}" for package in change.packages),
        tuple(sorted({package.fix for package in change.packages if package.fix})),
        tuple(f"{because.advisory} r{because.revision} {because.reason}" for because in change.because),
        change.link,
    )
