"""Under which host names this registry is known: the alias table, and the one spelling that is compared.

Pure, and without DNS: a name that only resolves to the registry is a foreign one until it is listed.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from assay.errors import Refused

ALIASES_MAX = 32
#: `:443` and `:80` say nothing that the scheme doesn't; clients treat a reference with and without them alike.
_DEFAULT_PORTS = frozenset({443, 80})
_PORT_MAX = 65535


def normal_host(host: str) -> str:
    """`host[:port]` in one spelling: lower case, no trailing dot, no default port, IPv6 compressed in brackets.

    Punycode stays as it is; nothing is resolved. Errors: Refused for a port or an address that cannot be.
    """
    name, port = _split_port(host.lower())
    if name.startswith("["):
        try:
            name = f"[{ipaddress.IPv6Address(name.removeprefix('[').removesuffix(']')).compressed}]"
        except ValueError as fault:
            raise _not_a_host(host) from fault
    name = name.removesuffix(".")
    if not name or name.endswith("."):
        raise _not_a_host(host)
    return name if port is None or port in _DEFAULT_PORTS else f"{name}:{port}"


def _split_port(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) <= _PORT_MAX:
        raise _not_a_host(host)
    return name, int(port)


def _not_a_host(host: str) -> Refused:
    return Refused(f"{host[:80]!r} is not a registry host.", advice="Write a host name and perhaps a port.")


@dataclass(frozen=True, slots=True)
class Hosts:
    """The registry's names in normal form. Refuses an empty table: every image would be foreign."""

    names: frozenset[str]

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= ALIASES_MAX:
            raise Refused(
                f"The registry has {len(self.names)} host names.",
                advice=f"Give between 1 and {ALIASES_MAX}.",
            )
        for name in self.names:
            if normal_host(name) != name:
                raise Refused(f"{name[:80]!r} is not a host name in normal form.", advice="Use Hosts.of().")

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """The table of these names, however they are spelt."""
        return cls(frozenset(normal_host(name) for name in names))

    def know(self, host: str) -> bool:
        """Whether a reference with this host means this registry; the empty host means docker.io, so it does not."""
        return bool(host) and normal_host(host) in self.names
