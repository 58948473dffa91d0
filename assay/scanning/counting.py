"""How many problems: exact counts of images from own totals of chains, without looking at an image.

An inventory is a path of disjoint component sets, bottom first; equal prefixes of paths are one *chain*. What a chain's
set adds to the problems of its parent is the chain's **own total**: a vulnerability not yet below counts +1 at its
severity; one that is below with a lower severity counts −1 there and +1 here; any other counts nothing. The sum of the
own totals along a path telescopes to the problems of the image, each once, by its highest severity.

Severities are the numbers of `advisories.Severity`: 5 critical, 4 high, 3 medium, 2 unrated, 1 low; 0 is "not there".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from assay.errors import Refused

SEVERITIES = (5, 4, 3, 2, 1)

#: Signed numbers by severity, 5 first: an own total, or the difference of two.
Vector = tuple[int, int, int, int, int]
ZERO: Vector = (0, 0, 0, 0, 0)

#: Severity by vulnerability, for one set or for all sets of a path up to some level.
Ratings = Mapping[int, int]

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Counts:
    """Problems of one image by highest severity; none is negative."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    unrated: int = 0
    low: int = 0

    def __post_init__(self) -> None:
        if min(self.vector) < 0:
            raise Refused(f"An image cannot have {self.vector} problems.")

    @classmethod
    def of(cls, vector: Sequence[int]) -> Self:
        """The counts that a sum of own totals says."""
        return cls(*vector)

    @property
    def vector(self) -> Vector:
        """The five numbers, severity 5 first."""
        return (self.critical, self.high, self.medium, self.unrated, self.low)

    @property
    def total(self) -> int:
        """All problems."""
        return sum(self.vector)


def ratings_by_component(rows: Iterable[tuple[int, int, int]]) -> dict[int, dict[int, int]]:
    """Component → vulnerability → severity, from (component, vulnerability, severity)."""
    ratings: dict[int, dict[int, int]] = {}
    for component, vulnerability, severity in rows:
        ratings.setdefault(component, {})[vulnerability] = severity
    return ratings


def highest(components: Iterable[K], ratings: Mapping[K, Ratings]) -> dict[int, int]:
    """The highest severity of each vulnerability among some components."""
    found: dict[int, int] = {}
    for component in components:
        there = ratings.get(component)
        if there:
            raise_to(found, there)
    return found


def raise_to(found: dict[int, int], there: Ratings) -> None:
    """Let `found` have the higher severity of the two for each vulnerability."""
    known = found.get
    found.update([item for item in there.items() if item[1] > known(item[0], 0)])


def own_totals(levels: Iterable[Ratings]) -> tuple[Vector, ...]:
    """The own total of each chain of a path, from what each level's set holds, bottom first."""
    below: dict[int, int] = {}
    totals = []
    for here in levels:
        totals.append(own_total(here, below))
        raise_to(below, here)
    return tuple(totals)


def own_total(here: Ratings, below: Ratings) -> Vector:
    """What a set with `here` adds on top of a path with `below`."""
    row = [0] * 5
    known = below.get
    for vulnerability, severity in here.items():
        _count(row, severity, known(vulnerability, 0), 1)
    return _vector(row)


def summed(vectors: Iterable[Sequence[int]]) -> Vector:
    """Own totals along a path, added up; or an own total and its difference."""
    columns = [sum(column) for column in zip(*vectors, strict=True)]
    return _vector(columns) if columns else ZERO


class Tree:
    """The part of the chain forest that a computation needs: which chains end in a set, and what lies below them."""

    def __init__(self) -> None:
        self._ending: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
        self._sets: dict[int, tuple[int, ...]] = {0: ()}

    def add_chain(self, chain: int, component_set: int, parent: int) -> None:
        """Say of a chain that others stand on which set it ends in; its parent (0: none) must have been said before."""
        self._sets[chain] = (*self._sets[parent], component_set)

    def add_set(self, component_set: int, chains: Iterable[tuple[int, int]]) -> None:
        """Say all chains that end in a set, as (chain, parent); their parents must have been said before."""
        self._ending[component_set] = [(chain, self._sets[parent]) for chain, parent in chains]

    def knows_set(self, component_set: int) -> bool:
        """Whether `add_set` was called for it."""
        return component_set in self._ending

    def knows_chain(self, chain: int) -> bool:
        """Whether `add_chain` was called for it; 0, no chain, is known."""
        return chain in self._sets

    def ending(self, component_set: int) -> Sequence[tuple[int, tuple[int, ...]]]:
        """(chain, sets below it) of each chain that ends in the set."""
        return self._ending[component_set]


#: The changes of own totals by chain, filled vulnerability by vulnerability.
Ledger = dict[int, list[int]]


def add_differences(ledger: Ledger, ratings: Mapping[int, tuple[int, int]], tree: Tree) -> None:
    """Add to `ledger` what one vulnerability changes.

    `ratings` gives, for *every* set that holds one of its components, the highest severity (before, after): also for
    sets in which nothing changed, as they decide what counts above them.
    """
    for component_set, (before, after) in ratings.items():
        for chain, below in tree.ending(component_set):
            below_before = below_after = 0
            for lower in below:
                there = ratings.get(lower)
                if there is not None:
                    if there[0] > below_before:
                        below_before = there[0]
                    if there[1] > below_after:
                        below_after = there[1]
            if before == after and below_before == below_after:
                continue
            row = ledger.get(chain)
            if row is None:
                row = ledger[chain] = [0] * 5
            _count(row, before, below_before, -1)
            _count(row, after, below_after, 1)


def _count(row: list[int], severity: int, below: int, sign: int) -> None:
    """Count one vulnerability of a set at `severity` on top of `below`."""
    if severity > below:
        row[5 - severity] += sign
        if below:
            row[5 - below] -= sign


def _vector(row: Sequence[int]) -> Vector:
    critical, high, medium, unrated, low = row
    return (critical, high, medium, unrated, low)
