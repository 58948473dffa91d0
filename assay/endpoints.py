"""The host names under which OCI's clients look for their services (oci-api 1.1, 1.4), at this installation.

A client makes each name from the region and the realm's domain, which its own configuration says; nobody has to resolve
them where the TLS port is also the client's proxy. Pure.
"""

import re
from dataclasses import dataclass

from assay.errors import Refused

#: Services by the first label of their host: those of `<service>.<region>.oci.<domain>`, …
SERVICES = ("artifacts", "vss-cp-api", "functions", "containerengine", "identity")
#: … and those of `<service>.<region>.<domain>`.
OLDER_SERVICES = ("kms", "objectstorage", "iaas")
HTTPS_PORT = 443

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,7}}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The names of one installation. `address` is the HOST:PORT at which clients reach the TLS port."""

    region: str
    domain: str
    address: str

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain) or len(self.domain) > 128:
            raise Refused(f"oci_domain is {self.domain[:80]!r}.", advice="Use a domain in lower case, without a port.")
        if not re.fullmatch(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}", self.address):
            raise Refused(f"oci_address is {self.address[:80]!r}.", advice="Write HOST:PORT.")

    @property
    def host(self) -> str:
        """The address without its port."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.address.rpartition(":")[2])

    @property
    def realm_domain(self) -> str:
        """The realm's domain as clients are to be told it: it may carry a port, and then needs no privileged one."""
        return self.domain if self.port == HTTPS_PORT else f"{self.domain}:{self.port}"

    @property
    def zones(self) -> tuple[str, ...]:
        """What stands behind the first label of every name; a vault's own names are those of the last two."""
        near, far = f"{self.region}.oci.{self.domain}", f"{self.region}.{self.domain}"
        return near, far, f"kms.{near}", f"kms.{far}"

    @property
    def services(self) -> tuple[str, ...]:
        """The hosts of all services that have one each."""
        near, far, _, _ = self.zones
        return tuple(f"{name}.{near}" for name in SERVICES) + tuple(f"{name}.{far}" for name in OLDER_SERVICES)

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names for the TLS port's certificate: all of these, and the address itself."""
        return (*(f"*.{zone}" for zone in self.zones), self.host)

    def vault_hosts(self, extension: str) -> tuple[str, str]:
        """The hosts of a vault's management and crypto, as the stock client computes the second (oci-api 3.1)."""
        zone = self.zones[2]
        return f"{extension}-management.{zone}", f"{extension}-crypto.{zone}"

    def holds(self, name: str) -> bool:
        """Whether a host name, without a port, is one of this installation's."""
        label, _, zone = name.lower().partition(".")
        return zone in self.zones and re.fullmatch(_LABEL, label) is not None

    def port_of(self, host_header: str) -> str | None:
        """`:PORT` or nothing, as a request for one of these names was sent; None when it was for another name."""
        name, colon, port = host_header.partition(":")
        return colon + port if self.holds(name) and (not colon or port.isdecimal()) else None

    def admits(self, name: str, port: int) -> bool:
        """Whether a client that takes the TLS port for its proxy may go on to this name: no other is reached so."""
        return self.holds(name) and port in (HTTPS_PORT, self.port)
