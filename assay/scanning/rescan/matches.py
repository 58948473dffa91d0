"""Phase 2: evaluate every touched vulnerability anew and write the matches that begin and end with the revision."""

from collections.abc import Iterator, Mapping

from assay.advisories import revisions
from assay.scanning.evaluation import changes_of_vulnerabilities
from assay.scanning.records import matches
from assay.scanning.records.matches import Changes
from assay.scanning.rescan.pace import Pace
from assay.storage import Store

PHASE = 2
VULNERABILITIES_AT_ONCE = 50


def evaluate(store: Store, rev: int, cursor: int, pace: Pace) -> None:
    """Go on behind the vulnerability `cursor`; leaves the revision at phase 3.

    The cursor moves only when a vulnerability is written whole: what was written of one is found right the next time.
    """
    while True:
        with store.database.read() as connection:
            ids = revisions.touched_vulnerabilities(connection, rev, cursor, VULNERABILITIES_AT_ONCE)
            changes = changes_of_vulnerabilities(connection, ids, rev)
        if not ids:
            break
        for batch, done in _cut(changes, ids[-1], cursor, pace):
            with pace.batch(rev, PHASE) as connection:
                matches.apply(connection, rev, batch)
                revisions.save_phase(connection, rev, PHASE, done)
        cursor = ids[-1]
    with pace.batch(rev, PHASE) as connection:
        revisions.save_phase(connection, rev, PHASE + 1, 0)


def _cut(changes: Mapping[int, Changes], last: int, cursor: int, pace: Pace) -> Iterator[tuple[Changes, int]]:
    """Batches of at most `pace.rows` rows, each with the last vulnerability that is whole once it is written."""
    ended: list[tuple[int, int]] = []
    begun: list[matches.MatchRow] = []
    done = cursor
    for vulnerability in sorted(changes):
        for one in _in_pieces(changes[vulnerability], pace):
            if len(ended) + len(begun) + one.rows > pace.rows and (ended or begun):
                yield Changes(ended, begun), done
                ended, begun = [], []
            ended.extend(one.ended)
            begun.extend(one.begun)
        done = vulnerability
    yield Changes(ended, begun), last


def _in_pieces(changes: Changes, pace: Pace) -> Iterator[Changes]:
    """The changes of one vulnerability; a component's end and its new beginning are never parted."""
    if changes.rows <= pace.rows:
        yield changes
        return
    begun = {row.component: row for row in changes.begun}
    ended = dict.fromkeys(component for _, component in changes.ended)
    concerned = sorted({*begun, *ended})
    vulnerability = (changes.begun or changes.ended)[0][0]
    size = max(1, pace.rows // 2)
    for start in range(0, len(concerned), size):
        some = concerned[start : start + size]
        yield Changes(
            [(vulnerability, component) for component in some if component in ended],
            [begun[component] for component in some if component in begun],
        )
