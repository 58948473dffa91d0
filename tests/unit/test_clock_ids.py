"""Times and OCIDs have the shapes of the OCI services."""

import re
from datetime import UTC, datetime

import pytest

from assay.clock import Ocid, Site, instant, moment, rfc3339
from assay.errors import Refused
from assay.secret import Secret

SITE = Site("oc1", "local")
TAIL = "a" * 60
#: Hard-coded in the stock command line for key OCIDs (oci-api 1.6).
KEY_OCID = re.compile(r"ocid1\.key\.([\w-]+)\.([\w-]+)\.([\w-]+)\.([\w]){60}")


def test_an_instant_counts_microseconds_since_1970_and_prints_as_rfc_3339() -> None:
    at = instant(datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC))
    assert at == 1_769_860_800_123_456
    assert rfc3339(at) == "2026-01-31T12:00:00.123Z"
    assert moment(at).microsecond == 123456


def test_key_ocids_match_the_pattern_of_the_stock_command_line() -> None:
    ocid = SITE.new_ocid("key", extension="b5rabcdefg")
    assert KEY_OCID.fullmatch(ocid.text)
    assert ocid.extension == "b5rabcdefg"


def test_ocids_without_a_region_leave_its_place_empty() -> None:
    ocid = SITE.new_ocid("tenancy", regional=False)
    assert ocid.text.startswith("ocid1.tenancy.oc1..")
    assert ocid.kind == "tenancy"


def test_new_ocids_differ_and_derived_ones_follow_from_their_parts() -> None:
    assert SITE.new_ocid("vault") != SITE.new_ocid("vault")
    assert SITE.derived_ocid("scan", "a", 1) == SITE.derived_ocid("scan", "a", 1)
    assert SITE.derived_ocid("scan", "a", 1) != SITE.derived_ocid("scan", "a", 2)
    assert SITE.derived_ocid("scan", "a", 1) != Site("oc2", "local").derived_ocid("scan", "a", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ocid1",
        f"ocid1.key.oc1.local.{TAIL[:-1]}",
        f"ocid1.key.oc1.local.{TAIL}x",
        f"ocid2.key.oc1.local.{TAIL}",
        f"ocid1.key.oc1.local.a.b.c.{TAIL}",
        f"ocid1.key.oc1.local.{TAIL}\n",
    ],
)
def test_what_is_no_ocid_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Ocid(text)


def test_a_site_that_cannot_stand_in_an_ocid_is_refused() -> None:
    with pytest.raises(Refused):
        Site("OC1", "local")


def test_a_secret_prints_as_stars_wherever_it_is_put() -> None:
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
