"""Who acts: the principal behind a request, and the circumstances that audit keeps."""

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """What kind of principal acts."""

    USER = "user"
    SERVICE = "service"
    CLUSTER = "cluster"
    APPLICATION = "fnapp"
    FUNCTION = "fnfunc"
    ANONYMOUS = "anonymous"
    #: The server itself at first start and in upkeep: never a caller from outside.
    INSTALLATION = "installation"


#: Principals that are resources themselves: dynamic groups speak of them.
RESOURCES = frozenset({PrincipalKind.CLUSTER, PrincipalKind.APPLICATION, PrincipalKind.FUNCTION})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `ocid` is empty for services and anonymous callers; `name` is what statements and people use.

    `repository` is the name of the repository of a function's image, for conditions on it.
    """

    kind: PrincipalKind
    name: str
    ocid: str = ""
    repository: str = ""


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "anonymous")


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal in a tenancy, acting in one request."""

    principal: Principal
    tenancy: str
    address: str = ""
    request_id: str = ""
