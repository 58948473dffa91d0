"""Container Engine over the wire, on both databases: clusters, their image policy, work requests, options."""

from pathlib import Path
from typing import Any

import pytest
from api_bodies import CLUSTER_OPTIONS
from api_room import ApiRoom, api_room

from assay.clock import MINUTE, SetClock, rfc3339
from assay.iam import hashing
from assay.storage import Store
from assay.vault.resources import Key

V = "/20180222"
NOT_FOUND = (404, "NotAuthorizedOrNotFound")
OIDC = "openIdConnectTokenAuthenticationConfig"


@pytest.fixture
def api(store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> ApiRoom:
    """The door, with passwords that are hashed quickly."""
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    return api_room(store, tmp_path, clock)


@pytest.fixture
def key(api: ApiRoom) -> Key:
    return api.desk.key()


def details(api: ApiRoom, name: str = "prod", **members: Any) -> dict[str, Any]:
    vcn = {"vcnId": "ocid1.vcn.oc1..x", "kubernetesVersion": "v1.30.1"}
    return {"name": name, "compartmentId": api.place, **vcn, **members}


def policy(*trusted: Key) -> dict[str, Any]:
    return {"imagePolicyConfig": {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": k.ocid} for k in trusted]}}


def make(api: ApiRoom, name: str = "prod", **members: Any) -> str:
    """The OCID of a new cluster, learnt as clients learn it: from the work request."""
    reply = api.ask("POST", f"{V}/clusters", details(api, name, **members))
    work = api.made("GET", f"{V}/workRequests/{reply.headers['opc-work-request-id']}")
    return str(work["resources"][0]["identifier"])


def test_a_cluster_is_given_back_as_it_was_described(api: ApiRoom, key: Key) -> None:
    given = {
        "kmsKeyId": "etcd key",
        "type": "ENHANCED_CLUSTER",
        "endpointConfig": {
            "subnetId": "s",
            "nsgIds": ["n"],
            "isPublicIpEnabled": True,
            "securityAttributes": {"a": {"b": "c"}},
        },
        "options": CLUSTER_OPTIONS,
        "clusterPodNetworkOptions": [{"cniType": "OCI_VCN_IP_NATIVE"}],
        "freeformTags": {"team": "a"},
        "definedTags": {"n": {"k": "v"}},
        **policy(key),
    }
    cluster = make(api, **given)
    found = api.made("GET", f"{V}/clusters/{cluster}", query={"shouldIncludeOidcConfigFile": "true"})
    expected = {**details(api), **given}
    assert {name: found[name] for name in expected} == expected
    assert (found["lifecycleState"], found["availableKubernetesUpgrades"]) == ("ACTIVE", [])
    plain = api.made("GET", f"{V}/clusters/{cluster}")["options"]
    assert "configurationFile" not in plain[OIDC]
    assert plain[OIDC]["issuerUrl"] == "https://id.example"


def test_the_history_of_a_cluster_names_who_when_and_the_work_requests(api: ApiRoom, key: Key) -> None:
    created = api.ask("POST", f"{V}/clusters", details(api))
    path, times = f"{V}/clusters/{created.json()['id']}", [rfc3339(api.clock.now())]
    api.clock.advance(MINUTE)
    times.append(rfc3339(api.clock.now()))
    updated = api.ask("PUT", path, policy(key))
    api.clock.advance(MINUTE)
    times.append(rfc3339(api.clock.now()))
    deleted = api.ask("DELETE", path)
    history = api.made("GET", path)["metadata"]
    who = api.desk.actor.principal.ocid
    for word, reply, time in zip(("created", "updated", "deleted"), (created, updated, deleted), times, strict=True):
        work = reply.headers["opc-work-request-id"]
        assert (history[f"{word}ByUserId"], history[f"{word}ByWorkRequestId"]) == (who, work)
        found = api.made("GET", f"{V}/workRequests/{work}")
        assert (found["operationType"], found["status"]) == (f"CLUSTER_{word.upper().removesuffix('D')}", "SUCCEEDED")
        assert (found["resources"][0]["entityType"], found["timeAccepted"]) == ("cluster", time)
    assert (history["timeCreated"], history["timeDeleted"]) == (times[0], times[2])


def test_an_update_changes_what_it_names_under_its_etag(api: ApiRoom, key: Key) -> None:
    cluster = make(api, options=CLUSTER_OPTIONS)
    path = f"{V}/clusters/{cluster}"
    etag = api.ask("GET", path).headers["etag"]
    change = {"name": "renamed", "type": "ENHANCED_CLUSTER", "kubernetesVersion": "v1.31.1", **policy(key)}
    part = {"options": {"admissionControllerOptions": {"isPodSecurityPolicyEnabled": False}}}
    updated = api.ask("PUT", path, {**change, **part}, headers={"if-match": etag})
    assert updated.headers["etag"] != etag
    found = api.made("GET", path)
    assert {name: found[name] for name in change} == change
    assert found["options"]["admissionControllerOptions"] == {"isPodSecurityPolicyEnabled": False}
    assert found["options"]["kubernetesNetworkConfig"] == CLUSTER_OPTIONS["kubernetesNetworkConfig"]
    assert api.ask("GET", path).headers["etag"] == updated.headers["etag"]
    assert api.refused("PUT", path, {"name": "x"}, if_match=etag) == (412, "NoEtagMatch")
    assert api.refused("DELETE", path, if_match=etag) == (412, "NoEtagMatch")


def test_the_same_retry_token_gets_the_first_cluster_and_its_work_request_again(api: ApiRoom) -> None:
    first = api.ask("POST", f"{V}/clusters", details(api), headers={"opc-retry-token": "t"})
    again = api.ask("POST", f"{V}/clusters", details(api), headers={"opc-retry-token": "t"})
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    assert again.headers["opc-work-request-id"] == first.headers["opc-work-request-id"]
    other = details(api, "other")
    assert api.refused("POST", f"{V}/clusters", other, opc_retry_token="t") == (409, "InvalidatedRetryToken")
    assert api.refused("POST", f"{V}/clusters", details(api)) == (409, "NotAuthorizedOrResourceAlreadyExists")


def test_clusters_are_listed_by_name_states_and_order(api: ApiRoom) -> None:
    made = {}
    for name in ("b", "c", "a"):
        made[name] = make(api, name)
        api.clock.advance(MINUTE)

    def listed(**query: Any) -> list[str]:
        return [str(each["name"]) for each in api.items(f"{V}/clusters", **query)]

    assert listed(sortBy="NAME") == ["a", "b", "c"]
    assert listed(sortBy="TIME_CREATED") == ["b", "c", "a"]
    assert listed(sortBy="TIME_CREATED", sortOrder="DESC") == ["a", "c", "b"]
    assert listed(sortBy="ID") == sorted(made, key=lambda name: made[name])
    assert listed(name="c") == ["c"]
    api.made("DELETE", f"{V}/clusters/{made['b']}")
    assert listed(lifecycleState="ACTIVE") == ["a", "c"]
    assert listed(lifecycleState=["DELETED", "FAILED"]) == ["b"]
    assert listed(lifecycleState=["ACTIVE", "DELETED"]) == ["a", "b", "c"]
    wrong = {"compartmentId": api.place, "lifecycleState": ["ACTIVE", "GONE"]}
    assert api.refused("GET", f"{V}/clusters", query=wrong) == (400, "InvalidParameter")


def test_at_most_five_keys_are_trusted_and_each_must_be_there(api: ApiRoom) -> None:
    six = [api.desk.key(name=f"k{number}") for number in range(6)]
    assert api.refused("POST", f"{V}/clusters", details(api, **policy(*six))) == (400, "LimitExceeded")
    cluster = make(api, **policy(*six[:5]))
    missing = {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": six[0].ocid[:-4] + "aaaa"}]}
    assert api.refused("PUT", f"{V}/clusters/{cluster}", {"imagePolicyConfig": missing}) == NOT_FOUND
    for wrong in ({"isPolicyEnabled": True, "keyDetails": [{}]}, {"isPolicyEnabled": "yes"}):
        assert api.refused("PUT", f"{V}/clusters/{cluster}", {"imagePolicyConfig": wrong}) == (400, "InvalidParameter")


def test_options_that_clients_could_not_read_back_are_refused(api: ApiRoom) -> None:
    for wrong in (
        {"options": {"kubernetesNetworkConfig": "none"}},
        {"options": {"ipFamilies": "IPv4"}},
        {"clusterPodNetworkOptions": [{}]},
        {"clusterPodNetworkOptions": [{"cniType": "OTHER"}]},
        {"endpointConfig": {"isPublicIpEnabled": "maybe"}},
        {"options": {"serviceLbSubnetIds": ["x" * 70_000]}},
    ):
        assert api.refused("POST", f"{V}/clusters", details(api, **wrong)) == (400, "InvalidParameter"), wrong


def test_no_kubeconfig_is_made_up_and_any_recorded_version_is_an_option(api: ApiRoom) -> None:
    cluster = make(api)
    make(api, "old", kubernetesVersion="v1.29.1")
    make(api, "same")
    body = {"tokenVersion": "2.0.0", "endpoint": "PUBLIC_ENDPOINT"}
    path = f"{V}/clusters/{cluster}/kubeconfig/content"
    reply = api.ask("POST", path, body)
    assert (reply.status_code, reply.json()["code"]) == (501, "MethodNotImplemented")
    assert "knows no way into it" in reply.json()["message"]
    assert api.refused("POST", f"{V}/clusters/{cluster[:-4]}aaaa/kubeconfig/content", body) == NOT_FOUND
    here = {"compartmentId": api.place}
    found = api.made("GET", f"{V}/clusterOptions/all", query=here)
    assert found["kubernetesVersions"] == ["v1.29.1", "v1.30.1"]
    assert api.made("GET", f"{V}/clusterOptions/{cluster}")["kubernetesVersions"] == ["v1.30.1"]
