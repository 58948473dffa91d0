"""The words of a statement, with where they stand: the lexer of the policy language (oci-api 4.5).

A `/` opens a pattern only where a value may stand (after an operator, `(` or `,`); elsewhere it separates an identity
domain from a name. A pattern ends at the first `/` that is followed by a separator or by nothing, so that it can hold a
repository name with `/` in it. `//` begins a comment that runs to the end of the line.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

STATEMENT_CHARACTERS_MAX = 8_192
WORDS_MAX = 2_000


class Kind(Enum):
    """What a word is."""

    WORD = auto()
    QUOTED = auto()
    PATTERN = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Word:
    """One word. `text` is without its quotes or slashes; `position` counts characters from 1."""

    kind: Kind
    text: str
    position: int

    def __str__(self) -> str:
        return "the end of the statement" if self.kind is Kind.END else f"'{self.text[:60]}'"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: the word at `position` (from 1), what was expected there, and the nearest known word."""

    position: int
    word: str
    problem: str
    expected: str
    nearest: str = ""

    def __str__(self) -> str:
        return f"At character {self.position}: {self.problem}"

    @property
    def advice(self) -> str:
        """What to write instead."""
        hint = f"Did you mean '{self.nearest}'? " if self.nearest else ""
        return f"{hint}Expected: {self.expected}."


class Stop(Exception):
    """Reading ends here; carries the fault. Never leaves the policy language's own modules."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or the empty string."""
    return next(iter(nearest_few(word, known, 1)), "")


def nearest_few(word: str, known: Iterable[str], most: int = 5) -> tuple[str, ...]:
    """The known words that `word` may have been meant to be, the nearest first."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word[:60].lower(), names, n=most, cutoff=0.6)
    return tuple(names[each] for each in found)


_SPACE = re.compile(r"(?:\s|//[^\n]*)*")
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z0-9_.:@+-]+)|'(?P<quoted>[^'\n]*)'|(?P<symbol>!=|[={}(),/])",
)
_PATTERN = re.compile(r"/((?:[^/\n]|/(?![\s,)}]|$))+)/")
_BEFORE_VALUE = frozenset({"=", "!=", "(", ","})


def words(text: str) -> tuple[Word, ...]:
    """All words of a statement, ended by one of kind END. Errors: Stop."""
    if len(text) > STATEMENT_CHARACTERS_MAX:
        problem = f"the statement has {len(text)} characters."
        raise Stop(Fault(STATEMENT_CHARACTERS_MAX, "", problem, f"at most {STATEMENT_CHARACTERS_MAX} characters"))
    found: list[Word] = []
    at = _skip(text, 0)
    while at < len(text):
        if len(found) == WORDS_MAX:
            raise Stop(Fault(at + 1, "", f"more than {WORDS_MAX} words.", "a shorter statement"))
        word, at = _next(text, at, pattern_may_stand=bool(found) and found[-1].text in _BEFORE_VALUE)
        found.append(word)
        at = _skip(text, at)
    return (*found, Word(Kind.END, "", len(text) + 1))


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _next(text: str, at: int, *, pattern_may_stand: bool) -> tuple[Word, int]:
    if pattern_may_stand and text[at] == "/" and (pattern := _PATTERN.match(text, at)):
        return Word(Kind.PATTERN, pattern.group(1), at + 1), pattern.end()
    match = _TOKEN.match(text, at)
    if match is None:
        problem = "a quotation mark is not closed." if text[at] == "'" else f"'{text[at]}' cannot stand here."
        raise Stop(Fault(at + 1, text[at], problem, "a word, a value in 'single quotes' or a /pattern*/"))
    kind = {"word": Kind.WORD, "quoted": Kind.QUOTED, "symbol": Kind.SYMBOL}[match.lastgroup or "symbol"]
    return Word(kind, match.group(match.lastgroup or 0), at + 1), match.end()
