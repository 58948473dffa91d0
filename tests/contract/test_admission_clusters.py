"""Clusters, their policies in versions, and their client certificates, on both databases."""

from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import func, select

from assay.admission import authority, clusters
from assay.admission.model import Cluster, ClusterChange, ClusterDetails, ClusterState, Listing
from assay.admission.policy import ImagePolicy
from assay.clock import Ocid, SetClock
from assay.errors import Reason, Refused
from assay.events import ClusterPolicyChanged, decode
from assay.iam import Actor, Principal, PrincipalKind
from assay.storage import Store, metadata
from assay.vault import keys, vaults
from assay.vault.resources import Key, KeyDetails, VaultDetails
from assay.vault.root import SoftwareRoot
from assay.vault.shapes import KeyAlgorithm, KeyShape

ROOT = SoftwareRoot(bytes(range(32)))
TENANCY = "ocid1.tenancy.oc1..aaaaaaaa" + "b" * 52
ACTOR = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), TENANCY)
STRANGER = replace(ACTOR, tenancy="ocid1.tenancy.oc1..aaaaaaaa" + "c" * 52)
NOBODY = Actor(Principal(PrincipalKind.USER, "nobody", "ocid1.user.oc1..aaaaaaaa" + "d" * 52), TENANCY)


@pytest.fixture
def key(store: Store) -> Key:
    vault = vaults.create_vault(store, ACTOR, VaultDetails(TENANCY, "keys"))
    details = KeyDetails(vault.ocid, TENANCY, "release-signing", KeyShape(KeyAlgorithm.ECDSA, 32))
    return keys.create_key(store, ACTOR, details, root=ROOT)


@pytest.fixture
def cluster(store: Store) -> Cluster:
    return clusters.create_cluster(store, ACTOR, ClusterDetails(TENANCY, "prod-eu"))


def facts(store: Store) -> list[str]:
    outbox = metadata.tables["outbox"]
    with store.database.read() as connection:
        rows = connection.execute(select(outbox.c.topic, outbox.c.payload).order_by(outbox.c.id)).all()
    told = [decode(row.topic, row.payload) for row in rows]
    return [fact.cluster for fact in told if isinstance(fact, ClusterPolicyChanged)]


def test_a_new_cluster_enforces_nothing(cluster: Cluster) -> None:
    assert Ocid(cluster.ocid).kind == "cluster"
    assert (cluster.state, cluster.policy, cluster.policy_version) == (ClusterState.ACTIVE, ImagePolicy(), 1)


def test_a_policy_change_is_a_new_version_and_a_fact(store: Store, cluster: Cluster, key: Key) -> None:
    policy = ImagePolicy.of(enabled=True, keys=(key.ocid,))
    changed = clusters.update_cluster(store, ACTOR, cluster.ocid, ClusterChange(policy=policy))
    assert (changed.policy, changed.policy_version, changed.key_names) == (policy, 2, ("release-signing",))
    assert changed.etag != cluster.etag
    assert facts(store) == [cluster.ocid, cluster.ocid]
    versions = clusters.list_policy_versions(store, ACTOR, cluster.ocid)
    assert [(version.version, version.policy.enabled) for version in versions] == [(2, True), (1, False)]


def test_a_change_of_anything_else_makes_no_version(store: Store, cluster: Cluster) -> None:
    changed = clusters.update_cluster(
        store, ACTOR, cluster.ocid, ClusterChange(name="prod-us", policy=ImagePolicy(), options={"a": [1]})
    )
    assert (changed.name, changed.policy_version, changed.options) == ("prod-us", 1, {"a": [1]})
    assert facts(store) == [cluster.ocid]


def test_a_key_that_is_not_there_is_refused_and_nothing_changes(store: Store, cluster: Cluster) -> None:
    policy = ImagePolicy.of(enabled=True, keys=("ocid1.key.oc1.local.v." + "a" * 60,))
    with pytest.raises(Refused) as refusal:
        clusters.update_cluster(store, ACTOR, cluster.ocid, ClusterChange(policy=policy))
    assert refusal.value.reason is Reason.NOT_FOUND
    assert clusters.get_cluster(store, ACTOR, cluster.ocid) == cluster


def test_a_name_is_taken_until_its_cluster_is_deleted(store: Store, cluster: Cluster) -> None:
    with pytest.raises(Refused) as refusal:
        clusters.create_cluster(store, ACTOR, ClusterDetails(TENANCY, "prod-eu"))
    assert refusal.value.reason is Reason.EXISTS
    clusters.create_cluster(store, STRANGER, ClusterDetails(STRANGER.tenancy, "prod-eu"))
    gone = clusters.delete_cluster(store, ACTOR, cluster.ocid)
    assert (gone.state, gone.time_deleted) == (ClusterState.DELETED, store.clock.now())
    assert clusters.create_cluster(store, ACTOR, ClusterDetails(TENANCY, "prod-eu")).ocid != cluster.ocid


def test_a_deleted_cluster_is_shown_and_changes_no_more(store: Store, cluster: Cluster) -> None:
    clusters.delete_cluster(store, ACTOR, cluster.ocid)
    assert clusters.get_cluster(store, ACTOR, cluster.ocid).state is ClusterState.DELETED
    with pytest.raises(Refused) as refusal:
        clusters.update_cluster(store, ACTOR, cluster.ocid, ClusterChange(name="x"))
    assert refusal.value.reason is Reason.WRONG_STATE
    with pytest.raises(Refused):
        clusters.find_cluster(store, ACTOR, "prod-eu")


def test_an_etag_that_is_old_is_refused(store: Store, cluster: Cluster) -> None:
    with pytest.raises(Refused) as refusal:
        clusters.update_cluster(store, ACTOR, cluster.ocid, ClusterChange(name="x"), if_match="old")
    assert refusal.value.reason is Reason.ETAG_MISMATCH


def test_a_repeated_request_gets_the_first_cluster_again(store: Store) -> None:
    details = ClusterDetails(TENANCY, "twice", options={"a": 1})
    first = clusters.create_cluster(store, ACTOR, details, retry_token="t")
    assert clusters.create_cluster(store, ACTOR, details, retry_token="t") == first


def test_a_cluster_survives_json(cluster: Cluster) -> None:
    assert msgspec.json.decode(msgspec.json.encode(cluster), type=Cluster) == cluster


@pytest.mark.parametrize("actor", [STRANGER, NOBODY])
def test_who_may_not_learns_nothing_of_a_cluster(store: Store, cluster: Cluster, actor: Actor) -> None:
    for asked in (
        lambda: clusters.get_cluster(store, actor, cluster.ocid),
        lambda: clusters.update_cluster(store, actor, cluster.ocid, ClusterChange(name="x")),
        lambda: clusters.delete_cluster(store, actor, cluster.ocid),
        lambda: clusters.list_policy_versions(store, actor, cluster.ocid),
        lambda: clusters.list_cluster_certificates(store, actor, cluster.ocid),
        lambda: clusters.find_cluster(store, actor, "prod-eu"),
    ):
        with pytest.raises(Refused) as refusal:
            asked()
        assert refusal.value.reason is Reason.NOT_FOUND


def test_lists_are_by_name_and_page_without_gaps(store: Store, cluster: Cluster) -> None:
    for name in ("b", "a", "c"):
        clusters.create_cluster(store, ACTOR, ClusterDetails(TENANCY, name))
    clusters.delete_cluster(store, ACTOR, cluster.ocid)
    seen: list[str] = []
    page = clusters.list_clusters(store, ACTOR, TENANCY, Listing(limit=2, states=(ClusterState.ACTIVE,)))
    seen += [each.name for each in page.items]
    later = Listing(limit=2, states=(ClusterState.ACTIVE,), page=page.next_page)
    page = clusters.list_clusters(store, ACTOR, TENANCY, later)
    seen += [each.name for each in page.items]
    assert (seen, page.next_page) == (["a", "b", "c"], "")
    assert [each.name for each in clusters.list_clusters(store, ACTOR, TENANCY, Listing(name="b")).items] == ["b"]
    assert len(clusters.list_clusters(store, ACTOR, TENANCY).items) == 4


def test_a_client_certificate_is_kept_without_its_key_and_can_be_deleted(store: Store, cluster: Cluster) -> None:
    issuer = authority.open_authority(store, ROOT)
    made = clusters.create_cluster_certificate(store, ACTOR, cluster.ocid, issuer=issuer, description="api server")
    assert made.private_key is not None
    (kept,) = clusters.list_cluster_certificates(store, ACTOR, cluster.ocid)
    assert kept == replace(made, private_key=None)
    clusters.delete_cluster_certificate(store, ACTOR, cluster.ocid, made.ocid)
    assert clusters.list_cluster_certificates(store, ACTOR, cluster.ocid) == ()
    with pytest.raises(Refused):
        clusters.delete_cluster_certificate(store, ACTOR, cluster.ocid, made.ocid)


def test_no_row_and_no_audit_entry_holds_the_private_key(store: Store, cluster: Cluster) -> None:
    issuer = authority.open_authority(store, ROOT)
    made = clusters.create_cluster_certificate(store, ACTOR, cluster.ocid, issuer=issuer)
    assert made.private_key is not None
    secret = made.private_key.reveal().splitlines()[1]
    with store.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                assert secret not in str(tuple(row)), table.name


def test_a_cluster_has_at_most_ten_client_certificates(store: Store, cluster: Cluster) -> None:
    issuer = authority.open_authority(store, ROOT)
    for _ in range(clusters.CERTIFICATES_MAX):
        clusters.create_cluster_certificate(store, ACTOR, cluster.ocid, issuer=issuer)
    with pytest.raises(Refused) as refusal:
        clusters.create_cluster_certificate(store, ACTOR, cluster.ocid, issuer=issuer)
    assert refusal.value.reason is Reason.LIMIT_EXCEEDED


def test_each_change_leaves_one_audit_row(store: Store, clock: SetClock, cluster: Cluster) -> None:
    clusters.update_cluster(store, ACTOR, cluster.ocid, ClusterChange(name="x"))
    clusters.delete_cluster(store, ACTOR, cluster.ocid)
    audit = metadata.tables["audit"]
    with store.database.read() as connection:
        rows = connection.execute(select(audit.c.operation, func.count()).group_by(audit.c.operation)).all()
    assert {row[0]: row[1] for row in rows} == {"CreateCluster": 1, "UpdateCluster": 1, "DeleteCluster": 1}
