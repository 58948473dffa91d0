"""IAM: who may. Principals, credentials, policies, and `perform`, the one way in for every change.

`identity` and `credentials` hold the verbs of this room, by module: `identity.users`, `credentials.sessions`, …
`work_requests` is what a verb opens, and clients poll, for the operations that OCI answers with one.
"""

from assay.iam import credentials, identity, work_requests
from assay.iam.actor import ANONYMOUS, Actor, Principal, PrincipalKind
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize, permitted

__all__ = [
    "ANONYMOUS",
    "Act",
    "Actor",
    "Principal",
    "PrincipalKind",
    "Target",
    "authorize",
    "credentials",
    "identity",
    "perform",
    "permitted",
    "work_requests",
]
