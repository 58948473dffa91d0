"""How much a write transaction may do follows from how long the ones before held the lock."""

from assay.advisories.share import Share


def test_a_long_hold_halves_what_the_next_transaction_may_do_and_short_ones_give_it_back() -> None:
    share = Share()
    assert share.of(2_000) == 2_000
    share.held(0.101)
    assert share.of(2_000) == 1_000
    share.held(0.05)
    assert share.of(2_000) == 1_000
    for _ in range(2):
        share.held(0.01)
    assert share.of(2_000) == 2_000


def test_something_may_always_be_done() -> None:
    share = Share()
    for _ in range(20):
        share.held(1.0)
    assert (share.of(3_200), share.of(1)) == (100, 1)
