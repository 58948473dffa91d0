"""The OCI SDK's own deserialisation takes every model of KMS, Functions and Container Engine, whole.

Every field that the SDK's models know is set, but for those that are named here with the reason.
"""

from pathlib import Path
from typing import Any

import pytest
from api_bodies import CLUSTER_OPTIONS, OF_APPLICATION, OF_FUNCTION
from api_room import ApiRoom, api_room
from oci_sdks import OLD, Case, empty_fields, python_of
from route_world import HOST

from assay.clock import SetClock
from assay.iam import hashing
from assay.storage import Store

pytestmark = pytest.mark.real

_NO_COPIES = "vaults are neither restored nor replicated"
_NO_FOREIGN_KEYS = "keys of other key managers are not used"
_NOT_RUN = "Assay keeps the cluster's record and does not run it"
#: Fields that stay empty, and why.
EMPTY = {
    "Vault.restored_from_vault_id": _NO_COPIES,
    "Vault.replica_details": _NO_COPIES,
    "Vault.external_key_manager_metadata_summary": _NO_FOREIGN_KEYS,
    "list[VaultSummary].external_key_manager_metadata_summary": _NO_FOREIGN_KEYS,
    "Key.restored_from_key_id": _NO_COPIES,
    "Key.replica_details": _NO_COPIES,
    "Key.auto_key_rotation_details": "keys are rotated by hand",
    "Key.external_key_reference_details": _NO_FOREIGN_KEYS,
    "list[KeySummary].external_key_reference_details": _NO_FOREIGN_KEYS,
    "KeyVersion.restored_from_key_version_id": _NO_COPIES,
    "KeyVersion.replica_details": _NO_COPIES,
    "KeyVersion.external_key_reference_details": _NO_FOREIGN_KEYS,
    "list[KeyVersionSummary].external_key_reference_details": _NO_FOREIGN_KEYS,
    "list[KeyVersionSummary].time_of_deletion": "the current version is never deleted alone",
    **{
        f"{model}.{field}": _NOT_RUN
        for model in ("Cluster", "list[ClusterSummary]")
        for field in ("endpoints", "lifecycle_details", "metadata.time_credential_expiration")
    },
    "Cluster.open_id_connect_discovery_endpoint": _NOT_RUN,
    "Cluster.open_id_connect_discovery_key": _NOT_RUN,
}
#: What only the old SDK leaves empty: it has no container image among the sources, and reads the image beside them.
EMPTY_IN_OLD = {f"{model}.source_details.source_type (unknown word)" for model in ("Function", "list[FunctionSummary]")}


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


def kms(api: ApiRoom) -> list[Case]:
    """A vault, a key and an old version of it, all scheduled for deletion; what another key signed."""
    v, here = "/20180608", {"compartmentId": api.place}
    tags = {"freeformTags": {"a": "b"}, "definedTags": {"n": {"k": "v"}}}
    vault = api.made("POST", f"{v}/vaults", {**here, **tags, "displayName": "v", "vaultType": "DEFAULT"})
    keys = f"{vault['managementEndpoint'].removeprefix(f'http://{HOST}')}{v}/keys"
    shape = {"keyShape": {"algorithm": "ECDSA", "length": 32}, "protectionMode": "SOFTWARE"}
    key = api.made("POST", keys, {**here, **tags, **shape, "displayName": "k"})
    signing = {"keyId": key["id"], "message": "bQ==", "signingAlgorithm": "ECDSA_SHA_256"}
    signed = api.made("POST", f"{v}/sign", signing)
    check = {**signing, "keyVersionId": signed["keyVersionId"], "signature": signed["signature"]}
    verified = api.made("POST", f"{v}/verify", check)
    mine = f"{keys}/{key['id']}"
    api.made("POST", f"{mine}/keyVersions", {})
    version = api.made("POST", f"{mine}/keyVersions/{key['currentKeyVersion']}/actions/scheduleDeletion", {})
    versions = api.made("GET", f"{mine}/keyVersions")
    key = api.made("POST", f"{mine}/actions/scheduleDeletion", {})
    listed = api.made("GET", keys, query=here)
    usage = api.made("GET", f"{v}/vaults/{vault['id']}/usage")
    vault = api.made("POST", f"{v}/vaults/{vault['id']}/actions/scheduleDeletion", {})
    of_vaults, of_keys, of_crypto = (f"key_management.Kms{name}Client" for name in ("Vault", "Management", "Crypto"))
    return [
        (of_vaults, "Vault", vault),
        (of_vaults, "list[VaultSummary]", api.made("GET", f"{v}/vaults", query=here)),
        (of_vaults, "VaultUsage", usage),
        (of_keys, "Key", key),
        (of_keys, "list[KeySummary]", listed),
        (of_keys, "KeyVersion", version),
        (of_keys, "list[KeyVersionSummary]", versions),
        (of_crypto, "SignedData", signed),
        (of_crypto, "VerifiedData", verified),
    ]


def functions(api: ApiRoom) -> list[Case]:
    """An application with a policy, and a function on a signed image."""
    client, v, here = "functions.FunctionsManagementClient", "/20260325", {"compartmentId": api.place}
    key = api.desk.key()
    image, _ = api.desk.push("v1", "one", "fn/hello")
    api.desk.sign(image, key)
    tags = {"freeformTags": {"a": "b"}, "definedTags": {"n": {"k": "v"}}, "config": {"a": "b"}}
    policy = {"imagePolicyConfig": {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": key.ocid}]}}
    body = {**here, **tags, **policy, **OF_APPLICATION, "displayName": "shop", "subnetIds": ["s"]}
    application = api.made("POST", f"{v}/applications", body)
    source = {"sourceType": "CONTAINER_IMAGE", "image": f"{HOST}/{api.desk.namespace}/fn/hello:v1"}
    body = {**tags, **OF_FUNCTION, "displayName": "cart", "memoryInMBs": 128, "sourceDetails": source}
    function = api.made("POST", f"{v}/functions", {**body, "applicationId": application["id"]})
    of_it = {"applicationId": application["id"]}
    return [
        (client, "Application", application),
        (client, "list[ApplicationSummary]", api.made("GET", f"{v}/applications", query=here)),
        (client, "Function", function),
        (client, "list[FunctionSummary]", api.made("GET", f"{v}/functions", query=of_it)),
    ]


def clusters(api: ApiRoom) -> list[Case]:
    """A cluster that was created, updated and deleted, so that all of its history is there."""
    client, v, here = "container_engine.ContainerEngineClient", "/20180222", {"compartmentId": api.place}
    body = {
        **here,
        "name": "prod",
        "vcnId": "v",
        "kubernetesVersion": "v1.30.1",
        "kmsKeyId": "k",
        "options": CLUSTER_OPTIONS,
        "endpointConfig": {"subnetId": "s", "nsgIds": ["n"], "isPublicIpEnabled": True, "securityAttributes": {}},
        "clusterPodNetworkOptions": [{"cniType": "FLANNEL_OVERLAY"}],
        "freeformTags": {"a": "b"},
        "definedTags": {"n": {"k": "v"}},
    }
    path = f"{v}/clusters/{api.made('POST', f'{v}/clusters', body)['id']}"
    policy: dict[str, Any] = {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": api.desk.key().ocid}]}
    api.made("PUT", path, {"imagePolicyConfig": policy})
    api.made("DELETE", path)
    whole = {"shouldIncludeOidcConfigFile": "true"}
    listed = api.made("GET", f"{v}/clusters", query=here)
    file = CLUSTER_OPTIONS["openIdConnectTokenAuthenticationConfig"]["configurationFile"]
    listed[0]["options"]["openIdConnectTokenAuthenticationConfig"]["configurationFile"] = file
    return [
        (client, "Cluster", api.made("GET", path, query=whole)),
        (client, "list[ClusterSummary]", listed),
        (client, "ClusterOptions", api.made("GET", f"{v}/clusterOptions/all", query=here)),
    ]


@pytest.mark.parametrize("version", ["", OLD])
@pytest.mark.parametrize("cases_of", [kms, functions, clusters])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_sdk_reads_every_model_with_every_field_set(api: ApiRoom, cases_of: Any, version: str) -> None:
    allowed = EMPTY.keys() | (EMPTY_IN_OLD if version else set())
    assert empty_fields(python_of(version), cases_of(api)) - allowed == set()
