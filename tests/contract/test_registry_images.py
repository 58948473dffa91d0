"""Images and repositories as the API shows them, on both databases: deletion and restoring, lists, totals, etags."""

from pathlib import Path

import pytest
from registry_pieces import ACTOR, COMPARTMENT, OCI_MANIFEST, STRANGER, Room, index_of
from sqlalchemy import event

from assay.clock import DAY, SECOND, SetClock
from assay.errors import Reason, Refused, not_found
from assay.events import ImageDeleted, ImageRestored, RepositoryDeleted, RepositoryMoved, TagMoved
from assay.oci import Digest
from assay.registry import artifacts, blobs, images, pulls, pushes, removals, repositories, tags
from assay.registry.model import (
    ImageFilter,
    LifecycleState,
    Order,
    Readme,
    ReadmeFormat,
    RepositoryFilter,
)
from assay.registry.pushes import Push
from assay.registry.repositories import RepositoryChanges, RepositoryDetails
from assay.storage import Store


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def listed(room: Room, **narrow: object) -> list[str]:
    return [image.display_name for image in images.listed(room.store, ACTOR, ImageFilter(**narrow)).items]  # type: ignore[arg-type]


def is_served(room: Room, reference: str | Digest) -> bool:
    try:
        return bool(pulls.manifest(room.store, ACTOR, "team/app", reference).content)
    except Refused as refusal:
        return refusal.reason is not Reason.MANIFEST_UNKNOWN


def test_a_deleted_image_is_neither_served_nor_listed_and_keeps_its_layers_counted(room: Room) -> None:
    pushed, _ = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    assert not is_served(room, "v1")
    assert not is_served(room, pushed.digest)
    assert listed(room) == []
    assert listed(room, lifecycle_state=LifecycleState.DELETED) == [f"team/app:v1@{pushed.digest}"]
    repository = room.repository()
    assert (repository.image_count, repository.layer_count) == (0, 1)
    assert [fact.image for fact in room.facts(ImageDeleted)] == [pushed.image]
    assert [fact.digest for fact in room.facts(TagMoved)] == [pushed.digest.text, ""]
    with pytest.raises(Refused) as refusal:
        removals.delete(room.store, ACTOR, pushed.image)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_an_image_is_restored_without_its_tag_or_under_a_given_one(room: Room) -> None:
    first, _ = room.push_image("v1", seed="1")
    second, _ = room.push_image("v2", seed="2")
    for pushed in (first, second):
        removals.delete(room.store, ACTOR, pushed.image)
    blobs.delete(room.store, ACTOR, "team/app", Digest.of(b"layer of 1"))
    assert removals.restore(room.store, ACTOR, first.image).display_name == f"team/app:v1@{first.digest}"
    assert removals.restore(room.store, ACTOR, second.image, version="again").display_name == "team/app:again"
    assert is_served(room, first.digest)
    assert is_served(room, "again")
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", Digest.of(b"layer of 1")).size == 10
    assert room.repository().image_count == 2
    assert [fact.image for fact in room.facts(ImageRestored)] == [first.image, second.image]
    with pytest.raises(Refused) as refusal:
        removals.restore(room.store, ACTOR, first.image)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_an_index_is_restored_with_its_platforms(room: Room) -> None:
    children = [(room.push_image(seed=name, settle_microseconds=SECOND)[1], name) for name in ("amd64", "arm64")]
    pushed = room.put(index_of(*children), "v1")
    removals.delete(room.store, ACTOR, pushed.image)
    assert not is_served(room, Digest.of(children[0][0]))
    removals.restore(room.store, ACTOR, pushed.image, version="v1")
    for reference in ("v1", Digest.of(children[0][0]), Digest.of(children[1][0])):
        assert is_served(room, reference)
    assert (room.repository().image_count, room.repository().layer_count) == (1, 2)


def test_an_image_can_be_restored_for_two_days(room: Room, clock: SetClock) -> None:
    first, _ = room.push_image("v1", seed="1")
    second, _ = room.push_image("v2", seed="2")
    for pushed in (first, second):
        removals.delete(room.store, ACTOR, pushed.image)
    clock.advance(2 * DAY)
    removals.restore(room.store, ACTOR, first.image)
    clock.advance(1)
    with pytest.raises(Refused, match="2 days") as refusal:
        removals.restore(room.store, ACTOR, second.image)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_a_digest_that_is_pushed_again_is_a_new_image(room: Room) -> None:
    first, content = room.push_image("v1")
    removals.delete(room.store, ACTOR, first.image)
    again = room.put(content, "v1")
    assert again.image != first.image
    assert images.get(room.store, ACTOR, first.image).lifecycle_state is LifecycleState.DELETED
    with pytest.raises(Refused) as refusal:
        removals.restore(room.store, ACTOR, first.image)
    assert refusal.value.reason is Reason.EXISTS
    assert (room.repository().image_count, room.repository().layer_count) == (1, 1)


def test_deleting_by_digest_or_tag_is_what_the_distribution_protocol_says(room: Room) -> None:
    pushed, content = room.push_image("v1")
    room.put(content, "v2")
    tags.remove(room.store, ACTOR, "team/app", "v2")
    assert (is_served(room, "v2"), is_served(room, "v1")) == (False, True)
    with pytest.raises(Refused) as refusal:
        tags.remove(room.store, ACTOR, "team/app", "v2")
    assert refusal.value.reason is Reason.MANIFEST_UNKNOWN
    removals.delete_manifest(room.store, ACTOR, "team/app", pushed.digest)
    assert not is_served(room, "v1")
    assert images.get(room.store, ACTOR, pushed.image).lifecycle_state is LifecycleState.DELETED


def test_a_platform_that_is_also_an_image_goes_on_being_served_for_its_index(room: Room) -> None:
    child, content = room.push_image("amd")
    room.put(index_of((content, "amd64")), "v1")
    removals.delete(room.store, ACTOR, child.image)
    assert (is_served(room, "amd"), is_served(room, child.digest), is_served(room, "v1")) == (False, True, True)
    assert listed(room) == ["team/app:v1"]


def test_a_version_is_removed_and_the_image_stays(room: Room) -> None:
    pushed, content = room.push_image("v1")
    room.put(content, "v2")
    left = removals.remove_version(room.store, ACTOR, pushed.image, "v2")
    assert [version.version for version in left.versions] == ["v1"]
    with pytest.raises(Refused) as refusal:
        removals.remove_version(room.store, ACTOR, pushed.image, "v3")
    assert refusal.value.reason is Reason.MANIFEST_UNKNOWN
    unversioned = removals.remove_version(room.store, ACTOR, pushed.image, "v1")
    assert unversioned.display_name == f"team/app:v1@{pushed.digest}"
    assert listed(room, is_versioned=False) == [unversioned.display_name]


def test_a_change_needs_the_present_etag_when_one_is_given(room: Room) -> None:
    pushed, _ = room.push_image("v1")
    image = images.get(room.store, ACTOR, pushed.image)
    with pytest.raises(Refused) as refusal:
        removals.delete(room.store, ACTOR, pushed.image, if_match="stale")
    assert refusal.value.reason is Reason.ETAG_MISMATCH
    tagged = removals.change_tags(room.store, ACTOR, pushed.image, freeform_tags={"team": "a"}, if_match=image.etag)
    assert (dict(tagged.freeform_tags), tagged.etag != image.etag) == ({"team": "a"}, True)
    removals.delete(room.store, ACTOR, pushed.image, if_match=tagged.etag)


def test_images_are_listed_by_what_the_api_filters_by(room: Room, clock: SetClock) -> None:
    for name, tag, seed in (("team/app", "v1", "1"), ("team/app", "V2", "2"), ("team/web", "v1", "3")):
        clock.advance(SECOND)
        room.push_image(tag, seed=seed, repository=name)
    assert listed(room) == ["team/web:v1", "team/app:V2", "team/app:v1"]
    assert listed(room, repository_name="team/app") == ["team/app:V2", "team/app:v1"]
    assert listed(room, repository_name="*app") == ["team/app:V2", "team/app:v1"]
    assert listed(room, repository_name="team_app") == []
    assert listed(room, version="v*") == ["team/web:v1", "team/app:v1"]
    assert listed(room, version="V*") == ["team/app:V2"]
    assert listed(room, version="v_") == []
    assert listed(room, version="?2") == []
    assert listed(room, display_name="team/app:v1") == ["team/app:v1"]
    assert listed(room, repository=room.repository("team/web").ocid) == ["team/web:v1"]
    by_name = images.listed(room.store, ACTOR, order=Order(by_time=False, descending=False)).items
    assert [image.repository_name for image in by_name] == ["team/app", "team/app", "team/web"]
    assert images.listed(room.store, STRANGER).items == ()


@pytest.mark.parametrize("order", [Order(a, b) for a in (True, False) for b in (True, False)])
def test_pages_give_each_image_once_in_order(room: Room, clock: SetClock, order: Order) -> None:
    for number in range(7):
        clock.advance(SECOND * (number % 2))
        room.push_image(f"v{number}", seed=str(number), repository=f"team/{number % 3}")
    whole = images.listed(room.store, ACTOR, order=order).items
    found, page = [], ""
    while True:
        answer = images.listed(room.store, ACTOR, order=order, limit=2, page=page)
        found.extend(answer.items)
        page = answer.next_page
        if not page:
            break
    assert found == list(whole)
    assert len({image.ocid for image in found}) == 7
    first = images.listed(room.store, ACTOR, order=order, limit=2).next_page
    with pytest.raises(Refused) as refusal:
        images.listed(room.store, ACTOR, ImageFilter(version="v1"), order, limit=2, page=first)
    assert refusal.value.reason is Reason.PAGE_TOKEN


def test_an_image_is_looked_up_by_tag_and_digest(room: Room) -> None:
    pushed, _ = room.push_image("v1")
    for reference in ("v1", pushed.digest):
        assert images.lookup(room.store, ACTOR, "team/app", reference).ocid == pushed.image
    for name, reference in (("team/app", "v2"), ("team/app", Digest.of(b"x")), ("team/none", "v1")):
        with pytest.raises(Refused) as refusal:
            images.lookup(room.store, ACTOR, name, reference)
        assert refusal.value.reason is Reason.NOT_FOUND


def test_who_may_see_a_repository_is_told_what_is_not_an_image_in_it_and_others_nothing(room: Room) -> None:
    room.push_image("v1")
    texts = []
    for actor, name, reference in (
        (ACTOR, "team/app", "v2"),
        (ACTOR, "team/app", Digest.of(b"x")),
        (STRANGER, "team/app", "v2"),
        (STRANGER, "team/app", "v1"),
        (ACTOR, "team/none", "v1"),
    ):
        with pytest.raises(Refused) as refusal:
            images.lookup(room.store, actor, name, reference)
        assert refusal.value.reason is Reason.NOT_FOUND
        texts.append(str(refusal.value))
    assert texts[0] == "The repository team/app has no tag v2. See its images: assay image list team/app"
    assert texts[1].startswith(f"The repository team/app has no image {Digest.of(b'x')}.")
    assert texts[2:] == [str(not_found())] * 3


def test_a_repository_is_made_by_hand_changed_and_found(room: Room) -> None:
    details = RepositoryDetails(
        ACTOR.tenancy, "team/made", is_public=True, readme=Readme("# Hello", ReadmeFormat.TEXT_MARKDOWN)
    )
    made = repositories.create(room.store, ACTOR, details, retry_token="t")
    assert repositories.create(room.store, ACTOR, details, retry_token="t") == made
    with pytest.raises(Refused) as refusal:
        repositories.create(room.store, ACTOR, RepositoryDetails(COMPARTMENT, "team/made"))
    assert refusal.value.reason is Reason.EXISTS
    changed = repositories.change(
        room.store,
        ACTOR,
        made.ocid,
        RepositoryChanges(is_public=False, freeform_tags={"a": "b"}),
        if_match=made.etag,
    )
    assert (changed.is_public, changed.readme, changed.freeform_tags) == (False, made.readme, {"a": "b"})
    with pytest.raises(Refused) as refusal:
        repositories.change(room.store, ACTOR, made.ocid, RepositoryChanges(), if_match=made.etag)
    assert refusal.value.reason is Reason.ETAG_MISMATCH
    assert repositories.get(room.store, ACTOR, made.ocid) == changed
    with pytest.raises(Refused):
        RepositoryDetails(ACTOR.tenancy, "Not/A/Name")


def test_repositories_are_listed_with_totals_that_do_not_depend_on_the_page(room: Room) -> None:
    for name in ("c", "a", "b"):
        room.push_image("v1", seed=name, repository=f"team/{name}")
    order = Order(by_time=False, descending=False)
    page = repositories.listed(room.store, ACTOR, order=order, limit=2)
    rest = repositories.listed(room.store, ACTOR, order=order, limit=2, page=page.next_page)
    assert [each.name for each in (*page.items, *rest.items)] == ["team/a", "team/b", "team/c"]
    assert rest.next_page == ""
    totals = repositories.totals(room.store, ACTOR)
    assert (totals.repository_count, totals.image_count, totals.layer_count) == (3, 3, 3)
    assert totals.layers_bytes == 3 * len(b"layer of a")
    (one,) = repositories.listed(room.store, ACTOR, RepositoryFilter(name="team/b")).items
    assert one.name == "team/b"
    assert repositories.names(room.store, ACTOR, "team/a", rows_max=5) == ("team/b", "team/c")


def test_a_repository_moves_with_all_that_lies_in_it(room: Room) -> None:
    pushed, _ = room.push_image("v1")
    moved = repositories.move(room.store, ACTOR, room.repository().ocid, COMPARTMENT)
    assert moved.compartment == COMPARTMENT
    assert images.get(room.store, ACTOR, pushed.image).compartment == COMPARTMENT
    assert listed(room, compartments=(COMPARTMENT,)) == ["team/app:v1"]
    assert listed(room, compartments=(ACTOR.tenancy,)) == []
    room.push_image("v2", seed="later")
    assert len(listed(room, compartments=(COMPARTMENT,))) == 2
    assert [fact.compartment for fact in room.facts(RepositoryMoved)] == [COMPARTMENT]


def test_a_deleted_repository_is_gone_and_its_name_is_free(room: Room) -> None:
    pushed, _ = room.push_image("v1")
    ocid = room.repository().ocid
    repositories.delete(room.store, ACTOR, ocid)
    for asked in (
        lambda: room.repository(),
        lambda: pulls.manifest(room.store, ACTOR, "team/app", "v1"),
        lambda: repositories.delete(room.store, ACTOR, ocid),
        lambda: images.lookup(room.store, ACTOR, "team/app", "v1"),
    ):
        with pytest.raises(Refused) as refusal:
            asked()
        assert refusal.value.reason is Reason.NOT_FOUND
    assert images.get(room.store, ACTOR, pushed.image).lifecycle_state is LifecycleState.DELETED
    assert repositories.get(room.store, ACTOR, ocid).lifecycle_state is LifecycleState.DELETED
    assert len(room.facts(RepositoryDeleted)) == 1
    fresh, _ = room.push_image("v1")
    assert room.repository().ocid != ocid
    assert fresh.image != pushed.image
    with pytest.raises(Refused) as refusal:
        removals.restore(room.store, ACTOR, pushed.image)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_a_manifest_does_not_settle_in_a_repository_that_was_deleted(room: Room, clock: SetClock) -> None:
    room.push_image(settle_microseconds=SECOND)
    repositories.delete(room.store, ACTOR, room.repository().ocid)
    clock.advance(2 * SECOND)
    assert (pushes.settle(room.store), pushes.settle(room.store)) == (1, 0)
    assert listed(room) == []


def test_other_rooms_put_artifacts_and_ask_what_a_reference_names(room: Room) -> None:
    pushed, content = room.push_image("v1")
    digest = artifacts.put_blob(room.store, room.blobs, ACTOR, "team/app", b"payload")
    assert artifacts.put_blob(room.store, room.blobs, ACTOR, "team/app", b"payload") == digest
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", digest).size == 7
    with room.store.database.read() as connection:
        named = artifacts.resolve(connection, ACTOR.tenancy, "team/app", "v1")
        assert named is not None
        assert (named.digest, named.repository) == (pushed.digest, room.repository().ocid)
        assert artifacts.resolve(connection, ACTOR.tenancy, "team/app", pushed.digest) == named
        assert artifacts.resolve(connection, STRANGER.tenancy, "team/app", "v1") is None
        assert artifacts.resolve(connection, ACTOR.tenancy, "team/app", "v2") is None
        assert artifacts.resolve(connection, ACTOR.tenancy, "team/app", Digest.of(b"x")) is None
        found = artifacts.manifest(connection, named.repository, named.digest)
        assert found is not None
        assert found[1] == content


def test_two_writers_of_one_signature_tag_lose_nothing_of_one_another(room: Room) -> None:
    _, first = room.push_image(seed="first")
    _, second = room.push_image(seed="second")
    tag = f"sha256-{'0' * 64}.sig"
    put = {"repository_name": "team/app", "reference": tag, "media_type": "", "expected": ""}
    artifacts.put_manifest(room.store, ACTOR, content=first, **put)
    with pytest.raises(Refused) as refusal:
        artifacts.put_manifest(room.store, ACTOR, content=second, **put)
    assert refusal.value.reason is Reason.ETAG_MISMATCH
    artifacts.put_manifest(room.store, ACTOR, content=second, **put | {"expected": Digest.of(first).text})
    assert is_served(room, tag)


def test_a_repository_is_not_pushed_into_by_whom_it_is_not(room: Room, clock: SetClock) -> None:
    room.push_image("v1")
    assert pushes.settle(room.store) == 0
    with pytest.raises(Refused) as refusal:
        repositories.get(room.store, STRANGER, room.repository().ocid)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_an_image_of_many_tags_is_deleted_in_few_statements(room: Room) -> None:
    """All the while nobody else can write: as many statements as tags kept others out for a minute."""
    pushed, content = room.push_image("v0")
    for start in range(1, 300, pushes.TAGS_MAX):
        names = tuple(f"v{number}" for number in range(start, start + pushes.TAGS_MAX))
        pushes.put(room.store, ACTOR, Push("team/app", pushed.digest, content, OCI_MANIFEST, names))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(room.store.database.engine, "before_cursor_execute", note)
    removals.delete_manifest(room.store, ACTOR, "team/app", pushed.digest)
    event.remove(room.store.database.engine, "before_cursor_execute", note)
    assert len(statements) < 60
    assert tags.listed(room.store, ACTOR, "team/app") == ((), False)
    gone = [fact.tag for fact in room.facts(TagMoved) if not fact.digest]
    assert sorted(gone) == sorted(f"v{number}" for number in range(301))
    assert tags.history(room.store, ACTOR, "team/app", "v7")[0].digest is None
    assert images.get(room.store, ACTOR, pushed.image).last_version == gone[-1]
