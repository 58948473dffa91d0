"""Identity: compartments, users, groups, memberships, policies; tenancy and namespace (oci-api 2.6, 2.7).

Lists are bare arrays here. API keys come with request signatures.
"""

from typing import Any

from assay.clock import rfc3339
from assay.iam import Target, authorize
from assay.iam.identity import compartments, groups, policies, resources, services, tenancies, users
from assay.oci_api.frame import Call, Reply, Row
from assay.oci_api.wire import tags_reply


def _described(resource: resources.Compartment | resources.User | resources.Group | resources.Policy) -> dict[str, Any]:
    """The members that all described resources share."""
    return {
        "id": resource.ocid,
        "compartmentId": resource.compartment,
        "name": resource.name,
        "description": resource.description,
        "lifecycleState": resource.lifecycle_state,
        "timeCreated": rfc3339(resource.time_created),
        **tags_reply(resource),
    }


def compartment_reply(compartment: resources.Compartment) -> dict[str, Any]:
    """A Compartment."""
    return {**_described(compartment), "isAccessible": True}


def user_reply(user: resources.User) -> dict[str, Any]:
    """A User."""
    last = user.time_last_sign_in
    return {
        **_described(user),
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


def policy_reply(policy: resources.Policy) -> dict[str, Any]:
    """A Policy."""
    return {**_described(policy), "statements": policy.statements, "versionDate": policy.version_date or None}


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


def _tags(call: Call) -> resources.Tags:
    return resources.Tags(
        call.field("freeformTags", dict[str, str], {}), call.field("definedTags", dict[str, dict[str, Any]], {})
    )


def _changed_tags(call: Call) -> resources.Tags | None:
    return _tags(call) if "freeformTags" in call.body or "definedTags" in call.body else None


def _listing(call: Call) -> resources.Listing:
    sort_by = resources.SortBy(call.choice("sortBy", tuple(resources.SortBy), resources.SortBy.NAME))
    return resources.Listing(
        sort_by=sort_by,
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC") == "DESC",
        limit=call.limit,
        page=call.page or "",
        name=call.query.get("name", ""),
        state=call.query.get("lifecycleState", ""),
    )


def _create_compartment(call: Call) -> Reply:
    made = compartments.create(
        call.app.store,
        call.actor,
        call.field("compartmentId", str),
        call.field("name", str),
        call.field("description", str, ""),
        _tags(call),
        retry_token=call.retry_token,
    )
    return Reply(compartment_reply(made), etag=made.etag)


def _list_compartments(call: Call) -> Reply:
    page = compartments.listed(
        call.app.store,
        call.actor,
        call.needed("compartmentId"),
        _listing(call),
        subtree=bool(call.flag("compartmentIdInSubtree")),
    )
    return Reply([compartment_reply(each) for each in page.items], next_page=page.next_page)


def _get_compartment(call: Call) -> Reply:
    found = compartments.get(call.app.store, call.actor, call.path["compartment"])
    return Reply(compartment_reply(found), etag=found.etag)


def _update_compartment(call: Call) -> Reply:
    found = compartments.update(
        call.app.store,
        call.actor,
        call.path["compartment"],
        name=call.field("name", str, None),
        description=call.field("description", str, None),
        tags=_changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(compartment_reply(found), etag=found.etag)


def _delete_compartment(call: Call) -> Reply:
    compartments.delete(call.app.store, call.actor, call.path["compartment"], if_match=call.if_match)
    return Reply()


def _create_user(call: Call) -> Reply:
    made = users.create(
        call.app.store,
        call.actor,
        call.field("name", str),
        call.field("description", str, ""),
        email=call.field("email", str, ""),
        tags=_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(user_reply(made), etag=made.etag)


def _list_users(call: Call) -> Reply:
    page = users.listed(call.app.store, call.actor, _listing(call))
    return Reply([user_reply(each) for each in page.items], next_page=page.next_page)


def _get_user(call: Call) -> Reply:
    found = users.get(call.app.store, call.actor, call.path["user"])
    return Reply(user_reply(found), etag=found.etag)


def _update_user(call: Call) -> Reply:
    found = users.update(
        call.app.store,
        call.actor,
        call.path["user"],
        description=call.field("description", str, None),
        email=call.field("email", str, None),
        tags=_changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(user_reply(found), etag=found.etag)


def _update_user_state(call: Call) -> Reply:
    found = users.set_blocked(
        call.app.store,
        call.actor,
        call.path["user"],
        blocked=call.field("blocked", bool),
        if_match=call.if_match,
    )
    return Reply(user_reply(found), etag=found.etag)


def _delete_user(call: Call) -> Reply:
    users.delete(call.app.store, call.actor, call.path["user"], if_match=call.if_match)
    return Reply()


def _create_group(call: Call) -> Reply:
    made = groups.create(
        call.app.store,
        call.actor,
        call.field("name", str),
        call.field("description", str, ""),
        tags=_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(_described(made), etag=made.etag)


def _list_groups(call: Call) -> Reply:
    page = groups.listed(call.app.store, call.actor, _listing(call))
    return Reply([_described(each) for each in page.items], next_page=page.next_page)


def _get_group(call: Call) -> Reply:
    found = groups.get(call.app.store, call.actor, call.path["group"])
    return Reply(_described(found), etag=found.etag)


def _delete_group(call: Call) -> Reply:
    groups.delete(call.app.store, call.actor, call.path["group"], if_match=call.if_match)
    return Reply()


def _add_member(call: Call) -> Reply:
    made = groups.add_user(
        call.app.store,
        call.actor,
        call.field("userId", str),
        call.field("groupId", str),
        retry_token=call.retry_token,
    )
    return Reply(membership_reply(made), etag=made.etag)


def _list_members(call: Call) -> Reply:
    page = groups.memberships(
        call.app.store,
        call.actor,
        user=call.query.get("userId", ""),
        group=call.query.get("groupId", ""),
        listing=_listing(call),
    )
    return Reply([membership_reply(each) for each in page.items], next_page=page.next_page)


def _get_member(call: Call) -> Reply:
    found = groups.membership(call.app.store, call.actor, call.path["membership"])
    return Reply(membership_reply(found), etag=found.etag)


def _remove_member(call: Call) -> Reply:
    groups.remove_user(call.app.store, call.actor, call.path["membership"], if_match=call.if_match)
    return Reply()


def _create_policy(call: Call) -> Reply:
    made = policies.create(
        call.app.store,
        call.actor,
        call.field("compartmentId", str),
        call.field("name", str),
        call.field("statements", list[str]),
        call.field("description", str, ""),
        version_date=call.field("versionDate", str, ""),
        tags=_tags(call),
        retry_token=call.retry_token,
    )
    return Reply(policy_reply(made), etag=made.etag)


def _list_policies(call: Call) -> Reply:
    page = policies.listed(call.app.store, call.actor, call.needed("compartmentId"), _listing(call))
    return Reply([policy_reply(each) for each in page.items], next_page=page.next_page)


def _get_policy(call: Call) -> Reply:
    found = policies.get(call.app.store, call.actor, call.path["policy"])
    return Reply(policy_reply(found), etag=found.etag)


def _update_policy(call: Call) -> Reply:
    found = policies.update(
        call.app.store,
        call.actor,
        call.path["policy"],
        statements=call.field("statements", list[str], None),
        description=call.field("description", str, None),
        version_date=call.field("versionDate", str, None),
        tags=_changed_tags(call),
        if_match=call.if_match,
    )
    return Reply(policy_reply(found), etag=found.etag)


def _delete_policy(call: Call) -> Reply:
    policies.delete(call.app.store, call.actor, call.path["policy"], if_match=call.if_match)
    return Reply()


def _list_missing_statements(call: Call) -> Reply:
    """What the service principals lack in this tenancy, as statements to add; none for those that lack nothing."""
    store, now = call.app.store, call.app.store.clock.now()
    with store.database.read() as connection:
        authorize(connection, call.actor, "ListPolicies", Target(compartment=call.actor.tenancy), now=now)
        found = {
            service.name: services.missing_statements(connection, call.actor.tenancy, needed, now=now)
            for service, needed in services.NEEDED.items()
        }
    return Reply({"items": [{"service": name, "statements": missing} for name, missing in found.items() if missing]})


def _add_statements(call: Call) -> Reply:
    name = call.field("policyName", str, policies.SERVICE_ACCESS)
    found = policies.add_statements(call.app.store, call.actor, call.field("statements", list[str]), name=name)
    return Reply(policy_reply(found), etag=found.etag)


def _get_tenancy(call: Call) -> Reply:
    found = tenancies.get(call.app.store, call.actor, call.path["tenancy"])
    body = {
        "id": found.ocid,
        "name": found.name,
        "description": found.description,
        "homeRegionKey": found.home_region,
        **tags_reply(found),
    }
    return Reply(body, etag=found.etag)


def _get_namespace(call: Call) -> Reply:
    return Reply(tenancies.namespace(call.app.store, call.actor, call.query.get("compartmentId", "")))


_V = "/20160918"
_USER = f"{_V}/users/{{user}}"

ROWS: tuple[Row, ...] = (
    Row("GET", "/n", "GetNamespace", _get_namespace),
    Row("GET", f"{_V}/tenancies/{{tenancy}}", "GetTenancy", _get_tenancy),
    Row("POST", f"{_V}/compartments", "CreateCompartment", _create_compartment),
    Row("GET", f"{_V}/compartments", "ListCompartments", _list_compartments),
    Row("GET", f"{_V}/compartments/{{compartment}}", "GetCompartment", _get_compartment),
    Row("PUT", f"{_V}/compartments/{{compartment}}", "UpdateCompartment", _update_compartment),
    Row("DELETE", f"{_V}/compartments/{{compartment}}", "DeleteCompartment", _delete_compartment),
    Row("POST", f"{_V}/users", "CreateUser", _create_user),
    Row("GET", f"{_V}/users", "ListUsers", _list_users),
    Row("GET", _USER, "GetUser", _get_user),
    Row("PUT", _USER, "UpdateUser", _update_user),
    Row("PUT", f"{_USER}/state", "UpdateUserState", _update_user_state),
    Row("DELETE", _USER, "DeleteUser", _delete_user),
    Row("POST", f"{_V}/groups", "CreateGroup", _create_group),
    Row("GET", f"{_V}/groups", "ListGroups", _list_groups),
    Row("GET", f"{_V}/groups/{{group}}", "GetGroup", _get_group),
    Row("DELETE", f"{_V}/groups/{{group}}", "DeleteGroup", _delete_group),
    Row("POST", f"{_V}/userGroupMemberships", "AddUserToGroup", _add_member),
    Row("GET", f"{_V}/userGroupMemberships", "ListUserGroupMemberships", _list_members),
    Row("GET", f"{_V}/userGroupMemberships/{{membership}}", "GetUserGroupMembership", _get_member),
    Row("DELETE", f"{_V}/userGroupMemberships/{{membership}}", "RemoveUserFromGroup", _remove_member),
    Row("POST", f"{_V}/policies", "CreatePolicy", _create_policy),
    Row("GET", f"{_V}/policies", "ListPolicies", _list_policies),
    Row("GET", f"{_V}/policies/{{policy}}", "GetPolicy", _get_policy),
    Row("PUT", f"{_V}/policies/{{policy}}", "UpdatePolicy", _update_policy),
    Row("DELETE", f"{_V}/policies/{{policy}}", "DeletePolicy", _delete_policy),
    Row("GET", "/20260901/missingStatements", "ListPolicies", _list_missing_statements),
    Row("POST", "/20260901/policyStatements", "UpdatePolicy", _add_statements),
)
