"""What a statement says of an installed version: the evaluation of the OSV schema, case by case."""

import pytest

from assay.advisories import Effect, Standing, Statement, affects
from assay.advisories.affects import Event, EventKind

KINDS = {"i": EventKind.INTRODUCED, "f": EventKind.FIXED, "l": EventKind.LAST_AFFECTED, "x": EventKind.LIMIT}


def statement(*ranges: str, versions: tuple[str, ...] = (), ecosystem: str = "PyPI") -> Statement:
    """Ranges are written `i0 f1.2 i2.0 f2.3`."""
    events = tuple(tuple(Event(KINDS[word[0]], word[1:]) for word in text.split()) for text in ranges)
    return Statement("TEST-1", 1, ecosystem, "thing", events, frozenset(versions))


@pytest.mark.parametrize(
    ("ranges", "version", "fixed"),
    [
        (("i0 f2.0",), "1.9", "2.0"),
        (("i0 f2.0",), "0.0.dev1", "2.0"),
        (("i1.0 f2.0",), "1.0", "2.0"),
        (("i0",), "99", None),
        (("i0 l1.5",), "1.5", None),
        (("i0 f1.2 i2.0 f2.3",), "2.1", "2.3"),
        (("i2.0 f2.3 i0 f1.2",), "0.5", "1.2"),
        (("i1.0 f1.2", "i2.0 f2.3"), "1.1", "1.2"),
        # The nearest fixed version is still affected by another range: the next one that is not is the answer.
        (("i0 f1.2", "i0 f1.4"), "1.0", "1.4"),
        (("i0 f1.2 i1.2 f1.4",), "1.0", "1.4"),
        (("i1.0 l1.0",), "1.0", None),
        (("l1.0 i1.0",), "1.0", None),
        (("i0 x3.0",), "2.9", None),
        (("i0 x*",), "99", None),
    ],
)
def test_a_version_in_a_range_is_affected_until_the_next_unaffected_fix(
    ranges: tuple[str, ...], version: str, fixed: str | None
) -> None:
    assert affects.effect(statement(*ranges), version) == Effect(Standing.AFFECTED, fixed)


@pytest.mark.parametrize(
    ("ranges", "version"),
    [
        (("i0 f2.0",), "2.0"),
        (("i1.0 f2.0",), "0.9"),
        (("i0 l1.5",), "1.5.1"),
        (("i0 f1.2 i2.0 f2.3",), "1.3"),
        (("l1.0 i1.0",), "1.1"),
        (("i0 x3.0",), "3.0"),
    ],
)
def test_a_version_outside_every_range_is_unaffected(ranges: tuple[str, ...], version: str) -> None:
    assert affects.effect(statement(*ranges), version) == Effect(Standing.UNAFFECTED)


def test_a_listed_version_is_affected_whatever_the_ranges_say() -> None:
    said = statement("i0 f1.0", versions=("1.5",))
    assert affects.effect(said, "1.5").standing is Standing.AFFECTED
    assert affects.effect(said, "1.4").standing is Standing.UNAFFECTED


def test_a_version_equal_to_a_listed_one_is_listed() -> None:
    assert affects.effect(statement(versions=("2.0.0",)), "2.0").standing is Standing.AFFECTED


def test_a_listed_fix_is_no_fix() -> None:
    said = statement("i0 f1.2 i1.3 f1.4", versions=("1.2",))
    assert affects.effect(said, "1.0") == Effect(Standing.AFFECTED, "1.4")


def test_a_version_that_cannot_be_compared_is_undecided_unless_the_list_names_it() -> None:
    said = statement("i0 f1.0", versions=("1.0-bulbasaur",))
    assert affects.effect(said, "1.0-bulbasaur") == Effect(Standing.AFFECTED)
    assert affects.effect(said, "1.0-charmander") == Effect(Standing.UNDECIDED)
    assert affects.effect(statement(versions=("1.0-bulbasaur",)), "1.0-charmander") == Effect(Standing.UNAFFECTED)


def test_a_bound_that_cannot_be_compared_leaves_versions_undecided_and_never_unaffected() -> None:
    said = statement("i0 f2.0.0-final", "i3.0 f3.1")
    assert affects.effect(said, "1.0") == Effect(Standing.UNDECIDED)
    assert affects.effect(said, "3.0") == Effect(Standing.AFFECTED, "3.1")


def test_an_ecosystem_without_an_order_is_decided_by_lists_alone() -> None:
    said = statement("i0 f2.0", versions=("1.0",), ecosystem="Maven")
    assert affects.effect(said, "1.0").standing is Standing.AFFECTED
    assert affects.effect(said, "1.1").standing is Standing.UNDECIDED


@pytest.mark.parametrize("version", ["1.0", "1.0-charmander"])
def test_a_statement_with_neither_range_nor_list_affects_no_version_that_was_released(version: str) -> None:
    """OSV schema, "Evaluation": affected is what stands in `versions` or lies in `ranges`; here both are empty."""
    assert affects.effect(statement(), version) == Effect(Standing.UNAFFECTED)


def test_each_ecosystem_is_compared_in_its_own_order() -> None:
    # 1.0~rc1 is below 1.0 for Debian; 1.0-r2 is above 1.0-r1 for Alpine; 1.0.0-rc.1 is below 1.0.0 for npm.
    assert affects.effect(statement("i0 f1.0", ecosystem="Debian:12"), "1.0~rc1").standing is Standing.AFFECTED
    assert affects.effect(statement("i0 f1.0-r2", ecosystem="Alpine:v3.20"), "1.0-r1").standing is Standing.AFFECTED
    assert affects.effect(statement("i0 f1.0.0", ecosystem="npm"), "1.0.0-rc.1").standing is Standing.AFFECTED
    assert affects.effect(statement("i0 f1:1.0", ecosystem="Ubuntu:22.04:LTS"), "9.9").standing is Standing.AFFECTED
