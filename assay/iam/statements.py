"""The parser of OCI's policy language (oci-api 4.5): text to a frozen tree, or the word at which it goes wrong.

    allow <subject> to <verb | {PERMISSION, …}> [<resource-type>] in <location> [where <condition>]

`check` gives the statement or the fault; `parse` gives the statement or raises Refused. Names of groups and
compartments are not looked up here: `binding` does that, with the tenancy at hand.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

from assay.clock import Instant, Ocid, instant
from assay.errors import Refused
from assay.iam.resource_types import FAMILIES, RESOURCE_TYPES, TYPE_OF_PERMISSION, Verb
from assay.iam.syntax import (
    Combination,
    Comparison,
    Condition,
    Grant,
    Location,
    Named,
    Operator,
    Statement,
    Subject,
    SubjectKind,
    Value,
    ValueKind,
)
from assay.iam.variables import UTC_TIMESTAMP, VARIABLES, canonical_variable
from assay.iam.words import Fault, Kind, Stop, Word, nearest, words

CONDITION_DEPTH_MAX = 8
NAMES_MAX = 50

#: Services that a statement can let in. `cloudguard` is a name of OCI's that never calls here.
SERVICES = ("vulnerability-scanning-service", "faas", "cloudguard")

_CROSS_TENANCY = ("define", "endorse", "admit")
_TYPES = (*RESOURCE_TYPES, *FAMILIES)

T = TypeVar("T")


@lru_cache(maxsize=4096)
def check(text: str) -> Statement | Fault:
    """The statement that `text` is, or what is wrong with it."""
    try:
        return _Reader(words(text)).statement()
    except Stop as stop:
        return stop.fault


def parse(text: str) -> Statement:
    """The statement that `text` is. Errors: Refused, pointing at the word."""
    found = check(text)
    if isinstance(found, Fault):
        raise refused(text, found)
    return found


def refused(text: str, fault: Fault, number: int | str = 1) -> Refused:
    """The refusal of a statement for a fault in it; `number` says which of several it is."""
    shown = " ".join(text.split())
    cut = f"{shown[:200]}…" if len(shown) > 200 else f"{shown}."
    return Refused(
        f"Statement {number}, character {fault.position}: {fault.problem} It says: {cut}", advice=fault.advice
    )


def timestamp(text: str) -> Instant | None:
    """The instant that an ISO 8601 text names (UTC where it names no zone); None when it names none."""
    try:
        moment = datetime.fromisoformat(text)
        return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


class _Reader:
    """Recursive descent over the words of one statement."""

    def __init__(self, stream: tuple[Word, ...]) -> None:
        self._words = stream
        self._at = 0

    def statement(self) -> Statement:
        """The whole statement."""
        self._opening()
        subject = self._subject()
        self._keyword("to")
        grant = self._grant()
        self._keyword("in")
        location = self._location()
        condition = None
        if self._peek().kind is not Kind.END:
            self._keyword("where")
            condition = self._condition(1)
        if self._peek().kind is not Kind.END:
            raise self._stop("something follows the statement", "one statement a line")
        return Statement(subject, grant, location, condition)

    def _opening(self) -> None:
        word = self._peek()
        if word.text.lower() in _CROSS_TENANCY:
            raise self._stop(
                f"'{word.text}' speaks of several tenancies, and no statement may reach beyond its own here",
                "a statement that begins with 'allow'",
            )
        self._keyword("allow", ("allow", *_CROSS_TENANCY))

    def _subject(self) -> Subject:
        kind = SubjectKind(self._one_of(tuple(SubjectKind), "a subject"))
        if kind is SubjectKind.ANY_USER:
            return Subject(kind)
        names = self._several(self._service if kind is SubjectKind.SERVICE else self._group, NAMES_MAX)
        return Subject(kind, names)

    def _service(self) -> Named:
        return Named(self._one_of(SERVICES, "a service"))

    def _group(self) -> Named:
        if self._at_keyword("id"):
            self._take()
            return Named(ocid=self._ocid(("group", "dynamicgroup")))
        name = self._name("the name of a group")
        if not self._at_symbol("/"):
            return Named(name)
        self._take()
        return Named(self._name("the name of a group in that domain"), domain=name)

    def _grant(self) -> Grant:
        if self._at_symbol("{"):
            self._take()
            permissions = self._several(
                lambda: self._one_of(TYPE_OF_PERMISSION, "a permission"), len(TYPE_OF_PERMISSION)
            )
            self._symbol("}")
            resource_type = "" if self._at_keyword("in") else self._one_of(_TYPES, "a resource type")
            return Grant(None, tuple(dict.fromkeys(permissions)), resource_type)
        verb = Verb(self._one_of(tuple(Verb), "a verb", also="permissions in braces"))
        return Grant(verb, resource_type=self._one_of(_TYPES, "a resource type"))

    def _location(self) -> Location:
        if self._one_of(("tenancy", "compartment"), "a location") == "tenancy":
            return Location()
        if self._at_keyword("id"):
            self._take()
            return Location(ocid=self._ocid(("compartment", "tenancy")))
        at = self._at
        path = tuple(self._name("the name of a compartment, or a path A:B:C", colons=True).split(":"))
        if not all(path):
            self._at = at
            raise self._stop("the path has an empty part", "names separated by single colons, such as A:B:C")
        return Location(path)

    def _condition(self, depth: int) -> Condition:
        if depth > CONDITION_DEPTH_MAX:
            raise self._stop("the conditions are nested too deep", f"at most {CONDITION_DEPTH_MAX} levels")
        if not (self._at_keyword("any") or self._at_keyword("all")):
            return self._comparison()
        every = self._take().text.lower() == "all"
        self._symbol("{")
        conditions = self._several(lambda: self._condition(depth + 1), NAMES_MAX)
        self._symbol("}")
        return Combination(every, conditions)

    def _comparison(self) -> Comparison:
        variable = self._variable()
        is_time = variable == UTC_TIMESTAMP
        operators = (Operator.BEFORE, Operator.AFTER) if is_time else (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN)
        operator = Operator(self._one_of(operators, f"an operator for {variable}"))
        if is_time:
            return Comparison(variable, operator, (self._time(),))
        if operator is not Operator.IN:
            return Comparison(variable, operator, (self._value(),))
        self._symbol("(")
        values = self._several(self._value, NAMES_MAX)
        self._symbol(")")
        return Comparison(variable, operator, values)

    def _variable(self) -> str:
        word = self._peek()
        name = canonical_variable(word.text) if word.kind is Kind.WORD else ""
        if not name:
            hint = nearest(word.text, VARIABLES)
            raise self._stop(f"{word} is not a variable", "a variable such as target.repo.name, any or all", hint)
        self._take()
        return name

    def _value(self) -> Value:
        word = self._peek()
        if word.kind is Kind.QUOTED:
            return Value(ValueKind.TEXT, self._take().text)
        if word.kind is Kind.PATTERN:
            return Value(ValueKind.PATTERN, self._take().text)
        if word.kind is Kind.WORD and word.text.startswith("ocid1."):
            return Value(ValueKind.TEXT, self._ocid(()))
        if word.kind is Kind.WORD and (variable := canonical_variable(word.text)):
            self._take()
            return Value(ValueKind.VARIABLE, variable)
        raise self._stop(f"{word} is not a value", "a value in 'single quotes', a /pattern*/, an OCID or a variable")

    def _time(self) -> Value:
        word = self._peek()
        if word.kind is not Kind.QUOTED or timestamp(word.text) is None:
            raise self._stop(f"{word} is not a point in time", "a time such as '2026-01-31T12:00:00Z'")
        return Value(ValueKind.TEXT, self._take().text)

    # The words themselves.

    def _peek(self) -> Word:
        return self._words[self._at]

    def _take(self) -> Word:
        word = self._words[self._at]
        self._at += word.kind is not Kind.END
        return word

    def _at_keyword(self, keyword: str) -> bool:
        word = self._peek()
        return word.kind is Kind.WORD and word.text.lower() == keyword

    def _at_symbol(self, symbol: str) -> bool:
        word = self._peek()
        return word.kind is Kind.SYMBOL and word.text == symbol

    def _keyword(self, keyword: str, known: Iterable[str] = ()) -> None:
        if not self._at_keyword(keyword):
            word = self._peek()
            raise self._stop(
                f"{word} stands where '{keyword}' should", f"'{keyword}'", nearest(word.text, known or (keyword,))
            )
        self._take()

    def _symbol(self, symbol: str) -> None:
        if not self._at_symbol(symbol):
            word = self._peek()
            raise self._stop(f"{word} stands where '{symbol}' should", f"'{symbol}'")
        self._take()

    def _one_of(self, known: Iterable[str], what: str, *, also: str = "") -> str:
        """The known word that stands here, in its own spelling."""
        word = self._peek()
        names = {name.lower(): name for name in known}
        found = names.get(word.text.lower()) if word.kind in (Kind.WORD, Kind.SYMBOL) else None
        if found is None:
            listed = ", ".join(list(names.values())[:8]) + (", …" if len(names) > 8 else "")
            expected = f"{what} ({listed})" + (f", or {also}" if also else "")
            raise self._stop(f"{word} is not {what}", expected, nearest(word.text, names.values()))
        self._take()
        return str(found)

    def _name(self, what: str, *, colons: bool = False) -> str:
        word = self._peek()
        bare = word.kind is Kind.WORD and (colons or ":" not in word.text)
        if not word.text or not (bare or word.kind is Kind.QUOTED):
            raise self._stop(f"{word} stands where {what} should", what)
        return self._take().text

    def _ocid(self, kinds: tuple[str, ...]) -> str:
        word = self._peek()
        try:
            found = Ocid(word.text)
        except Refused:
            raise self._stop(f"{word} is not an OCID", "a whole OCID, from 'ocid1.' on") from None
        if kinds and found.kind not in kinds:
            raise self._stop(f"{word} is the OCID of a {found.kind}", f"the OCID of a {kinds[0]}")
        return self._take().text

    def _several(self, one: Callable[[], T], most: int) -> tuple[T, ...]:
        found = [one()]
        while self._at_symbol(","):
            if len(found) == most:
                raise self._stop("the list is too long", f"at most {most}")
            self._take()
            found.append(one())
        return tuple(found)

    def _stop(self, problem: str, expected: str, hint: str = "") -> Stop:
        word = self._peek()
        return Stop(Fault(word.position, word.text, f"{problem}.", expected, hint))
