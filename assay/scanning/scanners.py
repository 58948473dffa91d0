"""Image scanners: targets by the API's words (oci-api 2.2), and "add" and "remove" on one repository for people.

Adding a scanner asks for the repository's latest images to be scanned, removing it keeps what was found (`coverage`).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from assay.clock import moment
from assay.errors import Reason, Refused, not_found
from assay.iam import Act, Actor, Target, authorize, perform
from assay.iam.work_requests import Work
from assay.registry import repositories
from assay.registry.model import Repository
from assay.scanning import coverage, listing, progress, recipes
from assay.scanning.model import (
    IMAGE_COUNT_DEFAULT,
    LifecycleState,
    RecipeDetails,
    Registry,
    ScanLevel,
    Scanner,
    ScannerFilter,
    TargetChanges,
    TargetDetails,
)
from assay.scanning.records import inventories, requests
from assay.scanning.records import scanners as records
from assay.storage import Store, pages

KIND = "containerscantarget"
RECIPES_LOOKED_AT_MAX = 200


def create(store: Store, actor: Actor, details: TargetDetails, *, retry_token: str | None = None) -> Scanner:
    """Make a target. The actor must be able to read what it looks at, as its results can be read in its compartment.

    Errors: Refused (NOT_FOUND, also for a recipe that is not there).
    """
    scope = coverage.in_scope(store, actor.tenancy, [details.registry])

    def apply(act: Act) -> Scanner:
        _check_recipe(act, details.recipe)
        _check_registry(store, act, details.registry)
        with coverage.settled(store, act, scope):
            made = _make(store, act, details)
        progress.begin(store, act, Work.CREATE_CONTAINER_SCAN_TARGET, made)
        return made

    return perform(
        store,
        actor,
        "CreateContainerScanTarget",
        locate=lambda _connection: Target(details.compartment),
        change=apply,
        replay=Scanner,
        retry_token=retry_token,
        request=details,
    )


def add(
    store: Store,
    actor: Actor,
    repository: str,
    *,
    image_count: int = IMAGE_COUNT_DEFAULT,
    compartment: str = "",
    display_name: str = "",
    description: str = "",
    retry_token: str | None = None,
) -> Scanner:
    """Add an image scanner to a repository (by OCID): a target on it alone, in its compartment unless another is given.

    Its recipe is one of that compartment that fits, else a new one.
    Errors: Refused (NOT_FOUND, EXISTS when a scanner names the repository already).
    """
    found = repositories.get(store, actor, repository)
    details = RecipeDetails(compartment or found.compartment, image_count=image_count)

    def apply(act: Act) -> Scanner:
        if records.naming(act.connection, found.tenancy, found.name):
            raise Refused(
                f"The repository {found.name} has an image scanner already.",
                advice="Remove it first, or change its recipe.",
                reason=Reason.EXISTS,
            )
        with coverage.settled(store, act, [found]):
            target = TargetDetails(
                compartment=details.compartment,
                recipe=_fitting_recipe(store, act, details),
                registry=Registry(found.compartment, (found.name,)),
                display_name=display_name or f"scanner-{found.name}"[:255],
                description=description,
            )
            made = _make(store, act, target)
        progress.begin(store, act, Work.CREATE_CONTAINER_SCAN_TARGET, made)
        return made

    return perform(
        store,
        actor,
        "CreateContainerScanTarget",
        locate=lambda _connection: Target(details.compartment),
        change=apply,
        replay=Scanner,
        retry_token=retry_token,
        request=(repository, image_count, compartment, display_name, description),
    )


def remove(store: Store, actor: Actor, repository: str) -> Scanner:
    """Remove the image scanner from a repository (by OCID): it is scanned no more, its results stay. The scanner then.

    A target that names other repositories too keeps those. Errors: Refused (NOT_FOUND without a scanner; WRONG_STATE
    when the scanner looks at a whole compartment).
    """
    operation = "DeleteContainerScanTarget"
    found = repositories.get(store, actor, repository)

    def locate(connection: Connection) -> Target:
        return _target(_naming(connection, found))

    def apply(act: Act) -> Scanner:
        scanner = _naming(act.connection, found)
        others = tuple(name for name in scanner.registry.repositories if name != found.name)
        work = Work.UPDATE_CONTAINER_SCAN_TARGET if others else Work.DELETE_CONTAINER_SCAN_TARGET
        change: dict[str, Any] = {"lifecycle_state": LifecycleState.DELETED}
        if others:
            change = {"registry": replace(scanner.registry, repositories=others)}
        with coverage.settled(store, act, [found]):
            changed = records.change_target(act.connection, scanner.ocid, act.now, **change)
        progress.begin(store, act, work, changed)
        return changed

    return perform(store, actor, operation, locate=locate, change=apply)


def of_repository(connection: Connection, repository: Repository) -> Scanner | None:
    """The scanner that looks at a repository. For rooms that have decided already who may know it."""
    return coverage.scanner_of(connection, repository)


def watched(connection: Connection, tenancy: str, found: Iterable[Repository]) -> frozenset[str]:
    """The OCIDs of those repositories of a tenancy that a scanner looks at; as `of_repository`, for many at once."""
    return coverage.watched(connection, tenancy, found)


def get(store: Store, actor: Actor, ocid: str) -> Scanner:
    """One target. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = _known(connection, actor, ocid)
        authorize(connection, actor, "GetContainerScanTarget", _target(found), now=store.clock.now())
        return found


def listed(
    store: Store, actor: Actor, narrow: ScannerFilter, *, limit: int | None = None, page: str = ""
) -> pages.Page[Scanner]:
    """A page of the targets in the filter's compartments. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    operation, reads = "ListContainerScanTargets", "GetContainerScanTarget"
    return listing.page_of(store, actor, operation, narrow, records.targets, limit, page, reads=reads, description="")


def change(store: Store, actor: Actor, ocid: str, changes: TargetChanges, *, if_match: str | None = None) -> Scanner:
    """Change a target: names, recipe, what it looks at. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def apply(act: Act) -> Scanner:
        if changes.recipe is not None:
            _check_recipe(act, changes.recipe)
        if changes.registry is not None:
            _check_registry(store, act, changes.registry)
        return records.change_target(act.connection, ocid, act.now, **listing.columns(changes))

    wanted = [changes.registry] if changes.registry is not None else []
    return _changed(store, actor, ocid, Work.UPDATE_CONTAINER_SCAN_TARGET, apply, wanted, if_match)


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> Scanner:
    """Delete a target; what it found stays. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""

    def apply(act: Act) -> Scanner:
        return records.change_target(act.connection, ocid, act.now, lifecycle_state=LifecycleState.DELETED)

    return _changed(store, actor, ocid, Work.DELETE_CONTAINER_SCAN_TARGET, apply, [], if_match)


def move(
    store: Store,
    actor: Actor,
    ocid: str,
    compartment: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Scanner:
    """Put a target into another compartment, with the results it made: whoever may read them is decided there.

    The actor needs the permission in both. Errors: Refused (NOT_FOUND, ETAG_MISMATCH, RETRY_TOKEN_REUSED).
    """
    operation = "ChangeContainerScanTargetCompartment"

    def apply(act: Act) -> Scanner:
        authorize(act.connection, act.actor, operation, Target(compartment), now=act.now)
        store.database.publication_lock(act.connection, shared=True)
        inventories.move(act.connection, compartment, target=ocid)
        requests.move(act.connection, ocid, compartment)
        return records.change_target(act.connection, ocid, act.now, compartment=compartment)

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        replay=Scanner,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, compartment),
    )


def _locked(connection: Connection, actor: Actor, ocid: str) -> Target:
    found = _known(connection, actor, ocid, lock=True)
    if found.lifecycle_state is LifecycleState.DELETED:
        raise not_found()
    return _target(found)


#: The operation that each work is done by.
_OPERATIONS = {
    Work.UPDATE_CONTAINER_SCAN_TARGET: "UpdateContainerScanTarget",
    Work.DELETE_CONTAINER_SCAN_TARGET: "DeleteContainerScanTarget",
}


def _changed(
    store: Store,
    actor: Actor,
    ocid: str,
    work: Work,
    apply: Callable[[Act], Scanner],
    wanted: list[Registry],
    if_match: str | None,
) -> Scanner:
    with store.database.read() as connection:
        present = _known(connection, actor, ocid)
    scope = coverage.in_scope(store, actor.tenancy, [present.registry, *wanted])

    def settle(act: Act) -> Scanner:
        with coverage.settled(store, act, scope):
            changed = apply(act)
        progress.begin(store, act, work, changed)
        return changed

    return perform(
        store,
        actor,
        _OPERATIONS[work],
        locate=lambda connection: _locked(connection, actor, ocid),
        change=settle,
        if_match=if_match,
    )


def _make(store: Store, act: Act, details: TargetDetails) -> Scanner:
    return records.add_target(
        act.connection,
        act.now,
        registry=details.registry,
        ocid=store.site.new_ocid(KIND).text,
        tenancy=act.actor.tenancy,
        compartment=details.compartment,
        display_name=details.display_name or f"containerscantarget{moment(act.now):%Y%m%d%H%M%S}",
        description=details.description,
        recipe=details.recipe,
        freeform_tags=details.freeform_tags or {},
        defined_tags=details.defined_tags or {},
    )


def _fitting_recipe(store: Store, act: Act, details: RecipeDetails) -> str:
    """A recipe of the compartment that scans as many images, else a new one, which the actor must be able to make."""
    present = records.recipes(
        act.connection, act.actor.tenancy, ScannerFilter((details.compartment,)), None, RECIPES_LOOKED_AT_MAX
    )
    for recipe in present:
        if recipe.image_count == details.image_count and recipe.scan_level is ScanLevel.STANDARD:
            return recipe.ocid
    authorize(act.connection, act.actor, "CreateContainerScanRecipe", Target(details.compartment), now=act.now)
    return recipes.make(store, act, details).ocid


def _check_recipe(act: Act, ocid: str) -> None:
    found = records.recipe(act.connection, act.actor.tenancy, ocid)
    if found is None or found.lifecycle_state is LifecycleState.DELETED:
        raise not_found()
    target = Target(found.compartment, resource=found.ocid)
    authorize(act.connection, act.actor, "GetContainerScanRecipe", target, now=act.now)


def _check_registry(store: Store, act: Act, registry: Registry) -> None:
    for name in registry.repositories or ("",):
        found = repositories.of_name(act.connection, act.actor.tenancy, name) if name else None
        compartment = registry.compartment if found is None else found.compartment
        target = Target(compartment, variables={"target.repo.name": name} if name else {})
        authorize(act.connection, act.actor, "GetContainerImage", target, now=store.clock.now())


def _naming(connection: Connection, repository: Repository) -> Scanner:
    found = records.naming(connection, repository.tenancy, repository.name)
    if found:
        return found[0]
    if coverage.scanner_of(connection, repository) is not None:
        raise Refused(
            f"The scanner of {repository.name} looks at a whole compartment.",
            advice="Change or delete that scan target, or move the repository.",
            reason=Reason.WRONG_STATE,
        )
    raise not_found()


def _known(connection: Connection, actor: Actor, ocid: str, *, lock: bool = False) -> Scanner:
    found = records.target(connection, actor.tenancy, ocid, lock=lock)
    if found is None:
        raise not_found()
    return found


def _target(found: Scanner) -> Target:
    return Target(found.compartment, resource=found.ocid, etag=found.etag, before=found)
