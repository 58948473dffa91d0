"""Container Engine: clusters and their image verification policy (oci-api 2.5).

Beyond OCI, under `/20260901`: the cluster's credentials, the webhook manifests, and its decisions.
"""

from collections.abc import Mapping
from typing import Any, get_args

from assay.admission import ImagePolicy, clusters, identity, ledger, manifests
from assay.admission.manifests import Credential, Hook
from assay.admission.model import (
    Cluster,
    ClusterChange,
    ClusterDetails,
    ClusterType,
    Decision,
    Listing,
    SortBy,
)
from assay.clock import SECOND, Ocid, rfc3339
from assay.errors import Refused
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, TAGS, Gives, Members, Need, one_of, several
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.given_back import ClusterOptions, CniType, EndpointConfig, ImagePolicyConfig, PodNetwork
from assay.oci_api.wire import tags_changed, tags_of, tags_reply

_OIDC = "openIdConnectTokenAuthenticationConfig"
#: States that a filter may name, also those in which no record here ever is.
_STATES = ("CREATING", "ACTIVE", "FAILED", "DELETING", "DELETED", "UPDATING")

#: What an update of a cluster, and its creation, may say.
_CHANGEABLE: Members = {
    "kubernetesVersion": str,
    "type": ClusterType,
    "options": ClusterOptions,
    "imagePolicyConfig": ImagePolicyConfig,
    **TAGS,
}
_EXEMPT: Members = {"exemptNamespaces": str}


def policy_reply(policy: ImagePolicy) -> dict[str, Any]:
    """An ImagePolicyConfig."""
    return {"isPolicyEnabled": policy.enabled, "keyDetails": [{"kmsKeyId": str(key)} for key in policy.keys]}


def policy_of(call: Call) -> ImagePolicy | None:
    """The body's imagePolicyConfig, or None. Errors: Refused."""
    config = call.field("imagePolicyConfig")
    if config is None:
        return None
    keys = tuple(Ocid(entry["kmsKeyId"]) for entry in config.get("keyDetails") or ())
    return ImagePolicy(enabled=config.get("isPolicyEnabled", False), keys=keys)


def cluster_reply(cluster: Cluster, *, with_oidc_file: bool = False) -> dict[str, Any]:
    """A Cluster, which is a ClusterSummary too. Assay runs no cluster: it knows no endpoint and offers no upgrade."""
    return {
        "id": cluster.ocid,
        "name": cluster.name,
        "compartmentId": cluster.compartment,
        "vcnId": cluster.vcn,
        "kubernetesVersion": cluster.kubernetes_version,
        "kmsKeyId": cluster.kms_key or None,
        "type": cluster.cluster_type,
        "options": _options(cluster.options, with_oidc_file=with_oidc_file),
        "endpointConfig": cluster.endpoint_config,
        "clusterPodNetworkOptions": cluster.pod_networks,
        "lifecycleState": cluster.state,
        "lifecycleDetails": None,
        "endpoints": None,
        "availableKubernetesUpgrades": [],
        "openIdConnectDiscoveryEndpoint": None,
        "openIdConnectDiscoveryKey": None,
        "imagePolicyConfig": policy_reply(cluster.policy),
        "policyVersion": cluster.policy_version,
        "metadata": {
            "timeCreated": rfc3339(cluster.time_created),
            "createdByUserId": cluster.created.by,
            "createdByWorkRequestId": cluster.created.work_request or None,
            "timeUpdated": rfc3339(cluster.time_updated),
            "updatedByUserId": cluster.updated.by or None,
            "updatedByWorkRequestId": cluster.updated.work_request or None,
            "timeDeleted": None if cluster.time_deleted is None else rfc3339(cluster.time_deleted),
            "deletedByUserId": cluster.deleted.by or None,
            "deletedByWorkRequestId": cluster.deleted.work_request or None,
            "timeCredentialExpiration": None,
        },
        **tags_reply(cluster),
    }


def _options(options: Mapping[str, Any], *, with_oidc_file: bool) -> dict[str, Any]:
    """The options as they came; the OIDC configuration file only for who asks for it."""
    oidc = options.get(_OIDC)
    if with_oidc_file or oidc is None:
        return dict(options)
    return {**options, _OIDC: {name: value for name, value in oidc.items() if name != "configurationFile"}}


def decision_reply(decision: Decision, call: Call) -> dict[str, Any]:
    """A decision with the address at which people look it up."""
    return {
        "number": decision.number,
        "url": f"{call.app.settings.url}/d/{decision.number}",
        "clusterId": decision.cluster,
        "policyVersion": decision.policy_version,
        "namespace": decision.namespace,
        "kind": decision.kind,
        "name": decision.name,
        "operation": decision.operation,
        "username": decision.username,
        "isAllowed": decision.allowed,
        "message": decision.message,
        "images": [
            {
                "where": image.where,
                "reference": image.text,
                "isAllowed": image.allowed,
                "because": image.because,
                "digest": image.digest or None,
            }
            for image in decision.images
        ],
        "timeCreated": rfc3339(decision.time_created),
    }


@takes(
    Gives.ONE,
    body={
        **IN_COMPARTMENT,
        "name": Need(str),
        **_CHANGEABLE,
        "vcnId": Need(str),
        "kubernetesVersion": Need(str),
        "kmsKeyId": str,
        "endpointConfig": EndpointConfig,
        "clusterPodNetworkOptions": list[PodNetwork],
    },
)
def _create(call: Call) -> Reply:
    details = ClusterDetails(
        compartment=call.field("compartmentId"),
        name=call.field("name"),
        policy=policy_of(call) or ImagePolicy(),
        kubernetes_version=call.field("kubernetesVersion"),
        vcn=call.field("vcnId"),
        kms_key=call.field("kmsKeyId", ""),
        cluster_type=call.field("type", ClusterType.BASIC),
        options=call.field("options", {}),
        endpoint_config=call.field("endpointConfig", {}),
        pod_networks=tuple(call.field("clusterPodNetworkOptions", [])),
        **tags_of(call),
    )
    made = clusters.create_cluster(call.app.store, call.actor, details, retry_token=call.retry_token)
    return Reply(cluster_reply(made), etag=made.etag, work_request=made.created.work_request)


@takes(
    Gives.LIST,
    query={
        **IN_COMPARTMENT,
        "name": str,
        "lifecycleState": several(_STATES),
        "sortBy": one_of(SortBy),
        **SORT_ORDER,
        **PAGED,
    },
)
def _list(call: Call) -> Reply:
    listing = Listing(
        name=call.query.get("name", ""),
        states=call.choices("lifecycleState", _STATES),
        sort_by=SortBy(call.choice("sortBy", tuple(SortBy), SortBy.NAME)),
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC") == "DESC",
        limit=call.limit,
        page=call.page or "",
    )
    page = clusters.list_clusters(call.app.store, call.actor, call.needed("compartmentId"), listing)
    return Reply([cluster_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE, query={"shouldIncludeOidcConfigFile": bool})
def _get(call: Call) -> Reply:
    found = clusters.get_cluster(call.app.store, call.actor, call.path["cluster"])
    with_oidc_file = call.flag("shouldIncludeOidcConfigFile") is True
    return Reply(cluster_reply(found, with_oidc_file=with_oidc_file), etag=found.etag)


@takes(Gives.ONE, body={"name": str, **_CHANGEABLE})
def _update(call: Call) -> Reply:
    wanted = ClusterChange(
        name=call.field("name"),
        policy=policy_of(call),
        kubernetes_version=call.field("kubernetesVersion"),
        cluster_type=call.field("type"),
        options=call.field("options"),
        **tags_changed(call),
    )
    found = clusters.update_cluster(call.app.store, call.actor, call.path["cluster"], wanted, if_match=call.if_match)
    return Reply(cluster_reply(found), etag=found.etag, work_request=found.updated.work_request)


@takes(Gives.NOTHING)
def _delete(call: Call) -> Reply:
    gone = clusters.delete_cluster(call.app.store, call.actor, call.path["cluster"], if_match=call.if_match)
    return Reply(work_request=gone.deleted.work_request)


@takes(Gives.REFUSAL)
def _create_kubeconfig(call: Call) -> Reply:
    clusters.create_kubeconfig(call.app.store, call.actor, call.path["cluster"])


@takes(Gives.ONE, query={"compartmentId": str})
def _cluster_options(call: Call) -> Reply:
    compartment = call.query.get("compartmentId") or call.actor.tenancy
    versions = clusters.kubernetes_versions(call.app.store, call.actor, call.path["option"], compartment)
    networks = [{"cniType": kind} for kind in get_args(CniType)]
    return Reply({"kubernetesVersions": versions, "clusterPodNetworkOptions": networks})


def _hook(call: Call, cluster: Cluster) -> Hook:
    exempt = tuple(part for part in call.query.get("exemptNamespaces", "").split(",") if part)
    trusted = identity.trusted_bundle(call.app.store, call.app.admission_files)
    return Hook(call.app.settings.admission_origin, cluster.ocid, trusted, exempt)


@takes(Gives.TEXT, query=_EXEMPT)
def _webhook_manifests(call: Call) -> Reply:
    """The two webhook configurations as one YAML stream, ready for `kubectl apply -f -`."""
    cluster = clusters.get_cluster(call.app.store, call.actor, call.path["cluster"])
    return Reply(text=manifests.yaml_text(manifests.webhook_configurations(_hook(call, cluster))))


def _admission_configuration(call: Call) -> str:
    """The API server's file that names the kubeconfig; where that will lie, the caller may say."""
    path = call.field("kubeconfigPath", "/etc/kubernetes/assay/kubeconfig")
    return manifests.yaml_text([manifests.admission_configuration(path)])


@takes(Gives.ONE, query=_EXEMPT, body={"description": str, "kubeconfigPath": str, "lifetimeInSeconds": int})
def _create_token(call: Call) -> Reply:
    """A bearer token for the cluster's API servers, with the files by which they present it; shown once."""
    lifetime = call.field("lifetimeInSeconds")
    cluster = clusters.get_cluster(call.app.store, call.actor, call.path["cluster"])
    made = clusters.create_cluster_token(
        call.app.store,
        call.actor,
        cluster.ocid,
        description=call.field("description", ""),
        lifetime=None if lifetime is None else lifetime * SECOND,
    )
    if made.token is None:
        raise Refused("The token was shown when it was made, and is shown only once.", advice="Make another.")
    body = {
        "id": made.ocid,
        "clusterId": cluster.ocid,
        "token": made.token.reveal(),
        "timeExpires": None if made.time_expires is None else rfc3339(made.time_expires),
        "kubeconfig": manifests.kubeconfig(_hook(call, cluster), Credential(token=made.token)).reveal(),
        "admissionConfiguration": _admission_configuration(call),
    }
    return Reply(body)


@takes(Gives.ITEMS)
def _list_tokens(call: Call) -> Reply:
    found = clusters.list_cluster_tokens(call.app.store, call.actor, call.path["cluster"])
    items = [
        {
            "id": each.ocid,
            "description": each.description,
            "timeCreated": rfc3339(each.time_created),
            "timeExpires": None if each.time_expires is None else rfc3339(each.time_expires),
        }
        for each in found
    ]
    return Reply({"items": items})


@takes(Gives.NOTHING)
def _delete_token(call: Call) -> Reply:
    clusters.delete_cluster_token(call.app.store, call.actor, call.path["token"])
    return Reply()


@takes(Gives.ONE, query=_EXEMPT, body={"description": str, "kubeconfigPath": str})
def _create_certificate(call: Call) -> Reply:
    """A client certificate for the cluster's API servers; the private key is shown once."""
    issuer = identity.issuer(call.app.store, call.app.root.key, call.app.admission_files)
    cluster = clusters.get_cluster(call.app.store, call.actor, call.path["cluster"])
    made = clusters.create_cluster_certificate(
        call.app.store,
        call.actor,
        cluster.ocid,
        issuer=issuer,
        description=call.field("description", ""),
    )
    if made.private_key is None:
        raise Refused("The private key was shown when it was made, and is shown only once.", advice="Make another.")
    credential = Credential(certificate=made.certificate, private_key=made.private_key)
    body = {
        "id": made.ocid,
        "certificate": made.certificate,
        "privateKey": made.private_key.reveal(),
        "validUntil": rfc3339(made.valid_until),
        "kubeconfig": manifests.kubeconfig(_hook(call, cluster), credential).reveal(),
        "admissionConfiguration": _admission_configuration(call),
    }
    return Reply(body)


@takes(Gives.ITEMS)
def _list_certificates(call: Call) -> Reply:
    found = clusters.list_cluster_certificates(call.app.store, call.actor, call.path["cluster"])
    items = [
        {
            "id": each.ocid,
            "description": each.description,
            "fingerprint": each.fingerprint,
            "timeCreated": rfc3339(each.time_created),
            "timeExpires": rfc3339(each.valid_until),
        }
        for each in found
    ]
    return Reply({"items": items})


@takes(Gives.NOTHING)
def _delete_certificate(call: Call) -> Reply:
    clusters.delete_cluster_certificate(call.app.store, call.actor, call.path["cluster"], call.path["certificate"])
    return Reply()


@takes(Gives.ITEMS, query={"isAllowed": bool, **PAGED})
def _list_decisions(call: Call) -> Reply:
    page = ledger.list_decisions(
        call.app.store,
        call.actor,
        call.path["cluster"],
        allowed=call.flag("isAllowed"),
        limit=call.limit,
        page=call.page or "",
    )
    return Reply({"items": [decision_reply(each, call) for each in page.items]}, next_page=page.next_page)


@takes(Gives.ONE)
def _get_decision(call: Call) -> Reply:
    return Reply(decision_reply(ledger.get_decision(call.app.store, call.actor, call.path["number"]), call))


_V, _OWN = "/20180222/clusters", "/20260901/clusters/{cluster}"

ROWS: tuple[Row, ...] = (
    Row("POST", _V, "CreateCluster", _create),
    Row("GET", _V, "ListClusters", _list),
    Row("GET", f"{_V}/{{cluster}}", "GetCluster", _get),
    Row("PUT", f"{_V}/{{cluster}}", "UpdateCluster", _update),
    Row("DELETE", f"{_V}/{{cluster}}", "DeleteCluster", _delete),
    Row("POST", f"{_V}/{{cluster}}/kubeconfig/content", "CreateKubeconfig", _create_kubeconfig),
    Row("GET", "/20180222/clusterOptions/{option}", "GetClusterOptions", _cluster_options),
    Row("GET", f"{_OWN}/webhookManifests", "GetCluster", _webhook_manifests),
    Row("POST", f"{_OWN}/tokens", "CreateClusterToken", _create_token),
    Row("GET", f"{_OWN}/tokens", "ListClusterTokens", _list_tokens),
    Row("DELETE", f"{_OWN}/tokens/{{token}}", "DeleteClusterToken", _delete_token),
    Row("POST", f"{_OWN}/certificates", "CreateClusterToken", _create_certificate),
    Row("GET", f"{_OWN}/certificates", "ListClusterTokens", _list_certificates),
    Row("DELETE", f"{_OWN}/certificates/{{certificate}}", "DeleteClusterToken", _delete_certificate),
    Row("GET", f"{_OWN}/decisions", "ListAdmissionDecisions", _list_decisions),
    Row("GET", "/20260901/decisions/{number}", "ListAdmissionDecisions", _get_decision),
)
