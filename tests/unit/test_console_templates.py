"""What every template promises: nothing inline, labels, small pages; and the script's size."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from assay.clock import HOUR
from assay.console.chart import Standing
from assay.console.facts import Signed
from assay.console.frames import Entry, Frame, Pill
from assay.console.rendering import ENVIRONMENT, STATIC, STATIC_FILES, render
from assay.console.repositories import RepositoryRow
from assay.console.results import ScanView
from assay.console.visit import Sorting

TEMPLATES = Path(STATIC).parent / "templates"
NAMES = sorted(path.name for path in TEMPLATES.glob("*.html"))
NOW = 1_785_585_600_000_000
PAGE_BYTES_MAX = 60_000
SCRIPT_BYTES_MAX = 8_192


@pytest.mark.parametrize("name", NAMES)
def test_a_template_holds_nothing_that_the_policy_forbids(name):
    text = (TEMPLATES / name).read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"<style", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "javascript:" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_template_compiles(name):
    assert ENVIRONMENT.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_form_that_posts_carries_the_token(name):
    for form in re.findall(r'<form[^>]*method="post".*?</form>', (TEMPLATES / name).read_text(), re.DOTALL):
        assert "csrf()" in form


@pytest.mark.parametrize("name", NAMES)
def test_every_table_says_what_it_holds_and_every_cell_can_stand_as_a_card(name):
    text = (TEMPLATES / name).read_text()
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        assert "<caption" in table
        for cell in re.findall(r"<td[^>]*>", table):
            assert "data-th=" in cell


def test_nothing_that_is_shown_is_marked_as_safe_but_own_markup():
    """`|safe` stands only behind texts that the templates themselves spell out."""
    for name in NAMES:
        for marked in re.findall(r"[^\s(]+\s*\|\s*safe", (TEMPLATES / name).read_text()):
            assert marked.split("|")[0].rstrip()[-1] in "'\")", f"{name}: {marked}"


def test_the_script_is_small_and_the_only_one():
    assert len(STATIC_FILES["console.js"][0]) <= SCRIPT_BYTES_MAX
    assert [name for name in STATIC_FILES if name.endswith(".js")] == ["console.js"]


def test_only_the_tokens_hold_colours_by_value():
    """A colour elsewhere would not follow the theme; the masks' own ink is never seen."""
    text = STATIC_FILES["console.css"][0].decode()
    rules = re.sub(r'url\("data:[^"]*"\)', "", text)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", rules) == []


class _Visit:
    """As much of a visit as a list asks for."""

    path = "/r"

    def asked(self, name, default=""):
        return default

    def link(self, **changes):
        return "/r?" + "&".join(f"{name}={value}" for name, value in changes.items())

    def export(self, kind):
        return f"/r.{kind}"


def page_of(rows):
    visit = _Visit()
    frame = Frame("security-review", Pill("ok", "Feeds", 41288, "38 min old"), (("", (Entry("/", "Overview"),)),))
    return render(
        "repositories.html",
        {
            "visit": visit,
            "now": NOW,
            "theme": "",
            "token": "0" * 64,
            "host": "assay.example.org",
            "here": "/r",
            "frame": frame,
            "crumbs": (),
            "told": "",
            "fault": None,
            "request_id": "4f1c-09aa",
            "compartment": "acme",
            "figures": (),
            "filters": (),
            "chips": (),
            "rows": rows,
            "most": 400,
            "sorting": Sorting(visit, "risk", descending=True),
            "order": "worst first",
            "said": "50 repositories",
            "next": "/r?after=x",
            "first": "",
            "push": "podman push",
        },
    )


def row(number, name="payments/reconciliation-worker"):
    return RepositoryRow(
        name=f"{name}-{number}",
        compartment="acme:payments",
        latest="2026.29.1",
        scan=ScanView("whole", (12, 131, 140, 22, 16), "321 problems"),
        risk="critical",
        verdict=Standing.REFUSED,
        signed=Signed("ok", "release-signing"),
        scanner=True,
        images=112,
        pushed=NOW - 5 * HOUR,
    )


def test_fifty_repositories_fit_into_sixty_kilobytes():
    assert len(page_of(tuple(map(row, range(50)))).encode()) <= PAGE_BYTES_MAX


def test_names_from_elsewhere_are_text_and_never_markup():
    html = page_of((row(1, name="<script>alert(1)</script>"),))
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_what_is_partly_scanned_has_no_tally():
    partial = SimpleNamespace(
        **{name: getattr(row(1), name) for name in RepositoryRow.__slots__}
        | {"scan": ScanView("partial", None, "Partly scanned: at least 31 problems")}
    )
    html = page_of((partial,))
    assert "Partly scanned: at least 31 problems" in html
    assert 'class="tally"' not in html
