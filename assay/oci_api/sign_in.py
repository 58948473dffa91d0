"""Who calls: a session token as bearer, or a request signature; and the operations that begin and end a session."""

from starlette.requests import Request

from assay.app import App
from assay.clock import rfc3339
from assay.errors import Reason, Refused
from assay.iam import ANONYMOUS, Actor
from assay.iam.credentials import passwords, sessions, signed_requests
from assay.iam.identity import tenancies
from assay.oci_api.contract import Gives, Need
from assay.oci_api.frame import Call, Reply, Row, address_of, bearer_of, takes
from assay.oci_api.targets import target_of
from assay.secret import Secret

#: Operations that are no GET and yet leave nothing behind: their requests may come twice (docs/adr/0015).
LEAVE_NOTHING = frozenset(
    {
        "CreateKubeconfig",
        "Decrypt",
        "Encrypt",
        "GenerateDataEncryptionKey",
        "LookupContainerImageByUri",
        "Sign",
        "Verify",
    }
)


def authenticate(app: App, request: Request, body: bytes, row: Row, request_id: str) -> Actor:
    """Who calls, by the one Authorization header: a session token as bearer, or a request signature.

    Errors: Refused (NOT_AUTHENTICATED, …).
    """
    said = request.headers.getlist("authorization")
    if len(said) > 1:
        raise Refused("There is more than one Authorization header.", reason=Reason.NOT_AUTHENTICATED)
    if not said or not signed_requests.is_signed(said[0]):
        return sessions.resume(app.store, _present(bearer_of(request))).actor(address_of(request), request_id)
    signed = signed_requests.SignedRequest(
        request.method, target_of(request), tuple((name, value) for name, value in request.headers.raw), body
    )
    once = row.method not in ("GET", "HEAD") and row.name not in LEAVE_NOTHING
    return signed_requests.authenticate(
        app.store, signed, once=once, address=address_of(request), request_id=request_id
    )


def nobody(_app: App, request: Request, _body: bytes, _row: Row, request_id: str) -> Actor:
    """A caller who need not say who they are, for signing in."""
    return Actor(ANONYMOUS, "", address_of(request), request_id)


def _present(token: Secret | None) -> Secret:
    if token is None:
        raise Refused(
            "The request does not say who calls.",
            advice="Sign in (assay login), or sign the request.",
            reason=Reason.NOT_AUTHENTICATED,
        )
    return token


@takes(Gives.ONE, body={"user": Need(str), "password": Need(str)})
def _sign_in(call: Call) -> Reply:
    signed_in = sessions.sign_in(
        call.app.store,
        call.field("user"),
        Secret(call.field("password")),
        address=call.actor.address,
        request_id=call.actor.request_id,
        lifetime=call.app.settings.session_lifetime,
    )
    session = signed_in.session
    body = {
        "token": signed_in.token.reveal(),
        "tenancyId": session.tenancy,
        "userId": session.user,
        "userName": session.user_name,
        "mustChangePassword": session.must_change_password,
        "timeExpires": rfc3339(session.time_expires),
    }
    return Reply(body)


@takes(Gives.NOTHING, body={"currentPassword": Need(str), "newPassword": Need(str)})
def _change_password(call: Call) -> Reply:
    passwords.change(
        call.app.store,
        _present(call.bearer),
        Secret(call.field("currentPassword")),
        Secret(call.field("newPassword")),
        address=call.actor.address,
        request_id=call.actor.request_id,
    )
    return Reply()


@takes(Gives.NOTHING)
def _sign_out(call: Call) -> Reply:
    sessions.sign_out(
        call.app.store, _present(call.bearer), address=call.actor.address, request_id=call.actor.request_id
    )
    return Reply()


@takes(Gives.ONE)
def _who_am_i(call: Call) -> Reply:
    return Reply(
        {
            "userId": call.actor.principal.ocid,
            "userName": call.actor.principal.name,
            "tenancyId": call.actor.tenancy,
            "namespace": tenancies.namespace(call.app.store, call.actor),
            "registry": call.app.settings.registry_host,
        }
    )


_SESSIONS = "/20260901/sessions"

#: For signed-in callers.
ROWS: tuple[Row, ...] = (Row("GET", f"{_SESSIONS}/current", "GetSession", _who_am_i),)

#: For callers whose session is what the operation is about.
OPEN_ROWS: tuple[Row, ...] = (
    Row("POST", _SESSIONS, "SignIn", _sign_in),
    Row("DELETE", f"{_SESSIONS}/current", "SignOut", _sign_out),
    Row("POST", f"{_SESSIONS}/current/actions/changePassword", "ChangePassword", _change_password),
)
