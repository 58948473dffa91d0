"""Who may and why, dynamic groups, network sources and tags in conditions, on both databases."""

import os
import random
from collections.abc import Callable

import pytest

from assay.clock import SetClock
from assay.errors import Reason, Refused
from assay.events import CompartmentMoved, decode
from assay.iam import Actor, Principal, PrincipalKind, Target, authority, permitted
from assay.iam.credentials import cluster_tokens
from assay.iam.identity import (
    compartments,
    dynamic_groups,
    first_start,
    groups,
    network_sources,
    policies,
    users,
    why,
)
from assay.iam.identity.first_start import FirstStart
from assay.iam.permissions import OPERATIONS
from assay.iam.records import authority as authority_records
from assay.iam.resources import Group, Tags
from assay.storage import Store, metadata

WORLDS = 60 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 8
STATEMENTS = 1_000 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 200


@pytest.fixture
def made(store: Store) -> FirstStart:
    found = first_start.bootstrap(store)
    assert found is not None
    return found


@pytest.fixture
def admin(made: FirstStart) -> Actor:
    return Actor(users.principal_of(made.administrator), made.tenancy.ocid, "192.0.2.7")


def refused(reason: Reason, act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.reason is reason, caught.value
    return caught.value


def person(store: Store, admin: Actor, name: str, *in_groups: Group, address: str = "") -> Actor:
    user = users.create(store, admin, name)
    for group in in_groups:
        groups.add_user(store, admin, user.ocid, group.ocid)
    return Actor(users.principal_of(user), admin.tenancy, address)


def may(store: Store, actor: Actor, operation: str, compartment: str, resource: str = "", **variables: str) -> bool:
    target = Target(compartment, resource, variables={name.replace("_", "."): each for name, each in variables.items()})
    with store.database.read() as connection:
        return permitted(connection, actor, operation, target, now=store.clock.now())


def write(store: Store, admin: Actor, *statements: str) -> None:
    policies.create(store, admin, admin.tenancy, f"p{random.randrange(10**9)}", statements)


def cluster_in(store: Store, admin: Actor, compartment: str, name: str) -> Actor:
    """A cluster that acts: for IAM it is what holds a token; its row is in the admission room."""
    from assay.admission import clusters
    from assay.admission.model import ClusterDetails

    made = clusters.create_cluster(store, admin, ClusterDetails(compartment=compartment, name=name))
    cluster_tokens.create(store, admin, cluster_tokens.Cluster(made.ocid, name, compartment))
    return Actor(Principal(PrincipalKind.CLUSTER, name, made.ocid), admin.tenancy)


# Dynamic groups.


def test_a_cluster_is_in_the_dynamic_groups_whose_rule_is_true_of_it(store: Store, admin: Actor) -> None:
    dev, prod = (compartments.create(store, admin, admin.tenancy, name).ocid for name in ("dev", "prod"))
    rule = f"all {{resource.type = 'cluster', resource.compartment.id = '{dev}'}}"
    made = dynamic_groups.create(store, admin, "dev-clusters", rule)
    write(store, admin, "allow dynamic-group dev-clusters to read repos in tenancy")
    inside, outside = cluster_in(store, admin, dev, "inside"), cluster_in(store, admin, prod, "outside")
    assert (may(store, inside, "PullImage", prod), may(store, outside, "PullImage", prod)) == (True, False)
    # A changed rule counts from the next request on.
    dynamic_groups.update(store, admin, made.ocid, matching_rule=f"resource.compartment.id = '{prod}'")
    assert (may(store, inside, "PullImage", prod), may(store, outside, "PullImage", prod)) == (False, True)
    dynamic_groups.delete(store, admin, made.ocid)
    assert not may(store, outside, "PullImage", prod)
    # A later namesake inherits nothing.
    dynamic_groups.create(store, admin, "dev-clusters", "resource.type = 'cluster'")
    assert not may(store, outside, "PullImage", prod)


def test_a_user_is_in_no_dynamic_group_and_a_cluster_in_no_group(store: Store, admin: Actor) -> None:
    dynamic_groups.create(store, admin, "all", "any {resource.id != 'nothing'}")
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    cluster = cluster_in(store, admin, admin.tenancy, "c")
    write(store, admin, "allow dynamic-group all to read repos in tenancy", "allow group Ops to read keys in tenancy")
    found = [may(store, actor, name, admin.tenancy) for actor in (alice, cluster) for name in ("PullImage", "GetKey")]
    assert found == [False, True, True, False]


def test_functions_and_applications_are_principals_whom_any_user_names(store: Store, admin: Actor) -> None:
    write(store, admin, "allow any-user to read repos in tenancy where request.principal.type = 'fnfunc'")
    repository = "allow any-user to read keys in tenancy where request.principal.repo_name = 'fn/hello'"
    write(store, admin, repository)
    function = Principal(PrincipalKind.FUNCTION, "hello", "ocid1.fnfunc.oc1.local." + "a" * 60, "fn/hello")
    application = Principal(PrincipalKind.APPLICATION, "app", "ocid1.fnapp.oc1.local." + "a" * 60)
    for principal, expected in ((function, (True, True)), (application, (False, False))):
        actor = Actor(principal, admin.tenancy)
        found = tuple(may(store, actor, name, admin.tenancy) for name in ("PullImage", "GetKey"))
        assert found == expected


def test_a_broken_rule_is_refused_and_names_are_unique(store: Store, admin: Actor) -> None:
    error = refused(Reason.MALFORMED, lambda: dynamic_groups.create(store, admin, "g", "resource.typ = 'cluster'"))
    assert "character 1" in error.message
    assert "resource.type" in error.advice
    dynamic_groups.create(store, admin, "g", "resource.type = 'cluster'")
    refused(Reason.EXISTS, lambda: dynamic_groups.create(store, admin, "G", "resource.type = 'cluster'"))
    assert [group.name for group in dynamic_groups.listed(store, admin).items] == ["g"]
    nobody = person(store, admin, "nobody")
    refused(Reason.NOT_FOUND, lambda: dynamic_groups.listed(store, nobody))


# What conditions look up.


def test_a_network_source_tells_where_a_request_comes_from(store: Store, admin: Actor) -> None:
    source = network_sources.create(store, admin, "office", ["192.0.2.0/24", "2001:db8::/32"])
    assert source.networks == ("192.0.2.0/24", "2001:db8::/32")
    network_sources.create(store, admin, "desk", ["192.0.2.7"])
    ops = groups.create(store, admin, "Ops")
    write(store, admin, "allow group Ops to read repos in tenancy where request.networkSource.name = 'office'")
    write(store, admin, "allow group Ops to read keys in tenancy where request.networkSource.name = 'DESK'")
    alice = person(store, admin, "alice", ops)
    for address, expected in {
        "192.0.2.7": (True, True),
        "192.0.2.8": (True, False),
        "2001:db8::1": (True, False),
        "198.51.100.1": (False, False),
        "": (False, False),
    }.items():
        actor = Actor(alice.principal, alice.tenancy, address)
        assert tuple(may(store, actor, name, admin.tenancy) for name in ("PullImage", "GetKey")) == expected, address
    refused(Reason.MALFORMED, lambda: network_sources.create(store, admin, "bad", ["192.0.2.7/24"]))
    network_sources.delete(store, admin, source.ocid)
    assert not may(store, Actor(alice.principal, alice.tenancy, "192.0.2.8"), "PullImage", admin.tenancy)


def test_conditions_see_the_tags_of_the_target_its_compartment_and_the_callers_groups(
    store: Store, admin: Actor
) -> None:
    red, blue = (Tags(defined={"Ops": {"Team": team}}) for team in ("red", "blue"))
    dev = compartments.create(store, admin, admin.tenancy, "dev", tags=red).ocid
    ops = groups.create(store, admin, "Ops", tags=red)
    alice = person(store, admin, "alice", ops)
    theirs = users.create(store, admin, "theirs", tags=red).ocid
    other = users.create(store, admin, "other", tags=blue).ocid
    write(
        store,
        admin,
        "allow group Ops to use users in tenancy where target.resource.tag.Ops.Team = 'red'",
        "allow group Ops to read repos in tenancy where target.resource.compartment.tag.Ops.Team = 'red'",
        "allow any-user to read keys in tenancy where request.principal.group.tag.Ops.Team = 'RED'",
    )
    for user, expected in ((theirs, True), (other, False)):
        assert may(store, alice, "UpdateUser", admin.tenancy, user) is expected
    assert (may(store, alice, "PullImage", dev), may(store, alice, "PullImage", admin.tenancy)) == (True, False)
    bob = person(store, admin, "bob", groups.create(store, admin, "Blue", tags=blue))
    assert (may(store, alice, "GetKey", dev), may(store, bob, "GetKey", dev)) == (True, False)


def test_a_target_says_its_own_ocid(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    mine, other = (f"ocid1.containerrepo.oc1.local.0.ns.{letter * 60}" for letter in "ab")
    write(store, admin, f"allow group Ops to read repos in tenancy where target.repo.id = '{mine}'")
    found = [may(store, alice, "PullImage", admin.tenancy, each) for each in (mine, other, "")]
    assert found == [True, False, False]


# What one may not read.


def test_whoever_may_only_inspect_sees_that_there_is_a_user_and_nothing_that_people_wrote(
    store: Store, admin: Actor
) -> None:
    user = users.create(store, admin, "carol", "secret plan", email="carol@example.org", tags=Tags({"team": "red"}))
    inspectors, readers = groups.create(store, admin, "Inspectors"), groups.create(store, admin, "Readers")
    write(store, admin, "allow group Inspectors to inspect users in tenancy")
    write(store, admin, "allow group Readers to read users in tenancy")
    alice, bob = person(store, admin, "alice", inspectors), person(store, admin, "bob", readers)
    (seen,) = [each for each in users.listed(store, alice).items if each.name == "carol"]
    assert (seen.ocid, seen.description, seen.email, seen.freeform_tags) == (user.ocid, "", "", {})
    assert users.get(store, alice, user.ocid) == seen
    (read,) = [each for each in users.listed(store, bob).items if each.name == "carol"]
    assert (read.description, read.email, read.freeform_tags) == ("secret plan", "carol@example.org", {"team": "red"})
    # One's own are no secret to oneself.
    carol = Actor(users.principal_of(user), admin.tenancy)
    assert users.get(store, carol, user.ocid).email == "carol@example.org"


def test_whoever_may_only_inspect_a_compartment_gets_its_name_alone(store: Store, admin: Actor) -> None:
    dev = compartments.create(store, admin, admin.tenancy, "dev", "secret plan", Tags({"team": "red"}))
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    write(store, admin, "allow group Ops to inspect compartments in tenancy")
    (seen,) = compartments.listed(store, alice, admin.tenancy).items
    assert (seen.name, seen.description, seen.freeform_tags) == ("dev", "", {})
    write(store, admin, "allow group Ops to read compartments in compartment dev")
    assert compartments.get(store, alice, dev.ocid).description == "secret plan"


def test_a_compartment_that_moves_is_announced_so_that_scanners_look_anew(store: Store, admin: Actor) -> None:
    dev, prod = (compartments.create(store, admin, admin.tenancy, name).ocid for name in ("dev", "prod"))
    compartments.move(store, admin, dev, prod)
    outbox = metadata.tables["outbox"]
    with store.database.read() as connection:
        rows = connection.execute(outbox.select().where(outbox.c.topic == "CompartmentMoved")).all()
    assert [decode(row.topic, row.payload) for row in rows] == [
        CompartmentMoved(tenancy=admin.tenancy, compartment=dev)
    ]


# Why.


def test_why_names_the_statements_that_decide_and_what_nobody_grants(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    read = "allow group Ops to read repos in tenancy"
    policy = policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to read keys in tenancy", read])
    here = Target(admin.tenancy)
    found = why.explain(store, admin, alice.principal, "PullImage", here)
    assert (found.allowed, found.needed, found.missing) == (True, ("REPOSITORY_READ",), ())
    (decider,) = found.by
    assert (decider.statement, decider.policy, decider.policy_name) == (read, policy.ocid, "p")
    assert (decider.position, decider.grants) == (2, ("REPOSITORY_READ",))
    push = why.explain(store, admin, alice.principal, "PushImage", here)
    assert (push.allowed, push.missing, push.missing_grants) == (False, ("REPOSITORY_UPDATE",), ("manage repos",))
    assert [each.statement for each in push.by] == [read]


def test_why_not_tells_of_statements_that_nearly_let_somebody(store: Store, admin: Actor) -> None:
    compartments.create(store, admin, admin.tenancy, "dev")
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    elsewhere = "allow group Ops to read repos in compartment dev"
    conditional = "allow group Ops to read repos in tenancy where target.repo.name = 'a'"
    write(store, admin, elsewhere, conditional)
    found = why.explain(store, admin, alice.principal, "PullImage", Target(admin.tenancy))
    assert not found.allowed
    assert [(each.decider.statement, each.because) for each in found.near_misses] == [
        (elsewhere, "It does not reach this compartment."),
        (conditional, "Its condition is not met."),
    ]


def test_who_can_lists_users_services_and_clusters(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    person(store, admin, "alice", ops)
    person(store, admin, "bob")
    cluster = cluster_in(store, admin, admin.tenancy, "prod")
    write(store, admin, "allow group Ops to read repos in tenancy", "allow service faas to read repos in tenancy")
    by_cluster = f"allow any-user to read repos in tenancy where request.user.id = '{cluster.principal.ocid}'"
    write(store, admin, by_cluster)
    found = why.who_can(store, admin, "PullImage", Target(admin.tenancy)).items
    assert [each.principal.name for each in found] == ["admin", "alice", "faas", "prod"]
    assert found[-1].by[0].statement == by_cluster


def test_explanations_need_the_right_to_read_all_policies_and_name_what_there_is(store: Store, admin: Actor) -> None:
    alice = person(store, admin, "alice")
    here = Target(admin.tenancy)
    refused(Reason.NOT_FOUND, lambda: why.explain(store, alice, alice.principal, "PullImage", here))
    refused(Reason.NOT_FOUND, lambda: why.who_can(store, alice, "PullImage", here))
    refused(Reason.NOT_FOUND, lambda: why.principal_of(store, alice, "alice"))
    error = refused(Reason.MALFORMED, lambda: why.explain(store, admin, alice.principal, "PulImage", here))
    assert "PullImage" in error.advice
    assert why.principal_of(store, admin, "ALICE") == alice.principal
    assert why.principal_of(store, admin, "FaaS") == Principal(PrincipalKind.SERVICE, "faas")
    refused(Reason.NOT_FOUND, lambda: why.principal_of(store, admin, "nobody"))
    refused(Reason.NOT_FOUND, lambda: why.place_of(store, admin, "ocid1.compartment.oc1.." + "a" * 60))


def test_why_and_who_can_equal_brute_force_on_random_policies(store: Store, admin: Actor, clock: SetClock) -> None:
    """Brute force: asking for each person, and for each statement whether it alone changes the answer."""
    rng = random.Random(11)
    places = [admin.tenancy, *(compartments.create(store, admin, admin.tenancy, f"c{i}").ocid for i in range(3))]
    everyone = [groups.create(store, admin, f"G{i}") for i in range(4)]
    people = [person(store, admin, f"u{i}", *rng.sample(everyone, rng.randint(0, 2))) for i in range(6)]
    asked = ("PullImage", "PushImage", "GetKey", "CreateKey", "ListUsers")
    for _ in range(WORLDS):
        texts = [random_statement(rng) for _ in range(rng.randint(1, 6))]
        policy = policies.create(store, admin, admin.tenancy, "random", texts)
        for operation in asked:
            target = Target(rng.choice(places), variables={"target.repo.name": rng.choice(["a", "b"])})
            found = {each.principal.name: each for each in why.who_can(store, admin, operation, target).items}
            with store.database.read() as connection:
                brute = {
                    each.principal.name
                    for each in [*people, admin]
                    if permitted(connection, each, operation, target, now=clock.now())
                }
            users_found = {name for name, each in found.items() if each.principal.kind is PrincipalKind.USER}
            assert users_found == brute, (operation, texts)
        # The deciders: a statement decides when a policy of it alone grants a needed permission.
        who, operation, target = rng.choice(people), rng.choice(asked), Target(rng.choice(places))
        deciders = {
            each.position for each in why.explain(store, admin, who.principal, operation, target).by if each.policy
        }
        for position, text in enumerate(texts, 1):
            policies.update(store, admin, policy.ocid, statements=[text])
            alone = any(each.policy for each in why.explain(store, admin, who.principal, operation, target).by)
            wanted = OPERATIONS[operation].permissions
            left = set(why.explain(store, admin, who.principal, operation, target).missing)
            assert alone is (left != wanted), text
            assert alone is (position in deciders), (text, operation)
        policies.delete(store, admin, policy.ocid)


def random_statement(rng: random.Random) -> str:
    subject = rng.choice(["any-user", *(f"group G{i}" for i in range(4)), "group G0, G1"])
    what = rng.choice([f"{verb} {kind}" for verb in ("inspect", "read", "use", "manage") for kind in KINDS] + LISTS)
    where = rng.choice(["tenancy", "tenancy", "compartment c0", "compartment c1"])
    condition = rng.choice(["", "", " where target.repo.name = 'a'", " where request.operation != 'PullImage'"])
    return f"allow {subject} to {what} in {where}{condition}"


KINDS = ("repos", "keys", "vaults", "users", "all-resources")
LISTS = ["{REPOSITORY_READ}", "{REPOSITORY_UPDATE, KEY_CREATE}", "{VAULT_CREATE_KEY} vaults"]


# How much is read for a decision.


def test_of_a_thousand_statements_only_those_that_could_speak_are_read(store: Store, admin: Actor) -> None:
    mine, _other = groups.create(store, admin, "Mine"), groups.create(store, admin, "Other")
    alice = person(store, admin, "alice", mine)
    speaking = [f"allow group Mine to read repos in tenancy where target.repo.name = '{i}'" for i in range(20)]
    silent = [
        f"allow group {'Other to read repos' if i % 2 else 'Mine to read keys'} in tenancy where request.region = '{i}'"
        for i in range(STATEMENTS - 20)
    ]
    texts = [*speaking, *silent]
    for start in range(0, len(texts), policies.STATEMENTS_MAX):
        write(store, admin, *texts[start : start + policies.STATEMENTS_MAX])
    with store.database.read() as connection:
        caller = authority.caller_of(connection, alice)
        found = authority.statements_for(connection, admin.tenancy, caller, frozenset({"REPOSITORY_READ"}))
        assert [each.text for each in found if each.policy] == speaking
        if connection.dialect.name == "sqlite":
            keys = {"owner": "t", "subjects": ["a"], "resource_types": ["b"]}
            query = str(
                authority_records.STATEMENTS.params(**keys).compile(connection, compile_kwargs={"literal_binds": True})
            )
            plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
            # Both tables are searched by key; only the few keys that were found are gone through.
            assert [line for line in plan if line.startswith("SCAN") and "policy" in line] == [], plan
            assert any("policy_grant" in line and "SEARCH" in line for line in plan), plan
            assert any("policy_statement" in line and "SEARCH" in line for line in plan), plan
    assert may(store, alice, "PullImage", admin.tenancy, **{"target.repo.name": "7"})


def test_a_changed_policy_takes_effect_on_the_next_request(store: Store, admin: Actor) -> None:
    ops = groups.create(store, admin, "Ops")
    alice = person(store, admin, "alice", ops)
    answers = []
    policy = policies.create(store, admin, admin.tenancy, "p", ["allow group Ops to read keys in tenancy"])
    answers.append(may(store, alice, "PullImage", admin.tenancy))
    policies.update(store, admin, policy.ocid, statements=["allow group Ops to read repos in tenancy"])
    answers.append(may(store, alice, "PullImage", admin.tenancy))
    condition = "allow group Ops to read repos in tenancy where target.repo.name = 'other'"
    policies.update(store, admin, policy.ocid, statements=[condition])
    answers.append(may(store, alice, "PullImage", admin.tenancy, **{"target.repo.name": "mine"}))
    policies.update(store, admin, policy.ocid, statements=["allow group Ops to manage repos in tenancy"])
    answers.append(may(store, alice, "PullImage", admin.tenancy))
    policies.delete(store, admin, policy.ocid)
    answers.append(may(store, alice, "PullImage", admin.tenancy))
    assert answers == [False, True, False, True, False]
