"""Statements on master encryption keys and their versions."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, distinct, func, or_, select, update

from assay.clock import Instant
from assay.errors import not_found
from assay.storage import Store
from assay.storage.pages import Page
from assay.vault.records import rows
from assay.vault.records.tables import key_version, master_key, vault
from assay.vault.resources import Key, KeyDetails, KeyFilter, KeyVersion, Listing, Relabeling, VaultUsage
from assay.vault.sealing import FORMAT_VERSION, KeyBinding, SealedKey
from assay.vault.shapes import Curve, KeyAlgorithm, KeyShape, KeyState, ProtectionMode, VaultState

_DESTROYED = b""


def insert_key(connection: Connection, ocid: str, tenancy: str, details: KeyDetails, version: str, now: Instant) -> Key:
    """Write a new key whose first version is `version`."""
    connection.execute(
        master_key.insert().values(
            **rows.fresh(ocid, tenancy, details.compartment, KeyState.ENABLED, now),
            vault=details.vault,
            display_name=details.display_name,
            protection_mode=details.protection_mode,
            algorithm=details.shape.algorithm,
            length_bytes=details.shape.length,
            curve=details.shape.curve,
            current_version=version,
            freeform_tags=details.freeform_tags,
            defined_tags=details.defined_tags,
        )
    )
    return get_key(connection, tenancy, ocid)


def insert_version(connection: Connection, key: Key, ocid: str, sealed: SealedKey, now: Instant) -> KeyVersion:
    """Write a new version of a key."""
    connection.execute(
        key_version.insert().values(
            **rows.fresh(ocid, key.tenancy, key.compartment, KeyState.ENABLED, now),
            vault=key.vault,
            key=key.ocid,
            origin="INTERNAL",
            public_pem=sealed.public_pem,
            proof=sealed.proof,
            wrapped_data_key=sealed.wrapped_data_key,
            sealed=sealed.sealed,
            format_version=FORMAT_VERSION,
        )
    )
    return get_version(connection, key.tenancy, key.ocid, ocid)


def get_key(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Key:
    """The key, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    return _key(rows.one(connection, master_key, tenancy, ocid, lock=lock))


def get_version(connection: Connection, tenancy: str, key: str, ocid: str, *, lock: bool = False) -> KeyVersion:
    """A version of that key. Errors: Refused (NOT_FOUND), also for a version of another key."""
    row = rows.one(connection, key_version, tenancy, ocid, lock=lock)
    if row.key != key:
        raise not_found()
    return _version(row)


def listed_keys(
    store: Store,
    connection: Connection,
    tenancy: str,
    compartment: str,
    vault_ocid: str,
    listing: Listing,
    narrow: KeyFilter,
) -> Page[Key]:
    """A page of those of a vault's keys that lie in a compartment and that the filter lets through."""
    wanted = {
        "protection_mode": narrow.protection_mode,
        "algorithm": narrow.algorithm,
        "length_bytes": narrow.length,
        "curve": narrow.curve,
    }
    query = select(master_key).where(
        master_key.c.tenancy == tenancy,
        master_key.c.compartment == compartment,
        master_key.c.vault == vault_ocid,
        *(master_key.c[column] == value for column, value in wanted.items() if value),
    )
    found = rows.page(store, connection, master_key, query, listing)
    return Page(tuple(map(_key, found.items)), found.next_page)


def listed_versions(store: Store, connection: Connection, key: Key, listing: Listing) -> Page[KeyVersion]:
    """A page of a key's versions."""
    query = select(key_version).where(key_version.c.tenancy == key.tenancy, key_version.c.key == key.ocid)
    found = rows.page(store, connection, key_version, query, listing)
    return Page(tuple(map(_version, found.items)), found.next_page)


def keys_of(connection: Connection, vault_ocid: str) -> tuple[Key, ...]:
    """All keys of a vault."""
    query = select(master_key).where(master_key.c.vault == vault_ocid).order_by(master_key.c.ocid)
    return tuple(map(_key, connection.execute(query)))


def usage(connection: Connection, vault_ocid: str) -> VaultUsage:
    """How many keys and versions of a vault are not deleted."""
    counted = (
        select(
            master_key.c.protection_mode,
            func.count(distinct(master_key.c.ocid)).label("keys"),
            func.count(key_version.c.ocid).label("versions"),
        )
        .outerjoin(
            key_version,
            and_(key_version.c.key == master_key.c.ocid, key_version.c.lifecycle_state != KeyState.DELETED),
        )
        .where(master_key.c.vault == vault_ocid, master_key.c.lifecycle_state != KeyState.DELETED)
        .group_by(master_key.c.protection_mode)
    )
    found = {row.protection_mode: (row.keys, row.versions) for row in connection.execute(counted)}
    hsm, software = (found.get(mode, (0, 0)) for mode in (ProtectionMode.HSM, ProtectionMode.SOFTWARE))
    return VaultUsage(*hsm, *software)


def relabel(connection: Connection, key: str, wanted: Relabeling, now: Instant) -> None:
    """Change a key's name and tags."""
    rows.change(connection, master_key, key, now, **wanted.columns)


def move(connection: Connection, key: str, compartment: str, now: Instant) -> None:
    """Put a key with all its versions into another compartment."""
    rows.change(connection, master_key, key, now, compartment=compartment)
    versions = update(key_version).where(key_version.c.key == key)
    connection.execute(versions.values(compartment=compartment, time_updated=now))


def set_current(connection: Connection, key: str, version: str, now: Instant) -> None:
    """Make a version the one that signs."""
    rows.change(connection, master_key, key, now, current_version=version)


def set_key_state(connection: Connection, key: str, state: KeyState, now: Instant) -> None:
    """Enable or disable a key, or mark it deleted."""
    deleted = {"time_deleted": now} if state is KeyState.DELETED else {}
    rows.change(
        connection, master_key, key, now, lifecycle_state=state, state_before=None, time_of_deletion=None, **deleted
    )


def schedule(connection: Connection, resource: Key | KeyVersion, at: Instant, now: Instant) -> None:
    """Mark a key or version for deletion; a cancelled deletion returns to its present state."""
    table = master_key if isinstance(resource, Key) else key_version
    rows.change(
        connection,
        table,
        resource.ocid,
        now,
        lifecycle_state=KeyState.PENDING_DELETION,
        state_before=resource.state,
        time_of_deletion=at,
    )


def unschedule(connection: Connection, resource: Key | KeyVersion, now: Instant) -> KeyState:
    """Undo `schedule`; the state returned to."""
    table = master_key if isinstance(resource, Key) else key_version
    before = connection.execute(select(table.c.state_before).where(table.c.ocid == resource.ocid)).scalar_one()
    state = KeyState(before)
    rows.change(connection, table, resource.ocid, now, lifecycle_state=state, state_before=None, time_of_deletion=None)
    return state


def destroy_version(connection: Connection, version: str, now: Instant) -> None:
    """Empty the sealed half for good; the public half stays."""
    rows.change(
        connection,
        key_version,
        version,
        now,
        lifecycle_state=KeyState.DELETED,
        state_before=None,
        time_of_deletion=None,
        time_deleted=now,
        wrapped_data_key=_DESTROYED,
        sealed=_DESTROYED,
    )


def versions_of(connection: Connection, key: str) -> tuple[KeyVersion, ...]:
    """All versions of a key, newest first."""
    query = select(key_version).where(key_version.c.key == key)
    order = (key_version.c.time_created.desc(), key_version.c.ocid)
    return tuple(map(_version, connection.execute(query.order_by(*order))))


def version_number(connection: Connection, version: str) -> int:
    """The place of a version among those of its key, from 1, oldest first; 0 if it is not there."""
    of, older = key_version.alias("of"), key_version.alias("older")
    not_younger = or_(
        older.c.time_created < of.c.time_created,
        and_(older.c.time_created == of.c.time_created, older.c.ocid <= of.c.ocid),
    )
    query = select(func.count()).select_from(of.join(older, and_(older.c.key == of.c.key, not_younger)))
    return int(connection.execute(query.where(of.c.ocid == version)).scalar_one())


def due_keys(connection: Connection, now: Instant, limit: int) -> tuple[Key, ...]:
    """Keys whose time of deletion has come."""
    query = select(master_key).where(
        master_key.c.lifecycle_state == KeyState.PENDING_DELETION, master_key.c.time_of_deletion <= now
    )
    return tuple(map(_key, connection.execute(query.order_by(master_key.c.time_of_deletion).limit(limit))))


def due_versions(connection: Connection, now: Instant, limit: int) -> tuple[KeyVersion, ...]:
    """Versions whose time of deletion has come."""
    query = select(key_version).where(
        key_version.c.lifecycle_state == KeyState.PENDING_DELETION, key_version.c.time_of_deletion <= now
    )
    return tuple(map(_version, connection.execute(query.order_by(key_version.c.time_of_deletion).limit(limit))))


@dataclass(frozen=True, slots=True)
class Material:
    """A key version with what is needed to use it, and the states that decide whether it may be used."""

    key: Key
    version: KeyVersion
    vault_state: VaultState
    sealed: SealedKey
    binding: KeyBinding


def material(connection: Connection, tenancy: str, version: str) -> Material | None:
    """A version of a tenancy's key with its sealed bytes, or None."""
    found = _materials(connection, key_version.c.tenancy == tenancy, key_version.c.ocid == version)
    return found[0] if found else None


def materials_of(connection: Connection, tenancy: str, keys: tuple[str, ...]) -> tuple[Material, ...]:
    """Every version of some of a tenancy's keys."""
    return _materials(connection, key_version.c.tenancy == tenancy, key_version.c.key.in_(keys))


def latest_materials(connection: Connection, tenancy: str, *, rows_max: int) -> tuple[Material, ...]:
    """The newest versions of a tenancy's keys."""
    newest = select(key_version.c.ocid).where(key_version.c.tenancy == tenancy)
    newest = newest.order_by(key_version.c.time_created.desc(), key_version.c.ocid).limit(rows_max)
    return _materials(connection, key_version.c.ocid.in_(newest))


def _materials(connection: Connection, *conditions: Any) -> tuple[Material, ...]:
    versions = connection.execute(select(key_version).where(*conditions).order_by(key_version.c.ocid)).all()
    wanted = {row.key for row in versions}
    keys = {row.ocid: _key(row) for row in connection.execute(select(master_key).where(master_key.c.ocid.in_(wanted)))}
    of_vaults = select(vault.c.ocid, vault.c.lifecycle_state).where(vault.c.ocid.in_({row.vault for row in versions}))
    states = {row.ocid: VaultState(row.lifecycle_state) for row in connection.execute(of_vaults)}
    return tuple(_material(row, keys[row.key], states[row.vault]) for row in versions)


def _material(row: Row[Any], key: Key, vault_state: VaultState) -> Material:
    return Material(
        key=key,
        version=_version(row),
        vault_state=vault_state,
        sealed=SealedKey(row.wrapped_data_key, row.sealed, row.public_pem, row.proof),
        binding=KeyBinding(row.vault, row.key, row.ocid, key.shape, row.format_version),
    )


def _key(row: Row[Any]) -> Key:
    return Key(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        vault=row.vault,
        display_name=row.display_name,
        shape=KeyShape(KeyAlgorithm(row.algorithm), row.length_bytes, Curve(row.curve) if row.curve else None),
        protection_mode=ProtectionMode(row.protection_mode),
        state=KeyState(row.lifecycle_state),
        current_version=row.current_version,
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_of_deletion=row.time_of_deletion,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )


def _version(row: Row[Any]) -> KeyVersion:
    return KeyVersion(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        vault=row.vault,
        key=row.key,
        origin=row.origin,
        public_pem=row.public_pem,
        state=KeyState(row.lifecycle_state),
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_of_deletion=row.time_of_deletion,
        etag=row.etag,
    )
