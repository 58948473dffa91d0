"""The registry's names: what is the same host, and what is another."""

import pytest

from assay.admission.hosts import ALIASES_MAX, Hosts, normal_host
from assay.errors import Refused

HOSTS = Hosts.of(["registry.example", "10.0.0.7:5000", "[2001:DB8::1]:5000", "xn--bcher-kva.example"])


@pytest.mark.parametrize(
    "host",
    [
        "registry.example",
        "REGISTRY.Example",
        "registry.example.",
        "registry.example:443",
        "registry.example:80",
        "registry.example.:443",
        "10.0.0.7:5000",
        "[2001:db8::1]:5000",
        "[2001:db8:0:0:0:0:0:1]:5000",
        "XN--BCHER-KVA.example",
    ],
)
def test_case_07_a_listed_host_is_known_however_it_is_legally_spelt(host: str) -> None:
    assert HOSTS.know(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "docker.io",
        "registry.example:5000",
        "10.0.0.7",
        "10.0.0.7:443",
        "registry.example.evil.example",
        "evil-registry.example",
        "[2001:db8::2]:5000",
    ],
)
def test_case_06_a_host_that_is_not_listed_is_foreign_even_if_it_resolves_to_the_registry(host: str) -> None:
    assert not HOSTS.know(host)


@pytest.mark.parametrize(
    "host", ["registry.example:0", "registry.example:65536", "registry.example:x", "[zz]:1", ":5", "a..", "."]
)
def test_a_port_or_address_that_cannot_be_is_refused(host: str) -> None:
    with pytest.raises(Refused):
        normal_host(host)


def test_a_table_without_names_or_with_too_many_is_refused() -> None:
    with pytest.raises(Refused):
        Hosts.of([])
    with pytest.raises(Refused):
        Hosts.of(f"r{n}.example" for n in range(ALIASES_MAX + 1))


def test_a_table_holds_normal_forms_only() -> None:
    with pytest.raises(Refused):
        Hosts(frozenset({"Registry.example"}))
