"""What must hold between the registry's rows and its files, whatever has happened: an oracle of the tests' own.

It reads the tables and the blobs by itself, and calls no verb of the registry.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from assay.clock import Instant
from assay.oci import Digest
from assay.storage import BlobStore, Database, metadata

TABLES = ("blob", "repository_blob", "manifest", "manifest_link", "repository_manifest", "tag", "image", "repository")
BLOB_ROLES = ("config", "layer")
MORE_TABLES = ("upload", "tag_move", "retention_policy", "container_quota", "damage", "upkeep_round", "outbox")
CHILD_ROLES = ("child", "attestation")


def faults(database: Database, blobs: BlobStore, *, is_sparse: bool = False) -> list[str]:
    """Everything that doesn't agree; empty when all is well. `is_sparse`: manifests may lack what they name."""
    with database.read() as connection:
        rows = {name: connection.execute(select(metadata.tables[name])).all() for name in TABLES}
    return [*_blobs(rows, blobs), *_Served(rows, is_sparse).faults(), *_counts(rows)]


def emptied(database: Database) -> None:
    """Take every row of the registry away, for another beginning on the same database."""
    with database.write() as connection:
        for table in (*TABLES, *MORE_TABLES, "outbox_aggregate", "retry_token"):
            connection.execute(metadata.tables[table].delete())


def orphans(database: Database, stored: set[Digest], *, before: Instant | None = None) -> set[str]:
    """Blobs that no repository holds: rows of them, and those of `stored` (what the blob store has) without a row."""
    with database.read() as connection:
        held = set(connection.execute(select(metadata.tables["repository_blob"].c.digest)).scalars())
        blob = metadata.tables["blob"]
        query = select(blob.c.digest) if before is None else select(blob.c.digest).where(blob.c.time_created < before)
        known = set(connection.execute(query).scalars())
    return (known | {digest.text for digest in stored}) - held


Rows = dict[str, Any]


def _blobs(rows: Rows, blobs: BlobStore) -> Iterator[str]:
    """Each blob that a repository holds has a row, and each row its bytes, under their digest."""
    sizes = {row.digest: row.size for row in rows["blob"]}
    held = {row.digest for row in rows["repository_blob"]}
    for digest, size in sizes.items():
        if digest not in held and blobs.size(Digest(digest)) is None:
            continue  # the sweep was interrupted between its bytes and its row
        if blobs.size(Digest(digest)) != size:
            yield f"the blob {digest} has {blobs.size(Digest(digest))} bytes, its row says {size}"
            continue
        with blobs.open(Digest(digest)) as file:
            if not Digest(digest).matches(file.read()):
                yield f"the blob {digest} has other bytes than its digest says"
    for row in rows["repository_blob"]:
        if (size := sizes.get(row.digest)) != row.size:
            yield f"{row.repository} holds {row.digest} of {row.size} bytes; the blob's row says {size}"


@dataclass(frozen=True)
class _Served:
    """Whatever a repository serves, it serves whole."""

    rows: Rows
    is_sparse: bool

    def faults(self) -> Iterator[str]:
        """Manifests without their bytes or parts, tags and images of what is not served."""
        contents = {row.digest: row.content for row in self.rows["manifest"]}
        served = {(row.repository, row.digest) for row in self.rows["repository_manifest"] if row.time_deleted is None}
        gone = {row.ocid for row in self.rows["repository"] if row.lifecycle_state == "DELETED"}
        for repository, digest in served:
            if digest not in contents or not Digest(digest).matches(contents[digest]):
                yield f"{repository} serves the manifest {digest}, whose bytes are missing or others"
        if not self.is_sparse:
            yield from self._parts(served, gone)
        for row in self.rows["tag"]:
            if row.repository not in gone and (row.repository, row.digest) not in served:
                yield f"the tag {row.name} of {row.repository} names {row.digest}, which isn't served"
        available = Counter((row.repository, row.digest) for row in self.rows["image"] if _is_available(row))
        for key, number in available.items():
            if number > 1 or key not in served:
                yield f"{key} is {number} available image(s), served: {key in served}"

    def _parts(self, served: set[tuple[str, str]], gone: set[str]) -> Iterator[str]:
        held = {(row.repository, row.digest) for row in self.rows["repository_blob"] if row.time_deleted is None}
        named = _named(self.rows)
        for repository, digest in served:
            for role, target in named.get(digest, set()) if repository not in gone else ():
                there = held if role in BLOB_ROLES else served if role in CHILD_ROLES else {(repository, target)}
                if (repository, target) not in there:
                    yield f"{repository} serves {digest} without its {role} {target}"


def _named(rows: Rows) -> dict[str, set[tuple[str, str]]]:
    """What each manifest names: role and digest."""
    named: dict[str, set[tuple[str, str]]] = {}
    for link in rows["manifest_link"]:
        named.setdefault(link.manifest, set()).add((link.role, link.target))
    return named


def _counts(rows: Rows) -> Iterator[str]:
    """The counts of a repository are those of its rows: what it does not hold counts for nothing, whoever holds it."""
    named = _named(rows)
    kept = {(row.repository, row.digest) for row in rows["repository_manifest"]}

    def layers_of(ocid: str, digest: str) -> set[str]:
        parts = named.get(digest, set())
        return {target for role, target in parts if role == "layer"}.union(
            *(layers_of(ocid, target) for role, target in parts if role == "child" and (ocid, target) in kept)
        )

    for repository in rows["repository"]:
        if repository.lifecycle_state == "DELETED":
            continue
        images = [row for row in rows["image"] if row.repository == repository.ocid]
        blobs = {row.digest: row for row in rows["repository_blob"] if row.repository == repository.ocid}
        layers = {row.ocid: layers_of(repository.ocid, row.digest) & blobs.keys() for row in images}
        uses = Counter(layer for held in layers.values() for layer in held)
        expected = {
            "image_count": sum(map(_is_available, images)),
            "layer_count": len(uses),
            "layers_bytes": sum(blobs[layer].size for layer in uses),
            "stored_bytes": sum(row.size for row in blobs.values()),
        }
        for name, value in expected.items():
            if getattr(repository, name) != value:
                yield f"{repository.name}: {name} is {getattr(repository, name)}, counted are {value}"
        for row in images:
            if row.layers_bytes != (size := sum(blobs[layer].size for layer in layers[row.ocid])):
                yield f"{repository.name}: {row.digest} has layers of {size} bytes, not of {row.layers_bytes}"
        for digest, row in blobs.items():
            if row.layer_uses != uses[digest]:
                yield f"{repository.name}: {digest} is a layer of {uses[digest]} images, not of {row.layer_uses}"


def _is_available(row: Any) -> bool:
    return bool(row.lifecycle_state == "AVAILABLE")
