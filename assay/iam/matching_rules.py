"""Matching rules of dynamic groups: which resources that act are in a group. Pure (oci-api 2.6, Identity service).

    any {resource.type = 'fnfunc', all {resource.compartment.id = 'ocid1…', tag.<namespace>.<key>.value = 'x'}}

A rule is a condition, with `all` and `any` nested as in a statement. `tag.<namespace>.<key>.value` alone asks whether
the tag is there. Principals that act as resources here are clusters, applications and functions.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from assay.errors import Refused
from assay.iam.actor import RESOURCES
from assay.iam.reader import Reader, Vocabulary
from assay.iam.syntax import Condition
from assay.iam.words import Fault, Stop

#: Variable → what it holds.
RULE_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "resource.type": "cluster, fnapp or fnfunc",
        "resource.id": "OCID of the cluster, application or function",
        "resource.compartment.id": "OCID of the compartment in which it lies",
    }
)
_TAG, _VALUE = "tag.", ".value"
_INSTANCE = "instance."


def canonical_rule_variable(word: str) -> str:
    """The variable's own spelling, whatever the case of `word`; empty when there is no such variable."""
    lower = word.lower()
    if lower.startswith(_TAG) and lower.endswith(_VALUE):
        namespace, dot, key = lower.removeprefix(_TAG).removesuffix(_VALUE).partition(".")
        return lower if namespace and dot and key else ""
    return lower if lower in RULE_VARIABLES else ""


_VOCABULARY = Vocabulary(
    canonical_rule_variable, (*RULE_VARIABLES, "tag.<namespace>.<key>.value"), "resource.type", alone=True
)
_WRITTEN = replace(_VOCABULARY, values={"resource.type": tuple(sorted(RESOURCES))})


@lru_cache(maxsize=1024)
def check_rule(text: str, *, written: bool = False) -> Condition | Fault:
    """The condition that a matching rule is, or what is wrong with it.

    In a rule that is `written` now, a type of resource that there is not is wrong; one in force is read as it stands.
    """
    try:
        reader = Reader(text, _WRITTEN if written else _VOCABULARY)
        condition = reader.condition(1)
        reader.end("matching rule")
    except Stop as stop:
        fault = stop.fault
        if fault.word.lower().startswith(_INSTANCE):
            problem = f"'{fault.word}' speaks of compute instances, and there are none here."
            return Fault(fault.position, fault.word, problem, "resource.type, resource.id or resource.compartment.id")
        return fault
    return condition


def parse_rule(text: str, *, written: bool = False) -> Condition:
    """The condition that a matching rule is. Errors: Refused, pointing at the word; `written` as of `check_rule`."""
    found = check_rule(text, written=written)
    if isinstance(found, Fault):
        raise Refused(f"Matching rule, character {found.position}: {found.problem}", advice=found.advice)
    return found


def variables_of_resource(
    kind: str, ocid: str, compartment: str, defined_tags: Mapping[str, Mapping[str, object]]
) -> dict[str, str]:
    """What a rule can ask of a resource. `kind` is `cluster`, `fnapp` or `fnfunc`."""
    found = {"resource.type": kind, "resource.id": ocid, "resource.compartment.id": compartment}
    for namespace, pairs in defined_tags.items():
        for key, value in pairs.items():
            found[f"{_TAG}{namespace}.{key}{_VALUE}".lower()] = str(value)
    return {name: value for name, value in found.items() if value}
