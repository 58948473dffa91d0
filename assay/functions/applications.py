"""Verbs on applications. An application's image verification policy binds every function in it.

Source: Functions' signature enforcement (oci-api 4.4): at most five functions in an application with a policy, and a
policy cannot be set while the image of an existing function has no valid signature by one of its keys.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from assay.admission import ImagePolicy, clusters
from assay.admission.examine import Gate
from assay.admission.model import Listing
from assay.errors import Reason, Refused
from assay.functions import images, records
from assay.functions.model import Application, ApplicationChange, ApplicationDetails, State
from assay.iam import Act, Actor, Target, authorize, perform, work_requests
from assay.iam.identity import seen
from assay.iam.work_requests import Work
from assay.storage import Store
from assay.storage.pages import Page

FUNCTIONS_WITH_POLICY_MAX = 5


def target_of(application: Application) -> Target:
    """An application as what an operation acts on."""
    return Target(
        compartment=application.compartment, resource=application.ocid, etag=application.etag, before=application
    )


def create(store: Store, actor: Actor, details: ApplicationDetails, *, retry_token: str | None = None) -> Application:
    """A new application. Errors: Refused (NOT_FOUND when not permitted or a key is not there, EXISTS)."""
    key_names = clusters.names_of_keys(store, actor, details.policy)

    def change(act: Act) -> Application:
        if records.application_named(act.connection, actor.tenancy, details.display_name) is not None:
            raise Refused(
                f"There is an application named {details.display_name!r}.",
                advice="Use another name.",
                reason=Reason.EXISTS,
            )
        ocid = store.site.new_ocid("fnapp").text
        made = records.insert_application(act.connection, ocid, actor.tenancy, details, key_names, act.now)
        work_requests.begin(store, act, Work.CREATE_APPLICATION, made)
        return made

    return perform(
        store,
        actor,
        "CreateApplication",
        locate=lambda _: Target(compartment=details.compartment),
        change=change,
        replay=Application,
        request=details,
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, application: str) -> Application:
    """The application of that OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return readable(store, connection, actor, application, "GetApplication")


def listed(store: Store, actor: Actor, compartment: str, listing: Listing | None = None) -> Page[Application]:
    """A page of the applications of a compartment. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListApplications", Target(compartment=compartment), now=store.clock.now())
        found = records.applications(store, connection, actor.tenancy, compartment, listing or Listing())
        unread: dict[str, Any] = {"config": {}, "kept": {}}
        items = seen.as_seen(store, connection, actor, "GetApplication", found.items, target_of, **unread)
        return replace(found, items=items)


def update(
    store: Store,
    actor: Actor,
    application: str,
    wanted: ApplicationChange,
    *,
    gate: Gate,
    if_match: str | None = None,
) -> Application:
    """Change an application. A policy is set only if every function in it complies with it.

    Errors: Refused (NOT_FOUND, WRONG_STATE, LIMIT_EXCEEDED, IMAGE_NOT_VERIFIED with the function that does not
    comply).
    """
    key_names = clusters.names_of_keys(store, actor, wanted.policy) if wanted.policy else ()

    def change(act: Act, found: Application) -> None:
        values = {
            "config": wanted.config,
            "kept": None if wanted.kept is None else {**found.kept, **wanted.kept},
            "freeform_tags": wanted.freeform_tags,
            "defined_tags": wanted.defined_tags,
        }
        values = {column: value for column, value in values.items() if value is not None}
        if wanted.policy is not None:
            _require_compliance(store, act, found, wanted.policy, key_names, gate)
            values |= records.policy_columns(wanted.policy, key_names)
        records.change(act.connection, records.application, found.ocid, act.now, values)

    return _changed(store, actor, "UpdateApplication", application, change, if_match, Work.UPDATE_APPLICATION)


def move(store: Store, actor: Actor, application: str, compartment: str, *, if_match: str | None = None) -> Application:
    """Put an application with its functions into another compartment of its tenancy.

    The actor needs the permission where it lies and where it is to lie. Errors: Refused (NOT_FOUND, WRONG_STATE,
    ETAG_MISMATCH).
    """
    operation = "ChangeApplicationCompartment"

    def change(act: Act, found: Application) -> None:
        authorize(act.connection, actor, operation, Target(compartment, found.ocid), now=act.now)
        records.move_application(act.connection, found.ocid, compartment, act.now)

    return _changed(store, actor, operation, application, change, if_match, None)


def delete(store: Store, actor: Actor, application: str, *, if_match: str | None = None) -> Application:
    """Delete an application that has no functions. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, found: Application) -> None:
        if records.count_functions(act.connection, found):
            raise Refused(
                f"The application {found.display_name!r} has functions.",
                advice="Delete its functions first.",
                reason=Reason.WRONG_STATE,
            )
        gone = {"lifecycle_state": State.DELETED, "time_deleted": act.now}
        records.change(act.connection, records.application, found.ocid, act.now, gone)

    return _changed(store, actor, "DeleteApplication", application, change, if_match, Work.DELETE_APPLICATION)


def readable(store: Store, connection: Connection, actor: Actor, application: str, operation: str) -> Application:
    """The application, if the actor may do `operation` on it. Errors: Refused (NOT_FOUND)."""
    found = records.get_application(connection, actor.tenancy, application)
    authorize(connection, actor, operation, target_of(found), now=store.clock.now())
    return found


def require_living(application: Application) -> None:
    """Refused (WRONG_STATE) when the application is deleted."""
    if application.state is State.DELETED:
        raise Refused(
            f"The application {application.display_name!r} is deleted.",
            advice="Create a new one.",
            reason=Reason.WRONG_STATE,
        )


def require_room(connection: Connection, application: Application, policy: ImagePolicy, *, more: int) -> None:
    """Refused (LIMIT_EXCEEDED) when an application with a policy would have more than five functions."""
    if policy.enabled and records.count_functions(connection, application) + more > FUNCTIONS_WITH_POLICY_MAX:
        raise Refused(
            f"An application with an image verification policy has at most {FUNCTIONS_WITH_POLICY_MAX} functions.",
            advice="Put the function into another application.",
            reason=Reason.LIMIT_EXCEEDED,
        )


def _require_compliance(
    store: Store, act: Act, application: Application, policy: ImagePolicy, key_names: tuple[str, ...], gate: Gate
) -> None:
    if not policy.enabled:
        return
    require_room(act.connection, application, policy, more=0)
    by = images.examination(act.connection, act.actor, application, policy, key_names, gate, act.now)
    listing = Listing(limit=FUNCTIONS_WITH_POLICY_MAX)
    for function in records.functions(store, act.connection, application, listing).items:
        images.require_verified(by, images.with_digest(function.image, function.image_digest), function.display_name)


def _changed(
    store: Store,
    actor: Actor,
    operation: str,
    application: str,
    change: Callable[[Act, Application], None],
    if_match: str | None,
    work: Work | None,
) -> Application:
    """Perform a change of one living application, locked meanwhile; the application as it is then."""

    def apply(act: Act) -> Application:
        found = records.get_application(act.connection, actor.tenancy, application)
        require_living(found)
        change(act, found)
        changed = records.get_application(act.connection, actor.tenancy, application)
        if work is not None:
            work_requests.begin(store, act, work, changed)
        return changed

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: target_of(records.get_application(connection, actor.tenancy, application, lock=True)),
        change=apply,
        if_match=if_match,
    )
