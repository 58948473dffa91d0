"""The difference between two scans, as the page shows it: figures that add up, and groups by what caused it.

Source of the rules: the console's design, section 7, "Difference". Pure.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from assay.console.chart import Counts
from assay.console.results import LETTERS
from assay.console.words import listing, plural
from assay.scanning import model

KINDS = model.ChangeKind

#: Change → how a row says it (words, colour).
MARKS = {
    KINDS.NEW: ("+ New", "bad"),
    KINDS.FIXED: ("− Fixed", "ok"),
    KINDS.RATED_ANEW: ("Rated anew", "warn"),
    KINDS.WITHDRAWN: ("− Withdrawn", "ok"),
    KINDS.NARROWED: ("− Not affected", "ok"),
    KINDS.JOINED: ("− Joined", "off"),
}
#: The figures, in their order: change, sign of the sum, words.
FIGURES = (
    (KINDS.NEW, "+", "New"),
    (KINDS.FIXED, "−", "Fixed: the packages are others"),
    (KINDS.RATED_ANEW, "", "Rated anew"),
    (KINDS.WITHDRAWN, "−", "Withdrawn by their source"),
    (KINDS.NARROWED, "−", "No longer counted as affected"),
    (KINDS.JOINED, "−", "Found to be one with another"),
)
GROUPINGS = ("cause", "package", "severity")
GONE = (KINDS.FIXED, KINDS.WITHDRAWN, KINDS.NARROWED, KINDS.JOINED)


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the sums; its link leads to the first group that has one."""

    sign: str
    count: int
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Row:
    """One changed problem."""

    mark: str
    kind: str
    before: str
    after: str
    name: str
    link: str
    summary: str
    packages: tuple[model.VulnerablePackage, ...]
    fixed: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one cause, package or severity, with their sum; `counts` are of the new ones by severity."""

    id: str
    sign: str
    words: str
    sum: str
    counts: Counts | None
    rows: tuple[Row, ...]
    open: bool


def figures(changes: tuple[model.ProblemChange, ...], groups: tuple[Group, ...]) -> tuple[Figure, ...]:
    """The sums. A problem counts once, by its kind, so that A + new − fixed − withdrawn − narrowed − joined = B.

    The sixth, joined, is seldom and stands only where there is one.
    """

    def first(kind: model.ChangeKind) -> str:
        mark = MARKS[kind][0]
        return next((f"#{group.id}" for group in groups if any(mark in row.mark for row in group.rows)), "#diff-h")

    found = []
    for kind, sign, words in FIGURES:
        count = sum(change.kind is kind for change in changes)
        if kind is KINDS.JOINED and not count:
            continue
        found.append(Figure(sign if count else "", count, words, first(kind)))
    return tuple(found)


def grouped(changes: tuple[model.ProblemChange, ...], by: str) -> tuple[Group, ...]:
    """The changes in groups: by cause the newest feed revision first, by package or severity the largest first."""
    keys: dict[str, Callable[[model.ProblemChange], tuple[int, str]]] = {
        "cause": _cause,
        "package": lambda change: (0, listing(sorted({package.name for package in change.packages}))),
        "severity": lambda change: (int(change.after or change.before or 0), ""),
    }
    parts: dict[tuple[int, str], list[model.ProblemChange]] = {}
    for change in changes:
        parts.setdefault(keys[by](change), []).append(change)
    ordered = sorted(parts.items(), key=lambda part: (-part[0][0], -len(part[1]), part[0][1]))
    return tuple(_group(index, key, tuple(part), by) for index, (key, part) in enumerate(ordered))


def _cause(change: model.ProblemChange) -> tuple[int, str]:
    """The feed revision that decided, or the packages of the image (last)."""
    if change.cause is model.ChangeCause.PACKAGES or not change.because:
        return (0, "packages")
    return (max(because.revision for because in change.because), "")


def _group(index: int, key: tuple[int, str], part: tuple[model.ProblemChange, ...], by: str) -> Group:
    number, name = key
    if by == "cause":
        packages = sorted({package.name for change in part for package in change.packages})
        words = (
            f"Feed revision r{number}: advisories for {listing(packages)}"
            if number
            else f"Other packages in the image: {listing(packages)}"
        )
    else:
        words = name or {5: "Critical", 4: "High", 3: "Medium", 2: "Unrated", 1: "Low"}[number]
    new = [change.after for change in part if change.kind is KINDS.NEW]
    by_letter = Counter(LETTERS[severity] for severity in new if severity)
    counts = (by_letter["c"], by_letter["h"], by_letter["m"], by_letter["l"], by_letter["u"])
    return Group(
        id=f"group-{index + 1}",
        sign={"cause": "feed" if number else "box", "package": "box"}.get(by, "rule"),
        words=words,
        sum=_sum(part),
        counts=counts if any(counts) else None,
        rows=tuple(_row(change) for change in part),
        open=index < 3,
    )


def _sum(part: tuple[model.ProblemChange, ...]) -> str:
    """What a group adds and takes away: `+4`, `−1`, `+2, −1`, `3 rated anew`."""
    new = sum(change.kind is KINDS.NEW for change in part)
    gone = sum(change.kind in GONE for change in part)
    anew = sum(change.kind is KINDS.RATED_ANEW for change in part)
    said = [f"+{new}" if new else "", f"−{gone}" if gone else "", f"{anew} rated anew" if anew else ""]
    return ", ".join(filter(None, said))


def _row(change: model.ProblemChange) -> Row:
    mark, kind = MARKS[change.kind]
    if change.kind is KINDS.RATED_ANEW:
        mark = f"{'↑' if (change.after or 0) > (change.before or 0) else '↓'} {mark}"
    return Row(
        mark=mark,
        kind=kind,
        before=LETTERS[change.before] if change.before else "",
        after=LETTERS[change.after] if change.after else "",
        name=change.name,
        link=change.link,
        summary=change.summary,
        packages=change.packages,
        fixed=tuple(sorted({package.fix for package in change.packages if package.fix})),
        because="; ".join(f"{because.advisory}, {because.reason}" for because in change.because[:2])
        or plural(len(change.packages), "other package"),
    )
