"""Verbs on clusters: the record, the image verification policy in versions, and client certificates."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from sqlalchemy import Connection

from assay.admission import certificates
from assay.admission.certificates import Authority
from assay.admission.model import (
    DESCRIPTION_LENGTH_MAX,
    Cluster,
    ClusterCertificate,
    ClusterChange,
    ClusterDetails,
    ClusterState,
    Listing,
    PolicyVersion,
)
from assay.admission.policy import ImagePolicy
from assay.admission.records import clusters as records
from assay.errors import Reason, Refused, not_found
from assay.events import ClusterPolicyChanged
from assay.iam import Act, Actor, Target, authorize, perform, work_requests
from assay.iam.credentials import cluster_tokens
from assay.iam.credentials.cluster_tokens import ClusterToken
from assay.iam.identity import seen
from assay.iam.work_requests import Work
from assay.storage import Store
from assay.storage.pages import Page
from assay.vault import keys

CERTIFICATES_MAX = 10
POLICY_VERSIONS_SHOWN = 100


def target_of(cluster: Cluster) -> Target:
    """A cluster as what an operation acts on."""
    return Target(
        compartment=cluster.compartment,
        resource=cluster.ocid,
        etag=cluster.etag,
        variables={"target.cluster.id": cluster.ocid},
        before=cluster,
    )


def create_cluster(store: Store, actor: Actor, details: ClusterDetails, *, retry_token: str | None = None) -> Cluster:
    """A new cluster record. Errors: Refused (NOT_FOUND when not permitted or a key is not there, EXISTS)."""
    key_names = names_of_keys(store, actor, details.policy)

    def locate(_connection: Connection) -> Target:
        return Target(compartment=details.compartment)

    def change(act: Act) -> Cluster:
        _require_free_name(act.connection, actor.tenancy, details.name)
        ocid = store.site.new_ocid("cluster").text
        act.announce(ClusterPolicyChanged(tenancy=actor.tenancy, cluster=ocid))
        records.insert_cluster(act.connection, ocid, actor.tenancy, details, key_names, _who(actor), act.now)
        return _traced(store, act, Work.CLUSTER_CREATE, ocid, "created_in")

    return perform(
        store,
        actor,
        "CreateCluster",
        locate=locate,
        change=change,
        replay=Cluster,
        request=details,
        retry_token=retry_token,
    )


def update_cluster(
    store: Store, actor: Actor, cluster: str, wanted: ClusterChange, *, if_match: str | None = None
) -> Cluster:
    """Change a cluster; a new policy is a new version of it and in force at once.

    Errors: Refused (NOT_FOUND, EXISTS for a name that is taken, WRONG_STATE when it is deleted, ETAG_MISMATCH).
    """
    key_names = names_of_keys(store, actor, wanted.policy) if wanted.policy else ()

    def change(act: Act, found: Cluster) -> None:
        if wanted.name is not None and wanted.name != found.name:
            _require_free_name(act.connection, actor.tenancy, wanted.name)
        values = {
            "name": wanted.name,
            "kubernetes_version": wanted.kubernetes_version,
            "cluster_type": wanted.cluster_type,
            "options": None if wanted.options is None else {**found.options, **wanted.options},
            "freeform_tags": wanted.freeform_tags,
            "defined_tags": wanted.defined_tags,
        }
        values = {column: value for column, value in values.items() if value is not None}
        records.change_cluster(act.connection, cluster, act.now, {**values, "updated_by": _who(actor)})
        if wanted.policy is not None and wanted.policy != found.policy:
            records.set_policy(act.connection, found, wanted.policy, key_names, _who(actor), act.now)
            act.announce(ClusterPolicyChanged(tenancy=actor.tenancy, cluster=cluster))
        _traced(store, act, Work.CLUSTER_UPDATE, cluster, "updated_in")

    return _changed(store, actor, "UpdateCluster", cluster, change, if_match=if_match)


def delete_cluster(store: Store, actor: Actor, cluster: str, *, if_match: str | None = None) -> Cluster:
    """Delete a cluster's record: its credentials open nothing any more, so its API server admits nothing new.

    Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH).
    """

    def change(act: Act, found: Cluster) -> None:
        gone = {"lifecycle_state": ClusterState.DELETED, "time_deleted": act.now, "deleted_by": _who(actor)}
        records.change_cluster(act.connection, found.ocid, act.now, gone)
        _traced(store, act, Work.CLUSTER_DELETE, found.ocid, "deleted_in")
        cluster_tokens.forget(act.connection, found.ocid)
        act.announce(ClusterPolicyChanged(tenancy=actor.tenancy, cluster=cluster))

    return _changed(store, actor, "DeleteCluster", cluster, change, if_match=if_match)


def get_cluster(store: Store, actor: Actor, cluster: str) -> Cluster:
    """The cluster of that OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return readable_cluster(store, connection, actor, cluster, "GetCluster")


def find_cluster(store: Store, actor: Actor, name: str) -> Cluster:
    """The living cluster of that name. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.named(connection, actor.tenancy, name)
        if found is None:
            raise not_found()
        authorize(connection, actor, "GetCluster", target_of(found), now=store.clock.now())
        return found


def list_clusters(store: Store, actor: Actor, compartment: str, listing: Listing | None = None) -> Page[Cluster]:
    """A page of the clusters of a compartment. Errors: Refused (NOT_FOUND when not permitted, PAGE_TOKEN)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListClusters", Target(compartment=compartment), now=store.clock.now())
        found = records.clusters(store, connection, actor.tenancy, compartment, listing or Listing())
        return replace(
            found, items=seen.as_seen(store, connection, actor, "GetCluster", found.items, target_of, options={})
        )


def kubernetes_versions(store: Store, actor: Actor, cluster: str, compartment: str) -> tuple[str, ...]:
    """The Kubernetes versions known here: a cluster's own, or with "all" those of a compartment's clusters.

    Assay installs no Kubernetes, so any version may be recorded. Errors: Refused (NOT_FOUND).
    """
    with store.database.read() as connection:
        if cluster != "all":
            return (readable_cluster(store, connection, actor, cluster, "GetClusterOptions").kubernetes_version,)
        authorize(connection, actor, "GetClusterOptions", Target(compartment), now=store.clock.now())
        return records.kubernetes_versions(connection, actor.tenancy, compartment)


def create_kubeconfig(store: Store, actor: Actor, cluster: str) -> NoReturn:
    """Always Refused: UNSUPPORTED for a cluster that the actor may use, NOT_FOUND for any other."""
    with store.database.read() as connection:
        found = readable_cluster(store, connection, actor, cluster, "CreateKubeconfig")
    raise Refused(
        f"Assay decides what may run on the cluster {found.name!r}; it does not run it and knows no way into it.",
        advice="Take the kubeconfig from whoever runs the cluster.",
        reason=Reason.UNSUPPORTED,
    )


def list_policy_versions(store: Store, actor: Actor, cluster: str) -> tuple[PolicyVersion, ...]:
    """The latest hundred versions of a cluster's policy, newest first. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = readable_cluster(store, connection, actor, cluster, "GetCluster")
        return records.policy_versions(connection, found, POLICY_VERSIONS_SHOWN)


def create_cluster_token(
    store: Store, actor: Actor, cluster: str, *, description: str = "", lifetime: int | None = None
) -> ClusterToken:
    """A bearer token with which a cluster's API server may ask; the token is in this answer alone.

    `lifetime` in microseconds, None for one that doesn't expire. Errors: Refused (NOT_FOUND, WRONG_STATE,
    LIMIT_EXCEEDED).
    """
    return cluster_tokens.create(store, actor, _token_holder(store, actor, cluster), description, lifetime=lifetime)


def list_cluster_tokens(store: Store, actor: Actor, cluster: str) -> tuple[ClusterToken, ...]:
    """A cluster's tokens, oldest first; never the tokens themselves. Errors: Refused (NOT_FOUND)."""
    return cluster_tokens.listed(store, actor, _token_holder(store, actor, cluster))


def delete_cluster_token(store: Store, actor: Actor, token: str) -> None:
    """Let a token (by its OCID) open nothing any more, from now on. Errors: Refused (NOT_FOUND)."""
    cluster_tokens.delete(store, actor, token)


def create_cluster_certificate(
    store: Store, actor: Actor, cluster: str, *, issuer: Authority, description: str = ""
) -> ClusterCertificate:
    """A client certificate with which a cluster's API server may ask; its private key is in this answer alone.

    `issuer` is what `identity.issuer` gives. Errors: Refused (NOT_FOUND, WRONG_STATE, LIMIT_EXCEEDED).
    """
    if len(description) > DESCRIPTION_LENGTH_MAX or not description.isprintable():
        raise Refused("The description is too long or not printable.")

    def change(act: Act, found: Cluster) -> ClusterCertificate:
        if len(records.certificates_of(act.connection, found)) >= CERTIFICATES_MAX:
            raise Refused(
                f"The cluster has {CERTIFICATES_MAX} client certificates.",
                advice="Delete one that is no longer used.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        issued = certificates.issue_client(issuer, found.ocid, act.now)
        made = ClusterCertificate(
            ocid=store.site.new_ocid("clustercertificate").text,
            cluster=found.ocid,
            description=description,
            certificate=issued.certificate,
            fingerprint=issued.fingerprint,
            valid_until=issued.valid_until,
            time_created=act.now,
            private_key=issued.private_key,
        )
        records.insert_certificate(act.connection, found, made)
        return made

    return perform(
        store,
        actor,
        "CreateClusterToken",
        locate=lambda connection: target_of(records.get_cluster(connection, actor.tenancy, cluster, lock=True)),
        change=lambda act: change(act, _living(act.connection, actor, cluster)),
    )


def list_cluster_certificates(store: Store, actor: Actor, cluster: str) -> tuple[ClusterCertificate, ...]:
    """A cluster's client certificates, newest first, without their keys. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = readable_cluster(store, connection, actor, cluster, "ListClusterTokens")
        return records.certificates_of(connection, found)


def delete_cluster_certificate(store: Store, actor: Actor, cluster: str, certificate: str) -> None:
    """Let a client certificate open nothing any more, from now on. Errors: Refused (NOT_FOUND)."""
    perform(
        store,
        actor,
        "DeleteClusterToken",
        locate=lambda connection: target_of(records.get_cluster(connection, actor.tenancy, cluster, lock=True)),
        change=lambda act: records.delete_certificate(
            act.connection, records.get_cluster(act.connection, actor.tenancy, cluster), certificate, act.now
        ),
    )


def readable_cluster(store: Store, connection: Connection, actor: Actor, cluster: str, operation: str) -> Cluster:
    """The cluster, if the actor may do `operation` on it. Errors: Refused (NOT_FOUND)."""
    found = records.get_cluster(connection, actor.tenancy, cluster)
    authorize(connection, actor, operation, target_of(found), now=store.clock.now())
    return found


def names_of_keys(store: Store, actor: Actor, policy: ImagePolicy) -> tuple[str, ...]:
    """The display names of a policy's keys. Errors: Refused (NOT_FOUND) for a key the actor may not read."""
    return tuple(keys.get_key(store, actor, key.text).display_name for key in policy.keys)


def _require_free_name(connection: Connection, tenancy: str, name: str) -> None:
    if records.named(connection, tenancy, name) is not None:
        raise Refused(f"There is a cluster named {name!r}.", advice="Use another name.", reason=Reason.EXISTS)


def _who(actor: Actor) -> str:
    return actor.principal.ocid or actor.principal.name


def _traced(store: Store, act: Act, work: Work, cluster: str, column: str) -> Cluster:
    """Open the work request of a change that was made, and note it on the cluster, whose etag stays."""
    changed = records.get_cluster(act.connection, act.actor.tenancy, cluster)
    request = work_requests.begin(store, act, work, changed)
    records.change_cluster(act.connection, cluster, act.now, {column: request, "etag": changed.etag})
    return records.get_cluster(act.connection, act.actor.tenancy, cluster)


def _token_holder(store: Store, actor: Actor, cluster: str) -> cluster_tokens.Cluster:
    with store.database.read() as connection:
        found = _living(connection, actor, cluster)
    return cluster_tokens.Cluster(found.ocid, found.name, found.compartment)


def _living(connection: Connection, actor: Actor, cluster: str) -> Cluster:
    found = records.get_cluster(connection, actor.tenancy, cluster)
    if found.state is ClusterState.DELETED:
        raise Refused(f"The cluster {found.name!r} is deleted.", advice="Create a new one.", reason=Reason.WRONG_STATE)
    return found


def _changed(
    store: Store,
    actor: Actor,
    operation: str,
    cluster: str,
    change: Callable[[Act, Cluster], None],
    *,
    if_match: str | None,
) -> Cluster:
    """Perform a change of one living cluster, locked meanwhile; the cluster as it is then."""

    def apply(act: Act) -> Cluster:
        change(act, _living(act.connection, actor, cluster))
        return records.get_cluster(act.connection, actor.tenancy, cluster)

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: target_of(records.get_cluster(connection, actor.tenancy, cluster, lock=True)),
        change=apply,
        if_match=if_match,
    )
