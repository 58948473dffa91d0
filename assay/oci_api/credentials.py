"""Credentials of users: one-time passwords, API keys and auth tokens (oci-api 2.6)."""

from typing import Any

from assay.clock import SECOND, rfc3339
from assay.iam.credentials import api_keys, auth_tokens, passwords
from assay.iam.credentials.api_keys import ApiKey
from assay.iam.credentials.auth_tokens import AuthToken
from assay.oci_api.contract import Gives, Need
from assay.oci_api.frame import Call, Reply, Row, takes


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


def key_reply(key: ApiKey) -> dict[str, Any]:
    """An ApiKey."""
    return {
        "keyId": key.key_id,
        "keyValue": key.public_key,
        "fingerprint": key.fingerprint,
        "userId": key.user,
        "timeCreated": rfc3339(key.time_created),
        "timeExpires": None if key.time_expires is None else rfc3339(key.time_expires),
        "lifecycleState": key.lifecycle_state,
        "inactiveStatus": key.inactive_status,
    }


def _lifetime(call: Call) -> int:
    """How long a new credential is to last, in microseconds: what the body says, else what the settings say."""
    asked: int | None = call.field("lifetimeInSeconds")
    return call.app.settings.credential_lifetime if asked is None else asked * SECOND


@takes(Gives.ONE)
def _reset_password(call: Call) -> Reply:
    made = passwords.reset(call.app.store, call.actor, call.path["user"], if_match=call.if_match)
    return Reply({"userId": made.user, "password": made.password.reveal()})


@takes(Gives.ONE, body={"description": Need(str), "lifetimeInSeconds": int})
def _create_auth_token(call: Call) -> Reply:
    made = auth_tokens.create(
        call.app.store,
        call.actor,
        call.path["user"],
        call.field("description"),
        lifetime=_lifetime(call),
        retry_token=call.retry_token,
    )
    return Reply(token_reply(made), etag=made.etag)


@takes(Gives.LIST)
def _list_auth_tokens(call: Call) -> Reply:
    found = auth_tokens.listed(call.app.store, call.actor, call.path["user"])
    return Reply([token_reply(each) for each in found])


@takes(Gives.ONE, body={"description": str})
def _update_auth_token(call: Call) -> Reply:
    found = auth_tokens.update(
        call.app.store,
        call.actor,
        call.path["user"],
        call.path["token"],
        description=call.field("description"),
        if_match=call.if_match,
    )
    return Reply(token_reply(found), etag=found.etag)


@takes(Gives.NOTHING)
def _delete_auth_token(call: Call) -> Reply:
    auth_tokens.delete(call.app.store, call.actor, call.path["user"], call.path["token"], if_match=call.if_match)
    return Reply()


@takes(Gives.ONE, body={"key": Need(str), "lifetimeInSeconds": int})
def _upload_api_key(call: Call) -> Reply:
    made = api_keys.upload(
        call.app.store,
        call.actor,
        call.path["user"],
        call.field("key"),
        lifetime=_lifetime(call),
        retry_token=call.retry_token,
    )
    return Reply(key_reply(made), etag=made.etag)


@takes(Gives.LIST)
def _list_api_keys(call: Call) -> Reply:
    return Reply([key_reply(each) for each in api_keys.listed(call.app.store, call.actor, call.path["user"])])


@takes(Gives.NOTHING)
def _delete_api_key(call: Call) -> Reply:
    api_keys.delete(call.app.store, call.actor, call.path["user"], call.path["fingerprint"], if_match=call.if_match)
    return Reply()


_USER = "/20160918/users/{user}"
_TOKEN = f"{_USER}/authTokens/{{token}}"

ROWS: tuple[Row, ...] = (
    Row("POST", f"{_USER}/uiPassword", "CreateOrResetUIPassword", _reset_password),
    Row("POST", f"{_USER}/apiKeys", "UploadApiKey", _upload_api_key),
    Row("GET", f"{_USER}/apiKeys", "ListApiKeys", _list_api_keys),
    Row("DELETE", f"{_USER}/apiKeys/{{fingerprint}}", "DeleteApiKey", _delete_api_key),
    Row("POST", f"{_USER}/authTokens", "CreateAuthToken", _create_auth_token),
    Row("GET", f"{_USER}/authTokens", "ListAuthTokens", _list_auth_tokens),
    Row("PUT", _TOKEN, "UpdateAuthToken", _update_auth_token),
    Row("DELETE", _TOKEN, "DeleteAuthToken", _delete_auth_token),
)
