"""Settings that are addresses: what is none is refused at the start, in one line that names the setting."""

import pytest

from assay.errors import Refused
from assay.settings import misspelt, read


@pytest.mark.parametrize("name", ["database_url", "jobs_url"])
@pytest.mark.parametrize(
    "url",
    [
        "mysql://x",
        "x",
        "sqlite://",
        "sqlite:///",
        "sqlite:/assay.db",
        "postgres://u@h/n",
        "postgresql://",
        "u:hidden@h/n",
    ],
)
def test_a_database_of_another_kind_is_refused_with_the_two_that_there_are(name: str, url: str) -> None:
    with pytest.raises(Refused, match=name) as refusal:
        read(environment={f"ASSAY_{name.upper()}": url})
    told = f"{refusal.value} {refusal.value.advice}"
    assert "postgresql://" in told
    assert "sqlite:///" in told
    assert "hidden" not in told


@pytest.mark.parametrize("url", ["", "sqlite:////var/lib/assay/assay.db", "sqlite:///a.db", "postgresql://u@h:5432/n"])
def test_the_databases_that_there_are_are_taken(url: str) -> None:
    assert read(environment={"ASSAY_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    "url",
    ["foo", "foo:5080", "ftp://foo", "http://", "https:///x", "http://foo/assay", "http://fo o", "http://foo:123456"],
)
def test_an_external_address_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(Refused, match="external_url") as refusal:
        read(environment={"ASSAY_EXTERNAL_URL": url})
    assert "https://HOST[:PORT]" in (refusal.value.advice or "")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://registry.example", "registry.example"),
        ("http://10.0.0.7:5080/", "10.0.0.7:5080"),
        ("http://[2001:db8::1]:5080", "[2001:db8::1]:5080"),
    ],
)
def test_an_external_address_is_the_registrys_host(url: str, host: str) -> None:
    assert read(environment={"ASSAY_EXTERNAL_URL": url}).registry_host == host


@pytest.mark.parametrize(
    ("written", "meant"),
    [("DATABSE_URL", "DATABASE_URL"), ("PROT", "PORT"), ("HSOT", "HOST"), ("BLOB_FSYNK", "BLOB_FSYNC")],
)
def test_a_variable_that_is_nearly_a_setting_is_warned_of(written: str, meant: str) -> None:
    said = f"ASSAY_{written} is no setting, and is not used. Did you mean ASSAY_{meant}?"
    assert misspelt({f"ASSAY_{written}": "x"}) == (said,)


def test_variables_that_are_settings_or_like_none_are_not_warned_of() -> None:
    names = ("ASSAY_PORT", "ASSAY_TEST_SIZE", "ASSAY_PROFILE", "ASSAY_CONFIG", "ASSAY_CORPUS", "PATH")
    assert misspelt(dict.fromkeys(names, "x")) == ()
