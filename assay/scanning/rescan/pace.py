"""The pace of a re-scan: short write transactions, each bounded by rows and by time, with room for others between.

Source of the numbers: the re-scan's model, measured at 100,000 images: at most 2,000 rows a batch, half of it when one
held the lock for over 100 ms, and a sleep between batches, without which waiting pushes starve.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.errors import Reason, Refused
from assay.storage import Store

ROWS_MAX = 2_000
ROWS_MIN = 50
HOLD_SECONDS_MAX = 0.1
HOLD_SECONDS_LOW = 0.025
PAUSE_SECONDS = 0.002


def rest() -> None:
    """Let others write."""
    time.sleep(PAUSE_SECONDS)


class Pace:
    """How many rows the next batch may have, and how long the longest one held the lock."""

    def __init__(self, store: Store, pause: Callable[[], None] = rest) -> None:
        self._store = store
        self._pause = pause
        self.rows = ROWS_MAX
        self.longest_hold_seconds = 0.0

    @contextmanager
    def batch(self, rev: int, phase: int, *, publishes: bool = False) -> Iterator[Connection]:
        """One write transaction of `phase` of the revision that is being prepared; no push beside one that `publishes`.

        Errors: Refused (WRONG_STATE) when another worker has brought the revision past this phase: a worker that was
        taken for dead must not write into what has been published since.
        """
        with self._store.database.write() as connection:
            began = time.perf_counter()
            self._store.database.publication_lock(connection, shared=not publishes)
            if revisions.preparing_revision(connection) != rev or revisions.revision_phase(connection, rev)[0] != phase:
                raise Refused(
                    f"Revision {rev} is past phase {phase}: another worker has taken over.", reason=Reason.WRONG_STATE
                )
            yield connection
        self.held(time.perf_counter() - began)
        if not publishes:
            self._pause()

    def held(self, seconds: float) -> None:
        """Learn from how long a batch held the lock."""
        self.longest_hold_seconds = max(self.longest_hold_seconds, seconds)
        if seconds > HOLD_SECONDS_MAX:
            self.rows = max(ROWS_MIN, self.rows // 2)
        elif seconds < HOLD_SECONDS_LOW:
            self.rows = min(ROWS_MAX, self.rows * 3 // 2)
