"""The only place that knows "now", and the maker of ids: OCIDs and etags."""

import base64
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

from assay.errors import Refused

#: A point in time: microseconds since 1970-01-01T00:00:00Z.
Instant = NewType("Instant", int)

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """Where every room asks for the time."""

    def now(self) -> Instant:
        """The present, in UTC microseconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Instant:
        """The present, in UTC microseconds."""
        return Instant(time.time_ns() // 1_000)


class SetClock:
    """A clock that stands where it is put; for tests and for replays of recorded requests."""

    def __init__(self, at: Instant) -> None:
        self.at = at

    def now(self) -> Instant:
        """Where the clock was put."""
        return self.at

    def advance(self, microseconds: int) -> None:
        """Move the clock forward."""
        self.at = Instant(self.at + microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(moment: datetime) -> Instant:
    """The instant of an aware datetime."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def moment(at: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=at)


def rfc3339(at: int) -> str:
    """An instant as `2026-01-31T12:00:00.000Z` (milliseconds; oci-api 1.5)."""
    return moment(at).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at // 1000 % 1000:03d}Z"


def span(microseconds: int) -> str:
    """A length of time in the largest unit that divides it: `2 days`, `36 hours`, `1 minute`."""
    unit, word = next(
        (unit, word)
        for unit, word in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"), (1, "microsecond"))
        if microseconds % unit == 0
    )
    count = microseconds // unit
    return f"{count} {word}{'' if count == 1 else 's'}"


_OCID = re.compile(r"ocid1\.([a-z0-9]+)\.([a-z0-9-]+)\.([a-z0-9-]*)((?:\.[A-Za-z0-9_-]+){0,2})\.([a-z0-9]{60})")


@dataclass(frozen=True, slots=True, order=True)
class Ocid:
    """`ocid1.<type>.<realm>.<region>[.<extension>…].<60 characters>` (oci-api 1.5, 1.6)."""

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > 255 or not _OCID.fullmatch(self.text):
            raise Refused(f"{self.text[:80]!r} is not an OCID.", advice="Copy the whole OCID, from 'ocid1.' on.")

    def __str__(self) -> str:
        return self.text

    @property
    def kind(self) -> str:
        """The resource type, such as `containerrepo`."""
        return self.text.split(".", 2)[1]

    @property
    def extension(self) -> str:
        """What stands between region and tail: a vault extension, a namespace, or the empty string."""
        return ".".join(self.text.split(".")[4:-1])


@dataclass(frozen=True, slots=True)
class Site:
    """Realm and region of this installation; fixed at first start, part of every OCID."""

    realm: str
    region: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]{2,16}", self.realm) or not re.fullmatch(r"[a-z0-9-]{2,32}", self.region):
            raise Refused(
                f"Realm {self.realm!r} or region {self.region!r} cannot stand in an OCID.",
                advice="Use lower-case letters and digits (and '-' in the region).",
            )

    def new_ocid(self, kind: str, *, extension: str = "", regional: bool = True) -> Ocid:
        """A fresh OCID of 256 random bits."""
        return self._ocid(kind, secrets.token_bytes(32), extension=extension, regional=regional)

    def derived_ocid(self, kind: str, *parts: str | int, extension: str = "") -> Ocid:
        """The OCID that follows from `parts`: the same parts, the same OCID, for ever."""
        seed = "\x00".join([kind, self.realm, self.region, *map(str, parts)])
        return self._ocid(kind, hashlib.sha256(seed.encode()).digest(), extension=extension, regional=True)

    def _ocid(self, kind: str, entropy: bytes, *, extension: str, regional: bool) -> Ocid:
        tail = "aaaaaaaa" + base64.b32encode(entropy).decode().lower().rstrip("=")
        middle = f".{extension}" if extension else ""
        return Ocid(f"ocid1.{kind}.{self.realm}.{self.region if regional else ''}{middle}.{tail}")


def new_etag() -> str:
    """A fresh opaque etag: 128 random bits in hex."""
    return secrets.token_hex(16)
