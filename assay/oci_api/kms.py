"""KMS vaults, and which vault a call is for (oci-api 2.3).

Operations on keys name their vault by where they are sent: by the Host `<extension>-management.kms.…` or
`<extension>-crypto.kms.…`, as OCI's clients work it out from a key's OCID, or by the path prefix
`/vaults/<extension>` of the vault's own endpoints (oci-api 3.1; 5.1, trap 5).
"""

import re
from dataclasses import replace
from typing import Any

from assay.clock import Instant, rfc3339
from assay.errors import Reason, Refused, not_found
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, TAGS, Gives, Members, Need, one_of
from assay.oci_api.frame import Call, Contracted, Operation, Reply, Row, takes
from assay.oci_api.origins import vault_origins
from assay.oci_api.wire import instant_of, tags_changed, tags_of, tags_reply
from assay.vault import absent, changes, vaults
from assay.vault.resources import Listing, Relabeling, SortBy, Vault, VaultDetails
from assay.vault.shapes import VaultType

#: How vaults, keys and versions are listed, and what an update of a vault or key may say.
LISTED: Members = {"sortBy": one_of(SortBy), **SORT_ORDER, **PAGED}
RELABELED: Members = {"displayName": str, **TAGS}

_VAULTS = "/20180608/vaults"
_NAMED = "/vaults/{extension}"
_HOST_OF_VAULT = re.compile(rf"([a-z0-9]{{{vaults.EXTENSION_LENGTH}}})-(?:management|crypto)\.kms\.")


def vault_reply(call: Call, vault: Vault) -> dict[str, Any]:
    """A Vault, which is a VaultSummary too, with endpoints of its own."""
    management, crypto = vault_origins(call, vault.extension)
    return {
        "id": vault.ocid,
        "compartmentId": vault.compartment,
        "displayName": vault.display_name,
        "vaultType": vault.vault_type,
        "lifecycleState": vault.state,
        "cryptoEndpoint": crypto,
        "managementEndpoint": management,
        "timeCreated": rfc3339(vault.time_created),
        "timeOfDeletion": time_reply(vault.time_of_deletion),
        "wrappingkeyId": "",
        "restoredFromVaultId": None,
        "replicaDetails": None,
        "isPrimary": True,
        "isVaultReplicable": False,
        "externalKeyManagerMetadataSummary": None,
        **tags_reply(vault),
    }


def time_reply(at: Instant | None) -> str | None:
    """A time that may not be there."""
    return None if at is None else rfc3339(at)


def listing_of(call: Call) -> Listing:
    """How a list is asked for: newest first, or by name."""
    sort_by = SortBy(call.choice("sortBy", tuple(SortBy), SortBy.TIMECREATED))
    order = call.choice("sortOrder", ("ASC", "DESC"), "DESC" if sort_by is SortBy.TIMECREATED else "ASC")
    return Listing(sort_by=sort_by, descending=order == "DESC", limit=call.limit, page=call.page or "")


def relabeling_of(call: Call) -> Relabeling:
    """The body of an update of a vault or key."""
    return Relabeling(display_name=call.field("displayName"), **tags_changed(call))


def is_vault_named(call: Call) -> bool:
    """Whether path or host name a vault, as the main address doesn't."""
    return bool(_extension(call))


def vault_named(call: Call) -> Vault:
    """The vault that the path or the host names. Errors: Refused (MISSING_PARAMETER, NOT_FOUND)."""
    extension = _extension(call)
    if not extension:
        raise Refused(
            "The request names no vault.",
            advice="Send it to the managementEndpoint of the vault.",
            reason=Reason.MISSING_PARAMETER,
        )
    vault = vaults.find_by_extension(call.app.store, extension)
    if vault is None or vault.tenancy != call.actor.tenancy:
        raise not_found()
    return vault


def on_vaults(*operations: tuple[str, str, str, Contracted]) -> tuple[Row, ...]:
    """Rows of operations on keys, each under both ways of naming the vault; a key of another vault isn't found."""
    return tuple(
        Row(method, f"{front}{path}", name, replace(run, run=_in_vault(run)), is_opaque=path.endswith("FromFile"))
        for front in ("", _NAMED)
        for method, path, name, run in operations
    )


def _in_vault(run: Operation) -> Operation:
    def checked(call: Call) -> Reply:
        key = call.path.get("key") or call.body.get("keyId")
        extension = _extension(call)
        # `ocid1.key.<realm>.<region>.<extension>.<tail>`
        if extension and isinstance(key, str) and extension not in key.split(".")[4:5]:
            raise not_found()
        return run(call)

    return checked


def _extension(call: Call) -> str:
    in_host = _HOST_OF_VAULT.match(call.host)
    return call.path.get("extension") or (in_host.group(1) if in_host else "")


@takes(Gives.ONE, body={**IN_COMPARTMENT, "displayName": Need(str), "vaultType": Need(VaultType), **TAGS})
def _create(call: Call) -> Reply:
    details = VaultDetails(
        compartment=call.field("compartmentId"),
        display_name=call.field("displayName"),
        vault_type=call.field("vaultType"),
        **tags_of(call),
    )
    vault = vaults.create_vault(call.app.store, call.actor, details, retry_token=call.retry_token)
    return Reply(vault_reply(call, vault), etag=vault.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list(call: Call) -> Reply:
    page = vaults.list_vaults(call.app.store, call.actor, call.needed("compartmentId"), listing_of(call))
    return Reply([vault_reply(call, vault) for vault in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    vault = vaults.get_vault(call.app.store, call.actor, call.path["vault"])
    return Reply(vault_reply(call, vault), etag=vault.etag)


@takes(Gives.ONE, body=RELABELED)
def _update(call: Call) -> Reply:
    wanted = relabeling_of(call)
    vault = changes.update_vault(call.app.store, call.actor, call.path["vault"], wanted, if_match=call.if_match)
    return Reply(vault_reply(call, vault), etag=vault.etag)


@takes(Gives.NOTHING, body=IN_COMPARTMENT)
def _move(call: Call) -> Reply:
    vault = changes.move_vault(
        call.app.store,
        call.actor,
        call.path["vault"],
        call.field("compartmentId"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(etag=vault.etag)


@takes(Gives.ONE)
def _usage(call: Call) -> Reply:
    used = vaults.get_vault_usage(call.app.store, call.actor, call.path["vault"])
    body = {
        "keyCount": used.hsm_keys,
        "keyVersionCount": used.hsm_key_versions,
        "softwareKeyCount": used.software_keys,
        "softwareKeyVersionCount": used.software_key_versions,
    }
    return Reply(body)


@takes(Gives.ONE, body={"timeOfDeletion": str})
def _schedule_deletion(call: Call) -> Reply:
    vault = vaults.schedule_vault_deletion(
        call.app.store,
        call.actor,
        call.path["vault"],
        time_of_deletion=instant_of(call, "timeOfDeletion"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(vault_reply(call, vault), etag=vault.etag)


@takes(Gives.ONE)
def _cancel_deletion(call: Call) -> Reply:
    vault = vaults.cancel_vault_deletion(
        call.app.store, call.actor, call.path["vault"], if_match=call.if_match, retry_token=call.retry_token
    )
    return Reply(vault_reply(call, vault), etag=vault.etag)


def _absent(name: str) -> Contracted:
    @takes(Gives.REFUSAL)
    def refuse(call: Call) -> Reply:
        absent.refuse_for_vault(call.app.store, call.actor, name, call.path["vault"])

    return refuse


def _absent_restore(name: str) -> Contracted:
    @takes(Gives.REFUSAL, query=IN_COMPARTMENT)
    def refuse(call: Call) -> Reply:
        absent.refuse_in_compartment(call.app.store, call.actor, name, call.needed("compartmentId"))

    return refuse


_ABSENT = (
    ("POST", "actions/backup", "BackupVault"),
    ("POST", "actions/createReplica", "CreateVaultReplica"),
    ("POST", "actions/deleteReplica", "DeleteVaultReplica"),
    ("GET", "actions/listReplicas", "ListVaultReplicas"),
)
_RESTORES = (("restoreFromFile", "RestoreVaultFromFile"), ("restoreFromObjectStore", "RestoreVaultFromObjectStore"))

ROWS: tuple[Row, ...] = (
    Row("POST", _VAULTS, "CreateVault", _create),
    Row("GET", _VAULTS, "ListVaults", _list),
    *(
        Row("POST", f"{_VAULTS}/actions/{path}", name, _absent_restore(name), is_opaque=True)
        for path, name in _RESTORES
    ),
    Row("GET", f"{_VAULTS}/{{vault}}", "GetVault", _get),
    Row("PUT", f"{_VAULTS}/{{vault}}", "UpdateVault", _update),
    Row("GET", f"{_VAULTS}/{{vault}}/usage", "GetVaultUsage", _usage),
    Row("POST", f"{_VAULTS}/{{vault}}/actions/changeCompartment", "ChangeVaultCompartment", _move),
    Row("POST", f"{_VAULTS}/{{vault}}/actions/scheduleDeletion", "ScheduleVaultDeletion", _schedule_deletion),
    Row("POST", f"{_VAULTS}/{{vault}}/actions/cancelDeletion", "CancelVaultDeletion", _cancel_deletion),
    *(Row(method, f"{_VAULTS}/{{vault}}/{path}", name, _absent(name)) for method, path, name in _ABSENT),
)
