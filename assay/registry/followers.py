"""The port of those who want to read uploads while they arrive. Following is only a head start."""

from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from typing import Any, Protocol

from assay.oci import Digest

log = getLogger(__name__)


class UploadFollower(Protocol):
    """Who wants to read uploads while they arrive. Only a head start: it may miss any of these, and may fail."""

    def begun(self, upload: str, staged: Path) -> None:
        """An upload has begun; its bytes will stand in the file `staged`. Not told where the store has no files."""
        ...

    def grown(self, upload: str, size: int) -> None:
        """So many bytes are staged now."""
        ...

    def published(self, upload: str, digest: Digest, size: int) -> None:
        """The upload ended well, and its bytes are the blob `digest`."""
        ...

    def abandoned(self, upload: str) -> None:
        """The upload ended without a blob; what was made of it is to be dropped."""
        ...


class Nobody:
    """A follower who isn't interested."""

    def begun(self, upload: str, staged: Path) -> None:
        """Nothing."""

    def grown(self, upload: str, size: int) -> None:
        """Nothing."""

    def published(self, upload: str, digest: Digest, size: int) -> None:
        """Nothing."""

    def abandoned(self, upload: str) -> None:
        """Nothing."""


def tell(hear: Callable[..., None], *what: Any) -> None:
    """Tell a follower, whatever it does."""
    try:
        hear(*what)
    except Exception:  # a follower is only a head start: whatever it does, the upload goes on
        log.warning("an upload's follower failed", exc_info=True)
