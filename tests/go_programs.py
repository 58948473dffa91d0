"""Programs that are built by the Go module proxy, once, into `.parts` (git-ignored), and found there afterwards."""

import fcntl
import os
import re
import subprocess
from pathlib import Path

from places import PARTS, PROJECT

BUILD_SECONDS_MAX = 1_500


class Missing(Exception):
    """The program cannot be had here."""


def built(module: str, package: str, *, is_dear: bool = False) -> Path:
    """A program at the version that `tests/parts/MODULE/go.mod` pins.

    One that is dear to build is built only at the full sizes. Errors: Missing.
    """
    required = re.findall(r"^\s+(\S+) (v\S+)", (PARTS / module / "go.mod").read_text(), re.MULTILINE)
    (version,) = (version for path, version in required if package == path or package.startswith(f"{path}/"))
    place = PROJECT / ".parts" / f"{module}-{version}"
    place.parent.mkdir(exist_ok=True)
    with (place.parent / f".{module}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one builds
        if not place.exists() and is_dear and os.environ.get("ASSAY_TEST_SIZE") != "full":
            raise Missing(f"no {module}: it takes minutes to build (ASSAY_TEST_SIZE=full does)")
        if not place.exists():
            build = [PARTS / "go-program.sh", module, package, place]
            done = subprocess.run(build, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)
            if done.returncode:
                raise Missing(f"no {module}: {done.stderr.strip()[-500:]}")
    return place
