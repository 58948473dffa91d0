"""What `assay retention` says, against an API that keeps nothing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from assay.cli import retention, show
from assay.cli.connection import Connection, Profile
from assay.cli.session import Session
from assay.errors import Refused

Run = Callable[..., str]


class Api:
    """Makes what it is asked for, and has nothing."""

    def everything(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return []

    def post(self, _: str, body: dict[str, Any]) -> Any:
        return SimpleNamespace(body=body)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch) -> Run:
    profile = Profile("http://127.0.0.1:5080", "admin", "token", "ocid1.tenancy.oc1..t", "ns", "r.example")
    monkeypatch.setattr(retention, "signed_in", lambda: Session(profile, cast("Connection", api)))

    def run(*words: str) -> str:
        show._people.cache_clear()
        return CliRunner().invoke(retention.app, words, catch_exceptions=False).stdout

    return run


def test_a_name_with_spaces_is_quoted_in_the_command_to_type(run: Run) -> None:
    said = run("create", "the last two", "--keep-last", "2")
    assert said.endswith("See what would go: assay retention preview REPOSITORY --policy 'the last two'\n")


def test_who_names_no_policy_is_told_how_to_list_them(run: Run) -> None:
    with pytest.raises(Refused, match="There is no retention policy 'few'") as refusal:
        run("show", "few")
    assert refusal.value.advice == "List what there is with: assay retention list"
