"""Who acts: the principal behind a request, and the circumstances that audit keeps."""

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """What kind of principal acts."""

    USER = "user"
    SERVICE = "service"
    CLUSTER = "cluster"
    ANONYMOUS = "anonymous"
    #: The server itself at first start and in upkeep: never a caller from outside.
    INSTALLATION = "installation"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. `ocid` is empty for services and anonymous callers; `name` is what statements and people use."""

    kind: PrincipalKind
    name: str
    ocid: str = ""


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "anonymous")


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal in a tenancy, acting in one request."""

    principal: Principal
    tenancy: str
    address: str = ""
    request_id: str = ""
