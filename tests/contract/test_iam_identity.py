"""Tenancies, compartments, users, groups and policies on both databases, each act with its refusal."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from assay.clock import DAY, SetClock
from assay.errors import Reason, Refused
from assay.iam import Actor, Target, audit, authority, authorize, permitted
from assay.iam.identity import compartments, first_start, groups, policies, services, tenancies, users
from assay.iam.identity.first_start import FirstStart
from assay.iam.resources import Group, Listing, SortBy, State, Tags
from assay.storage import Store

SCANNING = services.NEEDED[services.SCANNING]


@pytest.fixture
def made(store: Store) -> FirstStart:
    found = first_start.bootstrap(store)
    assert found is not None
    return found


@pytest.fixture
def admin(made: FirstStart) -> Actor:
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid, "192.0.2.7", "request-1")


def refused(reason: Reason, act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.reason is reason, caught.value
    return caught.value


def person(store: Store, admin: Actor, name: str, *in_groups: Group) -> Actor:
    user = users.create(store, admin, name)
    for group in in_groups:
        groups.add_user(store, admin, user.ocid, group.ocid)
    return Actor(users.principal_of(user), admin.tenancy)


def audited(store: Store, operation: str) -> list[tuple[str, str]]:
    with store.database.read() as connection:
        rows = connection.execute(
            select(audit.audit.c.outcome, audit.audit.c.resource).where(audit.audit.c.operation == operation)
        )
        return [tuple(row) for row in rows]


# First start.


def test_the_first_start_makes_one_tenancy_with_one_administrator_who_may_do_everything(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    assert first_start.bootstrap(store) is None
    assert made.administrator.must_change_password
    assert str(made.secret) == "***"
    assert made.tenancy.namespace.isalnum()
    assert made.tenancy.namespace == made.tenancy.namespace.lower()
    with store.database.read() as connection:
        assert tenancies.of_installation(connection) == made.tenancy
        assert tenancies.with_namespace(connection, made.tenancy.namespace) == made.tenancy
        for operation in ("CreateVault", "PushImage", "DeletePolicy", "RefreshFeed"):
            authorize(connection, admin, operation, Target(admin.tenancy), now=store.clock.now())
    (policy,) = policies.listed(store, admin, admin.tenancy).items
    assert policy.statements == ("allow group Administrators to manage all-resources in tenancy",)
    assert compartments.get(store, admin, admin.tenancy).is_root


def test_the_administrators_secret_is_in_no_table_and_no_audit_row(store: Store, made: FirstStart) -> None:
    secret = made.secret.reveal()
    with store.database.read() as connection:
        for table in audit.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                assert secret not in repr(tuple(row)), table.name


def test_a_second_tenancy_shares_no_name_and_no_sight_with_the_first(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    other = first_start.create_tenancy(store, "other")
    there = Actor(users.principal_of(other.administrator), other.tenancy.ocid)
    refused(Reason.EXISTS, lambda: first_start.create_tenancy(store, "other"))
    missing = refused(Reason.NOT_FOUND, lambda: users.get(store, admin, "ocid1.user.oc1.." + "a" * 60))
    foreign = refused(Reason.NOT_FOUND, lambda: users.get(store, admin, other.administrator.ocid))
    assert str(missing) == str(foreign)
    refused(Reason.NOT_FOUND, lambda: tenancies.get(store, admin, other.tenancy.ocid))
    refused(Reason.NOT_FOUND, lambda: compartments.create(store, admin, other.tenancy.ocid, "dev"))
    refused(Reason.NOT_FOUND, lambda: groups.add_user(store, admin, admin.principal.ocid, other.tenancy.administrators))
    # The same administrator's name exists in both; a principal of one is nobody in the other.
    stranger = Actor(admin.principal, other.tenancy.ocid)
    refused(Reason.NOT_FOUND, lambda: users.listed(store, stranger))
    assert [user.name for user in users.listed(store, there).items] == ["admin"]
    with store.database.read() as connection:
        refused(Reason.MALFORMED, lambda: tenancies.of_installation(connection))


def test_the_namespace_is_told_to_the_tenancys_own_principals(store: Store, made: FirstStart, admin: Actor) -> None:
    nobody = person(store, admin, "nobody")
    assert tenancies.namespace(store, nobody) == made.tenancy.namespace
    refused(Reason.NOT_FOUND, lambda: tenancies.namespace(store, nobody, admin.tenancy))
    assert tenancies.namespace(store, admin, admin.tenancy) == made.tenancy.namespace


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """What `act` returned, or refused with, in threads that start together."""
    start = threading.Barrier(count)

    def run(number: int) -> object:
        start.wait()
        try:
            return act(number)
        except Refused as refusal:
            return refusal.reason

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_of_several_servers_starting_at_once_one_makes_the_tenancy(store: Store) -> None:
    found = at_once(4, lambda _number: first_start.bootstrap(store))
    assert sum(each is not None for each in found) == 1
    with store.database.read() as connection:
        assert len(tenancies.every(connection)) == 1


def test_of_several_who_take_a_name_at_once_one_gets_it(store: Store, admin: Actor) -> None:
    for act in (
        lambda _number: users.create(store, admin, "alice"),
        lambda _number: groups.create(store, admin, "Ops"),
        lambda _number: compartments.create(store, admin, admin.tenancy, "dev"),
        lambda _number: policies.create(store, admin, admin.tenancy, "p", ["allow any-user to read repos in tenancy"]),
    ):
        found = at_once(4, act)
        assert sorted(map(str, found)).count(str(Reason.EXISTS)) == 3, found


# Compartments.


def test_compartments_form_a_tree_with_names_unique_in_their_parent(store: Store, admin: Actor) -> None:
    dev = compartments.create(store, admin, admin.tenancy, "dev", "for trying")
    team = compartments.create(store, admin, dev.ocid, "team")
    assert team.path == (admin.tenancy, dev.ocid, team.ocid)
    assert compartments.create(store, admin, team.ocid, "dev").path[-2] == team.ocid
    refused(Reason.EXISTS, lambda: compartments.create(store, admin, admin.tenancy, "DEV"))
    refused(Reason.MALFORMED, lambda: compartments.create(store, admin, admin.tenancy, "a:b"))
    assert [item.name for item in compartments.listed(store, admin, admin.tenancy).items] == ["dev"]
    everything = compartments.listed(store, admin, admin.tenancy, Listing(sort_by=SortBy.TIMECREATED), subtree=True)
    assert {item.ocid for item in everything.items} >= {dev.ocid, team.ocid}
    assert compartments.named(store, admin, "dev:team") == team
    refused(Reason.NOT_FOUND, lambda: compartments.named(store, admin, "dev:other"))
    with store.database.read() as connection:
        below = compartments.with_all_below(connection, admin, dev.ocid)
    assert [item.name for item in below] == ["dev", "team", "dev"]


def test_compartments_lie_six_levels_deep_and_no_deeper(store: Store, admin: Actor) -> None:
    parent = admin.tenancy
    for level in range(6):
        parent = compartments.create(store, admin, parent, f"c{level}").ocid
    refused(Reason.LIMIT_EXCEEDED, lambda: compartments.create(store, admin, parent, "c6"))
    top = compartments.named(store, admin, "c0")
    other = compartments.create(store, admin, admin.tenancy, "other")
    refused(Reason.LIMIT_EXCEEDED, lambda: compartments.move(store, admin, top.ocid, other.ocid))
    assert compartments.get(store, admin, parent).path[1] == top.ocid


def test_only_an_empty_compartment_is_deleted_and_it_can_be_recovered(store: Store, admin: Actor) -> None:
    dev = compartments.create(store, admin, admin.tenancy, "dev")
    policy = policies.create(store, admin, dev.ocid, "p", ["allow any-user to read repos in compartment dev"])
    error = refused(Reason.WRONG_STATE, lambda: compartments.delete(store, admin, dev.ocid))
    assert "not empty" in error.message
    policies.delete(store, admin, policy.ocid)
    assert compartments.delete(store, admin, dev.ocid).lifecycle_state is State.DELETED
    refused(Reason.NOT_FOUND, lambda: compartments.create(store, admin, dev.ocid, "below"))
    assert compartments.listed(store, admin, admin.tenancy).items == ()
    again = compartments.create(store, admin, admin.tenancy, "dev")
    refused(Reason.EXISTS, lambda: compartments.recover(store, admin, dev.ocid))
    compartments.update(store, admin, again.ocid, name="dev2")
    assert compartments.recover(store, admin, dev.ocid).lifecycle_state is State.ACTIVE
    refused(Reason.WRONG_STATE, lambda: compartments.recover(store, admin, dev.ocid))
    refused(Reason.WRONG_STATE, lambda: compartments.delete(store, admin, admin.tenancy))


def test_moving_a_compartment_takes_all_below_it_along_and_changes_which_policies_reach(
    store: Store, admin: Actor
) -> None:
    dev, prod = (compartments.create(store, admin, admin.tenancy, name) for name in ("dev", "prod"))
    team = compartments.create(store, admin, dev.ocid, "team")
    inner = compartments.create(store, admin, team.ocid, "inner")
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    policies.create(store, admin, dev.ocid, "dev", ["allow group Ops to read repos in compartment dev"])
    policies.create(store, admin, dev.ocid, "team", ["allow group Ops to read keys in compartment team"])

    def may(operation: str) -> bool:
        with store.database.read() as connection:
            return permitted(connection, alice, operation, Target(inner.ocid), now=store.clock.now())

    assert (may("PullImage"), may("GetKey")) == (True, True)
    refused(Reason.MALFORMED, lambda: compartments.move(store, admin, dev.ocid, inner.ocid))
    assert compartments.move(store, admin, team.ocid, prod.ocid).compartment == prod.ocid
    assert compartments.get(store, admin, inner.ocid).path == (admin.tenancy, prod.ocid, team.ocid, inner.ocid)
    assert (may("PullImage"), may("GetKey")) == (False, False)
    compartments.create(store, admin, dev.ocid, "team")
    refused(Reason.EXISTS, lambda: compartments.move(store, admin, team.ocid, dev.ocid))


def test_a_list_of_compartments_shows_only_what_one_may_see(store: Store, admin: Actor) -> None:
    for name in ("dev", "prod"):
        compartments.create(store, admin, admin.tenancy, name)
    ops = groups.create(store, admin, "Ops")
    alice, bob = person(store, admin, "alice", ops), person(store, admin, "bob")
    policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to inspect compartments in compartment dev"])
    assert [item.name for item in compartments.listed(store, alice, admin.tenancy).items] == ["dev"]
    refused(Reason.NOT_FOUND, lambda: compartments.listed(store, bob, admin.tenancy))


# Users and groups.


def test_users_are_made_changed_blocked_and_deleted(store: Store, admin: Actor, clock: SetClock) -> None:
    user = users.create(store, admin, "alice", "writes", email="alice@example.org", tags=Tags({"team": "red"}))
    assert users.get(store, admin, user.ocid) == user
    assert user.freeform_tags == {"team": "red"}
    refused(Reason.EXISTS, lambda: users.create(store, admin, "Alice"))
    refused(Reason.MALFORMED, lambda: users.create(store, admin, "a/b"))
    refused(Reason.MALFORMED, lambda: users.create(store, admin, "b", email="nowhere"))
    changed = users.update(store, admin, user.ocid, description="reviews", if_match=user.etag)
    assert (changed.description, changed.email) == ("reviews", "alice@example.org")
    assert changed.etag != user.etag
    refused(Reason.ETAG_MISMATCH, lambda: users.update(store, admin, user.ocid, email="", if_match=user.etag))
    assert users.get(store, admin, user.ocid) == changed
    assert users.set_blocked(store, admin, user.ocid, blocked=True).lifecycle_state is State.INACTIVE
    assert users.set_blocked(store, admin, user.ocid, blocked=False).lifecycle_state is State.ACTIVE
    users.delete(store, admin, user.ocid)
    refused(Reason.NOT_FOUND, lambda: users.get(store, admin, user.ocid))
    assert users.create(store, admin, "alice").ocid != user.ocid


def test_a_blocked_user_may_nothing_from_the_next_request_on(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to inspect users in tenancy"])
    policies.create(store, admin, admin.tenancy, "q", ["allow any-user to inspect groups in tenancy"])
    assert users.listed(store, alice).items
    assert groups.listed(store, alice).items
    users.set_blocked(store, admin, alice.principal.ocid, blocked=True)
    refused(Reason.NOT_FOUND, lambda: users.listed(store, alice))
    refused(Reason.NOT_FOUND, lambda: groups.listed(store, alice))


def test_membership_counts_at_once_and_ends_at_once(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice")
    policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to inspect groups in tenancy"])
    refused(Reason.NOT_FOUND, lambda: groups.listed(store, alice))
    membership = groups.add_user(store, admin, alice.principal.ocid, ops.ocid)
    refused(Reason.EXISTS, lambda: groups.add_user(store, admin, alice.principal.ocid, ops.ocid))
    assert len(groups.listed(store, alice).items) == 2
    assert groups.memberships(store, admin, group=ops.ocid).items == (membership,)
    assert groups.membership(store, admin, membership.ocid) == membership
    refused(Reason.MISSING_PARAMETER, lambda: groups.memberships(store, admin))
    groups.remove_user(store, admin, membership.ocid)
    refused(Reason.NOT_FOUND, lambda: groups.listed(store, alice))
    refused(Reason.NOT_FOUND, lambda: groups.membership(store, admin, membership.ocid))


def test_a_group_made_anew_does_not_inherit_the_power_of_its_namesake(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to inspect groups in tenancy"])
    groups.delete(store, admin, ops.ocid)
    alice = person(store, admin, "alice", groups.create(store, admin, "Ops"))
    refused(Reason.NOT_FOUND, lambda: groups.listed(store, alice))


def test_the_last_active_administrator_stays(store: Store, made: FirstStart, admin: Actor) -> None:
    me, administrators = admin.principal.ocid, made.tenancy.administrators
    (mine,) = groups.memberships(store, admin, user=me).items
    for act in (
        lambda: users.delete(store, admin, me),
        lambda: users.set_blocked(store, admin, me, blocked=True),
        lambda: groups.remove_user(store, admin, mine.ocid),
        lambda: groups.delete(store, admin, administrators),
    ):
        refused(Reason.WRONG_STATE, act)
    second = users.create(store, admin, "second")
    groups.add_user(store, admin, second.ocid, administrators)
    users.set_blocked(store, admin, second.ocid, blocked=True)
    refused(Reason.WRONG_STATE, lambda: users.delete(store, admin, me))
    users.set_blocked(store, admin, second.ocid, blocked=False)
    users.delete(store, admin, me)


def test_group_administrators_can_be_kept_from_the_administrators_group(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    helpdesk, ops = groups.create(store, admin, "Help Desk"), groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", helpdesk)
    policies.create(
        store,
        admin,
        admin.tenancy,
        "p",
        [
            "allow group 'Help Desk' to use users in tenancy where target.group.name != 'Administrators'",
            "allow group 'Help Desk' to use groups in tenancy where target.group.name != 'Administrators'",
        ],
    )
    me = alice.principal.ocid
    refused(Reason.NOT_FOUND, lambda: groups.add_user(store, alice, me, made.tenancy.administrators))
    groups.add_user(store, alice, me, ops.ocid)


def test_people_see_themselves_without_a_statement_and_nobody_else(store: Store, admin: Actor) -> None:
    alice, bob = person(store, admin, "alice"), person(store, admin, "bob")
    assert users.get(store, alice, alice.principal.ocid).name == "alice"
    refused(Reason.NOT_FOUND, lambda: users.get(store, alice, bob.principal.ocid))
    refused(Reason.NOT_FOUND, lambda: users.update(store, alice, alice.principal.ocid, description="boss"))
    refused(Reason.NOT_FOUND, lambda: users.delete(store, alice, alice.principal.ocid))


# Policies.


def test_a_typo_in_a_statement_changes_nothing_and_is_pointed_at(store: Store, admin: Actor) -> None:
    good = "allow any-user to inspect groups in tenancy"
    error = refused(
        Reason.MALFORMED,
        lambda: policies.create(store, admin, admin.tenancy, "p", [good, "allow any-user to inspekt users in tenancy"]),
    )
    assert "Statement 2, character 19" in error.message
    assert "Did you mean 'inspect'?" in error.advice
    assert [policy.name for policy in policies.listed(store, admin, admin.tenancy).items] == ["Tenant Admin Policy"]
    policy = policies.create(store, admin, admin.tenancy, "p", [good])
    error = refused(
        Reason.MALFORMED,
        lambda: policies.update(store, admin, policy.ocid, statements=["allow group Nobody to read repos in tenancy"]),
    )
    assert "Statement 1, character 13: there is no group 'Nobody'" in error.message
    assert policies.get(store, admin, policy.ocid) == policy
    assert groups.listed(store, person(store, admin, "alice")).items


def test_a_statement_that_is_added_is_counted_among_those_added_and_placed_in_the_policy(
    store: Store, admin: Actor
) -> None:
    good = "allow any-user to inspect groups in tenancy"
    other = "allow any-user to inspect users in tenancy"
    policies.add_statements(store, admin, [good], name="p")
    for wrong, told in (
        ("allow any-user to inspekt users in tenancy", "character 19: 'inspekt' is not a verb."),
        ("allow group Nobody to read repos in tenancy", "character 13: there is no group 'Nobody'."),
        ("allow any-user to ! users", "character 19: '!' cannot stand here."),
    ):
        error = refused(Reason.MALFORMED, lambda wrong=wrong: policies.add_statements(store, admin, [wrong], name="p"))
        assert f"Statement 1 (number 2 in the policy), {told}" in error.message
        assert f"It says: {wrong}. " in str(error)
        added = [good, other, wrong]
        error = refused(Reason.MALFORMED, lambda added=added: policies.add_statements(store, admin, added, name="p"))
        assert f"Statement 3, {told}" in error.message
        error = refused(Reason.MALFORMED, lambda wrong=wrong: policies.add_statements(store, admin, [wrong], name="q"))
        assert f"Statement 1, {told}" in error.message


def test_a_change_of_policy_takes_effect_on_the_next_request(store: Store, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    policy = policies.create(store, admin, admin.tenancy, "p", ["allow any-user to inspect groups in tenancy"])
    assert groups.listed(store, alice).items
    policies.update(store, admin, policy.ocid, statements=["allow any-user to inspect users in tenancy"])
    refused(Reason.NOT_FOUND, lambda: groups.listed(store, alice))
    assert users.listed(store, alice).items
    policies.delete(store, admin, policy.ocid)
    refused(Reason.NOT_FOUND, lambda: users.listed(store, alice))


def test_renaming_a_compartment_changes_nothing_of_what_statements_mean(store: Store, admin: Actor) -> None:
    dev = compartments.create(store, admin, admin.tenancy, "dev")
    alice = person(store, admin, "alice")
    policies.create(store, admin, admin.tenancy, "p", ["allow any-user to inspect policies in compartment dev"])
    compartments.update(store, admin, dev.ocid, name="build")
    compartments.create(store, admin, admin.tenancy, "dev")
    assert policies.listed(store, alice, dev.ocid).items == ()
    refused(Reason.NOT_FOUND, lambda: policies.listed(store, alice, compartments.named(store, admin, "dev").ocid))


def test_the_built_in_policy_can_be_read_and_neither_changed_nor_deleted(store: Store, admin: Actor) -> None:
    (built_in,) = policies.listed(store, admin, admin.tenancy).items
    refused(Reason.WRONG_STATE, lambda: policies.delete(store, admin, built_in.ocid))
    refused(Reason.WRONG_STATE, lambda: policies.update(store, admin, built_in.ocid, description="mine"))
    assert policies.get(store, admin, built_in.ocid) == built_in


def test_policies_are_unique_by_name_bounded_and_attached_where_they_reach(store: Store, admin: Actor) -> None:
    good = "allow any-user to inspect groups in tenancy"
    dev = compartments.create(store, admin, admin.tenancy, "dev")
    policies.create(store, admin, admin.tenancy, "p", [good])
    refused(Reason.EXISTS, lambda: policies.create(store, admin, admin.tenancy, "P", [good]))
    refused(Reason.LIMIT_EXCEEDED, lambda: policies.create(store, admin, admin.tenancy, "q", [good] * 51))
    refused(Reason.MISSING_PARAMETER, lambda: policies.create(store, admin, admin.tenancy, "q", []))
    error = refused(Reason.MALFORMED, lambda: policies.create(store, admin, dev.ocid, "p", [good]))
    assert "only a policy attached to the tenancy" in error.message


def test_whoever_may_not_write_policies_learns_nothing_of_groups_and_compartments(store: Store, admin: Actor) -> None:
    groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice")
    texts = ("allow group Ops to read repos in tenancy", "allow group Opps to read repos in tenancy")
    answers = {
        str(refused(Reason.NOT_FOUND, lambda: policies.create(store, alice, admin.tenancy, "p", [text])))  # noqa: B023
        for text in texts
    }
    assert len(answers) == 1


def test_a_power_over_one_compartment_cannot_write_a_policy_beyond_it(store: Store, admin: Actor) -> None:
    dev = compartments.create(store, admin, admin.tenancy, "dev")
    compartments.create(store, admin, admin.tenancy, "prod")
    alice = person(store, admin, "alice", groups.create(store, admin, "Ops"))
    policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to manage policies in compartment dev"])
    mine = ["allow group Ops to manage repos in compartment dev"]
    assert policies.create(store, alice, dev.ocid, "mine", mine).statements == tuple(mine)
    refused(Reason.NOT_FOUND, lambda: policies.create(store, alice, admin.tenancy, "more", mine))
    for text in (
        "allow group Ops to manage repos in tenancy",
        "allow group Ops to manage repos in compartment prod",
        f"allow group Ops to manage repos in compartment id {admin.tenancy}",
    ):
        refused(Reason.MALFORMED, lambda: policies.create(store, alice, dev.ocid, "more", [text]))  # noqa: B023


def test_the_missing_statements_of_the_scanning_service_are_told_and_added_with_one_act(
    store: Store, made: FirstStart, admin: Actor
) -> None:
    def missing() -> tuple[str, ...]:
        with store.database.read() as connection:
            return services.missing_statements(connection, admin.tenancy, SCANNING, now=store.clock.now())

    def may_scan() -> bool:
        actor = services.acting(services.SCANNING, admin.tenancy)
        with store.database.read() as connection:
            return permitted(connection, actor, "ScanContainerImage", Target(admin.tenancy), now=store.clock.now())

    assert missing() == SCANNING
    assert not may_scan()
    # What is in force counts, not its wording: a wider statement covers the narrower one.
    first = policies.add_statements(
        store, admin, ["Allow service VULNERABILITY-SCANNING-SERVICE to manage repos in tenancy"]
    )
    assert missing() == SCANNING[1:]
    assert not may_scan()
    second = policies.add_statements(store, admin, missing())
    assert second.ocid == first.ocid
    assert second.statements == (*first.statements, SCANNING[1])
    assert missing() == ()
    assert may_scan()
    assert policies.add_statements(store, admin, SCANNING[1:]).statements == second.statements
    nobody = person(store, admin, "nobody")
    refused(Reason.NOT_FOUND, lambda: policies.add_statements(store, nobody, SCANNING))
    policies.delete(store, admin, first.ocid)
    assert missing() == SCANNING
    assert not may_scan()


def test_a_narrower_or_conditional_statement_does_not_cover_a_wanted_one(store: Store, admin: Actor) -> None:
    compartments.create(store, admin, admin.tenancy, "dev")
    for name, text in {
        "narrow": "allow service faas to read repos in compartment dev",
        "conditional": "allow service faas to read repos in tenancy where target.repo.name = 'a'",
        "other": "allow any-user to read repos in tenancy",
    }.items():
        policies.create(store, admin, admin.tenancy, name, [text])
    wanted = ["allow service faas to read repos in tenancy"]
    on_list = ["allow service faas to read repos in tenancy where request.operation = 'ListContainerImageSignatures'"]
    with store.database.read() as connection:
        assert services.missing_statements(connection, admin.tenancy, wanted, now=store.clock.now()) == tuple(wanted)
    policies.create(store, admin, admin.tenancy, "list", on_list)
    with store.database.read() as connection:
        assert services.missing_statements(connection, admin.tenancy, on_list, now=store.clock.now()) == ()
        assert services.missing_statements(connection, admin.tenancy, wanted, now=store.clock.now()) == tuple(wanted)


# What all verbs share.


def test_lists_come_in_pages_in_both_directions_and_keep_foreign_page_tokens_out(store: Store, admin: Actor) -> None:
    for name in ("delta", "bravo", "charlie", "alpha"):
        users.create(store, admin, name)
    wanted = ["admin", "alpha", "bravo", "charlie", "delta"]
    for descending in (False, True):
        seen: list[str] = []
        page = ""
        for _ in range(5):
            found = users.listed(store, admin, Listing(descending=descending, limit=2, page=page))
            seen += [user.name for user in found.items]
            page = found.next_page
            if not page:
                break
        assert seen == (wanted[::-1] if descending else wanted)
    token = users.listed(store, admin, Listing(limit=2)).next_page
    refused(Reason.PAGE_TOKEN, lambda: groups.listed(store, admin, Listing(limit=2, page=token)))
    refused(Reason.PAGE_TOKEN, lambda: users.listed(store, admin, Listing(limit=2, page=token, descending=True)))
    refused(Reason.PAGE_TOKEN, lambda: users.listed(store, admin, Listing(limit=2, page="x" + token)))
    refused(Reason.MALFORMED, lambda: users.listed(store, admin, Listing(limit=0)))
    assert [user.name for user in users.listed(store, admin, Listing(name="ALPHA")).items] == ["alpha"]


def test_rows_of_one_instant_are_paged_without_loss(store: Store, admin: Actor) -> None:
    for number in range(7):
        groups.create(store, admin, f"g{number}")
    seen: list[str] = []
    page = ""
    while True:
        found = groups.listed(store, admin, Listing(sort_by=SortBy.TIMECREATED, limit=3, page=page))
        seen += [group.name for group in found.items]
        page = found.next_page
        if not page:
            break
    assert sorted(seen) == ["Administrators", *(f"g{number}" for number in range(7))]


def test_a_retry_token_gives_the_first_answer_again_for_a_day(store: Store, admin: Actor, clock: SetClock) -> None:
    first = users.create(store, admin, "alice", retry_token="token")
    assert users.create(store, admin, "alice", retry_token="token") == first
    refused(Reason.RETRY_TOKEN_REUSED, lambda: users.create(store, admin, "bob", retry_token="token"))
    clock.advance(DAY + 1)
    refused(Reason.EXISTS, lambda: users.create(store, admin, "alice", retry_token="token"))


def test_a_retry_token_does_not_give_again_what_was_deleted_since(store: Store, admin: Actor) -> None:
    first = groups.create(store, admin, "Short", retry_token="token")
    assert groups.create(store, admin, "Short", retry_token="token") == first
    groups.delete(store, admin, first.ocid)
    refused(Reason.RETRY_TOKEN_REUSED, lambda: groups.create(store, admin, "Short", retry_token="token"))
    assert groups.create(store, admin, "Short", retry_token="fresh").ocid != first.ocid


def test_every_change_and_every_denied_attempt_is_audited(store: Store, admin: Actor) -> None:
    user = users.create(store, admin, "alice")
    alice = Actor(users.principal_of(user), admin.tenancy)
    refused(Reason.NOT_FOUND, lambda: users.delete(store, alice, admin.principal.ocid))
    users.delete(store, admin, user.ocid)
    assert audited(store, "CreateUser") == [("done", user.ocid)]
    assert sorted(audited(store, "DeleteUser")) == [("denied", admin.principal.ocid), ("done", user.ocid)]


def test_missing_and_forbidden_look_alike(store: Store, admin: Actor) -> None:
    group = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice")
    missing = "ocid1.group.oc1.." + "a" * 60
    reading = {str(refused(Reason.NOT_FOUND, lambda: groups.get(store, alice, each))) for each in (group.ocid, missing)}  # noqa: B023
    deleting = {
        str(refused(Reason.NOT_FOUND, lambda: groups.delete(store, alice, each)))  # noqa: B023
        for each in (group.ocid, missing)
    }
    assert (len(reading), len(deleting)) == (1, 1)


def test_tags_are_bounded(store: Store, admin: Actor) -> None:
    refused(Reason.LIMIT_EXCEEDED, lambda: Tags({f"k{number}": "v" for number in range(11)}))
    refused(Reason.MALFORMED, lambda: Tags({"k": "v" * 257}))
    refused(Reason.MALFORMED, lambda: Tags({}, {"Ops": {"Cost": ["not", "a", "scalar"]}}))
    tags = Tags({"k": "v"}, {"Ops": {"Cost": 42}})
    group = groups.create(store, admin, "Ops", tags=tags)
    assert (group.freeform_tags, group.defined_tags) == ({"k": "v"}, {"Ops": {"Cost": 42}})
    assert groups.update(store, admin, group.ocid, tags=Tags()).freeform_tags == {}


def test_the_statements_read_for_a_request_are_those_that_could_speak_of_it(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    other = groups.create(store, admin, "Other")
    alice = person(store, admin, "alice", ops)
    policies.create(
        store,
        admin,
        admin.tenancy,
        "p",
        [
            "allow group Ops to read repos in tenancy",
            "allow group Other to read repos in tenancy",
            "allow group Ops to read keys in tenancy",
            "allow group Ops, Other to {REPOSITORY_READ} in tenancy",
            "allow any-user to inspect all-resources in tenancy",
        ],
    )
    assert other
    with store.database.read() as connection:
        caller = authority.caller_of(connection, alice)
        found = authority.statements_for(connection, admin.tenancy, caller, frozenset({"REPOSITORY_READ"}))
    assert [each.position for each in found if each.policy] == [1, 4, 5]
