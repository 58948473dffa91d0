"""Bringing one inventory up to the revision under preparation: one that was pushed, or taken up again, meanwhile.

Computed outside the lock with the same pure functions as everything else; written in a short transaction. That is safe
since only the re-scan writes rows of the coming revision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import vulnerabilities
from assay.scanning.counting import Vector, highest, own_totals, ratings_by_component, summed
from assay.scanning.decide import DOUBT, Decision
from assay.scanning.evaluation import decisions_for, difference
from assay.scanning.model import Cause
from assay.scanning.records import components, inventories, matches, scans, totals
from assay.scanning.records.inventories import Inventory
from assay.scanning.records.matches import Changes, MatchRow
from assay.scanning.rescan.scans import announce
from assay.scanning.risk import state_of
from assay.storage import Store


@dataclass(frozen=True, slots=True)
class Correction:
    """What makes an inventory right as of a revision. `counts` is None when no finding and no doubt changed.

    `in_doubt`: whether anything of it is in doubt as of that revision.
    """

    inventory: Inventory
    changes: Changes
    totals: Mapping[int, Vector]
    counts: Vector | None
    in_doubt: bool


def correction(connection: Connection, inventory_id: int, rev: int, touched: Collection[int]) -> Correction | None:
    """What an inventory lacks as of `rev`; None when there is no such inventory, or nothing of it was read.

    `touched`: the vulnerabilities that `rev` evaluates anew; matches of all others are right already.
    """
    found = inventories.by_id(connection, inventory_id)
    if found is None or found.chain is None:
        return None
    path = components.path(connection, found.chain)
    bodies = components.set_bodies(connection, [step.set for step in path])
    everything = [component for step in path for component in bodies[step.set]]
    standing = matches.of_components(connection, everything, rev)
    subjects = components.subjects(connection, everything)
    decided = decisions_for(connection, subjects, rev, among=touched)
    changes = _changes([row for row in standing if row.vulnerability in touched], decided, rev)
    present = _applied(standing, changes)
    ratings = ratings_by_component((row.component, row.vulnerability, row.severity) for row in present)
    wanted = own_totals(highest(bodies[step.set], ratings) for step in path)
    stored = totals.as_of(connection, [step.id for step in path], rev)
    wrong = {step.id: vector for step, vector in zip(path, wanted, strict=True) if stored.get(step.id) != vector}
    before = {_finding(row) for row in matches.of_components(connection, everything, rev - 1)}
    ecosystems = {each.ecosystem for each in subjects.values()}
    uncovered = vulnerabilities.uncovered(connection, ecosystems, rev)
    was_covered_so = uncovered == vulnerabilities.uncovered(connection, ecosystems, rev - 1)
    is_changed = before != {_finding(row) for row in present} or not was_covered_so
    in_doubt = bool(uncovered) or any(row.severity == DOUBT for row in present)
    return Correction(found, changes, wrong, summed(wanted) if is_changed else None, in_doubt)


def write(store: Store, connection: Connection, rev: int, inventory_id: int, found: Correction | None) -> None:
    """Write a correction, with its scan and its fact, and note that the inventory is up to `rev`."""
    if found is not None:
        matches.apply(connection, rev, found.changes)
        totals.put(connection, rev, found.totals)
        present = inventories.by_id(connection, inventory_id)
        if found.counts is not None and present is not None and present.is_live:
            # Phase 4 may have met the inventory half caught up: what it wrote, nobody has read; this is right.
            was_there = scans.take_back(connection, inventory_id, rev)
            now = store.clock.now()
            state, vector = state_of(present.state, in_doubt=found.in_doubt), found.counts
            scans.add(connection, inventory_id, rev, cause=Cause.FEED, state=state, vector=vector, now=now)
            if not was_there:
                announce(store, connection, rev, [(present.tenancy, present.repository, present.image)])
    inventories.caught_up(connection, rev, inventory_id)


def _changes(standing: Sequence[MatchRow], decided: Mapping[int, Mapping[int, Decision]], rev: int) -> Changes:
    by_vulnerability: dict[int, dict[int, MatchRow]] = {}
    for row in standing:
        by_vulnerability.setdefault(row.vulnerability, {})[row.component] = row
    each = [
        difference(vulnerability, by_vulnerability.get(vulnerability, {}), decided.get(vulnerability, {}), rev)
        for vulnerability in sorted({*by_vulnerability, *decided})
    ]
    return Changes([key for one in each for key in one.ended], [row for one in each for row in one.begun])


def _applied(standing: Sequence[MatchRow], changes: Changes) -> list[MatchRow]:
    ended = set(changes.ended)
    return [row for row in standing if (row.vulnerability, row.component) not in ended] + list(changes.begun)


def _finding(row: MatchRow) -> tuple[int, int, int, str, str]:
    return (row.vulnerability, row.component, row.severity, row.advisory, row.fix)
