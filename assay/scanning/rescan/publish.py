"""Phase 5: catch up what came late, then make the revision the published one in one short transaction."""

from assay.advisories import feeds, revisions
from assay.events import FeedAdvanced
from assay.scanning.records import inventories
from assay.scanning.rescan import late
from assay.scanning.rescan.pace import Pace
from assay.storage import Store, outbox

PHASE = 5
#: So many may be caught up while begin, publish and pushes wait; more are caught up before.
LATE_IN_LOCK_MAX = 3
_VULNERABILITIES_AT_ONCE = 1_000


def publish(store: Store, rev: int, feed: str, pace: Pace) -> None:
    """Publish `rev`: nothing that was pushed meanwhile lacks it, and `late` is empty for it.

    `feed`: whose run ends with it; empty when an earlier run left the revision.
    """
    touched = _touched(store, rev)
    while True:
        _catch_up(store, rev, touched, pace)
        with pace.batch(rev, PHASE, publishes=True) as connection:
            rest = inventories.late_ones(connection, rev, LATE_IN_LOCK_MAX + 1)
            if len(rest) > LATE_IN_LOCK_MAX:
                continue
            for each in rest:
                late.write(store, connection, rev, each, late.correction(connection, each, rev, touched))
            revisions.publish_revision(connection, rev)
            feeds.succeed(connection, feed, store.clock.now())
            outbox.announce(connection, FeedAdvanced(tenancy="", feed=feed, revision=rev), store.clock.now())
            return


def _catch_up(store: Store, rev: int, touched: set[int], pace: Pace) -> None:
    while True:
        with store.database.read() as connection:
            waiting = inventories.late_ones(connection, rev, LATE_IN_LOCK_MAX + 1)
            if len(waiting) <= LATE_IN_LOCK_MAX:
                return
            found = late.correction(connection, waiting[0], rev, touched)
        with pace.batch(rev, PHASE) as connection:
            late.write(store, connection, rev, waiting[0], found)


def _touched(store: Store, rev: int) -> set[int]:
    touched: set[int] = set()
    after = 0
    with store.database.read() as connection:
        while ids := revisions.touched_vulnerabilities(connection, rev, after, _VULNERABILITIES_AT_ONCE):
            touched.update(ids)
            after = ids[-1]
    return touched
