"""What the demonstration prints: numbered steps, the commands it runs, and what came of them."""

import sys
import time
from collections.abc import Sequence

from assay.cli.show import command_line


class Failed(Exception):
    """A step did not come out as it must."""


class Told:
    """Prints as it goes; colours only on a terminal."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        #: What was left out: a sentence each, with the reason.
        self.skipped: list[str] = []
        self._number = 0
        self._title = ""
        self._is_terminal = sys.stdout.isatty()

    @property
    def step_number(self) -> int:
        """The step that is under way."""
        return self._number

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.began

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._number, self._title = self._number + 1, title
        print("\n" + self._in("1", f"{self._number:2}. {title}") + self._in("2", f"   [{self.seconds:.0f} s]"))

    def command(self, words: Sequence[str]) -> None:
        """A command that is run; people could type it."""
        print(self._in("2", f"    $ {command_line(words)}"), flush=True)

    def came(self, text: str) -> None:
        """A good outcome."""
        for number, line in enumerate(text.splitlines()):
            print(f"    {self._in('32', '✓') if number == 0 else ' '} {line}", flush=True)

    def refused(self, text: str) -> None:
        """A refusal that was to be: a negative control."""
        print(f"    {self._in('33', '✗')} refused, as it must be: {text}", flush=True)

    def skip(self, because: str) -> None:
        """The step that is under way is left out."""
        self.skipped.append(f"step {self._number}, {self._title!r}: {because}")
        print(f"    {self._in('33', '–')} LEFT OUT: {because}", flush=True)

    def summary(self) -> None:
        """What held, and what was not even tried."""
        held = f"every step held; {self.seconds:.0f} seconds in all"
        if self.skipped:
            held = "\n".join((f"every other step held; {self.seconds:.0f} seconds in all. Left out:", *self.skipped))
        self.came(held)

    def remark(self, text: str) -> None:
        """Something to know."""
        for line in text.splitlines():
            print(f"      {line}", flush=True)

    def _in(self, colour: str, text: str) -> str:
        return f"\033[{colour}m{text}\033[0m" if self._is_terminal else text


def must(holds: object, otherwise: str) -> None:
    """Fail, saying `otherwise`, unless something holds."""
    if not holds:
        raise Failed(otherwise)
