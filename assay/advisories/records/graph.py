"""The graph of ids and aliases in the database, and the members of classes that follow from it."""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Connection, and_, bindparam, select

from assay.advisories.classes import LinkKind, Node
from assay.advisories.records import intervals
from assay.advisories.records.tables import (
    OPEN,
    advisory,
    advisory_link,
    advisory_version,
    as_of,
    member,
    vulnerability,
)
from assay.storage import insert

#: A class as (name of the vulnerability, id of the advisory).
Pair = tuple[str, int]


def names_of(connection: Connection, advisory_ids: Collection[int]) -> frozenset[str]:
    """The ids that these advisories bear."""
    names: set[str] = set()
    for piece in intervals.pieces(advisory_ids):
        names |= set(connection.execute(select(advisory.c.name).where(advisory.c.id.in_(piece))).scalars())
    return frozenset(names)


def names_linked(connection: Connection, advisory_ids: Collection[int], rev: int) -> frozenset[str]:
    """The ids that these advisories name, as of a revision."""
    names: set[str] = set()
    for piece in intervals.pieces(advisory_ids):
        query = select(advisory_link.c.name).where(advisory_link.c.advisory_id.in_(piece), as_of(advisory_link, rev))
        names |= set(connection.execute(query).scalars())
    return frozenset(names)


def region(connection: Connection, seeds: Iterable[str], rev: int) -> tuple[tuple[Node, ...], frozenset[str]]:
    """As of `rev`: the advisories of all classes in which `seeds` lie, notices about them, and all their ids."""
    nodes: dict[int, Node] = {}
    reached: set[str] = set()
    frontier = set(seeds)
    while frontier:
        reached |= frontier
        found = _nodes_at(connection, frontier, rev, nodes)
        nodes |= found
        frontier = set()
        for node in found.values():
            if not node.is_notice:
                frontier |= {node.name, *(name for _, name in node.links)} - reached
    return tuple(nodes[key] for key in sorted(nodes)), frozenset(reached)


def _nodes_at(connection: Connection, names: set[str], rev: int, known: Mapping[int, Node]) -> dict[int, Node]:
    """The advisories that bear or name one of these ids, without those known."""
    ids: set[int] = set()
    for piece in intervals.pieces(names):
        ids |= set(connection.execute(select(advisory.c.id).where(advisory.c.name.in_(piece))).scalars())
        query = select(advisory_link.c.advisory_id).where(advisory_link.c.name.in_(piece), as_of(advisory_link, rev))
        ids |= set(connection.execute(query).scalars())
    fresh = ids - known.keys()
    links: dict[int, list[tuple[LinkKind, str]]] = {}
    found: dict[int, Node] = {}
    for some in intervals.pieces(fresh):
        links_query = select(advisory_link.c.advisory_id, advisory_link.c.kind, advisory_link.c.name).where(
            advisory_link.c.advisory_id.in_(some), as_of(advisory_link, rev)
        )
        for row in connection.execute(links_query):
            links.setdefault(row.advisory_id, []).append((LinkKind(row.kind), row.name))
        query = (
            select(advisory.c.id, advisory.c.name, advisory_version.c.published)
            .join(advisory_version, advisory_version.c.advisory_id == advisory.c.id)
            .where(advisory.c.id.in_(some), as_of(advisory_version, rev), advisory_version.c.withdrawn.is_(False))
        )
        for row in connection.execute(query):
            found[row.id] = Node(row.id, row.name, row.published, tuple(sorted(links.get(row.id, ()))))
    return found


def classes_of(connection: Connection, advisory_ids: Collection[int], rev: int) -> frozenset[str]:
    """The names of the vulnerabilities that advisories are members of, as of a revision, as it is stored."""
    names: set[str] = set()
    for piece in intervals.pieces(advisory_ids):
        query = (
            select(vulnerability.c.name)
            .join(member, member.c.vulnerability_id == vulnerability.c.id)
            .where(member.c.advisory_id.in_(piece), as_of(member, rev))
            .distinct()
        )
        names |= set(connection.execute(query).scalars())
    return frozenset(names)


def members_of(connection: Connection, names: Collection[str], rev: int) -> frozenset[Pair]:
    """The members of vulnerabilities as of a revision, as they are stored."""
    pairs: set[Pair] = set()
    for piece in intervals.pieces(names):
        query = (
            select(vulnerability.c.name, member.c.advisory_id)
            .join(member, member.c.vulnerability_id == vulnerability.c.id)
            .where(vulnerability.c.name.in_(piece), as_of(member, rev))
        )
        pairs |= {(row.name, row.advisory_id) for row in connection.execute(query)}
    return frozenset(pairs)


def vulnerability_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """The ids of vulnerabilities by name; unknown ones get one. Needs a write transaction."""
    found: dict[str, int] = {}
    for piece in intervals.pieces(sorted(names)):
        rows = [{"name": name} for name in piece]
        connection.execute(insert(connection, vulnerability).on_conflict_do_nothing(), rows)
        query = select(vulnerability.c.id, vulnerability.c.name).where(vulnerability.c.name.in_(piece))
        found |= {row.name: row.id for row in connection.execute(query)}
    return found


def change_members(
    connection: Connection, begun: Collection[Pair], ended: Collection[Pair], ids: Mapping[str, int], rev: int
) -> None:
    """Begin and end memberships with `rev`. Doing it twice is the same as once."""
    keys = [
        {"v": vulnerability, "a": each} for vulnerability, each in sorted((ids[name], each) for name, each in ended)
    ]
    if keys:
        # Pair by pair: SQLite finds no index for a list of pairs, and would look at every membership.
        pair = and_(member.c.vulnerability_id == bindparam("v"), member.c.advisory_id == bindparam("a"))
        intervals.end(connection, member, pair, rev, keys)
    rows = [
        {"vulnerability_id": ids[name], "advisory_id": each, "from_rev": rev, "until_rev": OPEN} for name, each in begun
    ]
    if rows:
        connection.execute(insert(connection, member).on_conflict_do_nothing(), rows)


def take_back(connection: Connection, rev: int) -> None:
    """Undo what `rev` did to memberships."""
    intervals.take_back(connection, member, rev)
