"""Verbs on tenancies. One is made at first start; an operator may add more, which share nothing that one can notice."""

import secrets
import string

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.iam.actor import Actor
from assay.iam.authorization import Target, authorize
from assay.iam.identity.targets import known
from assay.iam.records import compartments as records
from assay.iam.resources import Tenancy
from assay.storage import Store

NAMESPACE_LENGTH = 12


def new_namespace() -> str:
    """A fresh namespace: lower-case letters and digits, a letter first (oci-api 2.7). It is no secret."""
    rest = (secrets.choice(string.ascii_lowercase + string.digits) for _ in range(NAMESPACE_LENGTH - 1))
    return secrets.choice(string.ascii_lowercase) + "".join(rest)


def get(store: Store, actor: Actor, tenancy: str) -> Tenancy:
    """The actor's tenancy. Errors: Refused (NOT_FOUND), also for any other."""
    with store.database.read() as connection:
        found = known(records.tenancy_of(connection, tenancy if tenancy == actor.tenancy else ""))
        target = Target(found.ocid, found.ocid, found.etag)
        authorize(connection, actor, "GetTenancy", target, now=store.clock.now())
        return found


def namespace(store: Store, actor: Actor, compartment: str = "") -> str:
    """The namespace of the actor's tenancy (`GET /n`). With `compartment`, one of the tenancy's that the actor sees.

    Without it every principal of the tenancy may ask, as in OCI: it is part of each image name. Errors: Refused.
    """
    with store.database.read() as connection:
        if compartment:
            authorize(connection, actor, "GetNamespace", Target(compartment), now=store.clock.now())
        return known(records.tenancy_of(connection, actor.tenancy)).namespace


def every(connection: Connection) -> tuple[Tenancy, ...]:
    """All tenancies of the installation, oldest first; for the operator and for work in the background."""
    return records.tenancies(connection)


def with_namespace(connection: Connection, name: str) -> Tenancy | None:
    """The tenancy with that namespace, or None: for doors that learn the tenancy from an image name or a user name."""
    return records.tenancy_named(connection, name)


def namespace_of(connection: Connection, tenancy: str) -> str:
    """The namespace of a tenancy, for OCIDs and image names that rooms make; empty for one that isn't there."""
    found = records.tenancy_of(connection, tenancy)
    return found.namespace if found is not None else ""


def of_installation(connection: Connection) -> Tenancy:
    """The one tenancy of an installation that has one. Errors: Refused when there is none, or several."""
    found = records.tenancies(connection)
    if len(found) != 1:
        raise Refused(
            f"This installation has {len(found)} tenancies.",
            advice="Name one, by its namespace." if found else "Start the server once: it makes the first.",
            reason=Reason.MALFORMED,
        )
    return found[0]
