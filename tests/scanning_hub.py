"""A registry with image scanners to test with: real images of small Python packages, the outbox delivered by hand."""

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inventory_layers import END, python_package
from registry_pieces import Room, index_of, manifest_of
from scanning_world import Claim, World

from assay.events import (
    Fact,
    ImageDeleted,
    ImagePushed,
    ImageRestored,
    ImageTakenIn,
    PartArrived,
    RepositoryDeleted,
    RepositoryMoved,
)
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start, policies
from assay.inventory import LayerReaders
from assay.oci import Digest
from assay.registry.model import Repository
from assay.scanning import results, scanners, waiting
from assay.scanning.model import ImageStatus, Scan, ScanFilter
from assay.scanning.permission import NEEDED_STATEMENTS
from assay.storage import Store

REPOSITORY = "team/app"
CLAIMS: dict[str, Claim | None] = {
    "PYSEC-1": Claim((("a", 1, 5),), ("CVE-2026-1001",), 5),
    "PYSEC-2": Claim((("b", 1, None),), (), 3),
}

Layer = dict[str, int]


def blob_of(layer: Layer) -> bytes:
    """A layer with these Python packages in these versions."""
    entries = b"".join(python_package("opt", name, str(version)) for name, version in sorted(layer.items()))
    return gzip.compress(entries + END, mtime=0)


@dataclass
class Hub:
    """A tenancy whose repositories can have scanners. Facts are heard by the scanning room when `deliver` is called."""

    store: Store
    room: Room
    readers: LayerReaders
    actor: Actor
    world: World
    tick: Callable[[int], None]
    heard: int = 0

    @classmethod
    def on(cls, store: Store, folder: Path, readers: LayerReaders, tick: Callable[[int], None]) -> "Hub":
        """A fresh tenancy; `tick` moves the clock, so that one push is later than another."""
        made = first_start.create_tenancy(store, "acme")
        actor = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), made.tenancy.ocid)
        return cls(store, Room.on(store, folder), readers, actor, World(store), tick)

    def push(self, *layers: Layer, tag: str = "v1", repository: str = REPOSITORY) -> str:
        """Push an image of these layers; its OCID."""
        manifest = self.manifest(layers, repository)
        self.tick(1_000)
        return self.room.put(manifest, tag, repository, self.actor).image

    def push_index(self, *platforms: tuple[Layer, str], tag: str = "v1", repository: str = REPOSITORY) -> str:
        """Push an index of one-layer images, each with an architecture; its OCID."""
        children = [(self.manifest([layer], repository), architecture) for layer, architecture in platforms]
        for content, _ in children:
            self.room.put(content, Digest.of(content), repository, self.actor, settle_microseconds=10**9)
        self.tick(1_000)
        return self.room.put(index_of(*children), tag, repository, self.actor).image

    def manifest(self, layers: "tuple[Layer, ...] | list[Layer]", repository: str) -> bytes:
        """The manifest of an image whose blobs are pushed."""
        blobs = [blob_of(layer) for layer in layers]
        diff_ids = [f"sha256:{hashlib.sha256(gzip.decompress(each)).hexdigest()}" for each in blobs]
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        for content in (config, *blobs):
            self.room.push_blob(content, repository, self.actor)
        return manifest_of(config, blobs)

    def repository(self, name: str = REPOSITORY) -> Repository:
        """The repository as the registry has it."""
        return self.room.repository(name, self.actor)

    def allow(self, *statements: str) -> None:
        """Let the scanning service in."""
        policies.add_statements(self.store, self.actor, statements or NEEDED_STATEMENTS)

    def add_scanner(self, repository: str = REPOSITORY, **details: int) -> str:
        """Add a scanner; its OCID."""
        return scanners.add(self.store, self.actor, self.repository(repository).ocid, **details).ocid

    def deliver(self) -> int:
        """Let the scanning room hear all facts, then scan what waits; how many images were scanned."""
        while self.heard < len(facts := self.room.facts()):
            self._hear(facts[self.heard])
            self.heard += 1
        return self.scan_waiting()

    def scan_waiting(self) -> int:
        """Scan what waits."""
        return waiting.scan_waiting(self.store, self.room.blobs, self.readers)

    def _hear(self, fact: Fact) -> None:
        if isinstance(fact, ImagePushed | ImageRestored | PartArrived):
            waiting.image_came(self.store, fact)
        elif isinstance(fact, ImageDeleted | ImageTakenIn):
            waiting.image_went(self.store, fact.image)
        elif isinstance(fact, RepositoryMoved | RepositoryDeleted):
            waiting.repository_changed(self.store, fact)

    def scans(self, image: str) -> list[Scan]:
        """The scans of an image, the oldest first."""
        found = results.listed(self.store, self.actor, ScanFilter(image=image)).items
        return list(reversed(found))

    def status(self, image: str) -> ImageStatus | None:
        """How an image stands."""
        return results.statuses(self.store, self.actor, [image]).get(image)
