"""Verbs on policies. Statements are read and bound at the border: one typo, and nothing is changed."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from assay.errors import Reason, Refused
from assay.events import PolicyChanged
from assay.iam.actor import Actor
from assay.iam.acts import Act, perform
from assay.iam.authority import grants_of
from assay.iam.authorization import Target, authorize
from assay.iam.binding import Directory, bind
from assay.iam.identity.targets import known, of_policy
from assay.iam.records import compartments, identities, named, rows
from assay.iam.records import policies as records
from assay.iam.records.authority import StoredStatement
from assay.iam.resources import (
    DynamicGroup,
    Listing,
    Policy,
    State,
    Tags,
    exists,
    require_description,
    require_name,
)
from assay.iam.statements import check, check_written, refused
from assay.iam.syntax import Statement
from assay.iam.words import Fault
from assay.storage import Store
from assay.storage.pages import Page

STATEMENTS_MAX = 50

#: A date, or a time of RFC 3339: the stock command line sends the midnight (UTC) of the date that it is given.
_VERSION_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2}))?"
)

#: The policy that `add_statements` writes to, attached to the tenancy.
SERVICE_ACCESS = "service-access"

T = TypeVar("T")


def create(
    store: Store,
    actor: Actor,
    attached: str,
    name: str,
    statements: Sequence[str],
    description: str = "",
    *,
    version_date: str = "",
    tags: Tags | None = None,
    retry_token: str | None = None,
) -> Policy:
    """A new policy attached to the compartment `attached`, in force from the next request on.

    `version_date`: YYYY-MM-DD, or a time of RFC 3339, whose date in UTC is kept; "" for none.
    Errors: Refused, for a fault in a statement with its number, the character and the word; EXISTS; NOT_FOUND.
    """
    require_name(name, "policy")
    require_description(description)
    version_date = _version_date(version_date)
    parsed = read(statements)

    def change(act: Act) -> Policy:
        bound = bound_to(act.connection, actor.tenancy, attached, parsed)
        ocid = store.site.new_ocid("policy", regional=False).text
        return _write_new(
            act,
            ocid,
            attached,
            name,
            tags or Tags(),
            bound,
            description=description,
            version_date=version_date,
            is_built_in=False,
        )

    return perform(
        store,
        actor,
        "CreatePolicy",
        locate=lambda _connection: Target(attached, variables={"target.policy.name": name}),
        change=change,
        replay=Policy,
        request=(attached, name, statements, description, version_date, tags),
        retry_token=retry_token,
    )


def get(store: Store, actor: Actor, policy: str) -> Policy:
    """A policy by OCID. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        found = known(records.get(connection, actor.tenancy, policy))
        authorize(connection, actor, "GetPolicy", of_policy(found), now=store.clock.now())
        return found


def listed(store: Store, actor: Actor, attached: str, listing: Listing | None = None) -> Page[Policy]:
    """A page of the policies attached to a compartment. Errors: Refused (NOT_FOUND)."""
    with store.database.read() as connection:
        authorize(connection, actor, "ListPolicies", Target(attached), now=store.clock.now())
        return records.listed(store, connection, actor.tenancy, attached, listing or Listing())


def update(
    store: Store,
    actor: Actor,
    policy: str,
    *,
    statements: Sequence[str] | None = None,
    description: str | None = None,
    version_date: str | None = None,
    tags: Tags | None = None,
    if_match: str | None = None,
    added: Sequence[str] = (),
) -> Policy:
    """Change what is given; `statements` replace all before. Errors: as of `create`; WRONG_STATE when built in.

    `added` are those of the statements that the caller wrote: a fault in one is told with its number among them.
    """
    require_description(description or "")
    version_date = None if version_date is None else _version_date(version_date)
    parsed = None if statements is None else read(statements, added)
    given = {"description": description, "version_date": version_date}

    def change(act: Act) -> Policy:
        found = _changeable(known(records.get(act.connection, actor.tenancy, policy)))
        values = {name: value for name, value in given.items() if value is not None} | rows.tag_values(tags)
        if parsed is not None:
            bound = bound_to(act.connection, actor.tenancy, found.compartment, parsed, added)
            values["statements"] = [text for text, _statement in bound]
            _say(act, found, bound)
        records.change(act.connection, policy, act.now, **values)
        return known(records.get(act.connection, actor.tenancy, policy))

    return _perform(store, actor, "UpdatePolicy", policy, change, if_match)


def delete(store: Store, actor: Actor, policy: str, *, if_match: str | None = None) -> None:
    """Delete a policy: what it let is let no more, from the next request on. Errors: Refused."""

    def change(act: Act) -> None:
        found = _changeable(known(records.get(act.connection, actor.tenancy, policy)))
        _say(act, found, ())
        records.change(act.connection, policy, act.now, lifecycle_state=State.DELETED, time_deleted=act.now)

    _perform(store, actor, "DeletePolicy", policy, change, if_match)


def add_statements(store: Store, actor: Actor, statements: Sequence[str], *, name: str = SERVICE_ACCESS) -> Policy:
    """Add statements, unless they stand there already, to the policy `name` of the tenancy, which is made if need be.

    What the console does with one click on a missing statement. Errors: as of `create` and `update`.
    """
    with store.database.read() as connection:
        found = records.named(connection, actor.tenancy, actor.tenancy, name)
    if found is None:
        return create(store, actor, actor.tenancy, name, tuple(dict.fromkeys(statements)), "Added in Assay.")
    written = tuple(dict.fromkeys([*found.statements, *statements]))
    return update(store, actor, found.ocid, statements=written, if_match=found.etag, added=statements)


def built_in(act: Act, ocid: str, tenancy: str, name: str, statements: Sequence[str], description: str) -> Policy:
    """Write the policy that no one can change; part of making a tenancy."""
    bound = bound_to(act.connection, tenancy, tenancy, read(statements))
    values = {"description": description, "version_date": "", "is_built_in": True}
    return _write_new(act, ocid, tenancy, name, Tags(), bound, **values)


Read = tuple[tuple[str, Statement], ...]


def read(statements: Sequence[str], added: Sequence[str] = ()) -> Read:
    """Each statement as written, with its meaning. Errors: Refused, for the first fault, pointing at the word.

    Where only some were `added` now, a fault is told with the number that its statement has among these.
    """
    if not 1 <= len(statements) <= STATEMENTS_MAX:
        raise Refused(
            f"A policy of {len(statements)} statements.",
            advice=f"Give 1 to {STATEMENTS_MAX}; spread more over several policies.",
            reason=Reason.LIMIT_EXCEEDED if statements else Reason.MISSING_PARAMETER,
        )
    found = []
    for place, text in enumerate(statements, 1):
        is_written_now = not added or text in added
        statement = check_written(text) if is_written_now else check(text)
        if isinstance(statement, Fault):
            raise refused(text, statement, _number(text, place, added))
        found.append((text, statement))
    return tuple(found)


def _number(text: str, place: int, added: Sequence[str]) -> str:
    """Which statement it is, for people: by its number among those that were added, and by its place in the policy."""
    if text not in added:
        return f"{place} of the policy" if added else str(place)
    number = list(added).index(text) + 1
    return str(number) if number == place else f"{number} (number {place} in the policy)"


def bound_to(connection: Connection, tenancy: str, attached: str, statements: Read, added: Sequence[str] = ()) -> Read:
    """The statements with OCIDs for names, in a policy attached to `attached`. Errors: Refused, as of `read`."""
    dynamic = {group.name: group.ocid for group in named.every(connection, DynamicGroup, tenancy)}
    groups = identities.group_names(connection, tenancy)
    directory = Directory(groups, compartments.nodes(connection, tenancy), dynamic)
    found = []
    for place, (text, statement) in enumerate(statements, 1):
        bound = bind(statement, text, attached, directory)
        if isinstance(bound, Fault):
            raise refused(text, bound, _number(text, place, added))
        found.append((text, bound))
    return tuple(found)


def _write_new(act: Act, ocid: str, attached: str, name: str, tags: Tags, bound: Read, **values: object) -> Policy:
    tenancy = act.actor.tenancy
    texts = [text for text, _statement in bound]
    if not records.insert(act.connection, ocid, tenancy, attached, name, tags, act.now, statements=texts, **values):
        raise exists("policy", name)
    written = known(records.get(act.connection, tenancy, ocid))
    _say(act, written, bound)
    return written


def _say(act: Act, policy: Policy, bound: Read) -> None:
    stored = [
        StoredStatement(policy.ocid, position, policy.compartment, text, str(statement))
        for position, (text, statement) in enumerate(bound, 1)
    ]
    grants = {
        (position, subject, resource_type)
        for position, (_text, statement) in enumerate(bound, 1)
        for subject, resource_type in grants_of(statement)
    }
    records.say(act.connection, policy, stored, grants)
    act.announce(PolicyChanged(tenancy=policy.tenancy, policy=policy.ocid))


def _changeable(policy: Policy) -> Policy:
    if policy.is_built_in:
        raise Refused(
            f"The policy {policy.name!r} is built in: without it nobody could administer the tenancy.",
            advice="Write another policy beside it.",
            reason=Reason.WRONG_STATE,
        )
    return policy


def _version_date(text: str) -> str:
    """The day as YYYY-MM-DD, in UTC. Errors: Refused for what is no day: clients read it as one."""
    if not text:
        return ""
    refusal = Refused(f"{text[:20]!r} is not a version date.", advice="Write YYYY-MM-DD, or leave it out.")
    if not _VERSION_DATE.fullmatch(text):
        raise refusal
    try:
        read = datetime.fromisoformat(text)
        return (read.astimezone(UTC) if read.tzinfo else read).date().isoformat()
    except (ValueError, OverflowError) as fault:
        raise refusal from fault


def _perform(
    store: Store, actor: Actor, operation: str, policy: str, change: Callable[[Act], T], if_match: str | None
) -> T:
    def locate(connection: Connection) -> Target:
        return of_policy(known(records.get(connection, actor.tenancy, policy, lock=True)))

    return perform(store, actor, operation, locate=locate, change=change, if_match=if_match)
