"""Real advisories in two states: taking in the later one over the earlier one equals taking it in alone."""

import csv
import os
import zipfile
from pathlib import Path

import pytest
from advisory_bucket import classes_of, standing, synchronise, write_bucket

from assay.advisories import Standing, affects, best_severity, feeds, revisions, vulnerabilities
from assay.clock import Instant, SetClock, Site
from assay.errors import Unavailable
from assay.secret import Secret
from assay.storage import Database, Store, metadata

FULL = os.environ.get("ASSAY_TEST_SIZE") == "full"
ECOSYSTEMS = feeds.ECOSYSTEMS_DEFAULT if FULL else ("npm",)

pytestmark = pytest.mark.shared


def merge(base: Path, delta: Path, out: Path) -> Path:
    """The second state, as the README of the data says: the delta over the base, without what was removed."""
    removed = set((delta / "REMOVED.txt").read_text().split())
    for ecosystem in ECOSYSTEMS:
        records: dict[str, bytes] = {}
        dates: dict[str, str] = {}
        for source in (base / ecosystem, delta / ecosystem):
            if source.is_dir():
                with zipfile.ZipFile(source / "all.zip") as archive:
                    records |= {name: archive.read(name) for name in archive.namelist()}
                with (source / "modified_id.csv").open(newline="") as listed:
                    dates |= {name: date for date, name in csv.reader(listed)}
        (out / ecosystem).mkdir(parents=True)
        with zipfile.ZipFile(out / ecosystem / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(records):
                if name.removesuffix(".json") not in removed:
                    archive.writestr(name, records[name])
        with (out / ecosystem / "modified_id.csv").open("w", newline="") as listed:
            rows = sorted(((date, name) for name, date in dates.items() if name not in removed), reverse=True)
            csv.writer(listed, lineterminator="\n").writerows(rows)
    return out


@pytest.fixture(scope="module")
def later(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = shared_data / "vulndata"
    return merge(root / "base/osv", root / "delta/osv", tmp_path_factory.mktemp("later"))


def config(source: Path) -> feeds.FeedConfig:
    return feeds.FeedConfig("test", str(source), ECOSYSTEMS)


def listed_in(source: Path) -> set[str]:
    found: set[str] = set()
    for ecosystem in ECOSYSTEMS:
        with (source / ecosystem / "modified_id.csv").open(newline="") as file:
            found |= {name for _, name in csv.reader(file)}
    return found


@pytest.mark.timeout(3600)
def test_the_later_state_over_the_earlier_one_equals_the_later_state_alone(
    store: Store, shared_data: Path, later: Path, tmp_path: Path
) -> None:
    base = shared_data / "vulndata/base/osv"
    assert synchronise(store, config(base)) == 1
    assert {row[0] for row in standing(store)["versions"]} == listed_in(base)
    first = standing(store)
    assert synchronise(store, config(later)) == 2
    stood = standing(store)
    assert {row[0] for row in stood["versions"]} == listed_in(later)
    alone_database = Database(f"sqlite:///{tmp_path}/alone.db")
    metadata.create_all(alone_database.engine)
    alone = Store(alone_database, store.clock, store.site, store.page_key)
    assert synchronise(alone, config(later)) == 1
    assert standing(alone) == stood
    alone_database.close()
    # And back again: dates that fall are changes too.
    assert synchronise(store, config(base)) == 3
    assert standing(store) == first
    with store.database.read() as connection:
        (shown,) = feeds.state(connection, store.clock.now())
    assert (shown.refused, shown.awaited, shown.last_error) == (0, 0, "")


def test_real_classes_join_a_cve_of_several_sources_and_split_notices(shared_data: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/assay.db")
    metadata.create_all(database.engine)
    store = Store(database, SetClock(Instant(0)), Site("oc1", "local"), Secret("page key of the tests"))
    synchronise(store, feeds.FeedConfig("test", str(shared_data / "vulndata/base/osv"), ("Debian", "npm")))
    found = classes_of(store)
    # Debian's announcement DSA-5103-1 (openssl, 15 March 2022) is about CVE-2021-4160 and CVE-2022-0778.
    assert {name for name, ids in found.items() if "DSA-5103-1" in ids} == {"CVE-2021-4160", "CVE-2022-0778"}
    assert {"DSA-5103-1", "x_DEBCL-CVE-2021-4160"} <= found["CVE-2021-4160"]
    # GHSA-xvch-5gv4-984h (minimist) has the alias CVE-2021-44906.
    assert "GHSA-xvch-5gv4-984h" in found["CVE-2021-44906"]
    with store.database.read() as connection:
        rev = revisions.published_revision(connection)
        identity = vulnerabilities.vulnerability_id(connection, "CVE-2021-44906")
        assert identity is not None
        said = vulnerabilities.statements_of(connection, [identity], rev)[identity]
    hits = [affects.effect(each, "1.2.5") for each in said if each.package == "minimist"]
    assert all(hit.standing is Standing.AFFECTED for hit in hits)
    assert "1.2.6" in {hit.fixed for hit in hits}
    assert best_severity(said).name == "CRITICAL"
    database.close()


def test_half_of_a_real_archive_is_refused_and_changes_nothing(store: Store, shared_data: Path, tmp_path: Path) -> None:
    write_bucket(tmp_path, {"npm": []})
    feed = feeds.FeedConfig("test", str(tmp_path), ("npm",))
    source = shared_data / "vulndata/base/osv/npm"
    (tmp_path / "npm/modified_id.csv").write_bytes((source / "modified_id.csv").read_bytes())
    whole = (source / "all.zip").read_bytes()
    (tmp_path / "npm/all.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unavailable, match="cut off or damaged"):
        synchronise(store, feed)
    assert standing(store)["versions"] == set()
    (tmp_path / "npm/all.zip").write_bytes(whole)
    assert synchronise(store, feed) == 1
