"""Alias classes: which advisories speak of one vulnerability, and its name. Pure.

* `aliases` say that two ids name one vulnerability; a class is a connected component of that relation.
* `upstream` says that a record was made from others. It says the same as an alias where a distribution keeps a record
  of each CVE: where the record's own id ends in the upstream id (UBUNTU-CVE-2024-1234, ALPINE-CVE-…, DEBIAN-CVE-…).
* Any other record with `upstream` and without aliases is a *notice*: a distribution's announcement that one update
  mends these vulnerabilities (DSA, DLA, USN, RHSA). A notice is no vulnerability of its own, and does not make one of
  those that it names: it is an advisory on each of them, a member of each of their classes.
* A withdrawn record says nothing, so it is in no class.

The name of a class is its lowest CVE id, else the id of its oldest record.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

_CVE = re.compile(r"CVE-([0-9]{4})-([0-9]{4,19})", re.ASCII)
_NO_DATE = 2**62


class LinkKind(IntEnum):
    """How an advisory relates to an id that it names. SAME: both name one vulnerability; ABOUT: a notice about it."""

    SAME = 1
    ABOUT = 2


@dataclass(frozen=True, slots=True)
class Node:
    """An advisory as classes see it: `key` is any integer that tells it apart, `published` its first date if known."""

    key: int
    name: str
    published: int | None
    links: tuple[tuple[LinkKind, str], ...]

    @property
    def is_notice(self) -> bool:
        """Whether it only speaks about vulnerabilities of other names."""
        return any(kind is LinkKind.ABOUT for kind, _ in self.links)


def links(name: str, aliases: Iterable[str], upstream: Iterable[str]) -> tuple[tuple[LinkKind, str], ...]:
    """What a record's `aliases` and `upstream` mean for its class, sorted."""
    upstream = tuple(upstream)
    same = {*aliases, *(each for each in upstream if name.endswith(f"-{each}"))}
    if same:
        return tuple((LinkKind.SAME, each) for each in sorted(same))
    return tuple((LinkKind.ABOUT, each) for each in sorted(set(upstream)))


def members(nodes: Iterable[Node], names: Iterable[str]) -> frozenset[tuple[str, int]]:
    """The (class name, advisory key) pairs of the classes in which `names` lie.

    `nodes` must hold every advisory in those classes, and every notice about one of them; it may hold more.
    """
    nodes = tuple(nodes)
    class_of = _components(nodes)
    wanted = {class_of.get(name, name) for name in names}
    in_class: dict[str, set[str]] = {}
    for name, root in class_of.items():
        if root in wanted:
            in_class.setdefault(root, set()).add(name)
    oldest = _oldest(nodes, class_of)
    title = {root: _title(ids, oldest.get(root)) for root, ids in in_class.items()}
    pairs = set()
    for node in nodes:
        subjects = [name for _, name in node.links] if node.is_notice else [node.name]
        pairs |= {(title[class_of[each]], node.key) for each in subjects if class_of[each] in title}
    return frozenset(pairs)


def _components(nodes: tuple[Node, ...]) -> Mapping[str, str]:
    """Each id, of a record or merely named, with the representative of its connected component."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for node in nodes:
        root(node.name)
        for kind, name in node.links:
            if kind is LinkKind.SAME:
                parent[root(name)] = root(node.name)
            else:
                root(name)
    return {name: root(name) for name in tuple(parent)}


def _oldest(nodes: tuple[Node, ...], class_of: Mapping[str, str]) -> Mapping[str, str]:
    """By component, the id of the record that was published first (of several at once, the lowest)."""
    oldest: dict[str, str] = {}
    for node in sorted(nodes, key=lambda node: (_NO_DATE if node.published is None else node.published, node.name)):
        oldest.setdefault(class_of[node.name], node.name)
    return oldest


def _title(ids: set[str], oldest: str | None) -> str:
    numbered = [(int(found[1]), int(found[2]), name) for name in ids if (found := _CVE.fullmatch(name))]
    if numbered:
        return min(numbered)[2]
    return oldest if oldest is not None else min(ids)
