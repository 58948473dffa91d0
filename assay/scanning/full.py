"""The full recomputation: everything that is stored, made again from advisories and components alone, and compared.

For the nightly check and for tests. It reads as of the published revision and writes nothing; a difference is a fault
of the program (or of a disk) and is told, never mended in silence.
"""

from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import revisions, vulnerabilities
from assay.scanning.counting import Vector, highest, own_total, raise_to
from assay.scanning.decide import DOUBT
from assay.scanning.evaluation import decisions_for
from assay.scanning.records import components, matches, scans, totals
from assay.scanning.records.batches import batches
from assay.scanning.records.components import ChainRow
from assay.scanning.risk import state_of
from assay.storage import Store

PACKAGES_AT_ONCE = 500
CHAINS_AT_ONCE = 1_000

#: Component → vulnerability → severity.
AllRatings = Mapping[int, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Check:
    """What was compared as of `revision`, and how much of it differed."""

    revision: int
    components: int
    matches: int
    chains: int
    images: int
    wrong_matches: int
    wrong_totals: int
    wrong_scans: int

    @property
    def mismatches(self) -> int:
        """All differences."""
        return self.wrong_matches + self.wrong_totals + self.wrong_scans


def check(store: Store) -> Check:
    """Make all matches, totals and latest scans anew as of the published revision, and compare them with the stored."""
    with store.database.read() as connection:
        rev = revisions.published_revision(connection)
        made = _matches(connection, rev)
        chains, wrong_totals, in_doubt = _totals(connection, rev, made)
        images, wrong_scans = _scans(connection, rev, in_doubt)
    return Check(rev, made.components, made.matches, chains, images, made.wrong, wrong_totals, wrong_scans)


@dataclass(frozen=True, slots=True)
class _Made:
    """All ratings made anew, and the components of which anything is in doubt; how many were looked at, and differ."""

    ratings: AllRatings
    doubted: Set[int]
    components: int
    matches: int
    wrong: int


def _matches(connection: Connection, rev: int) -> _Made:
    ratings: dict[int, dict[int, int]] = {}
    doubted: set[int] = set()
    seen = found = wrong = 0
    after = ("", "")
    while packages := components.packages_after(connection, after, PACKAGES_AT_ONCE):
        subjects = components.subjects_of_packages(connection, packages)
        made = {
            (vulnerability, component, each.number, each.advisory, each.fix)
            for vulnerability, decided in decisions_for(connection, subjects, rev).items()
            for component, each in decided.items()
        }
        stored = {
            (row.vulnerability, row.component, row.severity, row.advisory, row.fix)
            for row in matches.of_components(connection, list(subjects), rev)
        }
        for vulnerability, component, severity, _, _ in made:
            ratings.setdefault(component, {})[vulnerability] = severity
            if severity == DOUBT:
                doubted.add(component)
        uncovered = vulnerabilities.uncovered(connection, {ecosystem for ecosystem, _ in packages}, rev)
        doubted.update(component for component, each in subjects.items() if each.ecosystem in uncovered)
        seen += len(subjects)
        found += len(made)
        wrong += len(made ^ stored)
        after = packages[-1]
    return _Made(ratings, doubted, seen, found, wrong)


def _totals(connection: Connection, rev: int, made: _Made) -> tuple[int, int, set[int]]:
    """The number of chains, of those whose own total is stored otherwise, and the chains that hold what is in doubt."""
    in_doubt: set[int] = set()
    rows = list(components.all_chains(connection))
    inner = {row.parent for row in rows}
    wrong = 0
    below: list[dict[int, int]] = []
    for piece in batches(_depth_first(rows), CHAINS_AT_ONCE):
        bodies = components.set_bodies(connection, {row.set for row in piece})
        stored = totals.as_of(connection, [row.id for row in piece], rev)
        for row in piece:
            if row.parent in in_doubt or not made.doubted.isdisjoint(bodies[row.set]):
                in_doubt.add(row.id)
            del below[row.level :]
            under = below[-1] if below else {}
            here = highest(bodies[row.set], made.ratings)
            wrong += own_total(here, under) != stored.get(row.id)
            if row.id in inner:
                below.append(dict(under))
                raise_to(below[-1], here)
    return len(rows), wrong, in_doubt


def _depth_first(rows: Sequence[ChainRow]) -> Iterator[ChainRow]:
    """Every chain behind its parent and before its parent's next child, so that what lies below is at hand."""
    children: dict[int, list[ChainRow]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    waiting = children.pop(0, [])
    while waiting:
        row = waiting.pop()
        yield row
        waiting.extend(children.pop(row.id, ()))


def _scans(connection: Connection, rev: int, in_doubt: Container[int]) -> tuple[int, int]:
    """The number of images that are looked at, and of those whose latest scan is not what their path says."""
    images = wrong = 0
    after = 0
    while rows := scans.latest_of_live(connection, after, CHAINS_AT_ONCE, rev):
        counted: Mapping[int, Vector] = totals.of_inventories(connection, [row.inventory.id for row in rows], rev)
        images += len(rows)
        for row in rows:
            state = state_of(row.inventory.state, in_doubt=row.inventory.chain in in_doubt)
            wrong += (row.vector, row.state) != (counted[row.inventory.id], state)
        after = rows[-1].inventory.id
    return images, wrong
