"""Quotas of the tenancy, of compartments and of repositories, on both databases: exact, also under pushes at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from registry_pieces import Room

from assay.errors import Reason, Refused
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import compartments, first_start
from assay.registry import blobs, removals, repositories, uploads
from assay.registry.repositories import RepositoryDetails
from assay.registry.rules import quotas
from assay.registry.rules.model import Extent, Limits
from assay.storage import Store

BLOB = b"0123456789"


class Place:
    """A tenancy with compartments `team` and, in it, `below`, and a repository in each."""

    def __init__(self, store: Store, folder: Path) -> None:
        first = first_start.bootstrap(store)
        assert first is not None
        self.store = store
        self.actor = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), first.tenancy.ocid)
        self.room = Room.on(store, folder)
        self.team = compartments.create(store, self.actor, self.actor.tenancy, "team").ocid
        self.below = compartments.create(store, self.actor, self.team, "below").ocid
        self.in_team, self.in_below = self.make("team/app", self.team), self.make("below/app", self.below)

    def make(self, name: str, compartment: str) -> str:
        return repositories.create(self.store, self.actor, RepositoryDetails(compartment, name)).ocid

    def push(self, content: bytes, repository: str = "team/app") -> None:
        self.room.push_blob(content, repository, self.actor)

    def limit(self, place: str, bytes_max: int | None = None, repositories_max: int | None = None) -> None:
        quotas.set_limits(self.store, self.actor, place, Limits(bytes_max, repositories_max))

    def used(self, place: str) -> int:
        return quotas.get(self.store, self.actor, place).bytes_used


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Place:
    return Place(store, tmp_path / "blobs")


def test_a_blob_that_does_not_fit_is_refused_with_which_quota_how_much_and_what_to_do(place: Place) -> None:
    place.limit(place.in_team, bytes_max=25)
    place.push(BLOB + b"1")
    place.push(BLOB + b"12")
    with pytest.raises(Refused) as refusal:
        place.push(b"xyz")
    assert refusal.value.reason is Reason.QUOTA_EXCEEDED
    assert str(refusal.value).startswith(
        "The repository team/app has a quota of 25 bytes, of which 23 are used: 3 bytes more do not fit. Delete images"
    )
    place.push(b"xy")
    assert place.used(place.in_team) == 25
    # What the repository has already costs nothing more.
    place.push(b"xy")
    place.push(b"elsewhere", "below/app")


def test_an_upload_that_cannot_fit_is_refused_before_its_bytes_are_sent_or_once_they_are_too_many(place: Place) -> None:
    place.push(BLOB)
    place.limit(place.in_team, bytes_max=15)
    intake, actor = place.room.intake, place.actor
    begun = uploads.begin(intake, actor, "team/app").id
    with pytest.raises(Refused, match="11 bytes more do not fit"):
        uploads.resume(intake, actor, "team/app", begun, coming=11)
    writer = uploads.resume(intake, actor, "team/app", begun)
    try:
        # As long as the largest blob that is there: it might be that one.
        writer.append(BLOB)
        with pytest.raises(Refused) as refusal:
            writer.append(b"1")
        assert refusal.value.reason is Reason.QUOTA_EXCEEDED
    finally:
        writer.release()
    # What an upload stages is not counted.
    assert place.used(place.in_team) == 10


def test_a_compartment_counts_what_lies_below_it_and_the_tenancy_everything(place: Place) -> None:
    place.push(BLOB, "team/app")
    place.push(BLOB, "below/app")
    place.push(b"root", "root/app")
    assert (place.used(place.team), place.used(place.below), place.used(place.actor.tenancy)) == (20, 10, 24)
    place.limit(place.team, bytes_max=22)
    for repository in ("team/app", "below/app"):
        with pytest.raises(Refused, match="The compartment team has a quota of 22 bytes, of which 20 are used"):
            place.push(b"abc", repository)
    place.push(b"abc", "root/app")
    place.limit(place.actor.tenancy, bytes_max=28)
    with pytest.raises(Refused, match="The tenancy has a quota of 28 bytes, of which 27 are used"):
        place.push(b"de", "root/app")
    kinds = [each.extent for each in quotas.of_repository(place.store, place.actor, place.in_below)]
    assert kinds == [Extent.TENANCY, Extent.COMPARTMENT]


def test_a_mount_counts_like_a_push(place: Place) -> None:
    place.push(BLOB, "below/app")
    place.limit(place.in_team, bytes_max=9)
    digest = place.room.push_blob(BLOB, "below/app", place.actor)
    with pytest.raises(Refused) as refusal:
        blobs.mount(place.room.intake, place.actor, "team/app", digest, source_name="below/app")
    assert refusal.value.reason is Reason.QUOTA_EXCEEDED
    assert place.used(place.in_team) == 0
    place.limit(place.in_team, bytes_max=10)
    assert blobs.mount(place.room.intake, place.actor, "team/app", digest, source_name="below/app") == 10


def test_a_quota_below_what_is_there_refuses_only_what_comes(place: Place) -> None:
    pushed, content = place.room.push_image("v1", repository="team/app", actor=place.actor)
    place.limit(place.in_team, bytes_max=1)
    with pytest.raises(Refused):
        place.push(b"2")
    # Neither what is there already nor a manifest is bytes more.
    place.room.put(content, "v2", "team/app", place.actor)
    removals.delete(place.store, place.actor, pushed.image)
    assert place.used(place.in_team) == len(b"layer of one") + len(b'{"seed": "one"}')
    removals.restore(place.store, place.actor, pushed.image)
    quotas.remove(place.store, place.actor, place.in_team)
    place.push(b"2")


def test_repositories_are_counted_and_one_too_many_is_refused(place: Place) -> None:
    place.limit(place.team, repositories_max=3)
    place.make("third", place.below)
    with pytest.raises(Refused, match="The compartment team has a quota of 3 repositories, and 3 are there") as refusal:
        place.make("fourth", place.team)
    assert refusal.value.reason is Reason.QUOTA_EXCEEDED
    outside = place.make("outside", place.actor.tenancy)
    with pytest.raises(Refused, match="quota of 3 repositories"):
        repositories.move(place.store, place.actor, outside, place.below)
    place.limit(place.in_team, bytes_max=1)
    repositories.delete(place.store, place.actor, place.in_team)
    place.make("fourth", place.team)
    with pytest.raises(Refused) as refusal:
        quotas.get(place.store, place.actor, place.in_team)
    assert refusal.value.reason is Reason.NOT_FOUND
    with pytest.raises(Refused, match="holds no repositories"):
        place.limit(place.in_below, repositories_max=3)


def test_a_repository_moves_only_where_its_bytes_fit_and_freely_within_a_quota(place: Place) -> None:
    place.push(BLOB, "root/app")
    root = repositories.by_name(place.store, place.actor, "root/app").ocid
    place.limit(place.team, bytes_max=9)
    with pytest.raises(Refused, match="The compartment team has a quota of 9 bytes, of which 0 are used: 10"):
        repositories.move(place.store, place.actor, root, place.below)
    place.limit(place.team, bytes_max=10)
    place.limit(root, bytes_max=5)
    repositories.move(place.store, place.actor, root, place.below)
    place.limit(place.team, bytes_max=3)
    assert repositories.move(place.store, place.actor, root, place.team).compartment == place.team


def test_pushes_at_once_into_several_repositories_never_exceed_what_holds_for_all(place: Place) -> None:
    place.limit(place.team, bytes_max=55)
    together = threading.Barrier(8)

    def push(number: int) -> Reason | None:
        together.wait(30)
        try:
            place.push(f"number {number} ".encode() + b"x", "team/app" if number % 2 else "below/app")
        except Refused as refusal:
            return refusal.reason
        return None

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(push, range(8)))
    # Ten bytes each: five fit into 55, whoever they are.
    assert (done.count(None), done.count(Reason.QUOTA_EXCEEDED), place.used(place.team)) == (5, 3, 50)


def test_a_place_of_another_tenancy_or_none_has_no_quota(place: Place, tmp_path: Path) -> None:
    other = first_start.create_tenancy(place.store, "foreign").tenancy.ocid
    stranger = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), other)
    for ocid in (place.actor.tenancy, place.team, place.in_team, "nothing"):
        for ask in (
            lambda ocid=ocid: quotas.get(place.store, stranger, ocid),
            lambda ocid=ocid: quotas.set_limits(place.store, stranger, ocid, Limits(1)),
        ):
            with pytest.raises(Refused) as refusal:
                ask()
            assert refusal.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(("bytes_max", "repositories_max"), [(2**62 - 1, None), (None, 2**31 - 1), (0, 0)])
def test_the_largest_and_the_smallest_limits_are_kept(
    place: Place, bytes_max: int | None, repositories_max: int | None
) -> None:
    place.limit(place.actor.tenancy, bytes_max, repositories_max)
    kept = quotas.get(place.store, place.actor, place.actor.tenancy).limits
    assert (kept.bytes_max, kept.repositories_max) == (bytes_max, repositories_max)


@pytest.mark.parametrize(
    ("bytes_max", "repositories_max", "allowed"),
    [
        (2**62, None, "0 to 4611686018427387903"),
        (-1, None, "0 to 4611686018427387903"),
        (None, 3_000_000_000, "0 to 2147483647"),
        (None, 2**31, "0 to 2147483647"),
        (None, -1, "0 to 2147483647"),
    ],
)
def test_a_limit_that_no_database_holds_is_refused_with_the_range(
    bytes_max: int | None, repositories_max: int | None, allowed: str
) -> None:
    with pytest.raises(Refused, match="makes no sense") as refusal:
        Limits(bytes_max, repositories_max)
    assert allowed in (refusal.value.advice or "")
