"""The difference between two scans as figures and groups."""

import pytest

from assay.advisories import Severity
from assay.console.differences import figures, grouped
from assay.scanning.model import Because, ChangeCause, ChangeKind, ProblemChange, VulnerablePackage


def change(kind, name, *, before=None, after=None, package="pillow", revision=2, cause=ChangeCause.FEED):
    held = VulnerablePackage("PyPI", package, "8.0.0", "", "9.0.0", after or before or Severity.LOW, "PYSEC-1")
    because = (Because("PYSEC-1", revision, "published"),) if cause is ChangeCause.FEED else ()
    return ProblemChange(kind, cause, name, "summary", "https://cve.test", before, after, (held,), because)


CHANGES = (
    change(ChangeKind.NEW, "CVE-1", after=Severity.HIGH, revision=7),
    change(ChangeKind.NEW, "CVE-2", after=Severity.MEDIUM, revision=7),
    change(ChangeKind.NEW, "CVE-3", after=Severity.LOW, revision=3, package="django"),
    change(ChangeKind.RATED_ANEW, "CVE-4", before=Severity.UNRATED, after=Severity.HIGH, revision=3),
    change(ChangeKind.WITHDRAWN, "CVE-5", before=Severity.HIGH, revision=3),
    change(ChangeKind.FIXED, "CVE-6", before=Severity.CRITICAL, cause=ChangeCause.PACKAGES),
)


def test_the_figures_add_up_to_the_step_between_the_two_scans():
    found = figures(CHANGES, grouped(CHANGES, "cause"))
    assert [(figure.sign, figure.count) for figure in found] == [("+", 3), ("−", 1), ("", 1), ("−", 1), ("", 0)]


def test_joined_problems_have_a_figure_only_where_there_are_some():
    changes = (*CHANGES, change(ChangeKind.JOINED, "CVE-7", before=Severity.LOW))
    assert figures(changes, grouped(changes, "cause"))[-1].words == "Found to be one with another"
    assert len(figures(CHANGES, ())) == 5


def test_causes_stand_newest_revision_first_and_packages_last():
    groups = grouped(CHANGES, "cause")
    assert [group.words for group in groups] == [
        "Feed revision r7: advisories for pillow",
        "Feed revision r3: advisories for django and pillow",
        "Other packages in the image: pillow",
    ]
    assert [group.sum for group in groups] == ["+2", "+1, −1, 1 rated anew", "−1"]


def test_a_group_counts_its_new_problems_by_severity():
    assert [group.counts for group in grouped(CHANGES, "cause")] == [(0, 1, 1, 0, 0), (0, 0, 0, 1, 0), None]


def test_severities_stand_worst_first():
    assert [group.words for group in grouped(CHANGES, "severity")] == ["Critical", "High", "Medium", "Low"]


def test_packages_stand_by_the_number_of_their_changes():
    assert [(group.words, len(group.rows)) for group in grouped(CHANGES, "package")] == [("pillow", 5), ("django", 1)]


@pytest.mark.parametrize(
    ("before", "after", "mark"),
    [(Severity.UNRATED, Severity.HIGH, "↑ Rated anew"), (Severity.HIGH, Severity.LOW, "↓ Rated anew")],
)
def test_a_new_rating_says_which_way_it_went(before, after, mark):
    rated = (change(ChangeKind.RATED_ANEW, "CVE-4", before=before, after=after),)
    assert grouped(rated, "cause")[0].rows[0].mark == mark


def test_a_figure_leads_to_the_first_group_that_holds_such_a_change():
    groups = grouped(CHANGES, "cause")
    by_words = {figure.words: figure.href for figure in figures(CHANGES, groups)}
    assert by_words["New"] == "#group-1"
    assert by_words["Withdrawn by their source"] == "#group-2"
    assert by_words["No longer counted as affected"] == "#diff-h"


def test_without_changes_there_are_no_groups():
    assert grouped((), "cause") == ()
