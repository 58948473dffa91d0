"""Vault: keys that never leave. Key shapes and states, software sealing, crypto operations."""

from assay.vault import absent, changes, crypto, deletion, keys, resources, root, shapes, vaults
from assay.vault.crypto import Custody, Message
from assay.vault.shapes import SigningAlgorithm

__all__ = [
    "Custody",
    "Message",
    "SigningAlgorithm",
    "absent",
    "changes",
    "crypto",
    "deletion",
    "keys",
    "resources",
    "root",
    "shapes",
    "vaults",
]
