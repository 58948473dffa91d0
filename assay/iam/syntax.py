"""A statement of the policy language as a frozen tree that prints itself canonically (oci-api 4.5).

Canonical: lower-case keywords, one space between words, quotes only where a bare word would not be read back as it is.
`str(parse(str(statement))) == str(statement)` for every statement.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from assay.iam.resource_types import Verb

_STRUCTURE = ("allow", "admit", "endorse", "define", "to", "in", "where", "any", "all", "before", "after", "id")
KEYWORDS = frozenset((*_STRUCTURE, "group", "dynamic-group", "service", "any-user", "tenancy", "compartment", *Verb))
BARE_WORD = re.compile(r"[A-Za-z0-9_.:@+-]+")


def quoted(name: str) -> str:
    """`name` as it stands in a statement: bare where that reads back, else in single quotes."""
    bare = BARE_WORD.fullmatch(name) and ":" not in name and name.lower() not in KEYWORDS
    return name if bare else f"'{name}'"


class SubjectKind(StrEnum):
    """Whom a statement speaks of."""

    GROUP = "group"
    DYNAMIC_GROUP = "dynamic-group"
    SERVICE = "service"
    ANY_USER = "any-user"


@dataclass(frozen=True, slots=True)
class Named:
    """A group or service: by OCID, or by name, perhaps in an identity domain."""

    name: str = ""
    domain: str = ""
    ocid: str = ""

    def __str__(self) -> str:
        if self.ocid:
            return f"id {self.ocid}"
        return f"{quoted(self.domain)}/{quoted(self.name)}" if self.domain else quoted(self.name)


@dataclass(frozen=True, slots=True)
class Subject:
    """Everyone whom the statement lets in; `names` is empty for any-user alone."""

    kind: SubjectKind
    names: tuple[Named, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(map(str, self.names))}".rstrip()


@dataclass(frozen=True, slots=True)
class Grant:
    """What is let: a verb on a resource type or family, or permissions by name (then a type may be missing)."""

    verb: Verb | None
    permissions: tuple[str, ...] = ()
    resource_type: str = ""

    def __str__(self) -> str:
        what = self.verb.value if self.verb else "{" + ", ".join(self.permissions) + "}"
        return f"{what} {self.resource_type}".rstrip()


@dataclass(frozen=True, slots=True)
class Location:
    """Where: a compartment by OCID or by path of names; the tenancy when both are empty."""

    path: tuple[str, ...] = ()
    ocid: str = ""

    def __str__(self) -> str:
        if self.ocid:
            return f"compartment id {self.ocid}"
        if not self.path:
            return "tenancy"
        path = ":".join(self.path)
        return f"compartment {path if all(quoted(part) == part for part in self.path) else quoted(path)}"


class Operator(StrEnum):
    """How a variable is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    IN = "in"
    BEFORE = "before"
    AFTER = "after"


class ValueKind(StrEnum):
    """What stands to the right of an operator."""

    TEXT = "text"
    PATTERN = "pattern"
    VARIABLE = "variable"


@dataclass(frozen=True, slots=True)
class Value:
    """A text, a pattern with `*`, or another variable of the request."""

    kind: ValueKind
    text: str

    def __str__(self) -> str:
        if self.kind is ValueKind.TEXT:
            return f"'{self.text}'"
        return f"/{self.text}/" if self.kind is ValueKind.PATTERN else self.text


def matches(pattern: str, text: str) -> bool:
    """Whether `text` fits `pattern`, in which `*` stands for any characters, also none. Linear in its parts."""
    first, *parts = pattern.lower().split("*")
    rest = text.lower()
    if not parts:
        return rest == first
    if not rest.startswith(first):
        return False
    rest = rest[len(first) :]
    *middle, last = parts
    for part in middle:
        at = rest.find(part)
        if at < 0:
            return False
        rest = rest[at + len(part) :]
    return len(rest) >= len(last) and rest.endswith(last)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`variable operator value`; several values only after `in`."""

    variable: str
    operator: Operator
    values: tuple[Value, ...]

    def __str__(self) -> str:
        values = ", ".join(map(str, self.values))
        return f"{self.variable} {self.operator} " + (f"({values})" if self.operator is Operator.IN else values)


@dataclass(frozen=True, slots=True)
class Combination:
    """`any {…}` or `all {…}`; never empty."""

    every: bool
    conditions: tuple["Condition", ...]

    def __str__(self) -> str:
        return f"{'all' if self.every else 'any'} {{{', '.join(map(str, self.conditions))}}}"


Condition = Comparison | Combination


@dataclass(frozen=True, slots=True)
class Statement:
    """`allow <subject> to <grant> in <location> [where <condition>]`."""

    subject: Subject
    grant: Grant
    location: Location
    condition: Condition | None = None

    def __str__(self) -> str:
        text = f"allow {self.subject} to {self.grant} in {self.location}"
        return f"{text} where {self.condition}" if self.condition else text
