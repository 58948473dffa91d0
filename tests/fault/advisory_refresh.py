"""A process that takes in a feed and kills itself, as `kill -9` would, after a number of batches.

Arguments: database URL, folder of the feed, ecosystems separated by commas, number of batches.
"""

import os
import signal
import sys

from assay.advisories import feeds, revisions
from assay.clock import Site, SystemClock
from assay.secret import Secret
from assay.storage import Database, Store


def main(url: str, folder: str, ecosystems: str, batches: str) -> None:
    """Begin, apply, and die amid it."""
    store = Store(Database(url), SystemClock(), Site("oc1", "local"), Secret("page key of the tests"))
    config = feeds.FeedConfig("test", folder, tuple(ecosystems.split(",")))
    left = int(batches)

    def die_when_it_is_time() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    feeds.configure(store, [config])
    with feeds.fetch_changes(store, config) as changes:
        rev = revisions.begin_revision(store)
        revisions.apply_changes(store, rev, changes, pause=die_when_it_is_time)


if __name__ == "__main__":
    main(*sys.argv[1:])
