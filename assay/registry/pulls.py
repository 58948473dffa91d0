"""Pulling manifests, listing what refers to one, and counting pulls without a write for each."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Corrupt, Reason, Refused
from assay.iam import Actor
from assay.oci import Digest
from assay.registry import access
from assay.registry.model import Pulls, Repository, StoredManifest, TagOrDigest
from assay.registry.records import images as image_records
from assay.registry.records import manifests as records
from assay.registry.records import tags as tag_records
from assay.storage import Store

#: Pulls that wait to be counted, by (repository, digest); when there are more, they are counted at once.
WAITING_MAX = 10_000
REFERRERS_PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class PulledManifest:
    """A manifest as it is served. `content` is empty when only its head was asked for."""

    repository: str
    digest: Digest
    media_type: str
    size: int
    content: bytes


def manifest(
    store: Store, actor: Actor, repository_name: str, reference: TagOrDigest, *, with_content: bool = True
) -> PulledManifest:
    """A manifest by tag or digest. Errors: Refused (NOT_FOUND, MANIFEST_UNKNOWN), Corrupt."""
    memory = store.database.memory
    moment = memory.moment()
    with store.database.read() as connection:
        repository, lasts = access.lasting(connection, actor, repository_name, "PullImage", now=store.clock.now())
        digest = digest_in(connection, repository, reference)
        stored = records.stored(connection, repository.ocid, [digest]).get(digest)
        if stored is None:
            raise unknown(reference)
        content = records.content(connection, digest) if with_content else b""
    if with_content and not digest.matches(content):
        raise Corrupt(f"The stored bytes of the manifest {digest} have changed.")
    pulled = PulledManifest(repository.ocid, digest, stored.media_type, stored.size, content)
    if lasts:
        key = _key(actor, repository_name, reference, with_content=with_content)
        memory.keep(key, pulled, moment, size=len(content))
    return pulled


def remembered(
    store: Store, actor: Actor, repository_name: str, reference: TagOrDigest, *, with_content: bool = True
) -> PulledManifest | None:
    """What `manifest` would answer, if it is known without reading anything; None when it has to be asked. Never waits.

    It is known when the same principal asked from the same address, and nobody has changed anything since.
    """
    found = store.database.memory.get(_key(actor, repository_name, reference, with_content=with_content))
    return found if isinstance(found, PulledManifest) else None


def _key(actor: Actor, repository_name: str, reference: TagOrDigest, *, with_content: bool) -> Hashable:
    """All that the answer depends on beside the rows."""
    return ("manifest", actor.principal, actor.tenancy, actor.address, repository_name, reference, with_content)


def referrers(
    store: Store,
    actor: Actor,
    repository_name: str,
    subject: Digest,
    *,
    artifact_type: str = "",
    after: str = "",
    rows_max: int = REFERRERS_PAGE_MAX,
) -> tuple[tuple[StoredManifest, ...], bool]:
    """Manifests whose subject is `subject`, by digest, behind the digest `after`, and whether there are more.

    None for a subject that nobody knows. Source: distribution-spec 1.1, end-12. Errors: Refused (NOT_FOUND).
    """
    rows_max = min(rows_max, REFERRERS_PAGE_MAX)
    with store.database.read() as connection:
        repository = access.readable(connection, actor, repository_name, "PullImage", now=store.clock.now())
        found = records.referrers(connection, repository.ocid, subject, artifact_type, after, rows_max=rows_max + 1)
    return found[:rows_max], len(found) > rows_max


def digest_in(connection: Connection, repository: Repository, reference: TagOrDigest) -> Digest:
    """What a tag names, or the digest itself. Errors: Refused (MANIFEST_UNKNOWN)."""
    if isinstance(reference, Digest):
        return reference
    found = tag_records.digest_of(connection, repository.ocid, reference)
    if found is None:
        raise unknown(reference)
    return found


def unknown(reference: TagOrDigest) -> Refused:
    """The refusal when a repository that the caller may see has no such manifest."""
    return Refused(
        f"There is no manifest {reference} in this repository.",
        advice="Look at the repository's tags.",
        reason=Reason.MANIFEST_UNKNOWN,
    )


class PullCounter:
    """Pulls since the last count, in memory: a crash loses those of the last seconds, a pull costs no write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._waiting: dict[tuple[str, Digest], Pulls] = {}

    def note(self, repository: str, digest: Digest) -> None:
        """A manifest was pulled from a repository (by OCID)."""
        now = self._store.clock.now()
        with self._guard:
            before = self._waiting.get((repository, digest), Pulls(0, Instant(0)))
            self._waiting[repository, digest] = Pulls(before.count + 1, max(before.last, now))
            is_full = len(self._waiting) >= WAITING_MAX
        if is_full:
            self.count()

    def count(self) -> int:
        """Write what waits; how many pulls. To be called every few seconds and at the end. Errors: Unavailable."""
        with self._guard:
            waiting, self._waiting = self._waiting, {}
        if waiting:
            with self._store.database.write() as connection:
                image_records.add_pulls(connection, waiting)
        return sum(pulled.count for pulled in waiting.values())
