"""Images: found, listed, and looked into (oci-api 2.1). How they come to be: `pushes`; how they go: `removals`."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from assay.errors import Reason, Refused, not_found
from assay.iam import Actor, Target, authorize, permitted
from assay.oci import Descriptor, Digest, Platform
from assay.registry import access, listing, pulls
from assay.registry.manifests import STORED, Manifest, read_manifest
from assay.registry.model import (
    AbsentPlatform,
    Image,
    ImageFilter,
    Layer,
    Order,
    PlatformManifest,
    Platforms,
    Repository,
    StoredManifest,
    TagOrDigest,
)
from assay.registry.records import blobs as blob_records
from assay.registry.records import images as records
from assay.registry.records import manifests as manifest_records
from assay.registry.records import tags as tag_records
from assay.storage import Store, pages

_LIST = "ListContainerImages"
LATEST_MAX = 100
BEARING_MAX = 1_000
EVERY_IMAGE = ImageFilter()
LATEST_FIRST = Order()


def get(store: Store, actor: Actor, ocid: str) -> Image:
    """One image by OCID, deleted ones included. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = access.image(connection, actor, ocid)
        authorize(connection, actor, "GetContainerImage", access.image_target(found), now=store.clock.now())
        return found


def lookup(store: Store, actor: Actor, repository_name: str, reference: TagOrDigest) -> Image:
    """The available image that a tag or digest names.

    Errors: Refused (NOT_FOUND, also for what is no image), which says more to those who may see the repository.
    """
    operation = "LookupContainerImageByUri"
    with store.database.read() as connection:
        repository = access.named(connection, actor, repository_name)
        authorize(connection, actor, operation, access.target_of(repository), now=store.clock.now())
        digest = reference if isinstance(reference, Digest) else None
        if digest is None:
            digest = tag_records.digest_of(connection, repository.ocid, str(reference))
        found = records.available(connection, repository.ocid, digest) if digest is not None else None
        if found is None:
            raise _no_image(connection, repository, reference, digest)
    return found


def _no_image(connection: Connection, repository: Repository, reference: TagOrDigest, digest: Digest | None) -> Refused:
    """What to tell whoever may see the repository; to others it is missing as a whole."""
    advice = f"See its images: assay image list {repository.name}"
    stored = None if digest is None else manifest_records.stored(connection, repository.ocid, [digest]).get(digest)
    if digest is None:
        said = f"The repository {repository.name} has no tag {reference}."
    elif stored is None:
        said = f"The repository {repository.name} has no image {digest}."
    elif stored.is_runnable:
        said = f"{reference} in the repository {repository.name} is part of an image, and none by itself."
    else:
        said = f"{reference} in the repository {repository.name} is no image but an artifact, such as a chart."
        advice = f"Artifacts are stored and served, but neither scanned nor signed. {advice}"
    return Refused(said, advice=advice, reason=Reason.NOT_FOUND)


def listed(
    store: Store,
    actor: Actor,
    narrow: ImageFilter = EVERY_IMAGE,
    order: Order = LATEST_FIRST,
    *,
    limit: int | None = None,
    page: str = "",
) -> pages.Page[Image]:
    """A page of the images that the actor may see. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    with store.database.read() as connection:
        found = listing.page_of(store, _reading(store, connection, actor, narrow, order), page, limit)
        places = narrow.compartments or (actor.tenancy,)
        if not found.items and not any(
            permitted(connection, actor, _LIST, Target(compartment=place), now=store.clock.now()) for place in places
        ):
            raise not_found()
        return access.images_as_seen(store, connection, actor, found)


def remaining(store: Store, actor: Actor, narrow: ImageFilter, order: Order, next_page: str) -> int | None:
    """How many images come behind a page of `listed` (by its token); None for too many to look at one by one."""
    with store.database.read() as connection:
        return listing.remaining(store, _reading(store, connection, actor, narrow, order), next_page)


def _reading(
    store: Store, connection: Connection, actor: Actor, narrow: ImageFilter, order: Order
) -> listing.Reading[Image]:
    now = store.clock.now()
    sees_all = access.sees_all(connection, actor, _LIST, narrow.compartments, now=now)
    read: dict[str, Any] = {}

    def is_visible(row: Image) -> bool:
        return sees_all or permitted(connection, actor, _LIST, access.image_target(row), now=now, read=read)

    return listing.Reading(
        query=(_LIST, actor.tenancy, narrow, order),
        fetch=lambda after, rows_max: records.listed(
            connection, actor.tenancy, narrow, order, after, rows_max=rows_max
        ),
        is_visible=is_visible,
        key_of=lambda row: (row.time_created if order.by_time else row.display_name, row.ocid),
        count=(lambda after: records.counted(connection, actor.tenancy, narrow, order, after)) if sees_all else None,
    )


def latest(connection: Connection, repository: str, count: int) -> tuple[Image, ...]:
    """The images of a repository (by OCID) that were pushed last, the latest first. For rooms that act for a principal
    whom they have authorized."""
    return records.latest(connection, repository, rows_max=min(count, LATEST_MAX))


def latest_of_each(connection: Connection, repositories: Collection[str]) -> Mapping[str, Image]:
    """Repository (OCID) → its image that was pushed last, for those that have one; as `latest`, for many at once."""
    return {image.repository: image for image in records.latest_of_each(connection, repositories)}


def of_digest(connection: Connection, repository: str, digest: Digest) -> Image | None:
    """The available image of a digest in a repository (by OCID). For rooms, as `latest`."""
    return records.available(connection, repository, digest)


def of_ocid(connection: Connection, tenancy: str, ocid: str) -> Image | None:
    """An image by OCID, deleted ones included. For rooms, as `latest`."""
    return records.by_ocid(connection, tenancy, ocid)


def is_available(connection: Connection, tenancy: str, ocid: str) -> bool:
    """Whether there is an image with that OCID that is not deleted. For rooms, as `latest`."""
    return records.stands(connection, tenancy, ocid)


def bearing(connection: Connection, tenancy: str, name: str, *, repository: str = "") -> tuple[str, ...]:
    """The available images (OCIDs, at most 1,000) that bear a version or digest, in one repository (by OCID) or any.

    For rooms, as `latest`.
    """
    try:
        narrow = ImageFilter(repository=repository, digest=Digest(name))
    except Refused:
        narrow = ImageFilter(repository=repository, version=name)
    found = records.listed(connection, tenancy, narrow, LATEST_FIRST, None, rows_max=BEARING_MAX)
    return tuple(each.ocid for each in found)


def layers(store: Store, image: Image) -> tuple[Layer, ...]:
    """The distinct layers of an image, in order of digest. For whoever was given the image by a verb."""
    with store.database.read() as connection:
        named = manifest_records.layers_of(connection, image.repository, image.digest)
        return blob_records.layers(connection, image.repository, named)


def platforms(connection: Connection, repository: str, digest: Digest) -> Platforms:
    """The runnable manifests of an image: itself, or those of its index, each once, in the index's order.

    For rooms that read what is in an image. Errors: Refused (MANIFEST_UNKNOWN when the repository lacks itself).
    """
    present: dict[Digest, PlatformManifest] = {}
    absent: dict[Digest, AbsentPlatform] = {}
    waiting: list[tuple[Digest, Descriptor | None]] = [(digest, None)]
    while waiting:
        here, named = waiting.pop(0)
        platform = named.platform if named is not None else None
        stored = manifest_records.stored(connection, repository, [here]).get(here)
        if stored is None and named is None:
            raise pulls.unknown(here)
        why = _why_absent(named, stored) if named is not None else ""
        if stored is None or why:
            absent.setdefault(here, AbsentPlatform(here, platform, why))
            continue
        manifest = read_manifest(manifest_records.content(connection, here), stored.media_type, STORED)
        if manifest.is_index:
            waiting = [(child.digest, child) for child in manifest.platforms] + waiting
        elif stored.is_runnable and here not in present:
            present[here] = _platform(connection, repository, here, platform, manifest)
    return Platforms(tuple(present.values()), tuple(absent.values()))


def _why_absent(named: Descriptor, stored: StoredManifest | None) -> str:
    """Why what an index names is not what the repository has; empty when it is."""
    if stored is None:
        return f"the manifest {named.digest} isn't in the repository"
    if (stored.size, stored.media_type) != (named.size, named.media_type):
        return f"the manifest {named.digest} hasn't the size and media type that its index says"
    return ""


def _platform(
    connection: Connection, repository: str, digest: Digest, platform: Platform | None, manifest: Manifest
) -> PlatformManifest:
    if manifest.config is None:
        raise pulls.unknown(digest)
    named = [manifest.config, *manifest.layers]
    served = blob_records.sizes(connection, repository, [each.digest for each in named])
    return PlatformManifest(
        digest,
        platform,
        manifest.config.digest,
        layers=tuple((each.digest, each.media_type, each.size) for each in manifest.layers),
        absent=frozenset(each.digest for each in named) - served.keys(),
    )
