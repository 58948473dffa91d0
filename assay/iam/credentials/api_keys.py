"""API keys: the public keys that a user's signed requests are verified with, three for each user (oci-api 2.6).

Two that hold at once make a rotation without a gap; one that is deleted, or has ended, verifies nothing from then on.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.iam import public_keys
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authorization import Target, authorize
from assay.iam.credentials import lifetimes
from assay.iam.credentials.lifetimes import LIFETIME
from assay.iam.credentials.owners import owner
from assay.iam.identity.targets import known
from assay.iam.records import api_keys as records
from assay.iam.request_signature import KeyId
from assay.iam.resources import State
from assay.storage import Store

KEYS_MAX = 3
#: OCI's bit for "disabled" in inactiveStatus (the SDK's model of User: bit 1).
DISABLED = 2


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A public key of a user: PEM, and the fingerprint by which its user's clients name it. INACTIVE is over."""

    ocid: str
    tenancy: str
    user: str
    fingerprint: str
    public_key: str
    lifecycle_state: State
    time_created: Instant
    time_expires: Instant | None
    etag: str

    @property
    def key_id(self) -> str:
        """`<tenancy>/<user>/<fingerprint>`: what signed requests call it."""
        return str(KeyId(self.tenancy, self.user, self.fingerprint))

    @property
    def inactive_status(self) -> int | None:
        """OCI's code for why it is inactive: that it has ended, which of its reasons is nearest to "disabled"."""
        return DISABLED if self.lifecycle_state is State.INACTIVE else None


def upload(
    store: Store,
    actor: Actor,
    user: str,
    pem: str,
    *,
    lifetime: int | None = LIFETIME,
    retry_token: str | None = None,
) -> ApiKey:
    """Add a public key to a user. `lifetime` in microseconds; None for one that doesn't expire.

    Errors: Refused (NOT_FOUND; LIMIT_EXCEEDED when the user has three; EXISTS; what `public_keys.read` refuses).
    """
    key = public_keys.read(pem)
    lifetimes.require(lifetime, "key")

    def change(act: Act) -> ApiKey:
        if records.get_key(act.connection, actor.tenancy, user, key.fingerprint) is not None:
            raise Refused("The user has this key already.", advice="Upload another one.", reason=Reason.EXISTS)
        if records.count_keys(act.connection, user) >= KEYS_MAX:
            raise Refused(
                f"The user has {KEYS_MAX} API keys already.", advice="Delete one first.", reason=Reason.LIMIT_EXCEEDED
            )
        ocid = store.site.new_ocid("apikey", regional=False).text
        records.insert_key(
            act.connection,
            ocid,
            actor.tenancy,
            act.now,
            user,
            key.fingerprint,
            public_key=key.pem,
            time_expires=lifetimes.end_of(act.now, lifetime),
        )
        return _key(known(records.get_key(act.connection, actor.tenancy, user, key.fingerprint)), act.now)

    return perform(
        store,
        actor,
        "UploadApiKey",
        locate=lambda connection: owner(connection, actor, user, lock=True),
        change=change,
        replay=ApiKey,
        request=(user, key, lifetime),
        retry_token=retry_token,
    )


def listed(store: Store, actor: Actor, user: str) -> tuple[ApiKey, ...]:
    """A user's API keys, oldest first. Errors: Refused (NOT_FOUND)."""
    now = store.clock.now()
    with store.database.read() as connection:
        authorize(connection, actor, "ListApiKeys", owner(connection, actor, user), now=now)
        return tuple(_key(row, now) for row in records.keys_of(connection, user))


def delete(store: Store, actor: Actor, user: str, fingerprint: str, *, if_match: str | None = None) -> None:
    """Delete a key: requests signed with it are refused at once. Errors: Refused (NOT_FOUND)."""

    def locate(connection: Connection) -> Target:
        whose = owner(connection, actor, user)
        row = known(records.get_key(connection, actor.tenancy, user, fingerprint, lock=True))
        found = _key(row, store.clock.now())
        return Target(whose.compartment, found.ocid, found.etag, whose.variables, found)

    def change(act: Act) -> None:
        found = known(records.get_key(act.connection, actor.tenancy, user, fingerprint))
        records.delete_key(act.connection, found.ocid)

    perform(store, actor, "DeleteApiKey", locate=locate, change=change, if_match=if_match)


def _key(row: Row[Any], now: int) -> ApiKey:
    state = State.INACTIVE if lifetimes.is_over(row.time_expires, now) else State.ACTIVE
    return ApiKey(
        row.ocid,
        row.tenancy,
        row.user,
        row.fingerprint,
        row.public_key,
        state,
        row.time_created,
        row.time_expires,
        row.etag,
    )
