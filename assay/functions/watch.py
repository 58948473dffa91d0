"""How the image of a function stands: is its repository scanned, what was found in *its* digest, is a newer push there.

A function stays on the digest that it was deployed with; what is pushed later shows here and changes nothing by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from assay.clock import Instant
from assay.functions import functions
from assay.functions.model import Function
from assay.iam import Actor, Target, permitted
from assay.oci import Digest
from assay.registry import artifacts, images, repositories
from assay.registry.model import Image, Repository
from assay.scanning import results, scanners
from assay.scanning.model import ImageStatus
from assay.storage import Store


@dataclass(frozen=True, slots=True)
class NewerPush:
    """What an update of the function would deploy: the digest, and when it was pushed (None for what is no image)."""

    digest: Digest
    time_pushed: Instant | None


@dataclass(frozen=True, slots=True)
class Watch:
    """How a function's image stands, as far as the reader may know.

    `repository_name` is empty when the repository is gone or not the reader's to see; then nothing more is said.
    `image` is the OCID of the push that the digest belongs to, empty when it is deleted. `status` is how the function's
    own digest stands towards scanning, with its latest scan; None when the reader may see neither. `newer` is there
    when the function's tag names another digest now or, for a function deployed by digest, when a later image was
    pushed.
    """

    repository_name: str = ""
    is_scanned: bool = False
    image: str = ""
    status: ImageStatus | None = None
    newer: NewerPush | None = None


def watch(store: Store, actor: Actor, function: str) -> Watch:
    """How the image of one function (by OCID) stands. Errors: Refused (NOT_FOUND)."""
    found = functions.get(store, actor, function)
    return watch_all(store, actor, [found])[found.ocid]


def watch_all(store: Store, actor: Actor, found: Sequence[Function]) -> Mapping[str, Watch]:
    """How the images of functions that the actor has read stand, by the functions' OCIDs."""
    with store.database.read() as connection:
        watches = {each.ocid: _watch(store, connection, actor, each) for each in found}
    statuses = results.statuses(store, actor, [each.image for each in watches.values() if each.image])
    return {ocid: replace(each, status=statuses.get(each.image)) for ocid, each in watches.items()}


def _watch(store: Store, connection: Connection, actor: Actor, function: Function) -> Watch:
    repository = repositories.of_ocid(connection, actor.tenancy, function.repository)
    if repository is None:
        return Watch()
    target = Target(repository.compartment, repository.ocid, variables={"target.repo.name": repository.name})
    if not permitted(connection, actor, "GetContainerRepository", target, now=store.clock.now()):
        return Watch()
    own = images.of_digest(connection, repository.ocid, function.image_digest)
    return Watch(
        repository_name=repository.name,
        is_scanned=scanners.of_repository(connection, repository) is not None,
        image=own.ocid if own else "",
        newer=_newer(connection, repository, function, own),
    )


def _newer(connection: Connection, repository: Repository, function: Function, own: Image | None) -> NewerPush | None:
    if function.tag:
        named = artifacts.resolve(connection, repository.tenancy, repository.name, function.tag)
        if named is None or named.digest == function.image_digest:
            return None
        pushed = images.of_digest(connection, repository.ocid, named.digest)
        return NewerPush(named.digest, pushed.time_last_pushed if pushed else None)
    latest = next(iter(images.latest(connection, repository.ocid, 1)), None)
    if latest is None or own is None or latest.digest == own.digest:
        return None
    return NewerPush(latest.digest, latest.time_last_pushed)
