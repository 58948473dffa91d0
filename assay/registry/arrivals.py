"""What follows when something comes that manifests of its repository named before it was there (docs/adr/0027).

The counts of the repository and of its images take it in, in the transaction in which it comes, and the images that it
is part of are announced, so that they are scanned again. Non-distributable layers may come late in any repository;
other blobs, and children of indexes, only where manifests are taken without their parts.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from assay.clock import Instant
from assay.events import PartArrived
from assay.oci import Digest
from assay.registry.manifests import too_many
from assay.registry.model import Repository, StoredManifest
from assay.registry.records import blobs as blob_records
from assay.registry.records import manifests, parents
from assay.registry.records import repositories as repository_records
from assay.registry.records.manifests import Role
from assay.registry.records.parents import Bearer
from assay.storage import outbox


def count_blob(connection: Connection, repository: Repository, blob: Digest, size: int) -> None:
    """A repository, whose row is locked, holds a blob that it did not hold: count it with the images that name it."""
    naming = parents.naming(connection, repository.ocid, [blob], (Role.LAYER,))
    bearers = parents.bearers(connection, repository.ocid, naming)
    if bearers:
        parents.set_uses(connection, repository.ocid, blob, len(bearers))
        parents.grow(connection, [bearer.ocid for bearer in bearers], size)
        repository_records.count(connection, repository.ocid, layers=1, layers_bytes=size)


def announce_blob(connection: Connection, repository: Repository, blob: Digest, now: Instant) -> None:
    """A repository serves a blob that it did not serve."""
    naming = parents.naming(connection, repository.ocid, [blob], parents.BLOBS)
    _announce(connection, repository, parents.bearers(connection, repository.ocid, naming), blob, now)


@contextmanager
def of_manifest(
    connection: Connection, repository: Repository, stored: StoredManifest, now: Instant, *, nesting_max: int
) -> Iterator[None]:
    """Around the writing of a manifest's row, in a transaction that has its repository's row locked.

    Errors: Refused (TOO_LARGE when an index that names it would be nested too deep).
    """
    indexes = parents.naming(connection, repository.ocid, [stored.digest], parents.PARTS)
    if not indexes or stored.digest in manifests.stored(connection, repository.ocid, [stored.digest]):
        yield
        return
    _deepen(connection, repository, indexes, stored.nesting, nesting_max)
    naming = parents.naming(connection, repository.ocid, [stored.digest], (Role.CHILD,))
    bearers = parents.bearers(connection, repository.ocid, naming)
    before = {each.digest: manifests.layers_of(connection, repository.ocid, each.digest) for each in bearers}
    yield
    for each in bearers:
        come = manifests.layers_of(connection, repository.ocid, each.digest) - before[each.digest]
        change = blob_records.use_layers(connection, repository.ocid, come)
        size = sum(layer.size for layer in blob_records.layers(connection, repository.ocid, come))
        parents.grow(connection, [each.ocid], size)
        repository_records.count(connection, repository.ocid, layers=change.layers, layers_bytes=change.layers_bytes)
    _announce(connection, repository, bearers, stored.digest, now)


def _deepen(
    connection: Connection, repository: Repository, above: frozenset[Digest], nesting: int, nesting_max: int
) -> None:
    """Note how deep the indexes above a manifest are nested now."""
    while above:
        nesting += 1
        deeper = parents.deepen(connection, repository.ocid, above, nesting)
        if deeper and nesting > nesting_max:
            raise too_many(f"Indexes that name it would be nested deeper than {nesting_max}.")
        above = parents.naming(connection, repository.ocid, deeper, parents.PARTS)


def _announce(
    connection: Connection, repository: Repository, bearers: Iterable[Bearer], part: Digest, now: Instant
) -> None:
    for each in bearers:
        if each.is_available:
            fact = PartArrived(tenancy=repository.tenancy, repository=repository.ocid, image=each.ocid, part=part.text)
            outbox.announce(connection, fact, now)
