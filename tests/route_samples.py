"""A request for every route of the API, with which somebody who may would be answered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from route_world import ALGORITHM, HOST, MESSAGE, RULE

Names = Mapping[str, str]


@dataclass(frozen=True)
class Sample:
    """What to send. `params` are names of the world for parameters of the path that are called otherwise there."""

    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    #: Operations beside the route's own whose permissions it needs.
    also: tuple[str, ...] = ()
    #: Whether the lack of the route's own permissions alone leaves a list empty, instead of being refused.
    hidden: bool = False
    #: Whether the lack of what stands in `also` is refused as that of a related resource (oci-api 1.5).
    related: bool = False


def sample_of(method: str, path: str, operation: str, n: Names) -> Sample | None:
    """The sample of a route: by its path where that has its own, else by its operation; None when nobody gave one."""
    return _own(n).get((method, path)) or _by_operation(n).get(operation)


def path_of(path: str, sample: Sample, n: Names) -> str:
    """A route's path with the world's names in it."""
    version = re.match(r"/(?:vaults/[^/]+/)?(\d{8})", path)

    def fill(match: re.Match[str]) -> str:
        word = match[1]
        if word == "request" and version:
            return n[f"work {version[1]}"]
        return n[sample.params.get(word, word)]

    return re.sub(r"\{(\w+)(?::\w+)?\}", fill, path)


def host_of(path: str, n: Names) -> str:
    """The host by which a request without a vault in its path names the vault."""
    return f"{n['extension']}-management.kms.local.{HOST}" if path.startswith("/20180608/") else HOST


def _own(n: Names) -> dict[tuple[str, str], Sample]:
    """Routes that share an operation with another, and are asked otherwise."""
    here = {"compartmentId": n["place"]}
    mine = "/20260901"
    scanner = f"{mine}/repositories/{{repository}}/scanner"
    return {
        ("POST", f"{mine}/images/{{image}}/actions/sign"): Sample(
            {"kmsKeyId": n["key"], "signingAlgorithm": ALGORITHM}, also=("Sign",)
        ),
        ("POST", scanner): Sample(
            {"imageCount": 3},
            params={"repository": "bare"},
            also=("CreateContainerScanRecipe", "GetContainerRepository"),
        ),
        ("GET", scanner): Sample(),
        ("DELETE", scanner): Sample(also=("GetContainerRepository",)),
        ("GET", f"{mine}/scanComparison"): Sample(query={"before": n["scan"], "after": n["scan"]}),
        ("GET", f"{mine}/clusters/{{cluster}}/certificates"): Sample(),
        ("GET", f"{mine}/missingStatements"): Sample(),
        ("GET", f"{mine}/repositories/{{repository}}/scanStatuses"): Sample(also=("ListContainerImages",), hidden=True),
        ("GET", f"{mine}/functions/{{function}}/watch"): Sample(),
        ("GET", f"{mine}/jobs"): Sample(),
        ("GET", "/20180222/clusters"): Sample(query=here),
    }


def _by_operation(n: Names) -> dict[str, Sample]:
    return {**_artifacts(n), **_scanning(n), **_vault(n), **_running(n), **_identity(n), **_people(n)}


_RULES = [{"kind": "KEEP_LAST", "count": 3, "tags": ["v*"]}]


def _artifacts(n: Names) -> dict[str, Sample]:
    here = {"compartmentId": n["place"]}
    upload = {
        **here,
        "imageId": n["image"],
        "kmsKeyId": n["key"],
        "kmsKeyVersionId": n["version"],
        "message": MESSAGE,
        "signature": n["sealed"],
        "signingAlgorithm": ALGORITHM,
    }
    return {
        "CreateContainerRepository": Sample({**here, "displayName": "team/new"}),
        "ListContainerRepositories": Sample(query=here),
        "GetContainerRepository": Sample(),
        "UpdateContainerRepository": Sample({"isImmutable": True}),
        "DeleteContainerRepository": Sample(),
        "ChangeContainerRepositoryCompartment": Sample({"compartmentId": n["other_place"]}),
        "LookupContainerImageByUri": Sample({"imageUri": f"{n['namespace']}/team/app:v1"}),
        "ListContainerImages": Sample(query=here),
        "GetContainerImage": Sample(),
        "UpdateContainerImage": Sample({"freeformTags": {"a": "b"}}),
        "DeleteContainerImage": Sample(),
        "RestoreContainerImage": Sample({}),
        "RemoveContainerVersion": Sample({"version": "v1"}),
        "GetContainerConfiguration": Sample(query={"compartmentId": n["tenancy"]}),
        "UpdateContainerConfiguration": Sample(
            {"isRepositoryCreatedOnFirstPush": True}, {"compartmentId": n["tenancy"]}
        ),
        "CreateRetentionPolicy": Sample({**here, "displayName": "new", "rules": _RULES}),
        "ListRetentionPolicies": Sample(query=here),
        "GetRetentionPolicy": Sample(),
        "UpdateRetentionPolicy": Sample({"displayName": "new", "rules": _RULES}),
        "DeleteRetentionPolicy": Sample(),
        "PreviewRetention": Sample(),
        "ApplyRetentionPolicies": Sample(),
        "GetContainerQuota": Sample(),
        "UpdateContainerQuota": Sample({"storageLimitInBytes": 1 << 40}),
        "DeleteContainerQuota": Sample(),
        "CreateContainerImageSignature": Sample(upload),
        "ListContainerImageSignatures": Sample(query=here),
        "GetContainerImageSignature": Sample(),
        "UpdateContainerImageSignature": Sample({"freeformTags": {"a": "b"}}),
        "DeleteContainerImageSignature": Sample(),
        "VerifyImageSignature": Sample(query={"kmsKeyId": n["key"]}),
    }


def _scanning(n: Names) -> dict[str, Sample]:
    here = {"compartmentId": n["place"]}
    registry = {"type": "OCIR", **here, "repositories": ["team/other"]}
    found = {
        "CreateContainerScanRecipe": Sample({**here, "scanSettings": {"scanLevel": "STANDARD"}}),
        "UpdateContainerScanRecipe": Sample({"displayName": "new"}),
        "CreateContainerScanTarget": Sample(
            {**here, "containerScanRecipeId": n["recipe"], "targetRegistry": registry, "displayName": "new"},
            also=("GetContainerScanRecipe", "GetContainerImage"),
        ),
        "UpdateContainerScanTarget": Sample({"displayName": "new"}),
        "RecordScanVerdict": Sample({"isAccepted": True, "reason": "looked at"}),
        "RefreshFeed": Sample({}),
    }
    for noun in ("ContainerScanRecipe", "ContainerScanTarget", "ContainerScanResult"):
        found[f"List{noun}s"] = Sample(query=here)
        found[f"Get{noun}"] = Sample()
        found[f"Delete{noun}"] = Sample()
        found[f"Change{noun}Compartment"] = Sample({"compartmentId": n["other_place"]})
    for operation in ("ListScanVerdicts", "ListFeeds", "GetVulnerability"):
        found[operation] = Sample()
    for operation in ("ListVulnerabilities", "ListVulnerabilityImpactedContainers"):
        found[operation] = Sample(query=here)
    for service in ("Scanning", "Cluster", "Functions", ""):
        found[f"List{service}WorkRequests"] = Sample(query=here)
        found[f"Get{service}WorkRequest"] = Sample()
        found[f"Cancel{service}WorkRequest"] = Sample()
        for what in ("Errors", "Logs"):
            found[f"List{service}WorkRequest{what}"] = Sample(query=here)
    return found


def _vault(n: Names) -> dict[str, Sample]:
    here = {"compartmentId": n["place"]}
    moved = Sample({"compartmentId": n["other_place"]})
    key = {**here, "displayName": "new", "keyShape": {"algorithm": "ECDSA", "length": 32}, "protectionMode": "SOFTWARE"}
    use = {"keyId": n["key"], "keyVersionId": n["version"], "message": MESSAGE, "signingAlgorithm": ALGORITHM}
    plain = {"keyId": n["key"], "plaintext": MESSAGE, "ciphertext": MESSAGE, "algorithm": "AES_256_GCM"}
    found = {
        "CreateVault": Sample({**here, "displayName": "new", "vaultType": "DEFAULT"}),
        "ListVaults": Sample(query=here),
        "UpdateVault": Sample({"displayName": "new"}),
        "ChangeVaultCompartment": moved,
        "CreateKey": Sample(key),
        "ListKeys": Sample(query=here),
        "ImportKey": Sample(key),
        "UpdateKey": Sample({"displayName": "new"}),
        "ChangeKeyCompartment": moved,
        "Sign": Sample(use),
        "Verify": Sample({**use, "signature": n["sealed"]}),
        "Encrypt": Sample(plain),
        "Decrypt": Sample(plain),
        "GenerateDataEncryptionKey": Sample({**plain, "includePlaintextKey": True}),
        "ExportKey": Sample({**plain, "publicKey": "k"}),
    }
    for operation in (
        *("RestoreVaultFromFile", "RestoreVaultFromObjectStore", "RestoreKeyFromFile", "RestoreKeyFromObjectStore"),
    ):
        found[operation] = Sample({}, here)
    for operation in (
        *("GetVault", "GetVaultUsage", "GetWrappingKey", "ScheduleVaultDeletion", "CancelVaultDeletion", "BackupVault"),
        *("CreateVaultReplica", "DeleteVaultReplica", "ListVaultReplicas", "GetKey", "EnableKey", "DisableKey"),
        *("ScheduleKeyDeletion", "CancelKeyDeletion", "BackupKey", "ImportKeyVersion", "CreateKeyVersion"),
        *("ListKeyVersions", "GetKeyVersion", "ScheduleKeyVersionDeletion", "CancelKeyVersionDeletion"),
    ):
        found[operation] = Sample({}) if not operation.startswith(("Get", "List")) else Sample()
    return found


def _running(n: Names) -> dict[str, Sample]:
    here = {"compartmentId": n["place"]}
    function = {
        "applicationId": n["application"],
        "displayName": "new",
        "image": f"{n['image_name']}:v1",
        "sourceDetails": {"sourceType": "CONTAINER_IMAGE", "image": f"{n['image_name']}:v1"},
        "memoryInMBs": 128,
    }
    return {
        "CreateCluster": Sample({**here, "name": "new", "vcnId": "v", "kubernetesVersion": "v1.30.1"}),
        "UpdateCluster": Sample({"name": "renamed"}),
        "GetCluster": Sample(),
        "ListClusters": Sample(query=here),
        "DeleteCluster": Sample(),
        "GetClusterOptions": Sample(query=here),
        "CreateKubeconfig": Sample({"tokenVersion": "2.0.0"}),
        "CreateClusterToken": Sample({"description": "d"}, also=("GetCluster",)),
        "ListClusterTokens": Sample(),
        "DeleteClusterToken": Sample(params={"token": "cluster_token"}),
        "ListAdmissionDecisions": Sample(),
        "CreateApplication": Sample({**here, "displayName": "new", "subnetIds": ["s"]}),
        "ListApplications": Sample(query=here),
        "GetApplication": Sample(),
        "UpdateApplication": Sample({"config": {"a": "b"}}),
        "ChangeApplicationCompartment": Sample({"compartmentId": n["other_place"]}),
        "DeleteApplication": Sample(),
        "CreateFunction": Sample(function, also=("GetContainerImage",), related=True),
        "ListFunctions": Sample(query={"applicationId": n["application"]}),
        "GetFunction": Sample(),
        "UpdateFunction": Sample({"memoryInMBs": 256}, also=("GetFunction",)),
        "DeleteFunction": Sample(),
        "InvokeFunction": Sample({}),
    }


def _identity(n: Names) -> dict[str, Sample]:
    whole = {"compartmentId": n["tenancy"]}
    new = {**whole, "name": "new", "description": "d"}
    statement = "allow group Some to read repos in tenancy"
    asked = {"operation": "PullImage", "resourceId": n["repository"]}
    return {
        "GetNamespace": Sample(query={"compartmentId": n["place"]}),
        "GetTenancy": Sample(),
        "ListRegionSubscriptions": Sample(),
        "ListRegions": Sample(),
        "ListAvailabilityDomains": Sample(query={"compartmentId": n["place"]}),
        "CreateCompartment": Sample({"compartmentId": n["place"], "name": "new", "description": "d"}),
        "ListCompartments": Sample(query={"compartmentId": n["place"]}),
        "GetCompartment": Sample(params={"compartment": "place"}),
        "UpdateCompartment": Sample({"description": "new"}, params={"compartment": "place"}),
        "DeleteCompartment": Sample(params={"compartment": "compartment"}),
        "MoveCompartment": Sample({"targetCompartmentId": n["other_place"]}, params={"compartment": "compartment"}),
        "RecoverCompartment": Sample({}, params={"compartment": "deleted_compartment"}),
        "CreatePolicy": Sample({**new, "statements": [statement]}),
        "ListPolicies": Sample(query=whole),
        "GetPolicy": Sample(),
        "UpdatePolicy": Sample({"statements": [statement], "policyName": "some"}),
        "DeletePolicy": Sample(),
        "ExplainAccess": Sample(query={"principal": n["user"], **asked}),
        "CreateDynamicGroup": Sample({**new, "matchingRule": RULE}),
        "ListDynamicGroups": Sample(query=whole),
        "GetDynamicGroup": Sample(),
        "UpdateDynamicGroup": Sample({"description": "new"}),
        "DeleteDynamicGroup": Sample(),
        "CreateNetworkSource": Sample({**new, "publicSourceList": ["192.0.2.7"]}),
        "ListNetworkSources": Sample(query=whole),
        "GetNetworkSource": Sample(),
        "UpdateNetworkSource": Sample({"description": "new"}),
        "DeleteNetworkSource": Sample(),
        "ListAuditEvents": Sample(),
        "UpdateAuditRetention": Sample({"retentionDays": 400}),
    }


def _people(n: Names) -> dict[str, Sample]:
    whole = {"compartmentId": n["tenancy"]}
    new = {**whole, "name": "new", "description": "d"}
    of_token = {"token": "auth_token"}
    return {
        "CreateUser": Sample(new),
        "ListUsers": Sample(query=whole),
        "GetUser": Sample(),
        "UpdateUser": Sample({"description": "new"}),
        "UpdateUserState": Sample({"blocked": True}),
        "UpdateUserCapabilities": Sample({"canUseApiKeys": False}),
        "DeleteUser": Sample(),
        "CreateGroup": Sample(new),
        "ListGroups": Sample(query=whole),
        "GetGroup": Sample(),
        "UpdateGroup": Sample({"description": "new"}),
        "DeleteGroup": Sample(),
        "AddUserToGroup": Sample({"userId": n["admin"], "groupId": n["group"]}),
        "ListUserGroupMemberships": Sample(query={**whole, "userId": n["user"]}),
        "GetUserGroupMembership": Sample(),
        "RemoveUserFromGroup": Sample(),
        "CreateOrResetUIPassword": Sample({}),
        "UploadApiKey": Sample({"key": n["new_public_key"]}),
        "ListApiKeys": Sample(),
        "DeleteApiKey": Sample(),
        "CreateAuthToken": Sample({"description": "new"}),
        "ListAuthTokens": Sample(),
        "UpdateAuthToken": Sample({"description": "new"}, params=of_token),
        "DeleteAuthToken": Sample(params=of_token),
    }
