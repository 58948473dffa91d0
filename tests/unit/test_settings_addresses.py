"""Settings that are addresses: what is none is refused at the start, in one line that names the setting."""

import pytest

from assay.errors import Refused
from assay.settings import read


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


def test_a_variable_that_is_nearly_a_setting_is_warned_of_and_others_are_not(caplog: pytest.LogCaptureFixture) -> None:
    read(environment={"ASSAY_DATABSE_URL": "sqlite:////x", "ASSAY_TEST_SIZE": "full", "ASSAY_PORT": "1234"})
    assert [record.getMessage() for record in caplog.records] == [
        "ASSAY_DATABSE_URL is no setting, and is not used. Did you mean ASSAY_DATABASE_URL?"
    ]
