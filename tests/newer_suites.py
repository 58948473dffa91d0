"""Programs of newer Debian suites, unpacked once into `.parts` (git-ignored) and found there afterwards."""

import fcntl
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
_SECONDS_MAX = 300


def program(suite: str, package: str, name: str = "") -> Path:
    """A program of a package of a suite; skips the test loudly where it cannot be had."""
    folder = PROJECT / ".parts" / suite
    wanted = folder / "usr" / "bin" / (name or package)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one fetches
        if not wanted.exists():
            script = PROJECT / "tests" / "parts" / "newer-suite.sh"
            done = subprocess.run(
                ["bash", script, suite, folder, package], capture_output=True, text=True, timeout=_SECONDS_MAX
            )
            if done.returncode != 0 or not wanted.exists():
                pytest.skip(f"SKIPPED FOR WANT OF A PART: no {package} of {suite}: {done.stderr.strip()[-300:]}")
    return wanted
