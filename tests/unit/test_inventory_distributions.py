"""Which ecosystem, with which release, an os-release stands for."""

import pytest

from assay.inventory.distributions import distribution


@pytest.mark.parametrize(
    ("identity", "version", "codename", "ecosystem"),
    [
        # As the public OSV records spell them.
        ("debian", "12", "bookworm", "Debian:12"),
        ("debian", "7", "wheezy", "Debian:7"),
        ("debian", "", "trixie", "Debian:13"),
        ("ubuntu", "22.04", "jammy", "Ubuntu:22.04:LTS"),
        ("ubuntu", "18.04", "bionic", "Ubuntu:18.04:LTS"),
        ("ubuntu", "23.04", "lunar", "Ubuntu:23.04"),
        ("ubuntu", "23.10", "mantic", "Ubuntu:23.10"),
        ("ubuntu", "24.10", "oracular", "Ubuntu:24.10"),
        ("alpine", "3.20.3", "", "Alpine:v3.20"),
        ("alpine", "3.9.6", "", "Alpine:v3.9"),
    ],
)
def test_a_release_is_spelled_as_osv_spells_it(identity: str, version: str, codename: str, ecosystem: str) -> None:
    found = distribution({"ID": identity, "VERSION_ID": version, "VERSION_CODENAME": codename})
    assert found.ecosystem == ecosystem
    assert found.reason == ""
    assert found.ecosystem_of(found.database) == ecosystem


@pytest.mark.parametrize(
    "release",
    [
        {"ID": "ol", "VERSION_ID": "8.5", "PRETTY_NAME": "Oracle Linux Server 8.5"},
        {"ID": "debian", "VERSION_CODENAME": "sid"},
        {"ID": "ubuntu", "VERSION_ID": "rolling"},
        {"ID": "alpine", "VERSION_ID": "3.21_alpha20240807"},
        {"ID": "alpine"},
        {"ID": "raspbian", "VERSION_ID": "11", "ID_LIKE": "debian"},
    ],
)
def test_a_release_without_advisories_is_said_and_never_guessed(release: dict[str, str]) -> None:
    found = distribution(release)
    assert found.ecosystem == ""
    assert "advisories" in found.reason
    assert found.ecosystem_of("dpkg") == "Debian"
    assert found.ecosystem_of("apk") == "Alpine"


@pytest.mark.parametrize("release", [{}, {"ID": ""}, {"ID": "$(touch /tmp/x)"}, {"ID": "a" * 65}, {"VERSION_ID": "12"}])
def test_no_identity_is_no_distribution(release: dict[str, str]) -> None:
    found = distribution(release)
    assert (found.name, found.ecosystem, found.reason) == ("", "", "")


def test_packages_of_another_systems_database_get_no_release_of_this_one() -> None:
    assert distribution({"ID": "alpine", "VERSION_ID": "3.20.3"}).ecosystem_of("dpkg") == "Debian"
