"""Request rates: the rule by hand arithmetic, and the meter that keeps it."""

import pytest

from assay.clock import SECOND, Instant
from assay.errors import Reason, Refused
from assay.rates import BURST_SECONDS, CALLERS_MAX, Meter, after_request, line_of

NOW = Instant(1_000_000 * SECOND)


def test_ten_seconds_worth_may_come_at_once_and_then_one_for_each_share_of_a_second() -> None:
    meter = Meter(5, "this address")
    for _ in range(BURST_SECONDS * 5 + 1):
        meter.admit("a", NOW)
    with pytest.raises(Refused) as caught:
        meter.admit("a", NOW)
    assert caught.value.reason is Reason.TOO_MANY_REQUESTS
    assert caught.value.retry_after == 1
    meter.admit("a", Instant(NOW + SECOND // 5))
    with pytest.raises(Refused):
        meter.admit("a", Instant(NOW + SECOND // 5))


def test_the_wait_is_what_the_caller_is_ahead_of_the_burst() -> None:
    # One a second: the eleventh stands ten seconds ahead, the twelfth would be eleven.
    assert after_request(None, 1, NOW) == (NOW + SECOND, 0)
    assert after_request(Instant(NOW + 10 * SECOND), 1, NOW) == (NOW + 11 * SECOND, 0)
    assert after_request(Instant(NOW + 11 * SECOND), 1, NOW) == (NOW + 11 * SECOND, SECOND)


def test_who_keeps_the_rate_never_waits() -> None:
    meter = Meter(2, "this user")
    for number in range(200):
        meter.admit("a", Instant(NOW + number * SECOND // 2))


def test_one_caller_does_not_use_up_what_is_anothers() -> None:
    meter = Meter(1, "this user")
    for _ in range(BURST_SECONDS + 1):
        meter.admit("a", NOW)
    with pytest.raises(Refused):
        meter.admit("a", NOW)
    meter.admit("b", NOW)


def test_callers_are_remembered_up_to_a_bound() -> None:
    meter = Meter(1, "this address")
    for _ in range(BURST_SECONDS + 1):
        meter.admit("first", NOW)
    for number in range(CALLERS_MAX):
        meter.admit(str(number), NOW)
    meter.admit("first", NOW)


def test_zero_is_no_limit() -> None:
    meter = Meter(0, "this address")
    for _ in range(1000):
        meter.admit("a", NOW)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_a_subscriber_cannot_leave_its_line_by_taking_another_address_of_it(address: str, line: str) -> None:
    assert line_of(address) == line
