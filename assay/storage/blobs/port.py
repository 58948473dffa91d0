"""The port of blob stores: few verbs, so that a folder and an object store can both keep it.

    begin ─▶ resume: append …, settle ─▶ resume: append …, publish
                                      ─▶ discard

An upload is staged by one hold (`Staging`) after the other, each of one request. What a hold *settles* outlives its
process: the caller writes down size and mark, and any process goes on from them. What was not settled does not count,
whoever wrote it. No verb waits for a client; each does a bounded piece of work and may be called from any thread.
Published blobs never change.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from prometheus_client import Counter

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.oci import Digest

#: Proves that a re-scan opens no blob.
BLOBS_OPENED = Counter("assay_blobs_opened_total", "Blobs opened for reading")
#: Rows of one page of `stored` and `staged`.
PAGE_ROWS = 1_000

_UPLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """A blob as the medium has it. `time_stored` is by the medium's own clock."""

    digest: Digest
    size: int
    time_stored: Instant


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """What the medium has of an upload: bytes in all, settled or not. `time_changed` is by the medium's own clock."""

    upload: str
    size: int
    time_changed: Instant


class Staging(Protocol):
    """One request's hold on a staged upload. Release it, whatever happens. Errors as of `BlobStore`.

    Of several holds on one upload each publishes the bytes that it resumed and appended itself, or fails.
    """

    @property
    def size(self) -> int:
        """Bytes staged, as this hold sees them."""
        ...

    @property
    def surplus(self) -> int:
        """Bytes behind those resumed, which the first append or publish drops.

        They are of a hold that ended before it settled, or of one that settled since the caller looked what to resume.
        """
        ...

    def append(self, content: bytes) -> int:
        """Write a piece, of 8 MiB at most, behind what there is; the new size. What failed may be appended again."""
        ...

    def settle(self) -> str:
        """Make all that was appended outlive this process; the mark by which `resume` finds it."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """All staged bytes in order, in bounded pieces."""
        ...

    def publish(self, digest: Digest) -> int:
        """Make the staged bytes durable and visible under `digest`, which the caller has checked; their size.

        Afterwards the upload is gone. A blob that is there already stays as it is.
        """
        ...

    def release(self) -> None:
        """End the hold. Nothing that was not settled or published is left of it."""
        ...


class BlobStore(Protocol):
    """Where blobs lie. Errors of every verb: Unavailable when the medium fails; Refused as said.

    A name of an upload that no upload may have is one of an unknown upload.
    """

    def close(self) -> None:
        """Let go of threads and connections; nothing may be asked any more."""
        ...

    def begin(self, upload: str) -> None:
        """Make room for a new upload. Refused: UPLOAD_UNKNOWN for what no upload may be named."""
        ...

    def resume(self, upload: str, size: int, mark: str = "", /) -> Staging:
        """Take hold of an upload behind its first `size` bytes; `mark` is what `settle` gave for them.

        The hold has fewer bytes where the medium lost some (a power cut). Refused: UPLOAD_UNKNOWN; RANGE_INVALID
        where another hold keeps this one out.
        """
        ...

    def staged_size(self, upload: str, mark: str = "", /) -> int:
        """How many bytes there are at least to go on from. Refused: UPLOAD_UNKNOWN."""
        ...

    def staged_path(self, upload: str) -> Path | None:
        """The file that grows while the upload is staged, for readers that follow it; None where there is none."""
        ...

    def discard(self, upload: str) -> None:
        """Forget a staged upload and what is left of attempts to publish it, if there is any."""
        ...

    def put(self, digest: Digest, content: bytes) -> None:
        """Store a small blob at once, durably. The caller has made `digest` from `content`."""
        ...

    def open(self, digest: Digest) -> AbstractContextManager[BinaryIO]:
        """A readable, seekable binary file of the whole blob, counted in `BLOBS_OPENED`. Refused: unknown blob.

        Without a local file each `read` is an operation of its own, so that nothing is held while nobody reads.
        """
        ...

    def path(self, digest: Digest) -> Path | None:
        """The blob as a local file, for sending without reading it; None where there is no such thing."""
        ...

    def address(self, digest: Digest, lifetime_seconds: int, /) -> str | None:
        """An address at which anybody may GET the blob for so long; None where there is no such thing."""
        ...

    def size(self, digest: Digest) -> int | None:
        """The blob's size, or None when it isn't there."""
        ...

    def delete(self, digest: Digest) -> None:
        """Remove a blob, if it is there."""
        ...

    def stored(self, after: Digest | None = None) -> tuple[KeptBlob, ...]:
        """The blobs behind `after` (None: from the first on) by algorithm and hex, at most `PAGE_ROWS`; () at the end.

        What is published or deleted meanwhile may be among them or not.
        """
        ...

    def staged(self, after: str = "") -> tuple[StagedUpload, ...]:
        """The staged uploads behind `after` by name, at most `PAGE_ROWS`; empty at the end."""
        ...


def check_upload(upload: str) -> None:
    """Refuse what no upload is named: names become parts of paths and keys. Errors: Refused (UPLOAD_UNKNOWN)."""
    if not is_upload(upload):
        raise unknown_upload()


def is_upload(name: str) -> bool:
    """Whether an upload may be named so; what lies on the medium under other names is not ours."""
    return _UPLOAD.fullmatch(name) is not None


def unknown_upload() -> Refused:
    """The refusal of an upload that is not there, or not with what was promised of it."""
    return Refused("There is no such upload.", advice="Begin a new upload.", reason=Reason.UPLOAD_UNKNOWN)


def held_by_another() -> Refused:
    """The refusal of a second hold."""
    return Refused(
        "Another request is writing to this upload.",
        advice="Send one chunk after the other.",
        reason=Reason.RANGE_INVALID,
    )
