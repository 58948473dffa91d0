"""Recipes: how scanners scan (VSS: container scan recipes; oci-api 2.2)."""

from sqlalchemy import Connection

from assay.clock import moment
from assay.errors import Reason, Refused, not_found
from assay.iam import Act, Actor, Target, authorize, perform, work_requests
from assay.iam.work_requests import Work
from assay.scanning import coverage, listing
from assay.scanning.model import LifecycleState, Recipe, RecipeChanges, RecipeDetails, ScannerFilter
from assay.scanning.records import scanners as records
from assay.storage import Store, pages

KIND = "containerscanrecipe"


def create(store: Store, actor: Actor, details: RecipeDetails, *, retry_token: str | None = None) -> Recipe:
    """Make a recipe. Errors: Refused (NOT_FOUND)."""
    return perform(
        store,
        actor,
        "CreateContainerScanRecipe",
        locate=lambda _connection: Target(details.compartment),
        change=lambda act: make(store, act, details),
        replay=Recipe,
        retry_token=retry_token,
        request=details,
    )


def make(store: Store, act: Act, details: RecipeDetails) -> Recipe:
    """Write a recipe inside an act that has been permitted."""
    made = records.add_recipe(
        act.connection,
        act.now,
        ocid=store.site.new_ocid(KIND).text,
        tenancy=act.actor.tenancy,
        compartment=details.compartment,
        display_name=details.display_name or f"containerscanrecipe{moment(act.now):%Y%m%d%H%M%S}",
        image_count=details.image_count,
        scan_level=details.scan_level,
        freeform_tags=details.freeform_tags or {},
        defined_tags=details.defined_tags or {},
    )
    work_requests.begin(store, act, Work.CREATE_CONTAINER_SCAN_RECIPE, made)
    return made


def get(store: Store, actor: Actor, ocid: str) -> Recipe:
    """One recipe. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = _known(connection, actor, ocid)
        authorize(connection, actor, "GetContainerScanRecipe", _target(found), now=store.clock.now())
        return found


def listed(
    store: Store, actor: Actor, narrow: ScannerFilter, *, limit: int | None = None, page: str = ""
) -> pages.Page[Recipe]:
    """A page of the recipes in the filter's compartments. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    operation, reads = "ListContainerScanRecipes", "GetContainerScanRecipe"
    return listing.page_of(store, actor, operation, narrow, records.recipes, limit, page, reads=reads)


def change(store: Store, actor: Actor, ocid: str, changes: RecipeChanges, *, if_match: str | None = None) -> Recipe:
    """Change a recipe. Scan level NONE lets its targets look at nothing any more, STANDARD takes them up again.

    Errors: Refused (NOT_FOUND, ETAG_MISMATCH).
    """
    with store.database.read() as connection:
        targets = records.targets_of_recipe(connection, ocid)
    scope = coverage.in_scope(store, actor.tenancy, [each.registry for each in targets])

    def apply(act: Act) -> Recipe:
        with coverage.settled(store, act, scope):
            changed = records.change_recipe(act.connection, ocid, act.now, **listing.columns(changes))
        work_requests.begin(store, act, Work.UPDATE_CONTAINER_SCAN_RECIPE, changed)
        return changed

    return perform(
        store,
        actor,
        "UpdateContainerScanRecipe",
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        if_match=if_match,
    )


def move(
    store: Store,
    actor: Actor,
    ocid: str,
    compartment: str,
    *,
    if_match: str | None = None,
    retry_token: str | None = None,
) -> Recipe:
    """Put a recipe into another compartment; the actor needs the permission in both. Its targets go on using it.

    Errors: Refused (NOT_FOUND, ETAG_MISMATCH, RETRY_TOKEN_REUSED).
    """
    operation = "ChangeContainerScanRecipeCompartment"

    def apply(act: Act) -> Recipe:
        authorize(act.connection, act.actor, operation, Target(compartment), now=act.now)
        return records.change_recipe(act.connection, ocid, act.now, compartment=compartment)

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        replay=Recipe,
        if_match=if_match,
        retry_token=retry_token,
        request=(ocid, compartment),
    )


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> Recipe:
    """Delete a recipe. Errors: Refused (NOT_FOUND, ETAG_MISMATCH, WRONG_STATE while a target uses it)."""

    def apply(act: Act) -> Recipe:
        if records.targets_of_recipe(act.connection, ocid):
            raise Refused(
                "A scan target uses this recipe.",
                advice="Delete its targets, or give them another recipe, first.",
                reason=Reason.WRONG_STATE,
            )
        gone = records.change_recipe(act.connection, ocid, act.now, lifecycle_state=LifecycleState.DELETED)
        work_requests.begin(store, act, Work.DELETE_CONTAINER_SCAN_RECIPE, gone)
        return gone

    return perform(
        store,
        actor,
        "DeleteContainerScanRecipe",
        locate=lambda connection: _locked(connection, actor, ocid),
        change=apply,
        if_match=if_match,
    )


def _known(connection: Connection, actor: Actor, ocid: str, *, lock: bool = False) -> Recipe:
    found = records.recipe(connection, actor.tenancy, ocid, lock=lock)
    if found is None:
        raise not_found()
    return found


def _locked(connection: Connection, actor: Actor, ocid: str) -> Target:
    found = _known(connection, actor, ocid, lock=True)
    if found.lifecycle_state is LifecycleState.DELETED:
        raise not_found()
    return _target(found)


def _target(found: Recipe) -> Target:
    return Target(found.compartment, resource=found.ocid, etag=found.etag, before=found)
