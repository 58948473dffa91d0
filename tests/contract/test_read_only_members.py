"""Mass assignment: members that a caller may not set are not read, whatever the body says (OWASP API3:2023)."""

from typing import Any

import pytest
from places import NOON
from route_world import RouteWorld, build, databases_of

import assay.oci_api as door
from assay.clock import SetClock
from assay.oci_api.contract import Need

#: What models show and bodies may not say: whose a resource is, its state, its maker, its times, what was counted.
READ_ONLY = {
    "id": "ocid1.user.oc1..mine",
    "tenancyId": "ocid1.tenancy.oc1..mine",
    "compartmentId": "ocid1.compartment.oc1..mine",
    "namespace": "mine",
    "lifecycleState": "DELETED",
    "inactiveStatus": 1,
    "createdBy": "ocid1.user.oc1..mine",
    "timeCreated": "2000-01-01T00:00:00Z",
    "timeUpdated": "2000-01-01T00:00:00Z",
    "timeOfDeletion": "2000-01-01T00:00:00Z",
    "etag": "mine",
    "digest": "sha256:mine",
    "imageCount": None,
    "layersSizeInBytes": -1,
    "pullCount": -1,
    "isMfaActivated": True,
    "emailVerified": True,
    "capabilities": {"canUseSmtpCredentials": True},
    "publicKey": "mine",
    "keyShape": {"algorithm": "AES", "length": 16},
    "currentKeyVersion": "mine",
    "protectionMode": "HSM",
    "vaultType": "EXTERNAL",
    "imagePolicyVersion": 0,
    "policyVersion": 0,
    "__proto__": {"isAdmin": True},
    "isAdmin": True,
}
UPDATED = {
    "/20160918/container/repositories/{repository}": "repository",
    "/20160918/container/images/{image}": "image",
    "/20160918/container/imageSignatures/{signature}": "signature",
    "/20160918/compartments/{compartment}": "compartment",
    "/20160918/users/{user}": "user",
    "/20160918/groups/{group}": "group",
    "/20160918/policies/{policy}": "policy",
    "/20160918/dynamicGroups/{dynamic_group}": "dynamic_group",
    "/20160918/networkSources/{network_source}": "network_source",
    "/20180222/clusters/{cluster}": "cluster",
    "/20180608/vaults/{vault}": "vault",
    "/20180608/keys/{key}": "key",
    "/20181201/applications/{application}": "application",
    "/20181201/functions/{function}": "function",
    "/20260325/applications/{application}": "application",
    "/20260325/functions/{function}": "function",
    "/20210215/containerScanRecipes/{recipe}": "recipe",
    "/20210215/containerScanTargets/{target}": "target",
    "/20260901/retentionPolicies/{retention_policy}": "retention_policy",
}
#: Members that an update itself moves on.
MOVES = ("timeUpdated", "metadata")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RouteWorld:
    folder = tmp_path_factory.mktemp("read-only")
    return build(folder, databases_of(request, request.param, folder), SetClock(NOON))


def test_every_resource_that_has_an_update_is_looked_at() -> None:
    updates = {row.path for row in door._ROWS if row.method == "PUT" and "/vaults/{extension}" not in row.path}
    # These have no model of their own: a state, capabilities, a description, settings of the tenancy.
    others = {
        "/20160918/users/{user}/state",
        "/20160918/users/{user}/capabilities",
        "/20160918/users/{user}/authTokens/{token}",
        "/20160918/container/configuration",
        "/20260901/auditChain",
        "/20260901/containerQuotas/{place}",
    }
    assert updates - others == set(UPDATED)


@pytest.mark.parametrize("path", sorted(UPDATED), ids=lambda path: path.replace("/", "|"))
def test_an_update_that_says_only_what_it_may_not_changes_nothing(world: RouteWorld, path: str) -> None:
    name = UPDATED[path]
    address = path.replace(f"{{{name}}}", world.names[name])
    with world.copy(sorted(UPDATED).index(path)) as copy:
        admin = copy.caller("admin")
        before = without_times(admin.made("GET", address))
        row = next(row for row in door._ROWS if (row.method, row.path) == ("PUT", path))
        body = {member: value for member, value in READ_ONLY.items() if member not in row.run.contract.body}
        assert {"id", "compartmentId", "lifecycleState", "timeCreated", "createdBy"} <= body.keys()
        # What an update must say, it says as it is.
        body |= {name: before[name] for name, kind in row.run.contract.body.items() if isinstance(kind, Need)}
        assert admin.ask("PUT", address, body).is_success
        assert without_times(admin.made("GET", address)) == before


def test_a_user_who_is_made_gets_nothing_but_what_may_be_said(world: RouteWorld) -> None:
    with world.copy(900) as copy:
        admin = copy.caller("admin")
        body = {**READ_ONLY, "compartmentId": world.names["tenancy"], "name": "new", "description": "d"}
        made = admin.made("POST", "/20160918/users", body)
        assert made["id"] != READ_ONLY["id"]
        assert made["compartmentId"] == world.names["tenancy"]
        assert made["lifecycleState"] == "ACTIVE"
        assert made["isMfaActivated"] is False
        assert made["emailVerified"] is False
        assert made["capabilities"]["canUseSmtpCredentials"] is False
        assert made["timeCreated"] != READ_ONLY["timeCreated"]
        assert "isAdmin" not in made


def without_times(model: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name not in MOVES}
