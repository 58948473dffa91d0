"""Statements on passwords, sessions, tokens and failed sign-ins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, select, update

from assay.clock import Instant
from assay.iam.records import api_keys, rows
from assay.iam.records.tables import auth_token, session, sign_in_failure, user
from assay.iam.resources import State, Tags
from assay.storage import insert


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """The password of a user: its hash, if there is one."""

    hash: str | None
    must_change: bool


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session with its user, as long as that one is active."""

    tenancy: str
    user: str
    user_name: str
    must_change_password: bool
    address: str
    time_created: Instant
    time_expires: Instant
    time_idle_out: Instant


@dataclass(frozen=True, slots=True)
class Failures:
    """How often something failed, and until when it is locked."""

    failures: int
    time_last: Instant
    locked_until: Instant


def password_of(connection: Connection, user_ocid: str) -> StoredPassword:
    """The password of a user who is there."""
    query = select(user.c.password_hash, user.c.must_change_password).where(user.c.ocid == user_ocid)
    return StoredPassword(*connection.execute(query).one())


def set_password(
    connection: Connection, user_ocid: str, password_hash: str, now: Instant, *, must_change: bool
) -> None:
    """Give a user a password."""
    values = {"password_hash": password_hash, "must_change_password": must_change, "time_password_set": now}
    rows.change(connection, user, user_ocid, now, **values)


def note_sign_in(connection: Connection, user_ocid: str, now: Instant) -> None:
    """Keep when a user signed in. It is no change of the user: the etag stays."""
    connection.execute(update(user).where(user.c.ocid == user_ocid).values(time_last_sign_in=now))


def insert_session(
    connection: Connection, token_digest: str, tenancy: str, user_ocid: str, address: str, **times: int
) -> None:
    """Write a session; those that have ended are swept out. `times`: time_created, time_expires, time_idle_out."""
    connection.execute(delete(session).where(session.c.time_expires < times["time_created"]))
    connection.execute(
        session.insert().values(
            token_digest=token_digest,
            tenancy=tenancy,
            compartment=tenancy,
            user=user_ocid,
            address=address,
            **times,
        )
    )


def session_of(connection: Connection, token_digest: str) -> StoredSession | None:
    """The session of a token, if its user is active."""
    table = session.c
    query = (
        select(
            table.tenancy,
            table.user,
            user.c.name.label("user_name"),
            user.c.must_change_password,
            table.address,
            table.time_created,
            table.time_expires,
            table.time_idle_out,
        )
        .join(user, user.c.ocid == table.user)
        .where(table.token_digest == token_digest, user.c.lifecycle_state == State.ACTIVE)
    )
    row = connection.execute(query).one_or_none()
    return StoredSession(*row) if row else None


def touch_session(connection: Connection, token_digest: str, idle_out: Instant) -> None:
    """Move the time at which a session ends for want of use."""
    connection.execute(update(session).where(session.c.token_digest == token_digest).values(time_idle_out=idle_out))


def delete_session(connection: Connection, token_digest: str) -> None:
    """End one session."""
    connection.execute(delete(session).where(session.c.token_digest == token_digest))


def delete_sessions(connection: Connection, user_ocid: str, *, but: str = "") -> None:
    """End all sessions of a user, but that of the token with the digest `but`."""
    connection.execute(delete(session).where(session.c.user == user_ocid, session.c.token_digest != but))


def delete_all_of(connection: Connection, user_ocid: str) -> None:
    """Delete every session, token and API key of a user."""
    for table in (session, auth_token):
        connection.execute(delete(table).where(table.c.user == user_ocid))
    api_keys.delete_keys(connection, user_ocid)


def insert_token(
    connection: Connection, table: Table, ocid: str, tenancy: str, compartment: str, now: Instant, **values: Any
) -> None:
    """Write an auth token or a cluster token."""
    connection.execute(table.insert().values(**rows.fresh(ocid, tenancy, compartment, now, Tags()), **values))


def get_token(connection: Connection, table: Table, tenancy: str, ocid: str, *, lock: bool = False) -> Row[Any] | None:
    """The row of a token of a tenancy."""
    return rows.one(connection, table, tenancy, ocid, lock=lock)


def token_with(connection: Connection, table: Table, token_digest: str) -> Row[Any] | None:
    """The row of the token with a digest."""
    return connection.execute(select(table).where(table.c.token_digest == token_digest)).one_or_none()


def tokens_of(connection: Connection, table: Table, owner: str) -> tuple[Row[Any], ...]:
    """The tokens of a user or of a cluster, oldest first."""
    column = table.c.user if table is auth_token else table.c.cluster
    query = select(table).where(column == owner).order_by(table.c.time_created, table.c.ocid)
    return tuple(connection.execute(query))


def count_tokens(connection: Connection, table: Table, owner: str) -> int:
    """How many tokens a user or a cluster has, expired ones among them."""
    column = table.c.user if table is auth_token else table.c.cluster
    return int(connection.execute(select(func.count()).select_from(table).where(column == owner)).scalar_one())


def change_token(connection: Connection, table: Table, ocid: str, now: Instant, **values: Any) -> None:
    """Change columns of a token."""
    rows.change(connection, table, ocid, now, **values)


def delete_token(connection: Connection, table: Table, ocid: str) -> None:
    """Delete a token; nothing of it stays."""
    connection.execute(delete(table).where(table.c.ocid == ocid))


def failures_of(connection: Connection, counters: Iterable[str], *, lock: bool = False) -> dict[str, Failures]:
    """What is counted under `counters`, those without failures left out; `lock` until the transaction ends."""
    query = select(sign_in_failure).where(sign_in_failure.c.counted_by.in_(sorted(counters)))
    query = query.order_by(sign_in_failure.c.counted_by).with_for_update() if lock else query
    return {
        row.counted_by: Failures(row.failures, row.time_last, row.locked_until) for row in connection.execute(query)
    }


def write_failures(connection: Connection, counter: str, value: Failures, *, forget_before: Instant) -> None:
    """Write a counter; counters without a failure since `forget_before` are swept out."""
    connection.execute(delete(sign_in_failure).where(sign_in_failure.c.time_last < forget_before))
    values = {"failures": value.failures, "time_last": value.time_last, "locked_until": value.locked_until}
    connection.execute(
        insert(connection, sign_in_failure)
        .values(counted_by=counter, **values)
        .on_conflict_do_update(index_elements=[sign_in_failure.c.counted_by], set_=values)
    )


def forget_failures(connection: Connection, counters: Iterable[str]) -> None:
    """Delete counters."""
    connection.execute(delete(sign_in_failure).where(sign_in_failure.c.counted_by.in_(sorted(counters))))
