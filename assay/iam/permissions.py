"""The table: which permissions each operation needs. Pure data.

Sources: oci-api 4.5 and the policy reference of each service for permissions and operations of OCI; for what OCI has no
operation for (pushing, verdicts, feeds, admission), Assay's own operations stand in the same table in the same style.
An operation without a row cannot be performed: `perform` and `authorize` look it up here and nowhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from assay.iam.resource_types import TYPE_OF_PERMISSION


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
            " GetContainerConfiguration ListRetentionPolicies",
            "REPOSITORY_READ": "GetContainerRepository GetContainerImage GetContainerImageSignature"
            " LookupContainerImageByUri PullImage ListTags VerifyImageSignature"
            " GetRetentionPolicy PreviewRetention GetContainerQuota",
            "REPOSITORY_READ REPOSITORY_UPDATE": "PushImage",
            "REPOSITORY_CREATE": "CreateContainerRepository CreateContainerRepositoryOnPush",
            "REPOSITORY_DELETE": "DeleteContainerRepository",
            "REPOSITORY_MANAGE": "UpdateContainerRepository ChangeContainerRepositoryCompartment"
            " UpdateContainerConfiguration CreateRetentionPolicy UpdateRetentionPolicy DeleteRetentionPolicy"
            " ApplyRetentionPolicies UpdateContainerQuota DeleteContainerQuota",
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
            "cluster-work-requests",
            {"CLUSTER_WORK_REQUEST_DELETE": "CancelClusterWorkRequest"},
            {"CancelClusterWorkRequest": "DeleteWorkRequest"},
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
            "fn-app",
            {"FN_APP_UPDATE": "CancelFunctionsWorkRequest"},
            {"CancelFunctionsWorkRequest": "CancelWorkRequest"},
        ),
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
                "COMPARTMENT_INSPECT": "ListCompartments GetCompartment ListAvailabilityDomains",
                "COMPARTMENT_READ": "ReadCompartmentDetails GetWorkRequest ListWorkRequests ListWorkRequestErrors"
                " ListWorkRequestLogs",
                "COMPARTMENT_CREATE": "CreateCompartment",
                "COMPARTMENT_UPDATE": "UpdateCompartment",
                "COMPARTMENT_DELETE": "DeleteCompartment",
                "COMPARTMENT_RECOVER": "RecoverCompartment",
                "COMPARTMENT_MOVE": "MoveCompartment",
            },
        ),
        *_rows("tenancies", {"TENANCY_INSPECT": "GetTenancy ListRegions ListRegionSubscriptions"}),
        *_rows("objectstorage-namespaces", {"OBJECTSTORAGE_NAMESPACE_READ": "GetNamespace GetNamespaceMetadata"}),
        *_rows(
            "policies",
            {
                "POLICY_READ": "ListPolicies GetPolicy ExplainAccess",
                "POLICY_CREATE": "CreatePolicy",
                "POLICY_UPDATE": "UpdatePolicy",
                "POLICY_DELETE": "DeletePolicy",
            },
        ),
        *_rows("audit-events", {"AUDIT_EVENT_READ": "ListAuditEvents", "AUDIT_EVENT_MANAGE": "UpdateAuditRetention"}),
    ]


def _people() -> list[Operation]:
    return [
        *_rows(
            "users",
            {
                "USER_INSPECT": "ListUsers GetUser SignIn SignOut",
                "USER_READ": "ListApiKeys ListAuthTokens ReadUserDetails",
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
            "network-sources",
            {
                "NETWORK_SOURCE_INSPECT": "ListNetworkSources GetNetworkSource",
                "NETWORK_SOURCE_CREATE": "CreateNetworkSource",
                "NETWORK_SOURCE_UPDATE": "UpdateNetworkSource",
                "NETWORK_SOURCE_DELETE": "DeleteNetworkSource",
            },
        ),
    ]


def _by_name(rows: Iterable[Operation]) -> Mapping[str, Operation]:
    table: dict[str, Operation] = {}
    for row in rows:
        if row.name in table or not row.permissions <= TYPE_OF_PERMISSION.keys():
            raise ValueError(f"the row of {row.name} stands twice or names a permission that no verb grants")
        table[row.name] = row
    return MappingProxyType(table)


#: Operation name → its row. The one place that says which permission an act needs.
OPERATIONS: Mapping[str, Operation] = _by_name(
    [*_repos(), *_vault(), *_scanning(), *_running(), *_identity(), *_people()]
)
