"""Random pushes, tags, deletions and restorings against a model: images, tags, counts and what is served agree."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from registry_pieces import ACTOR, Room, index_of, manifest_of

from assay.clock import SECOND, SetClock
from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry import images, pulls, pushes, removals, tags
from assay.registry.model import ImageFilter, LifecycleState
from assay.registry.rules import quotas
from assay.storage import Store

SETTLE = 10 * SECOND
CONFIG = b"{}"


@dataclass
class Model:
    """What should be there. `available` and `deleted` are images; `settling` says when a manifest becomes one."""

    layers: dict[Digest, frozenset[bytes]] = field(default_factory=dict)
    children: dict[Digest, tuple[Digest, ...]] = field(default_factory=dict)
    served: set[Digest] = field(default_factory=set)
    tags: dict[str, Digest] = field(default_factory=dict)
    was_tagged: set[Digest] = field(default_factory=set)
    available: dict[Digest, str] = field(default_factory=dict)
    deleted: dict[str, Digest] = field(default_factory=dict)
    settling: dict[Digest, int] = field(default_factory=dict)
    stored: set[bytes] = field(default_factory=set)

    def layers_of(self, digest: Digest) -> frozenset[bytes]:
        return self.layers.get(digest, frozenset()).union(*map(self.layers_of, self.children.get(digest, ())))

    def is_child(self, digest: Digest) -> bool:
        return any(digest in self.children.get(parent, ()) for parent in self.served)

    def parts(self, digest: Digest) -> set[Digest]:
        """The children of an index that are there for its sake alone."""
        alone = {*self.available, *self.tags.values()}
        others = set().union(*(self.children.get(parent, ()) for parent in self.served - {digest}))
        return set(self.children.get(digest, ())) - alone - others

    def counted_layers(self) -> set[bytes]:
        """Of available images, and of deleted ones, which are not purged yet."""
        everything = [*self.available, *self.deleted.values()]
        return set().union(*(self.layers_of(digest) for digest in everything))


class Player:
    """Plays random acts on the room and on the model."""

    def __init__(self, room: Room, clock: SetClock, seed: int) -> None:
        self.room = room
        self.clock = clock
        self.random = random.Random(seed)
        self.model = Model()
        self.contents: dict[Digest, bytes] = {}

    def new_image(self) -> Digest:
        stack = [f"layer {self.random.randrange(6)}".encode() for _ in range(self.random.randint(1, 3))]
        content = manifest_of(CONFIG, stack, annotations={"n": str(self.random.randrange(8))})
        for blob in (CONFIG, *stack):
            self.room.push_blob(blob)
            self.model.stored.add(blob)
        self.model.layers[Digest.of(content)] = frozenset(stack)
        return self.remember(content)

    def new_index(self) -> Digest | None:
        known = sorted(digest for digest in self.model.served if digest in self.model.layers)
        if not known:
            return None
        chosen = self.random.sample(known, min(len(known), self.random.randint(1, 3)))
        content = index_of(*((self.contents[digest], f"arch{place}") for place, digest in enumerate(chosen)))
        self.model.children[Digest.of(content)] = tuple(chosen)
        return self.remember(content)

    def remember(self, content: bytes) -> Digest:
        self.contents[Digest.of(content)] = content
        return Digest.of(content)

    def push(self) -> None:
        again = sorted(self.contents)
        choice = self.random.random()
        digest = self.new_image() if choice < 0.4 or not again else self.random.choice(again)
        if choice > 0.75:
            digest = self.new_index() or digest
        children = self.model.children.get(digest, ())
        if not set(children) <= self.model.served:
            with pytest.raises(Refused) as refusal:
                self.room.put(self.contents[digest], digest)
            assert refusal.value.reason is Reason.MANIFEST_BLOB_UNKNOWN
            return
        tag = f"t{self.random.randrange(5)}" if self.random.random() < 0.5 else ""
        pushed = self.room.put(self.contents[digest], tag or digest, settle_microseconds=SETTLE)
        self.note_push(digest, tag, children, pushed.image)

    def note_push(self, digest: Digest, tag: str, children: tuple[Digest, ...], image: str) -> None:
        model = self.model
        awaits = not tag and digest not in model.available and not model.is_child(digest)
        model.served.add(digest)
        model.settling.pop(digest, None)
        if awaits:
            model.settling[digest] = self.clock.now() + SETTLE
        for child in children:
            model.settling.pop(child, None)
            if child in model.available and child not in model.was_tagged:
                model.deleted[model.available.pop(child)] = child
        if tag:
            model.tags[tag] = digest
            model.was_tagged.add(digest)
        is_image = bool(tag) or digest in model.available
        assert bool(image) == is_image
        if is_image:
            assert model.available.setdefault(digest, image) == image

    def wait(self) -> None:
        self.clock.advance(self.random.randint(1, 15) * SECOND)
        pushes.settle(self.room.store)
        for digest, at in list(self.model.settling.items()):
            if at <= self.clock.now():
                del self.model.settling[digest]
                if not self.model.is_child(digest):
                    with self.room.store.database.read() as connection:
                        found = images.of_digest(connection, self.room.repository().ocid, digest)
                    assert found is not None
                    self.model.available[digest] = found.ocid

    def delete(self) -> None:
        if not self.model.available:
            return
        digest = self.random.choice(sorted(self.model.available))
        image = self.model.available.pop(digest)
        removals.delete(self.room.store, ACTOR, image)
        self.model.deleted[image] = digest
        self.model.tags = {tag: named for tag, named in self.model.tags.items() if named != digest}
        self.model.was_tagged.discard(digest)
        if not self.model.is_child(digest):
            self.model.served -= {digest, *self.model.parts(digest)}

    def restore(self) -> None:
        if not self.model.deleted:
            return
        image = self.random.choice(sorted(self.model.deleted))
        digest = self.model.deleted[image]
        if digest in self.model.available:
            with pytest.raises(Refused) as refusal:
                removals.restore(self.room.store, ACTOR, image)
            assert refusal.value.reason is Reason.EXISTS
            return
        restored = removals.restore(self.room.store, ACTOR, image)
        del self.model.deleted[image]
        self.model.available[digest] = image
        self.model.served |= {digest, *self.model.children.get(digest, ())}
        self.model.settling = {
            key: at
            for key, at in self.model.settling.items()
            if key != digest and key not in self.model.children.get(digest, ())
        }
        if restored.last_version:
            self.model.was_tagged.add(digest)

    def untag(self) -> None:
        if self.model.tags:
            tag = self.random.choice(sorted(self.model.tags))
            tags.remove(self.room.store, ACTOR, "team/app", tag)
            del self.model.tags[tag]

    def check(self) -> None:
        repository = self.room.repository()
        layers = self.model.counted_layers()
        assert repository.image_count == len(self.model.available)
        assert (repository.layer_count, repository.layers_bytes) == (len(layers), sum(map(len, layers)))
        assert repository.stored_bytes == sum(map(len, self.model.stored))
        assert quotas.get(self.room.store, ACTOR, repository.ocid).bytes_used == repository.stored_bytes
        assert tags.listed(self.room.store, ACTOR, "team/app")[0] == tuple(sorted(self.model.tags))
        found = images.listed(self.room.store, ACTOR, limit=1000).items
        assert {image.digest: image.ocid for image in found} == self.model.available
        gone = images.listed(
            self.room.store, ACTOR, ImageFilter(lifecycle_state=LifecycleState.DELETED), limit=1000
        ).items
        assert {image.ocid: image.digest for image in gone} == self.model.deleted
        for digest, content in self.contents.items():
            try:
                served = pulls.manifest(self.room.store, ACTOR, "team/app", digest).content
            except Refused:
                served = None
            assert served == (content if digest in self.model.served else None)
        for tag, digest in self.model.tags.items():
            assert pulls.manifest(self.room.store, ACTOR, "team/app", tag, with_content=False).digest == digest


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_in_whatever_order_the_registry_agrees_with_the_model(
    store: Store, clock: SetClock, tmp_path: Path, seed: int
) -> None:
    player = Player(Room.on(store, tmp_path / "blobs"), clock, seed)
    player.push()
    acts = [player.push] * 5 + [player.wait] * 2 + [player.delete] * 2 + [player.restore, player.untag]
    for _ in range(60):
        clock.advance(1)
        player.random.choice(acts)()
        player.check()
