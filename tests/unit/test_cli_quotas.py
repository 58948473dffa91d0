"""Sizes as people write them for `assay quota set`."""

import pytest
import typer

from assay.cli.quotas import _bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("500", 500),
        ("500B", 500),
        ("20G", 20_000_000_000),
        ("20GB", 20_000_000_000),
        ("20 GiB", 21_474_836_480),
        ("20Gi", 21_474_836_480),
        ("10mb", 10_000_000),
        ("1.5GB", 1_500_000_000),
        ("1.5kib", 1_536),
        ("0.5TiB", 549_755_813_888),
        ("4611686018427387903", 4_611_686_018_427_387_903),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert _bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "20X", "20GBB", "-1GB", "1,5GB", "1e9", "5iB", "٣GB", "1.GB"])
def test_what_is_no_size_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is no size; .* 20G, 1\.5GB \(powers of 1000\) or 500GiB"):
        _bytes(text)


@pytest.mark.parametrize("text", ["99999999999999999TB", "9" * 30, "4611686018427387904", "4194304TiB"])
def test_more_than_a_quota_can_be_is_refused_with_the_most(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is more than a quota can be: at most 4611686018427387903 bytes"):
        _bytes(text)
