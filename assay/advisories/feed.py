"""Reaching a feed: its settings, and its files by an address or in a folder. Knows nothing of what is in them."""

import re
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, Self
from urllib.parse import quote, urlsplit

import httpx

from assay.errors import Reason, Refused, Unavailable

PUBLIC_OSV = "https://osv-vulnerabilities.storage.googleapis.com"
ECOSYSTEMS_DEFAULT = ("Debian", "Ubuntu", "Alpine", "PyPI", "npm")
REFRESH_SECONDS_DEFAULT = 3600
REFRESH_SECONDS_MIN = 60

CONNECT_SECONDS_MAX = 15.0
SILENCE_SECONDS_MAX = 60.0
FILE_SECONDS_MAX = 3600.0
REDIRECTS_MAX = 3
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: Answers to a request that may get another one in a moment, besides those of a server's own faults.
_MAY_PASS = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ECOSYSTEM = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]{0,62}")


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """A feed in the layout of the public OSV bucket.

    `source` is an https address (http only on loopback) or a folder; `ecosystems` are names as the bucket's folders
    have them, without release.
    """

    name: str = "osv"
    source: str = PUBLIC_OSV
    ecosystems: tuple[str, ...] = ECOSYSTEMS_DEFAULT
    refresh_seconds: int = REFRESH_SECONDS_DEFAULT

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused(f"{self.name[:80]!r} is not a name for a feed.", advice="Use lower-case letters and digits.")
        if not self.ecosystems or len(set(self.ecosystems)) != len(self.ecosystems):
            raise Refused(
                f"The feed {self.name} names no ecosystem, or one twice.", advice="Name each once: Debian, PyPI."
            )
        for ecosystem in self.ecosystems:
            if not _ECOSYSTEM.fullmatch(ecosystem):
                raise Refused(
                    f"{ecosystem[:80]!r} is not an ecosystem of a feed.",
                    advice="Leave out the release: Debian, not Debian:12.",
                )
        if self.refresh_seconds < REFRESH_SECONDS_MIN:
            raise Refused(
                f"The feed {self.name} is to be read every {self.refresh_seconds} seconds.",
                advice=f"Use at least {REFRESH_SECONDS_MIN}.",
            )
        if "://" in self.source:
            checked_address(self.source)
        elif not self.source:
            raise Refused(f"The feed {self.name} has no source.", advice="Give an https address or a folder.")


class Outcome(Enum):
    """Why there is no file: it is the one we have (by its validator), or the feed has none under this path."""

    UNCHANGED = "unchanged"
    ABSENT = "absent"


class Fetched(NamedTuple):
    """A file of a feed, at its beginning, and its validator ("" if it has none)."""

    file: BinaryIO
    etag: str


class FeedFiles(Protocol):
    """The files of a feed. Errors: Unavailable, with the reason TOO_LARGE for a file beyond `bytes_max`."""

    def fetch(self, path: str, *, bytes_max: int, etag: str = "") -> Fetched | Outcome:
        """The file under `path`; UNCHANGED when its validator is still `etag`. The caller closes the file."""
        ...

    def __enter__(self) -> Self:
        """Hold what reading needs."""
        ...

    def __exit__(self, *_: object) -> None:
        """Let it go."""
        ...


def files_of(source: str) -> FeedFiles:
    """The files behind an address or in a folder."""
    return WebFiles(source) if "://" in source else FolderFiles(Path(source))


class FolderFiles:
    """A feed in a folder; a file's validator is made of its size and time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        if not self._folder.is_dir():
            raise Unavailable(
                f"The feed folder {self._folder} does not exist.",
                advice="Check the feed's setting, or copy the feed there.",
                may_pass=False,
            )
        return self

    def __exit__(self, *_: object) -> None:
        return

    def fetch(self, path: str, *, bytes_max: int, etag: str = "") -> Fetched | Outcome:
        """See `FeedFiles`."""
        place = self._folder / path
        try:
            file = place.open("rb")
        except FileNotFoundError:
            return Outcome.ABSENT
        except OSError as fault:
            raise Unavailable(
                f"{place} cannot be read: {fault.strerror}.",
                advice="Check its permissions.",
                may_pass=not isinstance(fault, PermissionError),
            ) from fault
        status = place.stat()
        own = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"
        if own == etag:
            file.close()
            return Outcome.UNCHANGED
        if status.st_size > bytes_max:
            file.close()
            raise _too_large(str(place), bytes_max)
        return Fetched(file, own)


class WebFiles:
    """A feed behind an address. Bodies are streamed to a temporary file, within a size and a time."""

    def __init__(self, address: str) -> None:
        self._address = checked_address(address)
        self._client = httpx.Client(
            timeout=httpx.Timeout(SILENCE_SECONDS_MAX, connect=CONNECT_SECONDS_MAX),
            headers={"User-Agent": "assay", "Accept-Encoding": "gzip"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(self, path: str, *, bytes_max: int, etag: str = "") -> Fetched | Outcome:
        """See `FeedFiles`."""
        address = f"{self._address}/{quote(path)}"
        headers = {"If-None-Match": etag} if etag else {}
        try:
            return self._follow(address, headers, bytes_max)
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            raise Unavailable(
                f"The feed did not give {address}: {str(fault)[:160].rstrip('.') or type(fault).__name__}.",
                advice="Check the network and the feed's address; the next refresh tries again by itself.",
            ) from fault

    def _follow(self, address: str, headers: dict[str, str], bytes_max: int) -> Fetched | Outcome:
        for _ in range(REDIRECTS_MAX + 1):
            with self._client.stream("GET", address, headers=headers) as response:
                if response.next_request is not None:
                    address = self._redirected(str(response.next_request.url))
                    continue
                if response.status_code == httpx.codes.NOT_MODIFIED:
                    return Outcome.UNCHANGED
                if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                    return Outcome.ABSENT
                if response.status_code != httpx.codes.OK:
                    raise Unavailable(
                        f"The feed answered {response.status_code} for {address}.",
                        advice="Check the feed's address; the next refresh tries again by itself.",
                        may_pass=response.is_server_error or response.status_code in _MAY_PASS,
                    )
                return Fetched(_copied(response, address, bytes_max), response.headers.get("ETag", ""))
        raise Unavailable(
            f"The feed sends {address} from place to place.", advice="Check the feed's address.", may_pass=False
        )

    def _redirected(self, address: str) -> str:
        if urlsplit(address).scheme != urlsplit(self._address).scheme:
            raise Unavailable(
                f"The feed {self._address} redirects to {address[:200]}.",
                advice="A redirect to another scheme is not followed; check the feed's address.",
                may_pass=False,
            )
        return checked_address(address)


def checked_address(address: str) -> str:
    """`address` without its last slash if a feed may be read from there, or redirected there. Errors: Refused."""
    try:
        parts = urlsplit(address)
        allowed = bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        )
    except ValueError:
        allowed = False
    if not allowed:
        raise Refused(
            f"A feed cannot be read from {address[:200]!r}.",
            advice="Use an https address (http on loopback only), or the path of a folder.",
            reason=Reason.UNSUPPORTED,
        )
    return address.rstrip("/")


def _copied(response: httpx.Response, address: str, bytes_max: int) -> BinaryIO:
    """The body in a temporary file, at its beginning."""
    until = time.monotonic() + FILE_SECONDS_MAX
    size = 0
    with ExitStack() as on_error:
        file = on_error.enter_context(tempfile.TemporaryFile())
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > bytes_max:
                raise _too_large(address, bytes_max)
            if time.monotonic() > until:
                raise Unavailable(
                    f"{address} took longer than {FILE_SECONDS_MAX:.0f} seconds.", advice="Try again later."
                )
            file.write(chunk)
        file.seek(0)
        on_error.pop_all()
        return file


def _too_large(what: str, bytes_max: int) -> Unavailable:
    return Unavailable(
        f"{what} has more than {bytes_max} bytes and is not read.",
        advice="Check where the feed comes from.",
        reason=Reason.TOO_LARGE,
        may_pass=False,
    )
