"""Why may somebody do something, and who may: Assay's own operations, in the API's style.

The room of a resource says what conditions can ask of it; IAM says which statements decide.
"""

from typing import Any

from assay.functions import functions
from assay.iam import PrincipalKind, Target
from assay.iam.identity import why
from assay.oci_api.contract import PAGED, Gives, Need
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.registry import images, repositories
from assay.registry.model import Repository
from assay.vault import keys


def explanation_reply(found: why.Explanation) -> dict[str, Any]:
    """An explanation: who, what, the answer, and the statements behind it."""
    return {
        "principalType": found.principal.kind,
        "principalId": found.principal.ocid or None,
        "principalName": found.principal.name,
        "operation": found.operation,
        "isAllowed": found.allowed,
        "needed": found.needed,
        "statements": [_decider_reply(each) for each in found.by],
        "missing": found.missing,
        "missingGrants": found.missing_grants,
        "nearMisses": [{**_decider_reply(each.decider), "because": each.because} for each in found.near_misses],
    }


def _decider_reply(decider: why.Decider) -> dict[str, Any]:
    return {
        "statement": decider.statement,
        "policyId": decider.policy or None,
        "policyName": decider.policy_name or None,
        "position": decider.position,
        "grants": decider.grants,
    }


def _repository(call: Call, resource: str) -> Repository | None:
    """The repository that a resource is, or lies in."""
    with call.app.store.database.read() as connection:
        tenancy = call.actor.tenancy
        image = images.of_ocid(connection, tenancy, resource) if resource.startswith("ocid1.containerimage.") else None
        return repositories.of_ocid(connection, tenancy, image.repository if image else resource)


def _target(call: Call, resource: str, repository: Repository | None) -> Target:
    """A resource as what is acted on, with what its own room knows of it."""
    place = why.place_of(call.app.store, call.actor, resource)
    if repository is not None:
        return Target(place.compartment, resource, variables={"target.repo.name": repository.name})
    if resource.startswith("ocid1.key."):
        return keys.target_of(keys.get_key(call.app.store, call.actor, resource))
    return place


@takes(Gives.ONE, query={"resourceId": Need(str), "operation": Need(str), "principal": Need(str), "address": str})
def _explain(call: Call) -> Reply:
    resource = call.needed("resourceId")
    operation = call.needed("operation")
    repository = _repository(call, resource)
    principal = why.principal_of(call.app.store, call.actor, call.needed("principal"))
    if principal.kind is PrincipalKind.FUNCTION:
        principal = functions.principal_of(call.app.store, call.actor.tenancy, principal.ocid)
    target = _target(call, resource, repository)
    found = why.explain(call.app.store, call.actor, principal, operation, target, address=call.query.get("address", ""))
    is_open = repository is not None and repositories.open_to_everybody(repository, operation)
    return Reply({**explanation_reply(found), "isAllowed": found.allowed or is_open, "isOpenToEverybody": is_open})


@takes(Gives.ONE, query={"resourceId": Need(str), "operation": Need(str), **PAGED})
def _who_can(call: Call) -> Reply:
    resource = call.needed("resourceId")
    operation = call.needed("operation")
    repository = _repository(call, resource)
    target = _target(call, resource, repository)
    found = why.who_can(
        call.app.store,
        call.actor,
        operation,
        target,
        limit=call.limit,
        page=call.page or "",
    )
    is_open = repository is not None and repositories.open_to_everybody(repository, operation)
    body = {"items": [explanation_reply(each) for each in found.items], "isOpenToEverybody": is_open}
    return Reply(body, next_page=found.next_page)


ROWS: tuple[Row, ...] = (
    Row("GET", "/20260901/accessExplanations", "ExplainAccess", _explain),
    Row("GET", "/20260901/accessHolders", "ExplainAccess", _who_can),
)
