"""Feeds made by hand for tests: records, and a bucket folder in the layout of the public OSV bucket."""

import csv
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from assay.advisories import feeds, revisions
from assay.advisories.records.tables import (
    OPEN,
    advisory,
    advisory_link,
    advisory_version,
    affected,
    member,
    vulnerability,
)
from assay.storage import Store

Record = dict[str, Any]


def record(
    name: str,
    *,
    package: str = "thing",
    ecosystem: str = "PyPI",
    fixed: str | None = "2.0",
    modified: str = "2026-01-01T00:00:00Z",
    **more: Any,
) -> Record:
    """An OSV record on one package, affected from the beginning until `fixed`."""
    events = [{"introduced": "0"}] + ([{"fixed": fixed}] if fixed is not None else [])
    return {
        "schema_version": "1.7.3",
        "id": name,
        "modified": modified,
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


def content(each: Record) -> bytes:
    """A record as a file."""
    return json.dumps(each).encode()


def write_bucket(
    folder: Path,
    records: Mapping[str, Iterable[Record]],
    *,
    loose: bool = True,
    archive: bool = True,
    dates: Mapping[str, str] | None = None,
) -> Path:
    """Write ecosystem → records as a bucket; `dates` are those the list gives where it differs from the record."""
    for ecosystem, listed in records.items():
        place = folder / ecosystem
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        rows = [((dates or {}).get(each["id"], each["modified"]), each["id"]) for each in listed]
        with (place / "modified_id.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(sorted(rows, reverse=True))
        if loose:
            for each in listed:
                (place / f"{each['id']}.json").write_bytes(content(each))
        if archive:
            (place / "all.zip").write_bytes(packed({f"{each['id']}.json": content(each) for each in listed}))
    (folder / "ecosystems.txt").write_text("".join(f"{each}\n" for each in sorted(records)))
    return folder


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def synchronise(store: Store, config: feeds.FeedConfig, *, publish: bool = True) -> int | None:
    """Take in what a feed has changed, as the re-scan does without its own phases; the revision, None for no change."""
    feeds.configure(store, [config])
    with feeds.fetch_changes(store, config) as changes:
        if not changes:
            return None
        rev = revisions.begin_revision(store)
        revisions.apply_changes(store, rev, changes, pause=lambda: None)
    if publish:
        with store.database.write() as connection:
            store.database.publication_lock(connection, shared=False)
            revisions.publish_revision(connection, rev)
            feeds.succeed(connection, config.name, store.clock.now())
    return rev


def standing(store: Store) -> dict[str, set[tuple[Any, ...]]]:
    """All open rows of the log, by names instead of numbers, without revisions: what stands."""
    named: dict[str, tuple[Table, tuple[Any, ...]]] = {
        "versions": (
            advisory_version,
            (advisory_version.c.published, advisory_version.c.withdrawn, advisory_version.c.digest),
        ),
        "affected": (affected, (affected.c.ecosystem, affected.c.package, affected.c.severity, affected.c.statement)),
        "links": (advisory_link, (advisory_link.c.name, advisory_link.c.kind)),
    }
    found = {}
    with store.database.read() as connection:
        for title, (table, columns) in named.items():
            query = (
                select(advisory.c.name.label("advisory"), *columns)
                .join(table, table.c.advisory_id == advisory.c.id)
                .where(table.c.until_rev == OPEN)
            )
            found[title] = {tuple(row) for row in connection.execute(query)}
        query = (
            select(vulnerability.c.name, advisory.c.name)
            .select_from(member.join(vulnerability).join(advisory, advisory.c.id == member.c.advisory_id))
            .where(member.c.until_rev == OPEN)
        )
        found["members"] = {tuple(row) for row in connection.execute(query)}
    return found


def classes_of(store: Store) -> dict[str, set[str]]:
    """Vulnerability name → advisory ids, as they stand."""
    found: dict[str, set[str]] = {}
    for name, each in standing(store)["members"]:
        found.setdefault(name, set()).add(each)
    return found


class _Handler(SimpleHTTPRequestHandler):
    """Files of a folder with an ETag, a log of requests, and answers that a test puts in their place."""

    def __init__(self, *arguments: Any, server_state: "WebBucket", **more: Any) -> None:
        self.state = server_state
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        """The file, 304 when the client has it, or what the test wants."""
        own = self.state.answers.get(self.path)
        path = Path(self.translate_path(self.path))
        etag = f'"{path.stat().st_mtime_ns}"' if path.is_file() else ""
        matched = bool(etag) and self.headers.get("If-None-Match") == etag
        self.state.requests.append((self.path, 304 if matched else 200))
        if own is not None:
            own(self)
        elif matched:
            self.send_response(304)
            self.end_headers()
        elif etag:
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        else:
            self.send_error(404)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class WebBucket:
    """A bucket folder behind a loopback address."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[str, int]] = []
        self.answers: dict[str, Callable[[SimpleHTTPRequestHandler], None]] = {}
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(_Handler, directory=str(folder), server_state=self)
        )
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator["WebBucket"]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
