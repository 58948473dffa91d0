"""The table of permissions against the tables of oci-api 4.5 and the Identity service's policy reference."""

import pytest

from assay.iam.permissions import OPERATIONS
from assay.iam.resource_types import FAMILIES, RESOURCE_TYPES, TYPE_OF_PERMISSION, Verb, granted, least_verb

#: From oci-api 4.5, "Per operation", and the policy references that it names.
DOCUMENTED = {
    "ListContainerRepositories": "REPOSITORY_INSPECT",
    "ListContainerImages": "REPOSITORY_INSPECT",
    "ListContainerImageSignatures": "REPOSITORY_INSPECT",
    "GetContainerConfiguration": "REPOSITORY_INSPECT",
    "GetContainerRepository": "REPOSITORY_READ",
    "GetContainerImage": "REPOSITORY_READ",
    "GetContainerImageSignature": "REPOSITORY_READ",
    "CreateContainerRepository": "REPOSITORY_CREATE",
    "DeleteContainerRepository": "REPOSITORY_DELETE",
    "UpdateContainerRepository": "REPOSITORY_MANAGE",
    "ChangeContainerRepositoryCompartment": "REPOSITORY_MANAGE",
    "UpdateContainerConfiguration": "REPOSITORY_MANAGE",
    "UpdateContainerImage": "REPOSITORY_UPDATE",
    "DeleteContainerImage": "REPOSITORY_UPDATE",
    "RestoreContainerImage": "REPOSITORY_UPDATE",
    "RemoveContainerVersion": "REPOSITORY_UPDATE",
    "CreateContainerImageSignature": "REPOSITORY_UPDATE",
    "DeleteContainerImageSignature": "REPOSITORY_UPDATE",
    "PullImage": "REPOSITORY_READ",
    "PushImage": "REPOSITORY_READ REPOSITORY_UPDATE",
    "ListKeys": "KEY_INSPECT",
    "GetKeyVersion": "KEY_READ",
    "CreateKey": "KEY_CREATE VAULT_CREATE_KEY",
    "EnableKey": "KEY_UPDATE",
    "DisableKey": "KEY_UPDATE",
    "CreateKeyVersion": "KEY_ROTATE",
    "Sign": "KEY_SIGN",
    "Verify": "KEY_VERIFY",
    "CreateKubeconfig": "CLUSTER_USE",
    "UpdateCluster": "CLUSTER_UPDATE",
    "ListContainerScanRecipes": "VSS_CONTAINERSCANRECIPE_INSPECT",
    "CreateContainerScanTarget": "VSS_CONTAINERSCANTARGET_CREATE",
    "ListApplications": "FN_APP_LIST",
    "CreateFunction": "FN_FUNCTION_CREATE",
    "InvokeFunction": "FN_INVOCATION",
    "ListUserGroupMemberships": "GROUP_INSPECT USER_INSPECT",
    "AddUserToGroup": "GROUP_UPDATE USER_UPDATE",
    "UpdateUserState": "USER_UPDATE USER_UNBLOCK",
    "CreateAuthToken": "USER_UPDATE USER_AUTHTOKEN_SET",
    "GetPolicy": "POLICY_READ",
    "CreatePolicy": "POLICY_CREATE",
    "GetCompartment": "COMPARTMENT_INSPECT",
    "GetTenancy": "TENANCY_INSPECT",
}


@pytest.mark.parametrize("operation", DOCUMENTED)
def test_operations_need_what_the_documents_say(operation: str) -> None:
    assert OPERATIONS[operation].permissions == frozenset(DOCUMENTED[operation].split())


def test_verbs_are_cumulative_on_every_type_and_family() -> None:
    for name in (*RESOURCE_TYPES, *FAMILIES):
        held = [granted(verb, name) for verb in (Verb.INSPECT, Verb.READ, Verb.USE, Verb.MANAGE)]
        assert held[0] <= held[1] <= held[2] <= held[3]


def test_use_adds_nothing_to_repos_so_signing_needs_manage() -> None:
    assert granted(Verb.USE, "repos") == granted(Verb.READ, "repos") == {"REPOSITORY_INSPECT", "REPOSITORY_READ"}
    assert least_verb({"REPOSITORY_UPDATE"}, "repos") is Verb.MANAGE
    assert {"KEY_SIGN", "KEY_VERIFY"} <= granted(Verb.USE, "keys")


def test_all_resources_holds_every_permission_and_a_family_only_its_own() -> None:
    assert granted(Verb.MANAGE, "all-resources") == set(TYPE_OF_PERMISSION)
    assert FAMILIES["functions-family"] == ("fn-app", "fn-function", "fn-invocation")
    assert FAMILIES["cluster-family"] == (
        "clusters",
        "cluster-node-pools",
        "cluster-pod-shapes",
        "cluster-virtualnode-pools",
        "cluster-work-requests",
        "cluster-workload-mappings",
    )
    assert len(FAMILIES["vss-family"]) == 11


def test_each_permission_belongs_to_one_type() -> None:
    every = [permission for levels in RESOURCE_TYPES.values() for level in levels for permission in level.split()]
    assert len(every) == len(set(every))


def test_some_verb_grants_what_each_operation_needs_of_its_own_type() -> None:
    for operation in OPERATIONS.values():
        own = {name for name in operation.permissions if TYPE_OF_PERMISSION[name] == operation.resource_type}
        assert own
        assert least_verb(own, operation.resource_type) is not None


def test_work_requests_of_several_services_share_their_api_name() -> None:
    named = {name for name, row in OPERATIONS.items() if row.api_name == "GetWorkRequest"}
    assert named == {"GetWorkRequest", "GetScanningWorkRequest", "GetClusterWorkRequest", "GetFunctionsWorkRequest"}
