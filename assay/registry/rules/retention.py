"""Retention policies: made, read, listed, changed, deleted.

Who manages repositories in a compartment decides what goes from them by itself, there and below. A policy that reaches
names by a pattern is judged by statements on names with the pattern as the name.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from assay.errors import Reason, Refused, not_found
from assay.iam import Act, Actor, Target, authorize, perform, permitted
from assay.iam.identity import compartments
from assay.registry.model import Repository
from assay.registry.records import retention as records
from assay.registry.rules.model import PolicyDetails, RetentionPolicy
from assay.storage import Store

POLICIES_MAX = 100


def create(
    store: Store, actor: Actor, compartment: str, details: PolicyDetails, *, retry_token: str | None = None
) -> RetentionPolicy:
    """A new policy in a compartment. Errors: Refused (NOT_FOUND, LIMIT_EXCEEDED, EXISTS when it has one so named)."""

    def change(act: Act) -> RetentionPolicy:
        if len(records.of_tenancy(act.connection, actor.tenancy)) >= POLICIES_MAX:
            raise Refused(
                f"The tenancy has {POLICIES_MAX} retention policies.",
                advice="Delete one, or add rules to one.",
                reason=Reason.LIMIT_EXCEEDED,
            )
        _require_free(act, compartment, details.display_name)
        ocid = store.site.new_ocid("retentionpolicy").text
        return records.add(act.connection, ocid, actor.tenancy, compartment, details, act.now)

    return perform(
        store,
        actor,
        "CreateRetentionPolicy",
        locate=lambda _: _place(compartment, details),
        change=change,
        retry_token=retry_token,
        request=(compartment, details),
        replay=RetentionPolicy,
    )


def get(store: Store, actor: Actor, ocid: str) -> RetentionPolicy:
    """One policy. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(connection, actor, ocid)
        authorize(connection, actor, "GetRetentionPolicy", _target(found), now=store.clock.now())
        return found


def listed(store: Store, actor: Actor, compartments: tuple[str, ...] = ()) -> tuple[RetentionPolicy, ...]:
    """The policies that the actor may see, by name; in these compartments if any are given.

    Errors: Refused (NOT_FOUND when nothing may be listed there).
    """
    operation, now = "ListRetentionPolicies", store.clock.now()
    with store.database.read() as connection:
        found = tuple(
            each
            for each in records.of_tenancy(connection, actor.tenancy)
            if (not compartments or each.compartment in compartments)
            and permitted(connection, actor, operation, _target(each), now=now)
        )
        places = compartments or (actor.tenancy,)
        if not found and not any(permitted(connection, actor, operation, Target(each), now=now) for each in places):
            raise not_found()
    return found


def change(
    store: Store, actor: Actor, ocid: str, details: PolicyDetails, *, if_match: str | None = None
) -> RetentionPolicy:
    """Let a policy say something else. Errors: Refused (NOT_FOUND, ETAG_MISMATCH, EXISTS for a name that is taken)."""

    def apply(act: Act) -> RetentionPolicy:
        found = known(act.connection, actor, ocid)
        # By what it reaches now, and by what it is to reach.
        authorize(act.connection, actor, "UpdateRetentionPolicy", _place(found.compartment, details), now=act.now)
        if details.display_name != found.details.display_name:
            _require_free(act, found.compartment, details.display_name)
        return records.change(act.connection, ocid, details, act.now)

    return perform(store, actor, "UpdateRetentionPolicy", locate=_locate(actor, ocid), change=apply, if_match=if_match)


def delete(store: Store, actor: Actor, ocid: str, *, if_match: str | None = None) -> RetentionPolicy:
    """Delete a policy; what it removed can be restored as before. Errors: Refused (NOT_FOUND, ETAG_MISMATCH)."""
    return perform(
        store,
        actor,
        "DeleteRetentionPolicy",
        locate=_locate(actor, ocid),
        change=lambda act: records.delete(act.connection, ocid, act.now),
        if_match=if_match,
    )


def reaching(store: Store, actor: Actor, repository: Repository) -> tuple[RetentionPolicy, ...]:
    """The policies that reach a repository, in force or not, as far as the actor may see them, by name."""
    operation, now = "ListRetentionPolicies", store.clock.now()
    with store.database.read() as connection:
        path = compartments.path_of(connection, actor.tenancy, repository.compartment)
        return tuple(
            each
            for each in records.of_tenancy(connection, actor.tenancy)
            if each.reaches(repository.name, path) and permitted(connection, actor, operation, _target(each), now=now)
        )


def known(connection: Connection, actor: Actor, ocid: str, *, lock: bool = False) -> RetentionPolicy:
    """The policy with that OCID in the actor's tenancy, whatever the actor may. Errors: Refused as if denied."""
    found = records.by_ocid(connection, actor.tenancy, ocid, lock=lock)
    if found is None:
        raise not_found()
    return found


def _require_free(act: Act, compartment: str, name: str) -> None:
    """That no policy of a compartment is called so: people name policies by their names. Errors: Refused (EXISTS)."""
    # Held, so that no other transaction takes the name between this look and the change.
    compartments.hold(act.connection, act.actor.tenancy, compartment)
    policies = records.of_tenancy(act.connection, act.actor.tenancy)
    if any(each.compartment == compartment and each.details.display_name == name for each in policies):
        raise Refused(
            f"The compartment has a retention policy named {name!r} already.",
            advice="Change that one, or choose another name.",
            reason=Reason.EXISTS,
        )


def _locate(actor: Actor, ocid: str) -> Callable[[Connection], Target]:
    return lambda connection: _target(known(connection, actor, ocid, lock=True))


def _target(policy: RetentionPolicy) -> Target:
    return Target(
        compartment=policy.compartment,
        resource=policy.ocid,
        etag=policy.etag,
        variables={"target.repo.name": policy.details.repositories},
        before=policy,
    )


def _place(compartment: str, details: PolicyDetails) -> Target:
    return Target(compartment=compartment, variables={"target.repo.name": details.repositories})
