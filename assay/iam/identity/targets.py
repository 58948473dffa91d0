"""What the Identity verbs act on, as `authorize` and audit see it; and the one answer for what isn't there."""

from typing import TypeVar

from assay.errors import not_found
from assay.iam.authorization import Target
from assay.iam.resources import Compartment, DynamicGroup, Group, NetworkSource, Policy, State, User

T = TypeVar("T")


def known(found: T | None) -> T:
    """What was found. Errors: Refused as if denied, so that missing and forbidden look alike."""
    if found is None:
        raise not_found()
    return found


def of_user(user: User) -> Target:
    """A user; users lie in the tenancy itself."""
    names = {"target.user.id": user.ocid, "target.user.name": user.name}
    return Target(user.compartment, user.ocid, user.etag, names, user)


def of_group(group: Group) -> Target:
    """A group; groups lie in the tenancy itself."""
    names = {"target.group.id": group.ocid, "target.group.name": group.name}
    return Target(group.compartment, group.ocid, group.etag, names, group)


def of_user_and_group(user: User, group: Group) -> Target:
    """A user's place in a group: conditions on either hold for it."""
    return Target(group.compartment, "", None, {**of_user(user).variables, **of_group(group).variables})


def of_dynamic_group(group: DynamicGroup) -> Target:
    """A dynamic group; like groups they lie in the tenancy itself."""
    return Target(group.compartment, group.ocid, group.etag, {"target.dynamicgroup.name": group.name}, group)


def of_network_source(source: NetworkSource) -> Target:
    """A network source; they lie in the tenancy itself."""
    return Target(source.compartment, source.ocid, source.etag, {"target.networksource.name": source.name}, source)


def of_policy(policy: Policy) -> Target:
    """A policy, in the compartment that it is attached to."""
    names = {"target.policy.id": policy.ocid, "target.policy.name": policy.name}
    return Target(policy.compartment, policy.ocid, policy.etag, names, policy)


def of_compartment(compartment: Compartment) -> Target:
    """A compartment, which is judged by what holds inside it; one that is deleted, by what holds in its parent."""
    inside = compartment.lifecycle_state is State.ACTIVE
    return Target(
        compartment.ocid if inside else compartment.compartment,
        compartment.ocid,
        compartment.etag,
        {},
        compartment,
    )
