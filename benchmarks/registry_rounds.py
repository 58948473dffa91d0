"""Rounds that the servers take in turns, and what is worked out from them: medians, and ratios with their spread."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from benchmarks.registry_servers import Server

#: What is timed, and how much it moves or does; made anew for each server and round, outside the time.
Work = tuple[Callable[[], object], float]

S = TypeVar("S", bound=Server)

#: For what a server does of itself when it goes on.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of one server."""

    seconds: float
    cpu_seconds: float
    amount: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A ratio: the median of the rounds, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """From the values of the rounds."""
        return cls(*(round(each, 3) for each in (statistics.median(values), min(values), max(values))))

    def listed(self) -> list[float]:
        """As JSON has it."""
        return [self.low, self.median, self.high]


@dataclass(frozen=True, slots=True)
class Compared:
    """The rounds of one measurement, by server."""

    name: str
    unit: str
    rounds: Mapping[str, Sequence[Round]]

    def rate(self, server: str) -> float:
        """Units a second, the median of the rounds."""
        return statistics.median(each.amount / each.seconds for each in self.rounds[server])

    def cpu(self, server: str) -> float:
        """CPU seconds of the server a unit, the median of the rounds."""
        return statistics.median(each.cpu_seconds / each.amount for each in self.rounds[server])

    def rates(self, ours: str, theirs: str) -> Spread:
        """How many times as fast as the other: round by round, so that what slows both down drops out."""
        pairs = zip(self.rounds[ours], self.rounds[theirs], strict=True)
        return Spread.of([(a.amount / a.seconds) / (b.amount / b.seconds) for a, b in pairs])

    def cpus(self, ours: str, theirs: str) -> Spread:
        """How many times as much CPU for the same."""
        pairs = zip(self.rounds[ours], self.rounds[theirs], strict=True)
        return Spread.of([(a.cpu_seconds / a.amount) / max(b.cpu_seconds / b.amount, 1e-9) for a, b in pairs])

    def told(self) -> str:
        """A line for each server."""
        lines = [
            f"  {name:<24}{self.rate(name):>12.2f} {self.unit}/s{self.cpu(name):>14.6f} CPU s/{self.unit}"
            for name in self.rounds
        ]
        return "\n".join([self.name, *lines])


class Rounds(Generic[S]):
    """Lets servers take turns."""

    def __init__(self, count: int) -> None:
        self.count = count

    def compare(
        self, name: str, unit: str, servers: Sequence[S], prepare: Callable[[S], Work], *, pinned: bool = True
    ) -> Compared:
        """Measure the work that `prepare` makes for a server, in rounds in which all have their turn one by one."""
        found: dict[str, list[Round]] = {server.name: [] for server in servers}
        for number in range(self.count):
            # Who goes first changes, so that what one leaves behind doesn't always fall to the same.
            for server in servers if number % 2 else tuple(reversed(servers)):
                with server.turn(pinned=pinned):
                    work, amount = prepare(server)
                    os.sync()  # else one waits for what another has left to be written
                    time.sleep(SETTLE_SECONDS)
                    cpu, began = server.cpu_seconds(), time.perf_counter()
                    work()
                    seconds = time.perf_counter() - began
                    found[server.name].append(Round(seconds, server.cpu_seconds() - cpu, amount))
        compared = Compared(name, unit, found)
        print(compared.told(), flush=True, file=sys.stderr)
        return compared
