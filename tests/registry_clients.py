"""Clients of two tenancies that push, mount, tag, sign, delete and restore at once, step by step, and the upkeep.

Every client runs a program whose steps are single calls; a scheduler takes the steps of all in a random order. After
each call the model is told, and what the call said is held against it.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from registry_oracle import faults
from registry_pieces import ACTOR, STRANGER, Room
from registry_world import GRACE, IDLE, WINDOW, Content, ModelRepository

from assay.clock import DAY, HOUR, MINUTE, SetClock
from assay.errors import Reason, Refused
from assay.iam import Actor
from assay.oci import Digest
from assay.registry import blobs, images, pulls, removals, repositories, tags, uploads
from assay.registry.collection import fsck, purge, sweep
from assay.registry.model import ImageFilter, LifecycleState
from assay.registry.rules import quotas, retention
from assay.registry.rules import sweep as retention_sweep
from assay.registry.rules.model import Limits, PolicyDetails, Rule, RuleKind

NAMES = ("team/app", "team/base")
TAGS = ("v1", "v2", "v3")
#: Few contents, so that clients and tenancies have much in common.
LAYERS = tuple(f"layer {number} ".encode() * (number + 3) for number in range(5))
CONFIGS = tuple(f'{{"config":{number}}}'.encode() for number in range(3))

#: Retention keeps two images of it.
KEPT_NAME = NAMES[1]
#: Less than everything that a client may push together has.
QUOTA_BYTES = 90

Steps = Iterator[None]


@dataclass
class World:
    """The registry and its model."""

    room: Room
    clock: SetClock
    random: random.Random
    repositories: dict[tuple[str, str], ModelRepository] = field(default_factory=dict)
    steps: int = 0

    @property
    def now(self) -> int:
        """The time."""
        return self.clock.now()

    def of(self, actor: Actor, name: str) -> ModelRepository:
        """The model of a repository."""
        return self.repositories[actor.tenancy, name]

    def play(self, clients: int, steps: int) -> None:
        """Let clients and upkeep take steps in a random order."""
        for actor in (ACTOR, STRANGER):
            for name in NAMES:
                made = repositories.on_push(self.room.store, actor, name)
                keeps = 2 if name == KEPT_NAME else None
                quota = self.random.choice((None, QUOTA_BYTES))
                if quota is not None:
                    quotas.set_limits(self.room.store, actor, made.ocid, Limits(bytes_max=quota))
                self.repositories[actor.tenancy, name] = ModelRepository(quota, keeps)
            details = PolicyDetails("two", (Rule(RuleKind.KEEP_LAST, count=2),), KEPT_NAME, is_enabled=True)
            retention.create(self.room.store, actor, actor.tenancy, details)
        actors = [ACTOR if number % 2 == 0 else STRANGER for number in range(clients)]
        programs = [Client(self, actor).program() for actor in actors]
        programs.append(Upkeep(self).program())
        for _ in range(steps):
            self.steps += 1
            self.clock.advance(self.random.choice((1, 1, MINUTE)))
            next(self.random.choice(programs))
        for program in programs:
            program.close()  # type: ignore[attr-defined]

    def check(self) -> None:
        """The registry says what the model says."""
        for (tenancy, name), model in self.repositories.items():
            actor = ACTOR if tenancy == ACTOR.tenancy else STRANGER
            self._check_counts(actor, name, model)
            self._check_served(actor, name, model)
        assert faults(self.room.store.database, self.room.blobs) == []
        assert list(fsck.fsck(self.room.store, self.room.blobs)) == []

    def _check_counts(self, actor: Actor, name: str, model: ModelRepository) -> None:
        store = self.room.store
        said = self.room.repository(name, actor)
        layers = model.layers
        assert said.image_count == len(model.available())
        assert (said.layer_count, said.layers_bytes) == (len(layers), sum(map(len, layers)))
        assert said.stored_bytes == model.stored_bytes
        assert tags.listed(store, actor, name)[0] == tuple(sorted(model.tags))
        for state in LifecycleState:
            narrow = ImageFilter(repository_name=name, lifecycle_state=state)
            found = {image.ocid: image.digest for image in images.listed(store, actor, narrow, limit=1000).items}
            assert found == {
                ocid: held.what.digest
                for ocid, held in model.images.items()
                if (held.deleted is None) == (state is LifecycleState.AVAILABLE)
            }

    def _check_served(self, actor: Actor, name: str, model: ModelRepository) -> None:
        store = self.room.store
        for tag, digest in model.tags.items():
            assert pulls.manifest(store, actor, name, tag, with_content=False).digest == digest
        for digest, held in model.manifests.items():
            if held.deleted is not None:
                assert refused(lambda d=digest: pulls.manifest(store, actor, name, d)) is Reason.MANIFEST_UNKNOWN
                continue
            assert pulls.manifest(store, actor, name, digest).content == held.what.content
            for blob in held.what.blobs:
                with self.room.blobs.open(
                    blobs.find(store, self.room.blobs, actor, name, Digest.of(blob)).digest
                ) as it:
                    assert it.read() == blob

    def end(self) -> None:
        """Everything is deleted and its time passes: nothing is left, of rows or of files."""
        for (tenancy, name), model in self.repositories.items():
            actor = ACTOR if tenancy == ACTOR.tenancy else STRANGER
            for held in [held for held in model.manifests.values() if held.deleted is None]:
                self.clock.advance(1)
                removals.delete_manifest(self.room.store, actor, name, held.what.digest)
        upkeep = Upkeep(self)
        for wait in (WINDOW + 1, IDLE, GRACE, 1):
            self.clock.advance(wait)
            upkeep.expire()
            purge.purge(self.room.store)
            sweep.sweep(self.room.store, self.room.blobs)
        for tenancy, name in self.repositories:
            said = self.room.repository(name, ACTOR if tenancy == ACTOR.tenancy else STRANGER)
            assert (said.image_count, said.layer_count, said.layers_bytes, said.stored_bytes) == (0, 0, 0, 0)
        assert self.room.blobs.stored() == ()
        assert self.room.blobs.staged() == ()
        assert faults(self.room.store.database, self.room.blobs) == []
        assert list(fsck.fsck(self.room.store, self.room.blobs)) == []


def refused(call: Callable[[], object]) -> Reason | None:
    """Why a call is refused; None when it is not."""
    try:
        call()
    except Refused as refusal:
        return refusal.reason
    return None


@dataclass
class Client:
    """One client, with a program that never ends. Every `yield` lets others go on."""

    world: World
    actor: Actor

    def program(self) -> Steps:
        """Acts at random."""
        acts = [self.push] * 4 + [self.sign, self.delete, self.delete_by_digest, self.restore, self.untag, self.peep]
        while True:
            yield from self.world.random.choice(acts)(self.world.random.choice(NAMES))

    def push(self, name: str) -> Steps:
        """Push an image with all its blobs, by tag or by digest."""
        chance = self.world.random
        what = Content.image(chance.choice(CONFIGS), chance.sample(LAYERS, chance.randint(1, 2)))
        yield from self._push(name, what, chance.choice((*TAGS, "")))

    def sign(self, name: str) -> Steps:
        """Push a signature of an image that is, or was, there."""
        known = [held.what for held in self.world.of(self.actor, name).images.values()]
        if known:
            image = self.world.random.choice(known)
            yield from self._push(name, Content.signature(image, b"a signature"), "")
        yield

    def _push(self, name: str, what: Content, tag: str) -> Steps:
        for blob in what.blobs:
            yield from self._give(name, blob)
        model, room = self.world.of(self.actor, name), self.world.room
        takes = model.takes(what)
        pushed = None

        def put() -> None:
            nonlocal pushed
            pushed = room.put(what.content, tag or what.digest, name, self.actor)

        assert refused(put) is (None if takes else Reason.MANIFEST_BLOB_UNKNOWN)
        if pushed is not None:
            assert bool(pushed.image) == what.is_image
            model.put(what, tag, pushed.image, self.world.now)
        yield

    def _give(self, name: str, blob: bytes) -> Steps:
        """As clients do: ask for it, else mount it, else send it."""
        room, model, digest = self.world.room, self.world.of(self.actor, name), Digest.of(blob)
        has = refused(lambda: blobs.find(room.store, room.blobs, self.actor, name, digest)) is None
        assert has == model.shows(blob, self.world.now)
        yield
        if has:
            return
        if self.world.random.random() < 0.6 and self._mount(name, blob):
            yield
            return
        yield from self._send(name, blob)

    def _mount(self, name: str, blob: bytes) -> bool:
        """Mount from the other repository of the same tenancy, whether it is named or not."""
        other = NAMES[1 - NAMES.index(name)]
        shown = {each: self.world.of(self.actor, each).shows(blob, self.world.now) for each in NAMES}
        source = self.world.random.choice((other, None))
        is_there = shown[other] if source else any(shown.values())
        model = self.world.of(self.actor, name)
        try:
            size = blobs.mount(self.world.room.intake, self.actor, name, Digest.of(blob), source_name=source)
        except Refused as refusal:
            if refusal.reason is not Reason.QUOTA_EXCEEDED or model.has_room(blob) or not is_there:
                raise
            return True
        assert size == (len(blob) if is_there else None)
        if is_there:
            assert model.has_room(blob)
            model.hold(blob, self.world.now)
        return is_there

    def _send(self, name: str, blob: bytes) -> Steps:
        intake = self.world.room.intake
        upload = uploads.begin(intake, self.actor, name).id
        used = self.world.now
        middle = self.world.random.randint(0, len(blob))
        model = self.world.of(self.actor, name)
        for piece, is_last in ((blob[:middle], False), (blob[middle:], True)):
            yield
            writer = None
            try:
                writer = uploads.resume(intake, self.actor, name, upload)
                writer.append(piece)
                if is_last:
                    uploads.finish(intake, self.actor, name, writer, Digest.of(blob))
                else:
                    writer.acknowledge()
            except Refused as refusal:
                is_over = refusal.reason is Reason.UPLOAD_UNKNOWN and self.world.now >= used + IDLE
                if not is_over and (refusal.reason is not Reason.QUOTA_EXCEEDED or model.has_room(blob)):
                    raise
                # It lay idle until upkeep ended it, or has no room: then the manifest is refused, too.
                return
            finally:
                if writer is not None:
                    writer.release()
            used = self.world.now
        assert model.has_room(blob)
        model.hold(blob, self.world.now)
        yield

    def delete(self, name: str) -> Steps:
        """Delete an image with its signatures."""
        if (ocid := self._some_image(name)) is not None:
            removals.delete(self.world.room.store, self.actor, ocid)
            self.world.of(self.actor, name).delete(ocid, self.world.now, with_referrers=True)
        yield

    def delete_by_digest(self, name: str) -> Steps:
        """Delete the manifest of an image, and nothing that refers to it."""
        if (ocid := self._some_image(name)) is not None:
            model = self.world.of(self.actor, name)
            removals.delete_manifest(self.world.room.store, self.actor, name, model.images[ocid].what.digest)
            model.delete(ocid, self.world.now, with_referrers=False)
        yield

    def _some_image(self, name: str) -> str | None:
        known = sorted(self.world.of(self.actor, name).available().values())
        return self.world.random.choice(known) if known else None

    def restore(self, name: str) -> Steps:
        """Restore an image, in time or too late."""
        model, store = self.world.of(self.actor, name), self.world.room.store
        gone = sorted(ocid for ocid, held in model.images.items() if held.deleted is not None)
        if gone:
            ocid, tag = self.world.random.choice(gone), self.world.random.choice((*TAGS, ""))
            can = model.can_restore(ocid, self.world.now)
            said = refused(lambda: removals.restore(store, self.actor, ocid, version=tag))
            assert said in ((None,) if can else (Reason.EXISTS, Reason.WRONG_STATE))
            if can:
                model.restore(ocid, tag)
        yield

    def untag(self, name: str) -> Steps:
        """Remove a tag."""
        model = self.world.of(self.actor, name)
        if model.tags:
            tag = self.world.random.choice(sorted(model.tags))
            tags.remove(self.world.room.store, self.actor, name, tag)
            del model.tags[tag]
        yield

    def peep(self, name: str) -> Steps:
        """Try to see, pull or mount what only the other tenancy has: it is as if there were no such thing."""
        room = self.world.room
        other = self.world.of(STRANGER if self.actor is ACTOR else ACTOR, name)
        own = [self.world.of(self.actor, each) for each in NAMES]
        for digest in other.manifests:
            if not any(digest in model.manifests for model in own):
                said = refused(lambda d=digest: pulls.manifest(room.store, self.actor, name, d))
                assert said is Reason.MANIFEST_UNKNOWN
        for digest in other.blobs:
            if not any(digest in model.blobs for model in own):
                assert blobs.mount(room.intake, self.actor, name, digest, source_name=None) is None
                said = refused(lambda d=digest: blobs.find(room.store, room.blobs, self.actor, name, d))
                assert said is Reason.BLOB_UNKNOWN
        for ocid in other.images:
            assert refused(lambda o=ocid: images.get(room.store, self.actor, o)) is Reason.NOT_FOUND
            assert refused(lambda o=ocid: removals.delete(room.store, self.actor, o)) is Reason.NOT_FOUND
        yield


@dataclass
class Upkeep:
    """The registry's own work, and the time that passes."""

    world: World

    def program(self) -> Steps:
        """Acts at random."""
        acts = (self.wait, self.expire, self.retain, self.purge, self.sweep)
        while True:
            self.world.random.choice(acts)()
            yield

    def wait(self) -> None:
        """Some time passes."""
        self.world.clock.advance(self.world.random.choice((MINUTE, HOUR, 3 * HOUR, DAY, 3 * DAY)))

    def expire(self) -> None:
        """Uploads that lie idle end."""
        while uploads.expire(self.world.room.intake):
            pass

    def retain(self) -> None:
        """Images go by the rules."""
        retention_sweep.sweep(self.world.room.store, interval=0)
        for model in self.world.repositories.values():
            model.retain(self.world.now)

    def purge(self) -> None:
        """What was deleted long ago goes."""
        purge.purge(self.world.room.store)
        for model in self.world.repositories.values():
            model.purge(self.world.now)

    def sweep(self) -> None:
        """Blobs that nobody holds go."""
        sweep.sweep(self.world.room.store, self.world.room.blobs)
