"""Programs that are built by the Go module proxy, once, into `.parts` (git-ignored), and found there afterwards."""

import fcntl
import re
import subprocess
from pathlib import Path

from places import PARTS, PROJECT

BUILD_SECONDS_MAX = 1_500


class Missing(Exception):
    """The program cannot be had here."""


def built(module: str, package: str) -> Path:
    """A program at the version that `tests/parts/MODULE/go.mod` pins. Errors: Missing."""
    required = re.findall(r"^\s+(\S+) (v\S+)", (PARTS / module / "go.mod").read_text(), re.MULTILINE)
    (version,) = (version for path, version in required if package == path or package.startswith(f"{path}/"))
    place = PROJECT / ".parts" / f"{module}-{version}"
    place.parent.mkdir(exist_ok=True)
    with (place.parent / f".{module}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one builds
        if not place.exists():
            build = [PARTS / "go-program.sh", module, package, place]
            done = subprocess.run(build, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)
            if done.returncode:
                raise Missing(f"no {module}: {done.stderr.strip()[-500:]}")
    return place
