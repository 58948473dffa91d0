"""Tenancies, compartments, users, groups, memberships and policies, as verbs give them back. They hold no secret.

Times are UTC microseconds. Limits and the shapes of names follow the Identity service (oci-api 2.6, 4.5).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.clock import Instant
from assay.errors import Reason, Refused

NAME_LENGTH_MAX = 100
DESCRIPTION_LENGTH_MAX = 400
EMAIL_LENGTH_MAX = 255
FREEFORM_TAGS_MAX = 10
DEFINED_TAGS_MAX = 64
TAG_KEY_LENGTH_MAX = 100
TAG_VALUE_LENGTH_MAX = 256

_NAME = re.compile(r"[A-Za-z0-9_.@+-]+")
_SPACED_NAME = re.compile(r"[A-Za-z0-9_.@+-]+(?: [A-Za-z0-9_.@+-]+)*")


class State(StrEnum):
    """The lifecycle of everything here."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    DELETED = "DELETED"


def require_name(text: str, what: str, *, spaces: bool = False) -> None:
    """Refused unless `text` can be a name: it must be able to stand in a statement. `what` such as "user"."""
    if len(text) > NAME_LENGTH_MAX or not (_SPACED_NAME if spaces else _NAME).fullmatch(text):
        raise Refused(
            f"{text[:NAME_LENGTH_MAX]!r} cannot be the name of a {what}.",
            advice=f"Use 1 to {NAME_LENGTH_MAX} letters, digits, '.', '_', '-', '+' or '@'"
            + (", and spaces between them." if spaces else "."),
        )


def require_description(text: str) -> None:
    """Refused if a description is too long."""
    if len(text) > DESCRIPTION_LENGTH_MAX:
        raise Refused("The description is too long.", advice=f"Use at most {DESCRIPTION_LENGTH_MAX} characters.")


def exists(what: str, name: str) -> Refused:
    """The refusal of a name that is taken."""
    return Refused(f"A {what} named {name!r} is there already.", advice="Use another name.", reason=Reason.EXISTS)


def deleted(what: str) -> Refused:
    """The refusal to change what is deleted."""
    return Refused(f"The {what} is deleted.", advice="Use one that is active.", reason=Reason.WRONG_STATE)


@dataclass(frozen=True, slots=True)
class Tags:
    """Free-form tags (key → text) and defined tags (namespace → key → value) that somebody gave a resource."""

    freeform: Mapping[str, str] = field(default_factory=dict)
    defined: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = [(key, value) for keys in self.defined.values() for key, value in keys.items()]
        if len(self.freeform) > FREEFORM_TAGS_MAX or len(pairs) > DEFINED_TAGS_MAX:
            raise Refused(
                "There are too many tags.",
                advice=f"Use at most {FREEFORM_TAGS_MAX} free-form and {DEFINED_TAGS_MAX} defined tags.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        for key, value in [*self.freeform.items(), *pairs, *((namespace, "") for namespace in self.defined)]:
            is_long = isinstance(value, str) and len(value) > TAG_VALUE_LENGTH_MAX
            if not 0 < len(key) <= TAG_KEY_LENGTH_MAX or not isinstance(value, str | int | bool) or is_long:
                raise Refused(
                    f"The tag {key[:TAG_KEY_LENGTH_MAX]!r} is not well-formed.",
                    advice=f"Use keys of 1 to {TAG_KEY_LENGTH_MAX} characters and values of at most "
                    f"{TAG_VALUE_LENGTH_MAX}.",
                )


class SortBy(StrEnum):
    """By what lists are sorted; the OCID breaks ties."""

    TIMECREATED = "TIMECREATED"
    NAME = "NAME"


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is asked for: order, page size (None: 50), the token of a later page; exact name and state, if any."""

    sort_by: SortBy = SortBy.NAME
    descending: bool = False
    limit: int | None = None
    page: str = ""
    name: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A tenancy. `namespace` stands before its repository names; `administrators` is the group that may do all."""

    ocid: str
    name: str
    description: str
    namespace: str
    home_region: str
    administrators: str
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class Compartment:
    """A compartment. `compartment` is its parent; the root is its own. `path` is OCIDs from the root to itself."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    path: tuple[str, ...]
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str

    @property
    def is_root(self) -> bool:
        """Whether it is the tenancy itself."""
        return self.ocid == self.tenancy


@dataclass(frozen=True, slots=True)
class User:
    """A person or machine that signs in. INACTIVE is blocked. `inactive_status` is OCI's reason code, if any."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    email: str
    lifecycle_state: State
    inactive_status: int | None
    must_change_password: bool
    time_created: Instant
    time_last_sign_in: Instant | None
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group of users; what statements speak of."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class DynamicGroup:
    """A group of clusters, applications and functions: all that its matching rule is true of."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    matching_rule: str
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """Addresses with a name, for `request.networkSource.name`. `networks` in CIDR notation."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    networks: tuple[str, ...]
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str


@dataclass(frozen=True, slots=True)
class Membership:
    """A user in a group, by OCIDs."""

    ocid: str
    tenancy: str
    compartment: str
    user: str
    group: str
    lifecycle_state: State
    time_created: Instant
    etag: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements attached to a compartment, as they were written. `is_built_in` can't be changed or deleted."""

    ocid: str
    tenancy: str
    compartment: str
    name: str
    description: str
    version_date: str
    statements: tuple[str, ...]
    is_built_in: bool
    lifecycle_state: State
    time_created: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str
