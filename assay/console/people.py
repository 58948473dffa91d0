"""Pages of people and access: users, groups, policies with their statements; the audit log."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from assay.clock import Instant
from assay.console import scope
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.credentials import passwords
from assay.iam.identity import groups, policies, users
from assay.iam.identity import resources as model

LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user in the list."""

    ocid: str
    name: str
    description: str
    kind: str
    state: str
    groups: tuple[str, ...]
    made: Instant


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group, with the OCID of the membership."""

    name: str
    user: str
    membership: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group with its members, and those who could be added."""

    ocid: str
    name: str
    description: str
    members: tuple[Member, ...]
    others: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pointed:
    """A statement that does not read, with the word at which it stops making sense."""

    message: str
    before: str
    word: str
    after: str


@dataclass(frozen=True, slots=True)
class OneTime:
    """A first password, shown once."""

    name: str
    text: str


_TABS = (
    ("/iam", "Policies"),
    ("/iam/users", "Users"),
    ("/iam/groups", "Groups"),
    ("/iam/dynamic-groups", "Dynamic groups"),
    ("/iam/compartments", "Compartments"),
)


def sections(visit: Visit) -> tuple[tuple[str, str, None, bool], ...]:
    """The tabs of these pages."""
    return tuple((path, words, None, visit.path == path) for path, words in _TABS)


def show_policies(visit: Visit) -> Reply:
    """Policies with their statements, and the form for a new one."""
    visit.only("compartment")
    found = scope.gather(
        visit,
        lambda compartment, page: policies.listed(
            visit.store, visit.actor, compartment, model.Listing(limit=visit.limit(), page=page)
        ),
    )
    values = {
        "rows": tuple(policy for policy in found.items if policy.lifecycle_state != model.State.DELETED),
        "said": found.said,
        "next": visit.link(after=found.next_page) if found.next_page else "",
        "first": visit.link() if visit.asked("after") else "",
        "statements": "",
        "wrong_words": pointed(visit),
    }
    return Page("policies.html", values | around(visit))


def make_policy(visit: Visit) -> Elsewhere:
    """Create a policy, attached to the tenancy."""
    policies.create(
        visit.store,
        visit.actor,
        visit.actor.tenancy,
        visit.sent("name").strip(),
        statements_of(visit.sent("statements")),
        visit.sent("description").strip(),
    )
    return visit.back("/iam", "policy-made")


def show_policy(visit: Visit) -> Reply:
    """One policy, to be changed or deleted."""
    policy = policies.get(visit.store, visit.actor, visit.names["policy"])
    return Page(
        "policy.html",
        {
            "policy": policy,
            "statements": "\n".join(policy.statements),
            "wrong_words": pointed(visit),
            "crumbs": (("/iam", "People and access"),),
        },
    )


def change_policy(visit: Visit) -> Elsewhere:
    """Replace a policy's statements, or delete it."""
    ocid = visit.names["policy"]
    if visit.sent("do") == "delete":
        policies.delete(visit.store, visit.actor, ocid)
        return visit.back("/iam", "policy-deleted")
    policies.update(
        visit.store,
        visit.actor,
        ocid,
        statements=statements_of(visit.sent("statements")),
        if_match=visit.sent("etag") or None,
    )
    return visit.back(done="policy-changed")


def show_users(visit: Visit) -> Reply:
    """Users with their groups, and the form for a new one."""
    visit.only()
    page = users.listed(visit.store, visit.actor, model.Listing(limit=visit.limit(), page=visit.asked("after")))
    known = {group.ocid: group.name for group in _groups(visit)}
    values = {
        "rows": tuple(_user_row(visit, user, known) for user in page.items if user.lifecycle_state != "DELETED"),
        "said": f"{len(page.items)} here",
        "next": visit.link(after=page.next_page) if page.next_page else "",
        "first": visit.link() if visit.asked("after") else "",
        "groups": (("", "none"), *known.items()),
    }
    return Page("users.html", values | around(visit))


def make_user(visit: Visit) -> Reply:
    """Create a user with a one-time password, which this answer alone shows."""
    made = users.create(visit.store, visit.actor, visit.sent("name").strip(), visit.sent("description").strip())
    if visit.sent("group"):
        groups.add_user(visit.store, visit.actor, made.ocid, visit.sent("group"))
    given = passwords.reset(visit.store, visit.actor, made.ocid)
    page = show_users(visit.without_paging())
    secret = OneTime(made.name, given.password.reveal())
    return Page(page.template, {**page.values, "secret": secret}) if isinstance(page, Page) else page


def show_groups(visit: Visit) -> Reply:
    """Groups with their members, and the form for a new one."""
    visit.only()
    page = groups.listed(visit.store, visit.actor, model.Listing(limit=visit.limit(), page=visit.asked("after")))
    people = {
        user.ocid: user.name
        for user in users.listed(visit.store, visit.actor, model.Listing(limit=LISTED_MAX)).items
        if user.lifecycle_state != "DELETED"
    }
    values = {
        "rows": tuple(_group_row(visit, group, people) for group in page.items if group.lifecycle_state != "DELETED"),
        "said": f"{len(page.items)} here",
        "next": visit.link(after=page.next_page) if page.next_page else "",
        "first": visit.link() if visit.asked("after") else "",
    }
    return Page("groups.html", values | around(visit))


def change_groups(visit: Visit) -> Elsewhere:
    """Create a group, or add or remove a member."""
    act = visit.sent("do")
    if act == "create":
        groups.create(visit.store, visit.actor, visit.sent("name").strip(), visit.sent("description").strip())
    elif act == "add":
        groups.add_user(visit.store, visit.actor, visit.sent("user"), visit.sent("group"))
    elif act == "remove":
        groups.remove_user(visit.store, visit.actor, visit.sent("membership"))
    else:
        raise Refused("The form names no act.", advice="Load the page again.")
    return visit.back("/iam/groups", {"create": "group-made", "add": "member-added"}.get(act, "member-removed"))


def names_of(visit: Visit, ocids: Collection[str]) -> Mapping[str, str]:
    """OCID → name of the users among these; those that the reader may not see are left out."""
    found = {}
    for ocid in ocids:
        if ocid == visit.actor.principal.ocid:
            found[ocid] = visit.name
            continue
        try:
            found[ocid] = users.get(visit.store, visit.actor, ocid).name
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
    return found


def statements_of(text: str) -> tuple[str, ...]:
    """The statements of a text field: one a line, empty lines between them."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def pointed(visit: Visit) -> Pointed | None:
    """The word at which the statements that were sent stop making sense, if a statement is what was refused.

    A refusal names the statement and the character in it, both from 1.
    """
    place = re.match(r"Statement (\d+), character (\d+): ", visit.fault.message) if visit.fault else None
    texts = statements_of(visit.sent("statements"))
    if visit.fault is None or place is None or int(place[1]) > len(texts):
        return None
    text, begin = texts[int(place[1]) - 1], int(place[2]) - 1
    word = re.compile(r"\S*").match(text, begin)
    end = word.end() if word else begin
    return Pointed(
        f"{visit.fault.message.partition(' It says: ')[0]} {visit.fault.advice}",
        text[:begin],
        text[begin:end] or "…",
        text[end:],
    )


def around(visit: Visit) -> dict[str, object]:
    """What every one of these pages shows around its own."""
    return {"sections": sections(visit), "secret": None}


def _groups(visit: Visit) -> tuple[model.Group, ...]:
    try:
        found = groups.listed(visit.store, visit.actor, model.Listing(limit=LISTED_MAX)).items
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
    return tuple(group for group in found if group.lifecycle_state != "DELETED")


def _user_row(visit: Visit, user: model.User, known: dict[str, str]) -> UserRow:
    kind, state = ("ok", "Active") if user.lifecycle_state == "ACTIVE" else ("bad", "Blocked")
    if user.must_change_password:
        kind, state = "warn", "Must choose a password"
    theirs = groups.memberships(visit.store, visit.actor, user=user.ocid).items if known else ()
    names = tuple(known.get(each.group, "…") for each in theirs)
    return UserRow(user.ocid, user.name, user.description, kind, state, names, user.time_created)


def _group_row(visit: Visit, group: model.Group, people: dict[str, str]) -> GroupRow:
    page = groups.memberships(visit.store, visit.actor, group=group.ocid, listing=model.Listing(limit=LISTED_MAX))
    members = tuple(Member(people.get(each.user, "…"), each.user, each.ocid) for each in page.items)
    inside = {member.user for member in members}
    others = tuple((ocid, name) for ocid, name in people.items() if ocid not in inside)
    return GroupRow(group.ocid, group.name, group.description, members, others)
