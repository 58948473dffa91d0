"""What is known, read as of a revision."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, or_, select

from assay.advisories.records import content, intervals
from assay.advisories.records.content import Texts
from assay.advisories.records.tables import advisory, advisory_version, affected, as_of, member, vulnerability
from assay.clock import Instant


class MemberTexts(NamedTuple):
    """The texts of one advisory of a vulnerability, and when it was published, if it says so."""

    vulnerability_id: int
    advisory: str
    texts: Texts
    published: Instant | None


class Membership(NamedTuple):
    """How long an advisory was a member of a vulnerability."""

    vulnerability_id: int
    advisory_id: int
    advisory: str
    from_rev: int
    until_rev: int


class Version(NamedTuple):
    """How long a version of an advisory held."""

    advisory_id: int
    from_rev: int
    until_rev: int
    withdrawn: bool


def statement_rows(connection: Connection, ids: Collection[int], rev: int) -> Iterator[Row[Any]]:
    """Rows of `affected` with `vulnerability_id` and the advisory's name as `advisory`, in a fixed order."""
    for piece in intervals.pieces(sorted(ids)):
        query = (
            select(member.c.vulnerability_id, advisory.c.name.label("advisory"), affected)
            .select_from(
                member.join(affected, affected.c.advisory_id == member.c.advisory_id).join(
                    advisory, advisory.c.id == member.c.advisory_id
                )
            )
            .where(member.c.vulnerability_id.in_(piece), as_of(member, rev), as_of(affected, rev))
            .order_by(
                member.c.vulnerability_id, advisory.c.name, advisory.c.id, affected.c.ecosystem, affected.c.package
            )
        )
        yield from connection.execute(query)


def affecting(connection: Connection, ecosystem: str, packages: Collection[str], rev: int) -> Iterator[tuple[str, int]]:
    """(package, vulnerability id) for packages of one ecosystem, in this order."""
    for piece in intervals.pieces(sorted(packages)):
        query = (
            select(affected.c.package, member.c.vulnerability_id)
            .join(member, member.c.advisory_id == affected.c.advisory_id)
            .where(
                affected.c.ecosystem == ecosystem,
                affected.c.package.in_(piece),
                as_of(affected, rev),
                as_of(member, rev),
            )
            .distinct()
            .order_by(affected.c.package, member.c.vulnerability_id)
        )
        yield from ((row.package, row.vulnerability_id) for row in connection.execute(query))


def ecosystems_after(connection: Connection, after: str) -> Iterator[str]:
    """All ecosystems behind `after` of whose packages anything is or was said, one step into the index for each."""
    while True:
        query = select(func.min(affected.c.ecosystem)).where(affected.c.ecosystem > after)
        found: str | None = connection.execute(query).scalar_one()
        if found is None:
            return
        yield found
        after = found


def is_spoken_of(connection: Connection, ecosystem: str, rev: int) -> bool:
    """Whether anything is said of any package of an ecosystem."""
    query = select(affected.c.advisory_id).where(affected.c.ecosystem == ecosystem, as_of(affected, rev)).limit(1)
    return connection.execute(query).first() is not None


def names(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """The names of vulnerabilities."""
    found: dict[int, str] = {}
    for piece in intervals.pieces(sorted(ids)):
        query = select(vulnerability.c.id, vulnerability.c.name).where(vulnerability.c.id.in_(piece))
        found |= {row.id: row.name for row in connection.execute(query)}
    return found


def id_of(connection: Connection, name: str) -> int | None:
    """The id of a vulnerability."""
    return connection.execute(select(vulnerability.c.id).where(vulnerability.c.name == name)).scalar_one_or_none()


def texts(connection: Connection, ids: Collection[int], rev: int) -> Iterator[MemberTexts]:
    """The texts of all advisories of vulnerabilities, by vulnerability and advisory name."""
    for piece in intervals.pieces(sorted(ids)):
        query = (
            select(member.c.vulnerability_id, advisory.c.name, advisory_version.c.texts, advisory_version.c.published)
            .select_from(
                member.join(advisory_version, advisory_version.c.advisory_id == member.c.advisory_id).join(
                    advisory, advisory.c.id == member.c.advisory_id
                )
            )
            .where(member.c.vulnerability_id.in_(piece), as_of(member, rev), as_of(advisory_version, rev))
            .order_by(member.c.vulnerability_id, advisory.c.name, advisory.c.id)
        )
        for row in connection.execute(query):
            published = None if row.published is None else Instant(row.published)
            yield MemberTexts(row.vulnerability_id, row.name, content.decode_texts(row.texts), published)


def memberships(connection: Connection, ids: Collection[int], rev_a: int, rev_b: int) -> Sequence[Membership]:
    """Memberships that held as of some revision in [rev_a, rev_b]."""
    found: list[Membership] = []
    for piece in intervals.pieces(sorted(ids)):
        query = (
            select(
                member.c.vulnerability_id,
                member.c.advisory_id,
                advisory.c.name,
                member.c.from_rev,
                member.c.until_rev,
            )
            .join(advisory, advisory.c.id == member.c.advisory_id)
            .where(member.c.vulnerability_id.in_(piece), member.c.from_rev <= rev_b, member.c.until_rev > rev_a)
            .order_by(member.c.vulnerability_id, advisory.c.name, member.c.from_rev)
        )
        found += [Membership(*row) for row in connection.execute(query)]
    return found


def ecosystems(connection: Connection, advisory_ids: Collection[int], rev_a: int, rev_b: int) -> dict[int, set[str]]:
    """Advisory → the ecosystems of which it said anything as of some revision in [rev_a, rev_b]."""
    found: dict[int, set[str]] = {}
    for piece in intervals.pieces(sorted(advisory_ids)):
        query = (
            select(affected.c.advisory_id, affected.c.ecosystem)
            .where(affected.c.advisory_id.in_(piece), affected.c.from_rev <= rev_b, affected.c.until_rev > rev_a)
            .distinct()
        )
        for advisory_id, ecosystem in connection.execute(query):
            found.setdefault(advisory_id, set()).add(ecosystem)
    return found


def versions(connection: Connection, advisory_ids: Collection[int], rev_a: int, rev_b: int) -> Sequence[Version]:
    """Versions that began or ended in (rev_a, rev_b], or hold since before; by advisory and revision."""
    found: list[Version] = []
    for piece in intervals.pieces(sorted(advisory_ids)):
        query = (
            select(
                advisory_version.c.advisory_id,
                advisory_version.c.from_rev,
                advisory_version.c.until_rev,
                advisory_version.c.withdrawn,
            )
            .where(
                advisory_version.c.advisory_id.in_(piece),
                or_(
                    as_of(advisory_version, rev_a),
                    and_(advisory_version.c.from_rev > rev_a, advisory_version.c.from_rev <= rev_b),
                ),
            )
            .order_by(advisory_version.c.advisory_id, advisory_version.c.from_rev)
        )
        found += [Version(*row) for row in connection.execute(query)]
    return found
