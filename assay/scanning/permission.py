"""What the scanning service may do: it is a principal like any other, and without two statements it gets nothing.

Source: issue 2, point 3, and the seed's text on required policies.
"""

from sqlalchemy import Connection

from assay.clock import Instant
from assay.iam import Target, permitted
from assay.iam.identity import services
from assay.registry.model import Repository

#: The two statements, to read repos and to read compartments, word by word.
NEEDED_STATEMENTS = services.NEEDED[services.SCANNING]


def missing_statements(connection: Connection, tenancy: str, *, now: Instant) -> tuple[str, ...]:
    """Those of the two statements that the service lacks in a tenancy, as texts to add, in order."""
    return services.missing_statements(connection, tenancy, NEEDED_STATEMENTS, now=now)


def may_scan(connection: Connection, repository: Repository, *, now: Instant) -> bool:
    """Whether the service may read this repository and its compartment; narrower statements will do."""
    target = Target(repository.compartment, resource=repository.ocid, variables={"target.repo.name": repository.name})
    service = services.acting(services.SCANNING, repository.tenancy)
    return permitted(connection, service, "ScanContainerImage", target, now=now)
