"""Finding a repository for somebody: what is missing and what is not theirs to see get the same answer."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import not_found
from assay.iam import Actor, Target, authorize, permitted
from assay.iam.identity import seen, tenancies
from assay.registry.model import Image, Repository
from assay.registry.records import images as image_records
from assay.registry.records import repositories as records
from assay.storage import Store
from assay.storage.pages import Page

#: The operations that a public repository allows to everybody, without a statement (oci-api 4.1).
_PUBLIC = frozenset({"PullImage", "ListTags"})


def target_of(repository: Repository, *, before: object = None) -> Target:
    """The target of an operation on a repository."""
    return Target(
        compartment=repository.compartment,
        resource=repository.ocid,
        etag=repository.etag,
        variables={"target.repo.name": repository.name},
        before=before,
    )


def named(connection: Connection, actor: Actor, name: str) -> Repository:
    """The repository of that name in the actor's tenancy, whatever the actor may. Errors: Refused as if denied."""
    found = records.by_name(connection, actor.tenancy, name)
    if found is None:
        raise not_found()
    return found


def held(connection: Connection, actor: Actor, name: str) -> Repository:
    """As `named`, and nobody else changes the repository until this write transaction ends."""
    found = records.held_by_name(connection, actor.tenancy, name)
    if found is None:
        raise not_found()
    return found


def known(connection: Connection, actor: Actor, ocid: str) -> Repository:
    """The repository with that OCID in the actor's tenancy, whatever the actor may. Errors: Refused as if denied."""
    found = records.by_ocid(connection, actor.tenancy, ocid)
    if found is None:
        raise not_found()
    return found


def image(connection: Connection, actor: Actor, ocid: str) -> Image:
    """The image with that OCID in the actor's tenancy, whatever the actor may. Errors: Refused as if denied."""
    found = image_records.by_ocid(connection, actor.tenancy, ocid)
    if found is None:
        raise not_found()
    return found


def image_target(found: Image, *, before: object = None) -> Target:
    """The target of an operation on an image."""
    return Target(
        compartment=found.compartment,
        resource=found.ocid,
        etag=found.etag,
        variables={"target.repo.name": found.repository_name},
        before=before,
    )


def sees_all(
    connection: Connection, actor: Actor, operation: str, compartments: Collection[str], *, now: Instant
) -> bool:
    """Whether the actor may do a listing `operation` on everything in these compartments, whatever its name.

    False where it depends on names, or where no compartment is named: then rows are to be asked for one by one.
    """
    return bool(compartments) and all(
        permitted(connection, actor, operation, Target(compartment=each), now=now) for each in compartments
    )


def is_open(repository: Repository, operation: str) -> bool:
    """Whether a repository is public, and the operation one that this allows to everybody."""
    return repository.is_public and operation in _PUBLIC


def readable(connection: Connection, actor: Actor, name: str, operation: str, *, now: Instant) -> Repository:
    """The repository of that name, if the actor may do the reading `operation` in it. Errors: Refused as if missing."""
    return lasting(connection, actor, name, operation, now=now)[0]


def lasting(
    connection: Connection, actor: Actor, name: str, operation: str, *, now: Instant
) -> tuple[Repository, bool]:
    """As `readable`; and whether the answer lasts until a row changes (no statement asked for the time)."""
    found = named(connection, actor, name)
    if is_open(found, operation):
        return found, True
    return found, authorize(connection, actor, operation, target_of(found), now=now)


def may_pull(
    connection: Connection, actor: Actor, repository: Repository, *, now: Instant, read: dict[str, Any] | None = None
) -> bool:
    """Whether the actor may pull from a repository. `read` as of `iam.permitted`, for lists."""
    if repository.is_public:
        return True
    return permitted(connection, actor, "PullImage", target_of(repository), now=now, read=read)


def name_of(actor: Actor) -> str:
    """Who acts, as rows keep it: the OCID, or the name of a principal without one."""
    return actor.principal.ocid or actor.principal.name


def ocid_extension(connection: Connection, tenancy: str) -> str:
    """What stands before the tail in the OCIDs of repositories and images: `0.<namespace>` (oci-api 1.5)."""
    namespace = tenancies.namespace_of(connection, tenancy)
    return f"0.{namespace}" if namespace else "0"


def repositories_as_seen(
    store: Store, connection: Connection, actor: Actor, found: Page[Repository]
) -> Page[Repository]:
    """A page of a list, without what people wrote about repositories that the actor may only inspect."""
    read = "GetContainerRepository"
    return replace(found, items=seen.as_seen(store, connection, actor, read, found.items, target_of, readme=None))


def images_as_seen(store: Store, connection: Connection, actor: Actor, found: Page[Image]) -> Page[Image]:
    """As `repositories_as_seen`, of images."""
    return replace(found, items=seen.as_seen(store, connection, actor, "GetContainerImage", found.items, image_target))
