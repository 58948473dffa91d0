"""The scan history of an image as geometry: what a template needs to write one SVG, and nothing of markup.

Source of the rules: the console's design, section 7. Bands are steps, since a count holds until the next scan; Critical
lies on the base line; a partial or failed scan leaves a gap, never a zero. Units are those of the SVG's viewBox,
`WIDTH` × `HEIGHT`; times are instants. Pure: the same points give the same drawing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise

from assay.clock import DAY, HOUR, MINUTE, instant, moment
from assay.console.words import day
from assay.errors import Refused

WIDTH, HEIGHT = 1080, 338
LEFT, RIGHT = 30.0, 988.0
#: Now stands a little before the right edge, so that a scan of this moment still has a visible step.
NOW_X = 976.0
TOP, BASE = 36.0, 226.0
STRIP_TOP, STRIP_HEIGHT = 230, 16
STRIP_TEXT_WIDTH_MIN = 68.0
LABEL_X, LABEL_GAP = 996, 12.0
GRID_LINES_MAX = 4
POINTS_MAX = 600

SEVERITIES = ("c", "h", "m", "l", "u")
#: The spans a chart can show; the smallest that holds every point is taken.
SPANS = (10 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY, 92 * DAY, 396 * DAY)
TICK_STEPS = (2 * MINUTE, 10 * MINUTE, 4 * HOUR, DAY, 5 * DAY, 14 * DAY)
SPAN_NAMES = ("10 minutes", "hour", "day", "7 days", "30 days", "3 months", "13 months")

Counts = tuple[int, int, int, int, int]


class Lane(StrEnum):
    """What caused a scan, as the lanes under the plot tell it; other is what people did, such as adding a scanner."""

    PUSH = "Push"
    FEED = "Feed"
    OTHER = "Other"


LANE_Y = {Lane.PUSH: 260, Lane.FEED: 278, Lane.OTHER: 296}


class Standing(StrEnum):
    """The verdict that held over a stretch of time; lapsed: passed, but the result has changed since."""

    PASSED = "passed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ScanPoint:
    """One scan: `counts` of Critical, High, Medium, Low, Unrated, or None when it is partial or failed.

    `name` is what a comparison calls it; `title` and `href` are those of its mark, which stands at `caused_at`, when
    that is known to be another time than the scan's own.
    """

    at: int
    name: str
    lane: Lane
    counts: Counts | None
    title: str
    href: str
    verdict: Standing = Standing.NONE
    caused_at: int | None = None

    def __post_init__(self) -> None:
        if self.counts is not None and (len(self.counts) != len(SEVERITIES) or min(self.counts) < 0):
            raise Refused(f"A scan has the counts {self.counts!r}.", advice="Give five counts, none below zero.")


@dataclass(frozen=True, slots=True)
class Flag:
    """A dotted line with a name: a push of the followed tag, or A and B of a comparison."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, such as that over which a feed was stale."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """A level of the plot, or a tick of the time axis: where, and what it says."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Band:
    """One severity's area and its upper edge, as path data; both empty when it never counts."""

    severity: str
    area: str
    edge: str


@dataclass(frozen=True, slots=True)
class Label:
    """Name and count of a band at its right end."""

    severity: str
    y: float
    count: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle over time: a verdict in the strip, or a stale stretch; `roomy` when a word fits into it."""

    x: float
    width: float
    kind: str = ""
    roomy: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """One scan in its lane: path data, and the link it is."""

    d: str
    at: int
    name: str
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All that stands in the chart, from back to front."""

    span: str
    begin: int
    end: int
    levels: tuple[Line, ...]
    ticks: tuple[Line, ...]
    stale: tuple[Box, ...]
    bands: tuple[Band, ...]
    labels: tuple[Label, ...]
    flags: tuple[Line, ...]
    pushed: tuple[str, ...]
    picks: tuple[Line, ...]
    verdicts: tuple[Box, ...]
    marks: tuple[Mark, ...]
    lanes: tuple[Line, ...]


def draw(
    points: tuple[ScanPoint, ...],
    now: int,
    *,
    pushes: tuple[Flag, ...] = (),
    picks: tuple[Flag, ...] = (),
    stale: tuple[Span, ...] = (),
    whole: bool = False,
) -> Drawing:
    """The drawing of scans in time order, up to `now`; `whole` shows all 13 months however young the image is.

    Errors: Refused when the points are not in time order or are more than POINTS_MAX.
    """
    if len(points) > POINTS_MAX or any(b.at < a.at for a, b in pairwise(points)):
        raise Refused("The scans of a chart stand in time order, at most 600.")
    index = len(SPANS) - 1 if whole or not points else _span_of(now - points[0].at)
    begin = now - SPANS[index]
    shown = tuple(point for point in points if point.at >= begin)
    step, top = _levels(max((sum(point.counts) for point in shown if point.counts), default=0))
    scale = _Scale(begin, now, top)
    return Drawing(
        span=SPAN_NAMES[index],
        begin=begin,
        end=now,
        levels=tuple(Line(scale.y(level), str(level)) for level in range(0, top + 1, step)),
        ticks=tuple(Line(scale.x(at), text) for at, text in _ticks(begin, now, index)),
        stale=tuple(
            Box(scale.x(span.begin), round(scale.x(span.end) - scale.x(span.begin), 1))
            for span in stale
            if span.end > begin
        ),
        bands=tuple(_band(rank, shown, scale) for rank in range(len(SEVERITIES))),
        labels=_labels(shown, scale),
        flags=tuple(Line(scale.x(flag.at), flag.name) for flag in pushes if flag.at >= begin),
        pushed=tuple(_shape(Lane.PUSH, scale.x(flag.at)) for flag in pushes if flag.at >= begin),
        picks=tuple(Line(scale.x(flag.at), flag.name) for flag in picks if flag.at >= begin),
        verdicts=_strip(shown, scale),
        marks=tuple(
            Mark(_shape(point.lane, scale.x(_caused_at(point))), point.at, point.name, point.title, point.href)
            for point in shown
        ),
        lanes=tuple(
            Line(y, lane.value)
            for lane, y in LANE_Y.items()
            if lane is not Lane.OTHER or any(point.lane is lane for point in shown)
        ),
    )


def _caused_at(point: ScanPoint) -> int:
    return point.at if point.caused_at is None else point.caused_at


@dataclass(frozen=True, slots=True)
class _Scale:
    """Time to x, count to y."""

    begin: int
    now: int
    top: int

    def x(self, at: int) -> float:
        inside = min(max(at, self.begin), self.now)
        return round(LEFT + (NOW_X - LEFT) * (inside - self.begin) / (self.now - self.begin), 1)

    def y(self, count: int) -> float:
        return round(BASE - (BASE - TOP) * count / self.top, 1)


def _span_of(age: int) -> int:
    """The index of the smallest span that holds an age, with a twentieth of it free on the left."""
    return next((i for i, span in enumerate(SPANS) if age <= span * 19 // 20), len(SPANS) - 1)


def _levels(highest: int) -> tuple[int, int]:
    """Step and top of the count axis: at most GRID_LINES_MAX steps of 1, 2 or 5 times a power of ten."""
    step = 1
    while -(-highest // step) > GRID_LINES_MAX:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    lines = GRID_LINES_MAX if step == 1 else -(-highest // step)
    return step, lines * step


def _stretches(points: tuple[ScanPoint, ...], scale: _Scale) -> list[tuple[float, float, Counts | None]]:
    """From, to and counts of each stretch in which one scan's result stood; the last one reaches the right edge."""
    begins = [scale.x(point.at) for point in points]
    ends = [*begins[1:], RIGHT]
    return [(begin, end, point.counts) for point, begin, end in zip(points, begins, ends, strict=False) if end > begin]


def _band(rank: int, points: tuple[ScanPoint, ...], scale: _Scale) -> Band:
    """The area of one severity over those below it, broken where nothing is known or nothing counts."""
    runs: list[list[tuple[float, float, float, float]]] = []
    reached = -1.0
    for begin, end, counts in _stretches(points, scale):
        if counts is None or counts[rank] == 0:
            continue
        lower, upper = scale.y(sum(counts[:rank])), scale.y(sum(counts[: rank + 1]))
        if begin != reached:
            runs.append([])
        same = bool(runs[-1]) and runs[-1][-1][2:] == (lower, upper)
        runs[-1].append((runs[-1].pop()[0] if same else begin, end, lower, upper))
        reached = end
    return Band(
        SEVERITIES[rank],
        "".join(_upper(run) + _back(run) for run in runs),
        "".join(_upper(run) for run in runs),
    )


def _upper(run: list[tuple[float, float, float, float]]) -> str:
    """The upper edge of a run, left to right."""
    path, at = f"M{run[0][0]} {run[0][3]}", run[0][3]
    for _, end, _, upper in run:
        path += ("" if upper == at else f"V{upper}") + f"H{end}"
        at = upper
    return path


def _back(run: list[tuple[float, float, float, float]]) -> str:
    """The lower edge of a run, right to left, closed."""
    path, at = "", -1.0
    for begin, _, lower, _ in reversed(run):
        path += ("" if lower == at else f"V{lower}") + f"H{begin}"
        at = lower
    return path + "Z"


def _labels(points: tuple[ScanPoint, ...], scale: _Scale) -> tuple[Label, ...]:
    """A label beside the middle of each band's right end, LABEL_GAP apart at least, none above the plot."""
    counts = points[-1].counts if points else None
    if counts is None:
        return ()
    ranks = [rank for rank in range(len(SEVERITIES)) if counts[rank]]
    wanted = [(scale.y(sum(counts[:rank])) + scale.y(sum(counts[: rank + 1]))) / 2 for rank in ranks]
    for i in range(1, len(wanted)):
        wanted[i] = min(wanted[i], wanted[i - 1] - LABEL_GAP)
    for i in range(len(wanted) - 1, -1, -1):
        floor = TOP if i == len(wanted) - 1 else wanted[i + 1] + LABEL_GAP
        wanted[i] = max(wanted[i], floor)
    return tuple(
        Label(SEVERITIES[rank], round(place, 1), counts[rank]) for rank, place in zip(ranks, wanted, strict=True)
    )


def _strip(points: tuple[ScanPoint, ...], scale: _Scale) -> tuple[Box, ...]:
    """The verdicts over time, neighbours of one kind joined; zero-width ones are left out."""
    ends = [*(scale.x(point.at) for point in points[1:]), RIGHT]
    joined: list[tuple[float, float, Standing]] = []
    for point, end in zip(points, ends, strict=False):
        if joined and joined[-1][2] is point.verdict:
            joined[-1] = (joined[-1][0], end, point.verdict)
        else:
            joined.append((scale.x(point.at), end, point.verdict))
    widths = [(begin, round(end - begin, 1), kind) for begin, end, kind in joined]
    return tuple(Box(x, width, kind.value, width >= STRIP_TEXT_WIDTH_MIN) for x, width, kind in widths if width > 0)


def _shape(lane: Lane, x: float) -> str:
    """A triangle for a push, a dot for a feed, a diamond for another cause; each about 10 units wide."""
    y = LANE_Y[lane]
    if lane is Lane.PUSH:
        return f"M{x} {y - 5}l5 9h-10z"
    if lane is Lane.FEED:
        return f"M{round(x - 4, 1)} {y}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"
    return f"M{x} {y - 5.5}l5.5 5.5-5.5 5.5-5.5-5.5z"


def _ticks(begin: int, now: int, index: int) -> list[tuple[int, str]]:
    """Round moments of a span with their names: months, days or hours, whatever fits."""
    if index == len(SPANS) - 1:
        return _months(begin, now)
    step = TICK_STEPS[index]
    times = range(-(-begin // step) * step, now + 1, step)
    return [(at, day(at, now) if step >= DAY else f"{moment(at):%H:%M}") for at in times]


def _months(begin: int, now: int) -> list[tuple[int, str]]:
    """The first of each month; January and none else with its year."""
    first = moment(begin)
    found: list[tuple[int, str]] = []
    for month in range(first.year * 12 + first.month, first.year * 12 + first.month + 15):
        then = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        at = instant(then)
        if begin <= at <= now:
            found.append((at, f"{then:%b %Y}" if then.month == 1 else f"{then:%b}"))
    return found
