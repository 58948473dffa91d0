"""Version orders against the real tools, on versions nobody thought of."""

import shutil
import subprocess

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from assay.advisories import orders
from assay.advisories.orders import alpine, debian, pep440, semver

PIECES = st.sampled_from([*"0123456789.~+-:abzr_!", "rc", "post", "dev", "alpha", "00", "10", ".0", "_p", "-r"])
TEXTS = st.lists(PIECES, min_size=1, max_size=9).map("".join)
NUMBERS = st.integers(0, 20).map(str)
PYTHON = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "1!", "v"]),
    st.lists(NUMBERS, min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "a1", "b2", "rc3", "-alpha.1", "c0", ".pre"]),
    st.sampled_from(["", ".post1", "-2", "rev3", ".post"]),
    st.sampled_from(["", ".dev1", "dev", "_dev2"]),
    st.sampled_from(["", "+local.1", "+2", "+abc", "+1.a-2"]),
)


@pytest.mark.parametrize("key", [debian.key, alpine.key, pep440.key, semver.key])
@given(texts=st.lists(st.one_of(TEXTS, PYTHON), min_size=3, max_size=3))
def test_an_order_never_fails_and_says_the_same_twice(key: orders.Order, texts: list[str]) -> None:
    for text in texts:
        assert key(text) == key(text)


@given(left=PYTHON, right=PYTHON)
def test_python_versions_compare_as_the_packaging_library_compares_them(left: str, right: str) -> None:
    a, b = pep440.key(left), pep440.key(right)
    assert a is not None
    assert b is not None
    assert (a < b, a == b) == (Version(left) < Version(right), Version(left) == Version(right))


@given(text=TEXTS)
def test_exactly_what_the_packaging_library_reads_is_a_python_version(text: str) -> None:
    try:
        Version(text)
    except InvalidVersion:
        assert pep440.key(text) is None
    else:
        assert pep440.key(text) is not None


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="SKIPPED FOR WANT OF A PART: no dpkg on this machine")
@settings(max_examples=150)
@given(left=TEXTS, right=TEXTS)
def test_debian_versions_compare_as_dpkg_compares_them(left: str, right: str) -> None:
    # An option of dpkg, or an epoch with a sign, which dpkg reads by strtol: no version has either.
    assume(not left.startswith(("-", "+")) and not right.startswith(("-", "+")))
    a, b = debian.key(left), debian.key(right)
    asked = [_dpkg(left, operator, right) for operator in ("lt", "eq")]
    if a is None or b is None:
        assert 2 in asked
    else:
        assert asked == [0 if a < b else 1, 0 if a == b else 1]


def _dpkg(left: str, operator: str, right: str) -> int:
    done = subprocess.run(["dpkg", "--compare-versions", left, operator, right], capture_output=True, check=False)
    return done.returncode
