"""Ratings: words, vectors, and which of several counts."""

import itertools
from dataclasses import dataclass

import cvss
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.advisories import Severity, best_severity
from assay.advisories.cvss import base_score
from assay.advisories.severity import rating, severity_of_score, severity_of_word

V2 = {"AV": "LAN", "AC": "HML", "Au": "MSN", "C": "NPC", "I": "NPC", "A": "NPC"}
V3 = {"AV": "NALP", "AC": "LH", "PR": "NLH", "UI": "NR", "S": "UC", "C": "NLH", "I": "NLH", "A": "NLH"}
V4 = {"AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA"} | dict.fromkeys(
    ("VC", "VI", "VA", "SC", "SI", "SA"), "HLN"
)


def vector(metrics: dict[str, str], values: tuple[str, ...]) -> str:
    return "/".join(f"{name}:{value}" for name, value in zip(metrics, values, strict=True))


def test_every_version_2_vector_has_the_score_of_the_reference_library() -> None:
    for values in itertools.product(*V2.values()):
        text = vector(V2, values)
        assert base_score(text) == float(cvss.CVSS2(text).base_score), text


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_every_version_3_vector_has_the_score_of_the_reference_library(version: str) -> None:
    for values in itertools.product(*V3.values()):
        text = f"CVSS:{version}/{vector(V3, values)}"
        assert base_score(text) == float(cvss.CVSS3(text).base_score), text


@settings(max_examples=500)
@given(values=st.tuples(*(st.sampled_from(list(each)) for each in V4.values())))
def test_version_4_vectors_have_the_scores_of_the_reference_library(values: tuple[str, ...]) -> None:
    text = f"CVSS:4.0/{vector(V4, values)}"
    assert base_score(text) == float(cvss.CVSS4(text).base_score)


def test_published_scores_come_out() -> None:
    # CVSS 3.1 examples document: CVE-2014-0160 (Heartbleed), CVE-2014-6271 (Shellshock); 4.0 examples: CVE-2022-41741.
    assert base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N") == 7.5
    assert base_score("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H") == 9.8
    assert base_score("CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N") == 7.3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "high",
        "CVSS:3.1/",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:U/A:U",
        "CVSS:5.0/AV:N",
        "CVSS:4.0/AV:N",
        "AV:N/AC:L",
        "CVSS:4.0/AV:NA/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "CVSS:3.1/" + "AV:N/" * 100,
    ],
)
def test_what_is_no_complete_vector_has_no_score(text: str) -> None:
    assert base_score(text) is None


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (0.0, "LOW"),
        (0.1, "LOW"),
        (3.9, "LOW"),
        (4.0, "MEDIUM"),
        (6.9, "MEDIUM"),
        (7.0, "HIGH"),
        (8.9, "HIGH"),
        (9.0, "CRITICAL"),
        (10.0, "CRITICAL"),
    ],
)
def test_scores_fall_into_the_qualitative_scale_of_cvss(score: float, severity: str) -> None:
    assert severity_of_score(score).name == severity


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("MODERATE", Severity.MEDIUM),
        ("Important", Severity.HIGH),
        ("negligible", Severity.LOW),
        ("unimportant", Severity.LOW),
        ("medium**", Severity.MEDIUM),
        ("untriaged", None),
        ("not yet assigned", None),
    ],
)
def test_the_words_of_publishers_are_understood(word: str, severity: Severity | None) -> None:
    assert severity_of_word(word) is severity


CRITICAL_V3 = ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")


def test_the_publishers_own_word_comes_before_the_score_of_its_vector() -> None:
    assert rating([], [CRITICAL_V3, ("Ubuntu", "low")]) is Severity.LOW
    assert rating(["not yet assigned"], [CRITICAL_V3]) is Severity.CRITICAL


def test_the_newest_vector_counts() -> None:
    newer = ("CVSS_V4", "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N")
    assert rating([], [CRITICAL_V3, newer]) is Severity.HIGH


def test_a_broken_vector_rates_nothing() -> None:
    assert rating([], [("CVSS_V3", "CVSS:3.1/AV:N")]) is None


@dataclass(frozen=True)
class Rated:
    severity: Severity | None


def test_one_rating_is_enough_and_the_highest_counts() -> None:
    assert best_severity([Rated(None), Rated(Severity.LOW)]) is Severity.LOW
    assert best_severity([Rated(Severity.LOW), Rated(Severity.HIGH), Rated(None)]) is Severity.HIGH


def test_without_any_rating_a_vulnerability_is_unrated_which_lies_between_medium_and_low() -> None:
    assert best_severity([Rated(None)]) is Severity.UNRATED
    assert best_severity([]) is Severity.UNRATED
    assert Severity.LOW < Severity.UNRATED < Severity.MEDIUM
