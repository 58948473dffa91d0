"""Phase 3: the own totals of chains that the changed matches change, vulnerability by vulnerability."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.scanning.counting import Ledger, Tree, add_differences, summed
from assay.scanning.records import components, matches, totals
from assay.scanning.records.components import ChainRow
from assay.scanning.rescan.pace import Pace
from assay.storage import Store

PHASE = 3
VULNERABILITIES_AT_ONCE = 200


def recount(store: Store, rev: int, cursor: int, pace: Pace) -> None:
    """Write the totals of all changed chains behind the chain `cursor`; leaves the revision at phase 4."""
    ledger = differences(store, rev)
    waiting = sorted(chain for chain, row in ledger.items() if chain > cursor and any(row))
    while waiting:
        now, waiting = waiting[: pace.rows], waiting[pace.rows :]
        with store.database.read() as connection:
            before = totals.as_of(connection, now, rev - 1)
        after = {chain: summed([before[chain], ledger[chain]]) for chain in now}
        with pace.batch(rev, PHASE) as connection:
            totals.put(connection, rev, after)
            revisions.save_phase(connection, rev, PHASE, now[-1])
    with pace.batch(rev, PHASE) as connection:
        revisions.save_phase(connection, rev, PHASE + 1, 0)


def differences(store: Store, rev: int) -> Ledger:
    """What the revision changes in the own total of each chain. Looks at nothing but what was touched."""
    ledger: Ledger = {}
    tree = Tree()
    after = 0
    while True:
        with store.database.read() as connection:
            ids = revisions.touched_vulnerabilities(connection, rev, after, VULNERABILITIES_AT_ONCE)
            if not ids:
                return ledger
            changed = matches.before_and_after(connection, ids, rev)
            holders = _holders(connection, changed.values())
            grow(connection, tree, {each for sets in holders.values() for each in sets})
        for severities in changed.values():
            add_differences(ledger, _by_set(severities, holders), tree)
        after = ids[-1]


def grow(connection: Connection, tree: Tree, sets: Iterable[int]) -> None:
    """Bring the chains that end in these sets into the tree, and all that they stand on."""
    unknown = [each for each in sets if not tree.knows_set(each)]
    ending: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    missing: set[int] = set()
    for row in components.chains_ending_in(connection, unknown):
        ending[row.set].append((row.id, row.parent))
        missing.add(row.parent)
    lower: list[ChainRow] = []
    while missing := {each for each in missing if not tree.knows_chain(each)}:
        lower += components.chains(connection, missing)
        missing = {row.parent for row in lower} - {row.id for row in lower}
    for row in sorted(lower, key=lambda row: row.level):
        tree.add_chain(row.id, row.set, row.parent)
    for each in unknown:
        tree.add_set(each, ending.get(each, ()))


def _holders(connection: Connection, changed: Iterable[Mapping[int, object]]) -> dict[int, list[int]]:
    """Component → the sets that hold it."""
    return components.sets_holding(connection, sorted({each for severities in changed for each in severities}))


def _by_set(severities: Mapping[int, tuple[int, int]], holders: Mapping[int, list[int]]) -> dict[int, tuple[int, int]]:
    """The highest severity of one vulnerability, before and after, in each set that holds one of its components."""
    found: dict[int, tuple[int, int]] = {}
    for component, both in severities.items():
        before, after = both
        for component_set in holders.get(component, ()):
            there = found.get(component_set)
            if there is None:
                found[component_set] = both
            elif there != both:
                found[component_set] = (max(before, there[0]), max(after, there[1]))
    return found
