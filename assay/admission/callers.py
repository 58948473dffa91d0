"""Who asks for admission: a cluster, by its bearer token or by the client certificate that TLS has verified."""

from assay.admission import certificates
from assay.admission.records import clusters as records
from assay.errors import Reason, Refused
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.credentials import cluster_tokens
from assay.secret import Secret
from assay.storage import Store


def authenticate(store: Store, token: Secret | None, certificate: bytes | None, address: str) -> Actor:
    """The cluster that presents this token or certificate (DER); the certificate goes first when there are both.

    That TLS trusts a certificate is not enough: it opens nothing unless its row lives. Errors: Refused
    (NOT_AUTHENTICATED, the same for every cause), Unavailable.
    """
    if certificate is not None:
        with store.database.read() as connection:
            print_ = certificates.fingerprint_of_der(certificate)
            cluster = records.cluster_presenting(connection, print_, store.clock.now())
        if cluster is not None:
            return Actor(Principal(PrincipalKind.CLUSTER, cluster.name, cluster.ocid), cluster.tenancy, address)
    if token is not None:
        return cluster_tokens.log_in(store, token).actor(address)
    raise Refused(
        "A cluster's bearer token or client certificate is needed.",
        advice="Make one with `assay cluster token` or `assay cluster certificate`, or on the cluster's page, and give "
        "its kubeconfig to the API server.",
        reason=Reason.NOT_AUTHENTICATED,
    )
