"""Which memberships a revision begins and ends, found around the advisories that it changed, never over all."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import classes
from assay.advisories.records import graph
from assay.advisories.records.graph import Pair


@dataclass(frozen=True, slots=True)
class MembershipChanges:
    """Memberships as (vulnerability name, advisory id), and the names of all vulnerabilities to be evaluated anew."""

    begun: frozenset[Pair]
    ended: frozenset[Pair]
    touched: frozenset[str]


def around(connection: Connection, changed: Collection[int], published: int, rev: int) -> MembershipChanges:
    """What must change so that the classes around the changed advisories are those of the graph as of `rev`.

    The outcome equals that of computing all classes anew: an edge that came or went is an edge of a changed advisory,
    so every class that differs holds a changed advisory, or an id that one names or named, or was stored together with
    one. What is stored as of `rev` is compared, what earlier batches wrote included; so it may run again.
    """
    before = graph.classes_of(connection, changed, published)
    stored = before | graph.classes_of(connection, changed, rev)
    companions = {each for _, each in graph.members_of(connection, stored, rev)}
    seeds = stored | graph.names_of(connection, companions.union(changed))
    seeds |= graph.names_linked(connection, changed, published) | graph.names_linked(connection, changed, rev)
    nodes, reached = graph.region(connection, seeds, rev)
    wanted = classes.members(nodes, reached)
    present = graph.members_of(connection, reached, rev)
    begun, ended = wanted - present, present - wanted
    altered = set(changed)
    touched = before | {name for name, _ in begun | ended} | {name for name, each in wanted if each in altered}
    return MembershipChanges(begun, ended, frozenset(touched))
