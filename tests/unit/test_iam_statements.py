"""The policy language: every example of oci-api 4.3 to 4.5 reads, prints back, and every typo is pointed at."""

import pytest

from assay.errors import Refused
from assay.iam.reader import CONDITION_DEPTH_MAX
from assay.iam.statements import check, check_written, parse
from assay.iam.syntax import Combination, Comparison, Location, Named, Operator, Statement, SubjectKind, ValueKind
from assay.iam.words import STATEMENT_CHARACTERS_MAX, WORDS_MAX, Fault

CLUSTER = "ocid1.cluster.oc1.iad." + "a" * 60
GROUP = "ocid1.group.oc1.." + "b" * 60
COMPARTMENT = "ocid1.compartment.oc1.." + "c" * 60
TENANCY = "ocid1.tenancy.oc1.." + "t" * 60

#: As written in OCI's documents, and as it is printed back.
EXAMPLES = {
    "allow service vulnerability-scanning-service to read repos in tenancy": "",
    "allow service vulnerability-scanning-service to read compartments in tenancy": "",
    f"Allow any-user to use keys in tenancy where request.user.id={CLUSTER}": (
        f"allow any-user to use keys in tenancy where request.user.id = '{CLUSTER}'"
    ),
    "Allow service faas to read repos in tenancy where request.operation='ListContainerImageSignatures'": (
        "allow service faas to read repos in tenancy where request.operation = 'ListContainerImageSignatures'"
    ),
    "Allow service faas to {KEY_READ} in tenancy where request.operation='GetKeyVersion'": (
        "allow service faas to {KEY_READ} in tenancy where request.operation = 'GetKeyVersion'"
    ),
    "Allow service FaaS to read repos in tenancy": "allow service faas to read repos in tenancy",
    "Allow group P to manage repos in tenancy where ANY {request.permission='REPOSITORY_READ',"
    " request.permission='REPOSITORY_UPDATE', request.permission='REPOSITORY_CREATE'}": (
        "allow group P to manage repos in tenancy where any {request.permission = 'REPOSITORY_READ',"
        " request.permission = 'REPOSITORY_UPDATE', request.permission = 'REPOSITORY_CREATE'}"
    ),
    "Allow group Web to read repos in tenancy where all { target.repo.name=/acme-web-app*/ }": (
        "allow group Web to read repos in tenancy where all {target.repo.name = /acme-web-app*/}"
    ),
    "ALLOW GROUP A-Admins,B-Admins TO MANAGE ALL-RESOURCES IN COMPARTMENT A:B:C": (
        "allow group A-Admins, B-Admins to manage all-resources in compartment A:B:C"
    ),
    f"allow group id {GROUP}, id {GROUP} to use vaults in compartment id {COMPARTMENT}": "",
    "allow group 'Default'/'My Group' to inspect users in tenancy": (
        "allow group Default/'My Group' to inspect users in tenancy"
    ),
    "allow dynamic-group Builders to manage functions-family in tenancy // the pipeline": (
        "allow dynamic-group Builders to manage functions-family in tenancy"
    ),
    "allow service faas, cloudguard to use keys in tenancy": "",
    "allow group G to {KEY_SIGN, KEY_VERIFY} keys in tenancy": "",
    "allow group G to manage policies in tenancy where target.policy.name in ('a', /b*/)": "",
    "allow group G to use users in tenancy where target.group.name != 'Administrators'": "",
    "allow any-user to manage users in tenancy where request.principal.id = target.user.id": "",
    "allow group G to read vss-family in tenancy where all {any {target.repo.name = 'a', target.repo.name = 'b'},"
    " request.utc-timestamp after '2026-01-01T00:00:00Z', request.utc-timestamp before '2027-01-01T00:00:00Z'}": "",
    "allow group G to read repos in tenancy where target.resource.tag.Ops.Team = 'red'": (
        "allow group G to read repos in tenancy where target.resource.tag.ops.team = 'red'"
    ),
    "allow group G to read repos in tenancy where target.repo.name = /proj/app*/": "",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_documented_statement_reads_and_prints_back_canonically(text: str) -> None:
    canonical = EXAMPLES[text] or text
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_a_statement_reads_into_its_parts() -> None:
    found = parse("Allow group Ops, 'Default'/'Night Shift' to use keys in compartment a:b where target.key.id != 'x'")
    assert found.subject.kind is SubjectKind.GROUP
    assert found.subject.names == (Named("Ops"), Named("Night Shift", domain="Default"))
    assert (found.grant.verb, found.grant.resource_type) == ("use", "keys")
    assert found.location == Location(("a", "b"))
    assert isinstance(found.condition, Comparison)
    assert (found.condition.variable, found.condition.operator) == ("target.key.id", Operator.NOT_EQUAL)


def test_a_pattern_may_hold_slashes_and_a_comment_may_follow_it() -> None:
    found = parse(
        "allow group G to read repos in tenancy where any {target.repo.name=/a/b*/, target.repo.name=/c/} // x"
    )
    assert isinstance(found.condition, Combination)
    values = [each.values[0] for each in found.condition.conditions if isinstance(each, Comparison)]
    assert [(value.kind, value.text) for value in values] == [(ValueKind.PATTERN, "a/b*"), (ValueKind.PATTERN, "c")]


def test_a_quoted_keyword_is_a_name() -> None:
    found = parse("allow group 'id' to read repos in compartment 'tenancy'")
    assert found.subject.names == (Named("id"),)
    assert found.location == Location(("tenancy",))
    assert str(found) == "allow group 'id' to read repos in compartment 'tenancy'"


#: Statement → character of the wrong word (counted by hand from 1), the word, the word that was meant.
TYPOS = {
    "alow group G to read repos in tenancy": (1, "alow", "allow"),
    "allow grp G to read repos in tenancy": (7, "grp", "group"),
    "allow group G too read repos in tenancy": (15, "too", "to"),
    "allow group G to raed repos in tenancy": (18, "raed", "read"),
    "allow group G to read repoz in tenancy": (23, "repoz", "repos"),
    "allow group G to read repos inn tenancy": (29, "inn", "in"),
    "allow group G to read repos in tenacy": (32, "tenacy", "tenancy"),
    "allow group G to read repos in tenancy were x": (40, "were", "where"),
    "allow group G to {KEY_SING} in tenancy": (19, "KEY_SING", "KEY_SIGN"),
    "allow service vulnerability-scaning-service to read repos in tenancy": (
        15,
        "vulnerability-scaning-service",
        "vulnerability-scanning-service",
    ),
    "allow group G to read repos in tenancy where target.repo.nam = 'a'": (46, "target.repo.nam", "target.repo.name"),
    "allow group G to read repos in tenancy where request.utc-timestamp befor '2026-01-01'": (68, "befor", "before"),
}


@pytest.mark.parametrize("text", TYPOS)
def test_a_typo_is_pointed_at_with_the_word_that_was_meant(text: str) -> None:
    found = check(text)
    assert isinstance(found, Fault)
    assert (found.position, found.word, found.nearest) == TYPOS[text]
    assert found.nearest in found.advice


#: Condition → the value that its variable never has, and the one that was meant.
NEVER_HELD = {
    "request.operation = 'GetKeyVersoin'": ("GetKeyVersoin", "GetKeyVersion"),
    "request.operation != 'Verfy'": ("Verfy", "Verify"),
    "request.operation in ('Verify', 'Sing')": ("Sing", "Sign"),
    "request.operation = /ListContainerImageSig*z/": ("ListContainerImageSig*z", "ListContainerImages"),
    "request.permission = 'REPOSITORY_RAED'": ("REPOSITORY_RAED", "REPOSITORY_READ"),
    "all {request.principal.type = 'fnfun'}": ("fnfun", "fnfunc"),
    "request.principal.type = 'instance'": ("instance", ""),
}


@pytest.mark.parametrize("condition", NEVER_HELD)
def test_a_value_that_a_variable_never_has_is_refused_when_it_is_written_and_not_when_it_is_in_force(
    condition: str,
) -> None:
    text = f"allow group G to manage repos in tenancy where {condition}"
    word, meant = NEVER_HELD[condition]
    found = check_written(text)
    assert isinstance(found, Fault)
    assert (found.word, found.position, found.nearest) == (word, text.index(word), meant)
    assert "one of " in found.advice
    assert isinstance(check(text), Statement)


@pytest.mark.parametrize(
    "condition",
    [
        "request.operation = 'getkeyversion'",
        "request.operation = /List*/",
        "request.operation = 'PullImage'",
        "request.permission in ('REPOSITORY_READ', /*_UPDATE/)",
        "request.principal.type = 'FnFunc'",
        "request.operation = request.permission",
        "target.repo.name = 'whatever'",
    ],
)
def test_a_value_that_a_variable_may_have_is_taken_in_any_case_and_as_a_pattern(condition: str) -> None:
    assert isinstance(check_written(f"allow group G to manage repos in tenancy where {condition}"), Statement)


#: Statement → where it goes wrong.
BROKEN = {
    "": 1,
    "// only a comment": 18,
    "allow group G to read repos in tenancy where": 45,
    "allow group G to read repos in tenancy where any {}": 51,
    "allow group G to read repos in tenancy where target.repo.name": 62,
    "allow group G to read repos in tenancy where target.repo.name = app": 65,
    "allow group G to read repos in tenancy where target.repo.name = 'app": 65,
    "allow group G to read repos in tenancy where target.repo.name in 'app'": 66,
    "allow group G to read repos in tenancy where request.utc-timestamp after 'yesterday'": 74,
    "allow group G to read repos in tenancy where request.utc-timestamp = '2026-01-01'": 68,
    "allow group G to read repos in tenancy tenancy": 40,
    "allow group G to read repos in tenancy; drop": 39,
    "allow group G, to read repos in tenancy": 19,
    "allow any-user G to read repos in tenancy": 16,
    "allow group id ocid1.group.short to read repos in tenancy": 16,
    f"allow group id {COMPARTMENT} to read repos in tenancy": 16,
    "allow group G to read in tenancy": 23,
    "allow group G to {} in tenancy": 19,
    "allow group G to read repos in compartment A::B": 44,
    "allow group '' to read repos in tenancy": 13,
    "allow group 'to read repos in tenancy": 13,
    "allow 'group' G to read repos in tenancy": 7,
    "allow group G to '{' KEY_READ } in tenancy": 18,
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_statement_is_refused_where_it_breaks(text: str) -> None:
    found = check(text)
    assert isinstance(found, Fault)
    assert found.position == BROKEN[text], found
    with pytest.raises(Refused, match=f"character {BROKEN[text]}"):
        parse(text)


#: The forms of oci-api 4.5, "Cross-tenancy".
CROSS_TENANCY = (
    f"Define tenancy Other as {TENANCY}",
    f"Define group Ops as {GROUP}",
    "Endorse any-user to {KEY_READ, REPOSITORY_READ} in tenancy Other where request.principal.type = 'fnfunc'",
    "Endorse group Ops to read repos in any-tenancy",
    "Admit any-user of tenancy Other to {KEY_READ} in tenancy where request.principal.type = 'fnfunc'",
    "Admit group Ops of tenancy Other to read repos in compartment dev",
)


@pytest.mark.parametrize("text", CROSS_TENANCY)
def test_statements_about_other_tenancies_are_refused_with_a_clear_text(text: str) -> None:
    with pytest.raises(Refused, match=r"character 1: .* speaks of several tenancies") as caught:
        parse(text)
    assert "begins with 'allow'" in caught.value.advice


#: Statement → character of the wrong word, the word.
CROSS_TENANCY_TYPOS = {
    f"Define tenansy Other as {TENANCY}": (8, "tenansy"),
    "Endorse any-user to {KEY_READ} in compartment Other": (35, "compartment"),
    "Admit any-user off tenancy Other to {KEY_READ} in tenancy": (16, "off"),
    "Admit any-user of tenancy Other to {KEY_REED} in tenancy": (37, "KEY_REED"),
    f"Define group Ops as {TENANCY}": (21, TENANCY),
}


@pytest.mark.parametrize("text", CROSS_TENANCY_TYPOS)
def test_a_typo_in_a_statement_about_other_tenancies_is_pointed_at_first(text: str) -> None:
    found = check(text)
    assert isinstance(found, Fault)
    assert (found.position, found.word) == CROSS_TENANCY_TYPOS[text]


def test_conditions_nest_to_the_limit_and_no_deeper() -> None:
    def nested(depth: int) -> str:
        inner = "target.repo.name = 'a'"
        for _ in range(depth):
            inner = f"all {{{inner}}}"
        return f"allow group G to read repos in tenancy where {inner}"

    assert isinstance(check(nested(CONDITION_DEPTH_MAX - 1)), Statement)
    fault = check(nested(CONDITION_DEPTH_MAX))
    assert isinstance(fault, Fault)
    assert "nested too deep" in fault.problem


def test_overlong_statements_are_refused_before_they_are_read() -> None:
    long = check("allow group " + "x" * STATEMENT_CHARACTERS_MAX)
    many = check("a " * (WORDS_MAX + 1))
    names = check("allow group " + ", ".join(f"g{number}" for number in range(60)) + " to read repos in tenancy")
    for fault, text in ((long, "characters"), (many, "words"), (names, "list is too long")):
        assert isinstance(fault, Fault)
        assert text in fault.problem
