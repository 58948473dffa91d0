"""KMS over the wire, on both databases: vaults, keys, versions, signatures, and what a vault here does not do."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from api_room import ApiRoom, api_room
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from route_world import HOST

from assay.clock import DAY, SetClock, rfc3339
from assay.iam import hashing
from assay.storage import Store

V = "/20180608"
PSS = "SHA_256_RSA_PKCS_PSS"
NOT_FOUND = (404, "NotAuthorizedOrNotFound")


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


@pytest.fixture
def vault(api: ApiRoom) -> dict[str, Any]:
    body = {"compartmentId": api.place, "displayName": "keys", "vaultType": "DEFAULT"}
    return dict(api.made("POST", f"{V}/vaults", body))


def at(vault: dict[str, Any]) -> str:
    """The path of the vault's own endpoint."""
    return str(vault["managementEndpoint"].removeprefix(f"http://{HOST}"))


def make_key(api: ApiRoom, vault: dict[str, Any], name: str = "k", **shape: Any) -> dict[str, Any]:
    body = {
        "compartmentId": api.place,
        "displayName": name,
        "keyShape": shape or {"algorithm": "ECDSA", "length": 32},
        "protectionMode": "SOFTWARE",
    }
    return dict(api.made("POST", f"{at(vault)}{V}/keys", body))


def test_a_vault_has_one_endpoint_for_both_and_it_leads_to_its_keys(api: ApiRoom, vault: dict[str, Any]) -> None:
    extension = vault["id"].split(".")[4]
    assert vault["managementEndpoint"] == vault["cryptoEndpoint"] == f"http://{HOST}/vaults/{extension}"
    key = make_key(api, vault)
    assert key["vaultId"] == vault["id"]
    assert key["keyShape"] == {"algorithm": "ECDSA", "length": 32, "curveId": "NIST_P256"}
    assert [each["id"] for each in api.items(f"{at(vault)}{V}/keys")] == [key["id"]]


def test_a_vault_is_known_by_its_host_name_too(api: ApiRoom, vault: dict[str, Any]) -> None:
    extension = vault["id"].split(".")[4]
    body = {"compartmentId": api.place, "displayName": "k", "keyShape": {"algorithm": "ECDSA", "length": 32}}
    for number, host in enumerate((f"{extension}-management.kms.r.{HOST}", f"{extension}-crypto.kms.r.{HOST}:8443")):
        reply = api.ask("POST", f"{V}/keys", body | {"displayName": f"k{number}"}, host=host)
        assert reply.json()["vaultId"] == vault["id"]
    nowhere = api.ask("POST", f"{V}/keys", body, host=f"{'a' * 13}-management.kms.r.{HOST}")
    assert (nowhere.status_code, nowhere.json()["code"]) == NOT_FOUND
    assert api.refused("POST", f"{V}/keys", body) == (400, "MissingParameter")


def test_a_key_is_not_found_at_another_vault(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    body = {"compartmentId": api.place, "displayName": "other", "vaultType": "DEFAULT"}
    other = api.made("POST", f"{V}/vaults", body)
    assert api.made("GET", f"{at(vault)}{V}/keys/{key['id']}")["id"] == key["id"]
    assert api.refused("GET", f"{at(other)}{V}/keys/{key['id']}") == NOT_FOUND
    message = {"message": "bQ==", "signingAlgorithm": "ECDSA_SHA_256", "keyId": key["id"]}
    assert api.refused("POST", f"{at(other)}{V}/sign", message) == NOT_FOUND
    assert api.made("POST", f"{at(vault)}{V}/sign", message)["keyVersionId"] == key["currentKeyVersion"]


def test_keys_are_listed_by_every_filter(api: ApiRoom, vault: dict[str, Any]) -> None:
    p256 = make_key(api, vault, "p256")["id"]
    p384 = make_key(api, vault, "p384", algorithm="ECDSA", length=48, curveId="NIST_P384")["id"]
    large = make_key(api, vault, "rsa", algorithm="RSA", length=256)["id"]

    def listed(**query: Any) -> list[str]:
        return [each["id"] for each in api.items(f"{at(vault)}{V}/keys", sortBy="DISPLAYNAME", **query)]

    assert listed() == [p256, p384, large]
    assert listed(sortOrder="DESC") == [large, p384, p256]
    assert listed(algorithm="ECDSA") == [p256, p384]
    assert listed(algorithm="AES") == []
    assert listed(length=48) == [p384]
    assert listed(curveId="NIST_P256") == [p256]
    assert listed(protectionMode="SOFTWARE", algorithm="RSA") == [large]
    assert listed(protectionMode="HSM") == []
    assert listed(compartmentId=api.other) == []
    for wrong in ({"algorithm": "DSA"}, {"length": "x"}, {"curveId": "P-256"}, {"sortBy": "ID"}, {"limit": "0"}):
        query = {"compartmentId": api.place, **wrong}
        assert api.refused("GET", f"{at(vault)}{V}/keys", query=query) == (400, "InvalidParameter")


def test_a_page_token_of_another_list_is_refused(api: ApiRoom, vault: dict[str, Any]) -> None:
    for name in ("a", "b"):
        make_key(api, vault, name)
    path, query = f"{at(vault)}{V}/keys", {"compartmentId": api.place, "limit": "1"}
    token = api.ask("GET", path, query=query).headers["opc-next-page"]
    other = {**query, "algorithm": "RSA", "page": token}
    assert api.refused("GET", path, query=other) == (400, "PaginationTokenFormat")


def test_vaults_and_keys_get_new_names_and_tags_under_their_etag(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    for path in (f"{V}/vaults/{vault['id']}", f"{at(vault)}{V}/keys/{key['id']}"):
        before = api.ask("GET", path)
        change = {"displayName": "renamed", "freeformTags": {"team": "a"}}
        after = api.ask("PUT", path, change, headers={"if-match": before.headers["etag"]})
        assert (after.json()["displayName"], after.json()["freeformTags"]) == ("renamed", {"team": "a"})
        assert after.headers["etag"] != before.headers["etag"]
        stale = before.headers["etag"]
        assert api.refused("PUT", path, {"displayName": "again"}, if_match=stale) == (412, "NoEtagMatch")
        assert api.refused("PUT", path, {"displayName": " "}) == (400, "InvalidParameter")
        assert api.made("PUT", path, {"displayName": "third"})["freeformTags"] == {"team": "a"}


def test_vaults_and_keys_move_between_compartments(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    mine = f"{at(vault)}{V}/keys/{key['id']}"
    there = {"compartmentId": api.other}
    moved = api.ask("POST", f"{mine}/actions/changeCompartment", there, headers={"opc-retry-token": "t"})
    again = api.ask("POST", f"{mine}/actions/changeCompartment", there, headers={"opc-retry-token": "t"})
    assert (moved.status_code, moved.content, again.headers["etag"]) == (204, b"", moved.headers["etag"])
    assert api.made("GET", mine)["compartmentId"] == api.other
    assert api.made("GET", f"{mine}/keyVersions/{key['currentKeyVersion']}")["compartmentId"] == api.other
    assert api.items(f"{at(vault)}{V}/keys") == []
    assert len(api.items(f"{at(vault)}{V}/keys", compartmentId=api.other)) == 1
    api.made("POST", f"{V}/vaults/{vault['id']}/actions/changeCompartment", there)
    assert api.made("GET", f"{V}/vaults/{vault['id']}")["compartmentId"] == api.other
    nowhere = {"compartmentId": "ocid1.compartment.oc1..aaaaaaaa" + "x" * 52}
    assert api.refused("POST", f"{mine}/actions/changeCompartment", nowhere) == NOT_FOUND


def test_the_usage_of_a_vault_counts_its_living_keys_and_versions(api: ApiRoom, vault: dict[str, Any]) -> None:
    usage = f"{V}/vaults/{vault['id']}/usage"
    assert set(api.made("GET", usage).values()) == {0}
    key = make_key(api, vault)
    make_key(api, vault, "second")
    api.made("POST", f"{at(vault)}{V}/keys/{key['id']}/keyVersions", {})
    assert api.made("GET", usage) == {
        "keyCount": 0,
        "keyVersionCount": 0,
        "softwareKeyCount": 2,
        "softwareKeyVersionCount": 3,
    }


def test_an_old_version_is_deleted_on_schedule_and_the_current_one_never(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    versions = f"{at(vault)}{V}/keys/{key['id']}/keyVersions"
    old, new = key["currentKeyVersion"], api.made("POST", versions, {})["id"]
    assert api.refused("POST", f"{versions}/{new}/actions/scheduleDeletion", {}) == (409, "IncorrectState")
    when = rfc3339(api.clock.now() + 8 * DAY)
    path = f"{versions}/{old}/actions"
    scheduled = api.made("POST", f"{path}/scheduleDeletion", {"timeOfDeletion": when})
    assert (scheduled["lifecycleState"], scheduled["timeOfDeletion"]) == ("PENDING_DELETION", when)
    cancelled = api.made("POST", f"{path}/cancelDeletion")
    assert (cancelled["lifecycleState"], cancelled["timeOfDeletion"]) == ("ENABLED", None)
    for days in (6, 31):
        too = {"timeOfDeletion": rfc3339(api.clock.now() + days * DAY)}
        assert api.refused("POST", f"{path}/scheduleDeletion", too) == (400, "InvalidParameter")


def test_a_disabled_or_pending_key_neither_signs_nor_verifies(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    mine = f"{at(vault)}{V}/keys/{key['id']}"
    body = {"keyId": key["id"], "message": "bQ==", "signingAlgorithm": "ECDSA_SHA_256"}
    made = api.made("POST", f"{V}/sign", body)
    check = {**body, "keyVersionId": made["keyVersionId"], "signature": made["signature"]}
    assert api.made("POST", f"{V}/verify", check) == {"isSignatureValid": True}
    for act, back, state in (
        ("disable", "enable", "DISABLED"),
        ("scheduleDeletion", "cancelDeletion", "PENDING_DELETION"),
    ):
        assert api.made("POST", f"{mine}/actions/{act}", b"")["lifecycleState"] == state
        assert api.refused("POST", f"{V}/sign", body) == (409, "IncorrectState")
        assert api.refused("POST", f"{V}/verify", check) == (409, "IncorrectState")
        assert api.made("POST", f"{mine}/actions/{back}", b"")["lifecycleState"] == "ENABLED"
    assert api.made("POST", f"{V}/verify", check) == {"isSignatureValid": True}


def test_what_an_rsa_key_signs_raw_or_by_digest_verifies_with_its_public_half(
    api: ApiRoom, vault: dict[str, Any]
) -> None:
    key = make_key(api, vault, algorithm="RSA", length=256)
    version = api.made("GET", f"{V}/keys/{key['id']}/keyVersions/{key['currentKeyVersion']}")
    public = serialization.load_pem_public_key(version["publicKey"].encode())
    assert isinstance(public, rsa.RSAPublicKey)
    content = b"a message"
    sent = {"RAW": content, "DIGEST": hashlib.sha256(content).digest()}
    for kind, message in sent.items():
        body = {
            "keyId": key["id"],
            "message": base64.b64encode(message).decode(),
            "messageType": kind,
            "signingAlgorithm": PSS,
        }
        made = api.made("POST", f"{V}/sign", body)
        assert (made["keyId"], made["keyVersionId"], made["signingAlgorithm"]) == (key["id"], version["id"], PSS)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        public.verify(base64.b64decode(made["signature"]), content, pss, hashes.SHA256())
        check = {**body, "keyVersionId": version["id"], "signature": made["signature"]}
        assert api.made("POST", f"{V}/verify", check) == {"isSignatureValid": True}
        changed = {**check, "message": base64.b64encode(message[:-1] + b"!").decode()}
        assert api.made("POST", f"{V}/verify", changed) == {"isSignatureValid": False}
    long = {"keyId": key["id"], "message": base64.b64encode(bytes(4097)).decode(), "signingAlgorithm": PSS}
    assert api.refused("POST", f"{V}/sign", long) == (400, "InvalidParameter")
    assert api.refused("POST", f"{V}/sign", {**long, "message": "not base64"}) == (400, "InvalidParameter")


def test_what_a_vault_here_does_not_do_is_501_with_its_name(api: ApiRoom, vault: dict[str, Any]) -> None:
    key = make_key(api, vault)
    mine, here = f"{V}/vaults/{vault['id']}", {"compartmentId": api.place}
    keys = f"{at(vault)}{V}/keys"
    using = {"keyId": key["id"]}
    for method, path, body, name in (
        ("POST", f"{mine}/actions/backup", {}, "BackupVault"),
        ("POST", f"{V}/vaults/actions/restoreFromFile", b"\x00not JSON", "RestoreVaultFromFile"),
        ("POST", f"{V}/vaults/actions/restoreFromObjectStore", {}, "RestoreVaultFromObjectStore"),
        ("POST", f"{mine}/actions/createReplica", {}, "CreateVaultReplica"),
        ("POST", f"{mine}/actions/deleteReplica", {}, "DeleteVaultReplica"),
        ("GET", f"{mine}/actions/listReplicas", None, "ListVaultReplicas"),
        ("POST", f"{keys}/import", here, "ImportKey"),
        ("POST", f"{keys}/{key['id']}/keyVersions/import", {}, "ImportKeyVersion"),
        ("POST", f"{keys}/{key['id']}/actions/backup", {}, "BackupKey"),
        ("POST", f"{keys}/actions/restoreFromFile", b"\x00not JSON", "RestoreKeyFromFile"),
        ("POST", f"{keys}/actions/restoreFromObjectStore", {}, "RestoreKeyFromObjectStore"),
        ("GET", f"{at(vault)}{V}/wrappingKeys", None, "GetWrappingKey"),
        ("GET", f"{V}/wrappingKeys", None, "GetWrappingKey"),
        ("POST", f"{V}/encrypt", using, "Encrypt"),
        ("POST", f"{V}/decrypt", using, "Decrypt"),
        ("POST", f"{V}/generateDataEncryptionKey", using, "GenerateDataEncryptionKey"),
        ("POST", f"{V}/exportKey", using, "ExportKey"),
    ):
        reply = api.ask(method, path, body, here)
        assert (reply.status_code, reply.json()["code"]) == (501, "MethodNotImplemented"), path
        assert reply.json()["message"].startswith(f"Assay does not have {name}. ")
    rotating = {**here, "displayName": "r", "keyShape": {"algorithm": "RSA", "length": 256}}
    assert api.refused("POST", keys, {**rotating, "isAutoRotationEnabled": True}) == (501, "MethodNotImplemented")


def test_shapes_and_vault_types_that_are_none_are_refused(api: ApiRoom, vault: dict[str, Any]) -> None:
    here = {"compartmentId": api.place, "displayName": "x"}
    for shape in ({"algorithm": "AES", "length": 32}, {"algorithm": "RSA", "length": 100}, {"algorithm": "RSA"}, {}):
        status, _ = api.refused("POST", f"{at(vault)}{V}/keys", {**here, "keyShape": shape})
        assert status == 400, shape
    assert api.refused("POST", f"{V}/vaults", {**here, "vaultType": "EXTERNAL"}) == (400, "InvalidParameter")
    assert api.refused("POST", f"{V}/vaults", here) == (400, "MissingParameter")
