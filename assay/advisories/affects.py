"""Whether a version falls under what an advisory says of a package, and from which version on it doesn't. Pure.

The rule is the evaluation algorithm of the OSV schema (ossf.github.io/osv-schema, "Evaluation"): a version is affected
if it stands in the list of versions, or if a range holds it.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from assay.advisories.orders import Order, order_of
from assay.advisories.severity import Severity


class EventKind(StrEnum):
    """What happens at a version of a range."""

    INTRODUCED = "introduced"
    FIXED = "fixed"
    LAST_AFFECTED = "last_affected"
    LIMIT = "limit"


class Event(NamedTuple):
    """One event of a range."""

    kind: EventKind
    version: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What one advisory, in one of its versions, says of one package in one ecosystem (with release).

    `ecosystem` and `package` are as in OSV (`Debian:12`; the source package), the name in the ecosystem's normal form.
    A statement with neither says nothing of any package: it is there for its rating alone.
    `severity` is the publisher's rating for this package, else for the whole advisory, else None.
    `from_rev` is the feed revision that brought this version of the advisory.
    """

    advisory: str
    from_rev: int
    ecosystem: str
    package: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: frozenset[str] = frozenset()
    severity: Severity | None = None


class Standing(StrEnum):
    """What is known of a version. UNDECIDED: it cannot be compared, and no list names it; that is not "unaffected"."""

    AFFECTED = "affected"
    UNAFFECTED = "unaffected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Effect:
    """The outcome for one version: `fixed` is the version that ends it, None when there is none (or nothing to end)."""

    standing: Standing
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class _Range:
    """A range with the keys of its versions: events in the order of evaluation, and the limits."""

    events: tuple[tuple[bytes, EventKind], ...]
    limits: tuple[bytes, ...]

    def holds(self, key: bytes) -> bool:
        """Whether the version of this key is in the range."""
        if self.limits and all(key >= limit for limit in self.limits):
            return False
        inside = False
        for at, kind in self.events:
            if kind is EventKind.INTRODUCED and key >= at:
                inside = True
            elif (kind is EventKind.FIXED and key >= at) or (kind is EventKind.LAST_AFFECTED and key > at):
                inside = False
        return inside


#: "introduced: 0" lies before every version, "limit: *" behind.
_BEFORE_ALL, _BEHIND_ALL = b"", b"\xff" * 8
_RANGES_CACHED, _LISTS_CACHED = 50_000, 2_000


def effect(statement: Statement, version: str) -> Effect:
    """What the statement says of an installed version of its package.

    A version is AFFECTED if the list names it (or a version equal to it in the ecosystem's order) or a range holds it.
    It is UNDECIDED, never unaffected, when that cannot be found out: the ecosystem has no order yet, or the version or
    a bound of a range has no place in it. A statement with neither list nor range names no version that was released,
    so it affects none, as in the schema's algorithm. `fixed` is the smallest fixed version above the installed one that
    the statement itself does not call affected.
    """
    order = order_of(statement.ecosystem)
    key = order(version) if order is not None else None
    if order is None or key is None:
        return Effect(Standing.AFFECTED if version in statement.versions else _without_list(statement))
    ranges = _compiled(order, statement.ranges)
    if version in statement.versions or _holds(ranges, key) or _listed(order, statement.versions, key):
        return Effect(Standing.AFFECTED, _fixed_above(statement, order, ranges, key))
    if None in ranges:
        return Effect(Standing.UNDECIDED)
    return Effect(Standing.UNAFFECTED)


def _without_list(statement: Statement) -> Standing:
    """The standing of a version that cannot be compared and that the list does not name."""
    return Standing.UNDECIDED if statement.ranges else Standing.UNAFFECTED


def _holds(ranges: tuple[_Range | None, ...], key: bytes) -> bool:
    return any(each is not None and each.holds(key) for each in ranges)


def _listed(order: Order, versions: frozenset[str], key: bytes) -> bool:
    return bool(versions) and key in _list_keys(order, versions)


def _fixed_above(statement: Statement, order: Order, ranges: tuple[_Range | None, ...], key: bytes) -> str | None:
    candidates = []
    for events in statement.ranges:
        for kind, version in events:
            at = order(version) if kind is EventKind.FIXED else None
            if at is not None and at > key:
                candidates.append((at, version))
    for at, version in sorted(candidates):
        if not _holds(ranges, at) and not _listed(order, statement.versions, at):
            return version
    return None


@lru_cache(maxsize=_LISTS_CACHED)
def _list_keys(order: Order, versions: frozenset[str]) -> frozenset[bytes]:
    return frozenset(key for key in map(order, versions) if key is not None)


@lru_cache(maxsize=_RANGES_CACHED)
def _compiled(order: Order, ranges: tuple[tuple[Event, ...], ...]) -> tuple[_Range | None, ...]:
    return tuple(_compiled_range(order, events) for events in ranges)


def _compiled_range(order: Order, events: tuple[Event, ...]) -> _Range | None:
    """The range with keys; None when one of its bounds has no place in the order."""
    steps: list[tuple[bytes, bool, EventKind]] = []
    limits: list[bytes] = []
    for kind, version in events:
        key = _bound(order, kind, version)
        if key is None:
            return None
        if kind is EventKind.LIMIT:
            limits.append(key)
        else:
            # At one and the same version, "last affected" ends what "introduced" began.
            steps.append((key, kind is EventKind.LAST_AFFECTED, kind))
    steps.sort(key=lambda step: step[:2])
    return _Range(tuple((key, kind) for key, _, kind in steps), tuple(limits))


def _bound(order: Order, kind: EventKind, version: str) -> bytes | None:
    if kind is EventKind.INTRODUCED and version == "0":
        return _BEFORE_ALL
    if kind is EventKind.LIMIT and version == "*":
        return _BEHIND_ALL
    return order(version)
