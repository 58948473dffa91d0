"""Alias classes: who is in one with whom, and under which name."""

import pytest

from assay.advisories.classes import LinkKind, Node, links, members


def node(key: int, name: str, *, aliases: str = "", upstream: str = "", published: int | None = None) -> Node:
    return Node(key, name, published, links(name, aliases.split(), upstream.split()))


def classes(*nodes: Node) -> dict[str, set[str]]:
    names = {name for each in nodes for name in (each.name, *(link for _, link in each.links))}
    by_key = {each.key: each.name for each in nodes}
    found: dict[str, set[str]] = {}
    for title, key in members(nodes, names):
        found.setdefault(title, set()).add(by_key[key])
    return found


def test_advisories_that_name_one_id_are_in_one_class_named_by_its_cve() -> None:
    found = classes(node(1, "GHSA-a", aliases="CVE-2024-1000"), node(2, "PYSEC-1", aliases="CVE-2024-1000"))
    assert found == {"CVE-2024-1000": {"GHSA-a", "PYSEC-1"}}


def test_aliases_join_through_ids_that_no_feed_has() -> None:
    found = classes(node(1, "A", aliases="X"), node(2, "B", aliases="X Y"), node(3, "C", aliases="Y"), node(4, "D"))
    assert found == {"A": {"A", "B", "C"}, "D": {"D"}}


def test_the_lowest_cve_by_year_and_number_names_a_class() -> None:
    assert list(classes(node(1, "A", aliases="CVE-2021-10000 CVE-2021-9999 CVE-2022-1000"))) == ["CVE-2021-9999"]


def test_without_a_cve_the_oldest_record_names_a_class() -> None:
    assert list(classes(node(1, "B", aliases="C", published=5), node(2, "C", published=3))) == ["C"]
    assert list(classes(node(1, "B", aliases="C"), node(2, "C", published=3))) == ["C"]
    assert list(classes(node(1, "B", aliases="A", published=5))) == ["B"]


@pytest.mark.parametrize("prefix", ["UBUNTU", "ALPINE", "DEBIAN", "x_DEBCL"])
def test_a_distributions_record_of_a_cve_is_in_the_class_of_that_cve(prefix: str) -> None:
    found = classes(
        node(1, f"{prefix}-CVE-2024-1000", upstream="CVE-2024-1000"), node(2, "GHSA-a", aliases="CVE-2024-1000")
    )
    assert found == {"CVE-2024-1000": {f"{prefix}-CVE-2024-1000", "GHSA-a"}}


def test_a_notice_is_a_member_of_each_class_that_it_is_about_and_joins_none() -> None:
    found = classes(
        node(1, "DSA-1-1", upstream="CVE-2024-1000 CVE-2024-2000"),
        node(2, "GHSA-a", aliases="CVE-2024-1000"),
        node(3, "GHSA-b", aliases="CVE-2024-2000"),
    )
    assert found == {"CVE-2024-1000": {"DSA-1-1", "GHSA-a"}, "CVE-2024-2000": {"DSA-1-1", "GHSA-b"}}


def test_a_notice_about_an_id_without_a_record_makes_its_class() -> None:
    assert classes(node(1, "DLA-1-1", upstream="CVE-2024-1000")) == {"CVE-2024-1000": {"DLA-1-1"}}


def test_an_upstream_id_beside_aliases_joins_nothing() -> None:
    assert links("MINE-1", ["CVE-2024-1000"], ["CVE-2024-2000"]) == ((LinkKind.SAME, "CVE-2024-1000"),)


def test_an_id_that_merely_ends_in_the_same_digits_is_not_the_same() -> None:
    assert links("UBUNTU-CVE-2024-11000", [], ["CVE-2024-1000"]) == ((LinkKind.ABOUT, "CVE-2024-1000"),)
    assert links("XCVE-2024-1000", [], ["CVE-2024-1000"]) == ((LinkKind.ABOUT, "CVE-2024-1000"),)


def test_only_the_classes_asked_for_are_given() -> None:
    nodes = [node(1, "A", aliases="CVE-2024-1000"), node(2, "B", aliases="CVE-2024-2000")]
    assert members(nodes, ["A"]) == {("CVE-2024-1000", 1)}
    assert members(nodes, ["nothing"]) == frozenset()
