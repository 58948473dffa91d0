"""The variables that a condition may name: what they hold, and where they are known. Pure data (oci-api 4.5).

A variable that a request doesn't have makes its comparison false, also under `!=`: doubt denies.
"""

from collections.abc import Mapping
from types import MappingProxyType

UTC_TIMESTAMP = "request.utc-timestamp"

#: Variable → what it holds. `authority` supplies those of the request; a room supplies those of its targets.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "request.user.id": "OCID of the user; for other principals, of the principal",
        "request.user.name": "name of the user",
        "request.operation": "the operation, such as ListContainerImages",
        "request.permission": "the permission in question, such as REPOSITORY_READ",
        "request.region": "region of this installation",
        "request.networkSource.name": "network source; there are none yet, so a comparison is false",
        UTC_TIMESTAMP: "when the request came",
        "request.principal.type": "user, service, cluster, fnapp or fnfunc",
        "request.principal.id": "OCID of the principal",
        "request.principal.compartment.id": "compartment of a function or application that acts",
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
        "target.policy.id": "policy OCID",
        "target.policy.name": "policy name",
    }
)

#: `target.resource.tag.<namespace>.<key>` and its kin: any name that begins so.
TAG_PREFIXES = (
    "target.resource.tag.",
    "target.resource.compartment.tag.",
    "request.principal.group.tag.",
    "request.principal.compartment.tag.",
)

_CANONICAL = MappingProxyType({name.lower(): name for name in VARIABLES})


def canonical_variable(word: str) -> str:
    """The variable's own spelling, whatever the case of `word`; empty when there is no such variable."""
    lower = word.lower()
    if lower.startswith(TAG_PREFIXES):
        prefix = next(prefix for prefix in TAG_PREFIXES if lower.startswith(prefix))
        namespace, dot, key = lower.removeprefix(prefix).partition(".")
        return lower if namespace and dot and key else ""
    return _CANONICAL.get(lower, "")
