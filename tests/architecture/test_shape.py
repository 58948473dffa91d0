"""The import law, the sizes, and the front doors: the shape of the code is held here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "assay"

#: Left may not import right; rooms of one group may not import one another, except `cli`, which starts the other doors.
LAW = [
    ["errors"],
    ["secret", "oci", "clock", "endpoints"],
    ["events", "rates"],
    ["storage"],
    ["iam"],
    ["advisories", "vault"],
    ["registry"],
    ["inventory"],
    ["scanning"],
    ["signing"],
    ["admission"],
    ["functions"],
    ["journey", "settings"],
    ["app"],
    ["oci_api", "http", "console"],
    ["cli"],
]
RANK = {room: rank for rank, group in enumerate(LAW) for room in group}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FRONT_DOOR_NAMES_MAX = 12
FORBIDDEN_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "manager", "base", "misc"}
#: Long for a reason: path from `assay/`, and why.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """Each imported `assay` module with the names taken from it, and the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} uses a relative import"
            if node.module and node.module.split(".")[0] == "assay":
                yield node.module, tuple(alias.name for alias in node.names), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "assay":
                    yield alias.name, (), node.lineno


def exports_of(room: str) -> list[str]:
    for node in ast.parse((PACKAGE / room / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way_and_through_front_doors(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    assert room in RANK, f"{room} is no room of the import law"
    for module, names, line in imports_of(path):
        parts = module.split(".")
        targets = [parts[1]] if len(parts) > 1 else list(names)
        for target in targets:
            if target == room:
                continue
            assert RANK[target] < RANK[room], f"{path}:{line}: {room} may not import {target}"
            if room == "app" or (room, target) == ("cli", "http"):
                continue  # `app` puts the rooms together, and `serve` the servers: they name what lies behind
            if (PACKAGE / target).is_dir() and len(parts) > 2:
                assert parts[2] in exports_of(target), f"{path}:{line}: {target}.{parts[2]} isn't on its front door"
            if (PACKAGE / target).is_dir() and len(parts) == 2:
                missing = set(names) - set(exports_of(target))
                assert not missing, f"{path}:{line}: {missing} not on the front door of {target}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES_MAX or name in LONG_FILES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= FUNCTION_LINES_MAX or f"{name}:{node.name}" in LONG_FUNCTIONS, f"{name}:{node.name} {size}"


def test_no_room_or_file_is_a_catch_all() -> None:
    names = {part.removesuffix(".py") for path in SOURCES for part in path.relative_to(PACKAGE).parts}
    assert not names & FORBIDDEN_NAMES


@pytest.mark.parametrize("room", sorted(room for room in RANK if (PACKAGE / room).is_dir()))
def test_a_front_door_has_few_names(room: str) -> None:
    assert (PACKAGE / room / "__init__.py").exists()
    assert len(exports_of(room)) <= FRONT_DOOR_NAMES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_clock_knows_now_and_only_settings_read_the_environment(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            if called in ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today"):
                assert name == "clock.py", f"{name}:{node.lineno} asks {called}"
            if called in ("os.environ", "os.getenv"):
                assert name in ("settings.py", "inventory/readers.py"), f"{name}:{node.lineno} reads {called}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_rooms_statements_stand_in_its_records(path: Path) -> None:
    """SQL text and table definitions stand nowhere in a door."""
    if room_of(path) in ("oci_api", "http", "console", "cli"):
        assert not any(module.startswith("sqlalchemy") for module in third_party(path))


def third_party(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
