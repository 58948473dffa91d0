"""Pages of vaults, master encryption keys and their versions."""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from assay.clock import Instant
from assay.console import scope, trail
from assay.console.replies import Download, Elsewhere, Page, Reply
from assay.console.visit import Visit, whole_number
from assay.errors import Reason, Refused, not_found
from assay.iam.identity import tenancies
from assay.vault import deletion, keys, resources, shapes, vaults

KEYS_SHOWN_MAX = 200
TRAIL_ROWS = 8
SHAPES = (
    ("ECDSA/32", "ECDSA P-256"),
    ("ECDSA/48", "ECDSA P-384"),
    ("ECDSA/66", "ECDSA P-521"),
    ("RSA/256", "RSA 2048"),
    ("RSA/384", "RSA 3072"),
    ("RSA/512", "RSA 4096"),
)
STATES = {
    "ACTIVE": ("ok", "Active"),
    "ENABLED": ("ok", "Enabled"),
    "DISABLED": ("bad", "Disabled"),
    "PENDING_DELETION": ("warn", "To be deleted"),
    "DELETED": ("off", "Deleted"),
}


_SAID = {
    "disable": "key-disabled",
    "enable": "key-enabled",
    "rotate": "key-rotated",
    "version-delete": "version-to-be-deleted",
    "version-keep": "version-kept",
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in a list or at the head of its page."""

    ocid: str
    name: str
    shape: str
    kind: str
    state: str
    protection: str
    made: Instant
    may_disable: bool
    may_enable: bool

    @property
    def words(self) -> str:
        """Shape and state in one phrase."""
        return f"{self.shape}, {self.state.lower()}"


@dataclass(frozen=True, slots=True)
class VaultRow:
    """A vault in a list or at the head of its page."""

    ocid: str
    name: str
    kind: str
    state: str
    made: Instant
    keys: tuple[KeyRow, ...]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a key, numbered from the first."""

    ocid: str
    number: int
    current: bool
    fingerprint: str
    kind: str
    state: str
    signs: bool
    verifies: bool
    made: Instant
    ends: Instant | None
    may_delete: bool
    may_keep: bool


@dataclass(frozen=True, slots=True)
class Trusting:
    """A cluster that lists a key in its policy."""

    name: str
    ocid: str
    enabled: bool


def show_vaults(visit: Visit) -> Reply:
    """All vaults with their keys, and the form for a new one."""
    visit.only("compartment")
    found = scope.gather(
        visit,
        lambda compartment, page: vaults.list_vaults(
            visit.store, visit.actor, compartment, resources.Listing(limit=visit.limit(), page=page)
        ),
    )
    rows = tuple(_vault_row(each, _keys_of(visit, each)) for each in found.items if each.state != "DELETED")
    return Page(
        "vaults.html",
        {
            "rows": rows,
            "said": found.said,
            "next": visit.link(after=found.next_page) if found.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "compartments": scope.compartments_of(visit),
        },
    )


def make_vault(visit: Visit) -> Elsewhere:
    """Create a vault."""
    details = resources.VaultDetails(visit.sent("compartment") or visit.actor.tenancy, visit.sent("name").strip())
    made = vaults.create_vault(visit.store, visit.actor, details)
    return visit.back(f"/vaults/{made.ocid}", "vault-made")


def show_vault(visit: Visit) -> Reply:
    """A vault's keys, and the form for a new one."""
    vault = vaults.get_vault(visit.store, visit.actor, visit.names["vault"])
    page = keys.list_keys(
        visit.store,
        visit.actor,
        vault.compartment,
        vault.ocid,
        resources.Listing(limit=visit.limit(), page=visit.asked("after")),
    )
    return Page(
        "vault.html",
        {
            "vault": _vault_row(vault, ()),
            "rows": tuple(map(key_row, page.items)),
            "said": f"{len(page.items)} here",
            "next": visit.link(after=page.next_page) if page.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "shapes": SHAPES,
            "sealed": visit.app.root.sealed_because,
            "crumbs": (("/vaults", "Vaults and keys"),),
        },
    )


def make_key(visit: Visit) -> Elsewhere:
    """Create a key in the vault."""
    vault = vaults.get_vault(visit.store, visit.actor, visit.names["vault"])
    algorithm, _, length = visit.sent("shape").partition("/")
    shape = shapes.KeyShape.parse(algorithm, whole_number(length, "length of a key"))
    details = resources.KeyDetails(vault.ocid, vault.compartment, visit.sent("name").strip(), shape)
    made = keys.create_key(visit.store, visit.actor, details, root=visit.app.root.key)
    return visit.back(f"/k/{made.ocid}", "key-made")


def show_key(visit: Visit) -> Reply:
    """A key: versions, who trusts it, its trail, and how to use it elsewhere."""
    key = resolve(visit, visit.names["key"])
    vault = vaults.get_vault(visit.store, visit.actor, key.vault)
    versions = keys.list_key_versions(
        visit.store, visit.actor, key.ocid, resources.Listing(limit=KEYS_SHOWN_MAX, descending=False)
    ).items
    row = key_row(key)
    host = visit.app.settings.registry_host
    image = f"{host}/{tenancies.namespace(visit.store, visit.actor)}/NAME:TAG"
    return Page(
        "key.html",
        {
            "key": row,
            "versions": tuple(reversed([_version_row(index, each, key) for index, each in enumerate(versions)])),
            "trail": trail.of(visit, key.ocid, TRAIL_ROWS),
            "trusted_by": _trusting(visit, key.ocid),
            "statement": f"allow group Signers to use keys in tenancy where target.key.id = '{key.ocid}'",
            "cosign": f"cosign verify --key {key.display_name}.pub --insecure-ignore-tlog=true {image}",
            "crumbs": (("/vaults", "Vaults and keys"), (f"/vaults/{vault.ocid}", vault.display_name)),
        },
    )


def change_key(visit: Visit) -> Elsewhere:
    """Disable, enable or rotate a key; have an older version of it deleted, or keep it after all."""
    key = resolve(visit, visit.names["key"])
    act = visit.sent("do")
    if act == "disable":
        keys.disable_key(visit.store, visit.actor, key.ocid)
    elif act == "enable":
        keys.enable_key(visit.store, visit.actor, key.ocid)
    elif act == "rotate":
        keys.create_key_version(visit.store, visit.actor, key.ocid, root=visit.app.root.key)
    elif act == "version-delete":
        deletion.schedule_key_version_deletion(visit.store, visit.actor, key.ocid, visit.sent("version"))
    elif act == "version-keep":
        deletion.cancel_key_version_deletion(visit.store, visit.actor, key.ocid, visit.sent("version"))
    else:
        raise Refused("The form names no act.", advice="Load the page again.")
    return visit.back(f"/k/{key.ocid}", _SAID[act])


def public_key(visit: Visit) -> Reply:
    """The public half of the current version, as PEM."""
    key = resolve(visit, visit.names["key"])
    version = keys.get_key_version(visit.store, visit.actor, key.ocid, key.current_version)
    return Download(version.public_pem.encode(), "application/x-pem-file", f"{key.display_name}.pub")


def resolve(visit: Visit, text: str) -> resources.Key:
    """The key that an address names: by OCID, or by its name where just one has it. Errors: Refused (NOT_FOUND)."""
    if text.startswith("ocid1."):
        return keys.get_key(visit.store, visit.actor, text)
    named = [key for key in all_keys(visit) if key.display_name == text]
    if len(named) != 1:
        raise not_found()
    return named[0]


def all_keys(visit: Visit) -> tuple[resources.Key, ...]:
    """The keys that the reader may list, vault by vault; at most KEYS_SHOWN_MAX of each vault."""
    try:
        found = scope.gather(
            visit.without_paging(),
            lambda compartment, page: vaults.list_vaults(
                visit.store, visit.actor, compartment, resources.Listing(limit=KEYS_SHOWN_MAX, page=page)
            ),
        )
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
    return tuple(key for vault in found.items for key in _keys_of(visit, vault))


def key_row(key: resources.Key) -> KeyRow:
    """A key as lists show it."""
    kind, state = STATES[key.state]
    return KeyRow(
        ocid=key.ocid,
        name=key.display_name,
        shape=str(key.shape),
        kind=kind,
        state=state,
        protection="Software-sealed",
        made=key.time_created,
        may_disable=key.state == "ENABLED",
        may_enable=key.state == "DISABLED",
    )


def _trusting(visit: Visit, key: str) -> tuple[Trusting, ...]:
    """The clusters whose policy lists the key."""
    return tuple(
        Trusting(cluster.name, cluster.ocid, cluster.policy.enabled)
        for cluster in scope.clusters_of(visit)
        if key in map(str, cluster.policy.keys)
    )


def _keys_of(visit: Visit, vault: resources.Vault) -> tuple[resources.Key, ...]:
    try:
        page = keys.list_keys(
            visit.store, visit.actor, vault.compartment, vault.ocid, resources.Listing(limit=KEYS_SHOWN_MAX)
        )
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
    return tuple(key for key in page.items if key.state != "DELETED")


def _vault_row(vault: resources.Vault, found: tuple[resources.Key, ...]) -> VaultRow:
    kind, state = STATES[vault.state]
    return VaultRow(vault.ocid, vault.display_name, kind, state, vault.time_created, tuple(map(key_row, found)))


def _version_row(index: int, version: resources.KeyVersion, key: resources.Key) -> VersionRow:
    kind, state = STATES[version.state]
    der = load_pem_public_key(version.public_pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = version.state == "ENABLED" and key.state == "ENABLED"
    current = version.ocid == key.current_version
    return VersionRow(
        ocid=version.ocid,
        number=index + 1,
        current=current,
        fingerprint=f"SHA256:{hashlib.sha256(der).hexdigest()[:16]}",
        kind=kind,
        state=state,
        signs=trusted and current,
        verifies=trusted,
        made=version.time_created,
        ends=version.time_of_deletion,
        may_delete=version.state == "ENABLED" and not current,
        may_keep=version.state == "PENDING_DELETION",
    )
