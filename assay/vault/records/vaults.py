"""Statements on vaults."""

from typing import Any

from sqlalchemy import Connection, Row, select

from assay.clock import Instant
from assay.storage import Store
from assay.storage.pages import Page
from assay.vault.records import rows
from assay.vault.records.tables import vault
from assay.vault.resources import Listing, Relabeling, Vault, VaultDetails
from assay.vault.shapes import VaultState, VaultType


def insert(
    connection: Connection, ocid: str, tenancy: str, extension: str, details: VaultDetails, now: Instant
) -> Vault:
    """Write a new vault."""
    connection.execute(
        vault.insert().values(
            **rows.fresh(ocid, tenancy, details.compartment, VaultState.ACTIVE, now),
            display_name=details.display_name,
            vault_type=details.vault_type,
            extension=extension,
            freeform_tags=details.freeform_tags,
            defined_tags=details.defined_tags,
        )
    )
    return get(connection, tenancy, ocid)


def get(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Vault:
    """The vault, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    return _value(rows.one(connection, vault, tenancy, ocid, lock=lock))


def by_extension(connection: Connection, extension: str) -> Vault | None:
    """The vault that a host name or path names by its extension, of whatever tenancy."""
    row = connection.execute(select(vault).where(vault.c.extension == extension)).one_or_none()
    return _value(row) if row else None


def listed(store: Store, connection: Connection, tenancy: str, compartment: str, listing: Listing) -> Page[Vault]:
    """A page of the vaults of a compartment, deleted ones too, as OCI lists them."""
    query = select(vault).where(vault.c.tenancy == tenancy, vault.c.compartment == compartment)
    found = rows.page(store, connection, vault, query, listing)
    return Page(tuple(map(_value, found.items)), found.next_page)


def relabel(connection: Connection, ocid: str, wanted: Relabeling, now: Instant) -> None:
    """Change a vault's name and tags."""
    rows.change(connection, vault, ocid, now, **wanted.columns)


def move(connection: Connection, ocid: str, compartment: str, now: Instant) -> None:
    """Put a vault into another compartment; its keys stay where they are."""
    rows.change(connection, vault, ocid, now, compartment=compartment)


def set_state(
    connection: Connection, ocid: str, state: VaultState, now: Instant, time_of_deletion: Instant | None
) -> None:
    """Change a vault's state."""
    deleted = {"time_deleted": now} if state is VaultState.DELETED else {}
    rows.change(connection, vault, ocid, now, lifecycle_state=state, time_of_deletion=time_of_deletion, **deleted)


def due(connection: Connection, now: Instant, limit: int) -> tuple[Vault, ...]:
    """Vaults whose time of deletion has come."""
    query = select(vault).where(vault.c.lifecycle_state == VaultState.PENDING_DELETION, vault.c.time_of_deletion <= now)
    return tuple(map(_value, connection.execute(query.order_by(vault.c.time_of_deletion).limit(limit))))


def _value(row: Row[Any]) -> Vault:
    return Vault(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        display_name=row.display_name,
        vault_type=VaultType(row.vault_type),
        extension=row.extension,
        state=VaultState(row.lifecycle_state),
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_of_deletion=row.time_of_deletion,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )
