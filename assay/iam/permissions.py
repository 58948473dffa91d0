"""The table: what each verb of the policy language grants, and what each operation needs. Pure data.

Sources: oci-api 4.5 and the policy reference of each service for permissions and operations of OCI; for what OCI has no
operation for (pushing, verdicts, feeds, admission), Assay's own operations stand in the same table in the same style.
An operation without a row cannot be performed: `perform` and `authorize` look it up here and nowhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType


class Verb(StrEnum):
    """The four levels of the language, each holding all before it."""

    INSPECT = "inspect"
    READ = "read"
    USE = "use"
    MANAGE = "manage"


ALL_RESOURCES = "all-resources"

_ORDER = tuple(Verb)


def _scan_type(word: str) -> tuple[str, str, str, str]:
    """The levels of a vulnerability scanning type (oci-api 4.5, vss-family)."""
    stem = f"VSS_{word}"
    return f"{stem}_INSPECT", f"{stem}_READ", f"{stem}_UPDATE", f"{stem}_CREATE {stem}_DELETE {stem}_MOVE"


def _pool_type(word: str) -> tuple[str, str, str, str]:
    """The levels of the cluster types that Assay only knows by name."""
    return f"{word}_INSPECT", f"{word}_READ", "", f"{word}_CREATE {word}_UPDATE {word}_DELETE"


#: Resource type → what inspect, read, use and manage each add.
RESOURCE_TYPES: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "repos": (
            "REPOSITORY_INSPECT",
            "REPOSITORY_READ",
            "",
            "REPOSITORY_CREATE REPOSITORY_DELETE REPOSITORY_UPDATE REPOSITORY_MANAGE",
        ),
        "vaults": (
            "VAULT_INSPECT",
            "VAULT_READ",
            "VAULT_CREATE_KEY VAULT_IMPORT_KEY VAULT_CREATE_SECRET",
            "VAULT_CREATE VAULT_UPDATE VAULT_DELETE VAULT_MOVE VAULT_BACKUP VAULT_RESTORE VAULT_REPLICATE",
        ),
        "keys": (
            "KEY_INSPECT",
            "KEY_READ",
            "KEY_ENCRYPT KEY_DECRYPT KEY_EXPORT KEY_SIGN KEY_VERIFY",
            "KEY_CREATE KEY_UPDATE KEY_ROTATE KEY_DELETE KEY_MOVE KEY_IMPORT KEY_BACKUP KEY_RESTORE",
        ),
        "key-delegate": ("", "", "KEY_ASSOCIATE KEY_DISASSOCIATE", ""),
        "clusters": (
            "CLUSTER_INSPECT",
            "CLUSTER_READ",
            "CLUSTER_USE",
            "CLUSTER_CREATE CLUSTER_DELETE CLUSTER_UPDATE CLUSTER_MANAGE CLUSTER_JOIN",
        ),
        "cluster-node-pools": _pool_type("CLUSTER_NODE_POOL"),
        "cluster-pod-shapes": ("CLUSTER_POD_SHAPE_INSPECT", "", "", ""),
        "cluster-virtualnode-pools": _pool_type("CLUSTER_VIRTUAL_NODE_POOL"),
        "cluster-work-requests": (
            "CLUSTER_WORK_REQUEST_INSPECT",
            "CLUSTER_WORK_REQUEST_READ",
            "",
            "CLUSTER_WORK_REQUEST_DELETE",
        ),
        "cluster-workload-mappings": _pool_type("CLUSTER_WORKLOAD_MAPPING"),
        "container-scan-recipes": _scan_type("CONTAINERSCANRECIPE"),
        "container-scan-results": _scan_type("CONTAINERSCANRESULT"),
        "container-scan-targets": _scan_type("CONTAINERSCANTARGET"),
        "host-scan-recipes": _scan_type("HOSTSCANRECIPE"),
        "host-scan-targets": _scan_type("HOSTSCANTARGET"),
        "host-agent-scan-results": _scan_type("HOSTAGENTSCANRESULT"),
        "host-port-scan-results": _scan_type("HOSTPORTSCANRESULT"),
        "host-cis-benchmark-scan-results": _scan_type("HOSTCISBENCHMARKSCANRESULT"),
        "host-vulnerabilities": _scan_type("HOSTVULNERABILITY"),
        "vss-vulnerabilities": _scan_type("VULNERABILITY"),
        "vss-work-requests": _scan_type("WORKREQUEST"),
        "fn-app": ("FN_APP_LIST", "FN_APP_READ", "", "FN_APP_CREATE FN_APP_DELETE FN_APP_UPDATE"),
        "fn-function": (
            "FN_FUNCTION_LIST",
            "FN_FUNCTION_READ",
            "",
            "FN_FUNCTION_CREATE FN_FUNCTION_DELETE FN_FUNCTION_UPDATE",
        ),
        "fn-invocation": ("", "", "FN_INVOCATION", ""),
        "compartments": (
            "COMPARTMENT_INSPECT",
            "COMPARTMENT_READ",
            "COMPARTMENT_UPDATE",
            "COMPARTMENT_CREATE COMPARTMENT_DELETE COMPARTMENT_RECOVER COMPARTMENT_MOVE",
        ),
        "users": (
            "USER_INSPECT",
            "USER_READ",
            "USER_UPDATE",
            (
                "USER_CREATE USER_DELETE USER_UNBLOCK USER_UIPASS_SET USER_UIPASS_RESET USER_APIKEY_ADD"
                " USER_APIKEY_REMOVE USER_AUTHTOKEN_SET USER_AUTHTOKEN_RESET USER_AUTHTOKEN_REMOVE"
            ),
        ),
        "groups": ("GROUP_INSPECT", "", "GROUP_UPDATE", "GROUP_CREATE GROUP_DELETE"),
        "dynamic-groups": (
            "DYNAMIC_GROUP_INSPECT",
            "",
            "DYNAMIC_GROUP_UPDATE",
            "DYNAMIC_GROUP_CREATE DYNAMIC_GROUP_DELETE",
        ),
        "policies": ("POLICY_READ", "", "", "POLICY_CREATE POLICY_UPDATE POLICY_DELETE"),
        "tenancies": ("TENANCY_INSPECT", "", "TENANCY_UPDATE", ""),
        "objectstorage-namespaces": ("", "OBJECTSTORAGE_NAMESPACE_READ", "", "OBJECTSTORAGE_NAMESPACE_UPDATE"),
        "audit-events": ("", "AUDIT_EVENT_READ", "", "AUDIT_EVENT_MANAGE"),
        "advisory-feeds": ("FEED_INSPECT", "FEED_READ", "FEED_REFRESH", "FEED_UPDATE"),
    }
)

#: Family → its resource types. `all-resources` holds every one.
FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cluster-family": tuple(name for name in RESOURCE_TYPES if name.startswith("cluster")),
        "vss-family": tuple(name for name in RESOURCE_TYPES if name.startswith(("container-scan", "host-", "vss-"))),
        "functions-family": tuple(name for name in RESOURCE_TYPES if name.startswith("fn-")),
        ALL_RESOURCES: tuple(RESOURCE_TYPES),
    }
)

#: Permission → the one resource type that it belongs to.
TYPE_OF_PERMISSION: Mapping[str, str] = MappingProxyType(
    {permission: name for name, levels in RESOURCE_TYPES.items() for level in levels for permission in level.split()}
)


@cache
def granted(verb: Verb, resource_type: str) -> frozenset[str]:
    """Every permission that `verb` grants on a resource type or family; empty for a type that is not known."""
    reach = _ORDER.index(verb) + 1
    levels = (RESOURCE_TYPES.get(name, ("",)) for name in FAMILIES.get(resource_type, (resource_type,)))
    return frozenset(permission for each in levels for level in each[:reach] for permission in level.split())


def least_verb(permissions: Iterable[str], resource_type: str) -> Verb | None:
    """The lowest verb that grants all of `permissions` on `resource_type`; None when none does."""
    wanted = frozenset(permissions)
    return next((verb for verb in Verb if wanted <= granted(verb, resource_type)), None)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: all of `permissions` are needed, in the compartment of the target.

    `api_name` is what a policy sees as `request.operation`; services that share an API name (GetWorkRequest) have rows
    of different `name`. `resource_type` is what the operation acts on.
    """

    name: str
    resource_type: str
    permissions: frozenset[str]
    api_name: str


def _rows(resource_type: str, table: Mapping[str, str], api_names: Mapping[str, str] | None = None) -> list[Operation]:
    """Rows of one resource type from `{permissions: operations}`, both separated by spaces."""
    return [
        Operation(name, resource_type, frozenset(permissions.split()), (api_names or {}).get(name, name))
        for permissions, names in table.items()
        for name in names.split()
    ]


def _scan_rows(resource_type: str, word: str, noun: str, *, plural: str = "") -> list[Operation]:
    stem = f"VSS_{word}"
    table = {
        f"{stem}_INSPECT": f"List{plural or noun + 's'}",
        f"{stem}_READ": f"Get{noun}",
        f"{stem}_UPDATE": f"Update{noun}",
        f"{stem}_CREATE": f"Create{noun}",
        f"{stem}_DELETE": f"Delete{noun}",
        f"{stem}_MOVE": f"Change{noun}Compartment",
    }
    return _rows(resource_type, table)


def _work_requests(resource_type: str, service: str, inspect: str, read: str) -> list[Operation]:
    names = ("ListWorkRequests", "GetWorkRequest", "ListWorkRequestErrors", "ListWorkRequestLogs")
    own = {name.replace("WorkRequest", f"{service}WorkRequest"): name for name in names}
    listing, *reading = own
    return _rows(resource_type, {inspect: listing, read: " ".join(reading)}, own)


def _repos() -> list[Operation]:
    return _rows(
        "repos",
        {
            "REPOSITORY_INSPECT": "ListContainerRepositories ListContainerImages ListContainerImageSignatures"
            " GetContainerConfiguration",
            "REPOSITORY_READ": "GetContainerRepository GetContainerImage GetContainerImageSignature"
            " LookupContainerImageByUri PullImage ListTags VerifyImageSignature",
            "REPOSITORY_READ REPOSITORY_UPDATE": "PushImage",
            "REPOSITORY_CREATE": "CreateContainerRepository CreateContainerRepositoryOnPush",
            "REPOSITORY_DELETE": "DeleteContainerRepository",
            "REPOSITORY_MANAGE": "UpdateContainerRepository ChangeContainerRepositoryCompartment"
            " UpdateContainerConfiguration UpdateRetentionPolicy",
            "REPOSITORY_UPDATE": "UpdateContainerImage DeleteContainerImage RestoreContainerImage"
            " RemoveContainerVersion CreateContainerImageSignature UpdateContainerImageSignature"
            " DeleteContainerImageSignature",
            # The scanning service reads images and says where they stand: both of its statements are needed.
            "REPOSITORY_INSPECT REPOSITORY_READ COMPARTMENT_INSPECT COMPARTMENT_READ": "ScanContainerImage",
        },
    )


def _vault() -> list[Operation]:
    return [
        *_rows(
            "vaults",
            {
                "VAULT_INSPECT": "ListVaults",
                "VAULT_READ": "GetVault GetVaultUsage GetWrappingKey",
                "VAULT_CREATE": "CreateVault",
                "VAULT_UPDATE": "UpdateVault",
                "VAULT_DELETE": "ScheduleVaultDeletion CancelVaultDeletion",
                "VAULT_MOVE": "ChangeVaultCompartment",
                "VAULT_BACKUP": "BackupVault",
                "VAULT_RESTORE": "RestoreVaultFromFile RestoreVaultFromObjectStore",
                "VAULT_REPLICATE": "CreateVaultReplica DeleteVaultReplica ListVaultReplicas",
            },
        ),
        *_rows(
            "keys",
            {
                "KEY_INSPECT": "ListKeys ListKeyVersions",
                "KEY_READ": "GetKey GetKeyVersion",
                "KEY_CREATE VAULT_CREATE_KEY": "CreateKey",
                "KEY_UPDATE": "UpdateKey EnableKey DisableKey",
                "KEY_ROTATE": "CreateKeyVersion",
                "KEY_DELETE": "ScheduleKeyDeletion CancelKeyDeletion ScheduleKeyVersionDeletion"
                " CancelKeyVersionDeletion",
                "KEY_MOVE": "ChangeKeyCompartment",
                "KEY_IMPORT VAULT_IMPORT_KEY": "ImportKey",
                "KEY_IMPORT": "ImportKeyVersion",
                "KEY_BACKUP": "BackupKey",
                "KEY_RESTORE": "RestoreKeyFromFile RestoreKeyFromObjectStore",
                "KEY_SIGN": "Sign",
                "KEY_VERIFY": "Verify",
                "KEY_ENCRYPT": "Encrypt GenerateDataEncryptionKey",
                "KEY_DECRYPT": "Decrypt",
                "KEY_EXPORT": "ExportKey",
            },
        ),
    ]


def _scanning() -> list[Operation]:
    return [
        *_scan_rows("container-scan-recipes", "CONTAINERSCANRECIPE", "ContainerScanRecipe"),
        *_scan_rows("container-scan-targets", "CONTAINERSCANTARGET", "ContainerScanTarget"),
        *_rows(
            "container-scan-results",
            {
                "VSS_CONTAINERSCANRESULT_INSPECT": "ListContainerScanResults",
                "VSS_CONTAINERSCANRESULT_READ": "GetContainerScanResult CompareContainerScanResults ListScanVerdicts",
                "VSS_CONTAINERSCANRESULT_UPDATE": "RecordScanVerdict",
                "VSS_CONTAINERSCANRESULT_DELETE": "DeleteContainerScanResult",
                "VSS_CONTAINERSCANRESULT_MOVE": "ChangeContainerScanResultCompartment",
            },
        ),
        *_rows(
            "vss-vulnerabilities",
            {
                "VSS_VULNERABILITY_INSPECT": "ListVulnerabilities",
                "VSS_VULNERABILITY_READ": "GetVulnerability ListVulnerabilityImpactedContainers",
            },
        ),
        *_work_requests("vss-work-requests", "Scanning", "VSS_WORKREQUEST_INSPECT", "VSS_WORKREQUEST_READ"),
        *_rows(
            "advisory-feeds",
            {
                "FEED_INSPECT": "ListFeeds",
                "FEED_READ": "GetFeed ListFeedRevisions",
                "FEED_REFRESH": "RefreshFeed",
                "FEED_UPDATE": "UpdateFeed",
            },
        ),
    ]


def _running() -> list[Operation]:
    return [
        *_rows(
            "clusters",
            {
                "CLUSTER_INSPECT": "ListClusters GetClusterOptions",
                "CLUSTER_READ": "GetCluster ListAdmissionDecisions SimulateAdmission ListClusterTokens",
                "CLUSTER_USE": "CreateKubeconfig PrintWebhookManifests",
                "CLUSTER_CREATE": "CreateCluster",
                "CLUSTER_UPDATE": "UpdateCluster",
                "CLUSTER_DELETE": "DeleteCluster",
                "CLUSTER_MANAGE": "CreateClusterToken DeleteClusterToken",
                "CLUSTER_JOIN": "AdmitWorkload",
            },
        ),
        *_work_requests(
            "cluster-work-requests", "Cluster", "CLUSTER_WORK_REQUEST_INSPECT", "CLUSTER_WORK_REQUEST_READ"
        ),
        *_rows(
            "fn-app",
            {
                "FN_APP_LIST": "ListApplications",
                "FN_APP_READ": "GetApplication",
                "FN_APP_CREATE": "CreateApplication",
                "FN_APP_UPDATE": "UpdateApplication ChangeApplicationCompartment",
                "FN_APP_DELETE": "DeleteApplication",
            },
        ),
        *_work_requests("fn-app", "Functions", "FN_APP_LIST", "FN_APP_READ"),
        *_rows(
            "fn-function",
            {
                "FN_FUNCTION_LIST": "ListFunctions",
                "FN_FUNCTION_READ": "GetFunction",
                "FN_FUNCTION_CREATE": "CreateFunction",
                "FN_FUNCTION_UPDATE": "UpdateFunction",
                "FN_FUNCTION_DELETE": "DeleteFunction",
            },
        ),
        *_rows("fn-invocation", {"FN_INVOCATION": "InvokeFunction"}),
    ]


def _identity() -> list[Operation]:
    return [
        *_rows(
            "compartments",
            {
                "COMPARTMENT_INSPECT": "ListCompartments GetCompartment ListAvailabilityDomains ListFaultDomains",
                "COMPARTMENT_READ": "GetWorkRequest ListWorkRequests",
                "COMPARTMENT_CREATE": "CreateCompartment",
                "COMPARTMENT_UPDATE": "UpdateCompartment",
                "COMPARTMENT_DELETE": "DeleteCompartment",
                "COMPARTMENT_RECOVER": "RecoverCompartment",
                "COMPARTMENT_MOVE": "MoveCompartment",
            },
        ),
        *_rows(
            "users",
            {
                "USER_INSPECT": "ListUsers GetUser",
                "USER_READ": "ListApiKeys ListAuthTokens",
                "USER_CREATE": "CreateUser",
                "USER_UPDATE": "UpdateUser UpdateUserCapabilities",
                "USER_UPDATE USER_UNBLOCK": "UpdateUserState",
                "USER_DELETE": "DeleteUser",
                "USER_UPDATE USER_UIPASS_RESET": "CreateOrResetUIPassword",
                "USER_UPDATE USER_UIPASS_SET": "ChangePassword",
                "USER_UPDATE USER_APIKEY_ADD": "UploadApiKey",
                "USER_UPDATE USER_APIKEY_REMOVE": "DeleteApiKey",
                "USER_UPDATE USER_AUTHTOKEN_SET": "CreateAuthToken",
                "USER_UPDATE USER_AUTHTOKEN_RESET": "UpdateAuthToken",
                "USER_UPDATE USER_AUTHTOKEN_REMOVE": "DeleteAuthToken",
            },
        ),
        *_rows(
            "groups",
            {
                "GROUP_INSPECT": "ListGroups GetGroup",
                "GROUP_INSPECT USER_INSPECT": "ListUserGroupMemberships GetUserGroupMembership",
                "GROUP_UPDATE USER_UPDATE": "AddUserToGroup RemoveUserFromGroup",
                "GROUP_CREATE": "CreateGroup",
                "GROUP_UPDATE": "UpdateGroup",
                "GROUP_DELETE": "DeleteGroup",
            },
        ),
        *_rows(
            "dynamic-groups",
            {
                "DYNAMIC_GROUP_INSPECT": "ListDynamicGroups GetDynamicGroup",
                "DYNAMIC_GROUP_CREATE": "CreateDynamicGroup",
                "DYNAMIC_GROUP_UPDATE": "UpdateDynamicGroup",
                "DYNAMIC_GROUP_DELETE": "DeleteDynamicGroup",
            },
        ),
        *_rows(
            "policies",
            {
                "POLICY_READ": "ListPolicies GetPolicy ExplainAccess",
                "POLICY_CREATE": "CreatePolicy",
                "POLICY_UPDATE": "UpdatePolicy",
                "POLICY_DELETE": "DeletePolicy",
            },
        ),
        *_rows("tenancies", {"TENANCY_INSPECT": "GetTenancy ListRegions ListRegionSubscriptions"}),
        *_rows(
            "objectstorage-namespaces",
            {
                "OBJECTSTORAGE_NAMESPACE_READ": "GetNamespace GetNamespaceMetadata",
            },
        ),
        *_rows("audit-events", {"AUDIT_EVENT_READ": "ListAuditEvents", "AUDIT_EVENT_MANAGE": "UpdateAuditRetention"}),
    ]


def _by_name(rows: Iterable[Operation]) -> Mapping[str, Operation]:
    table: dict[str, Operation] = {}
    for row in rows:
        if row.name in table or not row.permissions <= TYPE_OF_PERMISSION.keys():
            raise ValueError(f"the row of {row.name} stands twice or names a permission that no verb grants")
        table[row.name] = row
    return MappingProxyType(table)


#: Operation name → its row. The one place that says which permission an act needs.
OPERATIONS: Mapping[str, Operation] = _by_name([*_repos(), *_vault(), *_scanning(), *_running(), *_identity()])
