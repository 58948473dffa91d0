"""The variables that a condition may name: what they hold, and where they are known. Pure data (oci-api 4.5).

A variable that a request doesn't have makes its comparison false, also under `!=`: doubt denies. Some have several
values at once (an address in two network sources): such a one equals a text when any of them does.
"""

from collections.abc import Mapping
from types import MappingProxyType

UTC_TIMESTAMP = "request.utc-timestamp"
NETWORK_SOURCE = "request.networkSource.name"
PRINCIPAL_COMPARTMENT = "request.principal.compartment.id"

#: What a request knows: one value or several of each variable; none for what is missing.
Variables = Mapping[str, str | tuple[str, ...]]

#: Variable → what it holds. `authority` supplies those of the request; a room supplies those of its targets.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "request.user.id": "OCID of the user; for other principals, of the principal",
        "request.user.name": "name of the user",
        "request.operation": "the operation, such as ListContainerImages",
        "request.permission": "the permission in question, such as REPOSITORY_READ",
        "request.region": "region of this installation",
        NETWORK_SOURCE: "names of the network sources in which the caller's address lies",
        UTC_TIMESTAMP: "when the request came",
        "request.principal.type": "user, service, cluster, fnapp or fnfunc",
        "request.principal.id": "OCID of the principal",
        PRINCIPAL_COMPARTMENT: "compartment of a cluster, application or function that acts",
        "request.principal.repo_name": "repository of the image of a function that acts",
        "target.compartment.id": "compartment of what is acted on",
        "target.compartment.name": "its name",
        "target.repo.name": "repository name",
        "target.repo.id": "repository OCID",
        "target.image.id": "image OCID",
        "target.vault.id": "vault OCID",
        "target.key.id": "key OCID",
        "target.cluster.id": "cluster OCID",
        "target.app.id": "application OCID",
        "target.function.id": "function OCID",
        "target.user.id": "user OCID",
        "target.user.name": "user name",
        "target.group.id": "group OCID",
        "target.group.name": "group name",
        "target.dynamicgroup.id": "dynamic group OCID",
        "target.dynamicgroup.name": "dynamic group name",
        "target.networksource.id": "network source OCID",
        "target.networksource.name": "network source name",
        "target.policy.id": "policy OCID",
        "target.policy.name": "policy name",
    }
)

#: `target.resource.tag.<namespace>.<key>` and its kin: any name that begins so.
RESOURCE_TAG = "target.resource.tag."
RESOURCE_COMPARTMENT_TAG = "target.resource.compartment.tag."
PRINCIPAL_GROUP_TAG = "request.principal.group.tag."
PRINCIPAL_COMPARTMENT_TAG = "request.principal.compartment.tag."
TAG_PREFIXES = (RESOURCE_TAG, RESOURCE_COMPARTMENT_TAG, PRINCIPAL_GROUP_TAG, PRINCIPAL_COMPARTMENT_TAG)

#: Type in an OCID → the variable that holds the OCID of a target of that type.
_ID_VARIABLES = MappingProxyType(
    {
        "containerrepo": "target.repo.id",
        "containerimage": "target.image.id",
        "vault": "target.vault.id",
        "key": "target.key.id",
        "cluster": "target.cluster.id",
        "fnapp": "target.app.id",
        "fnfunc": "target.function.id",
        "user": "target.user.id",
        "group": "target.group.id",
        "dynamicgroup": "target.dynamicgroup.id",
        "networksource": "target.networksource.id",
        "policy": "target.policy.id",
    }
)

_CANONICAL = MappingProxyType({name.lower(): name for name in VARIABLES})


def id_variables(resource: str) -> dict[str, str]:
    """What the OCID of a target says by itself, such as `target.key.id`."""
    name = _ID_VARIABLES.get(resource.partition(".")[2].partition(".")[0])
    return {name: resource} if name else {}


def canonical_variable(word: str) -> str:
    """The variable's own spelling, whatever the case of `word`; empty when there is no such variable."""
    lower = word.lower()
    if lower.startswith(TAG_PREFIXES):
        prefix = next(prefix for prefix in TAG_PREFIXES if lower.startswith(prefix))
        namespace, dot, key = lower.removeprefix(prefix).partition(".")
        return lower if namespace and dot and key else ""
    return _CANONICAL.get(lower, "")
