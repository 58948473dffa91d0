"""Identities, packed lists and derived OCIDs: small encodings that must never confuse two things."""

import pytest

from assay.clock import Site
from assay.errors import Refused
from assay.inventory import Component
from assay.scanning import ocids, places
from assay.scanning.places import Place
from assay.scanning.records.components import identity_of, packed, set_digest, subject_of, unpacked

SITE = Site("oc1", "local")
MARK = "0123456789abcdef"


def test_components_that_differ_in_any_field_have_different_identities() -> None:
    each = [
        Component("Debian:12", "libssl3", "3.0.1-1", "amd64", "openssl", "3.0.1-1"),
        Component("Debian:12", "libssl3", "3.0.1-1", "arm64", "openssl", "3.0.1-1"),
        Component("Debian:12", "libssl3", "3.0.1-1", "amd64", "openssl", "3.0.1-2"),
        Component("Debian:12", "libssl", "33.0.1-1", "amd64", "openssl", "3.0.1-1"),
        Component("Debian:11", "libssl3", "3.0.1-1", "amd64", "openssl", "3.0.1-1"),
        Component("Debian:12", "libssl3", "3.0.1-1", "amd64", "openssl", "3.0.1-1", "module:8"),
    ]
    assert len({identity_of(component) for component in each}) == len(each)


def test_advisories_see_the_source_package_of_a_distribution_and_the_name_of_a_language() -> None:
    binary = Component("Debian:12", "libssl3", "3.0.1-1+b1", "amd64", "openssl", "3.0.1-1")
    assert subject_of(binary) == ("Debian:12", "openssl", "3.0.1-1")
    assert subject_of(Component("PyPI", "jinja2", "3.1.5")) == ("PyPI", "jinja2", "3.1.5")


def test_ids_are_packed_in_order_as_little_endian_numbers() -> None:
    assert packed([258, 1]) == b"\x01\x00\x00\x00\x02\x01\x00\x00"
    assert list(unpacked(packed([3, 2_000_000_000, 1]))) == [1, 3, 2_000_000_000]


def test_a_set_is_known_by_what_it_holds_in_whatever_order() -> None:
    assert set_digest([b"a", b"b"]) == set_digest([b"b", b"a"]) != set_digest([b"a"])


def test_equal_places_have_one_digest_and_come_back() -> None:
    listed = [Place(2, "usr/lib/b"), Place(1, "var/lib/dpkg/status"), Place(1, "a")]
    digest, body = places.packed(listed)
    assert places.packed(reversed(listed))[0] == digest
    assert places.unpacked(body) == sorted(listed)
    assert places.packed(listed[:2])[0] != digest


def test_the_ocid_of_a_scan_follows_from_image_inventory_and_revision() -> None:
    ocid = ocids.of_scan(SITE, "image", MARK, 41281)
    assert ocid == ocids.of_scan(SITE, "image", MARK, 41281)
    assert ocid.startswith(f"ocid1.containerscanresult.oc1.local.{MARK}.41281.")
    assert len(ocid.rpartition(".")[2]) == 60
    assert ocids.mark_and_revision(ocid) == (MARK, 41281)
    assert ocids.of_scan(SITE, "other", MARK, 41281) != ocid


def test_another_kind_of_ocid_is_no_scan_and_what_is_no_ocid_is_refused() -> None:
    assert ocids.mark_and_revision(SITE.new_ocid("containerimage").text) is None
    assert ocids.mark_and_revision(SITE.new_ocid(ocids.KIND).text) is None
    with pytest.raises(Refused):
        ocids.mark_and_revision("41281")
