"""Matching rules of dynamic groups: what they say, and the word at which one goes wrong."""

import pytest

from assay.errors import Refused
from assay.iam.evaluate import holds
from assay.iam.matching_rules import check_rule, parse_rule, variables_of_resource
from assay.iam.words import Fault

CLUSTER = "ocid1.cluster.oc1.local." + "a" * 60
FUNCTION = "ocid1.fnfunc.oc1.local." + "b" * 60
DEV = "ocid1.compartment.oc1.." + "c" * 60
PROD = "ocid1.compartment.oc1.." + "d" * 60

RESOURCES = {
    "cluster in dev": variables_of_resource("cluster", CLUSTER, DEV, {"Ops": {"Team": "red", "Cost": 42}}),
    "function in prod": variables_of_resource("fnfunc", FUNCTION, PROD, {}),
}

#: Rule → the resources that it is true of.
RULES = {
    "resource.type = 'cluster'": {"cluster in dev"},
    "Any {resource.type = 'cluster', resource.type = 'fnfunc'}": {"cluster in dev", "function in prod"},
    f"ALL {{resource.type = 'fnfunc', resource.compartment.id = '{PROD}'}}": {"function in prod"},
    f"ALL {{resource.type = 'fnfunc', resource.compartment.id = '{DEV}'}}": set(),
    f"Any {{resource.id = '{CLUSTER}', all {{resource.type = 'fnapp'}}}}": {"cluster in dev"},
    f"resource.compartment.id != '{DEV}'": {"function in prod"},
    "resource.type in ('fnapp', 'fnfunc')": {"function in prod"},
    "tag.Ops.Team.value = 'RED'": {"cluster in dev"},
    "tag.ops.cost.value = '42'": {"cluster in dev"},
    "tag.Ops.Team.value = 'blue'": set(),
    "Any {tag.Ops.Team.value}": {"cluster in dev"},
    "tag.Ops.Missing.value": set(),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_true_of_the_resources_that_it_describes(rule: str) -> None:
    condition = parse_rule(rule)
    assert {name for name, told in RESOURCES.items() if holds(condition, told)} == RULES[rule]


#: Rule → character of the wrong word, counted by hand from 1, and a word of the message.
BROKEN = {
    "": (1, "not a variable"),
    "Any {}": (6, "not a variable"),
    "resource.typ = 'cluster'": (1, "resource.typ"),
    "resource.type 'cluster'": (15, "operator"),
    "resource.type = cluster": (17, "value"),
    "instance.id = 'ocid1.instance'": (1, "compute instances"),
    "any {resource.type = 'fnapp', instance.compartment.id = 'x'}": (31, "compute instances"),
    "resource.type = 'cluster' where": (27, "something follows"),
    "request.user.id = 'x'": (1, "not a variable"),
    "tag.Ops.value = 'x'": (1, "not a variable"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_refused_where_it_breaks(rule: str) -> None:
    position, said = BROKEN[rule]
    found = check_rule(rule)
    assert isinstance(found, Fault)
    assert found.position == position, found
    assert said in f"{found.problem} {found.expected}"
    with pytest.raises(Refused, match=f"Matching rule, character {position}"):
        parse_rule(rule)


def test_a_mistyped_variable_gets_the_one_that_was_meant() -> None:
    found = check_rule("resource.typ = 'cluster'")
    assert isinstance(found, Fault)
    assert found.nearest == "resource.type"


@pytest.mark.parametrize("rule", ["resource.type = 'clustre'", "resource.type != 'instance'", "resource.type = /x*/"])
def test_a_type_of_resource_that_there_is_not_is_refused_when_it_is_written_and_not_when_it_is_in_force(
    rule: str,
) -> None:
    with pytest.raises(Refused, match=r"no value that resource\.type ever has.*cluster, fnapp, fnfunc"):
        parse_rule(rule, written=True)
    parse_rule(rule)
