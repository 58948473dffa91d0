"""Components, the sets of them, and the chains of sets: global facts, each kept once."""

import hashlib
import sys
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from assay.inventory import Component
from assay.scanning.decide import Subject
from assay.scanning.records.batches import batches
from assay.scanning.records.tables import chain, chain_path, component, component_set, set_item
from assay.storage import insert


class ChainRow(NamedTuple):
    """One step of a path."""

    id: int
    parent: int
    set: int
    level: int


_FIELDS = ("ecosystem", "name", "version", "architecture", "source", "source_version", "modularity")


def identity_of(each: Component) -> bytes:
    """SHA-256 over all fields, each with its length, so that no two components can be spelled alike."""
    fields = [str(getattr(each, field)).encode() for field in _FIELDS]
    return hashlib.sha256(b"".join(len(field).to_bytes(4, "big") + field for field in fields)).digest()


def subject_of(each: Component) -> Subject:
    """What advisories see of a component: for a distribution's package its source package, in the source's version."""
    by_source = each.package == each.source
    return Subject(each.ecosystem, each.package, each.source_version if by_source else each.version)


def packed(ids: Iterable[int]) -> bytes:
    """Ids, ascending, as little-endian 32-bit numbers."""
    numbers = array("i", sorted(ids))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpacked(body: bytes) -> "array[int]":
    """The ids that `packed` wrote."""
    numbers = array("i")
    numbers.frombytes(body)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def set_digest(identities: Iterable[bytes]) -> bytes:
    """What makes two sets equal: SHA-256 of the sorted identities of their components."""
    return hashlib.sha256(b"".join(sorted(identities))).digest()


def ids_of(connection: Connection, identities: Collection[bytes]) -> dict[bytes, int]:
    """Ids of the components among these that are known."""
    known: dict[bytes, int] = {}
    for piece in batches(identities):
        rows = connection.execute(select(component.c.identity, component.c.id).where(component.c.identity.in_(piece)))
        known.update(rows.all())
    return known


def add(connection: Connection, rows: Mapping[bytes, Component]) -> dict[bytes, int]:
    """Insert components that were unknown a moment ago; ids of those that this call inserted, and no others.

    A component that another push inserted meanwhile has its matches already; its id is to be had from `ids_of`.
    """
    added: dict[bytes, int] = {}
    for piece in batches(sorted(rows)):
        statement = insert(connection, component).on_conflict_do_nothing(index_elements=["identity"])
        values = [{"identity": identity, **_values(rows[identity])} for identity in piece]
        found = connection.execute(statement.returning(component.c.identity, component.c.id), values)
        added.update(found.all())
    return added


def _values(each: Component) -> dict[str, str]:
    subject = subject_of(each)
    fields = {field: str(getattr(each, field)) for field in _FIELDS}
    return {**fields, "package": subject.package, "package_version": subject.version}


def subjects(connection: Connection, ids: Collection[int]) -> dict[int, Subject]:
    """What advisories see of these components."""
    found: dict[int, Subject] = {}
    for piece in batches(ids):
        for row in connection.execute(_SUBJECT.where(component.c.id.in_(piece))):
            found[row[0]] = Subject(*row[1:])
    return found


def subjects_of_packages(connection: Connection, packages: Collection[tuple[str, str]]) -> dict[int, Subject]:
    """All known components of these (ecosystem, package) pairs."""
    wanted = frozenset(packages)
    ecosystems = sorted({ecosystem for ecosystem, _ in wanted})
    found: dict[int, Subject] = {}
    for piece in batches(sorted({package for _, package in wanted})):
        # Not as pairs: SQLite finds no index for a list of those, and would look at every component.
        query = _SUBJECT.where(component.c.package.in_(piece), component.c.ecosystem.in_(ecosystems))
        for identity, ecosystem, package, version in connection.execute(query).all():
            if (ecosystem, package) in wanted:
                found[identity] = Subject(ecosystem, package, version)
    return found


def of_ecosystems(connection: Connection, ecosystems: Collection[str]) -> list[int]:
    """All known components of these ecosystems, ascending; looks at every component there is."""
    if not ecosystems:
        return []
    query = select(component.c.id).where(component.c.ecosystem.in_(sorted(ecosystems))).order_by(component.c.id)
    return list(connection.execute(query).scalars())


def by_ecosystem(connection: Connection, ids: Collection[int]) -> dict[str, list[int]]:
    """These components by their ecosystem."""
    found: dict[str, list[int]] = {}
    for piece in batches(ids):
        query = select(component.c.id, component.c.ecosystem).where(component.c.id.in_(piece))
        for identity, ecosystem in connection.execute(query):
            found.setdefault(ecosystem, []).append(identity)
    return found


def packages_after(connection: Connection, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
    """The next (ecosystem, package) pairs of known components behind `after`, by package and then ecosystem."""
    ecosystem, package = after
    query = (
        select(component.c.ecosystem, component.c.package)
        .where(
            or_(
                component.c.package > package,
                and_(component.c.package == package, component.c.ecosystem > ecosystem),
            )
        )
        .distinct()
        .order_by(component.c.package, component.c.ecosystem)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def known_components(connection: Connection, ids: Collection[int]) -> dict[int, Component]:
    """These components whole."""
    columns = [component.c[field] for field in _FIELDS]
    found: dict[int, Component] = {}
    for piece in batches(ids):
        for row in connection.execute(select(component.c.id, *columns).where(component.c.id.in_(piece))):
            found[row[0]] = Component(*row[1:])
    return found


_SUBJECT = select(component.c.id, component.c.ecosystem, component.c.package, component.c.package_version)


def set_ids(connection: Connection, digests: Collection[bytes]) -> dict[bytes, int]:
    """Ids of the sets among these that are known."""
    known: dict[bytes, int] = {}
    for piece in batches(digests):
        found = select(component_set.c.digest, component_set.c.id).where(component_set.c.digest.in_(piece))
        known.update(connection.execute(found).all())
    return known


def add_set(connection: Connection, digest: bytes, ids: Collection[int]) -> int:
    """The id of the set with these components, made if it is new."""
    statement = insert(connection, component_set).on_conflict_do_nothing(index_elements=["digest"])
    made = connection.execute(
        statement.values(digest=digest, components=packed(ids)).returning(component_set.c.id)
    ).scalar_one_or_none()
    if made is None:
        return set_ids(connection, [digest])[digest]
    if ids:
        connection.execute(set_item.insert(), [{"component_id": each, "set_id": made} for each in sorted(ids)])
    return int(made)


def set_bodies(connection: Connection, ids: Collection[int]) -> dict[int, "array[int]"]:
    """The components of each set."""
    bodies: dict[int, array[int]] = {}
    for piece in batches(ids):
        query = select(component_set.c.id, component_set.c.components).where(component_set.c.id.in_(piece))
        bodies.update((identity, unpacked(body)) for identity, body in connection.execute(query))
    return bodies


def sets_holding(connection: Connection, component_ids: Collection[int]) -> dict[int, list[int]]:
    """Component → all sets that hold it."""
    found: dict[int, list[int]] = {}
    for piece in batches(component_ids):
        query = select(set_item.c.component_id, set_item.c.set_id).where(set_item.c.component_id.in_(piece))
        for component_id, set_id in connection.execute(query).all():
            found.setdefault(component_id, []).append(set_id)
    return found


def sets_with_any(connection: Connection, component_ids: Collection[int]) -> set[int]:
    """Every set that holds at least one of these components."""
    found: set[int] = set()
    for piece in batches(component_ids):
        query = select(set_item.c.set_id).where(set_item.c.component_id.in_(piece)).distinct()
        found.update(connection.execute(query).scalars())
    return found


def chain_of(connection: Connection, parent: int, set_id: int) -> int | None:
    """The chain that ends in this set on this parent, if there is one."""
    query = select(chain.c.id).where(chain.c.parent_id == parent, chain.c.set_id == set_id)
    return connection.execute(query).scalar_one_or_none()


def add_chain(connection: Connection, path: Sequence[ChainRow], set_id: int) -> tuple[ChainRow, bool]:
    """The chain that puts a set on top of `path`, and whether it is new."""
    parent, level = (path[-1].id, path[-1].level + 1) if path else (0, 0)
    statement = insert(connection, chain).on_conflict_do_nothing(index_elements=["parent_id", "set_id"])
    made = connection.execute(
        statement.values(parent_id=parent, set_id=set_id, level=level).returning(chain.c.id)
    ).scalar_one_or_none()
    if made is None:
        found = chain_of(connection, parent, set_id)
        assert found is not None, "an insert met a chain that is not there"  # noqa: S101 - the conflict just seen
        return ChainRow(found, parent, set_id, level), False
    top = ChainRow(int(made), parent, set_id, level)
    steps = [{"chain_id": top.id, "level": row.level, "ancestor_id": row.id, "set_id": row.set} for row in (*path, top)]
    connection.execute(chain_path.insert(), steps)
    return top, True


def chains_ending_in(connection: Connection, sets: Collection[int]) -> Iterable[ChainRow]:
    """All chains whose last set is one of these."""
    for piece in batches(sets):
        rows = connection.execute(_CHAIN.where(chain.c.set_id.in_(piece))).all()
        yield from (ChainRow(*row) for row in rows)


def chains(connection: Connection, ids: Collection[int]) -> Iterable[ChainRow]:
    """These chains."""
    for piece in batches(ids):
        rows = connection.execute(_CHAIN.where(chain.c.id.in_(piece))).all()
        yield from (ChainRow(*row) for row in rows)


def all_chains(connection: Connection) -> Iterable[ChainRow]:
    """Every chain there is, lower levels first; for the full recomputation alone."""
    rows = connection.execution_options(yield_per=10_000).execute(_CHAIN.order_by(chain.c.level, chain.c.id))
    return (ChainRow(*row) for row in rows)


def chains_after(connection: Connection, after: int, limit: int) -> list[int]:
    """The next chains in the order of their ids."""
    return list(
        connection.execute(select(chain.c.id).where(chain.c.id > after).order_by(chain.c.id).limit(limit)).scalars()
    )


def path(connection: Connection, chain_id: int) -> tuple[ChainRow, ...]:
    """The steps of a chain, bottom first."""
    query = select(chain_path).where(chain_path.c.chain_id == chain_id).order_by(chain_path.c.level)
    steps: list[ChainRow] = []
    for row in connection.execute(query):
        steps.append(ChainRow(row.ancestor_id, steps[-1].id if steps else 0, row.set_id, row.level))
    return tuple(steps)


def sets_of_chains(connection: Connection, ids: Collection[int]) -> dict[int, list[int]]:
    """Chain → the sets on its path, bottom first."""
    found: dict[int, list[int]] = {}
    for piece in batches(ids):
        query = select(chain_path.c.chain_id, chain_path.c.set_id).where(chain_path.c.chain_id.in_(piece))
        for chain_id, set_id in connection.execute(query.order_by(chain_path.c.chain_id, chain_path.c.level)):
            found.setdefault(chain_id, []).append(set_id)
    return found


def components_of(connection: Connection, chain_id: int) -> tuple[int, ...]:
    """All components of a chain; its sets are disjoint."""
    query = (
        select(component_set.c.components)
        .join(chain_path, chain_path.c.set_id == component_set.c.id)
        .where(chain_path.c.chain_id == chain_id)
        .order_by(chain_path.c.level)
    )
    return tuple(each for body in connection.execute(query).scalars() for each in unpacked(body))


_CHAIN = select(chain.c.id, chain.c.parent_id, chain.c.set_id, chain.c.level)
