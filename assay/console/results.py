"""How results of scanning look in cells: counts in the order of the page, states in words, causes with their lane."""

from dataclasses import dataclass, replace

from assay.advisories import Severity
from assay.console import words
from assay.console.chart import Counts, Lane, ScanPoint, Standing
from assay.scanning import model, risk

LETTERS = {
    Severity.CRITICAL: "c",
    Severity.HIGH: "h",
    Severity.MEDIUM: "m",
    Severity.LOW: "l",
    Severity.UNRATED: "u",
}
RISKS = {"CRITICAL": "c", "HIGH": "h", "MEDIUM": "m", "LOW": "l", "NONE": "n"}
CAUSES = {
    model.Cause.PUSH: ("Push", Lane.PUSH),
    model.Cause.ENABLED: ("Scanner added", Lane.OTHER),
    model.Cause.MANUAL: ("By hand", Lane.OTHER),
    model.Cause.FEED: ("Feed revision", Lane.FEED),
}


@dataclass(frozen=True, slots=True)
class ScanView:
    """What a cell says: `kind` is whole, partial, failed, waiting or none; counts stand for whole scans alone.

    `note` says as of when, where that isn't now.
    """

    kind: str
    counts: Counts | None
    words: str
    note: str = ""


NOT_SCANNED = ScanView("none", None, "not scanned")


def counts_of(scan: model.Scan | model.Verdict) -> Counts:
    """Critical, High, Medium, Low, Unrated: the order in which pages show them."""
    counts = scan.counts
    return (counts.critical, counts.high, counts.medium, counts.low, counts.unrated)


def view_of(scan: model.Scan | None) -> ScanView:
    """A scan in a cell. A partial one says "at least", and has neither tally nor risk level."""
    if scan is None:
        return NOT_SCANNED
    if scan.state is risk.ScanState.PARTIAL:
        return ScanView("partial", None, f"Partly scanned: at least {words.plural(scan.counts.total, 'problem')}")
    if scan.state is risk.ScanState.FAILED:
        return ScanView("failed", None, "Scan failed")
    counts = counts_of(scan)
    return ScanView("whole", counts, "No open problem" if not sum(counts) else words.plural(sum(counts), "problem"))


def status_view(status: model.ImageStatus | None) -> ScanView:
    """An image in a cell: its latest scan, or why there is none."""
    if status is None or (status.scan is None and status.standing is model.Standing.UNWATCHED):
        return NOT_SCANNED
    if status.standing is model.Standing.NOT_PERMITTED and status.scan is None:
        return ScanView("failed", None, "The scanning service may not read it")
    if status.scan is None:
        awaited = "the first feed revision" if status.standing is model.Standing.NO_ADVISORIES else "its first scan"
        return ScanView("waiting", None, f"Waiting for {awaited}")
    view = view_of(status.scan)
    is_current = status.standing in (model.Standing.SCANNED, model.Standing.WAITING)
    return view if is_current else replace(view, note=f"as of r{status.current_as_of or status.scan.revision}, not now")


def risk_of(scan: model.Scan) -> str:
    """The letter of a scan's risk level; empty for a scan that has none."""
    return RISKS[scan.risk_level] if scan.risk_level is not None else ""


def name_of(scan: model.Scan) -> str:
    """What people call a scan of an image: by its feed revision, `r41281`."""
    return f"r{scan.revision}"


def cause_of(scan: model.Scan) -> str:
    """Why a scan was made, in words."""
    said = CAUSES[scan.cause][0]
    return f"{said} r{scan.revision}" if scan.cause is model.Cause.FEED else said


def problems_said(scan: model.Scan) -> str:
    """`57 problems`, `partly scanned` or `failed`: a scan in one or two words."""
    view = view_of(scan)
    return {"partial": "partly scanned", "failed": "failed"}.get(view.kind, words.plural(scan.counts.total, "problem"))


def standing_of(verdict: model.Verdict | None, latest: model.Scan | None = None) -> Standing:
    """A verdict as stamps show it. Accepted, it lapses when the latest scan shows another result than was reviewed."""
    if verdict is None:
        return Standing.NONE
    if not verdict.accepted:
        return Standing.REFUSED
    return Standing.LAPSED if latest is not None and latest.counts != verdict.counts else Standing.PASSED


def point_of(scan: model.Scan, verdict: Standing, href: str, now: int, pushed_at: int) -> ScanPoint:
    """A scan in the chart; its mark says when, why and how many. A scan that a push caused is marked at the push."""
    return ScanPoint(
        at=scan.time_created,
        name=name_of(scan),
        lane=CAUSES[scan.cause][1],
        counts=counts_of(scan) if scan.state is risk.ScanState.COMPLETE else None,
        title=f"{words.minute(scan.time_created, now)}: {cause_of(scan)}; {problems_said(scan)}",
        href=href,
        verdict=verdict,
        caused_at=min(pushed_at, scan.time_created) if scan.cause is model.Cause.PUSH else None,
    )
