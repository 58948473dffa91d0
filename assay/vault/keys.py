"""Verbs on master encryption keys and their versions.

A key's bytes are made and sealed before the write transaction begins, for an RSA 4096 key takes a second; what is made
for a caller who turns out not to be permitted is never made at all.
"""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from assay.errors import AssayError, Reason, Refused
from assay.events import KeyStateChanged
from assay.iam import Act, Actor, Target, authorize, perform
from assay.iam.identity import seen
from assay.storage import Store
from assay.storage.pages import Page
from assay.vault import vaults
from assay.vault.records import keys as records
from assay.vault.records import vaults as vault_records
from assay.vault.resources import Key, KeyDetails, KeyFilter, KeyVersion, Listing
from assay.vault.sealing import KeyBinding, RootKey, SealedKey, generate_sealed
from assay.vault.shapes import KeyState, require_key_move


def target_of(key: Key) -> Target:
    """A key as what an operation acts on."""
    return Target(
        compartment=key.compartment,
        resource=key.ocid,
        etag=key.etag,
        variables={"target.key.id": key.ocid, "target.vault.id": key.vault},
        before=key,
    )


def create_key(
    store: Store, actor: Actor, details: KeyDetails, *, root: RootKey, retry_token: str | None = None
) -> Key:
    """A new key with its first version, enabled.

    Errors: Refused (NOT_FOUND when the vault is missing or it is not permitted, WRONG_STATE when the vault is not
    ACTIVE), Unavailable (SEALED).
    """
    target = Target(compartment=details.compartment, variables={"target.vault.id": details.vault})
    made = _make_key(store, actor, details, target, root)

    def locate(connection: Connection) -> Target:
        vault_records.get(connection, actor.tenancy, details.vault, lock=True)
        return target

    def change(act: Act) -> Key:
        vault = vault_records.get(act.connection, actor.tenancy, details.vault)
        vaults.require_active(vault)
        if isinstance(made, AssayError):
            raise made
        if vault.compartment != details.compartment:
            authorize(act.connection, actor, "CreateKey", vaults.target_of(vault), now=act.now)
        key = records.insert_key(act.connection, made.key, actor.tenancy, details, made.key_version, act.now)
        records.insert_version(act.connection, key, made.key_version, made.sealed, act.now)
        return key

    return perform(
        store,
        actor,
        "CreateKey",
        locate=locate,
        change=change,
        replay=Key,
        request=details,
        retry_token=retry_token,
    )


class _Made:
    """A key that was made for a row that is yet to be written."""

    __slots__ = ("key", "key_version", "sealed")

    def __init__(self, key: str, key_version: str, sealed: SealedKey) -> None:
        self.key = key
        self.key_version = key_version
        self.sealed = sealed


def _make_key(store: Store, actor: Actor, details: KeyDetails, target: Target, root: RootKey) -> _Made | AssayError:
    """The new key's bytes, or why not."""
    try:
        with store.database.read() as connection:
            authorize(connection, actor, "CreateKey", target, now=store.clock.now())
            extension = vault_records.get(connection, actor.tenancy, details.vault).extension
        key = store.site.new_ocid("key", extension=extension).text
        return _make_version(store, root, details.vault, extension, key, details)
    except AssayError as fault:
        # Raised inside `perform`, which keeps a record of denials and answers a repeated request.
        return fault


def _make_rotation(store: Store, actor: Actor, key: str, root: RootKey) -> _Made | AssayError:
    """The next version's bytes, or why not."""
    try:
        with store.database.read() as connection:
            old = records.get_key(connection, actor.tenancy, key)
            authorize(connection, actor, "CreateKeyVersion", target_of(old), now=store.clock.now())
            extension = vault_records.get(connection, actor.tenancy, old.vault).extension
        return _make_version(store, root, old.vault, extension, key, old)
    except AssayError as fault:
        return fault


def _make_version(
    store: Store, root: RootKey, vault: str, extension: str, key: str, details: KeyDetails | Key
) -> _Made:
    version = store.site.new_ocid("keyversion", extension=f"{extension}.{vaults.new_extension()}").text
    return _Made(key, version, generate_sealed(root, KeyBinding(vault, key, version, details.shape)))


def get_key(store: Store, actor: Actor, key: str) -> Key:
    """The key of that OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get_key(connection, actor.tenancy, key)
        authorize(connection, actor, "GetKey", target_of(found), now=store.clock.now())
        return found


def list_keys(
    store: Store,
    actor: Actor,
    compartment: str,
    vault: str,
    listing: Listing | None = None,
    narrow: KeyFilter | None = None,
) -> Page[Key]:
    """A page of a vault's keys that lie in a compartment. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    listing, narrow = listing or Listing(), narrow or KeyFilter()
    with store.database.read() as connection:
        target = Target(compartment=compartment, variables={"target.vault.id": vault})
        authorize(connection, actor, "ListKeys", target, now=store.clock.now())
        vault_records.get(connection, actor.tenancy, vault)
        found = records.listed_keys(store, connection, actor.tenancy, compartment, vault, listing, narrow)
        return replace(found, items=seen.as_seen(store, connection, actor, "GetKey", found.items, target_of))


def enable_key(
    store: Store, actor: Actor, key: str, *, if_match: str | None = None, retry_token: str | None = None
) -> Key:
    """Let a disabled key sign, and be trusted, again. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""
    return _set_state(store, actor, "EnableKey", key, KeyState.ENABLED, if_match, retry_token)


def disable_key(
    store: Store, actor: Actor, key: str, *, if_match: str | None = None, retry_token: str | None = None
) -> Key:
    """Stop a key from signing and from being trusted, from now on. Errors: Refused (NOT_FOUND, WRONG_STATE, …)."""
    return _set_state(store, actor, "DisableKey", key, KeyState.DISABLED, if_match, retry_token)


def _set_state(
    store: Store,
    actor: Actor,
    operation: str,
    key: str,
    state: KeyState,
    if_match: str | None,
    retry_token: str | None,
) -> Key:
    def change(act: Act, found: Key) -> None:
        if found.state is KeyState.PENDING_DELETION:
            raise Refused(
                "The key is PENDING_DELETION.", advice="Cancel its deletion first.", reason=Reason.WRONG_STATE
            )
        require_key_move("key", found.state, state)
        records.set_key_state(act.connection, key, state, act.now)
        act.announce(KeyStateChanged(tenancy=found.tenancy, key=key, state=state))

    return changed_key(store, actor, operation, key, change, if_match=if_match, retry_token=retry_token)


def changed_key(
    store: Store,
    actor: Actor,
    operation: str,
    key: str,
    change: Callable[[Act, Key], None],
    *,
    if_match: str | None,
    retry_token: str | None,
    request: object = None,
) -> Key:
    """Perform a change of one key, locked meanwhile; the key as it is then."""

    def locate(connection: Connection) -> Target:
        return target_of(records.get_key(connection, actor.tenancy, key, lock=True))

    def apply(act: Act) -> Key:
        change(act, records.get_key(act.connection, actor.tenancy, key))
        return records.get_key(act.connection, actor.tenancy, key)

    return perform(
        store,
        actor,
        operation,
        locate=locate,
        change=apply,
        if_match=if_match,
        retry_token=retry_token,
        request=(key, request),
        replay=Key,
    )


def create_key_version(
    store: Store, actor: Actor, key: str, *, root: RootKey, retry_token: str | None = None
) -> KeyVersion:
    """Rotate a key: a new version signs from now on; what older versions signed stays trusted.

    Errors: Refused (NOT_FOUND, WRONG_STATE unless the key is ENABLED in an ACTIVE vault), Unavailable (SEALED).
    """
    made = _make_rotation(store, actor, key, root)

    def locate(connection: Connection) -> Target:
        return target_of(records.get_key(connection, actor.tenancy, key, lock=True))

    def change(act: Act) -> KeyVersion:
        found = records.get_key(act.connection, actor.tenancy, key)
        vaults.require_active(vault_records.get(act.connection, actor.tenancy, found.vault))
        if isinstance(made, AssayError):
            raise made
        if found.state is not KeyState.ENABLED:
            raise Refused(
                f"The key is {found.state}; it cannot be rotated.", advice="Enable it first.", reason=Reason.WRONG_STATE
            )
        version = records.insert_version(act.connection, found, made.key_version, made.sealed, act.now)
        records.set_current(act.connection, key, version.ocid, act.now)
        return version

    return perform(
        store,
        actor,
        "CreateKeyVersion",
        locate=locate,
        change=change,
        replay=KeyVersion,
        request=key,
        retry_token=retry_token,
    )


def get_key_version(store: Store, actor: Actor, key: str, version: str) -> KeyVersion:
    """A version of a key, with its public half as PEM text. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get_key(connection, actor.tenancy, key)
        authorize(connection, actor, "GetKeyVersion", target_of(found), now=store.clock.now())
        return records.get_version(connection, actor.tenancy, key, version)


def list_key_versions(store: Store, actor: Actor, key: str, listing: Listing | None = None) -> Page[KeyVersion]:
    """A page of a key's versions. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    with store.database.read() as connection:
        found = records.get_key(connection, actor.tenancy, key)
        authorize(connection, actor, "ListKeyVersions", target_of(found), now=store.clock.now())
        return records.listed_versions(store, connection, found, listing or Listing())
