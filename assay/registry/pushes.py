"""Pushing a manifest: the moment at which an image comes to be.

One transaction checks that everything the manifest names lies in the repository, keeps the manifest, moves tags, makes
or renews the image, counts, and announces. Nothing of a refused push is left.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from assay.clock import SECOND, Instant
from assay.errors import Reason, Refused
from assay.events import ArtifactPushed, TagMoved
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, perform
from assay.oci import Descriptor, Digest, tag_name
from assay.registry import access, arrivals, repositories, standing
from assay.registry.manifests import (
    STORED,
    Manifest,
    ManifestKind,
    ManifestLimits,
    is_attestation,
    is_companion_tag,
    is_foreign,
    only_adds_layers,
    read_manifest,
    too_many,
)
from assay.registry.model import ANYTHING, Condition, LifecycleState, Repository, StoredManifest, TagOrDigest
from assay.registry.records import blobs as blob_records
from assay.registry.records import damage
from assay.registry.records import images as image_records
from assay.registry.records import manifests as records
from assay.registry.records import repositories as repository_records
from assay.registry.records import tags as tag_records
from assay.registry.records.damage import Content
from assay.registry.records.manifests import Link, Role
from assay.registry.tags import check_immutable
from assay.storage import Store

#: distribution-spec main, end-7b: at least 10.
TAGS_MAX = 50
#: How long a manifest that was pushed by digest alone waits for an index before it counts as an image.
SETTLE_MICROSECONDS = 20 * SECOND
_SETTLE_ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest as it was sent to a repository (by name): under a tag, or by digest and then perhaps with tags."""

    repository: str
    reference: TagOrDigest
    content: bytes
    content_type: str
    tags: tuple[str, ...] = ()
    #: What the tags must name for the push to be made.
    condition: Condition = ANYTHING
    limits: ManifestLimits = field(default_factory=ManifestLimits)

    def __post_init__(self) -> None:
        if len(self.all_tags) > TAGS_MAX:
            raise Refused(f"More than {TAGS_MAX} tags were sent.", reason=Reason.TOO_LARGE)
        for tag in self.all_tags:
            tag_name(tag)

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Every tag it is to get, each once."""
        first = () if isinstance(self.reference, Digest) else (self.reference,)
        return tuple(dict.fromkeys((*first, *self.tags)))


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push. `image` is the OCID of the image, empty for what is none (yet)."""

    digest: Digest
    kind: ManifestKind
    tags: tuple[str, ...]
    subject: Digest | None
    image: str


def put(store: Store, actor: Actor, push: Push, *, settle_microseconds: int = SETTLE_MICROSECONDS) -> Pushed:
    """Push a manifest or index.

    Args:
        settle_microseconds: how long a push by digest alone waits for an index (see `standing`); 0 to wait for none.
    Raises:
        Refused: TOO_LARGE, MEDIA_TYPE, MANIFEST_INVALID, DIGEST_INVALID (it is not what its reference says),
            MANIFEST_BLOB_UNKNOWN (a blob or manifest that it names is not in the repository, where that is not
            allowed, or is damaged there), EXISTS (a tag of an
            immutable repository), ETAG_MISMATCH (the tag names something else than its condition says), NOT_FOUND.
    """
    manifest = read_manifest(push.content, push.content_type, push.limits)
    digest = _digest_of(push)
    repositories.on_push(store, actor, push.repository)

    def locate(connection: Connection) -> Target:
        return access.target_of(access.named(connection, actor, push.repository))

    def change(act: Act) -> Pushed:
        repository = access.held(act.connection, actor, push.repository)
        stored = _checked(act.connection, repository, manifest, digest, push)
        if stored.nesting > push.limits.nesting_max:
            raise too_many(f"Its indexes are nested deeper than {push.limits.nesting_max}.")
        for tag in push.all_tags:
            push.condition.require(tag, tag_records.digest_of(act.connection, repository.ocid, tag))
            _check_immutable(act.connection, repository, tag, digest, manifest)
        records.add(act.connection, digest, push.content, _links(manifest), act.now)
        keeping = _Keeping(store, act, repository, stored, push.limits.nesting_max, settle_microseconds)
        return keeping.keep(manifest, push.all_tags)

    return perform(store, actor, "PushImage", locate=locate, change=change)


def settle(store: Store) -> int:
    """Make images of manifests that were pushed by digest alone and that no index has taken in; how many were due.

    To be called every second or so. A bounded number at a time; safe to call from several processes.
    """
    now = store.clock.now()
    with store.database.read() as connection:
        due = records.due(connection, now, rows_max=_SETTLE_ROWS_MAX)
    for tenancy, repository_ocid, digest, pushed_by in due:
        actor = Actor(Principal(PrincipalKind.INSTALLATION, "assay"), tenancy)
        _settle_one(store, actor, repository_ocid, digest, pushed_by)
    return len(due)


def _settle_one(store: Store, actor: Actor, repository_ocid: str, digest: Digest, pushed_by: str) -> None:
    def locate(connection: Connection) -> Target:
        return access.target_of(access.known(connection, actor, repository_ocid))

    def change(act: Act) -> None:
        repository_records.lock(act.connection, repository_ocid)
        repository = access.known(act.connection, actor, repository_ocid)
        stored = records.stored(act.connection, repository_ocid, [digest]).get(digest)
        is_deleted = repository.lifecycle_state is LifecycleState.DELETED
        if stored is None or is_deleted or records.is_child(act.connection, repository_ocid, digest):
            records.settled(act.connection, repository_ocid, [digest])
        else:
            standing.record_push(store, act.connection, repository, stored, tag="", pushed_by=pushed_by, now=act.now)

    perform(store, actor, "PushImage", locate=locate, change=change)


@dataclass(frozen=True, slots=True)
class _Keeping:
    """The second half of a push, in its transaction: all checks have passed."""

    store: Store
    act: Act
    repository: Repository
    stored: StoredManifest
    nesting_max: int
    settle_microseconds: int

    def keep(self, manifest: Manifest, tags: tuple[str, ...]) -> Pushed:
        """Keep the manifest, move its tags, note what it stands for."""
        act, stored = self.act, self.stored
        own_tags = tuple(tag for tag in tags if not is_companion_tag(tag))
        settles = stored.is_runnable and not tags and self._awaits_index()
        with arrivals.of_manifest(act.connection, self.repository, stored, act.now, nesting_max=self.nesting_max):
            records.keep(
                act.connection,
                self.repository,
                stored,
                pushed_by=access.name_of(act.actor),
                now=act.now,
                settle_at=Instant(act.now + self.settle_microseconds) if settles else None,
            )
        # Foreign layers too: the repository may have them, and a manifest that names a blob keeps it.
        named = {each.digest for each in (*manifest.blobs, *manifest.layers)}
        blob_records.name(act.connection, self.repository.ocid, named)
        if stored.is_runnable and manifest.is_index:
            standing.take_in(act.connection, self.repository, tuple(each.digest for each in manifest.children), act.now)
        image = ""
        for tag in tags:
            self._move(tag)
        if stored.is_runnable and (own_tags or not (tags or settles or self._is_child())):
            image = self._record(own_tags[0] if own_tags else "")
        elif not stored.is_runnable or (tags and not own_tags):
            self._announce_artifact(tags)
        repository_records.count(act.connection, self.repository.ocid, pushed_at=act.now)
        return Pushed(stored.digest, stored.kind, tags, stored.subject, image)

    def _record(self, tag: str) -> str:
        return standing.record_push(
            self.store,
            self.act.connection,
            self.repository,
            self.stored,
            tag=tag,
            pushed_by=access.name_of(self.act.actor),
            now=self.act.now,
        )

    def _awaits_index(self) -> bool:
        """Whether it may yet turn out to be a child: nobody knows it as an image, and no index names it."""
        known = image_records.standing(self.act.connection, self.repository.ocid, self.stored.digest)
        return self.settle_microseconds > 0 and known is None and not self._is_child()

    def _is_child(self) -> bool:
        """Whether it came just as a part of an index: one names it, and no tag ever made it an image of its own."""
        if not records.is_child(self.act.connection, self.repository.ocid, self.stored.digest):
            return False
        return image_records.standing(self.act.connection, self.repository.ocid, self.stored.digest) is None

    def _move(self, tag: str) -> None:
        connection, act = self.act.connection, self.act
        before = tag_records.digest_of(connection, self.repository.ocid, tag)
        if before == self.stored.digest:
            return
        if before is not None:
            image_records.remember_version(connection, self.repository.ocid, before, tag, act.now)
        who = access.name_of(act.actor)
        tag_records.move(connection, self.repository, tag, self.stored.digest, moved_by=who, now=act.now)
        act.announce(
            TagMoved(
                tenancy=self.repository.tenancy,
                repository=self.repository.ocid,
                tag=tag,
                digest=self.stored.digest.text,
            )
        )

    def _announce_artifact(self, tags: tuple[str, ...]) -> None:
        self.act.announce(
            ArtifactPushed(
                tenancy=self.repository.tenancy,
                repository=self.repository.ocid,
                digest=self.stored.digest.text,
                tag=tags[0] if tags else "",
                subject=self.stored.subject.text if self.stored.subject else "",
            )
        )


def _digest_of(push: Push) -> Digest:
    if not isinstance(push.reference, Digest):
        return Digest.of(push.content)
    if not push.reference.matches(push.content):
        raise Refused(
            f"The manifest's bytes do not have the digest {push.reference}.",
            advice="Send the bytes that were hashed, unchanged.",
            reason=Reason.DIGEST_INVALID,
        )
    return push.reference


def _checked(
    connection: Connection, repository: Repository, manifest: Manifest, digest: Digest, push: Push
) -> StoredManifest:
    """What the manifest is in this repository, after a look at everything that it names. Errors: Refused."""
    is_sparse = push.limits.takes_sparse
    held = blob_records.sizes(connection, repository.ocid, [blob.digest for blob in manifest.blobs])
    harmed = damage.among(connection, Content.BLOB, held)
    for blob in manifest.blobs:
        # What is damaged is absent for whoever asks for it, and is to be pushed again in any case.
        is_damaged = blob.digest in harmed
        size = None if is_damaged else held.get(blob.digest)
        _check_size(blob, size, "blob", may_lack=is_sparse and not is_damaged)
    children = records.stored(connection, repository.ocid, [child.digest for child in manifest.children])
    for child in manifest.children:
        found = children.get(child.digest)
        _check_size(child, found.size if found else None, "manifest", may_lack=is_sparse)
        if found is not None and found.media_type != child.media_type:
            raise _invalid(f"It says {child.media_type[:120]} of {child.digest}, which is {found.media_type}.")
    nesting = 1 + max((each.nesting for each in children.values()), default=0) if manifest.is_index else 0
    platforms = [children.get(platform.digest) for platform in manifest.platforms]
    # What is not here yet may well run.
    runs = any(platform is None or platform.is_runnable for platform in platforms)
    return StoredManifest(
        repository=repository.ocid,
        digest=digest,
        media_type=manifest.media_type,
        size=len(push.content),
        kind=manifest.kind,
        is_runnable=manifest.kind is ManifestKind.IMAGE or (manifest.kind is ManifestKind.INDEX and runs),
        nesting=nesting,
        artifact_type=manifest.artifact_type,
        subject=manifest.subject.digest if manifest.subject else None,
        annotations=dict(manifest.annotations),
    )


def _check_size(named: Descriptor, size: int | None, what: str, *, may_lack: bool) -> None:
    if size is None and may_lack:
        return
    if size is None:
        raise Refused(
            f"The {what} {named.digest} is not in this repository.",
            advice=f"Push the {what} before the manifest that names it.",
            reason=Reason.MANIFEST_BLOB_UNKNOWN,
        )
    if size != named.size:
        raise _invalid(f"It says {named.size} bytes of {named.digest}, which has {size}.")


def _check_immutable(
    connection: Connection, repository: Repository, tag: str, digest: Digest, manifest: Manifest
) -> None:
    """In an immutable repository a tag never moves; a signature tag may gain layers, and lose none."""
    check_immutable(connection, repository, tag, digest)
    before = tag_records.digest_of(connection, repository.ocid, tag)
    if not repository.is_immutable or not is_companion_tag(tag) or before is None or before == digest:
        return
    old = records.stored(connection, repository.ocid, [before])[before]
    if not only_adds_layers(read_manifest(records.content(connection, before), old.media_type, STORED), manifest):
        raise Refused(
            f"The repository is immutable, and its tag {tag} may gain signatures, but lose none.",
            advice="Build on what the tag names.",
            reason=Reason.EXISTS,
        )


def _links(manifest: Manifest) -> tuple[Link, ...]:
    config = [(Role.CONFIG, manifest.config.digest)] if manifest.config else []
    layers = [(Role.FOREIGN_LAYER if is_foreign(each) else Role.LAYER, each.digest) for each in manifest.layers]
    children = [(Role.ATTESTATION if is_attestation(each) else Role.CHILD, each.digest) for each in manifest.children]
    return (*config, *layers, *children)


def _invalid(why: str) -> Refused:
    return Refused(f"The manifest is not valid. {why}", reason=Reason.MANIFEST_INVALID)
