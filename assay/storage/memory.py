"""What was read from the database, kept while nobody commits to it: for answers that are asked for again and again.

SQLite tells each connection whether others have committed since (`PRAGMA data_version`), for some microseconds. So what
is remembered here is never older than the last commit, by whomever, and the next request sees every change. Where the
database doesn't tell (PostgreSQL), nothing is remembered.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any

VALUES_MAX = 1_024
#: The memory of values is at most this many bytes each; larger ones are read again.
VALUE_BYTES_MAX = 64 * 1024


class Memory:
    """Values by key. May be asked from any thread. `version`: a number that changes with each commit, or None."""

    def __init__(self, version: Callable[[], int | None]) -> None:
        self._ask = version
        self._guard = threading.Lock()
        self._version: int | None = None
        self._values: dict[Hashable, Any] = {}

    def moment(self) -> int | None:
        """The state of the database now, to be taken before the reads whose outcome is kept. None: keep nothing."""
        with self._guard:
            return self._now()

    def get(self, key: Hashable) -> Any:
        """What is remembered under a key and still holds; None otherwise."""
        with self._guard:
            self._now()
            return self._values.get(key)

    def keep(self, key: Hashable, value: Any, moment: int | None, *, size: int = 0) -> None:
        """Remember a value of about `size` bytes that was read after `moment`, unless somebody has committed since."""
        if moment is None or size > VALUE_BYTES_MAX:
            return
        with self._guard:
            if moment != self._version:
                return
            while len(self._values) >= VALUES_MAX:
                del self._values[next(iter(self._values))]  # the oldest
            self._values[key] = value

    def _now(self) -> int | None:
        version = self._ask()
        if version != self._version:
            self._version = version
            self._values.clear()
        return version
