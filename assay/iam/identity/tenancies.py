"""Verbs on tenancies. One is made at first start; an operator may add more, which share nothing that one can notice."""

import secrets
import string
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Region:
    """The one region of an installation; clients know it by its name and by its key."""

    name: str

    @property
    def key(self) -> str:
        """The short form: OCI writes keys in capitals."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class AvailabilityDomain:
    """The one availability domain of a region, as a compartment sees it."""

    ocid: str
    name: str
    compartment: str


def region(store: Store, actor: Actor, operation: str = "ListRegions", tenancy: str = "") -> Region:
    """The region of the installation, to which every tenancy is subscribed. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.tenancy_of(connection, actor.tenancy if tenancy in ("", actor.tenancy) else ""))
        authorize(connection, actor, operation, Target(found.ocid, found.ocid), now=store.clock.now())
        return Region(found.home_region)


def availability_domain(store: Store, actor: Actor, compartment: str) -> AvailabilityDomain:
    """The availability domain of the region. Errors: Refused when the compartment is not the actor's to see."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListAvailabilityDomains", Target(compartment), now=store.clock.now())
    name = f"{store.site.region}-AD-1"
    return AvailabilityDomain(store.site.derived_ocid("availabilitydomain", name).text, name, compartment)


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
