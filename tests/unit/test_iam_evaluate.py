"""Who may what, by hand: reach, verbs, conditions, doubt, and the reasons given."""

import pytest

from assay.errors import Refused
from assay.iam import PrincipalKind
from assay.iam.binding import Directory, Node, bind
from assay.iam.evaluate import BoundStatement, Caller, Outcome, allows, holds
from assay.iam.permissions import OPERATIONS
from assay.iam.statements import parse
from assay.iam.syntax import matches
from assay.iam.words import Fault


def ocid(kind: str, letter: str) -> str:
    return f"ocid1.{kind}.oc1..{letter * 60}"


ROOT, DEV, TEAM, PROD = (ocid("tenancy", "r"), *(ocid("compartment", letter) for letter in "dtp"))
OPS, AUDIT = ocid("group", "o"), ocid("group", "u")
ALICE, CLUSTER = ocid("user", "a"), ocid("cluster", "k")
DIRECTORY = Directory(
    {"Ops": OPS, "Audit": AUDIT},
    (
        Node(ROOT, ROOT, "acme"),
        Node(DEV, ROOT, "dev"),
        Node(TEAM, DEV, "team"),
        Node(PROD, ROOT, "prod"),
    ),
)
USER = Caller(PrincipalKind.USER, "alice", ALICE, frozenset({OPS}), "local")
NOON = 1_785_585_600_000_000  # 2026-08-01T12:00:00Z


def bound(text: str, attached: str = ROOT) -> BoundStatement:
    statement = bind(parse(text), text, attached, DIRECTORY)
    assert not isinstance(statement, Fault), statement
    return BoundStatement(statement, attached, text)


def asked(
    *texts: str,
    caller: Caller = USER,
    operation: str = "PullImage",
    path: tuple[str, ...] = (ROOT, DEV),
    attached: str = ROOT,
    **variables: str,
) -> Outcome:
    named = {name.replace("_", "."): value for name, value in variables.items()}
    return allows([bound(text, attached) for text in texts], caller, OPERATIONS[operation], path, named, now=NOON)


def test_without_a_statement_everything_is_denied() -> None:
    outcome = asked()
    assert not outcome.allowed
    assert outcome.missing == {"REPOSITORY_READ"}
    assert outcome.missing_grants() == ("read repos",)


def test_a_statement_in_the_tenancy_reaches_every_compartment() -> None:
    text = "allow group Ops to read repos in tenancy"
    for path in ((ROOT,), (ROOT, DEV), (ROOT, DEV, TEAM), (ROOT, PROD)):
        outcome = asked(text, path=path)
        assert outcome.allowed
        assert [each.text for each in outcome.by] == [text]


def test_a_statement_about_a_compartment_reaches_what_lies_below_and_nothing_else() -> None:
    text = "allow group Ops to read repos in compartment dev"
    assert asked(text, path=(ROOT, DEV)).allowed
    assert asked(text, path=(ROOT, DEV, TEAM)).allowed
    assert not asked(text, path=(ROOT,)).allowed
    assert not asked(text, path=(ROOT, PROD)).allowed
    assert not asked(text, path=()).allowed


def test_a_compartment_that_was_moved_away_from_its_policy_is_reached_no_more() -> None:
    text = "allow group Ops to read repos in compartment team"
    assert asked(text, attached=DEV, path=(ROOT, DEV, TEAM)).allowed
    assert not asked(text, attached=DEV, path=(ROOT, PROD, TEAM)).allowed


def test_paths_name_compartments_from_where_the_policy_is_attached() -> None:
    assert bound("allow group Ops to read repos in compartment dev:team").reach == TEAM
    assert bound("allow group Ops to read repos in compartment team", DEV).reach == TEAM
    assert bound("allow group Ops to read repos in compartment dev", DEV).reach == DEV
    assert bound("allow group Ops to read repos in compartment dev:team", DEV).reach == TEAM
    assert bound(f"allow group Ops to read repos in compartment id {TEAM}").reach == TEAM


@pytest.mark.parametrize(
    ("text", "attached", "position", "hint"),
    [
        ("allow group Opps to read repos in tenancy", ROOT, 13, "Ops"),
        ("allow group Other/Ops to read repos in tenancy", ROOT, 13, "Default"),
        ("allow dynamic-group Ops to read repos in tenancy", ROOT, 21, ""),
        (f"allow group id {ocid('group', 'x')} to read repos in tenancy", ROOT, 16, ""),
        ("allow group Ops to read repos in compartment dav", ROOT, 46, "dev"),
        ("allow group Ops to read repos in compartment dev:prod", ROOT, 46, ""),
        ("allow group Ops to read repos in compartment prod", DEV, 46, ""),
        (f"allow group Ops to read repos in compartment id {PROD}", DEV, 49, ""),
        ("allow group Ops to read repos in tenancy", DEV, 34, ""),
    ],
)
def test_a_name_that_is_not_there_is_a_fault_at_its_word(text: str, attached: str, position: int, hint: str) -> None:
    found = bind(parse(text), text, attached, DIRECTORY)
    assert isinstance(found, Fault)
    assert (found.position, found.nearest) == (position, hint)


def test_a_statement_with_names_left_in_it_cannot_be_in_force() -> None:
    with pytest.raises(Refused, match="still holds names"):
        BoundStatement(parse("allow group Ops to read repos in tenancy"), ROOT, "")


def test_members_of_other_groups_services_and_strangers_are_not_meant() -> None:
    text = "allow group Audit to read repos in tenancy"
    assert not asked(text).allowed
    for kind in (PrincipalKind.SERVICE, PrincipalKind.CLUSTER, PrincipalKind.ANONYMOUS):
        assert not asked(text, caller=Caller(kind, "alice", ALICE, frozenset({AUDIT}))).allowed


def test_any_user_means_people_and_clusters_but_no_service_and_no_stranger() -> None:
    text = "allow any-user to read repos in tenancy"
    assert asked(text).allowed
    assert asked(text, caller=Caller(PrincipalKind.CLUSTER, "prod", CLUSTER)).allowed
    assert not asked(text, caller=Caller(PrincipalKind.SERVICE, "faas")).allowed
    assert not asked(text, caller=Caller(PrincipalKind.ANONYMOUS, "anonymous")).allowed


def test_a_cluster_is_let_in_by_its_ocid_as_in_okes_documents() -> None:
    text = f"Allow any-user to read repos in tenancy where request.user.id={CLUSTER}"
    assert asked(text, caller=Caller(PrincipalKind.CLUSTER, "prod", CLUSTER)).allowed
    assert not asked(text, caller=Caller(PrincipalKind.CLUSTER, "other", ocid("cluster", "z"))).allowed
    assert not asked(text).allowed


def test_the_scanning_service_needs_both_of_its_statements() -> None:
    service = Caller(PrincipalKind.SERVICE, "vulnerability-scanning-service")
    repos = "allow service vulnerability-scanning-service to read repos in tenancy"
    compartments = "allow service vulnerability-scanning-service to read compartments in tenancy"
    assert asked(repos, compartments, caller=service, operation="ScanContainerImage").allowed
    half = asked(repos, caller=service, operation="ScanContainerImage")
    assert not half.allowed
    assert half.missing_grants() == ("read compartments",)
    assert not asked(repos, compartments, caller=Caller(PrincipalKind.SERVICE, "faas")).allowed


def test_each_permission_may_come_from_another_statement() -> None:
    keys, vaults = "allow group Ops to manage keys in tenancy", "allow group Ops to use vaults in tenancy"
    both = asked(keys, vaults, operation="CreateKey")
    assert both.allowed
    assert len(both.by) == 2
    assert asked(keys, operation="CreateKey").missing == {"VAULT_CREATE_KEY"}


def test_permissions_by_name_grant_just_those() -> None:
    text = "allow group Ops to {KEY_SIGN} in tenancy"
    assert asked(text, operation="Sign").allowed
    assert not asked(text, operation="Verify").allowed
    assert not asked("allow group Ops to {KEY_SIGN} vaults in tenancy", operation="Sign").allowed


def test_a_condition_on_the_permission_makes_pushing_without_deleting() -> None:
    text = (
        "Allow group Ops to manage repos in tenancy where ANY {request.permission='REPOSITORY_READ',"
        " request.permission='REPOSITORY_UPDATE', request.permission='REPOSITORY_CREATE'}"
    )
    assert asked(text, operation="PushImage").allowed
    assert asked(text, operation="CreateContainerRepository").allowed
    assert not asked(text, operation="DeleteContainerRepository").allowed


def test_conditions_compare_names_patterns_operations_and_time() -> None:
    def on(condition: str) -> bool:
        return asked(f"allow group Ops to read repos in tenancy where {condition}", target_repo_name="proj/app").allowed

    assert on("target.repo.name = 'PROJ/App'")
    assert on("target.repo.name = /proj/*/")
    assert on("target.repo.name in ('x', /*app/)")
    assert on("target.repo.name != 'other'")
    assert on("request.operation = 'PullImage'")
    assert on("request.region = 'local'")
    assert on("target.compartment.id = " + f"'{DEV}'")
    assert on("all {request.user.name = 'alice', request.principal.type = 'user'}")
    assert on("any {target.repo.name = 'other', request.permission = 'REPOSITORY_READ'}")
    assert on("request.utc-timestamp before '2026-08-01T12:00:01Z'")
    assert on("request.utc-timestamp after '2026-08-01T13:59:59+02:00'")
    assert not on("target.repo.name = 'proj'")
    assert not on("target.repo.name = /app*/")
    assert not on("target.repo.name in ('x', 'y')")
    assert not on("target.repo.name != /proj*/")
    assert not on("all {request.user.name = 'alice', request.principal.type = 'cluster'}")
    assert not on("request.utc-timestamp before '2026-08-01T12:00:00Z'")
    assert not on("request.utc-timestamp after '2026-08-01T12:00:00Z'")


def test_a_variable_that_the_request_does_not_have_denies_also_when_compared_for_difference() -> None:
    def on(condition: str) -> bool:
        return asked(f"allow group Ops to read repos in tenancy where {condition}").allowed

    assert not on("target.repo.name = 'a'")
    assert not on("target.repo.name != 'a'")
    assert not on("target.repo.name in ('a')")
    assert not on("target.user.id = request.user.id")
    assert not on("request.user.id != target.user.id")
    assert not on("any {target.repo.name != 'a', target.key.id != 'b'}")


def test_a_target_cannot_pose_as_the_request() -> None:
    text = "allow group Ops to read repos in tenancy where request.operation = 'GetPolicy'"
    assert not asked(text, request_operation="GetPolicy").allowed


def test_one_variable_compares_with_another() -> None:
    text = "allow any-user to manage users in tenancy where request.user.id = target.user.id"
    assert asked(text, operation="CreateAuthToken", path=(ROOT,), target_user_id=ALICE).allowed
    assert not asked(text, operation="CreateAuthToken", path=(ROOT,), target_user_id=ocid("user", "b")).allowed


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*", "a", True),
        ("a*", "ab/c", True),
        ("*", "", True),
        ("*", "anything", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("abc", "ABC", True),
        ("abc", "abcd", False),
        ("*.x", "y.x.z", False),
        ("a**b", "ab", True),
        ("a.c", "abc", False),
    ],
)
def test_patterns_match_by_stars_alone(pattern: str, text: str, *, fits: bool) -> None:
    assert matches(pattern, text) is fits


def test_a_value_of_the_time_that_is_no_time_denies() -> None:
    statement = parse("allow group G to read repos in tenancy where request.utc-timestamp before '2027-01-01'")
    assert holds(statement.condition, {"request.utc-timestamp": "2026-01-01T00:00:00Z"})
    assert not holds(statement.condition, {"request.utc-timestamp": "soon"})
