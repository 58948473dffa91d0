"""Resource types of the policy language, and which permissions each verb grants on them. Pure data.

Source: oci-api 4.5 and the policy reference of each service; `advisory-feeds` is Assay's own.
"""

from collections.abc import Iterable, Mapping
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
        "network-sources": (
            "NETWORK_SOURCE_INSPECT",
            "",
            "NETWORK_SOURCE_UPDATE",
            "NETWORK_SOURCE_CREATE NETWORK_SOURCE_DELETE",
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
