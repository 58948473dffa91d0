"""Keeping 13 months: what is older goes, but never the newest word on anything, nor what a frozen image still shows.

Source: issue 2, point 7 (scans are kept 13 months), and the re-scan's model, "Purge". For each key the newest row at or
before the horizon stays, so every question as of the horizon or later has the same answer as before. What belongs to an
image that has been gone for so long goes whole.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.clock import DAY, Instant
from assay.scanning.records import components, inventories, matches, scans, totals
from assay.scanning.rescan.pace import HOLD_SECONDS_MAX, rest
from assay.storage import Store

#: 13 months: a year and the longest month.
KEPT = 396 * DAY
KEYS_AT_ONCE = 500
KEYS_AT_ONCE_MIN = 10


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows went; `horizon` is the newest revision that is older than 13 months."""

    horizon: int
    scans: int
    inventories: int
    totals: int
    matches: int


def purge(store: Store, *, pause: Callable[[], None] = rest) -> Purged:
    """Remove what is older than 13 months, in short batches with `pause` between. Errors: Unavailable."""
    with store.database.read() as connection:
        published = revisions.published_revision(connection)
        horizon = scans.horizon(connection, Instant(store.clock.now() - KEPT), published)
        frozen = inventories.oldest_frozen(connection)
    batches = _Batches(store, pause)
    ended = horizon if frozen is None else min(horizon, frozen)
    revisions.purge(store, ended, pause=pause)
    return Purged(
        horizon=horizon,
        scans=batches.each(inventories.ids_after, scans.delete_older, horizon),
        inventories=batches.each(inventories.ids_after, inventories.delete_closed, horizon),
        totals=batches.each(components.chains_after, totals.delete_older, horizon),
        matches=batches.each(matches.vulnerabilities_after, matches.delete_ended, ended),
    )


class _Batches:
    """Goes through the keys of a table in short transactions."""

    def __init__(self, store: Store, pause: Callable[[], None]) -> None:
        self._store = store
        self._pause = pause

    def each(
        self,
        keys_after: Callable[[Connection, int, int], list[int]],
        delete: Callable[[Connection, list[int], int], int],
        rev: int,
    ) -> int:
        """Call `delete` with all keys, some at a time, and `rev`; the sum of what it gives."""
        count, after, size = 0, 0, KEYS_AT_ONCE
        while True:
            with self._store.database.read() as connection:
                keys = keys_after(connection, after, size)
            if not keys:
                return count
            with self._store.database.write() as connection:
                began = time.perf_counter()
                count += delete(connection, keys, rev)
            if time.perf_counter() - began > HOLD_SECONDS_MAX:
                size = max(KEYS_AT_ONCE_MIN, size // 2)
            after = keys[-1]
            self._pause()
