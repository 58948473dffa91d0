"""What clients and upkeep do to a registry, as acts that can be broken off anywhere and done again.

An act is prepared on a scene of its own, done, and done again if it was broken off. The scene's ledger says what was
acknowledged.
"""

from collections.abc import Callable
from dataclasses import dataclass

from registry_oracle import faults
from registry_pieces import index_of
from registry_scene import SHARED, Scene

from assay.clock import DAY, SECOND
from assay.errors import Reason, Refused
from assay.events import PartArrived
from assay.oci import Digest
from assay.registry import blobs, images, pushes, removals, repositories, tags, uploads
from assay.registry.collection.fsck import fsck
from assay.registry.collection.purge import purge as purge_all
from assay.registry.collection.scrub import scrub as scrub_all
from assay.registry.collection.sweep import sweep as sweep_all
from assay.registry.manifests import ManifestLimits
from assay.registry.model import ImageFilter, LifecycleState
from assay.registry.rules import retention
from assay.registry.rules import sweep as retention_sweep
from assay.registry.rules.model import PolicyDetails, Rule, RuleKind

ELSEWHERE = "team/elsewhere"


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
    #: Whether manifests may lack what they name.
    is_sparse: bool = False

    def __str__(self) -> str:
        return self.name

    def check_order(self, scene: Scene, why: str = "") -> None:
        """What must hold at any time: rows and files agree, and what was acknowledged pulls."""
        room = scene.room
        found = [
            *faults(room.store.database, room.blobs, is_sparse=self.is_sparse),
            *fsck(room.store, room.blobs, takes_sparse=self.is_sparse),
        ]
        assert found == [], why
        scene.check_acknowledged()


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
    size = blobs.mount(scene.room.intake, scene.actor, scene.name, Digest.of(SHARED), source_name=ELSEWHERE)
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


def sparse_manifests(scene: Scene) -> None:
    """An index whose image is not there yet, and an image that lacks a layer of its own."""
    takes = ManifestLimits(takes_sparse=True)
    scene.room.put(index_of((scene.image("one"), "amd64")), "v1", scene.name, limits=takes)
    for content in (scene.config("two"), SHARED):
        scene.push_blob(content)
    scene.room.put(scene.image("two"), "v2", scene.name, limits=takes)


def bring_parts(scene: Scene) -> None:
    """Push what they lack."""
    scene.push_blob(scene.layer("two"))
    scene.push_image("", "one")
    scene.ledger.acknowledge(scene.name, "v1", index_of((scene.image("one"), "amd64")))
    scene.ledger.acknowledge(scene.name, "v2", scene.image("two"))


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


def _is_whole(scene: Scene) -> None:
    """Both images know of all that came for them. What belongs to an image by its child came with the child."""
    index, child, other = index_of((scene.image("one"), "amd64")), scene.image("one"), scene.image("two")
    images_of = {
        image.digest: image.ocid
        for image in images.listed(scene.room.store, scene.actor, ImageFilter(repository_name=scene.name)).items
    }
    told = {(fact.image, fact.part) for fact in scene.room.facts(PartArrived)}
    assert (images_of[Digest.of(index)], Digest.of(child).text) in told
    assert (images_of[Digest.of(other)], Digest.of(scene.layer("two")).text) in told
    assert scene.room.repository(scene.name).layer_count == 3


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
    Act("arrival of parts", sparse_manifests, bring_parts, _is_whole, is_sparse=True),
)
UPKEEP_ACTS = (
    Act("expiry and settling", idle_uploads, expire, _is_settled),
    Act("retention", ruled_image, retain, _is_gone),
    Act("purge", overdue_image, purge, _is_purged),
    Act("sweep", unheld_blobs, sweep, _is_swept),
    Act("scrub", one_image, scrub, notes_damage=True),
)
ACTS = {act.name: act for act in (*CLIENT_ACTS, *UPKEEP_ACTS)}
