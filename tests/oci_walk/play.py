"""Plays rows in order, a line for each; the first that does not hold ends it, since later rows stand on it."""

import time
import traceback

from cryptography.exceptions import InvalidSignature

from oci_walk.rows import Row, Walk, numbered
from oci_walk.stage import Failed


def play(client: str, walk: Walk, rows: tuple[tuple[str, Row], ...]) -> int:
    """How many rows held."""
    held = 0
    for number, title, row in numbered(rows):
        began = time.monotonic()
        try:
            row(walk)
        except (Failed, InvalidSignature, LookupError, ValueError, TypeError) as fault:
            at = traceback.extract_tb(fault.__traceback__)[-1]
            print(
                f"{client} {number:2} FAILED {title}: {type(fault).__name__}: {fault} (line {at.lineno} of {at.name})"
            )
            return held
        held += 1
        print(f"{client} {number:2} holds  {title} ({time.monotonic() - began:.1f} s)", flush=True)
    return held
