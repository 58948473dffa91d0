"""`kill -9` amid a refresh: what was published stands, nothing half-done is seen, and the next run completes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from advisory_bucket import Record, record, standing, synchronise, write_bucket

from assay.advisories import feeds, revisions, vulnerabilities
from assay.storage import Store

CHILD = Path(__file__).parent / "advisory_refresh.py"


def first() -> list[Record]:
    return [record(f"A-{n}", aliases=[f"CVE-2026-{1000 + n // 2}"], package=f"p{n % 20}") for n in range(160)]


def later() -> list[Record]:
    moved = [
        record(f"A-{n}", aliases=[f"CVE-2026-{1000 + n // 3}"], package=f"p{n % 20}", modified="2026-02-01T00:00:00Z")
        for n in range(20, 140)
    ]
    return [*first()[:10], *moved, *(record(f"N-{n}", upstream=[f"CVE-2026-{1000 + n}"]) for n in range(60))]


def seen(store: Store) -> object:
    """What readers are told: everything as of the published revision."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        packages = [("PyPI", f"p{n}") for n in range(20)] + [("PyPI", "thing")]
        found = vulnerabilities.vulnerabilities_affecting(connection, packages, published)
        ids = {each for listed in found.values() for each in listed}
        return published, found, vulnerabilities.statements_of(connection, sorted(ids), published)


# Batches of the later state: 4 of records (190 changes and 40 removals, 50 a batch), then 2 of memberships.
@pytest.mark.parametrize("batches", [1, 3, 5, 6])
def test_a_killed_refresh_is_invisible_and_the_next_one_completes_it(
    store: Store, tmp_path: Path, batches: int
) -> None:
    folder = tmp_path / "feed"
    config = feeds.FeedConfig("test", str(folder), ("PyPI",))
    write_bucket(folder, {"PyPI": first()})
    synchronise(store, config)
    before = seen(store)
    write_bucket(folder, {"PyPI": later()})
    child = subprocess.run(
        [sys.executable, str(CHILD), store.database.url, str(folder), "PyPI", str(batches)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        check=False,
        timeout=120,
    )
    assert child.returncode == -signal.SIGKILL
    assert seen(store) == before
    with store.database.read() as connection:
        assert revisions.preparing_revision(connection) == 2
    assert resume(store, config) == 2
    assert_same_as_from_nothing(store, tmp_path, folder)


def test_a_refresh_completes_with_what_it_has_when_its_feed_is_gone(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    config = feeds.FeedConfig("test", str(folder), ("PyPI",))
    write_bucket(folder, {"PyPI": first()})
    feeds.configure(store, [config])

    def stop() -> None:
        raise InterruptedError

    with feeds.fetch_changes(store, config) as changes:
        rev = revisions.begin_revision(store)
        with pytest.raises(InterruptedError):
            revisions.apply_changes(store, rev, changes, pause=stop)
    revisions.apply_changes(store, rev, feeds.ChangeSet("test"), pause=lambda: None)
    with store.database.write() as connection:
        revisions.publish_revision(connection, rev)
    assert len(standing(store)["versions"]) == revisions.BATCH_ADVISORIES_MAX
    # The feed was not completely read, so the next run takes in the rest.
    assert synchronise(store, config) == 2
    assert_same_as_from_nothing(store, tmp_path, folder)


def resume(store: Store, config: feeds.FeedConfig) -> int:
    """What the next run does when it finds a revision in preparation."""
    with store.database.read() as connection:
        rev = revisions.preparing_revision(connection)
    assert rev is not None
    with feeds.fetch_changes(store, config) as changes:
        assert changes
        revisions.apply_changes(store, rev, changes, pause=lambda: None)
    with store.database.write() as connection:
        revisions.publish_revision(connection, rev)
    return rev


def assert_same_as_from_nothing(store: Store, tmp_path: Path, folder: Path) -> None:
    """The log stands as one that has taken in the folder's present state at once (here: as another feed's)."""
    stood = standing(store)
    with store.database.read() as connection:
        rev = revisions.published_revision(connection)
    empty = write_bucket(tmp_path / "empty", {"PyPI": []})
    synchronise(store, feeds.FeedConfig("test", str(empty), ("PyPI",)))
    assert standing(store)["versions"] == set()
    assert synchronise(store, feeds.FeedConfig("test", str(folder), ("PyPI",))) == rev + 2
    assert standing(store) == stood
