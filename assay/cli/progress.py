"""Waiting for work on the server, with progress on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from assay.errors import Unavailable

POLL_SECONDS = 0.5

T = TypeVar("T")
Say = Callable[[str], None]


@contextmanager
def told(text: str) -> Iterator[Say]:
    """Show `text`, and what is said later in its place: a spinner on a terminal, else a line for each new text."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.markup import escape

        with Console(stderr=True).status(escape(text)) as status:
            yield lambda new: status.update(escape(new))
        return
    last = ""

    def say(new: str) -> None:
        nonlocal last
        if new != last:
            sys.stderr.write(f"{new}\n")
            last = new

    say(text)
    yield say


def until(ask: Callable[[Say], T | None], text: str, seconds: float) -> T:
    """What `ask` gives once it is no longer None; it may say how far it is. Errors: Unavailable after `seconds`."""
    deadline = time.monotonic() + seconds
    with told(text) as say:
        while True:
            found = ask(say)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{text}: not done after {seconds:.0f} seconds.", advice="It goes on; ask again later."
                )
            time.sleep(POLL_SECONDS)
