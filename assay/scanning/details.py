"""The problems of a scan as of its revision: which vulnerabilities, how bad, in which packages, and where they lie."""

from collections.abc import Container, Iterable, Mapping

from sqlalchemy import Connection

from assay.advisories import Severity, revisions, vulnerabilities
from assay.advisories.vulnerabilities import VulnerabilityDetails
from assay.clock import Instant
from assay.iam import Actor
from assay.inventory import Component
from assay.scanning import places, results
from assay.scanning.model import (
    InstalledPackage,
    Location,
    Problem,
    ProblemState,
    Scan,
    ScanDetails,
    VulnerablePackage,
)
from assay.scanning.records import components, inventories, matches, scans
from assay.scanning.records.matches import Interval
from assay.scanning.records.scans import ScanRow
from assay.storage import Store

Locations = Mapping[int, tuple[Location, ...]]


def get(store: Store, actor: Actor, ocid: str) -> ScanDetails:
    """A scan with its problems: open ones, and those that feeds have ended. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        row = results.readable(store, connection, actor, ocid, results.GET)
        published = revisions.published_revision(connection)
        scan = results.scan_of(store, connection, row)
        return ScanDetails(scan, _problems(connection, row, scan), row.inventory.readable_until(published))


def installed(store: Store, actor: Actor, ocid: str) -> tuple[InstalledPackage, ...]:
    """All packages of the image that a scan (by OCID) saw, by name, then version. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        row = results.readable(store, connection, actor, ocid, results.GET)
        locations = locations_of(connection, row.inventory.id)
        known = components.known_components(connection, locations.keys())
    found = [
        InstalledPackage(each.ecosystem, each.name, each.version, each.architecture, each.source, locations[number])
        for number, each in known.items()
    ]
    return tuple(sorted(found, key=lambda each: (each.name, each.ecosystem, each.version, each.architecture)))


def locations_of(connection: Connection, inventory_id: int) -> Locations:
    """Where each component of an image lies, by platform, layer and path."""
    found: dict[int, list[Location]] = {}
    for layer in inventories.places(connection, inventory_id):
        for place in places.unpacked(layer.places):
            found.setdefault(place.component, []).append(
                Location(place.path, layer.layer, layer.position, layer.platform)
            )
    return {component: tuple(all_of_it) for component, all_of_it in found.items()}


def packages_of(
    connection: Connection, rows: Iterable[Interval], locations: Locations
) -> dict[int, tuple[VulnerablePackage, ...]]:
    """The packages that each vulnerability is found in, the worst first, then by name, version and architecture."""
    rows = list(rows)
    known = components.known_components(connection, {row.component for row in rows})
    found: dict[int, list[VulnerablePackage]] = {}
    for row in rows:
        package = _package(row, known[row.component], locations.get(row.component, ()))
        found.setdefault(row.vulnerability, []).append(package)
    return {vulnerability: tuple(sorted(each, key=_weight)) for vulnerability, each in found.items()}


def _package(row: Interval, component: Component, locations: tuple[Location, ...]) -> VulnerablePackage:
    return VulnerablePackage(
        ecosystem=component.ecosystem,
        name=component.name,
        version=component.version,
        architecture=component.architecture,
        fix=row.fix,
        severity=Severity(row.severity),
        advisory=row.advisory,
        locations=locations,
    )


def _weight(package: VulnerablePackage) -> tuple[int, str, str, str]:
    return (-package.severity, package.name, package.version, package.architecture)


def told_as_of(connection: Connection, revisions_of: Mapping[int, int]) -> dict[int, VulnerabilityDetails]:
    """Names and texts of vulnerabilities, each as of its own revision."""
    by_revision: dict[int, list[int]] = {}
    for vulnerability, rev in revisions_of.items():
        by_revision.setdefault(rev, []).append(vulnerability)
    told: dict[int, VulnerabilityDetails] = {}
    for rev, ids in by_revision.items():
        told.update(vulnerabilities.vulnerability_details(connection, ids, rev))
    return told


def _problems(connection: Connection, row: ScanRow, scan: Scan) -> tuple[Problem, ...]:
    if row.inventory.chain is None:
        return ()
    everything = components.components_of(connection, row.inventory.chain)
    history: dict[int, list[Interval]] = {}
    for interval in matches.intervals(connection, everything, row.inventory.from_rev, row.rev):
        history.setdefault(interval.vulnerability, []).append(interval)
    in_doubt = {vulnerability for _, vulnerability in matches.doubts(connection, everything, row.rev)}
    shown = _shown(history, row.rev, in_doubt)
    known = packages_of(
        connection, (each for rows in shown.values() for each in rows), locations_of(connection, row.inventory.id)
    )
    told = told_as_of(connection, {each: min(row.rev, rows[0].until_rev - 1) for each, rows in shown.items()})
    times = _Times(scans.times(connection, row.inventory.id), scan)
    problems = [
        _problem(told[vulnerability], known[vulnerability], shown[vulnerability], history[vulnerability], times)
        for vulnerability in shown
        if vulnerability in told
    ]
    return tuple(sorted(problems, key=lambda each: (each.state is ProblemState.FIXED, -each.severity, each.name)))


def _shown(history: Mapping[int, list[Interval]], rev: int, in_doubt: Container[int]) -> dict[int, list[Interval]]:
    """The matches to show of each vulnerability: those that hold as of `rev`, else those that ended last.

    What is told under another name now (its advisory was joined to another vulnerability) is open there, not fixed;
    what is in doubt by now is neither.
    """
    shown: dict[int, list[Interval]] = {}
    told_open: set[tuple[int, str]] = set()
    for vulnerability, rows in history.items():
        if holding := [each for each in rows if each.until_rev > rev]:
            shown[vulnerability] = holding
            told_open.update((each.component, each.advisory) for each in holding)
    for vulnerability, rows in history.items():
        if vulnerability not in shown and vulnerability not in in_doubt:
            last = max(each.until_rev for each in rows)
            ended = [each for each in rows if each.until_rev == last]
            if any((each.component, each.advisory) not in told_open for each in ended):
                shown[vulnerability] = ended
    return shown


class _Times:
    """When the scans of an image were made, to date what began and ended with a revision."""

    def __init__(self, by_revision: Mapping[int, Instant], scan: Scan) -> None:
        self._known = sorted((rev, at) for rev, at in by_revision.items() if rev <= scan.revision)
        self.scan = scan

    def first_from(self, rev: int) -> Instant:
        """The first scan as of `rev` or later."""
        return next((at for known, at in self._known if known >= rev), self.scan.time_created)

    def last_before(self, rev: int) -> Instant:
        """The last scan as of an earlier revision than `rev`."""
        return next((at for known, at in reversed(self._known) if known < rev), self.scan.time_created)


def _problem(
    told: VulnerabilityDetails,
    packages: tuple[VulnerablePackage, ...],
    shown: list[Interval],
    history: list[Interval],
    times: _Times,
) -> Problem:
    is_open = shown[0].until_rev > times.scan.revision
    return Problem(
        name=told.name,
        aliases=told.aliases,
        summary=told.summary,
        description=told.description,
        link=told.link,
        severity=packages[0].severity,
        state=ProblemState.OPEN if is_open else ProblemState.FIXED,
        packages=packages,
        time_first_detected=times.first_from(min(each.from_rev for each in history)),
        time_last_detected=times.scan.time_created if is_open else times.last_before(shown[0].until_rev),
    )
