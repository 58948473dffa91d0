"""KMS: vaults, master encryption keys, key versions, signing (oci-api 2.3).

Key creation and listing name no vault: it stands in the path prefix `/vaults/<extension>`, which is what the vault's
own endpoints say (oci-api 5.1, trap 5).
"""

import base64
import binascii
from typing import Any

from assay.clock import Instant, rfc3339
from assay.errors import Refused, not_found
from assay.oci_api.frame import Call, Reply, Row
from assay.oci_api.wire import instant_of, tags_of, tags_reply
from assay.vault import Message, SigningAlgorithm, crypto, deletion, keys, vaults
from assay.vault.resources import Key, KeyDetails, KeyVersion, Listing, SortBy, Vault, VaultDetails
from assay.vault.shapes import Curve, KeyAlgorithm, KeyShape, MessageType, ProtectionMode, VaultType


def vault_reply(call: Call, vault: Vault) -> dict[str, Any]:
    """A vault as the client reads it, with endpoints of its own."""
    endpoint = f"{call.app.settings.url}/vaults/{vault.extension}"
    return {
        "id": vault.ocid,
        "compartmentId": vault.compartment,
        "displayName": vault.display_name,
        "vaultType": vault.vault_type,
        "lifecycleState": vault.state,
        "cryptoEndpoint": endpoint,
        "managementEndpoint": endpoint,
        "timeCreated": rfc3339(vault.time_created),
        "timeOfDeletion": _time(vault.time_of_deletion),
        "wrappingkeyId": "",
        "isPrimary": True,
        **tags_reply(vault),
    }


def key_reply(key: Key) -> dict[str, Any]:
    """A key as the client reads it; the summary's `algorithm` stands beside the shape."""
    return {
        "id": key.ocid,
        "compartmentId": key.compartment,
        "vaultId": key.vault,
        "displayName": key.display_name,
        "keyShape": {
            "algorithm": key.shape.algorithm,
            "length": key.shape.length,
            "curveId": key.shape.curve,
        },
        "algorithm": key.shape.algorithm,
        "protectionMode": key.protection_mode,
        "lifecycleState": key.state,
        "currentKeyVersion": key.current_version,
        "timeCreated": rfc3339(key.time_created),
        "timeOfDeletion": _time(key.time_of_deletion),
        "isPrimary": True,
        "isAutoRotationEnabled": False,
        **tags_reply(key),
    }


def version_reply(version: KeyVersion) -> dict[str, Any]:
    """A key version with its public key as PEM."""
    return {
        "id": version.ocid,
        "compartmentId": version.compartment,
        "keyId": version.key,
        "vaultId": version.vault,
        "publicKey": version.public_pem,
        "origin": version.origin,
        "lifecycleState": version.state,
        "timeCreated": rfc3339(version.time_created),
        "timeOfDeletion": _time(version.time_of_deletion),
        "isPrimary": True,
        "isAutoRotated": False,
    }


def _time(at: Instant | None) -> str | None:
    return None if at is None else rfc3339(at)


def _listing(call: Call) -> Listing:
    sort_by = SortBy(call.choice("sortBy", tuple(SortBy), SortBy.TIMECREATED))
    order = call.choice("sortOrder", ("ASC", "DESC"), "DESC" if sort_by is SortBy.TIMECREATED else "ASC")
    return Listing(sort_by=sort_by, descending=order == "DESC", limit=call.limit, page=call.page or "")


def _create_vault(call: Call) -> Reply:
    details = VaultDetails(
        compartment=call.field("compartmentId", str),
        display_name=call.field("displayName", str),
        vault_type=call.field("vaultType", VaultType),
        **tags_of(call),
    )
    vault = vaults.create_vault(call.app.store, call.actor, details, retry_token=call.retry_token)
    return Reply(vault_reply(call, vault), etag=vault.etag)


def _list_vaults(call: Call) -> Reply:
    page = vaults.list_vaults(call.app.store, call.actor, call.needed("compartmentId"), _listing(call))
    return Reply([vault_reply(call, vault) for vault in page.items], next_page=page.next_page)


def _get_vault(call: Call) -> Reply:
    vault = vaults.get_vault(call.app.store, call.actor, call.path["vault"])
    return Reply(vault_reply(call, vault), etag=vault.etag)


def _schedule_vault_deletion(call: Call) -> Reply:
    vault = vaults.schedule_vault_deletion(
        call.app.store,
        call.actor,
        call.path["vault"],
        time_of_deletion=instant_of(call, "timeOfDeletion"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(vault_reply(call, vault), etag=vault.etag)


def _cancel_vault_deletion(call: Call) -> Reply:
    vault = vaults.cancel_vault_deletion(
        call.app.store, call.actor, call.path["vault"], if_match=call.if_match, retry_token=call.retry_token
    )
    return Reply(vault_reply(call, vault), etag=vault.etag)


def _vault_named(call: Call) -> Vault:
    """The vault that the path prefix names. Errors: Refused (NOT_FOUND)."""
    vault = vaults.find_by_extension(call.app.store, call.path["extension"])
    if vault is None or vault.tenancy != call.actor.tenancy:
        raise not_found()
    return vault


def _shape(call: Call) -> KeyShape:
    shape = call.field("keyShape", dict)
    try:
        return KeyShape(
            algorithm=KeyAlgorithm(shape.get("algorithm", "")),
            length=int(shape.get("length", 0)),
            curve=Curve(shape["curveId"]) if shape.get("curveId") else None,
        )
    except ValueError as fault:
        raise Refused(
            f"keyShape: {fault}.", advice="Use RSA with length 256, 384 or 512, or ECDSA with 32, 48 or 66 (bytes)."
        ) from fault


def _create_key(call: Call) -> Reply:
    details = KeyDetails(
        vault=_vault_named(call).ocid,
        compartment=call.field("compartmentId", str),
        display_name=call.field("displayName", str),
        shape=_shape(call),
        protection_mode=call.field("protectionMode", ProtectionMode, ProtectionMode.SOFTWARE),
        **tags_of(call),
    )
    key = keys.create_key(call.app.store, call.actor, details, root=call.app.root.key, retry_token=call.retry_token)
    return Reply(key_reply(key), etag=key.etag)


def _list_keys(call: Call) -> Reply:
    page = keys.list_keys(
        call.app.store, call.actor, call.needed("compartmentId"), _vault_named(call).ocid, _listing(call)
    )
    return Reply([key_reply(key) for key in page.items], next_page=page.next_page)


def _get_key(call: Call) -> Reply:
    key = keys.get_key(call.app.store, call.actor, call.path["key"])
    return Reply(key_reply(key), etag=key.etag)


def _enable_key(call: Call) -> Reply:
    key = keys.enable_key(
        call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
    )
    return Reply(key_reply(key), etag=key.etag)


def _disable_key(call: Call) -> Reply:
    key = keys.disable_key(
        call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
    )
    return Reply(key_reply(key), etag=key.etag)


def _schedule_key_deletion(call: Call) -> Reply:
    key = deletion.schedule_key_deletion(
        call.app.store,
        call.actor,
        call.path["key"],
        time_of_deletion=instant_of(call, "timeOfDeletion"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(key_reply(key), etag=key.etag)


def _cancel_key_deletion(call: Call) -> Reply:
    key = deletion.cancel_key_deletion(
        call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
    )
    return Reply(key_reply(key), etag=key.etag)


def _create_key_version(call: Call) -> Reply:
    version = keys.create_key_version(
        call.app.store, call.actor, call.path["key"], root=call.app.root.key, retry_token=call.retry_token
    )
    return Reply(version_reply(version), etag=version.etag)


def _list_key_versions(call: Call) -> Reply:
    page = keys.list_key_versions(call.app.store, call.actor, call.path["key"], _listing(call))
    return Reply([version_reply(version) for version in page.items], next_page=page.next_page)


def _get_key_version(call: Call) -> Reply:
    version = keys.get_key_version(call.app.store, call.actor, call.path["key"], call.path["version"])
    return Reply(version_reply(version), etag=version.etag)


def _schedule_key_version_deletion(call: Call) -> Reply:
    version = deletion.schedule_key_version_deletion(
        call.app.store,
        call.actor,
        call.path["key"],
        call.path["version"],
        time_of_deletion=instant_of(call, "timeOfDeletion"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(version_reply(version), etag=version.etag)


def _cancel_key_version_deletion(call: Call) -> Reply:
    version = deletion.cancel_key_version_deletion(
        call.app.store,
        call.actor,
        call.path["key"],
        call.path["version"],
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(version_reply(version), etag=version.etag)


def _bytes(call: Call, name: str) -> bytes:
    try:
        return base64.b64decode(call.field(name, str), validate=True)
    except (binascii.Error, ValueError) as fault:
        raise Refused(f"{name} is not base64.", advice="Send standard base64 with padding.") from fault


def _message(call: Call) -> Message:
    return Message(
        content=_bytes(call, "message"),
        algorithm=call.field("signingAlgorithm", SigningAlgorithm),
        kind=call.field("messageType", MessageType, MessageType.RAW),
    )


def _sign(call: Call) -> Reply:
    signed = crypto.sign(
        call.app.store,
        call.actor,
        call.field("keyId", str),
        _message(call),
        custody=call.app.custody,
        key_version=call.field("keyVersionId", str, ""),
    )
    return Reply(
        {
            "keyId": signed.key,
            "keyVersionId": signed.key_version,
            "signature": base64.b64encode(signed.signature).decode(),
            "signingAlgorithm": signed.algorithm,
        }
    )


def _verify(call: Call) -> Reply:
    valid = crypto.verify(
        call.app.store,
        call.actor,
        call.field("keyId", str),
        call.field("keyVersionId", str),
        _message(call),
        _bytes(call, "signature"),
    )
    return Reply({"isSignatureValid": valid})


_VAULTS = "/20180608/vaults"
_KEYS = "/20180608/keys"
_NAMED = "/vaults/{extension}"

_ON_KEYS = (
    ("GET", "/{key}", "GetKey", _get_key),
    ("POST", "/{key}/actions/enable", "EnableKey", _enable_key),
    ("POST", "/{key}/actions/disable", "DisableKey", _disable_key),
    ("POST", "/{key}/actions/scheduleDeletion", "ScheduleKeyDeletion", _schedule_key_deletion),
    ("POST", "/{key}/actions/cancelDeletion", "CancelKeyDeletion", _cancel_key_deletion),
    ("POST", "/{key}/keyVersions", "CreateKeyVersion", _create_key_version),
    ("GET", "/{key}/keyVersions", "ListKeyVersions", _list_key_versions),
    ("GET", "/{key}/keyVersions/{version}", "GetKeyVersion", _get_key_version),
    (
        "POST",
        "/{key}/keyVersions/{version}/actions/scheduleDeletion",
        "ScheduleKeyVersionDeletion",
        _schedule_key_version_deletion,
    ),
    (
        "POST",
        "/{key}/keyVersions/{version}/actions/cancelDeletion",
        "CancelKeyVersionDeletion",
        _cancel_key_version_deletion,
    ),
)
_CRYPTO = (("POST", "/20180608/sign", "Sign", _sign), ("POST", "/20180608/verify", "Verify", _verify))

ROWS: tuple[Row, ...] = (
    Row("POST", _VAULTS, "CreateVault", _create_vault),
    Row("GET", _VAULTS, "ListVaults", _list_vaults),
    Row("GET", f"{_VAULTS}/{{vault}}", "GetVault", _get_vault),
    Row("POST", f"{_VAULTS}/{{vault}}/actions/scheduleDeletion", "ScheduleVaultDeletion", _schedule_vault_deletion),
    Row("POST", f"{_VAULTS}/{{vault}}/actions/cancelDeletion", "CancelVaultDeletion", _cancel_vault_deletion),
    Row("POST", f"{_NAMED}{_KEYS}", "CreateKey", _create_key),
    Row("GET", f"{_NAMED}{_KEYS}", "ListKeys", _list_keys),
    *(
        Row(method, f"{front}{_KEYS}{path}", name, run)
        for front in ("", _NAMED)
        for method, path, name, run in _ON_KEYS
    ),
    *(Row(method, f"{front}{path}", name, run) for front in ("", _NAMED) for method, path, name, run in _CRYPTO),
)
