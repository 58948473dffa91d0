"""Each operation that some verb names has a row in the table of permissions: no act without a permission."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.iam.permissions import OPERATIONS

PACKAGE = Path(__file__).parent.parent.parent / "assay"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)
#: Functions of IAM that take an operation's name, and at which place.
ASKING = {"perform": 2, "authorize": 2, "permitted": 2, "outcome_of": 2, "denied": 0}
#: What the installation itself does, which needs no permission because no caller can ask for it.
OF_THE_INSTALLATION = {
    *("CreateTenancy", "DestroyKey", "DestroyKeyVersion", "DestroyVault"),
    *("PurgeContainerImage", "PurgeContainerRepository"),
}


def operations_named_in(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        place = ASKING.get(name)
        if place is None or len(node.args) <= place:
            continue
        operation = node.args[place]
        if isinstance(operation, ast.Constant) and isinstance(operation.value, str):
            yield operation.value, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_operation_that_a_verb_names_stands_in_the_table(path: Path) -> None:
    for operation, line in operations_named_in(path):
        known = operation in OPERATIONS or operation in OF_THE_INSTALLATION
        assert known, f"{path}:{line}: {operation} has no row in iam/permissions.py"


def test_the_walk_finds_the_operations_of_this_room() -> None:
    found = {operation for path in SOURCES for operation, _line in operations_named_in(path)}
    assert {"CreateUser", "CreatePolicy", "SignIn", "CreateAuthToken"} <= found
