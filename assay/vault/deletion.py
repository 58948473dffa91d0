"""Deleting keys and key versions: always scheduled, 7 to 30 days ahead, cancellable; then the private half is gone.

What is pending or deleted neither signs nor is trusted. The public half and the audit rows stay, so that old denials
can be explained.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.events import KeyStateChanged
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, perform
from assay.storage import Store
from assay.vault import keys, vaults
from assay.vault.records import keys as records
from assay.vault.records import vaults as vault_records
from assay.vault.resources import Key, KeyVersion, Vault
from assay.vault.shapes import KeyState, VaultState, deletion_time, require_key_move

DESTROYED_AT_ONCE_MAX = 100
_UPKEEP = Principal(PrincipalKind.INSTALLATION, "vault upkeep")


def schedule_key_deletion(
    store: Store,
    actor: Actor,
    key: str,
    *,
    time_of_deletion: Instant | None = None,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Key:
    """Mark a key for deletion in 7 to 30 days (default 30). Errors: Refused (NOT_FOUND, WRONG_STATE, …)."""

    def change(act: Act, found: Key) -> None:
        require_key_move("key", found.state, KeyState.PENDING_DELETION)
        records.schedule(act.connection, found, deletion_time(act.now, time_of_deletion), act.now)
        _announce(act, found, KeyState.PENDING_DELETION)

    return keys.changed_key(
        store,
        actor,
        "ScheduleKeyDeletion",
        key,
        change,
        if_match=if_match,
        retry_token=retry_token,
        request=time_of_deletion,
    )


def cancel_key_deletion(
    store: Store, actor: Actor, key: str, *, if_match: str | None = None, retry_token: str | None = None
) -> Key:
    """Undo a scheduled deletion; the key is as it was before. Errors: Refused (NOT_FOUND, WRONG_STATE)."""

    def change(act: Act, found: Key) -> None:
        _require_pending("key", found.state)
        _announce(act, found, records.unschedule(act.connection, found, act.now))

    return keys.changed_key(store, actor, "CancelKeyDeletion", key, change, if_match=if_match, retry_token=retry_token)


def schedule_key_version_deletion(
    store: Store,
    actor: Actor,
    key: str,
    version: str,
    *,
    time_of_deletion: Instant | None = None,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> KeyVersion:
    """Mark a version for deletion; never the current one. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, found: Key, old: KeyVersion) -> KeyState:
        if found.current_version == version:
            raise Refused(
                "The current version of a key cannot be deleted.",
                advice="Rotate the key first, or delete the key.",
                reason=Reason.WRONG_STATE,
            )
        require_key_move("key version", old.state, KeyState.PENDING_DELETION)
        records.schedule(act.connection, old, deletion_time(act.now, time_of_deletion), act.now)
        return KeyState.PENDING_DELETION

    return _changed_version(
        store, actor, "ScheduleKeyVersionDeletion", (key, version, time_of_deletion), change, if_match, retry_token
    )


def cancel_key_version_deletion(
    store: Store,
    actor: Actor,
    key: str,
    version: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> KeyVersion:
    """Undo a version's scheduled deletion. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, _key: Key, old: KeyVersion) -> KeyState:
        _require_pending("key version", old.state)
        return records.unschedule(act.connection, old, act.now)

    return _changed_version(
        store, actor, "CancelKeyVersionDeletion", (key, version, None), change, if_match, retry_token
    )


def _changed_version(
    store: Store,
    actor: Actor,
    operation: str,
    request: tuple[str, str, Instant | None],
    change: Callable[[Act, Key, KeyVersion], KeyState],
    if_match: str | None,
    retry_token: str | None,
) -> KeyVersion:
    key, version, _ = request

    def locate(connection: Connection) -> Target:
        found = keys.target_of(records.get_key(connection, actor.tenancy, key, lock=True))
        old = records.get_version(connection, actor.tenancy, key, version, lock=True)
        return Target(found.compartment, version, old.etag, found.variables, before=old)

    def apply(act: Act) -> KeyVersion:
        found = records.get_key(act.connection, actor.tenancy, key)
        state = change(act, found, records.get_version(act.connection, actor.tenancy, key, version))
        act.announce(KeyStateChanged(tenancy=found.tenancy, key=key, key_version=version, state=state))
        return records.get_version(act.connection, actor.tenancy, key, version)

    return perform(
        store,
        actor,
        operation,
        locate=locate,
        change=apply,
        if_match=if_match,
        retry_token=retry_token,
        request=request,
        replay=KeyVersion,
    )


def destroy_due(store: Store) -> int:
    """Destroy what was scheduled and whose time has come, at most 100 of each kind; how many. For upkeep.

    Each is its own transaction and audit row, in the tenancy's name by the installation itself.
    """
    now = store.clock.now()
    with store.database.read() as connection:
        due_vaults = vault_records.due(connection, now, DESTROYED_AT_ONCE_MAX)
        due_keys = records.due_keys(connection, now, DESTROYED_AT_ONCE_MAX)
        due_versions = records.due_versions(connection, now, DESTROYED_AT_ONCE_MAX)
    for version in due_versions:
        _destroy_version(store, version)
    for key in due_keys:
        _destroy_key(store, key)
    for vault in due_vaults:
        _destroy_vault(store, vault)
    return len(due_vaults) + len(due_keys) + len(due_versions)


def _destroy_version(store: Store, version: KeyVersion) -> None:
    def locate(connection: Connection) -> Target:
        records.get_version(connection, version.tenancy, version.key, version.ocid, lock=True)
        return Target(version.compartment, version.ocid, before=version)

    def change(act: Act) -> KeyVersion:
        found = records.get_version(act.connection, version.tenancy, version.key, version.ocid)
        if _still_due(found.state, found.time_of_deletion, act.now):
            records.destroy_version(act.connection, version.ocid, act.now)
            fact = KeyStateChanged(
                tenancy=version.tenancy, key=version.key, key_version=version.ocid, state=KeyState.DELETED
            )
            act.announce(fact)
        return records.get_version(act.connection, version.tenancy, version.key, version.ocid)

    perform(store, Actor(_UPKEEP, version.tenancy), "DestroyKeyVersion", locate=locate, change=change)


def _destroy_key(store: Store, key: Key) -> None:
    def locate(connection: Connection) -> Target:
        return keys.target_of(records.get_key(connection, key.tenancy, key.ocid, lock=True))

    def change(act: Act) -> Key:
        found = records.get_key(act.connection, key.tenancy, key.ocid)
        if _still_due(found.state, found.time_of_deletion, act.now):
            _empty(act, found)
        return records.get_key(act.connection, key.tenancy, key.ocid)

    perform(store, Actor(_UPKEEP, key.tenancy), "DestroyKey", locate=locate, change=change)


def _destroy_vault(store: Store, vault: Vault) -> None:
    def locate(connection: Connection) -> Target:
        return vaults.target_of(vault_records.get(connection, vault.tenancy, vault.ocid, lock=True))

    def change(act: Act) -> Vault:
        found = vault_records.get(act.connection, vault.tenancy, vault.ocid)
        if found.state is VaultState.PENDING_DELETION and (found.time_of_deletion or act.now + 1) <= act.now:
            for key in records.keys_of(act.connection, vault.ocid):
                if key.state is not KeyState.DELETED:
                    _empty(act, key)
            vault_records.set_state(act.connection, vault.ocid, VaultState.DELETED, act.now, None)
        return vault_records.get(act.connection, vault.tenancy, vault.ocid)

    perform(store, Actor(_UPKEEP, vault.tenancy), "DestroyVault", locate=locate, change=change)


def _empty(act: Act, key: Key) -> None:
    """Destroy all versions of a key, and mark it deleted."""
    for version in records.versions_of(act.connection, key.ocid):
        if version.state is not KeyState.DELETED:
            records.destroy_version(act.connection, version.ocid, act.now)
    records.set_key_state(act.connection, key.ocid, KeyState.DELETED, act.now)
    _announce(act, key, KeyState.DELETED)


def _still_due(state: KeyState, time_of_deletion: Instant | None, now: Instant) -> bool:
    """A deletion may have been cancelled between the list and the lock."""
    return state is KeyState.PENDING_DELETION and time_of_deletion is not None and time_of_deletion <= now


def _require_pending(what: str, state: KeyState) -> None:
    if state is not KeyState.PENDING_DELETION:
        raise Refused(
            f"The {what} is {state}; no deletion is scheduled.",
            advice="Look at its lifecycle state first.",
            reason=Reason.WRONG_STATE,
        )


def _announce(act: Act, key: Key, state: KeyState) -> None:
    act.announce(KeyStateChanged(tenancy=key.tenancy, key=key.ocid, state=state))
