"""What one vulnerability says of components: whether it affects them, how badly, who says so, and what ends it. Pure.

The unit is the vulnerability, not the package: all statements of the whole alias class are looked at together, as a
rating in one database rates what another left unrated. The outcome for one component does not depend on any other.

What the distribution packaged is matched as the distribution's package alone: language files that one of its packages
owns are not subjects at all (`composition.py` leaves them out), since the distribution's own advisories know which of
its versions carry a fix that the language's version number does not show.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from assay.advisories import Severity, Standing, Statement, affects, best_severity

K = TypeVar("K")


class Subject(NamedTuple):
    """A component as advisories see it: ecosystem with release, the name they use, and the version of that."""

    ecosystem: str
    package: str
    version: str


#: The number that stands for "in doubt" where severities are numbers: below them all, so that it counts as no problem.
DOUBT = 0


class Decision(NamedTuple):
    """How a vulnerability affects a component. `fix` is empty when no version ends it.

    `severity` None: in doubt. Whether the component is affected could not be found out; that is no match, and nothing
    that holds it may be called whole.
    """

    severity: Severity | None
    advisory: str
    fix: str

    @property
    def number(self) -> int:
        """The severity as a number, DOUBT when there is none."""
        return DOUBT if self.severity is None else int(self.severity)


def decide(statements: Sequence[Statement], components: Mapping[K, Subject]) -> dict[K, Decision]:
    """The components that are affected or in doubt, each with its decision.

    `statements` are all of one vulnerability, withdrawn ones left out. The severity is the highest that a statement
    hitting the component gives, else the best that any statement of the vulnerability gives, else unrated. The deciding
    advisory is the one with that highest rating; among equals one that names a fix, then the first by name. A component
    is in doubt when no statement on its package can be decided for its version; where one can, its word settles it.
    """
    by_package: defaultdict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        by_package[statement.ecosystem, statement.package].append(statement)
    decisions: dict[K, Decision] = {}
    for key, subject in components.items():
        hits, open_ones, is_settled = [], [], False
        for statement in by_package.get((subject.ecosystem, subject.package), ()):
            effect = affects.effect(statement, subject.version)
            if effect.standing is Standing.AFFECTED:
                hits.append((statement, effect.fixed or ""))
            elif effect.standing is Standing.UNDECIDED:
                open_ones.append(statement.advisory)
            else:
                is_settled = True
        if hits:
            decisions[key] = _decision(hits, statements)
        elif open_ones and not is_settled:
            decisions[key] = Decision(None, min(open_ones), "")
    return decisions


def _decision(hits: list[tuple[Statement, str]], statements: Sequence[Statement]) -> Decision:
    hits.sort(key=_weight)
    severity = best_severity(statement for statement, _ in hits)
    if severity is Severity.UNRATED:
        severity = best_severity(statements)
    return Decision(severity, hits[0][0].advisory, next((fix for _, fix in hits if fix), ""))


def _weight(hit: tuple[Statement, str]) -> tuple[int, bool, str]:
    statement, fix = hit
    return (-(statement.severity or 0), not fix, statement.advisory)
