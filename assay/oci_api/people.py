"""Identity: users, groups and memberships (oci-api 2.6). Lists are bare arrays."""

from typing import Any

from assay.clock import rfc3339
from assay.iam.identity import groups, resources, users
from assay.oci_api.contract import IN_COMPARTMENT, Gives, Need
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.identity_wire import (
    DESCRIBED,
    LISTED,
    NEW,
    changed_tags,
    described_reply,
    identity_tags,
    in_tenancy,
    listing_of,
)


def user_reply(user: resources.User) -> dict[str, Any]:
    """A User."""
    last = user.time_last_sign_in
    return {
        **described_reply(user),
        "email": user.email or None,
        "emailVerified": False,
        "inactiveStatus": user.inactive_status,
        "isMfaActivated": False,
        "lastSuccessfulLoginTime": None if last is None else rfc3339(last),
        "capabilities": {
            "canUseConsolePassword": True,
            "canUseApiKeys": True,
            "canUseAuthTokens": True,
            "canUseSmtpCredentials": False,
            "canUseDbCredentials": False,
            "canUseCustomerSecretKeys": False,
            "canUseOAuth2ClientCredentials": False,
        },
    }


def membership_reply(membership: resources.Membership) -> dict[str, Any]:
    """A UserGroupMembership."""
    return {
        "id": membership.ocid,
        "compartmentId": membership.compartment,
        "userId": membership.user,
        "groupId": membership.group,
        "lifecycleState": membership.lifecycle_state,
        "timeCreated": rfc3339(membership.time_created),
    }


@takes(Gives.ONE, body={**IN_COMPARTMENT, **NEW, "email": str})
def _create_user(call: Call) -> Reply:
    made = users.create(
        call.app.store,
        in_tenancy(call).actor,
        call.field("name"),
        call.field("description"),
        email=call.field("email", ""),
        tags=identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(user_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list_users(call: Call) -> Reply:
    page = users.listed(call.app.store, in_tenancy(call).actor, listing_of(call))
    return Reply([user_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_user(call: Call) -> Reply:
    found = users.get(call.app.store, call.actor, call.path["user"])
    return Reply(user_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"email": str, **DESCRIBED})
def _update_user(call: Call) -> Reply:
    found = users.update(
        call.app.store,
        call.actor,
        call.path["user"],
        description=call.field("description"),
        email=call.field("email"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(user_reply(found), etag=found.etag)


@takes(Gives.ONE, body={"blocked": bool})
def _update_user_state(call: Call) -> Reply:
    found = users.set_blocked(
        call.app.store,
        call.actor,
        call.path["user"],
        blocked=call.field("blocked"),
        if_match=call.if_match,
    )
    return Reply(user_reply(found), etag=found.etag)


@takes(Gives.REFUSAL)
def _update_capabilities(call: Call) -> Reply:
    users.refuse_capabilities(call.app.store, call.actor, call.path["user"])


@takes(Gives.NOTHING)
def _delete_user(call: Call) -> Reply:
    users.delete(call.app.store, call.actor, call.path["user"], if_match=call.if_match)
    return Reply()


@takes(Gives.ONE, body={**IN_COMPARTMENT, **NEW})
def _create_group(call: Call) -> Reply:
    made = groups.create(
        call.app.store,
        in_tenancy(call).actor,
        call.field("name"),
        call.field("description"),
        tags=identity_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(described_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, **LISTED})
def _list_groups(call: Call) -> Reply:
    page = groups.listed(call.app.store, in_tenancy(call).actor, listing_of(call))
    return Reply([described_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_group(call: Call) -> Reply:
    found = groups.get(call.app.store, call.actor, call.path["group"])
    return Reply(described_reply(found), etag=found.etag)


@takes(Gives.ONE, body=DESCRIBED)
def _update_group(call: Call) -> Reply:
    found = groups.update(
        call.app.store,
        call.actor,
        call.path["group"],
        description=call.field("description"),
        tags=changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(described_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_group(call: Call) -> Reply:
    groups.delete(call.app.store, call.actor, call.path["group"], if_match=call.if_match)
    return Reply()


@takes(Gives.ONE, body={"userId": Need(str), "groupId": Need(str)})
def _add_member(call: Call) -> Reply:
    made = groups.add_user(
        call.app.store,
        call.actor,
        call.field("userId"),
        call.field("groupId"),
        retry_token=call.retry_token,
    )
    return Reply(membership_reply(made), etag=made.etag)


@takes(Gives.LIST, query={**IN_COMPARTMENT, "userId": str, "groupId": str, **LISTED})
def _list_members(call: Call) -> Reply:
    page = groups.memberships(
        call.app.store,
        in_tenancy(call).actor,
        user=call.query.get("userId", ""),
        group=call.query.get("groupId", ""),
        listing=listing_of(call),
    )
    return Reply([membership_reply(each) for each in page.items], next_page=page.next_page)


@takes(Gives.ONE)
def _get_member(call: Call) -> Reply:
    found = groups.membership(call.app.store, call.actor, call.path["membership"])
    return Reply(membership_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _remove_member(call: Call) -> Reply:
    groups.remove_user(call.app.store, call.actor, call.path["membership"], if_match=call.if_match)
    return Reply()


_V = "/20160918"
_USER = f"{_V}/users/{{user}}"
_GROUP = f"{_V}/groups/{{group}}"
_MEMBER = f"{_V}/userGroupMemberships/{{membership}}"

ROWS: tuple[Row, ...] = (
    Row("POST", f"{_V}/users", "CreateUser", _create_user),
    Row("GET", f"{_V}/users", "ListUsers", _list_users),
    Row("GET", _USER, "GetUser", _get_user),
    Row("PUT", _USER, "UpdateUser", _update_user),
    Row("PUT", f"{_USER}/state", "UpdateUserState", _update_user_state),
    Row("PUT", f"{_USER}/capabilities", "UpdateUserCapabilities", _update_capabilities),
    Row("DELETE", _USER, "DeleteUser", _delete_user),
    Row("POST", f"{_V}/groups", "CreateGroup", _create_group),
    Row("GET", f"{_V}/groups", "ListGroups", _list_groups),
    Row("GET", _GROUP, "GetGroup", _get_group),
    Row("PUT", _GROUP, "UpdateGroup", _update_group),
    Row("DELETE", _GROUP, "DeleteGroup", _delete_group),
    Row("POST", f"{_V}/userGroupMemberships", "AddUserToGroup", _add_member),
    Row("GET", f"{_V}/userGroupMemberships", "ListUserGroupMemberships", _list_members),
    Row("GET", _MEMBER, "GetUserGroupMembership", _get_member),
    Row("DELETE", _MEMBER, "RemoveUserFromGroup", _remove_member),
)
