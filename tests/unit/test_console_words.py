"""The console's way to say times, sizes, counts and digests (design, section 9)."""

from datetime import UTC, datetime

import pytest

from assay.clock import DAY, HOUR, MINUTE, SECOND, instant
from assay.console import words

NOW = instant(datetime(2026, 7, 24, 6, 18, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (999, "999"), (1000, "1\u202f000"), (41913, "41\u202f913"), (412907331, "412\u202f907\u202f331")],
)
def test_counts_are_grouped_from_a_thousand_on(value, said):
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(1, "1 image"), (0, "0 images"), (4, "4 images"), (1306, "1\u202f306 images")],
)
def test_a_noun_follows_its_count(value, said):
    assert words.plural(value, "image") == said


def test_an_irregular_plural_is_given():
    assert words.plural(2, "repository", "repositories") == "2 repositories"


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (63_000_000, "63 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (1_900_000_000, "1.9 GB"),
        (2_500 * 10**15, "2 EB"),
    ],
)
def test_sizes_are_decimal_with_one_digit_below_ten(octets, said):
    assert words.size(octets) == said


def test_a_digest_shows_twelve_digits():
    digest = "sha256:fc1e5230170a029e1f5f759af902c637022303b33752dd7b57237263165186ec"
    assert words.short(digest) == "sha256:fc1e5230170a"


def test_an_ocid_shows_what_tells_it_apart():
    assert words.brief_ocid("ocid1.key.oc1.local.abc.aaaaaaaak7q2xyzh4va") == "ocid1.key.oc1.local.abc.…yzh4va"


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (40 * SECOND, "40 s"),
        (59 * SECOND, "59 s"),
        (MINUTE, "1 min"),
        (38 * MINUTE, "38 min"),
        (6 * HOUR + 59 * MINUTE, "6 h"),
        (DAY, "1 day"),
        (2 * DAY + 4 * HOUR, "2 days 4 h"),
        (9 * DAY + 4 * HOUR, "9 days"),
        (-3, "0 s"),
    ],
)
def test_a_span_is_said_in_its_largest_units(span, said):
    assert words.duration(span) == said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (0, "just now"),
        (4 * SECOND, "just now"),
        (40 * SECOND, "40 s ago"),
        (12 * MINUTE, "12 min ago"),
        (23 * HOUR, "23 h ago"),
        (DAY, "23 Jul"),
        (-5 * MINUTE, "in 5 min"),
        (-2 * DAY, "26 Jul"),
    ],
)
def test_times_are_relative_within_a_day_and_dates_beyond(before, said):
    assert words.relative(NOW - before, NOW) == said


def test_another_year_is_named():
    at = instant(datetime(2025, 11, 4, 1, 2, tzinfo=UTC))
    assert words.day(at, NOW) == "4 Nov 2025"
    assert words.minute(at, NOW) == "4 Nov 2025, 01:02"


def test_the_whole_time_is_in_utc():
    assert words.machine(NOW) == "2026-07-24T06:18:30Z"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["pillow"], "pillow"),
        (["pillow", "pyasn1"], "pillow and pyasn1"),
        (["a", "b", "c"], "a, b and c"),
        (["a", "b", "c", "d", "e", "f"], "a, b, c, d and 2 more"),
    ],
)
def test_names_become_one_phrase(names, said):
    assert words.listing(names) == said


def test_a_time_of_a_log_has_its_seconds():
    assert words.second(NOW, NOW) == "24 Jul, 06:18:30"
