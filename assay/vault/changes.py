"""What people say of vaults and keys: their names, their tags, and the compartments in which they lie."""

from assay.errors import Reason, Refused
from assay.iam import Act, Actor, Target, authorize
from assay.storage import Store
from assay.vault import keys, vaults
from assay.vault.records import keys as key_records
from assay.vault.records import vaults as vault_records
from assay.vault.resources import Key, Relabeling, Vault
from assay.vault.shapes import KeyState


def update_vault(store: Store, actor: Actor, vault: str, wanted: Relabeling, *, if_match: str | None = None) -> Vault:
    """Give a vault another name or other tags. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, found: Vault) -> None:
        vaults.require_active(found)
        vault_records.relabel(act.connection, vault, wanted, act.now)

    return vaults.changed_vault(store, actor, "UpdateVault", vault, change, if_match, None, wanted)


def move_vault(
    store: Store,
    actor: Actor,
    vault: str,
    compartment: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Vault:
    """Put a vault into another compartment of its tenancy; its keys stay where they are.

    The actor needs the permission where it lies and where it is to lie. Errors: Refused (NOT_FOUND, WRONG_STATE,
    ETAG_MISMATCH).
    """
    operation = "ChangeVaultCompartment"

    def change(act: Act, found: Vault) -> None:
        vaults.require_active(found)
        _authorize_there(act, operation, compartment, vaults.target_of(found))
        vault_records.move(act.connection, vault, compartment, act.now)

    return vaults.changed_vault(store, actor, operation, vault, change, if_match, retry_token, compartment)


def update_key(store: Store, actor: Actor, key: str, wanted: Relabeling, *, if_match: str | None = None) -> Key:
    """Give a key another name or other tags. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, found: Key) -> None:
        _require_kept(found)
        key_records.relabel(act.connection, key, wanted, act.now)

    return keys.changed_key(store, actor, "UpdateKey", key, change, if_match=if_match, retry_token=None, request=wanted)


def move_key(
    store: Store,
    actor: Actor,
    key: str,
    compartment: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Key:
    """Put a key with its versions into another compartment of its tenancy; it stays in its vault.

    The actor needs the permission where it lies and where it is to lie. Errors: as `move_vault`.
    """
    operation = "ChangeKeyCompartment"

    def change(act: Act, found: Key) -> None:
        _require_kept(found)
        _authorize_there(act, operation, compartment, keys.target_of(found))
        key_records.move(act.connection, key, compartment, act.now)

    return keys.changed_key(
        store, actor, operation, key, change, if_match=if_match, retry_token=retry_token, request=compartment
    )


def _authorize_there(act: Act, operation: str, compartment: str, here: Target) -> None:
    there = Target(compartment, here.resource, variables=here.variables)
    authorize(act.connection, act.actor, operation, there, now=act.now)


def _require_kept(key: Key) -> None:
    if key.state in (KeyState.PENDING_DELETION, KeyState.DELETED):
        raise Refused(
            f"The key {key.display_name!r} is {key.state}.",
            advice="Cancel its deletion first, or use another key.",
            reason=Reason.WRONG_STATE,
        )
