"""How much one write transaction may do: less after one that others had to wait for, more again while all are quick."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from assay.storage import Store

HOLD_SECONDS_MAX = 0.1
HOLD_SECONDS_LOW = 0.025
#: Of a batch's limits.
SHARE_MIN = 1 / 32


class Share:
    """The share of a batch's limits that the next transaction may use."""

    def __init__(self) -> None:
        self._share = 1.0

    def of(self, limit: int) -> int:
        """So much of a limit; at least 1."""
        return max(1, int(limit * self._share))

    @contextmanager
    def writing(self, store: Store) -> Iterator[Connection]:
        """One write transaction, which is learned from: the lock is held until it is committed."""
        with store.database.write() as connection:
            began = time.perf_counter()
            yield connection
        self.held(time.perf_counter() - began)

    def held(self, seconds: float) -> None:
        """Learn from how long a transaction held the lock."""
        if seconds > HOLD_SECONDS_MAX:
            self._share = max(SHARE_MIN, self._share / 2)
        elif seconds < HOLD_SECONDS_LOW:
            self._share = min(1.0, self._share * 1.5)
