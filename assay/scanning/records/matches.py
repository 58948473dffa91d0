"""Matches: what a vulnerability says of a component, with the feed revisions between which it said so.

A row with the severity DOUBT is no match: whether the component is affected could not be found out. It begins, ends
and lives as a match does, counts as no problem, and is told by `doubts` alone.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, and_, bindparam, case, delete, func, or_, select, update

from assay.scanning.decide import DOUBT
from assay.scanning.records.batches import batches
from assay.scanning.records.tables import OPEN, match
from assay.storage import insert


class MatchRow(NamedTuple):
    """A match, or a doubt, as of some revision."""

    vulnerability: int
    component: int
    from_rev: int
    severity: int
    advisory: str
    fix: str


class Interval(NamedTuple):
    """A match with both of its ends; `until_rev` is OPEN while it holds."""

    vulnerability: int
    component: int
    from_rev: int
    until_rev: int
    severity: int
    advisory: str
    fix: str


class Changes(NamedTuple):
    """What turns the matches as of N into those as of N + 1: (vulnerability, component) to end, rows to begin."""

    ended: Sequence[tuple[int, int]]
    begun: Sequence[MatchRow]

    @property
    def rows(self) -> int:
        """How many rows are written."""
        return len(self.ended) + len(self.begun)


def holds(rev: int) -> ColumnElement[bool]:
    """As of `rev`."""
    return and_(match.c.from_rev <= rev, match.c.until_rev > rev)


def of_vulnerabilities(connection: Connection, vulnerabilities: Collection[int], rev: int) -> list[MatchRow]:
    """All matches and doubts of these vulnerabilities as of `rev`."""
    rows: list[MatchRow] = []
    for piece in batches(vulnerabilities):
        query = _ROW.where(match.c.vulnerability_id.in_(piece), holds(rev))
        rows.extend(MatchRow(*row) for row in connection.execute(query))
    return rows


def of_components(connection: Connection, components: Collection[int], rev: int) -> list[MatchRow]:
    """All matches and doubts of these components as of `rev`."""
    rows: list[MatchRow] = []
    for piece in batches(components):
        query = _ROW.where(match.c.component_id.in_(piece), holds(rev))
        rows.extend(MatchRow(*row) for row in connection.execute(query))
    return rows


def ratings(connection: Connection, components: Collection[int], rev: int) -> Iterator[tuple[int, int, int]]:
    """(component, vulnerability, severity) as of `rev`, doubts included, from the index alone."""
    for piece in batches(components):
        query = select(match.c.component_id, match.c.vulnerability_id, match.c.severity)
        yield from connection.execute(query.where(match.c.component_id.in_(piece), holds(rev)))


def intervals(connection: Connection, components: Collection[int], since: int, until: int) -> list[Interval]:
    """Matches of these components that held at some revision from `since` to `until`, both included."""
    rows: list[Interval] = []
    for piece in batches(components):
        query = select(
            match.c.vulnerability_id,
            match.c.component_id,
            match.c.from_rev,
            match.c.until_rev,
            match.c.severity,
            match.c.advisory,
            match.c.fix,
        ).where(
            match.c.component_id.in_(piece),
            match.c.from_rev <= until,
            match.c.until_rev > since,
            match.c.severity > DOUBT,
        )
        rows.extend(Interval(*row) for row in connection.execute(query))
    return rows


def doubts(connection: Connection, components: Collection[int], rev: int) -> list[tuple[int, int]]:
    """(component, vulnerability) of what is in doubt as of `rev` among these components, from the index alone."""
    found: list[tuple[int, int]] = []
    for piece in batches(components):
        query = select(match.c.component_id, match.c.vulnerability_id)
        query = query.where(match.c.component_id.in_(piece), holds(rev), match.c.severity == DOUBT)
        found.extend((row[0], row[1]) for row in connection.execute(query))
    return found


def apply(connection: Connection, rev: int, changes: Changes) -> None:
    """Make `changes` hold from `rev` on, which nobody reads yet. A second time changes nothing."""
    keys = [{"v": vulnerability, "c": component} for vulnerability, component in changes.ended]
    if keys:
        same = and_(match.c.vulnerability_id == bindparam("v"), match.c.component_id == bindparam("c"))
        # A row that this very revision began has never been read; it goes. An older one ends.
        connection.execute(delete(match).where(same, match.c.from_rev == rev), keys)
        connection.execute(
            update(match).where(same, match.c.from_rev < rev, match.c.until_rev == OPEN).values(until_rev=rev), keys
        )
    add(connection, rev, changes.begun)


def add(connection: Connection, rev: int, rows: Iterable[MatchRow]) -> None:
    """Insert matches that hold from `rev` on."""
    values = [
        {
            "vulnerability_id": row.vulnerability,
            "component_id": row.component,
            "from_rev": rev,
            "until_rev": OPEN,
            "severity": row.severity,
            "advisory": row.advisory,
            "fix": row.fix,
        }
        for row in rows
    ]
    if values:
        connection.execute(insert(connection, match).on_conflict_do_nothing(), values)


def changed_components(connection: Connection, vulnerabilities: Collection[int], rev: int) -> dict[int, bool]:
    """Components of which a match or doubt of these vulnerabilities began or ended at `rev`; True: any was a doubt."""
    found: dict[int, bool] = {}
    for piece in batches(vulnerabilities):
        query = (
            select(match.c.component_id, func.min(match.c.severity))
            .where(match.c.vulnerability_id.in_(piece), or_(match.c.from_rev == rev, match.c.until_rev == rev))
            .group_by(match.c.component_id)
        )
        for component, lowest in connection.execute(query):
            found[component] = found.get(component, False) or lowest == DOUBT
    return found


def before_and_after(
    connection: Connection, vulnerabilities: Collection[int], rev: int
) -> dict[int, dict[int, tuple[int, int]]]:
    """For each vulnerability of which any match changes at `rev`: component → (severity before, severity after).

    All its components are there, also those in which nothing changes: the highest severity in a set needs them.
    """
    severity = match.c.severity
    changed = or_(match.c.from_rev == rev, match.c.until_rev == rev)
    found: dict[int, dict[int, tuple[int, int]]] = {}
    changing: set[int] = set()
    for piece in batches(vulnerabilities):
        query = (
            select(
                match.c.vulnerability_id,
                match.c.component_id,
                func.max(case((holds(rev - 1), severity), else_=0)),
                func.max(case((holds(rev), severity), else_=0)),
                func.max(case((changed, 1), else_=0)).cast(Integer),
            )
            .where(match.c.vulnerability_id.in_(piece), match.c.until_rev > rev - 1)
            .group_by(match.c.vulnerability_id, match.c.component_id)
        )
        for vulnerability, component, before, after, change in connection.execute(query):
            found.setdefault(vulnerability, {})[component] = (before, after)
            if change:
                changing.add(vulnerability)
    return {vulnerability: found[vulnerability] for vulnerability in sorted(changing)}


def vulnerabilities_after(connection: Connection, after: int, limit: int) -> list[int]:
    """The next vulnerabilities with matches, ended ones included, in the order of their ids."""
    query = select(match.c.vulnerability_id).where(match.c.vulnerability_id > after).distinct()
    return list(connection.execute(query.order_by(match.c.vulnerability_id).limit(limit)).scalars())


def delete_ended(connection: Connection, vulnerabilities: Collection[int], rev: int) -> int:
    """Remove the matches of these vulnerabilities that ended at or before `rev`; how many went."""
    done = connection.execute(
        delete(match).where(match.c.vulnerability_id.in_(vulnerabilities), match.c.until_rev <= rev)
    )
    return done.rowcount


_ROW = select(
    match.c.vulnerability_id,
    match.c.component_id,
    match.c.from_rev,
    match.c.severity,
    match.c.advisory,
    match.c.fix,
)
