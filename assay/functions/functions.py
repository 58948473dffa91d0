"""Verbs on functions: definitions that name an image of this registry. Running them is no part of Assay."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import msgspec
from sqlalchemy import Connection

from assay.admission.examine import FoundImage, Gate
from assay.admission.model import Listing
from assay.errors import Reason, Refused
from assay.functions import applications, images, records
from assay.functions.model import Application, Function, FunctionChange, FunctionDetails, State
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, authorize, perform, work_requests
from assay.iam.identity import seen
from assay.iam.work_requests import Work
from assay.oci import Digest
from assay.registry import repositories
from assay.storage import Store
from assay.storage.pages import Page


def target_of(function: Function) -> Target:
    """A function as what an operation acts on."""
    return Target(compartment=function.compartment, resource=function.ocid, etag=function.etag, before=function)


def create(
    store: Store, actor: Actor, details: FunctionDetails, *, gate: Gate, retry_token: str | None = None
) -> Function:
    """A new function, on the digest that its image has now. The application's policy decides on the image.

    Errors: Refused (NOT_FOUND for the application, RELATED_NOT_FOUND for the image, MALFORMED for an image of another
    registry, EXISTS, LIMIT_EXCEEDED, IMAGE_NOT_VERIFIED when the policy denies the image).
    """

    def locate(connection: Connection) -> Target:
        of = records.get_application(connection, actor.tenancy, details.application, lock=True)
        return Target(compartment=of.compartment)

    def change(act: Act) -> Function:
        of = records.get_application(act.connection, actor.tenancy, details.application)
        applications.require_living(of)
        applications.require_room(act.connection, of, of.policy, more=1)
        if records.function_named(act.connection, of, details.display_name) is not None:
            raise Refused(
                f"There is a function named {details.display_name!r} in the application.",
                advice="Use another name.",
                reason=Reason.EXISTS,
            )
        found = _image(act, of, details.display_name, details.image, details.image_digest, gate)
        ocid = store.site.new_ocid("fnfunc").text
        made = records.insert_function(act.connection, ocid, of, details, _columns(details.image, found), act.now)
        work_requests.begin(store, act, Work.CREATE_FUNCTION, made)
        return made

    return perform(
        store,
        actor,
        "CreateFunction",
        locate=locate,
        change=change,
        replay=Function,
        request=details,
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, function: str) -> Function:
    """The function of that OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        return readable(store, connection, actor, function, "GetFunction")


def listed(store: Store, actor: Actor, application: str, listing: Listing | None = None) -> Page[Function]:
    """A page of the functions of an application. Errors: Refused (NOT_FOUND, PAGE_TOKEN)."""
    with store.database.read() as connection:
        of = records.get_application(connection, actor.tenancy, application)
        authorize(connection, actor, "ListFunctions", Target(compartment=of.compartment), now=store.clock.now())
        found = records.functions(store, connection, of, listing or Listing())
        unread: dict[str, Any] = {"config": {}, "kept": {}}
        items = seen.as_seen(store, connection, actor, "GetFunction", found.items, target_of, **unread)
        return replace(found, items=items)


def update(
    store: Store, actor: Actor, function: str, wanted: FunctionChange, *, gate: Gate, if_match: str | None = None
) -> Function:
    """Change a function. An image that is given, the same one too, is pinned to the digest that it has now.

    Errors: as `create`, and ETAG_MISMATCH.
    """

    def change(act: Act, found: Function) -> None:
        values: dict[str, object] = {
            "config": wanted.config,
            "kept": None if wanted.kept is None else {**found.kept, **wanted.kept},
            "freeform_tags": wanted.freeform_tags,
            "defined_tags": wanted.defined_tags,
        }
        values = {column: value for column, value in values.items() if value is not None}
        if wanted.resources is not None:
            values["resources"] = msgspec.to_builtins(wanted.resources)
        of = records.get_application(act.connection, actor.tenancy, found.application)
        if wanted.image is not None or wanted.image_digest is not None:
            text = found.image if wanted.image is None else wanted.image
            values |= _columns(text, _image(act, of, found.display_name, text, wanted.image_digest, gate))
        elif of.policy.enabled:
            # Any update is a deployment: the policy is asked again, of the digest on which the function stays.
            _image(act, of, found.display_name, found.image, found.image_digest, gate)
        records.change(act.connection, records.function, found.ocid, act.now, values)

    return _changed(store, actor, "UpdateFunction", function, change, if_match, Work.UPDATE_FUNCTION)


def delete(store: Store, actor: Actor, function: str, *, if_match: str | None = None) -> Function:
    """Delete a function; its image stays. Errors: Refused (NOT_FOUND, WRONG_STATE, ETAG_MISMATCH)."""

    def change(act: Act, found: Function) -> None:
        gone = {"lifecycle_state": State.DELETED, "time_deleted": act.now}
        records.change(act.connection, records.function, found.ocid, act.now, gone)

    return _changed(store, actor, "DeleteFunction", function, change, if_match, Work.DELETE_FUNCTION)


def invoke(store: Store, actor: Actor, function: str, *, gate: Gate) -> NoReturn:
    """Always Refused: NOT_FOUND for a function that the actor may not invoke, WRONG_STATE for one that is deleted,
    IMAGE_NOT_VERIFIED for one whose image the application's policy denies, UNSUPPORTED for any other.
    """
    with store.database.read() as connection:
        found = readable(store, connection, actor, function, "InvokeFunction")
        _require_living(found)
        of = records.get_application(connection, actor.tenancy, found.application)
        images.require_invocable(connection, of, found.image, found.image_digest, gate, store.clock.now())
    raise Refused(
        f"Assay keeps the definition of {found.display_name!r} and watches its image; it does not run functions.",
        advice=f"Run {found.image_digest} where you run containers.",
        reason=Reason.UNSUPPORTED,
    )


def principal_of(store: Store, tenancy: str, function: str) -> Principal:
    """A function as who acts, for conditions on the repository of its image. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = records.get_function(connection, tenancy, function)
        repository = repositories.of_ocid(connection, tenancy, found.repository)
    return Principal(PrincipalKind.FUNCTION, found.display_name, found.ocid, repository.name if repository else "")


def readable(store: Store, connection: Connection, actor: Actor, function: str, operation: str) -> Function:
    """The function, if the actor may do `operation` on it. Errors: Refused (NOT_FOUND)."""
    found = records.get_function(connection, actor.tenancy, function)
    authorize(connection, actor, operation, target_of(found), now=store.clock.now())
    return found


def _image(act: Act, of: Application, name: str, image: str, digest: Digest | None, gate: Gate) -> FoundImage:
    by = images.examination(act.connection, act.actor, of, of.policy, of.key_names, gate, act.now)
    return images.require_allowed(by, images.with_digest(image, digest), name)


def _columns(image: str, found: FoundImage) -> dict[str, str]:
    return {
        "image": image,
        "image_digest": found.candidate.digest.text,
        "repository": found.repository,
        "tag": found.candidate.tag,
    }


def _require_living(function: Function) -> None:
    if function.state is State.DELETED:
        raise Refused(
            f"The function {function.display_name!r} is deleted.",
            advice="Create a new one.",
            reason=Reason.WRONG_STATE,
        )


def _changed(
    store: Store,
    actor: Actor,
    operation: str,
    function: str,
    change: Callable[[Act, Function], None],
    if_match: str | None,
    work: Work,
) -> Function:
    """Perform a change of one living function, locked meanwhile; the function as it is then."""

    def apply(act: Act) -> Function:
        found = records.get_function(act.connection, actor.tenancy, function)
        _require_living(found)
        change(act, found)
        changed = records.get_function(act.connection, actor.tenancy, function)
        work_requests.begin(store, act, work, changed)
        return changed

    return perform(
        store,
        actor,
        operation,
        locate=lambda connection: target_of(records.get_function(connection, actor.tenancy, function, lock=True)),
        change=apply,
        if_match=if_match,
    )
