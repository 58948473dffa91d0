"""The log after any history equals that of its last state alone: classes are found around changes, never over all."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import msgspec
import pytest
from advisory_bucket import Record, record, standing, write_bucket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from assay.advisories import feeds, osv, revisions
from assay.advisories.classes import Node, links, members
from assay.advisories.records.tables import OPEN, advisory_version, affected, feed_revision, member
from assay.iam import Actor, Principal, PrincipalKind
from assay.storage import Store

EXAMPLES = 300 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 15
RECORDS = ["A", "B", "C", "D", "DSA-1", "UBUNTU-CVE-2026-1001"]
IDS = [*RECORDS[:4], "X", "CVE-2026-1000", "CVE-2026-1001", "CVE-2026-1002"]
SAID = st.fixed_dictionaries(
    {},
    optional={
        "aliases": st.lists(st.sampled_from(IDS), max_size=2, unique=True),
        "upstream": st.lists(st.sampled_from(IDS), max_size=2, unique=True),
        "withdrawn": st.just("2026-01-01T00:00:00Z"),
        "published": st.sampled_from(["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]),
    },
)
STATES = st.dictionaries(st.sampled_from(RECORDS), SAID)
#: What the feed holds, after how many batches the run is interrupted (None: not), and whether it is published then.
STEPS = st.lists(st.tuples(STATES, st.none() | st.integers(1, 6), st.booleans()), min_size=1, max_size=4)


#: No two states have the same date, whatever was published: a feed knows what changed by its date alone.
FIRST_MODIFIED = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = count()

OPERATOR = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), "ocid1.tenancy.oc1..test")


class Interrupted(Exception):
    """A run that ends here."""


def interrupting(after: int | None) -> Iterator[None]:
    left = after
    while True:
        if left is not None:
            left -= 1
            if left <= 0:
                raise Interrupted
        yield


def run(store: Store, config: feeds.FeedConfig, after: int | None) -> int | None:
    """Apply what the feed holds, or go on with what was left; the revision in preparation."""
    feeds.configure(store, [config])
    # Histories in which a list becomes empty are meant, and no accident.
    feeds.ask_refresh(store, OPERATOR, config.name, accept_removals=True)
    with feeds.fetch_changes(store, config) as changes:
        with store.database.read() as connection:
            rev = revisions.preparing_revision(connection)
        if rev is not None:
            with store.database.write() as connection:
                if revisions.revision_phase(connection, rev)[0] > 1:
                    # The phases after would go on; here nothing follows, so the revision is done.
                    revisions.publish_revision(connection, rev)
                    rev = None
        if rev is None and not changes:
            return None
        rev = revisions.begin_revision(store)
        beat = interrupting(after)
        try:
            revisions.apply_changes(store, rev, changes, pause=lambda: next(beat))
        except Interrupted:
            return None
    return rev


def expected(state: list[Record]) -> set[tuple[str, str]]:
    """(class, advisory) pairs of a state, computed over all of it at once."""
    read = [osv.read(msgspec.json.encode(each)) for each in state]
    standing_records = [each for each in read if not each.withdrawn]
    nodes = [
        Node(key, each.id, each.published, links(each.id, each.aliases, each.upstream))
        for key, each in enumerate(standing_records)
    ]
    names = {name for node in nodes for name in (node.name, *(link for _, link in node.links))}
    return {(title, standing_records[key].id) for title, key in members(nodes, names)}


def check_intervals(store: Store) -> None:
    """Intervals of one key never overlap and none is empty; revisions have no gaps."""
    with store.database.read() as connection:
        for table, key in ((advisory_version, 1), (affected, 3), (member, 2)):
            columns = list(table.primary_key.columns)[:key]
            rows = connection.execute(
                select(*columns, table.c.from_rev, table.c.until_rev).order_by(*columns, table.c.from_rev)
            ).all()
            for earlier, later in pairwise(rows):
                if earlier[:key] == later[:key]:
                    assert earlier.until_rev <= later.from_rev
            assert all(row.from_rev < row.until_rev <= OPEN for row in rows)
        numbers = list(connection.execute(select(feed_revision.c.rev).order_by(feed_revision.c.rev)).scalars())
        assert numbers == list(range(1, len(numbers) + 1))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS, batch=st.integers(1, 3))
def test_any_history_with_interruptions_ends_where_the_last_state_alone_would(
    store: Store, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[dict[str, Record], int | None, bool]], batch: int
) -> None:
    monkeypatch.setattr(revisions, "BATCH_ADVISORIES_MAX", batch)
    monkeypatch.setattr(revisions, "BATCH_MEMBERSHIPS_MAX", batch)
    last: dict[str, Record] = {}
    with tempfile.TemporaryDirectory() as folder:
        config = feeds.FeedConfig("test", folder, ("PyPI",))
        for state, after, publish in [*steps, (steps[-1][0], None, True), (steps[-1][0], None, True)]:
            modified = (FIRST_MODIFIED + timedelta(seconds=next(MOMENTS))).strftime("%Y-%m-%dT%H:%M:%SZ")
            held = []
            for name, said in state.items():
                old = last.get(name)
                fresh = record(name, modified=modified, **said)
                same = old is not None and {**old, "modified": ""} == {**fresh, "modified": ""}
                held.append(old if same and old is not None else fresh)
            last = {each["id"]: each for each in held}
            write_bucket(Path(folder), {"PyPI": held})
            rev = run(store, config, after)
            if rev is not None and publish:
                with store.database.write() as connection:
                    revisions.publish_revision(connection, rev)
            if rev is not None:
                assert standing(store)["members"] == expected(held)
                check_intervals(store)
    assert standing(store)["members"] == expected(list(last.values()))
    assert {row[0] for row in standing(store)["versions"]} == set(last)
