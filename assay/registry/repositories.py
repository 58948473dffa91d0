"""Repositories: made by hand or by the first push, read, listed, changed, deleted (oci-api 2.1, 4.1)."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from sqlalchemy import Connection

from assay.clock import new_etag
from assay.errors import Reason, Refused, not_found
from assay.events import RepositoryDeleted, RepositoryMoved
from assay.iam import Act, Actor, Target, authorize, perform, permitted
from assay.oci import repository_name
from assay.registry import access, listing
from assay.registry.model import (
    DefinedTags,
    LifecycleState,
    Order,
    Readme,
    Repository,
    RepositoryFilter,
    RepositoryTotals,
    Tags,
)
from assay.registry.records import images as image_records
from assay.registry.records import repositories as records
from assay.registry.rules import quotas
from assay.storage import Store, pages

#: How many are read at once for the catalogue, however few of them the caller may pull from.
_NAMES_BATCH_ROWS = 500
_LIST = "ListContainerRepositories"
EVERY_REPOSITORY = RepositoryFilter()
LATEST_FIRST = Order()


@dataclass(frozen=True, slots=True)
class RepositoryDetails:
    """What a new repository is to be (oci-api 2.1, CreateContainerRepositoryDetails)."""

    compartment: str
    name: str
    is_public: bool = False
    is_immutable: bool = False
    readme: Readme | None = None
    freeform_tags: Tags = field(default_factory=dict)
    defined_tags: DefinedTags = field(default_factory=dict)

    def __post_init__(self) -> None:
        repository_name(self.name)


@dataclass(frozen=True, slots=True)
class RepositoryChanges:
    """What is to change; None leaves it (oci-api 2.1, UpdateContainerRepositoryDetails: a name never changes)."""

    is_public: bool | None = None
    is_immutable: bool | None = None
    readme: Readme | None = None
    freeform_tags: Tags | None = None
    defined_tags: DefinedTags | None = None


def create(store: Store, actor: Actor, details: RepositoryDetails, *, retry_token: str | None = None) -> Repository:
    """Create a repository in a compartment of the actor's tenancy.

    Errors: Refused (NOT_FOUND, EXISTS when the tenancy has one of that name in whatever compartment, LIMIT_EXCEEDED).
    """
    return _create(store, actor, details, "CreateContainerRepository", retry_token)


def on_push(store: Store, actor: Actor, name: str) -> Repository:
    """The repository of that name; created, private, in the root compartment, if the tenancy's setting says so.

    Errors: Refused (NOT_FOUND: none, and none to be created, or the actor may not create it).
    """
    repository_name(name)
    with store.database.read() as connection:
        found = records.by_name(connection, actor.tenancy, name)
        is_created = found is None and records.is_created_on_first_push(connection, actor.tenancy)
        if found is None and not is_created:
            access.named(connection, actor, name)
    if found is not None:
        return found
    details = RepositoryDetails(compartment=actor.tenancy, name=name)
    try:
        return _create(store, actor, details, "CreateContainerRepositoryOnPush", None)
    except Refused as refusal:
        if refusal.reason is not Reason.EXISTS:
            raise
    # Another push of the same client was quicker; clients push layers side by side.
    with store.database.read() as connection:
        return access.named(connection, actor, name)


def get(store: Store, actor: Actor, ocid: str) -> Repository:
    """One repository by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = access.known(connection, actor, ocid)
        authorize(connection, actor, "GetContainerRepository", access.target_of(found), now=store.clock.now())
    return found


def by_name(store: Store, actor: Actor, name: str) -> Repository:
    """One repository by name. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return access.readable(connection, actor, name, "GetContainerRepository", now=store.clock.now())


def of_name(connection: Connection, tenancy: str, name: str) -> Repository | None:
    """The repository of that name. For rooms that act for a principal whom they have authorized, or for a service."""
    return records.by_name(connection, tenancy, name)


def of_ocid(connection: Connection, tenancy: str, ocid: str) -> Repository | None:
    """The repository with that OCID, unless it is deleted. For rooms, as `of_name`."""
    found = records.by_ocid(connection, tenancy, ocid)
    return found if found is not None and found.lifecycle_state is LifecycleState.AVAILABLE else None


def open_to_everybody(repository: Repository, operation: str) -> bool:
    """Whether everybody may do `operation` in a repository without any statement, because it is public."""
    return access.is_open(repository, operation)


def listed(
    store: Store,
    actor: Actor,
    narrow: RepositoryFilter = EVERY_REPOSITORY,
    order: Order = LATEST_FIRST,
    *,
    limit: int | None = None,
    page: str = "",
) -> pages.Page[Repository]:
    """A page of the repositories that the actor may see. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    with store.database.read() as connection:
        found = listing.page_of(store, _reading(store, connection, actor, narrow, order), page, limit)
        if not found.items:
            _authorize_list(connection, actor, narrow, _LIST, store)
        return access.repositories_as_seen(store, connection, actor, found)


def remaining(store: Store, actor: Actor, narrow: RepositoryFilter, order: Order, next_page: str) -> int | None:
    """How many repositories come behind a page of `listed` (by its token); None for too many to look at one by one."""
    with store.database.read() as connection:
        return listing.remaining(store, _reading(store, connection, actor, narrow, order), next_page)


def totals(store: Store, actor: Actor, narrow: RepositoryFilter = EVERY_REPOSITORY) -> RepositoryTotals:
    """Sums over all repositories of a list, whatever the page: those that the actor may see."""
    with store.database.read() as connection:
        reading = _reading(store, connection, actor, narrow, LATEST_FIRST)
        if reading.count is not None:
            return records.totals(connection, actor.tenancy, narrow)
        found = tuple(listing.visible(reading))
        return RepositoryTotals(
            repository_count=len(found),
            image_count=sum(each.image_count for each in found),
            layer_count=sum(each.layer_count for each in found),
            layers_bytes=sum(each.layers_bytes for each in found),
        )


def _reading(
    store: Store, connection: Connection, actor: Actor, narrow: RepositoryFilter, order: Order
) -> listing.Reading[Repository]:
    now = store.clock.now()
    sees_all = access.sees_all(connection, actor, _LIST, narrow.compartments, now=now)
    read: dict[str, Any] = {}

    def is_visible(row: Repository) -> bool:
        return sees_all or permitted(connection, actor, _LIST, access.target_of(row), now=now, read=read)

    return listing.Reading(
        query=(_LIST, actor.tenancy, narrow, order),
        fetch=lambda after, rows_max: records.listed(
            connection, actor.tenancy, narrow, order, after, rows_max=rows_max
        ),
        is_visible=is_visible,
        key_of=lambda row: (row.time_created if order.by_time else row.name, row.ocid),
        count=(lambda after: records.behind_key(connection, actor.tenancy, narrow, order, after)) if sees_all else None,
    )


def names(store: Store, actor: Actor, after: str, *, rows_max: int) -> tuple[str, ...]:
    """Names behind `after`, in their order, of repositories that the actor may pull from; for the catalogue."""
    now = store.clock.now()
    order = Order(by_time=False, descending=False)
    found: list[str] = []
    key: tuple[str, str] | None = (after, "\U0010ffff")
    read: dict[str, Any] = {}
    with store.database.read() as connection:
        while len(found) < rows_max:
            rows = records.listed(connection, actor.tenancy, RepositoryFilter(), order, key, rows_max=_NAMES_BATCH_ROWS)
            found.extend(row.name for row in rows if access.may_pull(connection, actor, row, now=now, read=read))
            if len(rows) < _NAMES_BATCH_ROWS:
                break
            key = (rows[-1].name, rows[-1].ocid)
    return tuple(found[:rows_max])


def change(
    store: Store,
    actor: Actor,
    ocid: str,
    changes: RepositoryChanges,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Repository:
    """Make it public or private, immutable or not, edit readme and tags. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def apply(act: Act) -> Repository:
        return records.change(act.connection, ocid, time_updated=act.now, etag=new_etag(), **_columns(changes))

    return perform(
        store,
        actor,
        "UpdateContainerRepository",
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, changes),
        replay=Repository,
    )


def move(
    store: Store,
    actor: Actor,
    ocid: str,
    compartment: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Repository:
    """Put a repository, with all that lies in it, into another compartment of its tenancy.

    The actor needs to manage repositories where it lies and where it is to lie. Errors: Refused (NOT_FOUND,
    ETAG_MISMATCH).
    """
    operation = "ChangeContainerRepositoryCompartment"

    def apply(act: Act) -> Repository:
        before = access.known(act.connection, actor, ocid)
        there = Target(compartment=compartment, resource=ocid, variables={"target.repo.name": before.name})
        authorize(act.connection, actor, operation, there, now=act.now)
        records.move(act.connection, ocid, compartment)
        act.announce(RepositoryMoved(tenancy=actor.tenancy, repository=ocid, compartment=compartment))
        moved = records.change(act.connection, ocid, compartment=compartment, time_updated=act.now, etag=new_etag())
        return quotas.moved(act.connection, actor, before, moved)

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, compartment),
        replay=Repository,
    )


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> Repository:
    """Delete a repository with its images; its name is free at once. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def apply(act: Act) -> Repository:
        gone = {"lifecycle_state": LifecycleState.DELETED, "time_deleted": act.now, "time_updated": act.now}
        image_records.change_all(act.connection, ocid, **gone)
        quotas.forget(act.connection, ocid)
        act.announce(RepositoryDeleted(tenancy=actor.tenancy, repository=ocid))
        return records.change(act.connection, ocid, image_count=0, etag=new_etag(), **gone)

    return perform(
        store,
        actor,
        "DeleteContainerRepository",
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        if_match=if_match,
    )


def is_created_on_first_push(store: Store, actor: Actor, root: str = "") -> bool:
    """Whether a push to an unknown name creates a repository: the tenancy's one setting, of its root compartment.

    Errors: Refused (NOT_FOUND, also for another compartment than the root).
    """
    with store.database.read() as connection:
        authorize(connection, actor, "GetContainerConfiguration", _root_of(actor, root), now=store.clock.now())
        return records.is_created_on_first_push(connection, actor.tenancy)


def set_created_on_first_push(
    store: Store, actor: Actor, root: str = "", *, value: bool | None, if_match: str | None = None
) -> bool:
    """Set it, or leave it when None; the setting. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def locate(connection: Connection) -> Target:
        target = _root_of(actor, root)
        present = records.is_created_on_first_push(connection, actor.tenancy)
        return replace(target, resource=actor.tenancy, etag=configuration_etag(is_created=present), before=present)

    def apply(act: Act) -> bool:
        if value is None:
            return records.is_created_on_first_push(act.connection, actor.tenancy)
        records.set_created_on_first_push(act.connection, actor.tenancy, act.now, value=value)
        return value

    return perform(store, actor, "UpdateContainerConfiguration", locate=locate, change=apply, if_match=if_match)


def configuration_etag(*, is_created: bool) -> str:
    """The etag of the configuration: it has but two states."""
    return f"created-on-first-push-{is_created}".lower()


def _root_of(actor: Actor, root: str) -> Target:
    if root not in ("", actor.tenancy):
        raise not_found()
    return Target(compartment=actor.tenancy)


def _create(
    store: Store, actor: Actor, details: RepositoryDetails, operation: str, retry_token: str | None
) -> Repository:
    def locate(_: Connection) -> Target:
        return Target(compartment=details.compartment, variables={"target.repo.name": details.name})

    def apply(act: Act) -> Repository:
        extension = access.ocid_extension(act.connection, actor.tenancy)
        added = records.add(
            act.connection,
            ocid=store.site.new_ocid("containerrepo", extension=extension).text,
            tenancy=actor.tenancy,
            lifecycle_state=LifecycleState.AVAILABLE,
            created_by=access.name_of(actor),
            time_created=act.now,
            time_updated=act.now,
            etag=new_etag(),
            compartment=details.compartment,
            name=details.name,
            is_public=details.is_public,
            is_immutable=details.is_immutable,
            readme_content=details.readme.content if details.readme else None,
            readme_format=details.readme.format if details.readme else None,
            freeform_tags=details.freeform_tags,
            defined_tags=details.defined_tags,
        )
        if added is None:
            raise Refused(
                f"The tenancy has a repository named {details.name} already, in this or another compartment.",
                advice="Choose another name.",
                reason=Reason.EXISTS,
            )
        quotas.require_repositories(act.connection, actor, added)
        return added

    return perform(
        store,
        actor,
        operation,
        locate=locate,
        change=apply,
        retry_token=retry_token,
        request=details,
        replay=Repository,
    )


def _locked(connection: Connection, actor: Actor, ocid: str) -> Target:
    found = access.known(connection, actor, ocid)
    records.lock(connection, ocid)
    found = access.known(connection, actor, ocid)
    if found.lifecycle_state is LifecycleState.DELETED:
        raise not_found()
    return access.target_of(found, before=found)


def _columns(changes: RepositoryChanges) -> dict[str, Any]:
    values: dict[str, Any] = {
        each.name: getattr(changes, each.name)
        for each in fields(changes)
        if each.name != "readme" and getattr(changes, each.name) is not None
    }
    if changes.readme is not None:
        values |= {"readme_content": changes.readme.content, "readme_format": changes.readme.format}
    return values


def _authorize_list(
    connection: Connection, actor: Actor, narrow: RepositoryFilter, operation: str, store: Store
) -> None:
    """Refuse a list to whom no compartment of it may be listed."""
    places = narrow.compartments or (actor.tenancy,)
    now = store.clock.now()
    if not any(permitted(connection, actor, operation, Target(compartment=place), now=now) for place in places):
        raise not_found()
