"""Rows for programs, links that keep filters, form tokens, bars: what the console's pages are made of."""

import csv
import io
import json

import pytest

from assay.console.rendering import spoken, stacked
from assay.console.replies import Listing, Page, as_csv, as_json
from assay.console.visit import FIELDS_MAX, fields_of, form_token
from assay.errors import Refused


def rows(*cells, next_page=""):
    return Listing(Page("repositories.html"), ("name", "images", "tags"), cells, next_page)


def test_json_rows_are_objects_and_the_last_page_has_no_token():
    assert json.loads(as_json(rows(("payments/api", 23, ("2.14.0", "stable"))))) == {
        "items": [{"name": "payments/api", "images": 23, "tags": ["2.14.0", "stable"]}]
    }


def test_json_rows_name_the_token_of_the_next_page():
    assert json.loads(as_json(rows(next_page="abc"))) == {"items": [], "after": "abc"}


def test_csv_rows_have_a_heading_and_quote_what_needs_it():
    text = as_csv(rows(('a "quoted", name', 1, ()), ("plain", None, ("x", "y")))).decode()
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "images", "tags"],
        ['a "quoted", name', "1", ""],
        ["plain", "", "x y"],
    ]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@sum", "\tx"])
def test_a_cell_that_a_spreadsheet_would_run_is_made_text(cell):
    text = as_csv(rows((cell, 1, ()))).decode()
    assert list(csv.reader(io.StringIO(text)))[1][0] == f"'{cell}"


def test_a_field_sent_twice_keeps_both_values_in_order():
    assert fields_of("key=a&name=&key=b") == {"key": ("a", "b"), "name": ("",)}


def test_a_form_with_too_many_fields_is_refused():
    with pytest.raises(Refused, match="more than 200 fields"):
        fields_of("&".join(f"f{n}=1" for n in range(FIELDS_MAX + 1)))


def test_form_tokens_of_two_sessions_differ_and_hide_the_session():
    assert form_token("one") != form_token("two")
    assert "one" not in form_token("one")
    assert len(form_token("one")) == 64


def test_counts_are_spoken_worst_first():
    assert spoken((1, 27, 21, 4, 0)) == "Critical 1, High 27, Medium 21, Low 4, Unrated 0"


def test_a_bar_is_as_long_as_its_share_and_nothing_that_counts_vanishes():
    # Of 100 at most, 120 units long: 50 are 60 wide; 1 of 1000 would be 0.12 and is drawn 1 wide.
    assert stacked((50, 0, 25, 0, 0), 100) == [("c", 0, 60), ("m", 60, 30)]
    assert stacked((1, 0, 0, 0, 999), 1000) == [("c", 0, 1), ("u", 1, 120)]
