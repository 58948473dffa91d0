"""Verbs on applications. An application's image verification policy binds every function in it.

Source: Functions' signature enforcement (oci-api 4.4): at most five functions in an application with a policy, and a
policy cannot be set while the image of an existing function has no valid signature by one of its keys.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from assay.admission import ImagePolicy, clusters
from assay.admission.examine import Gate
from assay.errors import Reason, Refused
from assay.functions import images, records
from assay.functions.model import Application, ApplicationChange, ApplicationDetails, State
from assay.iam import Act, Actor, Target, authorize, perform
from assay.storage import Store, pages
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
        return records.insert_application(act.connection, ocid, actor.tenancy, details, key_names, act.now)

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


def listed(
    store: Store, actor: Actor, compartment: str, *, name: str | None = None, limit: int | None = None, page: str = ""
) -> Page[Application]:
    """A page of the applications of a compartment by name. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    asked = ("applications", actor.tenancy, compartment, name)
    with store.database.read() as connection:
        authorize(connection, actor, "ListApplications", Target(compartment=compartment), now=store.clock.now())

        def fetch(after: records.After, rows_max: int) -> tuple[Application, ...]:
            return records.applications(
                connection, actor.tenancy, compartment, name=name, after=after, rows_max=rows_max
            )

        return page_by_name(store, asked, fetch, limit, page)


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

    Errors: Refused (NOT_FOUND, WRONG_STATE, LIMIT_EXCEEDED, NOT_ALLOWED with the function that does not comply).
    """
    key_names = clusters.names_of_keys(store, actor, wanted.policy) if wanted.policy else ()

    def change(act: Act, found: Application) -> None:
        values = {
            "config": wanted.config,
            "kept": wanted.kept,
            "freeform_tags": wanted.freeform_tags,
            "defined_tags": wanted.defined_tags,
        }
        values = {column: value for column, value in values.items() if value is not None}
        if wanted.policy is not None:
            _require_compliance(act, found, wanted.policy, key_names, gate)
            values |= records.policy_columns(wanted.policy, key_names)
        records.change(act.connection, records.application, found.ocid, act.now, values)

    return _changed(store, actor, "UpdateApplication", application, change, if_match)


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

    return _changed(store, actor, "DeleteApplication", application, change, if_match)


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


def page_by_name(
    store: Store,
    asked: tuple[object, ...],
    fetch: Callable[[records.After, int], tuple[records.Named, ...]],
    limit: int | None,
    page: str,
) -> Page[records.Named]:
    """A page of what `fetch(after, rows_max)` gives by display name and OCID. Errors: Refused (PAGE_TOKEN)."""
    rows = pages.page_rows(limit)
    after: records.After = None
    if page:
        name, ocid = pages.decode_page(store.page_key, asked, page)
        after = (str(name), str(ocid))
    found = fetch(after, rows + 1)
    shown = found[:rows]
    if len(found) <= rows:
        return Page(shown)
    return Page(shown, pages.encode_page(store.page_key, asked, (shown[-1].display_name, shown[-1].ocid)))


def _require_compliance(
    act: Act, application: Application, policy: ImagePolicy, key_names: tuple[str, ...], gate: Gate
) -> None:
    if not policy.enabled:
        return
    require_room(act.connection, application, policy, more=0)
    by = images.examination(act.connection, act.actor, application, policy, key_names, gate, act.now)
    for function in records.functions(
        act.connection, application, name=None, after=None, rows_max=FUNCTIONS_WITH_POLICY_MAX
    ):
        images.require_allowed(by, images.with_digest(function.image, function.image_digest), function.display_name)


def _changed(
    store: Store,
    actor: Actor,
    operation: str,
    application: str,
    change: Callable[[Act, Application], None],
    if_match: str | None,
) -> Application:
    """Perform a change of one living application, locked meanwhile; the application as it is then."""

    def apply(act: Act) -> Application:
        found = records.get_application(act.connection, actor.tenancy, application)
        require_living(found)
        change(act, found)
        return records.get_application(act.connection, actor.tenancy, application)

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: target_of(records.get_application(connection, actor.tenancy, application, lock=True)),
        change=apply,
        if_match=if_match,
    )
