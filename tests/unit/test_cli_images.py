"""What `assay image` says of deleting and restoring, against an API that knows a few images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from assay.cli import images, show
from assay.cli.connection import Connection, Profile
from assay.cli.session import Session
from assay.errors import Refused

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
Run = Callable[..., str]


def known(ocid: str, digest: str, *tags: str, shown: str = "") -> dict[str, Any]:
    return {
        "id": f"ocid1.containerimage.{ocid}",
        "compartmentId": "ocid1.tenancy.oc1..t",
        "repositoryId": "ocid1.containerrepo.r",
        "repositoryName": "shop/cart",
        "displayName": f"shop/cart:{shown or tags[0]}",
        "digest": digest,
        "versions": [{"version": tag} for tag in tags],
        "timeDeleted": None if tags else "2026-01-31T12:00:05.000Z",
        "timeRestorableUntil": None if tags else "2026-02-02T12:00:05.000Z",
    }


@dataclass
class Api:
    """Answers lists and look-ups of images, and remembers what was restored."""

    available: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)
    restored: list[tuple[str, str]] = field(default_factory=list)

    def everything(self, _: str, **query: Any) -> list[dict[str, Any]]:
        if query.get("lifecycleState") == "DELETED":
            return self.deleted
        return [each for each in self.available if query["version"] in {one["version"] for one in each["versions"]}]

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if path.endswith("lookupImageByUri"):
            return SimpleNamespace(body=self.available[0])
        (found,) = (each for each in self.deleted if each["id"] in path)
        self.restored.append((found["digest"], body.get("version", "")))
        tags = [{"version": body["version"]}] if body else []
        return SimpleNamespace(body={**found, "versions": tags})

    def delete(self, _: str) -> None:
        """Answer 204."""


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch) -> Run:
    profile = Profile("http://127.0.0.1:5080", "admin", "token", "ocid1.tenancy.oc1..t", "ns", "r.example")
    monkeypatch.setattr(images, "signed_in", lambda: Session(profile, cast("Connection", api)))

    def run(*words: str) -> str:
        show._people.cache_clear()
        return CliRunner().invoke(images.app, words, catch_exceptions=False).stdout

    return run


def test_what_was_deleted_is_named_with_all_its_tags_and_comes_back_by_its_digest(api: Api, run: Run) -> None:
    api.available = [known("a", A, "d2", "d1", "d0")]
    assert run("delete", "shop/cart:d2") == (
        f"Deleted shop/cart@{A}, and its tags: d2, d1, d0. "
        f"To have it back, without tags: assay image restore shop/cart@{A}\n"
    )
    api.available = [known("a", A, shown=f"v1@{A}")]
    assert run("delete", f"shop/cart@{A}").startswith(f"Deleted shop/cart@{A}, which had no tag. To have it back")


def test_restoring_by_digest_gives_no_tag_and_says_so(api: Api, run: Run) -> None:
    api.deleted = [known("a", A, shown=f"d0@{A}")]
    assert run("restore", f"shop/cart@{A}") == f"Restored shop/cart@{A}, without a tag.\n"
    assert run("restore", "shop/cart:d0") == f"Restored shop/cart@{A}, tagged d0.\n"
    assert api.restored == [(A, ""), (A, "d0")]


@pytest.mark.parametrize("words", [(f"shop/cart:v1@{A}",), ("shop/cart:v1",), (f"shop/cart@{A}", "--tag", "v1")])
def test_a_tag_that_names_another_image_by_now_moves_only_on_demand(api: Api, run: Run, words: tuple[str, ...]) -> None:
    api.available, api.deleted = [known("b", B, "v1")], [known("a", A, shown=f"v1@{A}")]
    with pytest.raises(Refused, match=f"The tag v1 of shop/cart names {B} now") as refusal:
        run("restore", *words)
    assert f"assay image restore shop/cart@{A} " in refusal.value.advice
    assert api.restored == []
    assert run("restore", *words, "--move-tag") == f"Restored shop/cart@{A}, tagged v1.\n"


def test_of_a_digest_that_was_deleted_twice_the_newest_image_is_restored(api: Api, run: Run) -> None:
    api.deleted = [known("newer", A, shown=f"v2@{A}"), known("older", A, shown=f"v1@{A}")]
    assert run("restore", f"shop/cart@{A}") == f"Restored shop/cart@{A}, without a tag.\n"


def test_deleted_images_are_listed_with_what_restoring_them_takes(api: Api, run: Run) -> None:
    api.deleted = [known("a", A, shown=f"v1@{A}"), known("b", B, shown=f"unknown@{B}")]
    heading, *lines = run("list", "--deleted").splitlines()
    assert heading.split() == ["Repository", "Last", "tag", "Digest", "Deleted", "Restorable", "until"]
    times = ["2026-01-31", "12:00:05Z", "2026-02-02", "12:00:05Z"]
    assert [line.split() for line in lines] == [["shop/cart", "v1", A, *times], ["shop/cart", "–", B, *times]]


def test_who_names_no_deleted_image_is_told_how_to_list_them(run: Run) -> None:
    with pytest.raises(Refused) as refusal:
        run("restore", "shop/cart:v1")
    assert refusal.value.advice == "List what there is with: assay image list --deleted"
