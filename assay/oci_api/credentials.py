"""Credentials of users: one-time passwords and auth tokens (oci-api 2.6). API keys come with request signatures."""

from typing import Any

from assay.clock import SECOND, rfc3339
from assay.iam.credentials import auth_tokens, passwords
from assay.iam.credentials.auth_tokens import AuthToken
from assay.oci_api.frame import Call, Reply, Row


def token_reply(token: AuthToken) -> dict[str, Any]:
    """An AuthToken; the secret only when it was just made."""
    return {
        "id": token.ocid,
        "userId": token.user,
        "description": token.description,
        "token": token.token.reveal() if token.token else None,
        "lifecycleState": token.lifecycle_state,
        "timeCreated": rfc3339(token.time_created),
        "timeExpires": None if token.time_expires is None else rfc3339(token.time_expires),
    }


def _reset_password(call: Call) -> Reply:
    made = passwords.reset(call.app.store, call.actor, call.path["user"], if_match=call.if_match)
    return Reply({"userId": made.user, "password": made.password.reveal()})


def _create_auth_token(call: Call) -> Reply:
    lifetime = call.field("lifetimeInSeconds", int, None)
    made = auth_tokens.create(
        call.app.store,
        call.actor,
        call.path["user"],
        call.field("description", str, ""),
        **({} if lifetime is None else {"lifetime": lifetime * SECOND}),
        retry_token=call.retry_token,
    )
    return Reply(token_reply(made), etag=made.etag)


def _list_auth_tokens(call: Call) -> Reply:
    found = auth_tokens.listed(call.app.store, call.actor, call.path["user"])
    return Reply([token_reply(each) for each in found])


def _update_auth_token(call: Call) -> Reply:
    found = auth_tokens.update(
        call.app.store,
        call.actor,
        call.path["user"],
        call.path["token"],
        description=call.field("description", str),
        if_match=call.if_match,
    )
    return Reply(token_reply(found), etag=found.etag)


def _delete_auth_token(call: Call) -> Reply:
    auth_tokens.delete(call.app.store, call.actor, call.path["user"], call.path["token"], if_match=call.if_match)
    return Reply()


_USER = "/20160918/users/{user}"
_TOKEN = f"{_USER}/authTokens/{{token}}"

ROWS: tuple[Row, ...] = (
    Row("POST", f"{_USER}/uiPassword", "CreateOrResetUIPassword", _reset_password),
    Row("POST", f"{_USER}/authTokens", "CreateAuthToken", _create_auth_token),
    Row("GET", f"{_USER}/authTokens", "ListAuthTokens", _list_auth_tokens),
    Row("PUT", _TOKEN, "UpdateAuthToken", _update_auth_token),
    Row("DELETE", _TOKEN, "DeleteAuthToken", _delete_auth_token),
)
