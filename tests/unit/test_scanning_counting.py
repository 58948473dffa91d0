"""Counts by hand: own totals, their sums, and what one vulnerability changes in a forest of chains."""

import pytest

from assay.errors import Refused
from assay.scanning.counting import Counts, Tree, add_differences, own_total, own_totals, summed


def test_a_set_counts_each_vulnerability_once_at_its_severity() -> None:
    assert own_total({1: 5, 2: 4, 3: 4, 4: 2, 5: 1}, {}) == (1, 2, 0, 1, 1)


def test_what_is_below_already_counts_nothing() -> None:
    assert own_total({1: 4}, {1: 4}) == (0, 0, 0, 0, 0)
    assert own_total({1: 3}, {1: 5}) == (0, 0, 0, 0, 0)


def test_a_worse_severity_above_moves_the_count() -> None:
    assert own_total({1: 5}, {1: 3}) == (1, 0, -1, 0, 0)


def test_unrated_lies_between_medium_and_low() -> None:
    assert own_total({1: 2}, {1: 1}) == (0, 0, 0, 1, -1)
    assert own_total({1: 2}, {1: 3}) == (0, 0, 0, 0, 0)


def test_own_totals_of_a_path_add_up_to_the_highest_severities() -> None:
    # Over the whole path: 1 critical (below high, above critical), 2 medium, 3 low.
    totals = own_totals([{1: 4, 2: 3}, {1: 4}, {1: 5, 3: 1, 2: 1}])
    assert totals == ((0, 1, 1, 0, 0), (0, 0, 0, 0, 0), (1, -1, 0, 0, 1))
    assert summed(totals) == (1, 0, 1, 0, 1)


def test_the_sum_of_nothing_is_zero() -> None:
    assert summed([]) == (0, 0, 0, 0, 0)


def forest() -> Tree:
    """Chain 1 = set 10; chain 2 = sets 10, 20; chain 3 = sets 10, 20, 30; chain 4 = set 30 alone."""
    tree = Tree()
    tree.add_chain(1, 10, 0)
    tree.add_chain(2, 20, 1)
    tree.add_set(10, [(1, 0)])
    tree.add_set(20, [(2, 1)])
    tree.add_set(30, [(3, 2), (4, 0)])
    return tree


def changed(ratings: dict[int, tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    ledger: dict[int, list[int]] = {}
    add_differences(ledger, ratings, forest())
    return {chain: tuple(row) for chain, row in ledger.items() if any(row)}


def test_a_new_vulnerability_in_base_and_top_counts_in_the_base_and_where_the_top_stands_alone() -> None:
    assert changed({10: (0, 4), 30: (0, 4)}) == {1: (0, 1, 0, 0, 0), 4: (0, 1, 0, 0, 0)}


def test_a_vulnerability_that_leaves_the_base_counts_in_the_top_from_then_on() -> None:
    assert changed({10: (4, 0), 30: (3, 3)}) == {1: (0, -1, 0, 0, 0), 3: (0, 0, 1, 0, 0)}


def test_a_rating_that_rises_above_that_below_moves_the_count_in_the_top() -> None:
    assert changed({10: (3, 3), 30: (2, 5)}) == {3: (1, 0, -1, 0, 0), 4: (1, 0, 0, -1, 0)}


def test_a_set_in_which_nothing_changes_still_decides_what_counts_above_it() -> None:
    # Without the unchanged set 20, chain 3 would count the new rating of set 30 as another problem.
    assert changed({20: (4, 4), 30: (0, 4)}) == {4: (0, 1, 0, 0, 0)}


def test_counts_are_never_negative() -> None:
    assert Counts.of((1, 2, 3, 4, 5)).total == 15
    with pytest.raises(Refused, match="cannot have"):
        Counts.of((1, 0, -1, 0, 0))
