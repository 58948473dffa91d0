"""Images that were found trusted, remembered for a moment, and forgotten at the very change that could undo it.

Only trust is remembered, never a denial: a denial's text must be right each time. An entry is about an image and a set
of trusted keys, so a policy that changes asks for another entry; and it holds for the *trust epoch* it was made in: how
many facts the repository and each of the keys had had. A fact is counted in the transaction of the change that it tells
(a key disabled, a signature deleted, a tag moved, an image deleted), and every decision reads the counts in its own
snapshot: revocation is immediate, on every replica, and the time limit only bounds memory.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from assay.clock import MINUTE, Instant
from assay.oci import Digest

ENTRIES_MAX = 4096
KEPT = MINUTE


@dataclass(frozen=True, slots=True)
class TrustKey:
    """What an entry is about. `epoch` are the fact counts of the repository and of each key, in this order."""

    repository: str
    digest: Digest
    keys: tuple[str, ...]
    epoch: tuple[int, ...]


class TrustCache:
    """A bounded memory of trusted images, shared by the threads of one process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._until: OrderedDict[TrustKey, Instant] = OrderedDict()

    def holds(self, key: TrustKey, now: Instant) -> bool:
        """Whether the image was found trusted in this epoch, less than a minute ago."""
        with self._guard:
            until = self._until.get(key)
            return until is not None and now < until

    def remember(self, key: TrustKey, now: Instant) -> None:
        """Remember that the image is trusted; the oldest entry goes when there is no room."""
        with self._guard:
            self._until[key] = Instant(now + KEPT)
            self._until.move_to_end(key)
            while len(self._until) > ENTRIES_MAX:
                self._until.popitem(last=False)
