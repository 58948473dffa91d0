"""The pace of collection: how much it does in a second, and whether it is to go on."""

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `per_second` blobs, transactions or bytes, as its user counts; 0 for as fast as it goes."""

    per_second: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def spend(self, amount: int = 1) -> None:
        """Wait for as long as so much may take, unless it is to stop."""
        if self.per_second:
            self.stopping.wait(amount / self.per_second)

    @property
    def goes_on(self) -> bool:
        """Whether there is to be more; what was begun is finished first."""
        return not self.stopping.is_set()


#: As fast as it goes, to the end: for whoever waits for it.
AT_ONCE = Pace()
