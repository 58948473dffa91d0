"""The user whose credentials an act is about, as `authorize` sees them."""

from sqlalchemy import Connection

from assay.iam.actor import Actor
from assay.iam.authorization import Target
from assay.iam.identity.targets import known, of_user
from assay.iam.records import identities


def owner(connection: Connection, actor: Actor, user: str, *, lock: bool = False) -> Target:
    """The user, without their etag: a credential has its own. `lock` until the transaction ends, so that counting
    their credentials and adding one is a single act. Errors: Refused (NOT_FOUND).
    """
    target = of_user(known(identities.get_user(connection, actor.tenancy, user, lock=lock)))
    return Target(target.compartment, target.resource, None, target.variables)
