"""What `assay retention` says, against an API that keeps nothing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from assay.cli import names, retention, show
from assay.cli.connection import Connection, Profile
from assay.cli.session import Session
from assay.errors import Refused

Run = Callable[..., str]


class Api:
    """Has one repository, from which nothing goes, and so many policies that reach it; makes what it is asked for."""

    policies = 0

    def everything(self, path: str, **_: object) -> list[dict[str, Any]]:
        if path == retention.POLICIES:
            return [{"id": "ocid1.retentionpolicy.oc1..few", "displayName": "few"}]
        return [{"id": "ocid1.containerrepo.r", "displayName": "shop/cart"}] if path == names.REPOSITORIES else []

    def get(self, path: str, **_: object) -> Any:
        policy = {"id": path.rpartition("/")[2]}
        return SimpleNamespace(
            body={"items": [], "policyCount": self.policies} if policy["id"] == "retention" else policy
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        ran = {"items": [], "isFinished": True, "policyCount": self.policies}
        return SimpleNamespace(body=ran if path.endswith("applyRetention") else body)


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
    with pytest.raises(Refused, match="There is no retention policy 'many'") as refusal:
        run("show", "many")
    assert refusal.value.advice == "List what there is with: assay retention list"


def test_without_a_policy_in_force_it_says_so_and_not_that_nothing_goes(api: Api, run: Run) -> None:
    none = "reaches shop/cart: nothing goes. See: assay retention list\n"
    assert run("run", "shop/cart") == f"No retention policy in force {none}"
    assert run("preview", "shop/cart") == f"No retention policy in force {none}"
    assert run("preview", "shop/cart", "--policy", "few") == f"No retention policy in force, nor few, {none}"
    api.policies = 1
    assert run("run", "shop/cart") == "Nothing goes from shop/cart.\n"
    assert run("preview", "shop/cart") == "Nothing would go from shop/cart.\n"
