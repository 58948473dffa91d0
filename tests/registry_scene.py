"""A registry and one repository of it, in which acts happen, and the ledger of what was acknowledged there.

The ledger is a file, so that it outlives a process that is killed amid an act.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_pieces import ACTOR, Room, manifest_of

from assay.clock import SetClock
from assay.errors import Reason, Refused
from assay.iam import Actor
from assay.oci import Digest
from assay.registry import blobs, images, pulls, uploads
from assay.registry.model import ImageFilter, LifecycleState

SHARED = b"a layer that every repository has " * 8


class Ledger:
    """What clients were told, line by line: `[repository, reference, manifest]`, the last word on a reference holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    def acknowledge(self, repository: str, reference: str, content: bytes) -> None:
        """The registry has said that it has this manifest under this tag or digest."""
        self._note(repository, reference, content.decode())

    def forget(self, repository: str, reference: str) -> None:
        """Somebody begins to take it away: from now on it may be there or not."""
        self._note(repository, reference, None)

    def standing(self) -> dict[tuple[str, str], bytes]:
        """What must be there."""
        lines = [json.loads(line) for line in self._path.read_text().splitlines()]
        last = {(repository, reference): content for repository, reference, content in lines}
        return {key: content.encode() for key, content in last.items() if content is not None}

    def _note(self, repository: str, reference: str, content: str | None) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps([repository, reference, content]) + "\n")


@dataclass
class Scene:
    """A registry and one repository of it, in which an act happens. `attempts`: how often it has begun."""

    room: Room
    clock: SetClock
    ledger: Ledger
    name: str
    actor: Actor = ACTOR
    attempts: int = 0
    found: dict[str, Any] = field(default_factory=dict)

    def push_blob(self, content: bytes) -> None:
        """As a client does: look, then begin, send in two pieces, end."""
        intake = self.room.intake
        if self.has_blob(content):
            return
        upload = uploads.begin(intake, self.actor, self.name).id
        middle = len(content) // 2
        for start, piece in ((0, content[:middle]), (middle, content[middle:])):
            writer = uploads.resume(intake, self.actor, self.name, upload, start=start)
            try:
                writer.append(piece)
                if start == 0:
                    writer.acknowledge()
                else:
                    uploads.finish(intake, self.actor, self.name, writer, Digest.of(content))
            finally:
                writer.release()

    def has_blob(self, content: bytes) -> bool:
        """HEAD of a blob."""
        try:
            found = blobs.find(self.room.store, self.room.blobs, self.actor, self.name, Digest.of(content))
        except Refused as refusal:
            if refusal.reason not in (Reason.BLOB_UNKNOWN, Reason.NOT_FOUND):
                raise
            return False
        return found.size == len(content)

    def image(self, seed: str) -> bytes:
        """The manifest of an image of this scene: a layer of its own, and one that everybody has."""
        return manifest_of(self.config(seed), [self.layer(seed), SHARED])

    def config(self, seed: str) -> bytes:
        """The image's config."""
        return json.dumps({"of": f"{self.name}/{seed}"}).encode()

    def layer(self, seed: str) -> bytes:
        """The image's own layer."""
        return f"layer {seed} of {self.name} ".encode() * 9

    def push_image(self, tag: str, seed: str = "one") -> None:
        """Push an image with its blobs, under a tag or (empty) by digest."""
        for content in (self.config(seed), self.layer(seed), SHARED):
            self.push_blob(content)
        self.put(self.image(seed), tag)

    def put(self, content: bytes, tag: str) -> None:
        """Push a manifest whose parts are there."""
        digest = Digest.of(content)
        if tag:
            self.ledger.forget(self.name, tag)
        self.room.put(content, tag or digest, self.name, self.actor)
        self.ledger.acknowledge(self.name, digest.text, content)
        if tag:
            self.ledger.acknowledge(self.name, tag, content)

    def take_away(self, *references: str | Digest) -> None:
        """Say in the ledger that these go from now on."""
        for reference in references:
            self.ledger.forget(self.name, str(reference))

    def image_ocid(self, seed: str = "one") -> str:
        """The image's OCID, deleted or not."""
        digest = Digest.of(self.image(seed))
        for state in LifecycleState:
            narrow = ImageFilter(repository_name=self.name, digest=digest, lifecycle_state=state)
            for image in images.listed(self.room.store, self.actor, narrow).items:
                return image.ocid
        raise LookupError(seed)

    @contextmanager
    def unless_done(self, reason: Reason) -> Iterator[None]:
        """What was done but not acknowledged is refused when it is asked for again: that is as good."""
        try:
            yield
        except Refused as refusal:
            if self.attempts < 2 or refusal.reason is not reason:
                raise

    def check_acknowledged(self) -> None:
        """Everything acknowledged pulls, with the right digest, and so do its blobs."""
        for (repository, reference), content in self.ledger.standing().items():
            self.check_pulls(repository, reference, content)

    def check_pulls(self, repository: str, reference: str, content: bytes) -> None:
        """One manifest pulls, with all that it names."""
        store, named = self.room.store, Digest(reference) if ":" in reference else reference
        served = pulls.manifest(store, self.actor, repository, named)
        assert (served.content, served.digest) == (content, Digest.of(content))
        document = json.loads(content)
        for child in document.get("manifests", ()):
            below = pulls.manifest(store, self.actor, repository, Digest(child["digest"]))
            self.check_pulls(repository, child["digest"], below.content)
        for part in [*document.get("layers", ()), *([document["config"]] if "config" in document else [])]:
            found = blobs.find(store, self.room.blobs, self.actor, repository, Digest(part["digest"]))
            with self.room.blobs.open(found.digest) as file:
                assert found.digest.matches(file.read())
