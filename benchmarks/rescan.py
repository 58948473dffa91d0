"""The re-scan at fleet size: `make bench NAME=rescan [SIZE=small]`; DATABASE=postgresql://… for the other database.

Loads a synthetic fleet, gives it a first feed, then measures: a change set of 500 advisories, 20 ordinary ones, 500 new
ones on the sources that bases share, and a full recomputation; compares the whole fleet with the full recomputation and
some images with a flat count. Ends with one JSON line.
"""

import json
import multiprocessing
import os
import pickle
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from assay.advisories import ChangeSet, feeds
from assay.clock import Site, SystemClock
from assay.inventory import Component
from assay.scanning import full, rescan
from assay.scanning.counting import SEVERITIES
from assay.scanning.records import scans
from assay.scanning.records.components import identity_of, packed, set_digest, subject_of
from assay.scanning.records.tables import (
    OPEN,
    chain,
    chain_path,
    chain_total,
    component,
    component_set,
    inventory,
    scan,
    set_item,
)
from assay.secret import Secret
from assay.storage import Database, Store, metadata
from benchmarks.rescan_world import Claim, Fleet, classes

FEED = "bench"
IMAGES_A_REPOSITORY = 50
FLAT_SAMPLE = 100
SIZES = {"small": (2_000, 4_000, 2_000), "full": (100_000, 80_000, 40_000)}


class TimedDatabase(Database):
    """Knows how long its longest write transaction held the lock, from the first statement to the commit."""

    longest_write_seconds = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction, timed."""
        with super().write() as connection:
            began = time.perf_counter()
            yield connection
        self.longest_write_seconds = max(self.longest_write_seconds, time.perf_counter() - began)


@dataclass
class Measured:
    """Wall and CPU seconds of a block, and the longest write in it."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    write_max_ms: float = 0.0


@contextmanager
def measured(database: TimedDatabase) -> Iterator[Measured]:
    """Measure a block."""
    found = Measured()
    database.longest_write_seconds = 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found.seconds = round(time.perf_counter() - wall, 3)
    found.cpu_seconds = round(time.process_time() - cpu, 3)
    found.write_max_ms = round(database.longest_write_seconds * 1000, 1)


class Loader:
    """Writes a fleet into an empty database, as pushes before the first feed would have."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._components: dict[Component, int] = {}
        self._sets: dict[frozenset[Component], int] = {}
        self._chains: dict[tuple[int, int], int] = {}
        self._rows: dict[str, list[dict[str, object]]] = {}

    def load(self, fleet: Fleet) -> dict[int, frozenset[Component]]:
        """All images, many in one transaction; the components of some of them, by number."""
        sample = {}
        for number, path in enumerate(fleet.paths(), 1):
            self._image(number, path)
            if number % max(1, fleet.images // FLAT_SAMPLE) == 0:
                sample[number] = frozenset().union(*path)
            if number % 2_000 == 0:
                self._flush()
        self._flush()
        if not self._store.database.is_sqlite:
            with self._store.database.write() as connection:
                for table in ("component", "component_set", "chain", "inventory"):
                    connection.execute(text(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"))
                connection.execute(text("ANALYZE"))
        return sample

    def _image(self, number: int, path: tuple[frozenset[Component], ...]) -> None:
        seen: set[Component] = set()
        steps: list[tuple[int, int]] = []
        for level in path:
            fresh = frozenset(level - seen)
            if fresh:
                seen |= fresh
                steps.append(self._step(steps, self._set(fresh)))
        repository = f"repository{number // IMAGES_A_REPOSITORY:06d}"
        self._add(
            inventory,
            id=number,
            mark=f"{number:016x}",
            tenancy="t",
            compartment="c",
            target="s",
            repository=repository,
            image=f"image{number}",
            chain_id=steps[-1][0],
            state=0,
            reason="",
            from_rev=0,
            until_rev=OPEN,
            time_created=0,
        )
        self._add(scan, inventory_id=number, rev=0, cause=0, state=0, time_created=0, c5=0, c4=0, c3=0, c2=0, c1=0)

    def _set(self, held: frozenset[Component]) -> int:
        found = self._sets.get(held)
        if found is None:
            found = self._sets[held] = len(self._sets) + 1
            ids = [self._component(each) for each in held]
            digest = set_digest(identity_of(each) for each in held)
            self._add(component_set, id=found, digest=digest, components=packed(ids))
            for each in ids:
                self._add(set_item, component_id=each, set_id=found)
        return found

    def _component(self, each: Component) -> int:
        found = self._components.get(each)
        if found is None:
            found = self._components[each] = len(self._components) + 1
            subject = subject_of(each)
            fields = ("ecosystem", "name", "version", "architecture", "source", "source_version", "modularity")
            self._add(
                component,
                id=found,
                identity=identity_of(each),
                package=subject.package,
                package_version=subject.version,
                **{field: getattr(each, field) for field in fields},
            )
        return found

    def _step(self, steps: list[tuple[int, int]], set_id: int) -> tuple[int, int]:
        parent = steps[-1][0] if steps else 0
        found = self._chains.get((parent, set_id))
        if found is None:
            found = self._chains[parent, set_id] = len(self._chains) + 1
            self._add(chain, id=found, parent_id=parent, set_id=set_id, level=len(steps))
            self._add(chain_total, chain_id=found, rev=0, c5=0, c4=0, c3=0, c2=0, c1=0)
            for level, (ancestor, its_set) in enumerate([*steps, (found, set_id)]):
                self._add(chain_path, chain_id=found, level=level, ancestor_id=ancestor, set_id=its_set)
        return found, set_id

    def _add(self, table: object, **values: object) -> None:
        self._rows.setdefault(str(table), []).append(values)

    def _flush(self) -> None:
        with self._store.database.write() as connection:
            for name, rows in self._rows.items():
                connection.execute(metadata.tables[name].insert(), rows)
        self._rows = {}


def change_set(changes: Mapping[str, Claim], number: int) -> ChangeSet:
    """The changes as the feed gives them, fetched in the `number`th run."""
    date = f"2026-01-01T00:00:{number:02d}Z"
    return ChangeSet(
        feed=FEED,
        records=tuple((name, claim.osv(name)) for name, claim in changes.items()),
        listed={name: {"PyPI": date} for name in changes},
        changes_anything=True,
    )


def images_scanned(store: Store, revision: int) -> int:
    """How many images have a scan as of this revision."""
    with store.database.read() as connection:
        query = text("SELECT count(*) FROM scan WHERE rev = :rev")
        return int(connection.execute(query, {"rev": revision}).scalar_one())


def flat_mismatches(store: Store, fleet: Fleet, sample: Mapping[int, frozenset[Component]], revision: int) -> int:
    """How many images of the sample have other counts than their components, one by one, say."""
    with store.database.read() as connection:
        shown = scans.latest_of_images(connection, [f"image{number}" for number in sample], revision)
    by_package: dict[tuple[str, str], dict[str, list[Claim]]] = {}
    for name, claims in classes(fleet.claims).items():
        for package in {package for claim in claims for package in claim.packages}:
            by_package.setdefault(package, {})[name] = claims
    wrong = 0
    for number, held in sample.items():
        worst: dict[str, int] = {}
        for each in held:
            of_package = by_package.get((each.ecosystem, each.package), {})
            for name, severity in fleet.severe(each, of_package).items():
                worst[name] = max(severity, worst.get(name, 0))
        found = list(worst.values())
        wrong += shown[f"image{number}"].vector != tuple(found.count(severity) for severity in SEVERITIES)
    return wrong


def opened(url: str) -> Store:
    """The store of the benchmark."""
    return Store(TimedDatabase(url), SystemClock(), Site("oc1", "local"), Secret("bench"))


def load(url: str, size: tuple[int, int, int], sample: Path) -> None:
    """In a process of its own, whose memory is not that of the re-scan: make the tables, load the fleet."""
    store = opened(url)
    metadata.create_all(store.database.engine)
    sample.write_bytes(pickle.dumps(Loader(store).load(Fleet(*size))))
    store.database.close()


def main() -> None:
    """Run, and print the figures."""
    size = SIZES[os.environ.get("SIZE", "full")]
    with tempfile.TemporaryDirectory() as folder:
        url, sample = os.environ.get("DATABASE", f"sqlite:///{folder}/bench.db"), Path(folder, "sample")
        began = time.perf_counter()
        child = multiprocessing.get_context("spawn").Process(target=load, args=(url, size, sample))
        child.start()
        child.join()
        figures = run(opened(url), Fleet(*size), pickle.loads(sample.read_bytes()))
        print(json.dumps({**figures, "load_and_all_seconds": round(time.perf_counter() - began, 1)}))


def run(store: Store, fleet: Fleet, sample: Mapping[int, frozenset[Component]]) -> dict[str, float]:
    """Measure and compare."""
    database = store.database
    assert isinstance(database, TimedDatabase)
    feeds.configure(store, [feeds.FeedConfig(FEED, "https://feed.invalid", ("PyPI",), 3600)])
    with measured(database) as first:
        initial = rescan.run(store, change_set(fleet.claims, 1))
    with measured(database) as delta:
        outcome = rescan.run(store, change_set(fleet.changes(500), 2))
    rescanned = images_scanned(store, outcome.revision)
    with measured(database) as small:
        outcome = rescan.run(store, change_set(fleet.changes(20), 3))
    with measured(database) as rematch:
        checked = full.check(store)
    return {
        "images": fleet.images,
        "components": checked.components,
        "chains": checked.chains,
        "matches": checked.matches,
        "first_feed_seconds": first.seconds,
        "delta_seconds": delta.seconds,
        "delta_cpu_seconds": delta.cpu_seconds,
        "images_rescanned": rescanned,
        "write_lock_max_ms": max(delta.write_max_ms, small.write_max_ms),
        "first_feed_write_lock_max_ms": first.write_max_ms,
        "first_feed_rescan_write_lock_max_ms": round(initial.longest_hold_seconds * 1000, 1),
        "small_delta_seconds": small.seconds,
        "small_delta_images_rescanned": images_scanned(store, outcome.revision),
        "full_rematch_seconds": rematch.seconds,
        "full_rematch_images_per_minute": round(fleet.images / rematch.seconds * 60),
        "memory_max_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "mismatches": checked.mismatches + flat_mismatches(store, fleet, sample, outcome.revision),
    }


if __name__ == "__main__":
    main()
