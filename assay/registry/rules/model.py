"""The values of retention and quotas: frozen, and refusing what makes no sense."""

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from assay.clock import DAY, Instant
from assay.errors import Refused
from assay.oci import Digest

RULES_MAX = 20
PATTERNS_MAX = 20
COUNT_MAX = 100_000
DAYS_MAX = 3650
NAME_LENGTH_MAX = 255
#: The largest limits that a quota may set: what the columns that keep them hold (BIGINT, with room, and INTEGER).
BYTES_LIMIT_MAX = 2**62 - 1
REPOSITORIES_LIMIT_MAX = 2**31 - 1

_TAG_PATTERN = re.compile(r"[A-Za-z0-9_.*-]{1,128}")
_REPOSITORY_PATTERN = re.compile(r"[a-z0-9._/*-]{1,255}")


class RuleKind(StrEnum):
    """What a rule does. A keeping rule holds what it names against every other rule, and lets go what it speaks of
    beside that; a removing rule holds nothing."""

    #: Keep the `count` images that were pushed last, of those that it speaks of.
    KEEP_LAST = "KEEP_LAST"
    #: Keep images with one of these tags: for `days` since their last push, or for good.
    KEEP_TAGS = "KEEP_TAGS"
    #: Remove images that have had no tag for `days`.
    REMOVE_UNTAGGED = "REMOVE_UNTAGGED"
    #: Remove images whose last pull, or last push where there was none since, is `days` ago.
    REMOVE_NOT_PULLED = "REMOVE_NOT_PULLED"
    #: Remove images whose last push is `days` ago.
    REMOVE_OLD = "REMOVE_OLD"


_NEEDS_DAYS = {RuleKind.REMOVE_UNTAGGED, RuleKind.REMOVE_NOT_PULLED, RuleKind.REMOVE_OLD}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `tags` are patterns in which `*` stands for any text; without any it speaks of every image."""

    kind: RuleKind
    count: int | None = None
    days: int | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kind = self.kind
        if (self.count is not None) != (kind is RuleKind.KEEP_LAST):
            raise Refused(f"A rule {kind} has {'no' if self.count is None else 'a'} count.", advice=_SHAPES[kind])
        if self.count is not None and not 1 <= self.count <= COUNT_MAX:
            raise Refused(f"The count {self.count} is out of range.", advice=f"Give 1 to {COUNT_MAX}.")
        if self.days is None and kind in _NEEDS_DAYS:
            raise Refused(f"A rule {kind} has no days.", advice=_SHAPES[kind])
        # What has just been pushed never goes by its age.
        days_min = 0 if kind is RuleKind.REMOVE_UNTAGGED else 1
        if self.days is not None and (kind is RuleKind.KEEP_LAST or not days_min <= self.days <= DAYS_MAX):
            raise Refused(f"A rule {kind} of {self.days} days makes no sense.", advice=_SHAPES[kind])
        if (self.tags and kind is RuleKind.REMOVE_UNTAGGED) or (not self.tags and kind is RuleKind.KEEP_TAGS):
            raise Refused(f"A rule {kind} has {'tags' if self.tags else 'no tags'}.", advice=_SHAPES[kind])
        if len(self.tags) > PATTERNS_MAX:
            raise Refused(f"A rule has more than {PATTERNS_MAX} tag patterns.")
        for pattern in self.tags:
            if not _TAG_PATTERN.fullmatch(pattern):
                raise Refused(f"{pattern[:128]!r} is no pattern of tags.", advice="Write a tag; * stands for any text.")

    def fits(self, tag: str) -> bool:
        """Whether it speaks of a tag."""
        return any(fnmatchcase(tag, pattern) for pattern in self.tags)


_SHAPES = {
    RuleKind.KEEP_LAST: "KEEP_LAST takes count, and tags if it is to speak of some only.",
    RuleKind.KEEP_TAGS: f"KEEP_TAGS takes tags, and days (1 to {DAYS_MAX}) unless it keeps for good.",
    RuleKind.REMOVE_UNTAGGED: f"REMOVE_UNTAGGED takes days (0 to {DAYS_MAX}) alone.",
    RuleKind.REMOVE_NOT_PULLED: f"REMOVE_NOT_PULLED takes days (1 to {DAYS_MAX}), and tags to speak of some only.",
    RuleKind.REMOVE_OLD: f"REMOVE_OLD takes days (1 to {DAYS_MAX}), and tags to speak of some only.",
}


@dataclass(frozen=True, slots=True)
class PolicyDetails:
    """What a retention policy says. `repositories` is a pattern of names in which `*` stands for any text."""

    display_name: str
    rules: tuple[Rule, ...]
    repositories: str = "*"
    is_enabled: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.display_name) <= NAME_LENGTH_MAX:
            raise Refused(f"The name has {len(self.display_name)} characters.", advice=f"Give 1 to {NAME_LENGTH_MAX}.")
        if not 0 < len(self.rules) <= RULES_MAX:
            raise Refused(f"The policy has {len(self.rules)} rules.", advice=f"Give 1 to {RULES_MAX}.")
        if not _REPOSITORY_PATTERN.fullmatch(self.repositories):
            raise Refused(
                f"{self.repositories[:255]!r} is no pattern of repository names.",
                advice="Write a name; * stands for any text.",
            )


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """A retention policy: it reaches the repositories of its compartment, and of those below, whose names fit."""

    ocid: str
    tenancy: str
    compartment: str
    details: PolicyDetails
    time_created: Instant
    time_updated: Instant
    etag: str

    def reaches(self, name: str, path: tuple[str, ...]) -> bool:
        """Whether it reaches a repository of that name. `path`: its compartment and all above it."""
        return self.compartment in path and fnmatchcase(name, self.details.repositories)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image as the rules see it, standing for its whole unit. `untagged`: when it lost its last tag, if it did."""

    image: str
    digest: Digest
    tags: tuple[str, ...]
    pushed: Instant
    pulled: Instant | None = None
    untagged: Instant | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """Why an image goes: a policy's rule, in words."""

    policy: str
    rule: RuleKind
    says: str


@dataclass(frozen=True, slots=True)
class Going:
    """An image that goes, and every ground on which it does."""

    image: Candidate
    grounds: tuple[Ground, ...]


class Extent(StrEnum):
    """Where a quota holds."""

    TENANCY = "TENANCY"
    COMPARTMENT = "COMPARTMENT"
    REPOSITORY = "REPOSITORY"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may lie in a place; None for as much as there is room."""

    bytes_max: int | None = None
    repositories_max: int | None = None

    def __post_init__(self) -> None:
        for limit, most, what in (
            (self.bytes_max, BYTES_LIMIT_MAX, "bytes"),
            (self.repositories_max, REPOSITORIES_LIMIT_MAX, "repositories"),
        ):
            if limit is not None and not 0 <= limit <= most:
                raise Refused(f"A quota of {limit} {what} makes no sense.", advice=f"Give 0 to {most}.")


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of a place (the OCID of the tenancy, a compartment or a repository), and what they are held against.

    `bytes_used` are the bytes of the blobs that repositories hold, each counted in each repository that holds it, those
    of deleted images included until they are purged.
    """

    place: str
    extent: Extent
    limits: Limits
    bytes_used: int
    repositories_used: int
    etag: str = ""


def days_since(at: Instant, now: Instant) -> int:
    """Whole days."""
    return (now - at) // DAY
