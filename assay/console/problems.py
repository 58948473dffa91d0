"""Problems of a scan as rows: filtered, page by page, and as cells for programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from assay.console import words
from assay.console.replies import Cell
from assay.console.results import LETTERS
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.scanning import model

PACKAGES_SHOWN = 3
PATHS_SHOWN = 2
SUMMARY_LENGTH_MAX = 100
FILTERS = ("q", "severity", "fix")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A problem in a table: `since` is when it was first seen here, `places` are layer and path."""

    severity: str
    name: str
    link: str
    summary: str
    packages: tuple[model.VulnerablePackage, ...]
    more_packages: int
    fixed: tuple[str, ...]
    since: int
    places: tuple[tuple[int, str], ...]
    more_places: int


COLUMNS = ("severity", "vulnerability", "summary", "packages", "fixed", "known_since", "locations", "link")


def paged(
    visit: Visit, problems: Sequence[model.Problem]
) -> tuple[tuple[ProblemRow, ...], list[tuple[Cell, ...]], str, int]:
    """The open problems that fit the filters: a page as rows and as cells, the token of the next, and how many fit."""
    severity, fix = visit.one_of("severity", "c", "h", "m", "l", "u"), visit.one_of("fix", "yes", "no")
    wanted = visit.asked("q").lower()
    fitting = [
        problem
        for problem in problems
        if problem.state is model.ProblemState.OPEN
        and (not severity or LETTERS[problem.severity] == severity)
        and (not fix or any(package.fix for package in problem.packages) == (fix == "yes"))
        and (not wanted or wanted in " ".join((problem.name, *problem.aliases, *_names(problem))).lower())
    ]
    part, next_page = part_of(visit, fitting, lambda problem: problem.name)
    return tuple(map(problem_row, part)), list(map(_cells, part)), next_page, len(fitting)


def problem_row(problem: model.Problem) -> ProblemRow:
    """A problem as tables show it."""
    packages = tuple({(each.name, each.version): each for each in problem.packages}.values())
    places = tuple(dict.fromkeys((p.layer_number + 1, p.path) for each in problem.packages for p in each.locations))
    return ProblemRow(
        severity=LETTERS[problem.severity],
        name=problem.name,
        link=problem.link,
        summary=summary_of(problem),
        packages=packages[:PACKAGES_SHOWN],
        more_packages=max(0, len(packages) - PACKAGES_SHOWN),
        fixed=_fixed(problem),
        since=problem.time_first_detected,
        places=places[:PATHS_SHOWN],
        more_places=max(0, len(places) - PATHS_SHOWN),
    )


def summary_of(problem: model.Problem) -> str:
    """What it is about in one line: the summary, else how the description begins."""
    text = " ".join((problem.summary or problem.description).split())
    return text if len(text) <= SUMMARY_LENGTH_MAX else f"{text[: SUMMARY_LENGTH_MAX - 1].rstrip()}…"


def part_of(visit: Visit, rows: Sequence[T], key: Callable[[T], str]) -> tuple[Sequence[T], str]:
    """The page of `rows` after the one that `?after=` names. What is listed stands still: a scan never changes."""
    after = visit.asked("after")
    begin = 0
    if after:
        begin = next((index + 1 for index, row in enumerate(rows) if key(row) == after), -1)
        if begin < 0:
            raise Refused("The page does not belong to this list.", advice="Begin again.", reason=Reason.PAGE_TOKEN)
    part = rows[begin : begin + visit.limit()]
    return part, key(part[-1]) if part and begin + len(part) < len(rows) else ""


def _names(problem: model.Problem) -> tuple[str, ...]:
    return tuple(package.name for package in problem.packages)


def _fixed(problem: model.Problem) -> tuple[str, ...]:
    return tuple(sorted({package.fix for package in problem.packages if package.fix}))


def _cells(problem: model.Problem) -> tuple[Cell, ...]:
    return (
        problem.severity.name.lower(),
        problem.name,
        summary_of(problem),
        tuple(f"{package.name}@{package.version}" for package in problem.packages),
        _fixed(problem),
        words.machine(problem.time_first_detected),
        tuple(place.path for package in problem.packages for place in package.locations),
        problem.link,
    )


def said_filters(visit: Visit) -> str:
    """The filters that are on, in words."""
    said = {"q": "text", "severity": "severity", "fix": "fix"}
    return ", ".join(f"{words_} {visit.asked(name)}" for name, words_ in said.items() if visit.asked(name))
