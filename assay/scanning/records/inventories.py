"""Inventories of images: opened by a push, frozen when nobody looks any more, late when a revision is under way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from assay.clock import Instant, new_etag
from assay.scanning.records.batches import batches
from assay.scanning.records.tables import OPEN, chain_path, inventory, inventory_layer, late, place_list, scan
from assay.scanning.risk import ScanState
from assay.storage import insert

#: Codes of states in rows; a place in this tuple never changes.
STATES = (ScanState.COMPLETE, ScanState.PARTIAL, ScanState.FAILED)
_MARK_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory's row. `chain` is None when nothing of the image could be read."""

    id: int
    mark: str
    tenancy: str
    compartment: str
    target: str
    repository: str
    image: str
    chain: int | None
    state: ScanState
    reason: str
    from_rev: int
    until_rev: int
    frozen_rev: int | None

    @property
    def is_live(self) -> bool:
        """Whether a re-scan looks at it."""
        return self.frozen_rev is None and self.until_rev == OPEN

    def readable_until(self, published: int) -> int:
        """The newest revision as of which anything of this inventory is shown."""
        return min(published, self.until_rev, OPEN if self.frozen_rev is None else self.frozen_rev)


@dataclass(frozen=True, slots=True)
class LayerPlaces:
    """Where the components of one layer lie: `places` as `places.packed` writes them."""

    platform_number: int
    platform: str
    position: int
    layer: str
    digest: bytes
    places: bytes


def add(
    connection: Connection,
    *,
    tenancy: str,
    compartment: str,
    target: str,
    repository: str,
    image: str,
    chain: int | None,
    state: ScanState,
    reason: str,
    rev: int,
    now: Instant,
) -> Inventory:
    """Open an inventory of an image from `rev` on."""
    row = connection.execute(
        inventory.insert()
        .values(
            mark=new_etag()[:_MARK_LENGTH],
            tenancy=tenancy,
            compartment=compartment,
            target=target,
            repository=repository,
            image=image,
            chain_id=chain,
            state=STATES.index(state),
            reason=reason,
            from_rev=rev,
            until_rev=OPEN,
            time_created=now,
        )
        .returning(inventory)
    ).one()
    return inventory_of(row)


def add_places(connection: Connection, inventory_id: int, layers: Sequence[LayerPlaces]) -> None:
    """Keep where components lie; a list that another image has too is stored once."""
    for layer in layers:
        statement = insert(connection, place_list).on_conflict_do_nothing(index_elements=["digest"])
        made = connection.execute(
            statement.values(digest=layer.digest, places=layer.places).returning(place_list.c.id)
        ).scalar_one_or_none()
        if made is None:
            made = connection.execute(select(place_list.c.id).where(place_list.c.digest == layer.digest)).scalar_one()
        connection.execute(
            inventory_layer.insert().values(
                inventory_id=inventory_id,
                platform_number=layer.platform_number,
                position=layer.position,
                platform=layer.platform,
                layer=layer.layer,
                place_list_id=made,
            )
        )


def places(connection: Connection, inventory_id: int) -> tuple[LayerPlaces, ...]:
    """Where the components of an image lie, by platform and layer."""
    query = (
        select(inventory_layer, place_list.c.digest, place_list.c.places)
        .join(place_list, place_list.c.id == inventory_layer.c.place_list_id)
        .where(inventory_layer.c.inventory_id == inventory_id)
        .order_by(inventory_layer.c.platform_number, inventory_layer.c.position)
    )
    return tuple(
        LayerPlaces(row.platform_number, row.platform, row.position, row.layer, row.digest, row.places)
        for row in connection.execute(query)
    )


def close(connection: Connection, inventory_id: int, rev: int) -> None:
    """End an inventory: another one of the same image takes its place from `rev` on."""
    connection.execute(update(inventory).where(inventory.c.id == inventory_id).values(until_rev=rev))


def of_image(connection: Connection, image: str) -> Inventory | None:
    """The open inventory of an image."""
    query = select(inventory).where(inventory.c.image == image, inventory.c.until_rev == OPEN)
    row = connection.execute(query).one_or_none()
    return None if row is None else inventory_of(row)


def of_images(connection: Connection, images: Collection[str]) -> dict[str, Inventory]:
    """The open inventories of these images."""
    found: dict[str, Inventory] = {}
    for piece in batches(images):
        query = select(inventory).where(inventory.c.image.in_(piece), inventory.c.until_rev == OPEN)
        found.update((row.image, inventory_of(row)) for row in connection.execute(query))
    return found


def by_id(connection: Connection, inventory_id: int) -> Inventory | None:
    """The inventory with this id."""
    row = connection.execute(select(inventory).where(inventory.c.id == inventory_id)).one_or_none()
    return None if row is None else inventory_of(row)


def close_image(connection: Connection, image: str, rev: int) -> None:
    """End the inventory of an image that is gone: what was found stays, as of `rev`."""
    connection.execute(
        update(inventory).where(inventory.c.image == image, inventory.c.until_rev == OPEN).values(until_rev=rev)
    )


def close_repository(connection: Connection, repository: str, rev: int) -> None:
    """End the inventories of all images of a repository that is gone."""
    connection.execute(
        update(inventory)
        .where(inventory.c.repository == repository, inventory.c.until_rev == OPEN)
        .values(until_rev=rev)
    )


def freeze_repository(connection: Connection, repository: str, rev: int) -> None:
    """Look at no image of a repository any more."""
    connection.execute(update(inventory).where(inventory.c.repository == repository, *LIVE).values(frozen_rev=rev))


def take_up(connection: Connection, found: Inventory, *, target: str, compartment: str) -> None:
    """Look at an image again, for this target.

    A revision that was being prepared while the image was frozen may have scanned it still; nobody has read that.
    """
    if found.frozen_rev is not None:
        connection.execute(delete(scan).where(scan.c.inventory_id == found.id, scan.c.rev > found.frozen_rev))
    connection.execute(
        update(inventory)
        .where(inventory.c.id == found.id)
        .values(frozen_rev=None, target=target, compartment=compartment)
    )


def hand_over(connection: Connection, repository: str, *, target: str, compartment: str) -> None:
    """Let another target look at the images of a repository from now on."""
    connection.execute(
        update(inventory)
        .where(inventory.c.repository == repository, *LIVE)
        .values(target=target, compartment=compartment)
    )


def move(connection: Connection, compartment: str, *, target: str = "", inventory_id: int | None = None) -> None:
    """Let the results of one target, or of one inventory, lie in another compartment."""
    which = inventory.c.target == target if inventory_id is None else inventory.c.id == inventory_id
    connection.execute(update(inventory).where(which).values(compartment=compartment))


def watched_by(connection: Connection, repository: str) -> str:
    """The target for which images of a repository are looked at; empty when none is."""
    query = select(inventory.c.target).where(inventory.c.repository == repository, *LIVE).limit(1)
    return connection.execute(query).scalar_one_or_none() or ""


def changed(connection: Connection, sets: Collection[int]) -> list[tuple[str, int]]:
    """(repository, inventory) of all live inventories with one of these sets on their path, in that order."""
    chains: set[int] = set()
    for piece in batches(sets):
        query = select(chain_path.c.chain_id).where(chain_path.c.set_id.in_(piece))
        chains.update(connection.execute(query).scalars())
    found: list[tuple[str, int]] = []
    for piece in batches(sorted(chains)):
        query = select(inventory.c.repository, inventory.c.id).where(inventory.c.chain_id.in_(piece), *LIVE)
        found.extend((row[0], row[1]) for row in connection.execute(query))
    return sorted(found)


def chains_of(connection: Connection, ids: Collection[int]) -> dict[int, int]:
    """Inventory → its chain, for those that have one."""
    found: dict[int, int] = {}
    for piece in batches(ids):
        query = select(inventory.c.id, inventory.c.chain_id)
        rows = connection.execute(query.where(inventory.c.id.in_(piece), inventory.c.chain_id.is_not(None)))
        found.update((row[0], row[1]) for row in rows)
    return found


def oldest_frozen(connection: Connection) -> int | None:
    """The oldest revision as of which an image is still shown."""
    query = select(func.min(inventory.c.frozen_rev)).where(inventory.c.until_rev == OPEN)
    oldest: int | None = connection.execute(query).scalar_one()
    return oldest


def ids_after(connection: Connection, after: int, limit: int) -> list[int]:
    """The next inventories in the order of their ids."""
    query = select(inventory.c.id).where(inventory.c.id > after).order_by(inventory.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def delete_closed(connection: Connection, inventories: Collection[int], rev: int) -> int:
    """Remove those of these inventories that ended at or before `rev`, with scans and places; how many went."""
    query = select(inventory.c.id).where(inventory.c.id.in_(inventories), inventory.c.until_rev <= rev)
    closed = list(connection.execute(query).scalars())
    for table in (scan, inventory_layer, late):
        connection.execute(delete(table).where(table.c.inventory_id.in_(closed)))
    return connection.execute(delete(inventory).where(inventory.c.id.in_(closed))).rowcount


def note_late(connection: Connection, rev: int, inventory_id: int) -> None:
    """Note that an inventory came while `rev` was being prepared."""
    statement = insert(connection, late).values(rev=rev, inventory_id=inventory_id)
    connection.execute(statement.on_conflict_do_nothing())


def late_ones(connection: Connection, rev: int, limit: int) -> tuple[int, ...]:
    """Inventories that came while `rev` was being prepared and have not been caught up."""
    query = select(late.c.inventory_id).where(late.c.rev == rev).order_by(late.c.inventory_id).limit(limit)
    return tuple(connection.execute(query).scalars())


def caught_up(connection: Connection, rev: int, inventory_id: int) -> None:
    """Note that an inventory is up to `rev`."""
    connection.execute(delete(late).where(late.c.rev == rev, late.c.inventory_id == inventory_id))


def inventory_of(row: Row[Any]) -> Inventory:
    """The value of a row of the table, or of a join that holds all its columns."""
    return Inventory(
        id=row.id,
        mark=row.mark,
        tenancy=row.tenancy,
        compartment=row.compartment,
        target=row.target,
        repository=row.repository,
        image=row.image,
        chain=row.chain_id,
        state=STATES[row.state],
        reason=row.reason,
        from_rev=row.from_rev,
        until_rev=row.until_rev,
        frozen_rev=row.frozen_rev,
    )


#: Inventories that a re-scan looks at.
LIVE = (inventory.c.until_rev == OPEN, inventory.c.frozen_rev.is_(None))
