"""Rows of clusters, of the versions of their image verification policies, and of their client certificates."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    and_,
    select,
    text,
    update,
)

from assay.admission.model import (
    Cluster,
    ClusterCertificate,
    ClusterDetails,
    ClusterState,
    ClusterType,
    Listing,
    PolicyVersion,
    SortBy,
    Trace,
)
from assay.admission.policy import ImagePolicy
from assay.clock import Instant, new_etag
from assay.errors import not_found
from assay.storage import Json, Store, metadata, owned
from assay.storage.pages import Page, Window, select_page

#: Names of living clusters are unique in a tenancy: people and addresses call a cluster by its name. `…_in`: OCIDs of
#: work requests.
cluster = Table(
    "cluster",
    metadata,
    *owned(),
    Column("name", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("kubernetes_version", Text, nullable=False),
    Column("vcn", Text, nullable=False),
    Column("kms_key", Text, nullable=False),
    Column("cluster_type", Text, nullable=False),
    Column("options", Json, nullable=False),
    Column("endpoint_config", Json, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("pod_networks", Json),
    Column("created_in", Text),
    Column("updated_by", Text),
    Column("updated_in", Text),
    Column("deleted_by", Text),
    Column("deleted_in", Text),
)
_LIVING = text("lifecycle_state <> 'DELETED'")
Index(
    "uq_cluster_living_name",
    cluster.c.tenancy,
    cluster.c.name,
    unique=True,
    sqlite_where=_LIVING,
    postgresql_where=_LIVING,
)

#: Every version of a policy, the first made with the cluster; the one in force is the cluster's `policy_version`.
policy_version = Table(
    "cluster_policy_version",
    metadata,
    Column("cluster", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("tenancy", Text, nullable=False),
    Column("compartment", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("trusted_keys", Json, nullable=False),
    Column("key_names", Json, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Client certificates: the public half; a certificate that has no living row here opens nothing.
certificate = Table(
    "cluster_certificate",
    metadata,
    *owned(),
    Column("cluster", Text, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("certificate", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("valid_until", BigInteger, nullable=False),
)

_columns: list[Column[Any]] = [
    *cluster.c,
    policy_version.c.enabled,
    policy_version.c.trusted_keys,
    policy_version.c.key_names,
]
_with_policy = select(*_columns).join(
    policy_version,
    and_(policy_version.c.cluster == cluster.c.ocid, policy_version.c.version == cluster.c.policy_version),
)


def insert_cluster(
    connection: Connection,
    ocid: str,
    tenancy: str,
    details: ClusterDetails,
    key_names: tuple[str, ...],
    made_by: str,
    now: Instant,
) -> Cluster:
    """Write a new cluster with the first version of its policy."""
    connection.execute(
        cluster.insert().values(
            **_fresh(ocid, tenancy, details.compartment, ClusterState.ACTIVE, now),
            name=details.name,
            policy_version=1,
            kubernetes_version=details.kubernetes_version,
            vcn=details.vcn,
            kms_key=details.kms_key,
            cluster_type=details.cluster_type,
            options=dict(details.options),
            endpoint_config=dict(details.endpoint_config),
            pod_networks=list(details.pod_networks),
            created_by=made_by,
            freeform_tags=dict(details.freeform_tags),
            defined_tags=dict(details.defined_tags),
        )
    )
    _insert_policy(connection, ocid, tenancy, details.compartment, 1, details.policy, key_names, made_by, now)
    return get_cluster(connection, tenancy, ocid)


def set_policy(
    connection: Connection, found: Cluster, policy: ImagePolicy, key_names: tuple[str, ...], set_by: str, now: Instant
) -> None:
    """Put the next version of a cluster's policy in force."""
    version = found.policy_version + 1
    _insert_policy(connection, found.ocid, found.tenancy, found.compartment, version, policy, key_names, set_by, now)
    change_cluster(connection, found.ocid, now, {"policy_version": version})


def _insert_policy(
    connection: Connection,
    ocid: str,
    tenancy: str,
    compartment: str,
    version: int,
    policy: ImagePolicy,
    key_names: tuple[str, ...],
    set_by: str,
    now: Instant,
) -> None:
    connection.execute(
        policy_version.insert().values(
            cluster=ocid,
            version=version,
            tenancy=tenancy,
            compartment=compartment,
            enabled=policy.enabled,
            trusted_keys=[key.text for key in policy.keys],
            key_names=list(key_names),
            set_by=set_by,
            time_created=now,
        )
    )


def get_cluster(connection: Connection, tenancy: str, ocid: str, *, lock: bool = False) -> Cluster:
    """The cluster, deleted or not, locked until the transaction ends if asked. Errors: Refused (NOT_FOUND)."""
    query = _with_policy.where(cluster.c.tenancy == tenancy, cluster.c.ocid == ocid)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise not_found()
    return _cluster(row)


def named(connection: Connection, tenancy: str, name: str) -> Cluster | None:
    """The living cluster of that name."""
    query = _with_policy.where(
        cluster.c.tenancy == tenancy, cluster.c.name == name, cluster.c.lifecycle_state != ClusterState.DELETED
    )
    row = connection.execute(query).one_or_none()
    return _cluster(row) if row else None


def clusters(store: Store, connection: Connection, tenancy: str, compartment: str, listing: Listing) -> Page[Cluster]:
    """A page of the clusters of a compartment, deleted ones too unless a state is asked for."""
    query = _with_policy.where(cluster.c.tenancy == tenancy, cluster.c.compartment == compartment)
    if listing.name:
        query = query.where(cluster.c.name == listing.name)
    if listing.ocid:
        query = query.where(cluster.c.ocid == listing.ocid)
    if listing.states:
        query = query.where(cluster.c.lifecycle_state.in_(listing.states))
    order = {
        SortBy.ID: (cluster.c.ocid,),
        SortBy.NAME: (cluster.c.name, cluster.c.ocid),
        SortBy.TIME_CREATED: (cluster.c.time_created, cluster.c.ocid),
    }[listing.sort_by]
    window = Window(listing.descending, listing.limit, listing.page)
    found = select_page(connection, store.page_key, query, order, window)
    return Page(tuple(map(_cluster, found.items)), found.next_page)


def kubernetes_versions(connection: Connection, tenancy: str, compartment: str) -> tuple[str, ...]:
    """The Kubernetes versions that the living clusters of a compartment are said to have."""
    query = select(cluster.c.kubernetes_version).where(
        cluster.c.tenancy == tenancy,
        cluster.c.compartment == compartment,
        cluster.c.lifecycle_state != ClusterState.DELETED,
        cluster.c.kubernetes_version != "",
    )
    return tuple(connection.execute(query.distinct().order_by(cluster.c.kubernetes_version)).scalars())


def change_cluster(connection: Connection, ocid: str, now: Instant, values: Mapping[str, Any]) -> None:
    """Change a cluster's row; its etag and time of update change with it."""
    connection.execute(
        update(cluster).where(cluster.c.ocid == ocid).values(**{"time_updated": now, "etag": new_etag(), **values})
    )


def policy_versions(connection: Connection, found: Cluster, rows_max: int) -> tuple[PolicyVersion, ...]:
    """The latest versions of a cluster's policy, newest first."""
    rows = connection.execute(
        select(policy_version)
        .where(policy_version.c.cluster == found.ocid)
        .order_by(policy_version.c.version.desc())
        .limit(rows_max)
    )
    return tuple(
        PolicyVersion(row.version, _policy(row), tuple(row.key_names), Instant(row.time_created), row.set_by)
        for row in rows
    )


def insert_certificate(connection: Connection, found: Cluster, made: ClusterCertificate) -> None:
    """Keep the public half of a client certificate."""
    connection.execute(
        certificate.insert().values(
            **_fresh(made.ocid, found.tenancy, found.compartment, ClusterState.ACTIVE, made.time_created),
            cluster=made.cluster,
            description=made.description,
            certificate=made.certificate,
            fingerprint=made.fingerprint,
            valid_until=made.valid_until,
        )
    )


def certificates_of(connection: Connection, found: Cluster) -> tuple[ClusterCertificate, ...]:
    """A cluster's living client certificates, newest first."""
    rows = connection.execute(
        select(certificate)
        .where(certificate.c.cluster == found.ocid, certificate.c.lifecycle_state != ClusterState.DELETED)
        .order_by(certificate.c.time_created.desc(), certificate.c.ocid)
    )
    return tuple(map(_certificate, rows))


def delete_certificate(connection: Connection, found: Cluster, ocid: str, now: Instant) -> None:
    """Let a client certificate open nothing any more. Errors: Refused (NOT_FOUND)."""
    deleted = connection.execute(
        update(certificate)
        .where(
            certificate.c.cluster == found.ocid,
            certificate.c.ocid == ocid,
            certificate.c.lifecycle_state != ClusterState.DELETED,
        )
        .values(lifecycle_state=ClusterState.DELETED, time_deleted=now, time_updated=now, etag=new_etag())
    )
    if deleted.rowcount != 1:
        raise not_found()


def cluster_presenting(connection: Connection, fingerprint: str, now: Instant) -> Cluster | None:
    """The living cluster whose living certificate has this fingerprint."""
    row = connection.execute(
        _with_policy.join(certificate, certificate.c.cluster == cluster.c.ocid).where(
            certificate.c.fingerprint == fingerprint,
            certificate.c.lifecycle_state != ClusterState.DELETED,
            certificate.c.valid_until > now,
            cluster.c.lifecycle_state != ClusterState.DELETED,
        )
    ).one_or_none()
    return _cluster(row) if row else None


def _fresh(ocid: str, tenancy: str, compartment: str, state: str, now: Instant) -> dict[str, Any]:
    return {
        "ocid": ocid,
        "tenancy": tenancy,
        "compartment": compartment,
        "lifecycle_state": state,
        "time_created": now,
        "time_updated": now,
        "etag": new_etag(),
    }


def _policy(row: Row[Any]) -> ImagePolicy:
    return ImagePolicy.of(enabled=bool(row.enabled), keys=tuple(row.trusted_keys))


def _cluster(row: Row[Any]) -> Cluster:
    return Cluster(
        ocid=row.ocid,
        tenancy=row.tenancy,
        compartment=row.compartment,
        name=row.name,
        state=ClusterState(row.lifecycle_state),
        policy=_policy(row),
        key_names=tuple(row.key_names),
        policy_version=row.policy_version,
        kubernetes_version=row.kubernetes_version,
        vcn=row.vcn,
        kms_key=row.kms_key,
        cluster_type=ClusterType(row.cluster_type),
        options=row.options,
        endpoint_config=row.endpoint_config,
        pod_networks=tuple(row.pod_networks or ()),
        created=Trace(row.created_by, row.created_in or ""),
        updated=Trace(row.updated_by or "", row.updated_in or ""),
        deleted=Trace(row.deleted_by or "", row.deleted_in or ""),
        time_created=row.time_created,
        time_updated=row.time_updated,
        time_deleted=row.time_deleted,
        freeform_tags=row.freeform_tags,
        defined_tags=row.defined_tags,
        etag=row.etag,
    )


def _certificate(row: Row[Any]) -> ClusterCertificate:
    return ClusterCertificate(
        ocid=row.ocid,
        cluster=row.cluster,
        description=row.description,
        certificate=row.certificate,
        fingerprint=row.fingerprint,
        valid_until=Instant(row.valid_until),
        time_created=Instant(row.time_created),
    )
