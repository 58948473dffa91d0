"""Version orders against the words of their specifications and what the real tools said."""

from itertools import pairwise
from pathlib import Path

import pytest

from assay.advisories import orders
from assay.advisories.orders import alpine, debian, pep440, semver

DATA = Path(__file__).parent.parent / "data" / "advisories"


def compare(key: orders.Order, left: str, right: str) -> str:
    a, b = key(left), key(right)
    assert a is not None, f"{left} has no place"
    assert b is not None, f"{right} has no place"
    return "<" if a < b else ">" if a > b else "="


@pytest.mark.parametrize(
    ("left", "sign", "right"),
    [
        # Debian Policy 5.6.12: ~~, ~~a, ~, the empty part, a
        ("1.0~~", "<", "1.0~~a"),
        ("1.0~~a", "<", "1.0~"),
        ("1.0~", "<", "1.0"),
        ("1.0", "<", "1.0a"),
        ("1.0~beta1~svn1245", "<", "1.0~beta1"),
        ("1.0~beta1", "<", "1.0"),
        ("1.2.10", ">", "1.2.9"),
        ("1.002", "=", "1.2"),
        ("1:0.1", ">", "9.9"),
        ("0:1.0", "=", "1.0"),
        ("1.0-0", "=", "1.0"),
        ("1.0-1+deb12u2", ">", "1.0-1"),
        ("1.0-1~deb12u1", "<", "1.0-1"),
        ("2.36-9+deb12u10", ">", "2.36-9+deb12u9"),
        ("1.0a", "<", "1.0+"),
        ("1-2-3", ">", "1-2"),
        ("1.1.1f-1ubuntu2.18", "<", "1.1.1f-1ubuntu2.20"),
        ("0", "<", "0+1"),
    ],
)
def test_debian_versions_compare_as_policy_says(left: str, sign: str, right: str) -> None:
    assert compare(debian.key, left, right) == sign


@pytest.mark.parametrize("text", ["", "1:", ":1", "a:1", "1-", "1 2", "3000000000:1", "1.0é", "1" * 201])
def test_what_dpkg_refuses_has_no_place_among_debian_versions(text: str) -> None:
    assert debian.key(text) is None


def test_alpine_versions_compare_as_apk_tools_said() -> None:
    rows = [line.split("\t") for line in (DATA / "apk_order.tsv").read_text().splitlines() if not line.startswith("#")]
    assert len(rows) > 200
    wrong = [row for row in rows if compare(alpine.key, row[0], row[2]) != row[1]]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["", "a", "1.", "1..2", "1.0_gamma", "1.0-1", "1.0-r", "1.0A", "1.0_", "1.0a1", "1~xyz"]
)
def test_what_apk_tools_calls_invalid_has_no_place_among_alpine_versions(text: str) -> None:
    assert alpine.key(text) is None


def test_python_versions_stand_in_the_order_of_pep_440() -> None:
    # PEP 440, "Summary of permitted suffixes and relative ordering", and its examples.
    ordered = ["1.dev0", "1.0.dev456", "1.0a1", "1.0a2.dev456", "1.0a12.dev456", "1.0a12", "1.0b1.dev456", "1.0b2"]
    ordered += ["1.0b2.post345.dev456", "1.0b2.post345", "1.0rc1.dev456", "1.0rc1", "1.0", "1.0+abc.5", "1.0+abc.7"]
    ordered += ["1.0+5", "1.0.post456.dev34", "1.0.post456", "1.1.dev1", "1!0.1"]
    keys = [pep440.key(version) for version in ordered]
    assert None not in keys
    assert all(a < b for a, b in pairwise(keys) if a is not None and b is not None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1"),
        ("v1.0", "1.0"),
        ("1.0alpha", "1.0a0"),
        ("1.0-1", "1.0.post1"),
        ("1.0.RC1", "1.0rc1"),
        (" 1.0\n", "1"),
        ("1.0+ubuntu-1", "1.0+ubuntu.1"),
        ("1.0_dev", "1.0.dev0"),
        ("1.0c2", "1.0rc2"),
        ("0!1", "1"),
    ],
)
def test_spellings_that_pep_440_normalises_are_equal(one: str, other: str) -> None:
    assert compare(pep440.key, one, other) == "="


@pytest.mark.parametrize("text", ["", "french toast", "2.0.0-final", "0.7.1.fix1", "1.0+", "1.0+a+b"])
def test_what_pep_440_does_not_allow_has_no_place_among_python_versions(text: str) -> None:
    assert pep440.key(text) is None


def test_npm_versions_stand_in_the_order_of_semver() -> None:
    # semver.org 2.0.0, section 11, both chains of its examples.
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    ordered += ["1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"]
    assert [compare(semver.key, a, b) for a, b in pairwise(ordered)] == ["<"] * (len(ordered) - 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0.0+build", "1.0.0"), ("v1.2.3", "1.2.3"), ("=1.2.3", "1.2.3"), ("1.2", "1.2.0"), ("1.2.3beta", "1.2.3-beta")],
)
def test_odd_spellings_of_npm_versions_are_taken(one: str, other: str) -> None:
    assert compare(semver.key, one, other) == "="


@pytest.mark.parametrize("text", ["", "latest", "x.1", "1.4.0-*", "~"])
def test_what_does_not_begin_with_a_number_has_no_place_among_npm_versions(text: str) -> None:
    assert semver.key(text) is None


@pytest.mark.parametrize("ecosystem", ["Debian:12", "Debian", "Ubuntu:22.04:LTS", "Alpine:v3.20", "PyPI", "npm"])
def test_an_ecosystem_has_its_order_with_and_without_release(ecosystem: str) -> None:
    assert orders.comparable(ecosystem, "1.0")


def test_an_ecosystem_without_an_order_compares_nothing() -> None:
    assert orders.order_of("Maven") is None
    assert not orders.comparable("Maven", "1.0")


def test_python_package_names_are_normalised_and_others_are_not() -> None:
    assert orders.normal_name("PyPI", "Zope.Interface__x") == "zope-interface-x"
    assert orders.normal_name("npm", "@Scope/Name.js") == "@Scope/Name.js"
