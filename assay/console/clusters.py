"""Pages of clusters: the image verification policy, credentials and manifests, latest denials."""

from dataclasses import dataclass

from assay.admission import ImagePolicy, clusters, identity, ledger, manifests
from assay.admission.model import Cluster, ClusterChange, ClusterDetails, ClusterState, Listing
from assay.clock import Instant
from assay.console import decisions, keys, scope
from assay.console.replies import Download, Elsewhere, Page, Reply
from assay.console.repositories import Permission
from assay.console.visit import Visit
from assay.errors import Refused
from assay.iam import Actor, Principal, PrincipalKind, Target, permitted
from assay.iam.identity import policies

DENIALS_SHOWN = 5
KUBECONFIG_PATH = "/etc/kubernetes/assay/kubeconfig"
CONFIGURATION_PATH = "/etc/kubernetes/assay/admission.yaml"


@dataclass(frozen=True, slots=True)
class KeyName:
    """A key by address and name."""

    ocid: str
    name: str


@dataclass(frozen=True, slots=True)
class ClusterRow:
    """A cluster in a list or at the head of its page."""

    ocid: str
    name: str
    enabled: bool
    keys: tuple[KeyName, ...]
    made: Instant
    etag: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The policy as the form shows it: what was sent, else what is in force."""

    enabled: bool
    keys: frozenset[str]


def show_list(visit: Visit) -> Reply:
    """All clusters, and the form for a new one."""
    visit.only("compartment")
    found = scope.gather(
        visit,
        lambda compartment, page: clusters.list_clusters(
            visit.store,
            visit.actor,
            compartment,
            Listing(states=(ClusterState.ACTIVE,), limit=visit.limit(), page=page),
        ),
    )
    return Page(
        "clusters.html",
        {
            "rows": tuple(map(row_of, found.items)),
            "said": found.said,
            "next": visit.link(after=found.next_page) if found.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )


def make(visit: Visit) -> Elsewhere:
    """Create a cluster."""
    details = ClusterDetails(visit.actor.tenancy, visit.sent("name").strip())
    made = clusters.create_cluster(visit.store, visit.actor, details)
    return visit.back(f"/c/{made.ocid}", "cluster-made")


def show(visit: Visit) -> Reply:
    """A cluster: policy, credentials, manifests, latest denials."""
    visit.only()
    return _page(visit, find(visit), ())


def change(visit: Visit) -> Reply:
    """Set the policy, make or delete a credential, or add the statement that lets the cluster read."""
    cluster = find(visit)
    act = visit.sent("do")
    if act == "policy":
        policy = ImagePolicy.of(enabled=bool(visit.sent("enabled")), keys=visit.chosen("key"))
        wanted = ClusterChange(policy=policy)
        clusters.update_cluster(visit.store, visit.actor, cluster.ocid, wanted, if_match=visit.sent("etag") or None)
        return visit.back(done="policy-saved")
    if act == "statement":
        policies.add_statements(visit.store, visit.actor, (_statement(cluster),), name="cluster-access")
        return visit.back(done="statement-added")
    if act == "credential":
        return _page(visit, cluster, _issued(visit, cluster))
    if act == "revoke":
        clusters.delete_cluster_token(visit.store, visit.actor, visit.sent("token"))
        return visit.back(done="credential-deleted")
    raise Refused("The form names no act.", advice="Load the page again.")


def webhooks(visit: Visit) -> Reply:
    """The two webhook configurations, ready for `kubectl apply`. They hold no secret."""
    cluster = find(visit)
    text = manifests.yaml_text(manifests.webhook_configurations(hook_of(visit, cluster)))
    return Download(text.encode(), "application/yaml", f"assay-webhooks-{cluster.name}.yaml")


def find(visit: Visit) -> Cluster:
    """The cluster that the address names, by OCID or name. Errors: Refused (NOT_FOUND)."""
    named = visit.names["cluster"]
    if named.startswith("ocid1."):
        return clusters.get_cluster(visit.store, visit.actor, named)
    return clusters.find_cluster(visit.store, visit.actor, named)


def row_of(cluster: Cluster) -> ClusterRow:
    """A cluster as lists show it; its keys by the names they had when the policy was set."""
    named = zip(cluster.policy.keys, cluster.key_names, strict=True)
    return ClusterRow(
        ocid=cluster.ocid,
        name=cluster.name,
        enabled=cluster.policy.enabled,
        keys=tuple(KeyName(key.text, name) for key, name in named),
        made=cluster.time_created,
        etag=cluster.etag,
    )


def hook_of(visit: Visit, cluster: Cluster) -> manifests.Hook:
    """Where the cluster finds this server's admission port."""
    trusted = identity.trusted_bundle(visit.store, visit.app.admission_files)
    return manifests.Hook(visit.app.settings.admission_origin, cluster.ocid, trusted)


def _page(visit: Visit, cluster: Cluster, issued: tuple[tuple[str, str], ...]) -> Page:
    row = row_of(cluster)
    in_force = Draft(row.enabled, frozenset(key.ocid for key in row.keys))
    is_sent = visit.fault is not None and visit.sent("do") == "policy"
    denials = ledger.list_decisions(visit.store, visit.actor, cluster.ocid, allowed=False, limit=DENIALS_SHOWN)
    return Page(
        "cluster.html",
        {
            "cluster": row,
            "draft": Draft(bool(visit.sent("enabled")), frozenset(visit.chosen("key"))) if is_sent else in_force,
            "keys": tuple(keys.key_row(key) for key in keys.all_keys(visit)),
            "denials": tuple(decisions.row_of(each, cluster.name) for each in denials.items),
            "sees": (_permission(visit, cluster),),
            "issued": issued,
            "tokens": clusters.list_cluster_tokens(visit.store, visit.actor, cluster.ocid),
            "versions": clusters.list_policy_versions(visit.store, visit.actor, cluster.ocid)[:5],
            "crumbs": (("/c", "Clusters"),),
        },
    )


def _issued(visit: Visit, cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """A new token, in the two files that the API server reads, by file name. Shown by this answer alone."""
    made = clusters.create_cluster_token(
        visit.store, visit.actor, cluster.ocid, description=visit.sent("description").strip()
    )
    kubeconfig = manifests.kubeconfig(hook_of(visit, cluster), manifests.Credential(token=made.token))
    configuration = manifests.yaml_text([manifests.admission_configuration(KUBECONFIG_PATH)])
    return ((KUBECONFIG_PATH, kubeconfig.reveal()), (CONFIGURATION_PATH, configuration))


def _statement(cluster: Cluster) -> str:
    return f"allow any-user to read repos in tenancy where request.user.id = '{cluster.ocid}'"


def _permission(visit: Visit, cluster: Cluster) -> Permission:
    """Whether the cluster may read all repositories of the tenancy; narrower statements let it read some."""
    statement = _statement(cluster)
    actor = Actor(Principal(PrincipalKind.CLUSTER, cluster.name, cluster.ocid), cluster.tenancy)
    with visit.store.database.read() as connection:
        granted = permitted(connection, actor, "PullImage", Target(compartment=cluster.tenancy), now=visit.now)
    said = "May read every repository" if granted else "May not read every repository; what it may not read, it denies"
    return Permission(said, statement, granted)
