"""Cluster tokens: what a cluster presents to admission and to the registry. Shown once, kept as digests.

The cluster itself belongs to the admission room, which names it here by OCID.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.iam import hashing
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.credentials import lifetimes
from assay.iam.identity.targets import known
from assay.iam.records import credentials as records
from assay.iam.records.tables import cluster_token
from assay.iam.resources import State, require_description
from assay.secret import Secret
from assay.storage import Store

TOKENS_MAX = 5
TOKEN_PREFIX = "assay_cluster_"  # noqa: S105 - what tokens begin with, not one of them


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that tokens are for, as the admission room knows it."""

    ocid: str
    name: str
    compartment: str

    @property
    def principal(self) -> Principal:
        """The cluster as who acts."""
        return Principal(PrincipalKind.CLUSTER, self.name, self.ocid)

    @property
    def target(self) -> Target:
        """The cluster as what is acted on."""
        return Target(self.compartment, self.ocid, variables={"target.cluster.id": self.ocid})


@dataclass(frozen=True, slots=True)
class ClusterToken:
    """A cluster token; `token` is there only in the answer to its creation."""

    ocid: str
    tenancy: str
    compartment: str
    cluster: str
    cluster_name: str
    description: str
    lifecycle_state: State
    time_created: Instant
    time_expires: Instant | None
    etag: str
    token: Secret | None = None


@dataclass(frozen=True, slots=True)
class ClusterLogin:
    """Which cluster presents a token: who acts, in which tenancy, and the OCID of the token."""

    principal: Principal
    tenancy: str
    credential: str

    def actor(self, address: str = "", request_id: str = "") -> Actor:
        """The cluster as who acts in a request."""
        return Actor(self.principal, self.tenancy, address, request_id)


def create(
    store: Store,
    actor: Actor,
    cluster: Cluster,
    description: str = "",
    *,
    lifetime: int | None = None,
    retry_token: str | None = None,
) -> ClusterToken:
    """A new token for a cluster. `lifetime` in microseconds; None for one that doesn't expire.

    Errors: Refused (NOT_FOUND when not permitted; LIMIT_EXCEEDED when the cluster has five).
    """
    require_description(description)
    lifetimes.require(lifetime, "token")
    token = hashing.new_token(TOKEN_PREFIX)

    def change(act: Act) -> ClusterToken:
        if records.count_tokens(act.connection, cluster_token, cluster.ocid) >= TOKENS_MAX:
            raise Refused(
                f"The cluster has {TOKENS_MAX} tokens already.",
                advice="Delete one first.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        ocid = store.site.new_ocid("clustertoken").text
        records.insert_token(
            act.connection,
            cluster_token,
            ocid,
            actor.tenancy,
            cluster.compartment,
            act.now,
            cluster=cluster.ocid,
            cluster_name=cluster.name,
            description=description,
            token_digest=hashing.digest_of(token),
            time_expires=lifetimes.end_of(act.now, lifetime),
        )
        row = known(records.get_token(act.connection, cluster_token, actor.tenancy, ocid))
        return _token(row, token)

    return perform(
        store,
        actor,
        "CreateClusterToken",
        locate=lambda _connection: cluster.target,
        change=change,
        replay=ClusterToken,
        request=(cluster, description, lifetime),
        retry_token=retry_token,
    )


def listed(store: Store, actor: Actor, cluster: Cluster) -> tuple[ClusterToken, ...]:
    """A cluster's tokens, oldest first; never the tokens themselves. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListClusterTokens", cluster.target, now=store.clock.now())
        return tuple(map(_token, records.tokens_of(connection, cluster_token, cluster.ocid)))


def delete(store: Store, actor: Actor, token: str) -> None:
    """Delete a token by its OCID: whoever presents it is nobody from now on. Errors: Refused (NOT_FOUND)."""

    def locate(connection: Connection) -> Target:
        row = records.get_token(connection, cluster_token, actor.tenancy, token, lock=True)
        found = _token(known(row))
        variables = {"target.cluster.id": found.cluster}
        return Target(found.compartment, found.ocid, found.etag, variables, found)

    def change(act: Act) -> None:
        records.delete_token(act.connection, cluster_token, token)

    perform(store, actor, "DeleteClusterToken", locate=locate, change=change)


def forget(connection: Connection, cluster: str) -> None:
    """Delete all tokens of a cluster, in the transaction in which the admission room deletes it."""
    for row in records.tokens_of(connection, cluster_token, cluster):
        records.delete_token(connection, cluster_token, row.ocid)


def log_in(store: Store, token: Secret) -> ClusterLogin:
    """The cluster that a token is for. Errors: Refused (NOT_AUTHENTICATED, the same for every cause)."""
    with store.database.read() as connection:
        row = records.token_with(connection, cluster_token, hashing.digest_of(token))
    if row is None or lifetimes.is_over(row.time_expires, store.clock.now()):
        raise Refused(
            "The cluster's token is not known, or has expired.",
            advice="Make a new one and print the webhook manifests again.",
            reason=Reason.NOT_AUTHENTICATED,
        )
    return ClusterLogin(Principal(PrincipalKind.CLUSTER, row.cluster_name, row.cluster), row.tenancy, row.ocid)


def _token(row: Row[Any], token: Secret | None = None) -> ClusterToken:
    return ClusterToken(
        row.ocid,
        row.tenancy,
        row.compartment,
        row.cluster,
        row.cluster_name,
        row.description,
        State(row.lifecycle_state),
        row.time_created,
        row.time_expires,
        row.etag,
        token,
    )
