"""How many requests one address, and one user, may send to a door. Counted in each process, whoever is right.

The rule is the generic cell rate algorithm (ITU-T I.371, annex A): each request takes its share of time, and whoever is
more than the burst ahead of the clock waits.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Self

from assay.clock import SECOND, Instant
from assay.errors import Reason, Refused

#: How many seconds' worth of requests may come at once.
BURST_SECONDS = 10
#: Callers remembered by one meter; beyond it the one that was met longest ago starts anew.
CALLERS_MAX = 10_000


def after_request(before: Instant | None, per_second: int, now: Instant) -> tuple[Instant, int]:
    """Up to when the caller's time is taken after one more request, and how long they must wait instead (0: it is let).

    `before` is the first of these after the request before; all in microseconds.
    """
    taken = now if before is None else max(before, now)
    wait = taken - now - BURST_SECONDS * SECOND
    if wait > 0:
        return taken, wait
    return Instant(taken + SECOND // per_second), 0


class Meter:
    """Counts the requests of callers of one kind. `per_second` 0 lets everything through."""

    def __init__(self, per_second: int, whose: str) -> None:
        self._per_second = per_second
        self._whose = whose
        self._taken: OrderedDict[str, Instant] = OrderedDict()
        self._lock = Lock()

    def admit(self, caller: str, now: Instant) -> None:
        """Count a request. Errors: Refused (TOO_MANY_REQUESTS), with the time to wait."""
        if not self._per_second:
            return
        with self._lock:
            self._taken[caller], wait = after_request(self._taken.get(caller), self._per_second, now)
            self._taken.move_to_end(caller)
            if len(self._taken) > CALLERS_MAX:
                self._taken.popitem(last=False)
        if wait:
            raise Refused(
                f"There are more than {self._per_second} requests a second from {self._whose}.",
                advice="Wait a little, then go on more slowly.",
                reason=Reason.TOO_MANY_REQUESTS,
                retry_after=-(-wait // SECOND),
            )


@dataclass(frozen=True, slots=True)
class Meters:
    """The two meters of one door."""

    addresses: Meter
    users: Meter

    @classmethod
    def of(cls, *, address_per_second: int, user_per_second: int) -> Self:
        """Fresh meters; 0 is no limit."""
        return cls(Meter(address_per_second, "this address"), Meter(user_per_second, "this user"))

    @classmethod
    def unlimited(cls) -> Self:
        """Meters that let everything through."""
        return cls.of(address_per_second=0, user_per_second=0)

    def admit_address(self, address: str, now: Instant) -> None:
        """Count a request by where it came from. Errors: Refused (TOO_MANY_REQUESTS)."""
        self.addresses.admit(line_of(address), now)

    def admit_user(self, user: str, now: Instant) -> None:
        """Count a request by who sent it. Errors: Refused (TOO_MANY_REQUESTS)."""
        self.users.admit(user, now)


def line_of(address: str) -> str:
    """Whom an address stands for: of IPv6 its /64, of which every subscriber has one whole (RFC 6177); else itself."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
