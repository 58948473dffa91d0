"""Verbs on vaults."""

import secrets
import string
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.events import KeyStateChanged
from assay.iam import Act, Actor, Target, authorize, perform
from assay.iam.identity import seen
from assay.storage import Store
from assay.storage.pages import Page
from assay.vault.records import keys as key_records
from assay.vault.records import vaults as records
from assay.vault.resources import Listing, Vault, VaultDetails, VaultUsage
from assay.vault.shapes import KeyState, VaultState, deletion_time, require_vault_move

_EXTENSION_LETTERS = string.ascii_lowercase + string.digits
EXTENSION_LENGTH = 13


def new_extension() -> str:
    """What names a vault (or a key version) inside OCIDs; also a host label, so it begins with a letter."""
    rest = (secrets.choice(_EXTENSION_LETTERS) for _ in range(EXTENSION_LENGTH - 1))
    return secrets.choice(string.ascii_lowercase) + "".join(rest)


def target_of(vault: Vault) -> Target:
    """A vault as what an operation acts on."""
    return Target(
        compartment=vault.compartment,
        resource=vault.ocid,
        etag=vault.etag,
        variables={"target.vault.id": vault.ocid},
        before=vault,
    )


def require_active(vault: Vault) -> None:
    """Refused (WRONG_STATE) unless the vault is ACTIVE."""
    if vault.state is not VaultState.ACTIVE:
        raise Refused(
            f"The vault {vault.display_name!r} is {vault.state}.",
            advice="Cancel its deletion first, or use another vault.",
            reason=Reason.WRONG_STATE,
        )


def create_vault(store: Store, actor: Actor, details: VaultDetails, *, retry_token: str | None = None) -> Vault:
    """A new vault, ready for keys. Errors: Refused (NOT_FOUND when not permitted)."""

    def locate(_connection: Connection) -> Target:
        return Target(compartment=details.compartment)

    def change(act: Act) -> Vault:
        extension = new_extension()
        ocid = store.site.new_ocid("vault", extension=extension).text
        return records.insert(act.connection, ocid, actor.tenancy, extension, details, act.now)

    return perform(
        store,
        actor,
        "CreateVault",
        locate=locate,
        change=change,
        replay=Vault,
        request=details,
        retry_token=retry_token,
    )


def get_vault(store: Store, actor: Actor, vault: str) -> Vault:
    """The vault of that OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get(connection, actor.tenancy, vault)
        authorize(connection, actor, "GetVault", target_of(found), now=store.clock.now())
        return found


def list_vaults(store: Store, actor: Actor, compartment: str, listing: Listing | None = None) -> Page[Vault]:
    """A page of the vaults of a compartment. Errors: Refused (NOT_FOUND when not permitted, PAGE_TOKEN)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListVaults", Target(compartment=compartment), now=store.clock.now())
        found = records.listed(store, connection, actor.tenancy, compartment, listing or Listing())
        return replace(found, items=seen.as_seen(store, connection, actor, "GetVault", found.items, target_of))


def get_vault_usage(store: Store, actor: Actor, vault: str) -> VaultUsage:
    """How many keys the vault holds. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get(connection, actor.tenancy, vault)
        authorize(connection, actor, "GetVaultUsage", target_of(found), now=store.clock.now())
        return key_records.usage(connection, vault)


def find_by_extension(store: Store, extension: str) -> Vault | None:
    """The vault that a door's host name or path prefix names. Says nothing to a caller: verbs check for themselves."""
    with store.database.read() as connection:
        return records.by_extension(connection, extension)


def schedule_vault_deletion(
    store: Store,
    actor: Actor,
    vault: str,
    *,
    time_of_deletion: Instant | None = None,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Vault:
    """Mark a vault for deletion in 7 to 30 days (default 30); from now on none of its keys signs or is trusted.

    Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH, a time outside the window).
    """

    def change(act: Act, found: Vault) -> None:
        require_vault_move("vault", found.state, VaultState.PENDING_DELETION)
        at = deletion_time(act.now, time_of_deletion)
        records.set_state(act.connection, vault, VaultState.PENDING_DELETION, act.now, at)
        _announce_keys(act, found, KeyState.PENDING_DELETION)

    return changed_vault(store, actor, "ScheduleVaultDeletion", vault, change, if_match, retry_token, time_of_deletion)


def cancel_vault_deletion(
    store: Store, actor: Actor, vault: str, *, if_match: str | None = None, retry_token: str | None = None
) -> Vault:
    """Undo a scheduled deletion; the vault's keys are as they were. Errors: Refused (NOT_FOUND, WRONG_STATE)."""

    def change(act: Act, found: Vault) -> None:
        require_vault_move("vault", found.state, VaultState.ACTIVE)
        records.set_state(act.connection, vault, VaultState.ACTIVE, act.now, None)
        _announce_keys(act, found, None)

    return changed_vault(store, actor, "CancelVaultDeletion", vault, change, if_match, retry_token, None)


def changed_vault(
    store: Store,
    actor: Actor,
    operation: str,
    vault: str,
    change: Callable[[Act, Vault], None],
    if_match: str | None,
    retry_token: str | None,
    request: object,
) -> Vault:
    """Perform a change of one vault, locked meanwhile; the vault as it is then."""

    def locate(connection: Connection) -> Target:
        return target_of(records.get(connection, actor.tenancy, vault, lock=True))

    def apply(act: Act) -> Vault:
        change(act, records.get(act.connection, actor.tenancy, vault))
        return records.get(act.connection, actor.tenancy, vault)

    return perform(
        store,
        actor,
        operation,
        locate=locate,
        change=apply,
        if_match=if_match,
        retry_token=retry_token,
        request=(vault, request),
        replay=Vault,
    )


def _announce_keys(act: Act, vault: Vault, state: KeyState | None) -> None:
    """Tell that the vault's keys are in `state`, or in their own state again."""
    for key in key_records.keys_of(act.connection, vault.ocid):
        act.announce(KeyStateChanged(tenancy=vault.tenancy, key=key.ocid, state=state or key.state))
