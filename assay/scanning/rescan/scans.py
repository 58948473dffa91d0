"""Phase 4: a new scan for every image in which a finding changed, and for no other."""

from collections.abc import Sequence
from itertools import groupby, islice

from sqlalchemy import Connection

from assay.advisories import revisions, vulnerabilities
from assay.events import ImageScanned
from assay.scanning.doubts import chains_in_doubt
from assay.scanning.model import Cause
from assay.scanning.records import components, inventories, matches, scans
from assay.scanning.rescan.pace import Pace
from assay.storage import Store, outbox

PHASE = 4
VULNERABILITIES_AT_ONCE = 1_000
#: Images named in one fact.
IMAGES_IN_FACT_MAX = 1_000
#: What a scan and a fact weigh in a batch: their statements cost about as much as so many rows of a total or a match.
#: A scan is summed along a path, so 2,000 of them held the lock three times as long as 2,000 totals.
SCAN_ROWS = 3
FACT_ROWS = 15


def summarize(store: Store, rev: int, pace: Pace) -> int:
    """Write the scans, repository by repository, with one fact each; leaves the revision at phase 5; how many scans.

    There is no cursor: a scan that stands already is neither written nor told again.
    """
    with store.database.read() as connection:
        sets, in_question = changed_sets(connection, rev)
        waiting = inventories.changed(connection, sets)
        asked = {identity for _, identity in inventories.changed(connection, in_question)}
    written = start = 0
    while start < len(waiting):
        batch = _batch(waiting, start, pace.rows)
        with store.database.read() as connection:
            standing = {image for _, _, image in scans.images_scanned(connection, batch, rev)}
            chains = inventories.chains_of(connection, asked.intersection(batch))
            in_doubt = chains_in_doubt(connection, set(chains.values()), rev)
        doubtful = {identity for identity, chain in chains.items() if chain in in_doubt}
        with pace.batch(rev, PHASE) as connection:
            now = store.clock.now()
            settled = chains.keys() - doubtful
            scans.add_rescans(connection, batch, rev, now, settled=settled, in_doubt=doubtful)
            made = [row for row in scans.images_scanned(connection, batch, rev) if row[2] not in standing]
            announce(store, connection, rev, made)
        written += len(made)
        start += len(batch)
    with pace.batch(rev, PHASE) as connection:
        revisions.save_phase(connection, rev, PHASE + 1, 0)
    return written


def _batch(waiting: Sequence[tuple[str, int]], start: int, rows: int) -> list[int]:
    """The next inventories, as many as weigh `rows`: a scan SCAN_ROWS, the fact of a repository FACT_ROWS."""
    batch: list[int] = []
    weight, last = 0, ""
    for repository, identity in islice(waiting, start, None):
        weight += SCAN_ROWS if repository == last else SCAN_ROWS + FACT_ROWS
        if batch and weight > rows:
            break
        batch.append(identity)
        last = repository
    return batch


def changed_sets(connection: Connection, rev: int) -> tuple[set[int], set[int]]:
    """The sets that hold a component of which a match or a doubt begins or ends with the revision; and, of a doubt.

    A doubt begins or ends, too, for all components of an ecosystem of which the first advisory comes or the last goes.
    """
    doubted = set(components.of_ecosystems(connection, vulnerabilities.coverage_changes(connection, rev)))
    changed = set(doubted)
    after = 0
    while ids := revisions.touched_vulnerabilities(connection, rev, after, VULNERABILITIES_AT_ONCE):
        found = matches.changed_components(connection, ids, rev)
        changed.update(found)
        doubted.update(component for component, is_doubt in found.items() if is_doubt)
        after = ids[-1]
    return components.sets_with_any(connection, sorted(changed)), components.sets_with_any(connection, sorted(doubted))


def announce(store: Store, connection: Connection, rev: int, made: list[tuple[str, str, str]]) -> None:
    """One fact for each repository, held back until the revision is published. `made`: (tenancy, repository, image)."""
    for (tenancy, repository), rows in groupby(made, key=lambda row: row[:2]):
        images = tuple(image for _, _, image in rows)
        for start in range(0, len(images), IMAGES_IN_FACT_MAX):
            fact = ImageScanned(
                tenancy=tenancy,
                repository=repository,
                images=images[start : start + IMAGES_IN_FACT_MAX],
                revision=rev,
                cause=Cause.FEED,
            )
            outbox.announce(connection, fact, store.clock.now(), feed_revision=rev)
