"""Components: identity, the name advisories use, and what may be a name at all."""

import pytest

from assay.errors import Refused
from assay.inventory import Component
from assay.inventory.component import is_word, normal_pypi_name


def test_a_distributions_component_is_known_to_advisories_by_its_source() -> None:
    bsdutils = Component("Debian:11", "bsdutils", "1:2.36.1-8+deb11u2", "amd64", "util-linux", "2.36.1-8+deb11u2")
    assert bsdutils.package == "util-linux"
    assert Component("Alpine:v3.20", "libcrypto3", "3.3.2-r0", "x86_64", "openssl", "3.3.2-r0").package == "openssl"
    assert Component("Ubuntu:22.04:LTS", "libssl3", "3.0.2-0ubuntu1.10", "amd64", "openssl").package == "openssl"


def test_a_language_component_is_known_by_its_own_name() -> None:
    assert Component("PyPI", "urllib3", "1.26.5").package == "urllib3"
    assert Component("npm", "@babel/traverse", "7.20.0").package == "@babel/traverse"


def test_where_no_source_is_named_the_package_is_its_own_source() -> None:
    assert Component("Debian:12", "tzdata", "2024a-0+deb12u1") == Component(
        "Debian:12", "tzdata", "2024a-0+deb12u1", "", "tzdata", "2024a-0+deb12u1"
    )


@pytest.mark.parametrize(
    ("spelled", "normal"),
    # PEP 503's own examples.
    [("Friendly-Bard", "friendly-bard"), ("FRIENDLY-BARD", "friendly-bard"), ("friendly.bard", "friendly-bard"),
     ("friendly_bard", "friendly-bard"), ("friendly--bard", "friendly-bard"), ("FrIeNdLy-._.-bArD", "friendly-bard")],
)  # fmt: skip
def test_python_names_are_normalised_as_pep_503_says(spelled: str, normal: str) -> None:
    assert normal_pypi_name(spelled) == normal


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a\tb", "a\nb", "a\x1b[31m", "a\x00", "a\u202eb", "a\u200bb", "a\u00a0b", "a\ud800", "x" * 256],
)
def test_what_is_invisible_blank_or_too_long_is_no_word(text: str) -> None:
    assert not is_word(text, 255)
    with pytest.raises(Refused):
        Component("npm", text, "1.0.0")
    with pytest.raises(Refused):
        Component("npm", "name", text)


@pytest.mark.parametrize("text", ["a", "1:2.36.1-8+deb11u2~bpo", "@scope/name", "größe", "=cmd()", "x" * 255])
def test_ordinary_and_odd_names_are_words(text: str) -> None:
    assert is_word(text, 255)
