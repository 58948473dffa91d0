"""The one way in: every verb that changes state goes through `perform`.

In one transaction it answers a repeated request from its retry token, finds the target, checks the permission and the
etag, makes the change, and writes the audit row, the facts and the retry token's answer. What fails leaves nothing;
what is denied leaves an audit row.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Table, Text, delete, select

from assay.clock import DAY, Instant
from assay.errors import Reason, Refused, not_found
from assay.events import Fact
from assay.iam import audit
from assay.iam.actor import Actor
from assay.iam.authorization import Target, authorize
from assay.iam.records import owned
from assay.secret import Secret
from assay.storage import Store, metadata, outbox

RETRY_TOKEN_KEPT = DAY
RETRY_TOKEN_LENGTH_MAX = 128
#: How operations are called that make what has an OCID.
_MAKING = ("Create", "Upload", "AddUserToGroup")

#: Answers to requests that carried `opc-retry-token`, kept for 24 hours (oci-api 1.3). Never holds a secret.
answers = Table(
    "retry_token",
    metadata,
    Column("tenancy", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("compartment", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("time_created", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

T = TypeVar("T")


class Act:
    """What a change is given: the transaction, who acts, the time, and where to announce facts."""

    __slots__ = ("actor", "connection", "now")

    def __init__(self, connection: Connection, actor: Actor, now: Instant) -> None:
        self.connection = connection
        self.actor = actor
        self.now = now

    def announce(self, fact: Fact) -> int:
        """Put a fact into the outbox of this transaction; the row's id."""
        return outbox.announce(self.connection, fact, self.now)

    def announce_all(self, facts: Sequence[Fact]) -> None:
        """Put several facts of one aggregate into the outbox, in their order."""
        outbox.announce_all(self.connection, facts, self.now)

    def record(self, operation: str, target: Target, after: object = None) -> None:
        """Write an audit row of its own for one of several things that are done at once."""
        audit.record(
            self.connection,
            self.actor,
            operation,
            self.now,
            compartment=target.compartment,
            resource=target.resource,
            before=target.before,
            after=after,
        )


def perform(
    store: Store,
    actor: Actor,
    operation: str,
    *,
    locate: Callable[[Connection], Target],
    change: Callable[[Act], T],
    if_match: str | None = None,
    retry_token: str | None = None,
    request: object = None,
    replay: type[T] | None = None,
    is_recorded: bool = True,
) -> T:
    """Do `operation` (a row of `permissions.OPERATIONS`) as `actor`; what `change` returns.

    `locate` finds the target, with `with_for_update()` where a row is to be changed; `change` writes. With
    `retry_token` the same `request` within 24 hours gets the first answer again, read as `replay` (secrets in it as
    `***`); another request under the same token is refused. `is_recorded` is False for a step that changes nothing that
    anybody can see, and whose outcome another verb records; a denied attempt at it leaves an audit row all the same.

    Errors: Refused (NOT_FOUND when missing or not permitted, ETAG_MISMATCH, RETRY_TOKEN_REUSED, what `change` refuses),
    Unavailable.
    """
    now = store.clock.now()
    target = Target(compartment=actor.tenancy)
    try:
        with store.database.write() as connection:
            token = _Token.of(connection, actor, operation, retry_token, request, now) if retry_token else None
            if token is not None and token.answer is not None and replay is not None:
                first = msgspec.json.decode(token.answer, type=replay, dec_hook=_decode)
                _require_standing(connection, actor, operation, first)
                return first
            target = locate(connection)
            authorize(connection, actor, operation, target, now=now)
            _check_etag(if_match, target)
            result = change(Act(connection, actor, now))
            if is_recorded:
                audit.record(
                    connection,
                    actor,
                    operation,
                    now,
                    compartment=target.compartment,
                    resource=target.resource or _ocid_of(result),
                    before=target.before,
                    after=result,
                )
            if token is not None:
                token.keep(connection, target.compartment, result)
            return result
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        _record_denial(store, actor, operation, target, refusal)
        # Not as Denied: a door would write it into the log once more.
        raise not_found() from None


def _require_standing(connection: Connection, actor: Actor, operation: str, first: object) -> None:
    """A repeated creation must not give what was deleted since as if it were there (oci-api 1.3).

    Some rows go for good when they are deleted (memberships, tokens, keys): none is like one that says so.
    """
    if operation.startswith(_MAKING) and owned.get(connection, actor.tenancy, _ocid_of(first)) is None:
        raise Refused(
            "What the first request with this retry token made is deleted since.",
            advice="Use a fresh token to make another.",
            reason=Reason.RETRY_TOKEN_REUSED,
        )


def _check_etag(if_match: str | None, target: Target) -> None:
    if if_match is not None and if_match != target.etag:
        raise Refused(
            "The resource has changed since it was read.",
            advice="Read it again, and send the etag that comes with it.",
            reason=Reason.ETAG_MISMATCH,
        )


class _Token:
    """A retry token as it is found: with an answer, or new."""

    def __init__(self, key: dict[str, str], request: str, answer: str | None, now: Instant) -> None:
        self.key = key
        self.request = request
        self.answer = answer
        self.now = now

    @classmethod
    def of(
        cls, connection: Connection, actor: Actor, operation: str, token: str, request: object, now: Instant
    ) -> "_Token":
        """The token's state. Errors: Refused when it came with another request before."""
        if len(token) > RETRY_TOKEN_LENGTH_MAX:
            raise Refused(f"The retry token is longer than {RETRY_TOKEN_LENGTH_MAX} characters.")
        connection.execute(delete(answers).where(answers.c.time_created < now - RETRY_TOKEN_KEPT))
        key = {
            "tenancy": actor.tenancy,
            "principal": f"{actor.principal.kind}/{actor.principal.ocid or actor.principal.name}",
            "operation": operation,
            "token": token,
        }
        fingerprint = hashlib.sha256(msgspec.json.encode(request, enc_hook=audit.without_secrets)).hexdigest()
        found = connection.execute(select(answers.c.request, answers.c.answer).filter_by(**key)).one_or_none()
        if found is not None and found.request != fingerprint:
            raise Refused(
                "The retry token was used for another request.",
                advice="Use a fresh token for each request.",
                reason=Reason.RETRY_TOKEN_REUSED,
            )
        return cls(key, fingerprint, found.answer if found else None, now)

    def keep(self, connection: Connection, compartment: str, result: object) -> None:
        """Store the answer."""
        answer = msgspec.json.encode(result, enc_hook=audit.without_secrets).decode()
        connection.execute(
            answers.insert().values(
                **self.key, compartment=compartment, request=self.request, answer=answer, time_created=self.now
            )
        )


def _record_denial(store: Store, actor: Actor, operation: str, target: Target, refusal: Refused) -> None:
    with store.database.write() as connection:
        audit.record(
            connection,
            actor,
            operation,
            store.clock.now(),
            compartment=target.compartment,
            resource=target.resource,
            denied_because=refusal.message,
        )


def _ocid_of(result: object) -> str:
    return str(getattr(result, "ocid", ""))


def _decode(kind: type, value: Any) -> Any:
    if kind is Secret:
        return Secret(value)
    raise TypeError(f"{kind.__name__} cannot be read back")
