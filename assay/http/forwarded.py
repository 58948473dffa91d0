"""Where a request came from when it came through proxies: what those say whom the operator trusts. Pure.

One header is believed, the one that the operator's proxies set, since they hand on whatever else a client wrote. It is
read from its end: each proxy adds whom it heard it from, so the last address that is not a trusted proxy's own is the
client; what stands before it anybody may have written (RFC 7239, section 5.2 and section 8.1).
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

HOPS_MAX = 32

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: `for=` of an element of Forwarded, in quotes or bare; other parameters may hold quoted commas and semicolons.
_PARAMETER = re.compile(r'\s*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)\s*')


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are trusted, and the header that they set, in lower case: `x-forwarded-for` or `forwarded`."""

    networks: tuple[_Network, ...] = ()
    header: bytes = b"x-forwarded-for"

    @classmethod
    def of(cls, networks: Iterable[str], header: str) -> Self:
        """From what the operator wrote. Errors: ValueError."""
        return cls(tuple(map(ipaddress.ip_network, networks)), header.lower().encode())

    def trusts(self, address: str) -> bool:
        """Whether an address is a trusted proxy's."""
        found = _address(address)
        return found is not None and any(found in network for network in self.networks)

    def client_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of the client of a request that came from `peer`; header names are in lower case.

        Where a trusted proxy says nothing, or nothing that reads as an address, it is that proxy's own.
        """
        if not self.trusts(peer):
            return peer
        lines = [value.decode("latin-1") for name, value in headers if name == self.header]
        parse = _forwarded if self.header == b"forwarded" else _listed
        client = peer
        for hop in reversed(parse(lines)[-HOPS_MAX:]):
            found = _address(_without_port(hop))
            if found is None:
                break
            client = str(found)
            if not self.trusts(client):
                break
        return client


def _listed(lines: Sequence[str]) -> list[str]:
    return [hop.strip() for hop in ",".join(lines).split(",")] if lines else []


def _forwarded(lines: Sequence[str]) -> list[str]:
    """The `for` of each element, in order; an element that has none or cannot be read is an empty text."""
    rest, current = ",".join(lines), ""
    found: list[str] = []
    while rest:
        parameter = _PARAMETER.match(rest)
        if parameter is None:
            # Unreadable from here on: what comes later cannot be told from what a client made up.
            return [*found, ""]
        name, value = parameter[1].lower(), parameter[2]
        if name == "for":
            current = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        rest = rest[parameter.end() :]
        if not rest or rest[0] == ",":
            found.append(current)
            current = ""
        elif rest[0] != ";":
            return [*found, ""]
        rest = rest[1:]
    return found


def _without_port(hop: str) -> str:
    """An address without its port: `192.0.2.1:80`, `[2001:db8::1]:80`, or as it is."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
