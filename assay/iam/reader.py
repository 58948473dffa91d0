"""Reading the words of the policy language one after another, and its conditions (oci-api 4.5): recursive descent.

Statements and matching rules share this; they differ in the variables that their conditions may name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from assay.clock import Instant, Ocid, instant
from assay.errors import Refused
from assay.iam.syntax import Combination, Comparison, Condition, Operator, Value, ValueKind, matches
from assay.iam.variables import UTC_TIMESTAMP
from assay.iam.words import Fault, Kind, Stop, Word, nearest, nearest_few, words

CONDITION_DEPTH_MAX = 8
NAMES_MAX = 50
VALUES_TOLD_MAX = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The variables of a condition: `canonical` gives a word's own spelling or nothing, `names` those to suggest.

    `alone` says whether a variable may stand alone, which asks whether it has any value. `values` are all that some
    variables ever have, where another is refused: it would never be equal, and under `!=` always other.
    """

    canonical: Callable[[str], str]
    names: tuple[str, ...]
    example: str
    alone: bool = False
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def timestamp(text: str) -> Instant | None:
    """The instant that an ISO 8601 text names (UTC where it names no zone); None when it names none."""
    try:
        moment = datetime.fromisoformat(text)
        return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


class Reader:
    """The words of one text, taken from the left. Every method raises Stop at the word that does not fit."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._words = words(text)
        self._at = 0
        self._vocabulary = vocabulary

    def condition(self, depth: int) -> Condition:
        """A condition; `depth` is 1 for the outermost."""
        if depth > CONDITION_DEPTH_MAX:
            raise self.stop("the conditions are nested too deep", f"at most {CONDITION_DEPTH_MAX} levels")
        if not (self.at_keyword("any") or self.at_keyword("all")):
            return self._comparison()
        every = self.take().text.lower() == "all"
        self.symbol("{")
        conditions = self.several(lambda: self.condition(depth + 1), NAMES_MAX)
        self.symbol("}")
        return Combination(every, conditions)

    def _comparison(self) -> Comparison:
        variable = self._variable()
        stands_alone = self.peek().kind is Kind.END or self.at_symbol(",") or self.at_symbol("}")
        if self._vocabulary.alone and stands_alone:
            return Comparison(variable, Operator.EQUAL, (Value(ValueKind.PATTERN, "*"),))
        is_time = variable == UTC_TIMESTAMP
        operators = (Operator.BEFORE, Operator.AFTER) if is_time else (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN)
        operator = Operator(self.one_of(operators, f"an operator for {variable}"))
        if is_time:
            return Comparison(variable, operator, (self._time(),))
        if operator is not Operator.IN:
            return Comparison(variable, operator, (self._value(variable),))
        self.symbol("(")
        values = self.several(lambda: self._value(variable), NAMES_MAX)
        self.symbol(")")
        return Comparison(variable, operator, values)

    def _variable(self) -> str:
        word = self.peek()
        name = self._vocabulary.canonical(word.text) if word.kind is Kind.WORD else ""
        if not name:
            hint = nearest(word.text, self._vocabulary.names)
            example = self._vocabulary.example
            raise self.stop(f"{word} is not a variable", f"a variable such as {example}, any or all", hint)
        self.take()
        return name

    def _value(self, variable: str) -> Value:
        word = self.peek()
        known = self._vocabulary.values.get(variable)
        if known is not None and word.kind in (Kind.QUOTED, Kind.PATTERN):
            self._require_known(word, variable, known)
        if word.kind is Kind.QUOTED:
            return Value(ValueKind.TEXT, self.take().text)
        if word.kind is Kind.PATTERN:
            return Value(ValueKind.PATTERN, self.take().text)
        if word.kind is Kind.WORD and word.text.startswith("ocid1."):
            return Value(ValueKind.TEXT, self.ocid(()))
        if word.kind is Kind.WORD and (other := self._vocabulary.canonical(word.text)):
            self.take()
            return Value(ValueKind.VARIABLE, other)
        raise self.stop(f"{word} is not a value", "a value in 'single quotes', a /pattern*/, an OCID or a variable")

    def _require_known(self, word: Word, variable: str, known: tuple[str, ...]) -> None:
        pattern = word.text if word.kind is Kind.PATTERN else ""
        if not any(matches(pattern, each) if pattern else each.lower() == word.text.lower() for each in known):
            close = nearest_few(word.text, known)
            told = ", ".join(known if len(known) <= VALUES_TOLD_MAX else close or known[:VALUES_TOLD_MAX])
            expected = f"one of {told}" if len(known) <= VALUES_TOLD_MAX else f"one of {len(known)}, such as {told}"
            raise self.stop(f"{word} is no value that {variable} ever has", expected, next(iter(close), ""))

    def _time(self) -> Value:
        word = self.peek()
        if word.kind is not Kind.QUOTED or timestamp(word.text) is None:
            raise self.stop(f"{word} is not a point in time", "a time such as '2026-01-31T12:00:00Z'")
        return Value(ValueKind.TEXT, self.take().text)

    # The words themselves.

    def peek(self) -> Word:
        """The word that stands here; the last one is of kind END."""
        return self._words[self._at]

    def take(self) -> Word:
        """The word that stands here, and go on behind it."""
        word = self._words[self._at]
        self._at += word.kind is not Kind.END
        return word

    def at_keyword(self, keyword: str) -> bool:
        """Whether this bare word stands here, in any case."""
        word = self.peek()
        return word.kind is Kind.WORD and word.text.lower() == keyword

    def at_symbol(self, symbol: str) -> bool:
        """Whether this sign stands here."""
        word = self.peek()
        return word.kind is Kind.SYMBOL and word.text == symbol

    def keyword(self, keyword: str, known: Iterable[str] = ()) -> None:
        """Take this word; `known` are those to suggest instead of another."""
        if not self.at_keyword(keyword):
            word = self.peek()
            raise self.stop(
                f"{word} stands where '{keyword}' should", f"'{keyword}'", nearest(word.text, known or (keyword,))
            )
        self.take()

    def symbol(self, symbol: str) -> None:
        """Take this sign."""
        if not self.at_symbol(symbol):
            word = self.peek()
            raise self.stop(f"{word} stands where '{symbol}' should", f"'{symbol}'")
        self.take()

    def one_of(self, known: Iterable[str], what: str, *, also: str = "") -> str:
        """The known word that stands here, in its own spelling."""
        word = self.peek()
        names = {name.lower(): name for name in known}
        found = names.get(word.text.lower()) if word.kind in (Kind.WORD, Kind.SYMBOL) else None
        if found is None:
            listed = ", ".join(list(names.values())[:8]) + (", …" if len(names) > 8 else "")
            expected = f"{what} ({listed})" + (f", or {also}" if also else "")
            raise self.stop(f"{word} is not {what}", expected, nearest(word.text, names.values()))
        self.take()
        return str(found)

    def name(self, what: str, *, colons: bool = False) -> str:
        """A name, bare or in quotes."""
        word = self.peek()
        bare = word.kind is Kind.WORD and (colons or ":" not in word.text)
        if not word.text or not (bare or word.kind is Kind.QUOTED):
            raise self.stop(f"{word} stands where {what} should", what)
        return self.take().text

    def ocid(self, kinds: tuple[str, ...]) -> str:
        """An OCID of one of these kinds; of any, when there are none."""
        word = self.peek()
        try:
            found = Ocid(word.text)
        except Refused:
            raise self.stop(f"{word} is not an OCID", "a whole OCID, from 'ocid1.' on") from None
        if kinds and found.kind not in kinds:
            raise self.stop(f"{word} is the OCID of a {found.kind}", f"the OCID of a {kinds[0]}")
        return self.take().text

    def path(self, what: str) -> tuple[str, ...]:
        """A path of names, separated by colons."""
        at = self._at
        found = tuple(self.name(what, colons=True).split(":"))
        if not all(found):
            self._at = at
            raise self.stop("the path has an empty part", "names separated by single colons, such as A:B:C")
        return found

    def end(self, what: str) -> None:
        """Nothing more: one `what` a line."""
        if self.peek().kind is not Kind.END:
            raise self.stop(f"something follows the {what}", f"one {what} a line")

    def several(self, one: Callable[[], T], most: int) -> tuple[T, ...]:
        """One or more, separated by commas."""
        found = [one()]
        while self.at_symbol(","):
            if len(found) == most:
                raise self.stop("the list is too long", f"at most {most}")
            self.take()
            found.append(one())
        return tuple(found)

    def stop(self, problem: str, expected: str, hint: str = "") -> Stop:
        """The end of reading, at the word that stands here."""
        word = self.peek()
        return Stop(Fault(word.position, word.text, f"{problem}.", expected, hint))
