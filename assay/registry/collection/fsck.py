"""The check: whether rows agree with one another, and with the bytes in the blob store.

It goes on beside everything else. Rows are compared in one snapshot for each repository, in which no change is half
done. Rows and bytes have no snapshot in common: what seems wrong is looked at again with the row locked, before it is
said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select

from assay.oci import Digest
from assay.registry.blobs import wrong_size
from assay.registry.claims import GRACE_MICROSECONDS
from assay.registry.collection import sweep
from assay.registry.records import checking as records
from assay.registry.records import collecting, damage, scrubbing
from assay.registry.records import repositories as repository_records
from assay.storage import BlobStore, Store

#: Findings of one kind in one place; where there are so many, more of them help nobody.
FINDINGS_MAX = 100
PAGE_ROWS = 500

#: What is asked of each repository, and what it means when something is found.
_OF_REPOSITORY: tuple[tuple[Callable[[str], Select[Any]], str], ...] = (
    (records.blobs_without_row, "the repository holds this blob, of which there is no row of that size"),
    (records.blobs_going, "whether this blob goes from the repository is not what its manifests say"),
    (records.manifests_without_bytes, "the repository holds this manifest, whose bytes are not stored in that size"),
    (records.tags_of_nothing, "the tag names a manifest that the repository does not serve"),
    (records.images_of_nothing, "the image is of a manifest that the repository does not hold"),
)
#: What is asked besides, unless manifests are taken without their parts.
_OF_PARTS: tuple[tuple[Callable[[str], Select[Any]], str], ...] = (
    (records.blobs_missing, "a manifest of the repository names this blob, which it does not hold"),
    (records.children_missing, "an index of the repository names this manifest, which it does not hold"),
)
_OF_ALL: tuple[tuple[Callable[[], Select[Any]], str], ...] = (
    (records.blobs_that_never_go, "no repository holds this blob, and it would never be collected"),
    (records.manifests_of_nobody, "no repository holds this manifest, and it would never be purged"),
    (records.links_of_nothing, "something is said of this manifest, which is not stored"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree. `place` is a repository's OCID, or empty; `subject` a digest, tag or OCID."""

    place: str
    subject: str
    says: str
    is_repaired: bool = False


def fsck(
    store: Store,
    blobs: BlobStore,
    *,
    grace: int = GRACE_MICROSECONDS,
    repairs: bool = False,
    takes_sparse: bool = False,
) -> Iterator[Finding]:
    """All that does not agree; nothing where all is well. With `repairs` the counts of repositories are corrected.

    `grace`: for how many microseconds the store may have what no row names. `takes_sparse`: whether a repository may
    lack what its manifests name (`ManifestLimits`). Errors: Unavailable.
    """
    after = ""
    while True:
        with store.database.read() as connection:
            page = records.repositories_after(connection, after, rows_max=PAGE_ROWS)
        for ocid in page:
            yield from _of_repository(store, ocid, repairs=repairs, takes_sparse=takes_sparse)
        if not page:
            break
        after = page[-1]
    with store.database.read() as connection:
        asked = [(query(), says) for query, says in _OF_ALL]
        found = [Finding("", subject, says) for subject, says in _found(connection, asked)]
        found.extend(
            Finding("", str(each.digest), f"the {each.kind} is damaged: {each.says}")
            for each in damage.listed(connection, rows_max=FINDINGS_MAX)
        )
    yield from found
    yield from _rows_without_bytes(store, blobs)
    yield from _bytes_without_rows(store, blobs, grace)


def _of_repository(store: Store, ocid: str, *, repairs: bool, takes_sparse: bool) -> Iterator[Finding]:
    questions = _OF_REPOSITORY if takes_sparse else (*_OF_REPOSITORY, *_OF_PARTS)
    with store.database.read() as connection:
        asked = [(query(ocid), says) for query, says in questions]
        found = [Finding(ocid, subject, says) for subject, says in _found(connection, asked)]
        said, counted = records.layer_uses_said(connection, ocid), records.layer_uses_counted(connection, ocid)
        found.extend(
            Finding(
                ocid, digest, f"{counted.get(digest, 0)} images have this layer; its row says {said.get(digest, 0)}"
            )
            for digest in sorted(said.keys() | counted.keys())
            if said.get(digest, 0) != counted.get(digest, 0)
        )
        difference = _difference(connection, ocid)
    yield from found
    if difference:
        if repairs:
            _repair(store, ocid)
        yield Finding(ocid, "counts", difference, is_repaired=repairs)


def _found(connection: Connection, asked: list[tuple[Select[Any], str]]) -> Iterator[tuple[str, str]]:
    for query, says in asked:
        for subject in records.found(connection, query, rows_max=FINDINGS_MAX):
            yield subject, says


def _difference(connection: Connection, ocid: str) -> str:
    said, summed = records.counts_said(connection, ocid), records.counts_summed(connection, ocid)
    return "" if said in (None, summed) else f"the repository says {said}; what lies in it makes {summed}"


def _repair(store: Store, ocid: str) -> None:
    with store.database.write() as connection:
        repository_records.lock(connection, ocid)
        records.set_counts(connection, ocid, records.counts_summed(connection, ocid))


class _Listed:
    """What the blob store lists, to be asked for digests in their order: a store far away is not asked for each."""

    def __init__(self, blobs: BlobStore) -> None:
        self._sizes = _sizes(blobs)
        self._next = next(self._sizes, None)

    def size(self, digest: Digest) -> int | None:
        """The size that was listed; None where the blob was not, as yet."""
        while self._next is not None and self._next[0] < digest.text:
            self._next = next(self._sizes, None)
        return self._next[1] if self._next is not None and self._next[0] == digest.text else None


def _sizes(blobs: BlobStore) -> Iterator[tuple[str, int]]:
    page = blobs.stored()
    while page:
        yield from ((kept.digest.text, kept.size) for kept in page)
        page = blobs.stored(page[-1].digest)


def _rows_without_bytes(store: Store, blobs: BlobStore) -> Iterator[Finding]:
    after, listed = "", _Listed(blobs)
    while True:
        with store.database.read() as connection:
            page = scrubbing.blobs_after(connection, after, rows_max=PAGE_ROWS)
        for digest, size in page:
            if listed.size(digest) == size or blobs.size(digest) == size:
                continue
            # Again, with the row locked: collection takes bytes and row in one transaction.
            with store.database.write() as connection:
                is_there = collecting.lock_blob(connection, digest)
                is_going = is_there and sweep.is_half_collected(connection, blobs, digest)
                says = wrong_size(size, blobs.size(digest)) if is_there and not is_going else ""
            if says:
                yield Finding("", digest.text, f"the blob has a row, and {says}")
        if not page:
            return
        after = page[-1][0].text


def _bytes_without_rows(store: Store, blobs: BlobStore, grace: int) -> Iterator[Finding]:
    horizon = store.clock.now() - grace
    page = blobs.stored()
    while page:
        old = [kept.digest for kept in page if kept.time_stored < horizon]
        with store.database.read() as connection:
            strays = collecting.unknown_among(connection, old)
        for digest in sorted(strays):
            if blobs.size(digest) is not None:
                yield Finding("", digest.text, "the blob store has these bytes, of which there is no row")
        page = blobs.stored(page[-1].digest)
    staged = blobs.staged()
    while staged:
        with store.database.read() as connection:
            left = collecting.sessionless(connection, [each.upload for each in staged if each.time_changed < horizon])
        for upload in sorted(left):
            yield Finding("", upload, "the blob store has staged bytes that belong to no upload")
        staged = blobs.staged(staged[-1].upload)
