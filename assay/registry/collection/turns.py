"""Collection as it is set for an installation: in turns as upkeep, or at once for an operator who waits for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

from assay.clock import DAY
from assay.errors import Unavailable
from assay.registry.claims import GRACE_MICROSECONDS
from assay.registry.collection import fsck, purge, scrub, sweep
from assay.registry.collection.fsck import Finding
from assay.registry.collection.pace import Pace
from assay.registry.collection.purge import Purged
from assay.registry.collection.scrub import Scrubbed
from assay.registry.collection.sweep import Swept
from assay.registry.records.damage import Damage
from assay.registry.removals import RESTORE_MICROSECONDS
from assay.storage import BlobStore, Store

#: Transactions of the purge in a second: others write between them.
PURGES_PER_SECOND = 100
BLOBS_PER_SECOND = 50
SCRUB_BYTES_PER_SECOND = 20_000_000
#: How long an operator waits for the turn of upkeep that is under way.
WAIT_SECONDS = 600.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turns:
    """What is to be done and how fast: durations in microseconds, `scrub_every` 0 for never; paces 0 for no limit.

    Of each kind one is done at a time in the whole installation: a turn is given up (None) while another is under way,
    and `at_once` waits for it. Errors of each: Unavailable.
    """

    store: Store
    blobs: BlobStore
    window: int = RESTORE_MICROSECONDS
    grace: int = GRACE_MICROSECONDS
    blobs_per_second: int = BLOBS_PER_SECOND
    scrub_every: int = scrub.ROUND_MICROSECONDS
    scrub_bytes_per_second: int = SCRUB_BYTES_PER_SECOND
    takes_sparse: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)

    def purge(self, *, at_once: bool = False) -> Purged | None:
        """Purge what can be restored no more."""
        pace = Pace(PURGES_PER_SECOND, self.stopping)
        return self._alone("purge", lambda: purge.purge(self.store, window=self.window, pace=pace), at_once=at_once)

    def sweep(self, *, at_once: bool = False) -> Swept | None:
        """Collect blobs; look for what no row names once a day, or at once."""
        pace, every = Pace(self.blobs_per_second, self.stopping), 0 if at_once else DAY

        def work() -> Swept:
            return sweep.sweep(self.store, self.blobs, grace=self.grace, strays_every=every, pace=pace)

        return self._alone("sweep", work, at_once=at_once)

    def scrub(self, *, at_once: bool = False) -> Scrubbed | None:
        """Go on reading what is stored; begin a round when it is time, or at once."""
        if not self.scrub_every and not at_once:
            return None
        pace, every = Pace(self.scrub_bytes_per_second, self.stopping), 0 if at_once else self.scrub_every
        return self._alone(
            "scrub", lambda: scrub.scrub(self.store, self.blobs, every=every, pace=pace), at_once=at_once
        )

    def fsck(self, *, repairs: bool = False) -> Iterator[Finding]:
        """Compare rows and blobs."""
        return fsck.fsck(self.store, self.blobs, grace=self.grace, repairs=repairs, takes_sparse=self.takes_sparse)

    def damages(self) -> tuple[Damage, ...]:
        """What is known to be damaged."""
        with self.store.database.read() as connection:
            return scrub.damages(connection)

    def stop(self) -> None:
        """Let each turn end with what it has begun."""
        self.stopping.set()

    def _alone(self, name: str, work: Callable[[], T], *, at_once: bool) -> T | None:
        with ExitStack() as held:
            try:
                held.enter_context(self.store.database.alone(name, WAIT_SECONDS if at_once else 0))
            except Unavailable:
                if at_once:
                    raise
                return None
            return work()
