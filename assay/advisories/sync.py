"""Finding out what changed in a feed, and fetching it. Pure but for `Collector`, which reads the feed's files.

What is compared are the lists of ids and dates that the feed publishes, with those under which the stored records were
taken: an id that is new, or bears another date in either direction, is fetched; one that is on no list any more is
removed. There is no "newest date seen", as real dates lie in the year 1 and in the next year.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from assay.advisories import osv
from assay.advisories.archive import Archive
from assay.advisories.feed import FeedFiles, Fetched, Outcome
from assay.advisories.records.content import Change, Listed, Removal, Upsert
from assay.advisories.records.feeds import Refusal
from assay.errors import Reason, Refused, Unavailable

LIST_BYTES_MAX = 128 * 1024 * 1024
LIST_ROWS_MAX = 2_000_000
ARCHIVE_BYTES_MAX = 8 * 1024 * 1024 * 1024
#: Up to so many records of an ecosystem are fetched one by one.
LOOSE_RECORDS_MAX = 200
LOOSE_BYTES_MAX = 64 * 1024 * 1024
#: More removals at once than both of these, from a source read before, look like a list that was cut off.
REMOVED_SUSPICIOUS = 100
REMOVED_SHARE_MAX = 0.5
#: The same for records that a list names and its archive lacks.
MISSING_SUSPICIOUS = 100
MISSING_SHARE_MAX = 0.5

#: Id → date, as an ecosystem's list has them; None for a list that is the same as when it was last taken in.
Lists = Mapping[str, Mapping[str, str] | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: records to fetch, by the ecosystem to fetch them from, and records to remove."""

    wanted: Mapping[str, tuple[str, ...]]
    listed: Mapping[str, Listed]
    removed: tuple[str, ...]


#: Of a list: date and id.
_COLUMNS = 2


def parse_list(content: bytes, what: str) -> dict[str, str]:
    """Id → date of a `modified_id.csv` (`<date>,<id>` a line). Errors: Unavailable."""
    dates: dict[str, str] = {}
    try:
        for row in csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True):
            if row:
                _enter(dates, row)
    except (ValueError, csv.Error, Refused) as fault:
        raise Unavailable(
            f"The list {what} cannot be read: line {len(dates) + 1} or near: {str(fault)[:120].rstrip('.')}.",
            advice="Nothing was changed. It must have lines of a date, a comma and an id; fetch or copy it again.",
            may_pass=False,
        ) from fault
    return dates


def _enter(dates: dict[str, str], row: list[str]) -> None:
    if len(row) != _COLUMNS:
        raise ValueError(f"it has {len(row)} columns, not two")
    date, name = row[0], osv.advisory_id(row[1])
    osv.time_of(date)
    if dates.setdefault(name, date) != date:
        raise ValueError(f"{name} stands there twice")
    if len(dates) > LIST_ROWS_MAX:
        raise ValueError(f"more than {LIST_ROWS_MAX} lines")


def plan(known: Mapping[str, Listed], lists: Lists, again: Collection[str]) -> Plan:
    """Compare what is known (name → dates by ecosystem) with the lists; `again` are names to be fetched in any case."""
    target: dict[str, dict[str, str]] = {}
    for ecosystem, changed in lists.items():
        unchanged = {name: listed[ecosystem] for name, listed in known.items() if ecosystem in listed}
        for name, date in (unchanged if changed is None else changed).items():
            target.setdefault(name, {})[ecosystem] = date
    wanted: dict[str, list[str]] = {}
    for name, listed in target.items():
        if known.get(name) != listed or name in again:
            newest = max(listed, key=lambda ecosystem: (osv.time_of(listed[ecosystem]), ecosystem))
            wanted.setdefault(newest, []).append(name)
    fetched = {ecosystem: tuple(sorted(names)) for ecosystem, names in sorted(wanted.items())}
    listed_wanted = {name: target[name] for names in fetched.values() for name in names}
    return Plan(fetched, listed_wanted, tuple(sorted(known.keys() - target.keys())))


def check_removals(known: Mapping[str, Listed], lists: Lists, unended: Collection[str] = ()) -> None:
    """Errors: Unavailable when so much of a list has vanished that it was probably cut off.

    A list that is suddenly empty, or whose last line does not end (`unended`), takes nothing away.
    """
    for ecosystem, dates in lists.items():
        if dates is None:
            continue
        before = {name for name, listed in known.items() if ecosystem in listed}
        gone = len(before - dates.keys())
        is_cut = (not dates and gone > 1) or (ecosystem in unended and gone > 0)
        if is_cut or gone > max(REMOVED_SUSPICIOUS, len(before) * REMOVED_SHARE_MAX):
            raise Unavailable(
                f"The list of {ecosystem} lacks {gone} of the {len(before)} ids it had; it was probably cut off.",
                advice="Nothing was changed. If the publisher did remove them, run: "
                "assay feed refresh --accept-removals",
                may_pass=False,
            )


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What a feed has changed, fetched and checked, ready to be applied; False when nothing that is stored changes.

    It holds open files: use it in a `with` block, or close it. An empty one, `ChangeSet(feed)`, completes a revision
    that was left unfinished when its feed cannot be reached. `etags` and `source` are noted once all is applied.
    """

    feed: str
    records: tuple[tuple[str, Archive | bytes], ...] = ()
    listed: Mapping[str, Listed] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    unread: tuple[Refusal, ...] = ()
    archives: tuple[Archive, ...] = ()
    etags: Mapping[str, str] | None = None
    source: str = ""
    changes_anything: bool = False

    def __bool__(self) -> bool:
        return self.changes_anything

    def __len__(self) -> int:
        return len(self.records) + len(self.removed)

    def changes(self) -> Iterator[Change | Refusal]:
        """The changes in a fixed order; a refusal says which record could not be taken in, and why."""
        yield from self.unread
        yield from (Removal(name) for name in self.removed)
        for name, source in self.records:
            yield from _read(name, source, self.listed[name])

    def close(self) -> None:
        """Let go of the files."""
        for archive in self.archives:
            archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(name: str, source: Archive | bytes, listed: Listed) -> Iterator[Change | Refusal]:
    try:
        record = osv.read(source.read(name) if isinstance(source, Archive) else source)
    except Refused as fault:
        yield Refusal(name, listed, fault.message, again=False)
        return
    if record.id != name:
        yield Refusal(name, listed, f"The file of {name} holds the record {record.id[:100]}.", again=False)
        return
    yield Upsert.of(listed, record)
    if record.modified < max(osv.time_of(date) for date in listed.values()):
        yield Refusal(name, listed, "The feed still gives an older version than its list says.", again=True)


class Collector:
    """Fetches the lists, and then the records of a plan. Errors of every method: Unavailable."""

    def __init__(self, files: FeedFiles, etags: Mapping[str, str]) -> None:
        self._files = files
        self._known_etags = etags
        self.etags = dict(etags)
        self.records: list[tuple[str, Archive | bytes]] = []
        self.unread: list[Refusal] = []
        self.archives: list[Archive] = []
        #: Ecosystems whose list does not end with a line's end.
        self.unended: set[str] = set()

    def lists(self, ecosystems: Collection[str]) -> Lists:
        """The list of each ecosystem; None for one that has not changed since its validator was noted."""
        return {ecosystem: self._list(ecosystem) for ecosystem in ecosystems}

    def collect(self, todo: Plan, again: Collection[str]) -> None:
        """Fetch the records of a plan into `records` and `unread`, and check that they can be unpacked."""
        for ecosystem, names in todo.wanted.items():
            left = self._loose(ecosystem, names, todo.listed)
            if left:
                awaited = set(left) <= set(again)
                has_loose = len(left) < len(names)
                self._from_archive(
                    ecosystem, left, todo.listed, conditional=awaited, may_be_absent=awaited or has_loose
                )

    def close(self) -> None:
        """Let go of the archives, when they are not to be applied after all."""
        for archive in self.archives:
            archive.close()

    def _list(self, ecosystem: str) -> Mapping[str, str] | None:
        path = f"{ecosystem}/modified_id.csv"
        found = self._fetch(path, LIST_BYTES_MAX, conditional=True)
        if found is Outcome.UNCHANGED:
            return None
        if found is Outcome.ABSENT:
            raise Unavailable(
                f"The feed has no {path}.",
                advice="Check the feed's address, and that its ecosystems.txt names this ecosystem.",
                may_pass=False,
            )
        with found.file as file:
            content = file.read()
        if content and not content.endswith(b"\n"):
            self.unended.add(ecosystem)
        return parse_list(content, path)

    def _loose(self, ecosystem: str, names: Collection[str], listed: Mapping[str, Listed]) -> tuple[str, ...]:
        """Fetch few records one by one; the names of those that must come from the archive."""
        if len(names) > LOOSE_RECORDS_MAX:
            return tuple(names)
        left: list[str] = []
        size = 0
        for name in names:
            # Where the first one is absent there are none: a mirror of archives alone.
            if size > LOOSE_BYTES_MAX or (left and not size):
                left.append(name)
                continue
            taken = self._take_loose(ecosystem, name, listed[name])
            if taken is None:
                left.append(name)
            else:
                size += taken
        return tuple(left)

    def _take_loose(self, ecosystem: str, name: str, listed: Listed) -> int | None:
        """Fetch the file of one record; how many bytes it takes, None when there is no such file."""
        try:
            found = self._files.fetch(f"{ecosystem}/{name}.json", bytes_max=osv.RECORD_BYTES_MAX)
        except Unavailable as fault:
            if fault.reason is not Reason.TOO_LARGE:
                raise
            self.unread.append(Refusal(name, listed, fault.message, again=False))
            return 0
        if not isinstance(found, Fetched):
            return None
        with found.file as file:
            content = file.read()
        self.records.append((name, content))
        return len(content)

    def _from_archive(
        self,
        ecosystem: str,
        names: Collection[str],
        listed: Mapping[str, Listed],
        *,
        conditional: bool,
        may_be_absent: bool,
    ) -> None:
        path = f"{ecosystem}/all.zip"
        found = self._fetch(path, ARCHIVE_BYTES_MAX, conditional=conditional)
        if found is Outcome.UNCHANGED:
            return
        reason = f"Listed, but neither in {path} nor by itself."
        if found is Outcome.ABSENT and may_be_absent:
            self.unread += [Refusal(name, listed[name], reason, again=True) for name in names]
            return
        if not isinstance(found, Fetched):
            raise Unavailable(
                f"The feed has neither {path} nor all of its changed records one by one.",
                advice="Nothing was changed. Check that the feed was published or copied as a whole.",
                may_pass=False,
            )
        archive = Archive(found.file, path)
        self.archives.append(archive)
        present = [name for name in names if name in archive]
        missing = [name for name in names if name not in archive]
        if len(missing) > max(MISSING_SUSPICIOUS, len(names) * MISSING_SHARE_MAX):
            raise Unavailable(
                f"{path} lacks {len(missing)} of the {len(names)} records that the list of {ecosystem} has as changed.",
                advice="Nothing was changed. Fetch or copy list and archive again, both of the same day.",
                may_pass=False,
            )
        archive.check(present)
        self.records += [(name, archive) for name in present]
        self.unread += [Refusal(name, listed[name], reason, again=True) for name in missing]

    def _fetch(self, path: str, bytes_max: int, *, conditional: bool) -> Fetched | Outcome:
        found = self._files.fetch(
            path, bytes_max=bytes_max, etag=self._known_etags.get(path, "") if conditional else ""
        )
        if isinstance(found, Fetched):
            self.etags[path] = found.etag
        return found
