"""KMS management: master encryption keys and their versions (oci-api 2.3)."""

from typing import Any, Required, TypedDict

from assay.clock import rfc3339
from assay.errors import Reason, Refused
from assay.oci_api.contract import IN_COMPARTMENT, TAGS, Gives, Need, one_of
from assay.oci_api.frame import Call, Contracted, Reply, Row, takes
from assay.oci_api.kms import (
    LISTED,
    RELABELED,
    is_vault_named,
    listing_of,
    on_vaults,
    relabeling_of,
    time_reply,
    vault_named,
)
from assay.oci_api.wire import instant_of, tags_of, tags_reply
from assay.vault import absent, changes, deletion, keys
from assay.vault.resources import Key, KeyDetails, KeyFilter, KeyVersion
from assay.vault.shapes import Curve, KeyAlgorithm, KeyShape, ProtectionMode

#: Words that a filter may name, also those of keys that there are none of here.
_PROTECTION_MODES = ("HSM", "SOFTWARE", "EXTERNAL")
_ALGORITHMS = ("AES", "RSA", "ECDSA")


class _Shape(TypedDict, total=False):
    """A KeyShape. Of its words `_shape` tells which there are here."""

    algorithm: Required[str]
    length: Required[int]
    curveId: str | None


def key_reply(key: Key) -> dict[str, Any]:
    """A Key, which is a KeySummary too: the summary's `algorithm` stands beside the shape."""
    return {
        "id": key.ocid,
        "compartmentId": key.compartment,
        "vaultId": key.vault,
        "displayName": key.display_name,
        "keyShape": {"algorithm": key.shape.algorithm, "length": key.shape.length, "curveId": key.shape.curve},
        "algorithm": key.shape.algorithm,
        "protectionMode": key.protection_mode,
        "lifecycleState": key.state,
        "currentKeyVersion": key.current_version,
        "timeCreated": rfc3339(key.time_created),
        "timeOfDeletion": time_reply(key.time_of_deletion),
        "restoredFromKeyId": None,
        "replicaDetails": None,
        "isPrimary": True,
        "isAutoRotationEnabled": False,
        "autoKeyRotationDetails": None,
        "externalKeyReferenceDetails": None,
        **tags_reply(key),
    }


def version_reply(version: KeyVersion) -> dict[str, Any]:
    """A KeyVersion with its public key as PEM, which is a KeyVersionSummary too."""
    return {
        "id": version.ocid,
        "compartmentId": version.compartment,
        "keyId": version.key,
        "vaultId": version.vault,
        "publicKey": version.public_pem,
        "origin": version.origin,
        "lifecycleState": version.state,
        "timeCreated": rfc3339(version.time_created),
        "timeOfDeletion": time_reply(version.time_of_deletion),
        "restoredFromKeyVersionId": None,
        "replicaDetails": None,
        "isPrimary": True,
        "externalKeyReferenceDetails": None,
        "isAutoRotated": False,
    }


def _shape(call: Call) -> KeyShape:
    shape: _Shape = call.field("keyShape")
    try:
        return KeyShape(
            algorithm=KeyAlgorithm(shape["algorithm"]),
            length=shape["length"],
            curve=Curve(curve) if (curve := shape.get("curveId")) else None,
        )
    except ValueError as fault:
        raise Refused(
            f"keyShape: {fault}.", advice="Use RSA with length 256, 384 or 512, or ECDSA with 32, 48 or 66 (bytes)."
        ) from fault


@takes(
    Gives.ONE,
    body={
        **IN_COMPARTMENT,
        "displayName": Need(str),
        "keyShape": Need(_Shape),
        "protectionMode": ProtectionMode,
        "isAutoRotationEnabled": bool,
        **TAGS,
    },
    refuses=(Reason.UNSUPPORTED,),
)
def _create(call: Call) -> Reply:
    absent.require_no_rotation(wanted=call.field("isAutoRotationEnabled") is True)
    details = KeyDetails(
        vault=vault_named(call).ocid,
        compartment=call.field("compartmentId"),
        display_name=call.field("displayName"),
        shape=_shape(call),
        protection_mode=call.field("protectionMode", ProtectionMode.SOFTWARE),
        **tags_of(call),
    )
    key = keys.create_key(call.app.store, call.actor, details, root=call.app.root.key, retry_token=call.retry_token)
    return _told(key)


@takes(
    Gives.LIST,
    query={
        **IN_COMPARTMENT,
        "protectionMode": one_of(_PROTECTION_MODES),
        "algorithm": one_of(_ALGORITHMS),
        "length": int,
        "curveId": one_of(Curve),
        **LISTED,
    },
)
def _list(call: Call) -> Reply:
    narrow = KeyFilter(
        protection_mode=call.choice("protectionMode", _PROTECTION_MODES, ""),
        algorithm=call.choice("algorithm", _ALGORITHMS, ""),
        length=call.number("length") or 0,
        curve=call.choice("curveId", tuple(Curve), ""),
    )
    page = keys.list_keys(
        call.app.store, call.actor, call.needed("compartmentId"), vault_named(call).ocid, listing_of(call), narrow
    )
    return Reply([key_reply(key) for key in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    return _told(keys.get_key(call.app.store, call.actor, call.path["key"]))


@takes(Gives.ONE, body={"isAutoRotationEnabled": bool, **RELABELED}, refuses=(Reason.UNSUPPORTED,))
def _update(call: Call) -> Reply:
    absent.require_no_rotation(wanted=call.field("isAutoRotationEnabled") is True)
    wanted = relabeling_of(call)
    return _told(changes.update_key(call.app.store, call.actor, call.path["key"], wanted, if_match=call.if_match))


@takes(Gives.NOTHING, body=IN_COMPARTMENT)
def _move(call: Call) -> Reply:
    key = changes.move_key(
        call.app.store,
        call.actor,
        call.path["key"],
        call.field("compartmentId"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(etag=key.etag)


@takes(Gives.ONE)
def _enable(call: Call) -> Reply:
    return _told(
        keys.enable_key(
            call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
        )
    )


@takes(Gives.ONE)
def _disable(call: Call) -> Reply:
    return _told(
        keys.disable_key(
            call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
        )
    )


@takes(Gives.ONE, body={"timeOfDeletion": str})
def _schedule_deletion(call: Call) -> Reply:
    key = deletion.schedule_key_deletion(
        call.app.store,
        call.actor,
        call.path["key"],
        time_of_deletion=instant_of(call, "timeOfDeletion"),
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return _told(key)


@takes(Gives.ONE)
def _cancel_deletion(call: Call) -> Reply:
    return _told(
        deletion.cancel_key_deletion(
            call.app.store, call.actor, call.path["key"], if_match=call.if_match, retry_token=call.retry_token
        )
    )


def _told(key: Key) -> Reply:
    return Reply(key_reply(key), etag=key.etag)


@takes(Gives.ONE)
def _create_version(call: Call) -> Reply:
    version = keys.create_key_version(
        call.app.store, call.actor, call.path["key"], root=call.app.root.key, retry_token=call.retry_token
    )
    return Reply(version_reply(version), etag=version.etag)


@takes(Gives.LIST, query=LISTED)
def _list_versions(call: Call) -> Reply:
    page = keys.list_key_versions(call.app.store, call.actor, call.path["key"], listing_of(call))
    return Reply([version_reply(version) for version in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_version(call: Call) -> Reply:
    version = keys.get_key_version(call.app.store, call.actor, call.path["key"], call.path["version"])
    return Reply(version_reply(version), etag=version.etag)


@takes(Gives.ONE, body={"timeOfDeletion": str})
def _schedule_version_deletion(call: Call) -> Reply:
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


@takes(Gives.ONE)
def _cancel_version_deletion(call: Call) -> Reply:
    version = deletion.cancel_key_version_deletion(
        call.app.store,
        call.actor,
        call.path["key"],
        call.path["version"],
        if_match=call.if_match,
        retry_token=call.retry_token,
    )
    return Reply(version_reply(version), etag=version.etag)


def _absent_on_key(name: str) -> Contracted:
    @takes(Gives.REFUSAL)
    def refuse(call: Call) -> Reply:
        absent.refuse_for_key(call.app.store, call.actor, name, call.path["key"])

    return refuse


def _absent_in_vault(name: str) -> Contracted:
    @takes(Gives.REFUSAL)
    def refuse(call: Call) -> Reply:
        if is_vault_named(call):
            absent.refuse_for_vault(call.app.store, call.actor, name, vault_named(call).ocid)
        absent.refuse_in_compartment(call.app.store, call.actor, name, call.actor.tenancy)

    return refuse


_KEYS = "/20180608/keys"
_KEY = f"{_KEYS}/{{key}}"
_VERSIONS = f"{_KEY}/keyVersions"
_VERSION = f"{_VERSIONS}/{{version}}"

_ABSENT_IN_VAULT = (
    ("POST", f"{_KEYS}/import", "ImportKey"),
    ("POST", f"{_KEYS}/actions/restoreFromFile", "RestoreKeyFromFile"),
    ("POST", f"{_KEYS}/actions/restoreFromObjectStore", "RestoreKeyFromObjectStore"),
    ("GET", "/20180608/wrappingKeys", "GetWrappingKey"),
)
_ABSENT_ON_KEY = (
    ("POST", f"{_KEY}/actions/backup", "BackupKey"),
    ("POST", f"{_VERSIONS}/import", "ImportKeyVersion"),
)

ROWS: tuple[Row, ...] = on_vaults(
    ("POST", _KEYS, "CreateKey", _create),
    ("GET", _KEYS, "ListKeys", _list),
    *((method, path, name, _absent_in_vault(name)) for method, path, name in _ABSENT_IN_VAULT),
    ("GET", _KEY, "GetKey", _get),
    ("PUT", _KEY, "UpdateKey", _update),
    ("POST", f"{_KEY}/actions/changeCompartment", "ChangeKeyCompartment", _move),
    ("POST", f"{_KEY}/actions/enable", "EnableKey", _enable),
    ("POST", f"{_KEY}/actions/disable", "DisableKey", _disable),
    ("POST", f"{_KEY}/actions/scheduleDeletion", "ScheduleKeyDeletion", _schedule_deletion),
    ("POST", f"{_KEY}/actions/cancelDeletion", "CancelKeyDeletion", _cancel_deletion),
    *((method, path, name, _absent_on_key(name)) for method, path, name in _ABSENT_ON_KEY),
    ("POST", _VERSIONS, "CreateKeyVersion", _create_version),
    ("GET", _VERSIONS, "ListKeyVersions", _list_versions),
    ("GET", _VERSION, "GetKeyVersion", _get_version),
    ("POST", f"{_VERSION}/actions/scheduleDeletion", "ScheduleKeyVersionDeletion", _schedule_version_deletion),
    ("POST", f"{_VERSION}/actions/cancelDeletion", "CancelKeyVersionDeletion", _cancel_version_deletion),
)
