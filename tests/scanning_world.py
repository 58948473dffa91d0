"""Small worlds for tests of scanning: advisories over few packages, images over few components, and a flat oracle.

The oracle shares nothing with the code under test: no sets, no chains, no stored matches, no OSV evaluation; it counts
the union of an image's components one by one. Versions are whole numbers of the ecosystem PyPI, which orders them as
numbers (PEP 440).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from assay.advisories import ChangeSet, feeds
from assay.clock import Instant
from assay.iam import Actor, Principal, PrincipalKind
from assay.inventory import Component
from assay.scanning import push, rescan, results
from assay.scanning.catalogue import Catalogue, LayerContent, path_of
from assay.scanning.model import Cause, Scan, ScanFilter
from assay.scanning.records import inventories, requests, scans
from assay.scanning.records.requests import Request
from assay.scanning.rescan.pace import rest
from assay.scanning.risk import ScanState
from assay.storage import Store, metadata

FEED = "osv"
TENANCY = "ocid1.tenancy.oc1..test"
#: Who may everything there.
OPERATOR = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), TENANCY)
WORDS = {5: "CRITICAL", 4: "HIGH", 3: "MODERATE", 1: "LOW"}
SEVERITIES = (5, 4, 3, 2, 1)

Counts = tuple[int, int, int, int, int]


class Killed(Exception):
    """The process died between two batches."""


@dataclass(frozen=True)
class Claim:
    """What an advisory of the world says: versions from `intro` to before `fixed` of each package are affected."""

    packages: tuple[tuple[str, int, int | None], ...] = ()
    aliases: tuple[str, ...] = ()
    severity: int | None = None
    withdrawn: bool = False
    #: Its ranges end at what is no version: whether anything is affected cannot be found out from it.
    vague: bool = False

    def osv(self, name: str) -> bytes:
        """The record as the feed has it."""
        document = {
            "id": name,
            "modified": "2026-01-01T00:00:00Z",
            "published": "2026-01-01T00:00:00Z",
            "aliases": list(self.aliases),
            "affected": [
                {
                    "package": {"ecosystem": "PyPI", "name": package},
                    "ranges": [
                        {
                            "type": "ECOSYSTEM",
                            "events": [{"introduced": str(intro)}, *self.end(fixed)],
                        }
                    ],
                }
                for package, intro, fixed in self.packages
            ],
        }
        if self.severity:
            document["database_specific"] = {"severity": WORDS[self.severity]}
        if self.withdrawn:
            document["withdrawn"] = "2026-01-02T00:00:00Z"
        return json.dumps(document).encode()

    def end(self, fixed: int | None) -> list[dict[str, str]]:
        """The event that ends a range, if it has one."""
        return [{"fixed": "one of these days"}] if self.vague else [{"fixed": str(fixed)}] if fixed else []


@dataclass
class World:
    """What the test believes: claims by name, images by OCID, and the answers that were right as of each revision."""

    store: Store
    claims: dict[str, Claim] = field(default_factory=dict)
    images: dict[str, frozenset[Component]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    frozen: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    repositories: dict[str, str] = field(default_factory=dict)
    answers: dict[int, dict[str, Counts]] = field(default_factory=dict)
    doubts: dict[int, dict[str, bool]] = field(default_factory=dict)
    revision: int = 0

    def __post_init__(self) -> None:
        feeds.configure(self.store, [feeds.FeedConfig(FEED, "https://feed.invalid", ("PyPI",), 3600)])

    # the store's side

    def change_set(self, changes: dict[str, Claim | None]) -> ChangeSet:
        """The changes of the feed; None removes an advisory."""
        listed = {name: {"PyPI": f"2026-01-01T00:00:{len(self.answers) % 60:02d}Z"} for name in changes}
        return ChangeSet(
            feed=FEED,
            records=tuple((name, claim.osv(name)) for name, claim in changes.items() if claim is not None),
            listed=listed,
            removed=tuple(name for name, claim in changes.items() if claim is None and name in self.claims),
            changes_anything=True,
        )

    def publish(self, changes: dict[str, Claim | None], *, pause: Callable[[], None] = rest) -> None:
        """Apply changes as the next revision; a run that is killed is begun again until it ends."""
        while True:
            try:
                rescan.run(self.store, self.change_set(changes), pause=pause)
            except Killed:
                if self.resumed(pause):
                    break
                continue
            break
        for name, claim in changes.items():
            if claim is None:
                self.claims.pop(name, None)
            else:
                self.claims[name] = claim
        self.revision += 1
        self.remember()

    def resumed(self, pause: Callable[[], None]) -> bool:
        """Go on after a kill, as a restart does; False when the change set must be fetched anew."""
        while True:
            try:
                return rescan.resume(self.store, pause=pause) is not None
            except Killed:
                continue

    def push(
        self, image: str, levels: Sequence[Iterable[Component]], *, repository: str = "r1", cause: Cause = Cause.PUSH
    ) -> bool:
        """Scan an image with these components by layer, bottom first."""
        with self.store.database.write() as connection:
            requests.put(connection, self.request(image, repository, cause))
        held = [frozenset(level) for level in levels]
        found = Catalogue(path_of([held]), layers_of(held), ScanState.COMPLETE)
        is_new = push.record(self.store, self.request(image, repository, cause), found)
        self.images[image] = frozenset(each for level in levels for each in level)
        self.since.setdefault(image, self.revision)
        self.repositories[image] = repository
        if image in self.frozen:
            self.gaps.setdefault(image, []).append((self.frozen.pop(image), self.revision))
        self.answers.setdefault(self.revision, {})[image] = self.count(image)
        self.doubts.setdefault(self.revision, {})[image] = self.is_in_doubt(image)
        return is_new

    def request(self, image: str, repository: str = "r1", cause: Cause = Cause.PUSH) -> Request:
        """A request for a scan of an image."""
        return Request(image, TENANCY, TENANCY, "target", repository, cause, Instant(0))

    def freeze(self, repository: str) -> None:
        """Remove the scanner of a repository."""
        with self.store.database.write() as connection:
            self.store.database.publication_lock(connection, shared=True)
            inventories.freeze_repository(connection, repository, self.revision)
        for image, its in self.repositories.items():
            if its == repository:
                self.frozen.setdefault(image, self.revision)

    def scan(self, image: str, revision: int | None = None) -> Scan:
        """The scan of an image as of a revision, else its latest."""
        listed = results.listed(self.store, OPERATOR, ScanFilter(image=image)).items
        return next(each for each in listed if revision in (None, each.revision))

    # the oracle's side

    def remember(self) -> None:
        """Note the right answers as of the revision that was just published."""
        self.answers[self.revision] = {image: self.count(image) for image in self.images}
        self.doubts[self.revision] = {image: self.is_in_doubt(image) for image in self.images}

    def count(self, image: str) -> Counts:
        """The problems of an image by highest severity, from the flat union of its components."""
        best: dict[frozenset[str], int] = {}
        for alias_class in self.classes():
            members = [self.claims[name] for name in alias_class]
            rated = [each.severity for each in members if each.severity]
            for component in self.images[image]:
                hits = [each for each in members if affects(each, component)]
                if hits:
                    own = [each.severity for each in hits if each.severity] or rated
                    severity = max(own, default=2)
                    best[alias_class] = max(severity, best.get(alias_class, 0))
        found = list(best.values())
        return tuple(found.count(severity) for severity in SEVERITIES)  # type: ignore[return-value]

    def is_in_doubt(self, image: str) -> bool:
        """Whether of some component all that some vulnerability says is vague, or nobody says anything of any."""
        if self.images[image] and not any(each.packages and not each.withdrawn for each in self.claims.values()):
            return True
        for alias_class in self.classes():
            members = [self.claims[name] for name in alias_class]
            for component in self.images[image]:
                said = [each.vague for each in members if component.name in {name for name, _, _ in each.packages}]
                if said and (all(said) or not component.version.isdigit()):
                    return True
        return False

    def classes(self) -> list[frozenset[str]]:
        """The advisories in force, grouped by the ids that they share: names and aliases, over any number of steps."""
        groups: list[tuple[set[str], set[str]]] = []
        for name, claim in self.claims.items():
            if claim.withdrawn:
                continue
            ids, names = {name, *claim.aliases}, {name}
            rest = []
            for other_ids, other_names in groups:
                if ids & other_ids:
                    ids |= other_ids
                    names |= other_names
                else:
                    rest.append((other_ids, other_names))
            groups = [*rest, (ids, names)]
        return [frozenset(names) for _, names in groups]

    # what both must agree on

    def shown(self, as_of: int | None = None) -> dict[str, Counts]:
        """The latest scan of each image that may be read as of a revision."""
        rev = self.revision if as_of is None else as_of
        with self.store.database.read() as connection:
            found = scans.latest_of_images(connection, list(self.images), rev)
        return {image: row.vector for image, row in found.items()}

    def partial(self, as_of: int | None = None) -> set[str]:
        """The images whose latest scan, of those that may be read as of a revision, is partial."""
        rev = self.revision if as_of is None else as_of
        with self.store.database.read() as connection:
            found = scans.latest_of_images(connection, list(self.images), rev)
        return {image for image, row in found.items() if row.state is ScanState.PARTIAL}

    def doubtful(self, as_of: int | None = None) -> set[str]:
        """The images whose scans must be partial."""
        rev = self.revision if as_of is None else as_of
        return {
            image
            for image in self.images
            if self.since[image] <= rev and self.doubts[self.looked_at(image, rev)][image]
        }

    def expected(self, as_of: int | None = None) -> dict[str, Counts]:
        """What must be shown: the right answer as of that revision, or as of the moment when the image was frozen."""
        rev = self.revision if as_of is None else as_of
        return {
            image: self.answers[self.looked_at(image, rev)][image] for image in self.images if self.since[image] <= rev
        }

    def looked_at(self, image: str, rev: int) -> int:
        """The revision, at or before `rev`, as of which an image was last looked at."""
        for begin, end in self.gaps.get(image, ()):
            if begin <= rev < end:
                return begin
        return min(rev, self.frozen.get(image, rev))


def layers_of(levels: Sequence[frozenset[Component]]) -> tuple[LayerContent, ...]:
    """Each component in its layer, in a file that is called after it."""
    return tuple(
        LayerContent(0, "", number, f"layer {number}", tuple((each, f"{each.name}/METADATA") for each in sorted(level)))
        for number, level in enumerate(levels)
    )


def affects(claim: Claim, component: Component) -> bool:
    """The oracle's rule."""
    if claim.vague or not component.version.isdigit():
        return False
    version = int(component.version)
    return any(
        package == component.name and intro <= version and (fixed is None or version < fixed)
        for package, intro, fixed in claim.packages
    )


def lib(name: str, version: int) -> Component:
    """A component of the world."""
    return Component("PyPI", name, str(version))


def emptied(store: Store) -> Store:
    """The store with every row gone, for the next example."""
    with store.database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return store
