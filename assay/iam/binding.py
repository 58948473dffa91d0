"""From names to OCIDs: a statement is bound when its policy is written, so that a later rename changes nothing. Pure.

Bound, `group Auditors` is `group id ocid1.group…`: whoever deletes that group and makes another of the same name has
not brought the statement's power with it. A name that isn't there is refused like any typo, with where it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from assay.iam.syntax import Location, Named, Statement, Subject, SubjectKind
from assay.iam.words import Fault, nearest, words

#: Groups live in one identity domain.
DOMAIN = "default"


@dataclass(frozen=True, slots=True)
class Node:
    """A compartment in the tree; the root is its own parent."""

    ocid: str
    parent: str
    name: str


@dataclass(frozen=True)
class Directory:
    """What a tenancy's statements can name: groups by name, and all active compartments, the root among them."""

    groups: Mapping[str, str]
    compartments: tuple[Node, ...]
    dynamic_groups: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """Compartments by OCID."""
        return {node.ocid: node for node in self.compartments}

    def of_kind(self, kind: SubjectKind) -> Mapping[str, str]:
        """Name → OCID of the groups, or of the dynamic groups."""
        return self.dynamic_groups if kind is SubjectKind.DYNAMIC_GROUP else self.groups

    @cached_property
    def _ids(self) -> Mapping[tuple[SubjectKind, str], str]:
        kinds = (SubjectKind.GROUP, SubjectKind.DYNAMIC_GROUP)
        return {(kind, name.lower()): ocid for kind in kinds for name, ocid in self.of_kind(kind).items()}

    def group(self, kind: SubjectKind, name: str) -> str:
        """The OCID of a group or dynamic group by name, letters of either case alike; empty when there is none."""
        return self._ids.get((kind, name.lower()), "")

    def child(self, parent: str, name: str) -> str:
        """The OCID of a compartment in `parent` by name; empty when there is none."""
        wanted = name.lower()
        return next(
            (
                node.ocid
                for node in self.compartments
                if node.parent == parent and node.ocid != parent and node.name.lower() == wanted
            ),
            "",
        )

    def lies_in(self, ocid: str, ancestor: str) -> bool:
        """Whether a compartment is `ancestor` or lies below it."""
        node = self.nodes.get(ocid)
        while node is not None:
            if node.ocid == ancestor:
                return True
            node = None if node.parent == node.ocid else self.nodes.get(node.parent)
        return False


def bind(statement: Statement, text: str, attached: str, directory: Directory) -> Statement | Fault:
    """`statement` with OCIDs for names, as it means them in a policy attached to `attached`; or the fault in it.

    `text` is the statement as written, for the position of the fault.
    """
    subject = _subject(statement.subject, text, directory)
    if isinstance(subject, Fault):
        return subject
    location = _location(statement.location, text, attached, directory)
    if isinstance(location, Fault):
        return location
    return replace(statement, subject=subject, location=location)


def _subject(subject: Subject, text: str, directory: Directory) -> Subject | Fault:
    if subject.kind not in (SubjectKind.GROUP, SubjectKind.DYNAMIC_GROUP):
        return subject
    groups, what = directory.of_kind(subject.kind), subject.kind.value.replace("-", " ")
    bound = []
    for named in subject.names:
        if named.domain and named.domain.lower() != DOMAIN:
            problem = f"'{named.domain}' is not an identity domain"
            return _fault(text, named.domain, problem, "the domain 'Default', or no domain", "Default")
        ocid = named.ocid if named.ocid in groups.values() else directory.group(subject.kind, named.name)
        if not ocid:
            word = named.ocid or named.name
            return _fault(text, word, f"there is no {what} '{word}'", f"a {what}", nearest(word, groups))
        bound.append(Named(ocid=ocid))
    return Subject(subject.kind, tuple(bound))


def _location(location: Location, text: str, attached: str, directory: Directory) -> Location | Fault:
    if location.ocid:
        if directory.lies_in(location.ocid, attached):
            return location
        problem = f"there is no compartment '{location.ocid}' in or below the one that the policy is attached to"
        return _fault(text, location.ocid, problem, "the OCID of that compartment or one below it")
    if not location.path:
        root = directory.nodes[attached].parent == attached
        return (
            location
            if root
            else _fault(text, "tenancy", "only a policy attached to the tenancy reaches all of it", "a compartment")
        )
    return _walk(location.path, text, attached, directory)


def _walk(path: tuple[str, ...], text: str, attached: str, directory: Directory) -> Location | Fault:
    """A path begins below the compartment that the policy is attached to, or with that compartment's own name."""
    own = directory.nodes[attached]
    names = path[1:] if not directory.child(attached, path[0]) and path[0].lower() == own.name.lower() else path
    at = attached
    for name in names:
        found = directory.child(at, name)
        if not found:
            here = [node.name for node in directory.compartments if node.parent == at and node.ocid != at]
            problem = f"there is no compartment '{name}' in '{directory.nodes[at].name}'"
            return _fault(text, ":".join(path), problem, "a compartment there", nearest(name, here))
        at = found
    return Location(ocid=at)


def _fault(text: str, word: str, problem: str, expected: str, hint: str = "") -> Fault:
    position = next((found.position for found in words(text) if found.text.lower() == word.lower()), 1)
    return Fault(position, word, f"{problem}.", expected, hint)
