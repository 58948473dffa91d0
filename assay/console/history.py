"""The history of an image's scans as the chart and its choices, and the verdicts on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.clock import DAY
from assay.console import chart, words
from assay.console.chart import Standing
from assay.console.heads import ImageView
from assay.console.results import name_of, point_of, problems_said, standing_of
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.scanning import model, results, verdicts

KEPT = 396 * DAY


@dataclass(frozen=True, slots=True)
class Record:
    """A verdict in words: what was said, by whom, and on what."""

    accepted: bool
    words: str
    evidence: str


@dataclass(frozen=True, slots=True)
class VerdictView:
    """What the verdict panel shows: the standing that counts, those who said so, and the scan to review."""

    standing: str
    records: tuple[Record, ...]
    scan: str
    scan_name: str
    footer: str


def scans_of(visit: Visit, view: ImageView) -> tuple[model.Scan, ...]:
    """The scans of an image in the last 13 months, oldest first, at most as many as the chart draws."""
    if view.latest is None:
        return ()
    narrow = model.ScanFilter(image=view.image.ocid)
    page = results.listed(visit.store, visit.actor, narrow, limit=chart.POINTS_MAX)
    return tuple(sorted(page.items, key=lambda scan: (scan.time_created, scan.revision)))


def given_on(visit: Visit, view: ImageView) -> tuple[model.Verdict, ...]:
    """The verdicts on an image's scans, newest first; none for those who may not read them."""
    try:
        return verdicts.listed(visit.store, visit.actor, view.image.ocid)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()


def standing_at(scan: model.Scan, given: Sequence[model.Verdict]) -> Standing:
    """The verdict on this very scan."""
    return standing_of(next((verdict for verdict in given if verdict.scan == scan.ocid), None))


def choices_of(scans: Sequence[model.Scan], now: int) -> tuple[tuple[str, str], ...]:
    """The scans to choose from, oldest first: `r40902`, and what the choice says."""
    return tuple(
        (name_of(scan), f"{words.minute(scan.time_created, now)} · {name_of(scan)} · {problems_said(scan)}")
        for scan in scans
    )


def chart_values(visit: Visit, view: ImageView) -> dict[str, Any]:
    """What the history panel is given; no drawing where there is no scan."""
    scans = scans_of(visit, view)
    if not scans:
        return {"drawing": None, "choices": (), "young": False, "latest": ""}
    given = given_on(visit, view)
    whole = bool(visit.one_of("span", "13-months"))
    points = tuple(
        point_of(
            scan, standing_at(scan, given), f"{view.path}/scans/{name_of(scan)}", visit.now, view.image.time_created
        )
        for scan in scans
        if scan.time_created >= visit.now - KEPT
    )
    pushes = (chart.Flag(view.image.time_created, view.tags[0]),) if view.tags else ()
    drawing = chart.draw(points, max(visit.now, points[-1].at) if points else visit.now, pushes=pushes, whole=whole)
    young = chart.draw(points, visit.now).span != chart.SPAN_NAMES[-1] if points and not whole else whole
    return {
        "drawing": drawing,
        "choices": choices_of(scans, visit.now),
        "young": young,
        "latest": _latest(scans),
    }


def verdict_values(visit: Visit, view: ImageView, scan: model.Scan | None = None) -> VerdictView:
    """The verdicts on `scan`, or, without one, on the image, of which the newest counts."""
    given = [each for each in given_on(visit, view) if scan is None or each.scan == scan.ocid]
    subject = scan or view.latest
    names = {each.ocid: name_of(each) for each in scans_of(visit, view)} if given else {}
    records = tuple(
        Record(
            accepted=verdict.accepted,
            words=f"{'Accepted' if verdict.accepted else 'Refused'} by {verdict.reviewer_name}",
            evidence=f"{verdict.reason} · {words.minute(verdict.time_created, visit.now)}, scan "
            f"{names.get(verdict.scan, f'r{verdict.revision}')}",
        )
        for verdict in given[:5]
    )
    newest = given[0] if given else None
    standing = standing_of(newest, view.latest if scan is None else None)
    return VerdictView(
        standing=standing.value,
        records=records,
        scan=f"{view.path}/scans/{name_of(subject)}" if subject else "",
        scan_name=name_of(subject) if subject else "",
        footer="The result has changed since this verdict." if standing is Standing.LAPSED else "",
    )


def _latest(scans: Sequence[model.Scan]) -> str:
    last = scans[-1]
    if last.cause is model.Cause.FEED and len(scans) > 1:
        step = last.counts.total - scans[-2].counts.total
        change = (
            f"{words.plural(abs(step), 'problem')} {'more' if step > 0 else 'fewer'}" if step else "as many problems"
        )
        return f"The last scan was caused by feed revision {name_of(last)}: {change}."
    return f"The last scan: {problems_said(last)}."
