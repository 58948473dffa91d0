"""One unit: an image with all that is only there for its sake.

Its platforms and attestations (what its index names, however deep), its referrers (by their `subject`, theirs as well),
and what cosign keeps beside it under tags that spell a digest (`sha256-….sig`, `.att`, `.sbom`). They go with the image
and come back with it. What stands for itself stays: another image, whatever bears a tag of its own, and what an index
outside of the unit names.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection

from assay.clock import Instant
from assay.oci import Digest
from assay.registry.records import units as records


@dataclass(frozen=True, slots=True)
class Unit:
    """An image's manifests, its own among them; and the tags that spell one's digest, with what they name."""

    manifests: frozenset[Digest]
    companions: dict[str, Digest] = field(default_factory=dict)


def of(connection: Connection, repository: str, image: Digest) -> Unit:
    """The unit of an image of a repository (by OCID), as far as the repository serves it."""
    barred: frozenset[Digest] = frozenset()
    while True:
        manifests, companions = _reached(connection, repository, image, barred)
        needed = records.named_from_outside(connection, repository, manifests) - {image}
        if not needed:
            return Unit(manifests, companions)
        barred |= needed


def gone_with(connection: Connection, repository: str, image: Digest, at: Instant | None) -> Unit:
    """What was deleted with an image at an instant: manifests that may be served, and tags that may be set, again."""
    gone = level = frozenset({image})
    companions: dict[str, Digest] = {}
    while level and at is not None:
        beside = records.companions_removed(connection, repository, level, at)
        companions |= beside
        hanging = records.parts(connection, repository, level, at) | records.referrers(
            connection, repository, level, at
        )
        named = records.gone(connection, repository, frozenset(beside.values()), at)
        level = (hanging | named) - gone
        gone |= level
    return Unit(gone, {tag: named for tag, named in companions.items() if named in gone})


def _reached(
    connection: Connection, repository: str, image: Digest, barred: Collection[Digest]
) -> tuple[frozenset[Digest], dict[str, Digest]]:
    """All manifests that hang from an image, without going through what stands for itself or is `barred`."""
    reached = level = frozenset({image})
    companions: dict[str, Digest] = {}
    while level:
        beside = records.companions(connection, repository, level)
        companions |= beside
        hanging = records.parts(connection, repository, level) | records.referrers(connection, repository, level)
        found = (hanging | frozenset(beside.values())) - reached - frozenset(barred)
        level = found - records.standing_alone(connection, repository, found)
        reached |= level
    return reached, {tag: named for tag, named in companions.items() if named in reached}
