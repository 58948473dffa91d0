"""What one vulnerability says of components."""

from assay.advisories import Severity, Statement
from assay.advisories.affects import Event, EventKind
from assay.scanning.decide import Decision, Subject, decide

HIGH, MEDIUM, UNRATED = Severity.HIGH, Severity.MEDIUM, Severity.UNRATED


def said(
    advisory: str,
    package: str,
    intro: str = "0",
    fixed: str = "",
    severity: Severity | None = None,
    ecosystem: str = "PyPI",
) -> Statement:
    events = (Event(EventKind.INTRODUCED, intro), *((Event(EventKind.FIXED, fixed),) if fixed else ()))
    return Statement(advisory, 1, ecosystem, package, (events,), frozenset(), severity)


def test_a_component_in_the_range_is_affected_and_one_behind_its_end_is_not() -> None:
    found = decide(
        [said("PYSEC-1", "jinja2", "2.0", "3.1.6", HIGH)],
        {
            1: Subject("PyPI", "jinja2", "3.1.5"),
            2: Subject("PyPI", "jinja2", "3.1.6"),
            3: Subject("PyPI", "flask", "1"),
        },
    )
    assert found == {1: Decision(HIGH, "PYSEC-1", "3.1.6")}


def test_a_name_is_one_in_its_ecosystem_only() -> None:
    assert decide([said("GHSA-1", "requests", ecosystem="npm")], {1: Subject("PyPI", "requests", "1.0")}) == {}


def test_of_several_advisories_the_highest_rating_decides() -> None:
    statements = [said("GHSA-1", "a", fixed="2", severity=MEDIUM), said("PYSEC-1", "a", fixed="3", severity=HIGH)]
    assert decide(statements, {1: Subject("PyPI", "a", "1")}) == {1: Decision(HIGH, "PYSEC-1", "3")}
    # Version 2 is affected by one of them only.
    assert decide(statements[:1], {1: Subject("PyPI", "a", "2")}) == {}


def test_an_unrated_match_takes_the_best_rating_of_the_whole_class() -> None:
    statements = [
        said("DSA-1", "openssl", fixed="3.0.2-1", ecosystem="Debian:12"),
        said("GHSA-1", "cryptography", fixed="42", severity=HIGH),
        said("PYSEC-1", "cryptography", fixed="42", severity=MEDIUM),
    ]
    assert decide(statements, {1: Subject("Debian:12", "openssl", "3.0.1-1")}) == {
        1: Decision(HIGH, "DSA-1", "3.0.2-1")
    }


def test_a_rating_of_its_own_is_not_overruled_by_the_class() -> None:
    statements = [said("PYSEC-1", "a", severity=MEDIUM), said("GHSA-1", "b", severity=HIGH)]
    assert decide(statements, {1: Subject("PyPI", "a", "1")})[1].severity is MEDIUM


def test_what_nobody_has_rated_is_unrated() -> None:
    assert decide([said("PYSEC-1", "a")], {1: Subject("PyPI", "a", "1")})[1].severity is UNRATED


def test_among_equal_ratings_one_that_names_a_fix_decides_then_the_first_by_name() -> None:
    statements = [
        said("A-1", "a", severity=HIGH),
        said("C-1", "a", fixed="3", severity=HIGH),
        said("B-1", "a", fixed="2", severity=HIGH),
    ]
    assert decide(statements, {1: Subject("PyPI", "a", "1")}) == {1: Decision(HIGH, "B-1", "2")}


def test_a_fix_is_told_even_if_the_deciding_advisory_knows_none() -> None:
    statements = [said("A-1", "a", severity=HIGH), said("B-1", "a", fixed="2", severity=MEDIUM)]
    assert decide(statements, {1: Subject("PyPI", "a", "1")}) == {1: Decision(HIGH, "A-1", "2")}


def test_a_version_that_cannot_be_compared_is_in_doubt_unless_it_is_listed() -> None:
    listed = Statement("PYSEC-1", 1, "PyPI", "a", (), frozenset({"not a version"}), HIGH)
    assert decide([said("PYSEC-2", "a", fixed="2"), listed], {1: Subject("PyPI", "a", "not a version")}) == {
        1: Decision(HIGH, "PYSEC-1", "")
    }
    assert decide([said("PYSEC-2", "a", fixed="2")], {1: Subject("PyPI", "a", "not a version")}) == {
        1: Decision(None, "PYSEC-2", "")
    }


def test_the_outcome_for_one_component_does_not_depend_on_the_others() -> None:
    statements = [said("A-1", "a", fixed="3", severity=HIGH), said("B-1", "b", severity=MEDIUM)]
    together = {1: Subject("PyPI", "a", "1"), 2: Subject("PyPI", "b", "1"), 3: Subject("PyPI", "a", "3")}
    alone: dict[int, Decision] = {}
    for key, subject in together.items():
        alone |= decide(statements, {key: subject})
    assert decide(statements, together) == alone
    assert sorted(alone) == [1, 2]


def test_what_no_statement_can_decide_is_in_doubt_and_names_the_first_advisory() -> None:
    statements = [said("PYSEC-2", "torch", fixed="2.6.0-cu124"), said("PYSEC-1", "torch", fixed="2.6.0-cu124")]
    assert decide(statements, {1: Subject("PyPI", "torch", "2.0")}) == {1: Decision(None, "PYSEC-1", "")}
    # Nor can an installed version that is none.
    assert decide([said("PYSEC-3", "a", fixed="2")], {1: Subject("PyPI", "a", "1.0-charmander")}) == {
        1: Decision(None, "PYSEC-3", "")
    }


def test_a_statement_that_can_be_decided_settles_what_another_of_the_same_vulnerability_leaves_open() -> None:
    vague, clear = said("PYSEC-1", "torch", fixed="2.6.0-cu124"), said("GHSA-1", "torch", fixed="2.6.1", severity=HIGH)
    assert decide([vague, clear], {1: Subject("PyPI", "torch", "2.6.1")}) == {}
    assert decide([vague, clear], {1: Subject("PyPI", "torch", "2.6.0")}) == {1: Decision(HIGH, "GHSA-1", "2.6.1")}
    # What is said of another package settles nothing.
    other = said("GHSA-1", "torchvision", fixed="2.6.1")
    assert decide([vague, other], {1: Subject("PyPI", "torch", "2.6.1")})[1].severity is None
