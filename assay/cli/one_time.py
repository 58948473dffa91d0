"""Handing over a one-time password: on a terminal once, else in a file that only its owner may read."""

import sys
from pathlib import Path

from assay.cli import private_files, show
from assay.secret import Secret
from assay.settings import Settings

FIRST_SECRET_FILE = "first-administrator-password"  # noqa: S105 - the name of a file
RESET_SECRET_FILE = "reset-administrator-password"  # noqa: S105 - the name of a file


def hand_over(settings: Settings, user: str, secret: Secret, file_name: str, *, may_print: bool = True) -> Path | None:
    """Print the password if standard output is a terminal, else leave it beside the root key: the file's path."""
    if may_print and sys.stdout.isatty():
        show.line(
            f"\n  Sign in at {settings.url} as {user!r} with the one-time password\n\n      {secret.reveal()}\n\n"
            "  It is shown only now, and must be changed at the first sign-in.\n"
        )
        return None
    path = settings.root_key_file.parent / file_name
    private_files.write(path, secret.reveal() + "\n")
    return path
