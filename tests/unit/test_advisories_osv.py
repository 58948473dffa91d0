"""Reading OSV records: what is taken, what is left out, what is refused."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from advisory_bucket import content, record

from assay.advisories import Severity, osv
from assay.advisories.affects import Event, EventKind
from assay.errors import Refused

CRITICAL = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}


def read(**more: Any) -> osv.Advisory:
    return osv.read(content(record("TEST-1", **more)))


def test_a_record_is_read_whole() -> None:
    advisory = read(
        package="Some_Thing",
        aliases=["CVE-2026-1", "GHSA-x", "TEST-1", "CVE-2026-1"],
        upstream=["CVE-2026-2"],
        summary="short",
        details="long\x00er",
        published="2025-12-31T00:00:00Z",
        references=[{"type": "WEB", "url": "https://example.org/1"}, {"type": "WEB", "url": "https://example.org/1"}],
        severity=[CRITICAL],
    )
    assert (advisory.id, advisory.summary, advisory.details) == ("TEST-1", "short", "longer")
    assert advisory.modified == 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
    assert advisory.published == 1_767_139_200_000_000
    assert advisory.aliases == ("CVE-2026-1", "GHSA-x")
    assert advisory.upstream == ("CVE-2026-2",)
    assert advisory.references == ("https://example.org/1",)
    assert not advisory.withdrawn
    (statement,) = advisory.statements
    assert (statement.ecosystem, statement.package, statement.severity) == ("PyPI", "some-thing", Severity.CRITICAL)
    assert statement.ranges == ((Event(EventKind.INTRODUCED, "0"), Event(EventKind.FIXED, "2.0")),)


def test_dates_of_the_year_1_and_of_next_year_are_dates() -> None:
    assert read(modified="0001-01-01T00:00:00Z").modified < 0
    assert read(modified="9999-12-31T23:59:59.999999Z").modified > read(modified="2027-01-01T00:00:00Z").modified


def test_null_stands_for_nothing() -> None:
    advisory = osv.read(b'{"id":"TEST-1","modified":"2026-01-01T00:00:00Z","aliases":null,"affected":null}')
    assert (advisory.aliases, advisory.statements, advisory.severity) == ((), (), None)


def affected(**more: Any) -> dict[str, Any]:
    return {"package": {"ecosystem": "Debian:12", "name": "thing"}, "versions": ["1"], **more}


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({"database_specific": {"severity": "MODERATE"}, "severity": [CRITICAL]}, Severity.MEDIUM),
        ({"affected": [affected(ecosystem_specific={"urgency": "unimportant"})], "severity": [CRITICAL]}, Severity.LOW),
        (
            {"affected": [affected(ecosystem_specific={"urgency": "not yet assigned"})], "severity": [CRITICAL]},
            Severity.CRITICAL,
        ),
        ({"affected": [affected(severity=[CRITICAL])], "database_specific": {"severity": "LOW"}}, Severity.CRITICAL),
        ({"severity": [CRITICAL, {"type": "Ubuntu", "score": "low"}]}, Severity.LOW),
        ({"severity": [{"score": "low"}]}, Severity.LOW),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:U/A:U"}]}, None),
        ({}, None),
    ],
)
def test_the_rating_nearest_to_the_package_counts(more: dict[str, Any], severity: Severity | None) -> None:
    assert read(**more).statements[0].severity is severity


def test_several_entries_on_one_package_are_one_statement() -> None:
    advisory = read(
        affected=[affected(), affected(versions=["2"], ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "3"}]}])]
    )
    (statement,) = advisory.statements
    assert statement.versions == {"1", "2"}
    assert len(statement.ranges) == 1


def test_commit_ranges_are_ignored_even_when_they_are_odd() -> None:
    advisory = read(affected=[affected(ranges=[{"type": "GIT", "repo": "x", "events": [{"type": "INTRODUCED"}]}])])
    assert advisory.statements[0].ranges == ()


def test_an_event_with_two_members_is_two_events() -> None:
    advisory = read(affected=[affected(ranges=[{"type": "SEMVER", "events": [{"introduced": "1", "fixed": "2"}]}])])
    assert advisory.statements[0].ranges == ((Event(EventKind.INTRODUCED, "1"), Event(EventKind.FIXED, "2")),)


def test_links_that_are_none_and_aliases_that_can_be_none_are_left_out() -> None:
    advisory = read(
        references=[
            {"url": "javascript:alert(1)"},
            {"url": "https://a b"},
            {"url": 5},
            "x",
            {"url": "https://ok.example/"},
        ],
        aliases=["CVE-2026-1 ", "two words", "../../etc/passwd", ""],
    )
    assert advisory.references == ("https://ok.example/",)
    assert advisory.aliases == ("CVE-2026-1",)


def test_long_texts_are_cut() -> None:
    advisory = read(
        summary="s" * 10_000, details="d" * 1_000_000, references=[{"url": f"https://e.org/{n}"} for n in range(500)]
    )
    assert (len(advisory.summary), len(advisory.details)) == (osv.SUMMARY_LENGTH_KEPT, osv.DETAILS_LENGTH_KEPT)
    assert len(advisory.references) == osv.REFERENCES_KEPT


def ranges(*events: Any, kind: str = "ECOSYSTEM") -> list[dict[str, Any]]:
    return [affected(ranges=[{"type": kind, "events": list(events)}])]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"id": "../x"}, "not an advisory id"),
        ({"id": ""}, "not an advisory id"),
        ({"id": 5}, "Expected `str`, got `int` - at `$.id`"),
        ({"modified": "yesterday"}, "modified is 'yesterday'"),
        ({"modified": None}, "at `$.modified`"),
        ({"affected": {}}, "at `$.affected`"),
        ({"affected": ranges({"type": "INTRODUCED", "value": "0"})}, "none of introduced, fixed"),
        ({"affected": ranges({"fixed": "1"})}, "never begins"),
        ({"affected": ranges()}, "never begins"),
        ({"affected": ranges({"introduced": 0})}, "Expected `str | null`, got `int`"),
        ({"affected": ranges({"introduced": "0"}, kind="MAGIC")}, "type 'MAGIC'"),
        ({"affected": [affected(package={"ecosystem": "", "name": "x"})]}, "no name of an ecosystem or package"),
        (
            {"affected": [affected(package={"ecosystem": "npm", "name": "x" * 501})]},
            "no name of an ecosystem or package",
        ),
        ({"affected": [affected(versions=[1])]}, "versions"),
        ({"affected": [affected()] * 10_001}, "names 10001 packages"),
        ({"affected": [affected(versions=["1"] * 100_001)]}, "more than 100000 versions"),
        ({"aliases": [f"A-{n}" for n in range(2_001)]}, "aliases has 2001 ids"),
    ],
)
def test_a_mistake_that_could_hide_a_vulnerability_refuses_the_record(more: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match="cannot be read") as refusal:
        osv.read(content(record("TEST-1") | more))
    assert why in refusal.value.message


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null", b'{"id":"A"', b"\xff", b"[" * 100_000])
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(Refused):
        osv.read(text)


def test_a_record_beyond_the_limit_is_refused() -> None:
    with pytest.raises(Refused, match="at most"):
        osv.read(b" " * (osv.RECORD_BYTES_MAX + 1))


@pytest.mark.shared
def test_every_record_of_the_shared_feed_is_read(shared_data: Path) -> None:
    seen = set()
    for archive_path in sorted((shared_data / "vulndata/base/osv").glob("*/all.zip")):
        with zipfile.ZipFile(archive_path) as archive:
            for name in archive.namelist():
                advisory = osv.read(archive.read(name))
                assert f"{advisory.id}.json" == name
                seen.add(advisory.id)
    # Counts of the folder's README ("unique records").
    assert len(seen) == 44_520


@pytest.mark.shared
def test_records_that_break_the_schema_are_refused_only_where_matching_would_suffer(shared_data: Path) -> None:
    refused = {}
    paths = sorted((shared_data / "vulndata/rejected").glob("*.json"))
    for path in paths:
        try:
            assert osv.read(path.read_bytes()).id == path.stem
        except Refused as fault:
            refused[path.stem] = fault.message
    # REASONS.tsv: fifteen have a bad link, vector or commit range; one writes its events in another shape.
    assert len(paths) == 16
    assert list(refused) == ["GHSA-r9p9-mrjm-926w"]
    assert "none of introduced, fixed" in refused["GHSA-r9p9-mrjm-926w"]
