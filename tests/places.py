"""Where things are, and the first moment of the tests' clock."""

import socket
from pathlib import Path

from assay.clock import Instant

PROJECT = Path(__file__).parent.parent
PARTS = PROJECT / "tests" / "parts"
#: 2026-08-01T12:00:00Z: where the tests' clock stands at first.
NOON = Instant(1_785_585_600_000_000)


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
