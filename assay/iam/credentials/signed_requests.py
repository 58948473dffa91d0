"""Who signed a request with an API key: the verb beside the rules of `request_signature` (docs/adr/0015).

Whatever is wrong with a key id (no such user or key, one that has ended, a user who is blocked, another's signature),
the answer and the work are the same: a signature is verified in every case, if need be with a key that nobody has.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.iam import audit, public_keys, request_signature
from assay.iam.actor import Actor, Principal, PrincipalKind
from assay.iam.credentials import lockout
from assay.iam.identity.users import principal_of
from assay.iam.records import api_keys as records
from assay.iam.records import identities
from assay.iam.request_signature import Checked, KeyId, SignedRequest, is_signed
from assay.storage import Store

__all__ = ["SignedLogin", "SignedRequest", "authenticate", "forget", "is_signed", "log_in"]

#: What audit calls the attempt to be somebody.
OPERATION = "AuthenticateRequest"

#: The private half of this was thrown away before it was stored anywhere.
_NOBODYS_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzEMnrth4joc1GykIrSw8
Qkopq/yiVWupBT7+Ehn3tdOIWoCYTmJAZQSLEDJWasw/2h8dOqWyFBUEZ9Zxpmh6
qFIk1kMnlHJUJVQMyJ+2CD1xw+yLWs1MPPCLOosGR9IYFVmKX82WTvQW6d3d6NP5
/j0eVYmGotlv6z13S35lM4UXJIjkkMkVIit1DKRHivE35YpZhdPvMEA/P1QQgXUc
XcgpD4Fd++alEfFd8ZrU69dwEyji442iIP39C/oKbOVdpO1S6PoOM8zgDuiBnf8A
dEWPvd/3sW6RPjpqm66xtE7sZH26mFeTXaB+AstpG4w1o+PRW8p6fFwTaW9tjTXg
hQIDAQAB
-----END PUBLIC KEY-----
"""


@dataclass(frozen=True, slots=True)
class SignedLogin:
    """Who signed a request, in which tenancy, and the fingerprint of the API key that they signed it with."""

    principal: Principal
    tenancy: str
    fingerprint: str


def log_in(store: Store, request: SignedRequest, *, address: str = "", request_id: str = "") -> SignedLogin:
    """Who signed a request that changes nothing, so that a token may stand for it. Errors: as of `authenticate`."""
    actor, checked = _signed(store, request, address, request_id)
    return SignedLogin(actor.principal, actor.tenancy, checked.signature.key_id.fingerprint)


def authenticate(store: Store, request: SignedRequest, *, once: bool, address: str = "", request_id: str = "") -> Actor:
    """The user who signed a request. With `once` (it changes something) the same signature isn't taken again.

    Errors: Refused (NOT_AUTHENTICATED for a request that breaks a rule, saying which, and with one text for everything
    that concerns the key; TOO_MANY_REQUESTS after too many failures; WRONG_STATE for a signature that was used).
    """
    actor, checked = _signed(store, request, address, request_id)
    if once:
        _use(store, actor, checked, store.clock.now())
    return actor


def _signed(store: Store, request: SignedRequest, address: str, request_id: str) -> tuple[Actor, Checked]:
    now = store.clock.now()
    checked = request_signature.check(request, now)
    key_id = checked.signature.key_id
    with store.database.read() as connection:
        row = records.signer(connection, key_id.tenancy, key_id.user, key_id.fingerprint, now)
    is_genuine = request_signature.is_genuine(public_keys.loaded(row.public_key if row else _NOBODYS_KEY), checked)
    if row is None or not is_genuine:
        raise _failed(store, key_id, address, request_id, now)
    return Actor(
        Principal(PrincipalKind.USER, row.user_name, key_id.user), key_id.tenancy, address, request_id
    ), checked


def forget(store: Store) -> None:
    """Upkeep: forget the signatures whose date alone refuses them by now."""
    with store.database.write() as connection:
        records.forget_signatures(connection, store.clock.now())


def _use(store: Store, actor: Actor, checked: Checked, now: Instant) -> None:
    """Take a signature for good, before what it asks for is done: of two that come at once, one is carried out."""
    with store.database.write() as connection:
        if records.use_signature(connection, actor.tenancy, checked.signature.digest(), checked.time_over):
            return
        audit.record(
            connection,
            actor,
            OPERATION,
            now,
            compartment=actor.tenancy,
            resource=actor.principal.ocid,
            denied_because="The signed request had come before.",
        )
    # The clients try IncorrectState again by themselves, with a new date and so with another signature (oci-api 1.3).
    raise Refused(
        "This signed request was taken before, and is not carried out twice.",
        advice="If it is meant once more, sign it again: its date says which second it is of.",
        reason=Reason.WRONG_STATE,
    )


def _failed(store: Store, key_id: KeyId, address: str, request_id: str, now: Instant) -> Refused:
    """Count the failure, and audit it where the user is somebody; the refusal tells neither apart.

    A pause concerns failures alone: who signs rightly is never kept out by others who fail.
    """
    attempt = lockout.Attempt("request signature", str(key_id), address, by_name=False)
    with store.database.write() as connection:
        try:
            lockout.require_unlocked(connection, attempt, now)
        except Refused as pause:
            return pause
        lockout.count(connection, attempt, now)
        _audit(connection, key_id, address, request_id, now)
    return Refused(
        "The request is not signed with an API key that is valid here.",
        advice="Check tenancy, user, fingerprint and key_file in the profile, and that the key was uploaded.",
        reason=Reason.NOT_AUTHENTICATED,
    )


def _audit(connection: Connection, key_id: KeyId, address: str, request_id: str, now: Instant) -> None:
    user = identities.get_user(connection, key_id.tenancy, key_id.user)
    if user is not None:
        audit.record(
            connection,
            Actor(principal_of(user), user.tenancy, address, request_id),
            OPERATION,
            now,
            compartment=user.compartment,
            resource=user.ocid,
            denied_because="The request was not signed with a valid API key of the user.",
        )
