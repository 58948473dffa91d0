"""One reader process as the server holds it: started, spoken to, and ended for good when it fails."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import assay
from assay.errors import Corrupt, Unavailable
from assay.inventory import wire
from assay.inventory.limits import ReaderLimits

_ENDING_SECONDS = 5.0
_SOURCES = str(Path(assay.__file__).parent.parent)


class ReaderGone(Unavailable):
    """The process died, hung or answered nonsense; the message says why the layer isn't read."""

    def __init__(self, message: str, *, is_worth_another_try: bool) -> None:
        super().__init__(message)
        self.is_worth_another_try = is_worth_another_try


class Child:
    """A reader process and the socket to it. Used by one thread. ReaderGone when it can't be started."""

    def __init__(self, limits: ReaderLimits) -> None:
        self._limits = limits
        self.layers = 0
        self._control, theirs = socket.socketpair()
        self._control.settimeout(limits.wall_seconds)
        command = [sys.executable, "-s", "-P", "-m", "assay.inventory.reader_process", str(limits.memory_bytes_max)]
        with theirs:
            try:
                # A new program, never a fork of the server, which has threads, keys and connections; its environment
                # holds nothing but where the code is.
                self._process = subprocess.Popen(  # noqa: S603 - a fixed command
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PYTHONPATH": _SOURCES, "LANG": "C.UTF-8"},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as fault:
                self._control.close()
                raise ReaderGone(f"no reader can be started ({fault.strerror})", is_worth_another_try=True) from fault

    @property
    def process_id(self) -> int:
        """Of the operating system."""
        return self._process.pid

    def send(self, request: wire.Request, descriptor: int | None = None) -> None:
        """Say something. ReaderGone: nobody hears it."""
        try:
            wire.send(self._control, request, descriptor)
        except OSError as fault:
            raise self._gone(fault) from fault

    def receive(self) -> wire.Answer:
        """The next answer. ReaderGone: there will be none, or it is none."""
        try:
            return wire.receive_answer(self._control)
        except (OSError, Corrupt) as fault:
            raise self._gone(fault) from fault

    def kill(self) -> None:
        """Kill the process, which holds nothing worth keeping; may be called by another thread than its own."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and wait until it is gone."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def _gone(self, fault: Exception) -> ReaderGone:
        limits = self._limits
        if isinstance(fault, TimeoutError):
            return ReaderGone(f"reading it took longer than {limits.wall_seconds:g} s", is_worth_another_try=False)
        if isinstance(fault, Corrupt):
            return ReaderGone("its reader answered what can't be understood", is_worth_another_try=False)
        try:
            code = self._process.wait(_ENDING_SECONDS)  # its end of the socket is closed: it ends
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code == -signal.SIGXCPU:
            return ReaderGone(
                f"reading it took more than {limits.cpu_seconds} s of processor time", is_worth_another_try=False
            )
        # Killed from outside (by the system for want of memory, say), or by what it read.
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return ReaderGone(f"its reader {how}", is_worth_another_try=True)


def copy_into(pipe: int, content: bytes) -> bool:
    """Write all of `content` to a pipe; False when nobody reads it any more."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(pipe, view) :]
        except BrokenPipeError:
            return False
    return True
