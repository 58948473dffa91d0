"""One record of the OSV schema (ossf.github.io/osv-schema, 1.x), read into a frozen value.

Strict where a mistake would hide a vulnerability: a record whose identity, dates, packages, ranges or versions cannot
be read is refused as a whole, with the reason. Tolerant where it wouldn't: a malformed link or CVSS vector is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from assay.advisories.affects import Event, EventKind, Statement
from assay.advisories.orders import normal_name
from assay.advisories.severity import Severity, rating
from assay.clock import Instant, instant
from assay.errors import Reason, Refused

RECORD_BYTES_MAX = 8 * 1024 * 1024
ID_LENGTH_MAX = 150
NAME_LENGTH_MAX = 500
IDS_MAX = 2_000
AFFECTED_MAX = 10_000
EVENTS_MAX = 50_000
VERSIONS_MAX = 100_000
SUMMARY_LENGTH_KEPT = 500
DETAILS_LENGTH_KEPT = 20_000
REFERENCES_KEPT = 100
LINK_LENGTH_MAX = 2_000

# By name, as a feed has hundreds of thousands of events and enum attributes are slow.
_INTRODUCED, _FIXED, _LAST_AFFECTED, _LIMIT = EventKind
_ID = re.compile(r"(?!\.)[!-.0-\[\]-~]+", re.ASCII)
_LINK = re.compile(r"https?://[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Advisory:
    """What a record says. `statements`: one for each (ecosystem, package), in order, with revision 0.

    `aliases` and `upstream` are sorted and without the record's own id. `severity` is the rating of the record as a
    whole; a statement has that of its package where the publisher gives one, else this.
    """

    id: str
    modified: Instant
    published: Instant | None
    withdrawn: bool
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    summary: str
    details: str
    references: tuple[str, ...]
    severity: Severity | None
    statements: tuple[Statement, ...]


class _WireScore(msgspec.Struct):
    type: str = ""
    score: str = ""


class _WireEvent(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class _WireRange(msgspec.Struct):
    type: str
    events: msgspec.Raw = msgspec.Raw(b"[]")


class _WirePackage(msgspec.Struct):
    ecosystem: str
    name: str


class _WireAffected(msgspec.Struct):
    package: _WirePackage | None = None
    ranges: list[_WireRange] | None = None
    versions: list[str] | None = None
    severity: list[_WireScore] | None = None
    ecosystem_specific: Any = None
    database_specific: Any = None


class _WireRecord(msgspec.Struct):
    id: str
    modified: str
    published: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_WireScore] | None = None
    affected: list[_WireAffected] | None = None
    references: Any = None
    database_specific: Any = None


_RECORDS = msgspec.json.Decoder(_WireRecord)
_EVENTS = msgspec.json.Decoder(list[_WireEvent])


def read(content: bytes) -> Advisory:
    """The advisory of a JSON text. Errors: Refused, with what is wrong and where."""
    if len(content) > RECORD_BYTES_MAX:
        raise Refused(
            f"The record has {len(content)} bytes; at most {RECORD_BYTES_MAX} are read.", reason=Reason.TOO_LARGE
        )
    try:
        wire = _RECORDS.decode(content)
    except (msgspec.MsgspecError, RecursionError, ValueError) as fault:
        raise _refused(f"it does not follow the OSV schema: {str(fault)[:200]}") from fault
    whole = _rating((wire.database_specific,), wire.severity)
    return Advisory(
        id=advisory_id(wire.id),
        modified=_instant(wire.modified, "modified"),
        published=None if wire.published is None else _instant(wire.published, "published"),
        withdrawn=wire.withdrawn is not None,
        aliases=_ids(wire.aliases, wire.id, "aliases"),
        upstream=_ids(wire.upstream, wire.id, "upstream"),
        summary=_text(wire.summary, SUMMARY_LENGTH_KEPT),
        details=_text(wire.details, DETAILS_LENGTH_KEPT),
        references=_links(wire.references),
        severity=whole,
        statements=_statements(wire, whole),
    )


def advisory_id(text: str) -> str:
    """`text` if it can be the id of an advisory, and with that part of a path. Errors: Refused."""
    if not _is_id(text):
        raise _refused(f"{text[:80]!r} is not an advisory id")
    return text


def time_of(text: str) -> Instant:
    """The instant of an RFC 3339 time; years 1 to 9999 occur and are taken. Errors: ValueError."""
    found = datetime.fromisoformat(text)
    return instant(found if found.tzinfo else found.replace(tzinfo=UTC))


def _refused(why: str) -> Refused:
    return Refused(f"The advisory record cannot be read: {why}.", reason=Reason.UNPARSABLE)


def _instant(text: str, member: str) -> Instant:
    try:
        return time_of(text)
    except ValueError as fault:
        raise _refused(f"{member} is {text[:40]!r}, no RFC 3339 time") from fault


def _is_id(text: str) -> bool:
    return len(text) <= ID_LENGTH_MAX and _ID.fullmatch(text) is not None


def _ids(texts: list[str] | None, own: str, member: str) -> tuple[str, ...]:
    """Other names, sorted; what can be no id is left out: it only fails to join this record to others."""
    if texts is not None and len(texts) > IDS_MAX:
        raise _refused(f"{member} has {len(texts)} ids, more than {IDS_MAX}")
    names = {text.strip() for text in texts or ()}
    return tuple(sorted(name for name in names if name != own and _is_id(name)))


def _text(text: str | None, length_kept: int) -> str:
    return (text or "").replace("\x00", "").strip()[:length_kept]


def _links(references: Any) -> tuple[str, ...]:
    """The web addresses among the references, each once, in the publisher's order."""
    listed = references if isinstance(references, list) else []
    links = [each.get("url") for each in listed if isinstance(each, dict)]
    good = [each for each in links if isinstance(each, str) and len(each) <= LINK_LENGTH_MAX and _LINK.fullmatch(each)]
    return tuple(dict.fromkeys(good))[:REFERENCES_KEPT]


def _rating(places: Sequence[Any], scores: list[_WireScore] | None) -> Severity | None:
    """The publisher's rating; `places` may hold a word: GitHub's and Bitnami's `severity`, Debian's `urgency`."""
    if not scores and not any(places):
        return None
    words = [place.get(name) for place in places if isinstance(place, dict) for name in ("severity", "urgency")]
    return rating([word for word in words if isinstance(word, str)], [(each.type, each.score) for each in scores or ()])


def _statements(wire: _WireRecord, whole: Severity | None) -> tuple[Statement, ...]:
    """One statement a package; several entries on one package are one statement with all their ranges and versions."""
    entries = wire.affected or []
    if len(entries) > AFFECTED_MAX:
        raise _refused(f"it names {len(entries)} packages, more than {AFFECTED_MAX}")
    parts: dict[tuple[str, str], list[_WireAffected]] = {}
    for entry in entries:
        if entry.package is not None:
            parts.setdefault(_package(entry.package), []).append(entry)
    if sum(len(entry.versions or ()) for entry in entries) > VERSIONS_MAX:
        raise _refused(f"it lists more than {VERSIONS_MAX} versions")
    return tuple(_statement(wire.id, package, parts[package], whole) for package in sorted(parts))


def _package(package: _WirePackage) -> tuple[str, str]:
    for text in (package.ecosystem, package.name):
        if not text or len(text) > NAME_LENGTH_MAX or "\x00" in text:
            raise _refused(f"{text[:80]!r} is no name of an ecosystem or package")
    return package.ecosystem, normal_name(package.ecosystem, package.name)


def _statement(
    advisory: str, package: tuple[str, str], entries: list[_WireAffected], whole: Severity | None
) -> Statement:
    ranges: list[tuple[Event, ...]] = []
    for entry in entries:
        ranges += [_events(each) for each in entry.ranges or () if each.type != "GIT"]
    if sum(map(len, ranges)) > EVENTS_MAX:
        raise _refused(f"its ranges have more than {EVENTS_MAX} events")
    own = [_rating((entry.ecosystem_specific, entry.database_specific), entry.severity) for entry in entries]
    return Statement(
        advisory=advisory,
        from_rev=0,
        ecosystem=package[0],
        package=package[1],
        ranges=tuple(dict.fromkeys(ranges)),
        versions=frozenset(version for entry in entries for version in entry.versions or ()),
        severity=max((each for each in own if each is not None), default=whole),
    )


def _events(wire: _WireRange) -> tuple[Event, ...]:
    if wire.type not in ("ECOSYSTEM", "SEMVER"):
        raise _refused(f"a range has the type {wire.type[:40]!r}")
    try:
        items = _EVENTS.decode(wire.events)
    except (msgspec.MsgspecError, RecursionError, ValueError) as fault:  # text that is no UTF-8 is a ValueError
        raise _refused(f"the events of a range do not follow the OSV schema: {str(fault)[:200]}") from fault
    events: list[Event] = []
    for item in items:
        before = len(events)
        if item.introduced is not None:
            events.append(Event(_INTRODUCED, item.introduced))
        if item.fixed is not None:
            events.append(Event(_FIXED, item.fixed))
        if item.last_affected is not None:
            events.append(Event(_LAST_AFFECTED, item.last_affected))
        if item.limit is not None:
            events.append(Event(_LIMIT, item.limit))
        if len(events) == before:
            raise _refused("an event of a range is none of introduced, fixed, last_affected and limit")
    if not any(event.kind is _INTRODUCED for event in events):
        raise _refused("a range never begins: it has no event 'introduced'")
    return tuple(events)
