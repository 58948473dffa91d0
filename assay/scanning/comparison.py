"""The difference between two scans: what is new, fixed, rated anew or withdrawn, and whether feed or packages did it.

Between the two stands a third, never made scan: the packages of the first as of the revision of the second. What
changes from the first to it is the feed's doing; what changes from it to the second is the packages'. For two scans of
one image the packages are the same, and all is the feed's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import Severity, vulnerabilities
from assay.advisories.vulnerabilities import AdvisoryChange, VulnerabilityDetails
from assay.advisories.vulnerabilities import ChangeKind as WordKind
from assay.iam import Actor
from assay.scanning import details, results
from assay.scanning.model import Because, ChangeCause, ChangeKind, Difference, ProblemChange, VulnerablePackage
from assay.scanning.records import components, matches
from assay.scanning.records.matches import Interval
from assay.scanning.records.scans import ScanRow
from assay.storage import Store

COMPARE = "CompareContainerScanResults"

#: Severity by vulnerability.
Problems = Mapping[int, int]

_ORDER = tuple(ChangeKind)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one vulnerability. `before` and `after` are 0 where it isn't there."""

    vulnerability: int
    kind: ChangeKind
    cause: ChangeCause
    before: int
    after: int


def compare(store: Store, actor: Actor, before: str, after: str) -> Difference:
    """What changed from the scan `before` to the scan `after`, grouped by kind, the worst first, then by name.

    Errors: Refused (NOT_FOUND).
    """
    with store.database.read() as connection:
        first = results.readable(store, connection, actor, before, COMPARE)
        second = results.readable(store, connection, actor, after, COMPARE)
        held_first, held_second = _components(connection, first), _components(connection, second)
        old = matches.intervals(connection, held_first, first.rev, first.rev)
        middle = matches.intervals(connection, held_first, second.rev, second.rev)
        new = matches.intervals(connection, held_second, second.rev, second.rev)
        steps = differing(problems(old), problems(middle), problems(new), renamed(old, middle))
        # What is in doubt by now is not gone; the second scan says of it that it is partial, and why.
        in_doubt = {vulnerability for _, vulnerability in matches.doubts(connection, held_second, second.rev)}
        steps = [step for step in steps if step.after or step.vulnerability not in in_doubt]
        changes = _told(connection, first, second, steps, old, new)
        return Difference(
            results.scan_of(store, connection, first), results.scan_of(store, connection, second), changes
        )


def problems(rows: Iterable[Interval]) -> dict[int, int]:
    """The highest severity of each vulnerability."""
    found: dict[int, int] = {}
    for row in rows:
        found[row.vulnerability] = max(row.severity, found.get(row.vulnerability, 0))
    return found


def renamed(old: Sequence[Interval], middle: Sequence[Interval]) -> dict[int, int]:
    """Vulnerability → the one it is told as later: where all its packages are still found, by the same advisories."""
    later = {(row.component, row.advisory): row.vulnerability for row in middle}
    still = {row.vulnerability for row in middle}
    heirs: dict[int, set[int | None]] = {}
    for row in old:
        if row.vulnerability not in still:
            heirs.setdefault(row.vulnerability, set()).add(later.get((row.component, row.advisory)))
    return {
        vulnerability: heir
        for vulnerability, found in heirs.items()
        if len(found) == 1 and (heir := next(iter(found))) is not None
    }


def differing(old: Problems, middle: Problems, new: Problems, heirs: Mapping[int, int]) -> list[Step]:
    """What became of each vulnerability from `old` to `new`. `middle`: the packages of the first, known as the second.

    What the feed took away is a NARROWED step here; whether it was withdrawn, only the advisories' history tells.
    """
    steps: list[Step] = []
    before: dict[int, int] = {}
    for vulnerability, severity in sorted(old.items(), key=lambda item: (item[0] in heirs, item)):
        told_as = heirs.get(vulnerability, vulnerability)
        if told_as in before:
            steps.append(Step(vulnerability, ChangeKind.JOINED, ChangeCause.FEED, severity, 0))
        else:
            before[told_as] = severity
    for vulnerability in sorted({*before, *new}):
        was, known, now = before.get(vulnerability, 0), middle.get(vulnerability, 0), new.get(vulnerability, 0)
        if was == now:
            continue
        if was and now:
            kind, by_feed = ChangeKind.RATED_ANEW, known != was
        elif now:
            kind, by_feed = ChangeKind.NEW, known > 0
        else:
            kind, by_feed = (ChangeKind.FIXED, False) if known else (ChangeKind.NARROWED, True)
        steps.append(Step(vulnerability, kind, ChangeCause.FEED if by_feed else ChangeCause.PACKAGES, was, now))
    return steps


def _components(connection: Connection, row: ScanRow) -> tuple[int, ...]:
    chain = row.inventory.chain
    return () if chain is None else components.components_of(connection, chain)


def _told(
    connection: Connection,
    first: ScanRow,
    second: ScanRow,
    steps: Sequence[Step],
    old: Sequence[Interval],
    new: Sequence[Interval],
) -> tuple[ProblemChange, ...]:
    gone = {step.vulnerability for step in steps if not step.after}
    there = {step.vulnerability for step in steps if step.after}
    packages = details.packages_of(
        connection,
        [row for row in old if row.vulnerability in gone],
        details.locations_of(connection, first.inventory.id),
    ) | details.packages_of(
        connection,
        [row for row in new if row.vulnerability in there],
        details.locations_of(connection, second.inventory.id),
    )
    told = details.told_as_of(connection, dict.fromkeys(gone, first.rev) | dict.fromkeys(there, second.rev))
    by_feed = [step.vulnerability for step in steps if step.cause is ChangeCause.FEED]
    low, high = sorted((first.rev, second.rev))
    words = vulnerabilities.changes_between(connection, by_feed, low, high)
    changes = [
        _change(step, told[step.vulnerability], packages[step.vulnerability], words.get(step.vulnerability, ()))
        for step in steps
        if step.vulnerability in told
    ]
    return tuple(
        sorted(changes, key=lambda each: (_ORDER.index(each.kind), -(each.after or each.before or 0), each.name))
    )


def _change(
    step: Step,
    told: VulnerabilityDetails,
    packages: tuple[VulnerablePackage, ...],
    words: Sequence[AdvisoryChange],
) -> ProblemChange:
    kind = step.kind
    if kind is ChangeKind.NARROWED and _is_withdrawn(packages, words):
        kind = ChangeKind.WITHDRAWN
    return ProblemChange(
        kind=kind,
        cause=step.cause,
        name=told.name,
        summary=told.summary,
        link=told.link,
        before=Severity(step.before) if step.before else None,
        after=Severity(step.after) if step.after else None,
        packages=packages,
        because=tuple(Because(word.advisory, word.rev, word.reason) for word in _concerning(packages, words)),
    )


def _concerning(packages: tuple[VulnerablePackage, ...], words: Sequence[AdvisoryChange]) -> Sequence[AdvisoryChange]:
    """The words of advisories on these packages' ecosystems; where none of them changed, another's word did it."""
    ecosystems = {package.ecosystem for package in packages}
    return [word for word in words if not ecosystems.isdisjoint(word.ecosystems)] or words


def _is_withdrawn(packages: tuple[VulnerablePackage, ...], words: Sequence[AdvisoryChange]) -> bool:
    """Whether the last word on the packages was taken back as a whole, rather than changed."""
    decided = {package.advisory for package in packages}
    return any(word.kind is WordKind.REMOVED and word.advisory in decided for word in words)
