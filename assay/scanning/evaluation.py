"""From statements to matches: what changes when vulnerabilities are evaluated anew, for all components or for some."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from assay.advisories import Statement, vulnerabilities
from assay.scanning.decide import Decision, Subject, decide
from assay.scanning.records import components, matches
from assay.scanning.records.matches import Changes, MatchRow

K = TypeVar("K")


def changes_of_vulnerabilities(connection: Connection, ids: Collection[int], rev: int) -> dict[int, Changes]:
    """What turns the stored matches as of `rev` of each vulnerability into the right ones, of all components.

    Vulnerabilities whose stored matches are right already are left out, so that a second run finds nothing.
    """
    statements = vulnerabilities.statements_of(connection, ids, rev)
    packages = {(each.ecosystem, each.package) for said in statements.values() for each in said if each.package}
    by_package = _by_package(components.subjects_of_packages(connection, packages))
    standing: dict[int, dict[int, MatchRow]] = {}
    for row in matches.of_vulnerabilities(connection, ids, rev):
        standing.setdefault(row.vulnerability, {})[row.component] = row
    found: dict[int, Changes] = {}
    for vulnerability in sorted(ids):
        said = statements.get(vulnerability, ())
        decisions = decide(said, _concerned(said, by_package))
        changes = difference(vulnerability, standing.get(vulnerability, {}), decisions, rev)
        if changes.rows:
            found[vulnerability] = changes
    return found


def decisions_for(
    connection: Connection, subjects: Mapping[K, Subject], rev: int, among: Collection[int] | None = None
) -> dict[int, dict[K, Decision]]:
    """Vulnerability → component → decision as of `rev`, for these components alone.

    `among`: look at these vulnerabilities only; at all when it is None. Vulnerabilities with neither a
    match nor a doubt are left out.
    """
    by_package = _by_package(subjects)
    affecting = vulnerabilities.vulnerabilities_affecting(connection, list(by_package), rev)
    wanted = {each for ids in affecting.values() for each in ids}
    if among is not None:
        wanted.intersection_update(among)
    statements = vulnerabilities.statements_of(connection, sorted(wanted), rev)
    decided = {each: decide(said, _concerned(said, by_package)) for each, said in statements.items()}
    return {each: decisions for each, decisions in decided.items() if decisions}


def difference(
    vulnerability: int, standing: Mapping[int, MatchRow], decisions: Mapping[int, Decision], rev: int
) -> Changes:
    """What turns the standing matches of one vulnerability into what was decided."""
    begun = [
        MatchRow(vulnerability, component, rev, decision.number, decision.advisory, decision.fix)
        for component, decision in sorted(decisions.items())
        if component not in standing or not _says(standing[component], decision)
    ]
    changed = {row.component for row in begun}
    ended = [
        (vulnerability, component)
        for component in sorted(standing)
        if component in changed or component not in decisions
    ]
    return Changes(ended, begun)


def _says(row: MatchRow, decision: Decision) -> bool:
    return (row.severity, row.advisory, row.fix) == (decision.number, decision.advisory, decision.fix)


def _by_package(subjects: Mapping[K, Subject]) -> dict[tuple[str, str], dict[K, Subject]]:
    grouped: dict[tuple[str, str], dict[K, Subject]] = {}
    for component, subject in subjects.items():
        grouped.setdefault((subject.ecosystem, subject.package), {})[component] = subject
    return grouped


def _concerned(
    said: Sequence[Statement], by_package: Mapping[tuple[str, str], Mapping[K, Subject]]
) -> dict[K, Subject]:
    found: dict[K, Subject] = {}
    for each in said:
        found.update(by_package.get((each.ecosystem, each.package), {}))
    return found
