"""Vaults, master encryption keys and their versions, as verbs give them back. They hold no secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.clock import Instant
from assay.errors import Refused
from assay.vault.shapes import KeyShape, KeyState, ProtectionMode, VaultState, VaultType

DISPLAY_NAME_LENGTH_MAX = 100


def require_display_name(text: str) -> None:
    """Refused unless a display name has 1 to 100 characters, not all blank."""
    if not text.strip() or len(text) > DISPLAY_NAME_LENGTH_MAX:
        raise Refused(
            "The display name is empty or too long.", advice=f"Use 1 to {DISPLAY_NAME_LENGTH_MAX} characters."
        )


@dataclass(frozen=True, slots=True)
class VaultDetails:
    """What a new vault is made from; `compartment` is an OCID."""

    compartment: str
    display_name: str
    vault_type: VaultType = VaultType.DEFAULT
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_display_name(self.display_name)


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault. `extension` is the part of its OCID, and of its keys' OCIDs, that names it in host names and paths."""

    ocid: str
    tenancy: str
    compartment: str
    display_name: str
    vault_type: VaultType
    extension: str
    state: VaultState
    time_created: Instant
    time_updated: Instant
    time_of_deletion: Instant | None
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class KeyDetails:
    """What a new master encryption key is made from; `vault` and `compartment` are OCIDs.

    Without a protection mode the key is software-sealed, which is what there is; HSM is refused, not pretended.
    """

    vault: str
    compartment: str
    display_name: str
    shape: KeyShape
    protection_mode: ProtectionMode = ProtectionMode.SOFTWARE
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_display_name(self.display_name)
        if self.protection_mode is not ProtectionMode.SOFTWARE:
            raise Refused(
                f"Keys with the protection mode {self.protection_mode} cannot be made: there is no token here.",
                advice="Use the protection mode SOFTWARE.",
            )


@dataclass(frozen=True, slots=True)
class Key:
    """A master encryption key. Its versions hold the key material; `current_version` is the one that signs."""

    ocid: str
    tenancy: str
    compartment: str
    vault: str
    display_name: str
    shape: KeyShape
    protection_mode: ProtectionMode
    state: KeyState
    current_version: str
    time_created: Instant
    time_updated: Instant
    time_of_deletion: Instant | None
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class Relabeling:
    """What people say of a vault or key: its name and tags. None leaves it as it is."""

    display_name: str | None = None
    freeform_tags: Mapping[str, str] | None = None
    defined_tags: Mapping[str, Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if self.display_name is not None:
            require_display_name(self.display_name)

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that change."""
        every = {
            "display_name": self.display_name,
            "freeform_tags": self.freeform_tags,
            "defined_tags": self.defined_tags,
        }
        return {name: value for name, value in every.items() if value is not None}


@dataclass(frozen=True, slots=True)
class VaultUsage:
    """How many keys and key versions of a vault are not deleted, in whatever compartments, by protection mode."""

    hsm_keys: int
    hsm_key_versions: int
    software_keys: int
    software_key_versions: int


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys of a vault: words of the wire, also those that no key here has. Empty (0 for the length): all."""

    protection_mode: str = ""
    algorithm: str = ""
    length: int = 0
    curve: str = ""


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a key, with its public half as PEM text."""

    ocid: str
    tenancy: str
    compartment: str
    vault: str
    key: str
    origin: str
    public_pem: str
    state: KeyState
    time_created: Instant
    time_updated: Instant
    time_of_deletion: Instant | None
    etag: str


class SortBy(StrEnum):
    """By what lists are sorted; the OCID breaks ties."""

    TIMECREATED = "TIMECREATED"
    DISPLAYNAME = "DISPLAYNAME"


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is asked for: sort key, direction, page size (None: 50) and the token of a later page."""

    sort_by: SortBy = SortBy.TIMECREATED
    descending: bool = True
    limit: int | None = None
    page: str = ""
