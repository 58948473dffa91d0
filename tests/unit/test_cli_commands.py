"""The shape of the command line: every command speaks to people and to programs, and help comes quickly."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer

from assay.cli.main import app

#: It prints logs, and nothing else, until it is stopped.
WITHOUT_OUTPUT = {"serve"}
#: What a command that only prints its help need not load.
HEAVY = ("httpx", "sqlalchemy", "cryptography", "starlette", "uvicorn", "dbos", "psycopg")


def commands(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
        return
    for name, each in below.items():
        yield from commands(each, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - WITHOUT_OUTPUT))
def test_a_command_can_print_for_programs(path: str) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {"--output", "-o"} <= options


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_a_command_and_its_parameters_say_what_they_are(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []


def test_the_commands_of_the_journey_are_there() -> None:
    wanted = {
        "login", "repository list", "image list", "scanner add", "scan show", "scan compare", "verdict accept",
        "vault create", "key rotate", "sign", "signature delete", "verify", "cluster manifests", "decision show",
        "function create", "feed refresh", "audit list", "reset-administrator",
    }  # fmt: skip
    assert wanted <= COMMANDS.keys()


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, assay.cli.main; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
