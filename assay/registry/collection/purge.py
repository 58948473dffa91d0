"""The purge: what was deleted goes for good when it can be restored no more.

Top down, one image, manifest or repository a transaction, so that a crash leaves a state from which the next run goes
on: first images, whose layers are counted no more; then manifests that neither an image, a tag nor an index needs, each
with what is only there for its sake; then blobs that no manifest names. What goes lets go of what hangs from it by
marking it as deleted at the same time, so it is the next to go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from assay.clock import Instant
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, perform
from assay.oci import Digest
from assay.registry import access, tags, units
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.pace import AT_ONCE, Pace
from assay.registry.model import Image, LifecycleState, Repository
from assay.registry.records import collecting
from assay.registry.records import images as image_records
from assay.registry.records import manifests as manifest_records
from assay.registry.records import purging as records
from assay.registry.records import repositories as repository_records
from assay.registry.removals import RESTORE_MICROSECONDS
from assay.storage import Store

#: Rows that one look finds, and that one transaction takes where it takes many.
ROWS_MAX = 500

Key = TypeVar("Key")

_UPKEEP = Principal(PrincipalKind.INSTALLATION, "registry upkeep")


@dataclass(frozen=True, slots=True)
class Purged:
    """How much went for good. `blobs` counts repositories that let go of a blob, `blob_bytes` what they had in them."""

    images: int
    manifests: int
    blobs: int
    blob_bytes: int
    repositories: int


class _StandsAgainError(Exception):
    """What was due is not any more: restored, or purged by somebody else. The transaction is rolled back."""


def purge(store: Store, *, window: int = RESTORE_MICROSECONDS, pace: Pace = AT_ONCE) -> Purged:
    """Purge all that was deleted more than `window` microseconds ago, and blobs that no manifest came to name.

    Safe beside everything else, itself included. `pace` counts transactions. Errors: Unavailable; what went has gone.
    """
    images = _each(store, window, pace, records.due_images, _purge_image)
    _each(store, window, pace, records.due_repositories, _empty_repository)
    manifests = _each(store, window, pace, records.due_manifests, _purge_manifest)
    blobs, blob_bytes = _purge_blobs(store, pace)
    repositories = _each(store, window, pace, records.due_repositories, _purge_repository)
    return Purged(images, manifests, blobs, blob_bytes, repositories)


def _each(
    store: Store,
    window: int,
    pace: Pace,
    due: Callable[..., tuple[Key, ...]],
    go: Callable[[Store, Key, int], bool],
) -> int:
    """Let go, one by one, of all that is `due`; how many went. What went may make more of them due."""
    gone = 0
    while True:
        with store.database.read() as connection:
            found = due(connection, Instant(store.clock.now() - window), rows_max=ROWS_MAX)
        before = gone
        for key in found:
            if not pace.goes_on:
                return gone
            gone += go(store, key, window)
            pace.spend()
        if gone == before:
            return gone


def _purge_image(store: Store, key: tuple[str, str], window: int) -> bool:
    tenancy, ocid = key
    actor = Actor(_UPKEEP, tenancy)

    def held(connection: Connection) -> Image:
        found = image_records.by_ocid(connection, tenancy, ocid)
        if found is None:
            raise _StandsAgainError
        return found

    def locate(connection: Connection) -> Target:
        repository_records.lock(connection, held(connection).repository)
        found = held(connection)
        return access.image_target(found, before=found)

    def change(act: Act) -> None:
        found = held(act.connection)
        deleted = found.time_deleted
        if found.lifecycle_state is not LifecycleState.DELETED or deleted is None or deleted + window >= act.now:
            raise _StandsAgainError
        layers = manifest_records.layers_of(act.connection, found.repository, found.digest)
        less = records.disuse_layers(act.connection, found.repository, layers)
        repository_records.count(act.connection, found.repository, layers=-less.layers, layers_bytes=-less.layers_bytes)
        records.remove_image(act.connection, ocid)

    try:
        perform(store, actor, "PurgeContainerImage", locate=locate, change=change)
    except _StandsAgainError:
        return False
    return True


def _purge_manifest(store: Store, key: tuple[str, str, str], window: int) -> bool:
    tenancy, repository_ocid, digest = key[0], key[1], Digest(key[2])
    with store.database.write() as connection:
        act = Act(connection, Actor(_UPKEEP, tenancy), store.clock.now())
        repository = _locked(connection, tenancy, repository_ocid)
        deleted = records.deleted_since(connection, repository_ocid, digest, Instant(act.now - window))
        if repository is None or deleted is None:
            return False
        _let_go_of_unit(act, repository, digest, deleted)
        goes = Instant(act.now + GRACE_MICROSECONDS_MIN)
        records.remove_manifest(connection, repository_ocid, digest, goes=goes)
        return True


def _let_go_of_unit(act: Act, repository: Repository, digest: Digest, deleted: Instant) -> None:
    """Mark what is only there for the sake of a manifest as deleted when it was; what was pushed since stays."""
    unit = units.of(act.connection, repository.ocid, digest)
    since = records.pushed_since(act.connection, repository.ocid, unit.manifests, deleted)
    for tag, named in sorted(unit.companions.items()):
        if named not in since:
            tags.untag(act, repository, tag)
    manifest_records.serve(act.connection, repository.ocid, unit.manifests - since - {digest}, deleted)


def _purge_blobs(store: Store, pace: Pace) -> tuple[int, int]:
    gone = total = 0
    while pace.goes_on:
        with store.database.read() as connection:
            found = records.repositories_with_due_blobs(connection, store.clock.now(), rows_max=ROWS_MAX)
        for repository in found:
            count, size = _purge_blobs_of(store, repository)
            gone, total = gone + count, total + size
            pace.spend()
        if not found:
            break
    return gone, total


def _purge_blobs_of(store: Store, repository: str) -> tuple[int, int]:
    with store.database.write() as connection:
        now = store.clock.now()
        repository_records.lock(connection, repository)
        gone, size = records.remove_blobs(connection, repository, now, rows_max=ROWS_MAX)
        repository_records.count(connection, repository, stored_bytes=-size)
        collecting.let_go(connection, gone, now)
    return len(gone), size


def _empty_repository(store: Store, key: tuple[str, str], window: int) -> bool:
    ocid = key[1]
    with store.database.write() as connection:
        repository_records.lock(connection, ocid)
        deleted = records.repository_deleted(connection, ocid, Instant(store.clock.now() - window))
        return deleted is not None and records.empty(connection, ocid, deleted, rows_max=ROWS_MAX) > 0


def _purge_repository(store: Store, key: tuple[str, str], window: int) -> bool:
    tenancy, ocid = key
    actor = Actor(_UPKEEP, tenancy)

    def locate(connection: Connection) -> Target:
        found = _locked(connection, tenancy, ocid)
        deleted = records.repository_deleted(connection, ocid, Instant(store.clock.now() - window))
        if found is None or deleted is None or not records.is_empty(connection, ocid):
            raise _StandsAgainError
        return access.target_of(found, before=found)

    def change(act: Act) -> None:
        records.remove_repository(act.connection, ocid)

    try:
        perform(store, actor, "PurgeContainerRepository", locate=locate, change=change)
    except _StandsAgainError:
        return False
    return True


def _locked(connection: Connection, tenancy: str, ocid: str) -> Repository | None:
    """A repository, deleted or not, that nobody else changes until the transaction ends; None when it is purged."""
    repository_records.lock(connection, ocid)
    return repository_records.by_ocid(connection, tenancy, ocid)
