"""What is known against packages, as of a feed revision."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from assay.advisories import classes
from assay.advisories.affects import Statement
from assay.advisories.classes import LinkKind
from assay.advisories.records import content, reading
from assay.advisories.records.reading import Membership, MemberTexts, Version
from assay.clock import Instant

REFERENCES_MAX = 50

_CVE_PAGE = "https://www.cve.org/CVERecord?id="
_ADVISORY_PAGE = "https://osv.dev/vulnerability/"


@dataclass(frozen=True, slots=True)
class VulnerabilityDetails:
    """What people read about a vulnerability. `advisories` and `aliases` are sorted; `name` is not among `aliases`.

    `published`: when the first of its advisories was, if any of them says so.
    """

    id: int
    name: str
    aliases: tuple[str, ...]
    summary: str
    description: str
    link: str
    references: tuple[str, ...]
    advisories: tuple[str, ...]
    published: Instant | None


class ChangeKind(StrEnum):
    """What happened to an advisory within a vulnerability."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class AdvisoryChange:
    """An advisory whose word on a vulnerability began, changed or ended with feed revision `rev`; why, for people.

    `ecosystems`: those of whose packages it spoke, before or after.
    """

    advisory: str
    rev: int
    kind: ChangeKind
    reason: str
    ecosystems: frozenset[str]


def statements_of(
    connection: Connection, vulnerability_ids: Collection[int], as_of: int
) -> Mapping[int, tuple[Statement, ...]]:
    """All statements of all advisories of each vulnerability, as of a revision; withdrawn advisories are left out.

    Every id asked for is a key. Statements are in the order of advisory id, ecosystem, package. One without a package
    is there for its rating alone (`best_severity`).
    """
    found: dict[int, list[Statement]] = {each: [] for each in vulnerability_ids}
    for row in reading.statement_rows(connection, vulnerability_ids, as_of):
        found[row.vulnerability_id].append(content.statement_of(row))
    return {each: tuple(statements) for each, statements in found.items()}


def vulnerabilities_affecting(
    connection: Connection, packages: Collection[tuple[str, str]], as_of: int
) -> Mapping[tuple[str, str], tuple[int, ...]]:
    """Vulnerabilities that some advisory states of each (ecosystem, package name), ascending; only names with any.

    Names are in the normal form of their ecosystem (`orders.normal_name`).
    """
    by_ecosystem: dict[str, list[str]] = {}
    for ecosystem, package in packages:
        by_ecosystem.setdefault(ecosystem, []).append(package)
    found: dict[tuple[str, str], list[int]] = {}
    for ecosystem, names in by_ecosystem.items():
        for package, vulnerability_id in reading.affecting(connection, ecosystem, names, as_of):
            found.setdefault((ecosystem, package), []).append(vulnerability_id)
    return {package: tuple(ids) for package, ids in found.items()}


def uncovered(connection: Connection, ecosystems: Collection[str], as_of: int) -> frozenset[str]:
    """Those of these ecosystems of whose packages no advisory says anything: that none is affected tells nothing."""
    return frozenset(each for each in ecosystems if not reading.is_spoken_of(connection, each, as_of))


def coverage_changes(connection: Connection, rev: int) -> frozenset[str]:
    """The ecosystems of which `rev` brings the first advisory, or takes the last."""
    known = list(reading.ecosystems_after(connection, ""))
    return uncovered(connection, known, rev - 1) ^ uncovered(connection, known, rev)


def vulnerability_id(connection: Connection, name: str) -> int | None:
    """The id of a vulnerability by its name; None when there is none."""
    return reading.id_of(connection, name)


def vulnerability_names(connection: Connection, vulnerability_ids: Collection[int]) -> Mapping[int, str]:
    """The names of vulnerabilities, which never change; unknown ids are left out."""
    return reading.names(connection, vulnerability_ids)


def vulnerability_details(
    connection: Connection, vulnerability_ids: Collection[int], as_of: int
) -> Mapping[int, VulnerabilityDetails]:
    """Names, texts and links of vulnerabilities as of a revision; unknown ids are left out.

    The texts are those of the first advisory, in the order of ids, that has any; those of notices, which are about an
    update as a whole, are taken only where nothing else speaks.
    """
    members: dict[int, list[MemberTexts]] = {}
    for each in reading.texts(connection, vulnerability_ids, as_of):
        members.setdefault(each.vulnerability_id, []).append(each)
    names = reading.names(connection, vulnerability_ids)
    return {each: _details(each, name, members.get(each, [])) for each, name in names.items()}


def _details(vulnerability_id: int, name: str, members: Sequence[MemberTexts]) -> VulnerabilityDetails:
    links = {each.advisory: classes.links(each.advisory, each.texts.aliases, each.texts.upstream) for each in members}
    notices = {each for each, named in links.items() if any(kind is LinkKind.ABOUT for kind, _ in named)}
    ordered = sorted(members, key=lambda each: (each.advisory in notices, not each.texts.details, each.advisory))
    speaking = [each for each in ordered if each.advisory not in notices] or ordered
    same = {other for named in links.values() for kind, other in named if kind is LinkKind.SAME}
    references = dict.fromkeys(link for each in ordered for link in each.texts.references)
    return VulnerabilityDetails(
        id=vulnerability_id,
        name=name,
        aliases=tuple(sorted((same | links.keys()) - notices - {name})),
        summary=next((each.texts.summary for each in speaking if each.texts.summary), ""),
        description=next((each.texts.details for each in speaking if each.texts.details), ""),
        link=(_CVE_PAGE if name.startswith("CVE-") else _ADVISORY_PAGE) + name,
        references=tuple(references)[:REFERENCES_MAX],
        advisories=tuple(sorted(links)),
        published=min((each.published for each in members if each.published is not None), default=None),
    )


def changes_between(
    connection: Connection, vulnerability_ids: Collection[int], rev_a: int, rev_b: int
) -> Mapping[int, tuple[AdvisoryChange, ...]]:
    """Why a vulnerability's word differs: what began, changed or ended in (rev_a, rev_b], in the order of revisions.

    Every id asked for is a key.
    """
    memberships = reading.memberships(connection, vulnerability_ids, rev_a, rev_b)
    versions: dict[int, list[Version]] = {}
    for version in reading.versions(connection, {each.advisory_id for each in memberships}, rev_a, rev_b):
        versions.setdefault(version.advisory_id, []).append(version)
    spoken_of = reading.ecosystems(connection, {each.advisory_id for each in memberships}, rev_a, rev_b)
    names = reading.names(connection, vulnerability_ids)
    found: dict[int, set[AdvisoryChange]] = {each: set() for each in vulnerability_ids}
    for membership in memberships:
        key, ecosystems = membership.advisory_id, frozenset(spoken_of.get(membership.advisory_id, ()))
        for rev, kind, reason in _changes(membership, versions.get(key, []), names, rev_a, rev_b):
            change = AdvisoryChange(membership.advisory, rev, kind, reason, ecosystems)
            found[membership.vulnerability_id].add(change)
    return {
        each: tuple(sorted(changes, key=lambda change: (change.rev, change.advisory, change.kind)))
        for each, changes in found.items()
    }


def _changes(
    membership: Membership, versions: Sequence[Version], names: Mapping[int, str], rev_a: int, rev_b: int
) -> set[tuple[int, ChangeKind, str]]:
    """What happened to one membership, and to the advisory while it lasted: when, what, and why."""
    name = names[membership.vulnerability_id]
    began, ended = membership.from_rev, membership.until_rev
    changes = set()
    if began > rev_a:
        said_before = any(each.from_rev < began for each in versions)
        reason = f"now counted under {name}" if said_before else "published"
        changes.add((began, ChangeKind.ADDED, reason))
    if ended <= rev_b:
        changes.add((ended, ChangeKind.REMOVED, _end_reason(versions, ended, name)))
    changes |= {
        (each.from_rev, ChangeKind.CHANGED, "changed by its publisher")
        for each in versions
        if max(began, rev_a) < each.from_rev <= rev_b and each.from_rev < ended
    }
    return changes


def _end_reason(versions: Sequence[Version], ended: int, name: str) -> str:
    after = next((each for each in versions if each.from_rev <= ended < each.until_rev), None)
    if after is None:
        return "removed from the feed"
    return "withdrawn by its publisher" if after.withdrawn else f"no longer counted under {name}"
