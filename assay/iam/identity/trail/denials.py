"""Denied reads: a verb that reads writes nothing, so the door that answers the denial has it recorded."""

from assay.errors import Denied
from assay.iam import audit
from assay.iam.actor import Actor, PrincipalKind
from assay.storage import Store


def note(store: Store, actor: Actor, denial: Denied) -> None:
    """Write the denial into the audit log. Callers who have not said who they are are asked, not denied: no row."""
    if actor.principal.kind is PrincipalKind.ANONYMOUS or not actor.tenancy:
        return
    with store.database.write() as connection:
        audit.record(
            connection,
            actor,
            denial.operation,
            store.clock.now(),
            compartment=denial.compartment or actor.tenancy,
            resource=denial.resource,
            denied_because=denial.message,
        )
