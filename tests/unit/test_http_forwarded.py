"""Whose word is taken for where a request came from. Forms of Forwarded are those of RFC 7239."""

import pytest

from assay.errors import Refused
from assay.http.forwarded import Proxies
from assay.settings import Settings

LISTED = Proxies.of(["10.0.0.0/8", "2001:db8:ffff::/48"], "X-Forwarded-For")
FORWARDED = Proxies.of(["10.0.0.0/8"], "Forwarded")


def listed(peer: str, *lines: str) -> str:
    return LISTED.client_of(peer, [(b"x-forwarded-for", line.encode()) for line in lines])


def forwarded(peer: str, *lines: str) -> str:
    return FORWARDED.client_of(peer, [(b"forwarded", line.encode()) for line in lines])


def test_who_is_no_trusted_proxy_is_the_client_whatever_it_says() -> None:
    assert listed("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert forwarded("192.0.2.1", "for=198.51.100.7") == "192.0.2.1"
    assert Proxies().client_of("10.0.0.1", [(b"x-forwarded-for", b"198.51.100.7")]) == "10.0.0.1"


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, 10.2.0.1, 10.3.0.1"], "198.51.100.7"),
        (["10.4.0.1, 10.3.0.1"], "10.4.0.1"),
        (["198.51.100.7:4711"], "198.51.100.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["198.51.100.7, unknown"], "10.0.0.1"),
        (["198.51.100.7, unknown, 10.2.0.1"], "10.2.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["127.0.0.1' OR 1=1"], "10.0.0.1"),
    ],
)
def test_the_last_that_is_no_trusted_proxy_is_the_client(lines: list[str], client: str) -> None:
    assert listed("10.0.0.1", *lines) == client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["for=192.0.2.43"], "192.0.2.43"),
        (["For=192.0.2.43;proto=http;by=203.0.113.43"], "192.0.2.43"),
        (["for=203.0.113.1, for=198.51.100.17"], "198.51.100.17"),
        (['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (['by="a,b;for=1.2.3.4";for=192.0.2.43'], "192.0.2.43"),
        (["for=192.0.2.43", "for=10.9.0.1"], "192.0.2.43"),
        (["for=_hidden, for=10.9.0.1"], "10.9.0.1"),
        (["for=203.0.113.1, proto=https"], "10.0.0.1"),
        (['for="unended, for=192.0.2.43'], "10.0.0.1"),
        (["for=192.0.2.43 x"], "10.0.0.1"),
    ],
)
def test_forwarded_is_read_likewise(lines: list[str], client: str) -> None:
    assert forwarded("10.0.0.1", *lines) == client


def test_the_other_header_says_nothing() -> None:
    assert LISTED.client_of("10.0.0.1", [(b"forwarded", b"for=192.0.2.43")]) == "10.0.0.1"
    assert FORWARDED.client_of("10.0.0.1", [(b"x-forwarded-for", b"192.0.2.43")]) == "10.0.0.1"


def test_settings_name_addresses_and_networks_and_nobody_by_default() -> None:
    assert Settings().trusted_proxies == ()
    for wrong in ("proxy.test", "10.0.0.1/8", "10.0.0.0/33", ""):
        with pytest.raises(Refused, match="trusted_proxies"):
            Settings(trusted_proxies=(wrong,))
    with pytest.raises(Refused, match="trusted_proxy_header"):
        Settings(trusted_proxy_header="x-real-ip")
