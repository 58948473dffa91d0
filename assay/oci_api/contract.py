"""What an operation takes of a request and what it gives: declared once, beside the operation.

The door reads requests by it and hands on nothing else, and the OpenAPI document is written from it: so a member that
has an effect is in the document, and a member that isn't there has none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Annotated, Any, Literal, TypedDict, get_origin

import msgspec

from assay.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class Need:
    """A member that must be there. `kind` as of `Members`."""

    kind: Any


#: Members by name: the type of each, as msgspec converts and describes it, or a `Need` of it.
Members = Mapping[str, Any]

_NO_MEMBERS: Members = {}


class Gives(Enum):
    """What the answer holds when the operation is done."""

    NOTHING = auto()
    ONE = auto()
    LIST = auto()
    ITEMS = auto()
    WORD = auto()
    TEXT = auto()
    #: Always 501: the operation is known by its name alone.
    REFUSAL = auto()


@dataclass(frozen=True, slots=True)
class Contract:
    """`query` and `body` are what is read; `status` is that of success, where it isn't 200 or, for nothing, 204.

    `refuses` are reasons for a refusal that are this operation's own, beside those that any has.
    """

    gives: Gives
    query: Members = field(default_factory=dict)
    body: Members = field(default_factory=dict)
    status: int = 200
    refuses: tuple[Reason, ...] = ()

    @property
    def success(self) -> int:
        """The status of success."""
        if self.gives is Gives.REFUSAL:
            return 501
        return 204 if self.gives is Gives.NOTHING and self.status == 200 else self.status

    def require(self, query: Sequence[tuple[str, str]], body: Mapping[str, Any]) -> None:
        """Every member that must be there is, and none of the query more than once but those that are lists.

        Errors: Refused (MISSING_PARAMETER, or MALFORMED for a member that comes again), naming the first.
        """
        for name, times in Counter(name for name, _value in query).items():
            if times > 1 and get_origin(kind_of(self.query[name])) is not list:
                raise Refused(f"{name} is given {times} times.", advice=f"Give {name} once.")
        for members, given, empty in ((self.query, dict(query), (None, "")), (self.body, body, (None,))):
            for name, declared in members.items():
                if isinstance(declared, Need) and given.get(name) in empty:
                    raise missing(name)


def missing(name: str) -> Refused:
    """The refusal of a request without a member that must be there."""
    return Refused(f"{name} is missing.", advice=f"Give {name}.", reason=Reason.MISSING_PARAMETER)


class Tags(TypedDict, total=False):
    """The tags of a resource."""

    freeformTags: dict[str, str]
    definedTags: dict[str, dict[str, Any]]


def one_of(words: Iterable[str]) -> Any:
    """One of a few words, in a query where the door also takes it in another case."""
    return Annotated[str, msgspec.Meta(extra_json_schema={"enum": [str(word) for word in words]})]


def several(words: Iterable[str]) -> Any:
    """Some of a few words: the member may come more than once."""
    return list[one_of(words)]  # type: ignore[misc]


def kind_of(declared: Any) -> Any:
    """The type of a member, whether or not it must be there."""
    return declared.kind if isinstance(declared, Need) else declared


TAGS: Members = Tags.__annotations__
PAGED: Members = {"limit": Annotated[int, msgspec.Meta(ge=1)], "page": str}
SORT_ORDER: Members = {"sortOrder": Literal["ASC", "DESC"]}
IN_COMPARTMENT: Members = {"compartmentId": Need(str)}
SUBTREE: Members = {"compartmentId": Need(str), "compartmentIdInSubtree": bool}
