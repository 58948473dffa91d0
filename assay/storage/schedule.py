"""Upkeep: small pieces of work done again and again by one thread, each at its own pace."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import getLogger

from assay.errors import AssayError

log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """A bounded piece of work, and how often it is done. It finds out by itself whether there is anything to do."""

    name: str
    every_seconds: float
    work: Callable[[], object]


class Schedule:
    """Runs upkeep in one thread; what fails is logged and tried again at its next turn."""

    def __init__(self, upkeep: Sequence[Upkeep]) -> None:
        self._upkeep = tuple(upkeep)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with one turn of everything."""
        self._thread.start()

    def stop(self) -> None:
        """End after the piece of work at hand."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        due = dict.fromkeys(self._upkeep, 0.0)
        while not self._stopping.is_set():
            for upkeep, at in due.items():
                if at <= time.monotonic() and not self._stopping.is_set():
                    self._do(upkeep)
                    due[upkeep] = time.monotonic() + upkeep.every_seconds
            self._stopping.wait(max(0.05, min(due.values(), default=1.0) - time.monotonic()))

    def _do(self, upkeep: Upkeep) -> None:
        try:
            upkeep.work()
        except AssayError as fault:
            log.warning("upkeep %r failed: %s", upkeep.name, fault)
        except Exception:
            # Upkeep must go on, whatever one piece of it meets.
            log.warning("upkeep %r failed", upkeep.name, exc_info=True)
