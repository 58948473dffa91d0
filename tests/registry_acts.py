"""What clients and upkeep do to a registry, as acts that can be broken off anywhere and done again.

An act is prepared on a scene of its own, done, and done again if it was broken off. The scene's ledger says what was
acknowledged: it is a file, so that it outlives a process that is killed amid the act.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry_pieces import ACTOR, Room, index_of, manifest_of

from assay.clock import DAY, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.iam import Actor
from assay.oci import Digest
from assay.registry import blobs, images, pulls, pushes, removals, repositories, tags, uploads
from assay.registry.collection.purge import purge as purge_all
from assay.registry.collection.scrub import scrub as scrub_all
from assay.registry.collection.sweep import sweep as sweep_all
from assay.registry.model import ImageFilter, LifecycleState
from assay.registry.rules import retention
from assay.registry.rules import sweep as retention_sweep
from assay.registry.rules.model import PolicyDetails, Rule, RuleKind

SHARED = b"a layer that every repository has " * 8
ELSEWHERE = "team/elsewhere"


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


def nothing(_: Scene) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Act:
    """`do` may be broken off anywhere, and is then done again; `check` says what holds once it has ended well."""

    name: str
    prepare: Callable[[Scene], None]
    do: Callable[[Scene], None]
    check: Callable[[Scene], None] = nothing
    #: What cannot be read is noted as damage, until it is read again.
    notes_damage: bool = False

    def __str__(self) -> str:
        return self.name


def elsewhere(scene: Scene) -> None:
    """Another repository has the layer that everybody has."""
    there = Scene(scene.room, scene.clock, scene.ledger, ELSEWHERE)
    if not there.has_blob(SHARED):
        there.push_image("v1", "elsewhere")


def one_image(scene: Scene) -> None:
    """An image under two tags, and another one that stays."""
    scene.push_image("stays", "stays")
    scene.push_image("v1")
    scene.put(scene.image("one"), "also")


def push(scene: Scene) -> None:
    """Push an image, an index of it, and move the tag from the one to the other."""
    scene.push_image("v1")
    scene.put(index_of((scene.image("one"), "amd64")), "v1")


def mount(scene: Scene) -> None:
    """Push an image whose common layer is mounted."""
    size = uploads.mount(scene.room.intake, scene.actor, scene.name, Digest.of(SHARED), source_name=ELSEWHERE)
    assert size == len(SHARED)
    scene.push_image("v1")


def delete(scene: Scene) -> None:
    """Delete an image by its OCID."""
    scene.take_away("v1", "also", Digest.of(scene.image("one")))
    with scene.unless_done(Reason.WRONG_STATE):
        removals.delete(scene.room.store, scene.actor, scene.image_ocid())


def delete_manifest(scene: Scene) -> None:
    """Delete an image by its digest."""
    digest = Digest.of(scene.image("one"))
    scene.take_away("v1", "also", digest)
    with scene.unless_done(Reason.MANIFEST_UNKNOWN):
        removals.delete_manifest(scene.room.store, scene.actor, scene.name, digest)


def delete_blob(scene: Scene) -> None:
    """Delete a blob that no manifest names."""
    with scene.unless_done(Reason.BLOB_UNKNOWN):
        blobs.delete(scene.room.store, scene.actor, scene.name, Digest.of(scene.layer("loose")))


def untag(scene: Scene) -> None:
    """Remove one of two tags; the image stays."""
    scene.take_away("v1")
    with scene.unless_done(Reason.MANIFEST_UNKNOWN):
        removals.remove_version(scene.room.store, scene.actor, scene.image_ocid(), "v1")


def restore(scene: Scene) -> None:
    """Bring a deleted image back, under a tag."""
    restored = removals.restore(
        scene.room.store, scene.actor, scene.image_ocid(), version="back", retry_token=f"restore {scene.name}"
    )
    content = scene.image("one")
    assert restored.digest == Digest.of(content)
    scene.ledger.acknowledge(scene.name, "back", content)
    scene.ledger.acknowledge(scene.name, restored.digest.text, content)


def delete_repository(scene: Scene) -> None:
    """Delete the whole repository."""
    scene.take_away("stays", "v1", "also", Digest.of(scene.image("one")), Digest.of(scene.image("stays")))
    try:
        found = repositories.by_name(scene.room.store, scene.actor, scene.name)
    except Refused:
        assert scene.attempts > 1
        return
    repositories.delete(scene.room.store, scene.actor, found.ocid)


def expire(scene: Scene) -> None:
    """End uploads that lie idle, and let what was pushed by digest alone become an image."""
    while uploads.expire(scene.room.intake):
        pass
    while pushes.settle(scene.room.store):
        pass


def idle_uploads(scene: Scene) -> None:
    """An upload that lay idle for a day, and an image by digest alone whose time has come."""
    for content in (scene.config("one"), scene.layer("one"), SHARED):
        scene.push_blob(content)
    content = scene.image("one")
    scene.room.put(content, Digest.of(content), scene.name, settle_microseconds=DAY)
    scene.ledger.acknowledge(scene.name, Digest.of(content).text, content)
    scene.found["upload"] = uploads.begin(scene.room.intake, scene.actor, scene.name).id
    scene.clock.advance(DAY)


def loose_blob(scene: Scene) -> None:
    """A blob that no manifest names, beside an image."""
    one_image(scene)
    scene.push_blob(scene.layer("loose"))


def deleted_image(scene: Scene) -> None:
    """An image that was deleted just now."""
    one_image(scene)
    delete(scene)


def ruled_image(scene: Scene) -> None:
    """An image, a later one, and a retention policy that keeps the last one."""
    scene.push_image("v1")
    scene.put(scene.image("one"), "also")
    scene.clock.advance(SECOND)
    scene.push_image("stays", "stays")
    details = PolicyDetails("the last one", (Rule(RuleKind.KEEP_LAST, count=1),), is_enabled=True)
    retention.create(scene.room.store, scene.actor, scene.actor.tenancy, details)


def retain(scene: Scene) -> None:
    """Let retention do its work."""
    scene.take_away("v1", "also", Digest.of(scene.image("one")))
    retention_sweep.sweep(scene.room.store, interval=0)


def overdue_image(scene: Scene) -> None:
    """An image that was deleted so long ago that it can be restored no more."""
    deleted_image(scene)
    scene.clock.advance(removals.RESTORE_MICROSECONDS + 1)


def purge(scene: Scene) -> None:
    """Let what was deleted long ago go for good."""
    purge_all(scene.room.store)


def unheld_blobs(scene: Scene) -> None:
    """Blobs that no repository holds any more, and one that no row names."""
    overdue_image(scene)
    purge(scene)
    scene.clock.advance(DAY)
    purge(scene)
    scene.room.blobs.put(Digest.of(scene.layer("stray")), scene.layer("stray"))
    sweep_all(scene.room.store, scene.room.blobs)
    scene.clock.advance(DAY)


def sweep(scene: Scene) -> None:
    """Let blobs go that nobody holds."""
    sweep_all(scene.room.store, scene.room.blobs)


def scrub(scene: Scene) -> None:
    """Read all that is stored."""
    scrub_all(scene.room.store, scene.room.blobs)


def _is_purged(scene: Scene) -> None:
    narrow = ImageFilter(repository_name=scene.name, lifecycle_state=LifecycleState.DELETED)
    assert images.listed(scene.room.store, scene.actor, narrow).items == ()
    assert scene.room.repository(scene.name).layer_count == 2


def _is_swept(scene: Scene) -> None:
    gone = (scene.layer("one"), scene.config("one"), scene.layer("stray"))
    assert [scene.room.blobs.size(Digest.of(content)) for content in gone] == [None, None, None]
    kept = (scene.layer("stays"), scene.config("stays"), SHARED)
    assert [scene.room.blobs.size(Digest.of(content)) for content in kept] == list(map(len, kept))


def _is_gone(scene: Scene) -> None:
    assert scene.room.repository(scene.name).image_count == 1
    assert tags.listed(scene.room.store, scene.actor, scene.name)[0] == ("stays",)


def _is_untagged(scene: Scene) -> None:
    assert tags.listed(scene.room.store, scene.actor, scene.name)[0] == ("also", "stays")


def _is_back(scene: Scene) -> None:
    assert scene.room.repository(scene.name).image_count == 2


def _is_settled(scene: Scene) -> None:
    assert scene.room.repository(scene.name).image_count == 1
    assert scene.found["upload"] not in {each.upload for each in scene.room.blobs.staged()}


def _is_loose_gone(scene: Scene) -> None:
    assert not scene.has_blob(scene.layer("loose"))


CLIENT_ACTS = (
    Act("push", nothing, push),
    Act("push of known blobs", elsewhere, push),
    Act("mount", elsewhere, mount),
    Act("delete", one_image, delete, _is_gone),
    Act("delete by digest", one_image, delete_manifest, _is_gone),
    Act("delete of a blob", loose_blob, delete_blob, _is_loose_gone),
    Act("removal of a version", one_image, untag, _is_untagged),
    Act("restore", deleted_image, restore, _is_back),
    Act("delete of a repository", one_image, delete_repository),
)
UPKEEP_ACTS = (
    Act("expiry and settling", idle_uploads, expire, _is_settled),
    Act("retention", ruled_image, retain, _is_gone),
    Act("purge", overdue_image, purge, _is_purged),
    Act("sweep", unheld_blobs, sweep, _is_swept),
    Act("scrub", one_image, scrub, notes_damage=True),
)
ACTS = {act.name: act for act in (*CLIENT_ACTS, *UPKEEP_ACTS)}
