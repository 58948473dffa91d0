"""What OCI's vaults do and Assay's don't: asked for with the same permissions, and refused by name, never pretended.

Keys here sign and verify. They are asymmetric, so nothing is encrypted with them; they are made where they stay, so
nothing is imported; and they are backed up with the database and the root key, not one by one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from assay.errors import Reason, Refused
from assay.iam import Actor, Target, authorize
from assay.storage import Store
from assay.vault import keys, vaults
from assay.vault.records import keys as key_records
from assay.vault.records import vaults as vault_records

_BACKUP = "Back up the database together with the root key."
_REPLICA = "Run more replicas of the server on one database."
_IMPORT = "Create a key here, and trust its public half where the other key was trusted."
_SYMMETRIC = "Use a key manager for symmetric keys; keys here sign and verify."

#: What each of the missing operations asks for in its stead.
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "BackupVault": _BACKUP,
        "RestoreVaultFromFile": _BACKUP,
        "RestoreVaultFromObjectStore": _BACKUP,
        "CreateVaultReplica": _REPLICA,
        "DeleteVaultReplica": _REPLICA,
        "ListVaultReplicas": _REPLICA,
        "GetWrappingKey": _IMPORT,
        "ImportKey": _IMPORT,
        "ImportKeyVersion": _IMPORT,
        "BackupKey": _BACKUP,
        "RestoreKeyFromFile": _BACKUP,
        "RestoreKeyFromObjectStore": _BACKUP,
        "Encrypt": _SYMMETRIC,
        "Decrypt": _SYMMETRIC,
        "GenerateDataEncryptionKey": _SYMMETRIC,
        "ExportKey": "Use the key where it is: it never leaves the vault.",
    }
)


def refuse_for_vault(store: Store, actor: Actor, operation: str, vault: str) -> NoReturn:
    """Refused: UNSUPPORTED with the operation's name, NOT_FOUND for a vault on which it isn't permitted."""
    with store.database.read() as connection:
        target = vaults.target_of(vault_records.get(connection, actor.tenancy, vault))
        authorize(connection, actor, operation, target, now=store.clock.now())
    raise _unsupported(operation)


def refuse_for_key(store: Store, actor: Actor, operation: str, key: str) -> NoReturn:
    """Refused: UNSUPPORTED with the operation's name, NOT_FOUND for a key on which it isn't permitted."""
    with store.database.read() as connection:
        target = keys.target_of(key_records.get_key(connection, actor.tenancy, key))
        authorize(connection, actor, operation, target, now=store.clock.now())
    raise _unsupported(operation)


def refuse_in_compartment(store: Store, actor: Actor, operation: str, compartment: str) -> NoReturn:
    """Refused: UNSUPPORTED with the operation's name, NOT_FOUND for a compartment in which it isn't permitted."""
    with store.database.read() as connection:
        authorize(connection, actor, operation, Target(compartment), now=store.clock.now())
    raise _unsupported(operation)


def require_no_rotation(*, wanted: bool) -> None:
    """Refused (UNSUPPORTED) when a key is to be rotated by itself."""
    if wanted:
        raise Refused(
            "Assay does not have automatic key rotation.",
            advice="Create a new key version when it is time.",
            reason=Reason.UNSUPPORTED,
        )


def _unsupported(operation: str) -> Refused:
    return Refused(f"Assay does not have {operation}.", advice=INSTEAD[operation], reason=Reason.UNSUPPORTED)
