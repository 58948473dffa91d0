"""Own totals of chains by feed revision, and their sums along the paths of images."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, literal, select
from sqlalchemy.sql.selectable import Subquery

from assay.scanning.counting import Vector
from assay.scanning.records.batches import batches
from assay.scanning.records.tables import chain, chain_path, chain_total, inventory
from assay.storage import insert

COLUMNS = ("c5", "c4", "c3", "c2", "c1")


def as_of(connection: Connection, chains: Collection[int], rev: int) -> dict[int, Vector]:
    """The own total of each chain as of `rev`; a chain without a row at or before it is left out."""
    found: dict[int, Vector] = {}
    for piece in batches(chains):
        keys = _fenced(select(chain.c.id.label("chain_id")).where(chain.c.id.in_(piece)), chain.c.id, rev)
        query = select(chain_total.c.chain_id, *(chain_total.c[name] for name in COLUMNS)).join(keys, _newest(keys))
        for chain_id, c5, c4, c3, c2, c1 in connection.execute(query):
            found[chain_id] = (c5, c4, c3, c2, c1)
    return found


def put(connection: Connection, rev: int, totals: Mapping[int, Vector]) -> None:
    """Write own totals that hold from `rev` on, in place of what this same revision wrote before."""
    if not totals:
        return
    statement = insert(connection, chain_total)
    upsert = statement.on_conflict_do_update(
        index_elements=["chain_id", "rev"], set_={name: statement.excluded[name] for name in COLUMNS}
    )
    values = [
        {"chain_id": chain_id, "rev": rev, **dict(zip(COLUMNS, total, strict=True))}
        for chain_id, total in totals.items()
    ]
    connection.execute(upsert, values)


def sums(rev: int, wanted: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """(inventory_id, c5 … c1) as of `rev` for the inventories that meet `wanted`: the sums along their paths."""
    steps = (
        select(inventory.c.id.label("inventory_id"), chain_path.c.ancestor_id.label("chain_id"))
        .join(chain_path, chain_path.c.chain_id == inventory.c.chain_id)
        .where(*wanted)
    )
    keys = _fenced(steps, chain_path.c.ancestor_id, rev)
    numbers = [func.sum(chain_total.c[name]).label(name) for name in COLUMNS]
    query = select(keys.c.inventory_id.label("inventory_id"), *numbers)
    return query.select_from(keys.join(chain_total, _newest(keys))).group_by(keys.c.inventory_id)


def of_inventories(connection: Connection, inventories: Collection[int], rev: int) -> dict[int, Vector]:
    """The problems of each image as of `rev`, as its chains say; for checks and single images."""
    found: dict[int, Vector] = {}
    for piece in batches(inventories):
        for identity, c5, c4, c3, c2, c1 in connection.execute(sums(rev, [inventory.c.id.in_(piece)])):
            found[identity] = (int(c5), int(c4), int(c3), int(c2), int(c1))
    return found


def delete_older(connection: Connection, chains: Collection[int], rev: int) -> int:
    """Remove the totals before `rev` that have a newer one at or before it; how many went."""
    other = chain_total.alias("other")
    newer = (
        select(literal(1))
        .where(other.c.chain_id == chain_total.c.chain_id, other.c.rev > chain_total.c.rev, other.c.rev <= rev)
        .correlate(chain_total)
        .exists()
    )
    done = connection.execute(
        delete(chain_total).where(chain_total.c.chain_id.in_(chains), chain_total.c.rev < rev, newer)
    )
    return done.rowcount


def _fenced(keys: Select[Any], chain_id: ColumnElement[int], rev: int) -> Subquery:
    """`keys` with `rev`, the newest revision at or before `rev` of which the chain has a row.

    OFFSET 0 keeps both planners from melting this into the join, where PostgreSQL would then look at every row of a
    chain instead of one step into its key.
    """
    newest = (
        select(func.max(chain_total.c.rev))
        .where(chain_total.c.chain_id == chain_id, chain_total.c.rev <= rev)
        .correlate_except(chain_total)
        .scalar_subquery()
    )
    return keys.add_columns(newest.label("rev")).offset(0).subquery("keys")


def _newest(keys: Subquery) -> ColumnElement[bool]:
    return and_(chain_total.c.chain_id == keys.c.chain_id, chain_total.c.rev == keys.c.rev)
