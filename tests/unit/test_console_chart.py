"""The geometry of the scan history chart, worked out by hand.

The plot: x from 30 to 976 (now) with room to 988, y from 226 (zero) to 36 (top): 946 by 190 units.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from assay.clock import DAY, HOUR, MINUTE, instant
from assay.console.chart import POINTS_MAX, Box, Flag, Label, Lane, Line, ScanPoint, Span, Standing, draw
from assay.console.results import CAUSES
from assay.errors import Refused
from assay.scanning.model import Cause

NOW = instant(datetime(2026, 7, 24, 6, 0, tzinfo=UTC))


def scan(before, counts, lane=Lane.FEED, verdict=Standing.NONE):
    return ScanPoint(NOW - before, "r7", lane, counts, "title", "href", verdict)


# Within "a day": 12 h ago is half way, 30 + 473 = 503; 6 h ago is at three quarters, 30 + 709.5 = 739.5.
# Ten problems at most: steps of 5 up to 10, so a problem is 19 units high.
TWO = (scan(12 * HOUR, (1, 2, 3, 0, 4)), scan(6 * HOUR, (0, 2, 3, 0, 4)))


def band(drawing, severity):
    return next(found for found in drawing.bands if found.severity == severity)


def test_the_lowest_band_stands_on_the_base_line_and_ends_where_its_count_ends():
    critical = band(draw(TWO, NOW), "c")
    assert critical.edge == "M503.0 207.0H739.5"
    assert critical.area == "M503.0 207.0H739.5V226.0H503.0Z"


def test_a_band_steps_with_those_below_it_and_holds_to_the_right_edge():
    high = band(draw(TWO, NOW), "h")
    assert high.edge == "M503.0 169.0H739.5V188.0H988.0"
    assert high.area == "M503.0 169.0H739.5V188.0H988.0V226.0H739.5V207.0H503.0Z"


def test_a_band_that_never_counts_draws_nothing():
    low = band(draw(TWO, NOW), "l")
    assert (low.area, low.edge) == ("", "")


def test_a_partial_scan_leaves_a_gap_and_not_a_zero():
    points = (scan(12 * HOUR, (2, 0, 0, 0, 0)), scan(6 * HOUR, None), scan(3 * HOUR, (4, 0, 0, 0, 0)))
    # Four problems at most: steps of 1 up to 4, 47.5 units each; 3 h ago is at 30 + 946 * 7/8 = 857.75, rounded 857.8.
    critical = band(draw(points, NOW), "c")
    assert critical.edge == "M503.0 131.0H739.5M857.8 36.0H988.0"


def test_a_partial_last_scan_has_no_labels():
    assert draw((scan(6 * HOUR, (1, 0, 0, 0, 0)), scan(HOUR, None)), NOW).labels == ()


def test_equal_neighbours_make_one_stroke():
    points = (scan(12 * HOUR, (4, 0, 0, 0, 0)), scan(6 * HOUR, (4, 0, 0, 0, 0)))
    assert band(draw(points, NOW), "c").edge == "M503.0 36.0H988.0"


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (0, ["0", "1", "2", "3", "4"]),
        (4, ["0", "1", "2", "3", "4"]),
        (5, ["0", "2", "4", "6"]),
        (57, ["0", "20", "40", "60"]),
        (201, ["0", "100", "200", "300"]),
        (4001, ["0", "2000", "4000", "6000"]),
    ],
)
def test_the_count_axis_has_at_most_four_round_steps(highest, levels):
    drawing = draw((scan(HOUR, (highest, 0, 0, 0, 0)),), NOW)
    assert [level.text for level in drawing.levels] == levels
    assert (drawing.levels[0].place, drawing.levels[-1].place) == (226.0, 36.0)


@pytest.mark.parametrize(
    ("age", "span"),
    [
        (MINUTE, "10 minutes"),
        (10 * MINUTE, "hour"),
        (23 * HOUR, "7 days"),
        (20 * DAY, "30 days"),
        (80 * DAY, "3 months"),
        (200 * DAY, "13 months"),
    ],
)
def test_the_chart_shows_the_smallest_span_that_holds_all_scans(age, span):
    assert draw((scan(age, (1, 0, 0, 0, 0)),), NOW).span == span


def test_the_whole_history_is_thirteen_months_however_young_the_image():
    drawing = draw((scan(MINUTE, (1, 0, 0, 0, 0)),), NOW, whole=True)
    assert drawing.span == "13 months"
    assert drawing.end - drawing.begin == 396 * DAY


def test_months_are_the_ticks_of_the_whole_history_and_january_names_its_year():
    texts = [tick.text for tick in draw((), NOW).ticks]
    assert texts == ["Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan 2026", "Feb", "Mar", "Apr", "May", "Jun", "Jul"]


def test_hours_are_the_ticks_of_a_day():
    # 24 July 06:00 less a day; every fourth hour of UTC: 08, 12, 16, 20, 00, 04. 08:00 is 2/24 along: 30 + 78.8.
    ticks = draw(TWO, NOW).ticks
    assert [tick.text for tick in ticks] == ["08:00", "12:00", "16:00", "20:00", "00:00", "04:00"]
    assert ticks[0].place == 108.8


def test_labels_stand_beside_the_middle_of_their_bands():
    # 4 problems over 190 units: the middle of one Critical is at 202.25, of three Highs at 107.25.
    drawing = draw((scan(HOUR, (1, 3, 0, 0, 0)),), NOW)
    assert drawing.labels == (Label("c", 202.2, 1), Label("h", 107.2, 3))


def test_crowded_labels_keep_their_distance_from_the_bottom_up():
    # 100 problems over 190 units (steps of 50): one is 1.9; the middles are 225.05, 223.15, 221.25.
    labels = draw((scan(HOUR, (1, 1, 1, 0, 97)),), NOW).labels
    assert [label.y for label in labels] == pytest.approx([225.05, 213.05, 201.05, 128.15], abs=0.06)


def test_crowded_labels_at_the_top_stay_inside_the_plot():
    labels = draw((scan(HOUR, (97, 1, 1, 0, 1)),), NOW).labels
    assert [label.y for label in labels] == pytest.approx([133.85, 60.0, 48.0, 36.0], abs=0.06)


def test_verdicts_join_while_they_hold_and_a_narrow_one_has_no_word():
    points = (
        scan(20 * HOUR, (1, 0, 0, 0, 0), verdict=Standing.PASSED),
        scan(12 * HOUR, (2, 0, 0, 0, 0), verdict=Standing.PASSED),
        scan(HOUR, (3, 0, 0, 0, 0), verdict=Standing.REFUSED),
    )
    # 20 h ago: 30 + 946 * 4/24 = 187.67; an hour ago: 30 + 946 * 23/24 = 936.58.
    assert draw(points, NOW).verdicts == (
        Box(187.7, 748.9, "passed", roomy=True),
        Box(936.6, 51.4, "refused", roomy=False),
    )


def test_each_cause_has_its_lane_and_shape():
    points = (
        scan(12 * HOUR, (1, 0, 0, 0, 0), lane=Lane.PUSH),
        scan(6 * HOUR, (1, 0, 0, 0, 0), lane=Lane.FEED),
        scan(6 * HOUR, (1, 0, 0, 0, 0), lane=Lane.OTHER),
    )
    assert [mark.d for mark in draw(points, NOW).marks] == [
        "M503.0 255l5 9h-10z",
        "M735.5 278a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
        "M739.5 290.5l5.5 5.5-5.5 5.5-5.5-5.5z",
    ]


def test_flags_and_stale_stretches_are_cut_at_the_edges_of_the_plot():
    drawing = draw(
        TWO,
        NOW,
        pushes=(Flag(NOW - 12 * HOUR, "2.14.0"), Flag(NOW - 40 * DAY, "older")),
        picks=(Flag(NOW, "B"),),
        stale=(Span(NOW - 9 * DAY, NOW - 12 * HOUR), Span(NOW - 9 * DAY, NOW - 8 * DAY)),
    )
    assert drawing.flags == (Line(503.0, "2.14.0"),)
    assert drawing.picks == (Line(976.0, "B"),)
    assert drawing.stale == (Box(30.0, 473.0),)


def test_an_image_without_scans_has_an_empty_chart():
    drawing = draw((), NOW)
    assert (drawing.marks, drawing.labels, drawing.verdicts) == ((), (), ())


def test_points_out_of_order_are_refused():
    with pytest.raises(Refused, match="time order"):
        draw((TWO[1], TWO[0]), NOW)


def test_more_points_than_the_limit_are_refused():
    with pytest.raises(Refused, match="at most 600"):
        draw((TWO[0],) * (POINTS_MAX + 1), NOW)


def test_negative_counts_are_refused():
    with pytest.raises(Refused, match="counts"):
        scan(0, (1, -1, 0, 0, 0))


def test_the_lane_of_other_causes_stands_only_where_one_caused_a_scan():
    assert [lane.text for lane in draw(TWO, NOW).lanes] == ["Push", "Feed"]
    more = (*TWO, scan(HOUR, (1, 0, 0, 0, 0), lane=Lane.OTHER))
    assert [(lane.place, lane.text) for lane in draw(more, NOW).lanes] == [(260, "Push"), (278, "Feed"), (296, "Other")]


def test_a_push_is_marked_at_its_own_time_and_so_is_the_scan_that_it_caused():
    # The push 12 h ago is at 503; its scan 6 h ago begins the band at 739.5.
    waited = replace(scan(6 * HOUR, (1, 0, 0, 0, 0), lane=Lane.PUSH), caused_at=NOW - 12 * HOUR)
    drawing = draw((waited,), NOW, pushes=(Flag(NOW - 12 * HOUR, "1.0"),))
    assert [mark.d for mark in drawing.marks] == ["M503.0 255l5 9h-10z"]
    assert drawing.pushed == ("M503.0 255l5 9h-10z",)
    assert band(drawing, "c").edge.startswith("M739.5 ")


@pytest.mark.parametrize("cause", [Cause.ENABLED, Cause.MANUAL])
def test_a_scan_that_no_push_caused_is_not_marked_as_one(cause):
    assert CAUSES[cause][1] is Lane.OTHER
