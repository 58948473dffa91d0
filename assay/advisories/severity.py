"""How bad: the five severities, from the words of publishers and from CVSS vectors.

The order is the order in which a problem's highest severity is taken. *Unrated* lies between Medium and Low: a problem
nobody has rated counts as Medium for the risk level (a setting), but must not hide a rating of Medium or above, and a
rating of Low must not hide that somebody has not rated yet.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol

from assay.advisories import cvss


class Severity(IntEnum):
    """Severity of a problem; the greater the worse."""

    LOW = 1
    UNRATED = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Rated(Protocol):
    """Whatever bears a rating, or none."""

    @property
    def severity(self) -> Severity | None:
        """The rating."""
        ...


def best_severity(rated: Iterable[Rated]) -> Severity:
    """The highest rating that any of these gives; UNRATED when none of them gives one.

    Brief, "risk level": a problem nobody has rated takes the best rating that any advisory of its vulnerability has.
    """
    return max((each.severity for each in rated if each.severity is not None), default=Severity.UNRATED)


#: Words of publishers, lower case. Sources: GitHub Advisory Database (moderate), Red Hat (important, moderate),
#: Ubuntu priorities (negligible), Debian urgencies (unimportant), Bitnami and retire.js (CVSS words).
#: "None", "negligible" and "unimportant" are Low: the least that a problem can be, for it is still a problem.
_WORDS = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
    "none": Severity.LOW,
}


def severity_of_word(word: str) -> Severity | None:
    """The severity that a publisher's word means; None for words that rate nothing (untriaged, not yet assigned)."""
    return _WORDS.get(word.strip().rstrip("*").lower())


def severity_of_score(score: float) -> Severity:
    """The severity of a base score, 0.0 to 10.0 (CVSS 3.1, section 5; 4.0, section 6); 0.0, "None", counts as Low."""
    if score >= 9.0:
        return Severity.CRITICAL
    if score >= 7.0:
        return Severity.HIGH
    if score >= 4.0:
        return Severity.MEDIUM
    return Severity.LOW


def rating(words: Iterable[str], scores: Iterable[tuple[str, str]]) -> Severity | None:
    """What a publisher says: its own word first, else the score of its newest CVSS vector; None when it says nothing.

    `words` are the places where publishers put a word, the nearest to the package first. `scores` are the (type, score)
    pairs of OSV's `severity`: `CVSS_V2`, `CVSS_V3`, `CVSS_V4` with a vector, any other type (`Ubuntu`) with a word. The
    word comes first as it weighs what the vector cannot: how the publisher builds and ships the package.
    """
    pairs = sorted(scores, reverse=True)
    own = (score for kind, score in pairs if not kind.startswith("CVSS_"))
    for word in (*words, *own):
        severity = severity_of_word(word)
        if severity is not None:
            return severity
    for kind, vector in pairs:
        score = cvss.base_score(vector) if kind.startswith("CVSS_") else None
        if score is not None:
            return severity_of_score(score)
    return None
