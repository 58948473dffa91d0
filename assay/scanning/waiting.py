"""What facts mean for scanning: which images wait to be scanned, and scanning them.

Each function may be called twice with the same fact. A scan that the service may not make is not made: the image goes
on waiting, and `results.statuses` says which statement is missing.
"""

from dataclasses import replace

from assay.advisories import revisions
from assay.errors import Corrupt, Refused
from assay.events import CompartmentMoved, ImagePushed, ImageRestored, PartArrived, RepositoryDeleted, RepositoryMoved
from assay.inventory import Composition, LayerReaders
from assay.inventory.catalog import compose_image
from assay.oci import Descriptor, Digest, strict_json
from assay.registry import images, repositories
from assay.registry.model import Image, LifecycleState, PlatformManifest
from assay.scanning import coverage, progress, push
from assay.scanning.catalogue import Catalogue, catalogue, unreadable
from assay.scanning.model import Cause, Registry
from assay.scanning.permission import may_scan
from assay.scanning.records import inventories, requests
from assay.scanning.records.requests import Request
from assay.scanning.risk import ScanState
from assay.storage import BlobStore, Store

BATCH_REQUESTS = 100
CONFIG_BYTES_MAX = 4 * 1024 * 1024


def image_came(store: Store, fact: ImagePushed | ImageRestored | PartArrived) -> bool:
    """An image was pushed or restored, or a part of it came: it waits, if a scanner looks at its repository; whether
    one does."""
    with store.database.write() as connection:
        repository = repositories.of_ocid(connection, fact.tenancy, fact.repository)
        if repository is None or not images.is_available(connection, fact.tenancy, fact.image):
            return False
        scanner = coverage.scanner_of(connection, repository)
        if scanner is not None:
            now = store.clock.now()
            coverage.ask(connection, repository, fact.image, scanner, Cause.PUSH, now)
            if isinstance(fact, PartArrived):
                requests.renew(connection, fact.image, now)
        return scanner is not None


def image_went(store: Store, image: str) -> None:
    """An image was deleted or taken in by an index: it waits no more, and its results stay as of now."""
    with store.database.write() as connection:
        store.database.publication_lock(connection, shared=True)
        progress.image_done(connection, image, store.clock.now())
        inventories.close_image(connection, image, revisions.published_revision(connection))


def repository_changed(store: Store, fact: RepositoryMoved | RepositoryDeleted) -> None:
    """A repository was moved or deleted: another scanner may look at it now, or none."""
    with store.database.write() as connection:
        store.database.publication_lock(connection, shared=True)
        was = inventories.watched_by(connection, fact.repository)
        repository = repositories.of_ocid(connection, fact.tenancy, fact.repository)
        if repository is None or repository.lifecycle_state is LifecycleState.DELETED:
            progress.withdrawn(connection, fact.repository, store.clock.now())
            requests.withdraw(connection, fact.repository)
            inventories.close_repository(connection, fact.repository, revisions.published_revision(connection))
        else:
            scanner = coverage.scanner_of(connection, repository)
            coverage.settle(connection, repository, was, scanner, store.clock.now())


def compartment_moved(store: Store, fact: CompartmentMoved) -> None:
    """A compartment was moved: scanners of compartments may reach other repositories now."""
    for repository in coverage.in_scope(store, fact.tenancy, [Registry(compartment=fact.compartment)]):
        moved = RepositoryMoved(tenancy=fact.tenancy, repository=repository.ocid, compartment=repository.compartment)
        repository_changed(store, moved)


def scan_waiting(
    store: Store,
    blobs: BlobStore,
    readers: LayerReaders,
    *,
    tenancy: str = "",
    repository: str = "",
) -> int:
    """Scan the images that wait, one after another: all, or those of a tenancy or repository; how many were scanned.

    To be called when something came that images wait for: a push, a scanner, a statement, a first feed revision, a
    start of the server. What may not be scanned goes on waiting. Errors: Unavailable; what was scanned stays so.
    """
    scanned = 0
    after = ""
    while True:
        with store.database.read() as connection:
            if not revisions.published_revision(connection):
                return scanned  # without advisories a scan would be a clean bill for everything
            batch = requests.waiting(
                connection, tenancy=tenancy, repository=repository, after=after, limit=BATCH_REQUESTS
            )
        for request in batch:
            scanned += _scan(store, blobs, readers, request)
        if len(batch) < BATCH_REQUESTS:
            return scanned
        after = batch[-1].image


def _scan(store: Store, blobs: BlobStore, readers: LayerReaders, request: Request) -> bool:
    """Scan one image that waits, if the service may; whether there is a new scan."""
    with store.database.read() as connection:
        repository = repositories.of_ocid(connection, request.tenancy, request.repository)
        image = images.of_ocid(connection, request.tenancy, request.image)
        is_permitted = repository is not None and may_scan(connection, repository, now=store.clock.now())
        inventory = inventories.of_image(connection, request.image)
    if repository is None or image is None:
        image_went(store, request.image)
        return False
    if not is_permitted:
        return False
    if inventory is not None and inventory.state is ScanState.COMPLETE:
        return push.record_again(store, request, inventory)
    return push.record(store, request, _catalogue(store, blobs, readers, image))


def _catalogue(store: Store, blobs: BlobStore, readers: LayerReaders, image: Image) -> Catalogue:
    def compose(platform: PlatformManifest) -> Composition:
        layers = [Descriptor(media_type, digest, size) for digest, media_type, size in platform.layers]
        diff_ids, reason = _diff_ids(blobs, platform)
        found = compose_image(store, blobs, readers, layers, diff_ids=diff_ids, absent=platform.absent)
        return replace(found, reasons=(*found.reasons, reason)) if reason else found

    try:
        with store.database.read() as connection:
            platforms = images.platforms(connection, image.repository, image.digest)
    except (Refused, Corrupt) as fault:
        return unreadable(fault.message)
    return catalogue(platforms.present, compose, absent=platforms.absent)


def _diff_ids(blobs: BlobStore, platform: PlatformManifest) -> tuple[tuple[Digest, ...] | None, str]:
    """What the image's configuration says its layers unpack to, or None and why it cannot be read."""
    config = platform.config
    if config in platform.absent:
        return None, f"the image configuration {config} isn't in the repository"
    try:
        with blobs.open(config) as file:
            content = file.read(CONFIG_BYTES_MAX + 1)
        document = strict_json(content, size_max=CONFIG_BYTES_MAX, what="image configuration")
        if not config.matches(content):
            return None, "the image configuration is not what its digest says"
        return tuple(Digest(str(each)) for each in document["rootfs"]["diff_ids"]), ""
    except (Refused, Corrupt) as fault:
        return None, fault.message
    except (KeyError, TypeError):
        return None, "the image configuration does not say what its layers unpack to"
