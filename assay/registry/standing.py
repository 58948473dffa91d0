"""What a manifest stands for in a repository: an image of its own, a platform of an index, or neither.

A manifest that may be run (`manifests.may_run`) is an image when it was pushed in its own right: under a tag (not
cosign's), or by digest alone. But a client that pushes an index pushes its children by digest first, and nothing tells
them apart until the index comes. So a manifest that was pushed by digest alone *settles*: it becomes an image after a
while, unless an index takes it in. Should an index come later than that, it still takes it in.
"""

from sqlalchemy import Connection

from assay.clock import Instant, new_etag
from assay.events import ImagePushed, ImageTakenIn
from assay.oci import Digest
from assay.registry import access, units
from assay.registry.model import Image, LifecycleState, Repository, StoredManifest
from assay.registry.records import blobs, images, manifests
from assay.registry.records import repositories as repositories_records
from assay.storage import Store, outbox


def record_push(
    store: Store,
    connection: Connection,
    repository: Repository,
    stored: StoredManifest,
    *,
    tag: str,
    pushed_by: str,
    now: Instant,
) -> str:
    """Note a push in its own right: a new image, or one more push of the image that is there; the image's OCID.

    Announces ImagePushed.
    """
    image = images.standing(connection, repository.ocid, stored.digest)
    if image is None:
        image = _add(store, connection, repository, stored, pushed_by, now)
    else:
        images.change(connection, image, time_last_pushed=now, time_updated=now)
    manifests.settled(connection, repository.ocid, [stored.digest])
    fact = ImagePushed(
        tenancy=repository.tenancy,
        repository=repository.ocid,
        image=image,
        digest=stored.digest.text,
        tag=tag,
    )
    outbox.announce(connection, fact, now)
    return image


def take_in(
    connection: Connection, repository: Repository, children: tuple[Digest, ...], now: Instant
) -> tuple[Image, ...]:
    """Let an index take in its children: those that no tag ever named are images of their own no more."""
    manifests.settled(connection, repository.ocid, children)
    taken = images.untagged_of(connection, repository.ocid, children)
    for image in taken:
        leave(connection, repository, image, now)
        fact = ImageTakenIn(
            tenancy=repository.tenancy, repository=repository.ocid, image=image.ocid, digest=image.digest.text
        )
        outbox.announce(connection, fact, now)
    return taken


def leave(connection: Connection, repository: Repository, image: Image, now: Instant) -> None:
    """Let an image be one no more. Its layers stay counted until it is purged, for it may be restored."""
    images.change(
        connection,
        image.ocid,
        lifecycle_state=LifecycleState.DELETED,
        time_deleted=now,
        time_updated=now,
        etag=new_etag(),
    )
    repositories_records.count(connection, repository.ocid, images=-1)


def come_back(connection: Connection, repository: Repository, image: Image, now: Instant) -> dict[str, Digest]:
    """Let a deleted image be one again, and serve what it needs and what went with it.

    Gives the companion tags that went with it and that nobody has set since, with what they named.
    """
    images.change(
        connection,
        image.ocid,
        lifecycle_state=LifecycleState.AVAILABLE,
        time_deleted=None,
        time_updated=now,
        etag=new_etag(),
    )
    unit = units.gone_with(connection, repository.ocid, image.digest, image.time_deleted)
    family = unit.manifests | manifests.family_of(connection, repository.ocid, image.digest)
    manifests.serve(connection, repository.ocid, family, None)
    blobs.revive(connection, repository.ocid, manifests.blobs_of(connection, family))
    repositories_records.count(connection, repository.ocid, images=1)
    return unit.companions


def _add(
    store: Store,
    connection: Connection,
    repository: Repository,
    stored: StoredManifest,
    pushed_by: str,
    now: Instant,
) -> str:
    layers = manifests.layers_of(connection, repository.ocid, stored.digest)
    change = blobs.use_layers(connection, repository.ocid, layers)
    extension = access.ocid_extension(connection, repository.tenancy)
    ocid = store.site.new_ocid("containerimage", extension=extension).text
    images.add(
        connection,
        ocid=ocid,
        tenancy=repository.tenancy,
        compartment=repository.compartment,
        lifecycle_state=LifecycleState.AVAILABLE,
        time_created=now,
        time_updated=now,
        etag=new_etag(),
        repository=repository.ocid,
        digest=stored.digest.text,
        created_by=pushed_by,
        time_last_pushed=now,
        manifest_bytes=stored.size,
        layers_bytes=sum(layer.size for layer in blobs.layers(connection, repository.ocid, layers)),
    )
    repositories_records.count(
        connection, repository.ocid, images=1, layers=change.layers, layers_bytes=change.layers_bytes
    )
    return ocid
