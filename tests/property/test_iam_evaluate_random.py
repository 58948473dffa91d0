"""Random policies and requests: the evaluator against a naive one that was written from oci-api 4.5 alone.

The naive one knows neither the parser nor the bound form: it works on the plan from which a statement's text is made.
"""

import os
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.iam import PrincipalKind
from assay.iam.evaluate import BoundStatement, Caller, allows
from assay.iam.permissions import OPERATIONS, Operation
from assay.iam.resource_types import FAMILIES, RESOURCE_TYPES
from assay.iam.statements import check, parse
from assay.iam.syntax import Statement

PAIRS = 100_000 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 12_000
REQUESTS_FOR_EACH_POLICY = 8


def ocid(kind: str, letter: str) -> str:
    return f"ocid1.{kind}.oc1..{letter * 60}"


ROOT = ocid("tenancy", "r")
#: Child → parent.
TREE = {
    ocid("compartment", "a"): ROOT,
    ocid("compartment", "b"): ocid("compartment", "a"),
    ocid("compartment", "c"): ROOT,
}
COMPARTMENTS = (ROOT, *TREE)
GROUPS = tuple(ocid("group", letter) for letter in "xyz")
DYNAMIC_GROUPS = tuple(ocid("dynamicgroup", letter) for letter in "xy")
RESOURCES = (PrincipalKind.CLUSTER, PrincipalKind.APPLICATION, PrincipalKind.FUNCTION)
SOURCES = ("office", "home", "Lab")
TAG = "target.resource.tag.ops.team"
SERVICES = ("vulnerability-scanning-service", "faas")
TYPES = ("repos", "keys", "vaults", "users", "vss-family", "all-resources", "functions-family")
ASKED = ("PullImage", "PushImage", "Sign", "CreateKey", "ListUsers", "AddUserToGroup", "ListFunctions", "Verify")
NAMES = ("proj/app", "proj/web", "other", "Proj/App")
PATTERNS = ("proj/*", "*app", "*", "o*r", "proj/app")
PERMISSIONS = ("REPOSITORY_READ", "REPOSITORY_UPDATE", "KEY_SIGN", "KEY_VERIFY", "USER_INSPECT", "GROUP_UPDATE")
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Plan:
    """What a statement is to say."""

    subject: tuple[str, tuple[str, ...]]
    verb: str
    permissions: tuple[str, ...]
    resource_type: str
    attached: str
    location: str
    condition: Any = None

    def text(self, rng: random.Random) -> str:
        kind, names = self.subject
        shown = [f"id {name}" if kind.endswith("group") else name for name in names]
        what = self.verb or "{ " + " , ".join(self.permissions) + "}"
        where = "tenancy" if self.location == ROOT == self.attached else f"compartment id {self.location}"
        words = ["allow", kind, ", ".join(shown), "to", what, self.resource_type, "in", where]
        if self.condition:
            words += ["where", render(self.condition)]
        spaced = rng.choice([" ", "  ", "\n"]).join(word for word in words if word)
        return spaced.replace("allow", rng.choice(["allow", "Allow", "ALLOW"]), 1)


@dataclass(frozen=True)
class Ask:
    """A request."""

    kind: PrincipalKind
    name: str
    ocid: str
    groups: frozenset[str]
    operation: Operation
    compartment: str
    variables: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    repository: str = ""
    at: datetime = NOON


def render(condition: Any) -> str:
    kind, *rest = condition
    if kind in ("any", "all"):
        return f"{kind} {{{', '.join(map(render, rest[0]))}}}"
    variable, operator, values = rest
    shown = [rendered(kind, text) for kind, text in values]
    return f"{variable} {operator} " + (f"({', '.join(shown)})" if operator == "in" else shown[0])


def rendered(kind: str | bool, text: str) -> str:
    if kind == "variable":
        return text
    return f"/{text}/" if kind else f"'{text}'"


def random_condition(rng: random.Random, depth: int = 0) -> Any:
    if depth < 3 and rng.random() < 0.3:
        parts = [random_condition(rng, depth + 1) for _ in range(rng.randint(1, 3))]
        return (rng.choice(["any", "all"]), parts)
    if rng.random() < 0.15:
        limit = NOON + timedelta(hours=rng.choice([-1, 0, 1]))
        return ("is", "request.utc-timestamp", rng.choice(["before", "after"]), [(False, limit.isoformat())])
    variable, pool = rng.choice(
        [
            ("target.repo.name", NAMES),
            ("target.key.id", ("k1", "k2")),
            ("request.permission", PERMISSIONS),
            ("request.operation", ASKED),
            ("request.user.id", (ocid("user", "u"), ocid("cluster", "k"))),
            ("request.principal.type", ("user", "cluster", "service", "fnfunc")),
            ("request.networkSource.name", SOURCES),
            ("request.principal.repo_name", NAMES),
            (TAG, ("red", "blue")),
            ("target.compartment.id", COMPARTMENTS),
        ]
    )
    operator = rng.choice(["=", "=", "!=", "in"])
    texts = [
        (True, rng.choice(PATTERNS)) if rng.random() < 0.2 else random_value(rng, pool)
        for _ in range(rng.randint(1, 3) if operator == "in" else 1)
    ]
    return ("is", variable, operator, texts)


def random_value(rng: random.Random, pool: tuple[str, ...]) -> tuple[str | bool, str]:
    if rng.random() < 0.1:
        return ("variable", rng.choice(["target.repo.name", "request.principal.repo_name", TAG]))
    return (False, rng.choice(pool))


def random_plan(rng: random.Random) -> Plan:
    kind = rng.choice(["group", "group", "dynamic-group", "service", "any-user"])
    pool = {"group": GROUPS, "dynamic-group": DYNAMIC_GROUPS, "service": SERVICES, "any-user": ()}[kind]
    names = tuple(rng.sample(pool, rng.randint(1, len(pool)))) if pool else ()
    by_name = rng.random() < 0.25
    attached = rng.choice(COMPARTMENTS)
    inside = [each for each in COMPARTMENTS if attached in path_of(each)]
    return Plan(
        subject=(kind, names),
        verb="" if by_name else rng.choice(["inspect", "read", "use", "manage"]),
        permissions=tuple(rng.sample(PERMISSIONS, rng.randint(1, 3))) if by_name else (),
        resource_type=rng.choice(["", *TYPES]) if by_name else rng.choice(TYPES),
        attached=attached,
        location=rng.choice(inside),
        condition=random_condition(rng) if rng.random() < 0.5 else None,
    )


def random_ask(rng: random.Random) -> Ask:
    kind = rng.choice([PrincipalKind.USER] * 4 + [PrincipalKind.SERVICE, PrincipalKind.ANONYMOUS, *RESOURCES])
    variables: dict[str, str | tuple[str, ...]] = {}
    if rng.random() < 0.4:
        variables["request.networkSource.name"] = tuple(rng.sample(SOURCES, rng.randint(0, 2)))
    if rng.random() < 0.4:
        variables[TAG] = (rng.choice(["red", "Blue", "proj/app"]),)
    if rng.random() < 0.6:
        variables["target.repo.name"] = rng.choice(NAMES)
    if rng.random() < 0.4:
        variables["target.key.id"] = rng.choice(["k1", "k3"])
    return Ask(
        kind=kind,
        name=rng.choice(SERVICES) if kind is PrincipalKind.SERVICE else "someone",
        ocid={PrincipalKind.USER: ocid("user", "u"), PrincipalKind.CLUSTER: ocid("cluster", "k")}.get(kind, ""),
        groups=random_groups(rng, kind),
        repository=rng.choice(NAMES) if kind is PrincipalKind.FUNCTION else "",
        operation=OPERATIONS[rng.choice(ASKED)],
        compartment=rng.choice(COMPARTMENTS),
        variables=variables,
    )


def random_groups(rng: random.Random, kind: PrincipalKind) -> frozenset[str]:
    if kind is PrincipalKind.USER:
        return frozenset(rng.sample(GROUPS, rng.randint(0, 2)))
    return frozenset(rng.sample(DYNAMIC_GROUPS, rng.randint(0, 2))) if kind in RESOURCES else frozenset()


def path_of(compartment: str) -> tuple[str, ...]:
    return (*path_of(TREE[compartment]), compartment) if compartment in TREE else (compartment,)


# The naive evaluator.


def naively_allowed(plans: list[Plan], ask: Ask) -> tuple[bool, set[int]]:
    """Whether each needed permission is granted by some statement, and which statements grant one."""
    deciding: set[int] = set()
    granted_all = True
    for permission in ask.operation.permissions:
        granting = {place for place, plan in enumerate(plans) if naively_grants(plan, ask, permission)}
        deciding |= granting
        granted_all = granted_all and bool(granting)
    return granted_all, deciding


def naively_grants(plan: Plan, ask: Ask, permission: str) -> bool:
    kind, names = plan.subject
    if kind == "any-user":
        named = ask.kind is PrincipalKind.USER or ask.kind in RESOURCES
    elif kind == "service":
        named = ask.kind is PrincipalKind.SERVICE and ask.name in names
    else:
        named = any(group in names for group in ask.groups)
    reached = plan.location in path_of(ask.compartment)
    return named and reached and naively_holds_permission(plan, permission) and naively_true(plan, ask, permission)


def naively_holds_permission(plan: Plan, permission: str) -> bool:
    types = FAMILIES.get(plan.resource_type, (plan.resource_type,))
    if plan.permissions:
        of_type = not plan.resource_type or any(permission in " ".join(RESOURCE_TYPES[each]).split() for each in types)
        return permission in plan.permissions and of_type
    reach = ["inspect", "read", "use", "manage"].index(plan.verb)
    return any(permission in RESOURCE_TYPES[each][level].split() for each in types for level in range(reach + 1))


def naively_true(plan: Plan, ask: Ask, permission: str) -> bool:
    known = {
        **ask.variables,
        "request.permission": permission,
        "request.operation": ask.operation.name,
        "request.principal.type": ask.kind.value,
        "target.compartment.id": ask.compartment,
    }
    if ask.ocid:
        known["request.user.id"] = ask.ocid
    if ask.repository:
        known["request.principal.repo_name"] = ask.repository

    def values_of(variable: str) -> tuple[str, ...]:
        found = known.get(variable, ())
        return (found,) if isinstance(found, str) else found

    def true(condition: Any) -> bool:
        if condition[0] == "any":
            return any(map(true, condition[1]))
        if condition[0] == "all":
            return all(map(true, condition[1]))
        _is, variable, operator, values = condition
        if operator in ("before", "after"):
            limit = datetime.fromisoformat(values[0][1])
            return ask.at < limit if operator == "before" else ask.at > limit
        actual = values_of(variable)
        if not actual:
            return False
        meant = []
        for kind, text in values:
            meant += [(False, other) for other in values_of(text)] if kind == "variable" else [(kind, text)]
        same = any(fits(each, is_pattern, text) for each in actual for is_pattern, text in meant)
        # A variable on the right that nobody knows is no reason to let anybody in: `!=` is false, too.
        return not same and bool(meant) if operator == "!=" else same

    return plan.condition is None or true(plan.condition)


def fits(actual: str, is_pattern: bool, text: str) -> bool:
    if not is_pattern:
        return actual.casefold() == text.casefold()
    expression = ".*".join(re.escape(part) for part in text.split("*"))
    return re.fullmatch(expression, actual, re.IGNORECASE | re.DOTALL) is not None


@pytest.mark.parametrize("seed", range(4))
def test_the_evaluator_equals_a_naive_one_on_random_policies(seed: int) -> None:
    rng = random.Random(seed)
    allowed = 0
    rounds = PAIRS // 4 // REQUESTS_FOR_EACH_POLICY
    for _ in range(rounds):
        plans = [random_plan(rng) for _ in range(rng.randint(1, 8))]
        texts = [plan.text(rng) for plan in plans]
        bound = [
            BoundStatement(parse(text), plan.attached, text, position=place)
            for place, (plan, text) in enumerate(zip(plans, texts, strict=True))
        ]
        for _ in range(REQUESTS_FOR_EACH_POLICY):
            ask = random_ask(rng)
            caller = Caller(ask.kind, ask.name, ask.ocid, ask.groups, repository=ask.repository)
            now = round(ask.at.timestamp() * 1_000_000)
            outcome = allows(bound, caller, ask.operation, path_of(ask.compartment), ask.variables, now=now)
            expected, deciding = naively_allowed(plans, ask)
            assert outcome.allowed is expected, (texts, ask)
            assert {each.position for each in outcome.by} == deciding, (texts, ask)
            allowed += expected
    # Both answers must have been met often, or the comparison says little.
    assert 0.02 < allowed / (rounds * REQUESTS_FOR_EACH_POLICY) < 0.9


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_a_statement_printed_canonically_reads_back_the_same(seed: int) -> None:
    rng = random.Random(seed)
    statement = parse(random_plan(rng).text(rng))
    assert parse(str(statement)) == statement
    assert str(parse(str(statement))) == str(statement)


@given(st.integers(0, 2**32), st.integers(0, 10_000), st.characters(codec="utf-8"))
@settings(max_examples=500)
def test_a_changed_character_gives_a_statement_or_a_fault_within_the_text(seed: int, at: int, new: str) -> None:
    rng = random.Random(seed)
    text = random_plan(rng).text(rng)
    place = at % len(text)
    changed = text[:place] + new + text[place + 1 :]
    found = check(changed)
    if not isinstance(found, Statement):
        assert 1 <= found.position <= len(changed) + 1
        assert found.problem
        assert found.expected
