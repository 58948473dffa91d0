"""Files that hold secrets: for their owner alone, from their first byte on."""

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in the place of one that was there."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
