"""Retention at work on both databases: dry run, deleting in bounded transactions, restoring, audit, the schedule."""

from pathlib import Path
from typing import Any

import pytest
from registry_pieces import ACTOR, OCI_MANIFEST, TENANCY, Room, described, index_of, manifest_of
from sqlalchemy import select

from assay.clock import DAY, HOUR, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.events import ImageDeleted
from assay.oci import Digest
from assay.registry import images, pulls, removals, repositories, tags
from assay.registry.model import ImageFilter, LifecycleState, Pulls
from assay.registry.pulls import PullCounter
from assay.registry.rules import retention, sweep
from assay.registry.rules.model import PolicyDetails, RetentionPolicy, Rule, RuleKind
from assay.storage import Store, metadata

KEEP_2 = Rule(RuleKind.KEEP_LAST, count=2)


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def policy(
    room: Room, *rules: Rule, display_name: str = "p", is_enabled: bool = True, **members: Any
) -> RetentionPolicy:
    details = PolicyDetails(display_name, rules, is_enabled=is_enabled, **members)
    return retention.create(room.store, ACTOR, TENANCY, details)


def push(room: Room, clock: SetClock, *names: str, repository: str = "team/app") -> None:
    """Push images a minute apart."""
    for name in names:
        clock.advance(60 * SECOND)
        room.push_image(name, seed=name, repository=repository)


def tagged(room: Room, repository: str = "team/app") -> list[str]:
    return list(tags.listed(room.store, ACTOR, repository)[0])


def would_go(room: Room, **asked: str) -> list[str]:
    found = sweep.preview(room.store, ACTOR, room.repository().ocid, **asked)
    return [tag for each, _ in found.items for tag in each.image.tags]


def audited(room: Room, operation: str) -> list[Any]:
    audit = metadata.tables["audit"]
    with room.store.database.read() as connection:
        return list(connection.execute(select(audit).where(audit.c.operation == operation).order_by(audit.c.id)))


def test_a_dry_run_lists_what_would_go_with_all_that_goes_along_and_changes_nothing(
    room: Room, clock: SetClock
) -> None:
    children = [(room.push_image(seed=name, settle_microseconds=SECOND)[1], name) for name in ("amd64", "arm64")]
    index = index_of(*children)
    room.put(index, "v0")
    room.push_blob(b"{}")
    signature = manifest_of(b"{}", [b"{}"], subject=described(index, OCI_MANIFEST))
    room.put(signature, Digest.of(signature))
    push(room, clock, "v1", "v2")
    policy(room, KEEP_2)
    before = room.repository()
    found = sweep.preview(room.store, ACTOR, before.ocid)
    ((going, along),) = found.items
    assert (going.image.tags, [ground.says for ground in going.grounds]) == (("v0",), ["not among the 2 pushed last"])
    parts = [Digest.of(content).text for content in (signature, *(content for content, _ in children))]
    assert along == tuple(sorted(parts))
    assert (found.going, found.staying, found.next_page) == (1, 2, "")
    assert room.repository() == before
    assert tagged(room) == ["v0", "v1", "v2"]


def test_a_dry_run_comes_in_pages_and_shows_a_policy_before_it_is_enabled(room: Room, clock: SetClock) -> None:
    push(room, clock, *(f"v{number}" for number in range(6)))
    made = policy(room, KEEP_2, is_enabled=False)
    repository = room.repository().ocid
    assert would_go(room) == []
    first = sweep.preview(room.store, ACTOR, repository, policy=made.ocid, limit=3)
    second = sweep.preview(room.store, ACTOR, repository, policy=made.ocid, limit=3, page=first.next_page)
    assert [each.image.tags[0] for each, _ in (*first.items, *second.items)] == ["v0", "v1", "v2", "v3"]
    assert (first.going, second.next_page) == (4, "")
    with pytest.raises(Refused) as refusal:
        sweep.preview(room.store, ACTOR, repository, page=first.next_page)
    assert refusal.value.reason is Reason.PAGE_TOKEN


def test_what_goes_is_deleted_some_at_a_time_by_retention_itself_and_can_be_restored(
    room: Room, clock: SetClock
) -> None:
    push(room, clock, *(f"v{number}" for number in range(5)))
    policy(room, KEEP_2)
    repository = room.repository().ocid
    first = sweep.apply(room.store, ACTOR, repository, images_max=2)
    assert ([each.image.tags[0] for each in first.gone], first.is_finished) == (["v0", "v1"], False)
    second = sweep.apply(room.store, ACTOR, repository, images_max=2)
    assert ([each.image.tags[0] for each in second.gone], second.is_finished) == (["v2"], True)
    assert (tagged(room), room.repository().image_count) == (["v3", "v4"], 2)
    assert len(room.facts(ImageDeleted)) == 3
    rows = audited(room, "DeleteContainerImage")
    assert {row.principal_name for row in rows} == {"image retention"}
    assert [row.resource for row in rows] == [each.image.image for each in (*first.gone, *second.gone)]
    assert "not among the 2 pushed last" in rows[0].after
    assert {row.principal_name for row in audited(room, "ApplyRetentionPolicies")} == {"tests"}
    back = removals.restore(room.store, ACTOR, first.gone[0].image.image, version="v0")
    assert back.display_name == "team/app:v0"


def test_what_is_pushed_or_pulled_after_the_dry_run_is_judged_again(room: Room, clock: SetClock) -> None:
    push(room, clock, "old", "older")
    policy(room, Rule(RuleKind.REMOVE_NOT_PULLED, days=30))
    clock.advance(31 * DAY)
    assert would_go(room) == ["old", "older"]
    counter = PullCounter(room.store)
    counter.note(room.repository().ocid, images.lookup(room.store, ACTOR, "team/app", "old").digest)
    assert sweep.sweep(room.store, interval=HOUR, before=counter.count) == 1
    assert tagged(room) == ["old"]
    assert images.lookup(room.store, ACTOR, "team/app", "old").pull_count == 1


def test_a_tag_that_moves_on_leaves_its_image_so_many_days_before_it_goes(room: Room, clock: SetClock) -> None:
    push(room, clock, "latest")
    policy(room, Rule(RuleKind.REMOVE_UNTAGGED, days=7))
    clock.advance(60 * DAY)
    room.push_image("latest", seed="next")
    clock.advance(7 * DAY - SECOND)
    assert sweep.sweep(room.store, interval=0) == 0
    clock.advance(SECOND)
    assert sweep.sweep(room.store, interval=0) == 1
    assert room.repository().image_count == 1


def test_the_schedule_goes_through_each_repository_once_an_interval_and_goes_on_where_it_was_broken_off(
    room: Room, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"team/app{number}" for number in range(3)]
    for name in names:
        push(room, clock, "v1", "v2", "v3", repository=name)
    policy(room, Rule(RuleKind.KEEP_LAST, count=1), repositories="team/*")
    monkeypatch.setattr(sweep, "REPOSITORIES_AT_ONCE", 2)
    assert sweep.sweep(room.store, interval=HOUR) == 4
    assert sweep.sweep(room.store, interval=HOUR) == 2
    assert [tagged(room, name) for name in names] == [["v3"]] * 3
    push(room, clock, "v4", repository=names[0])
    assert sweep.sweep(room.store, interval=HOUR) == 0
    clock.advance(HOUR)
    # By then all three are due again, and two are gone through in a turn.
    assert sweep.sweep(room.store, interval=HOUR) + sweep.sweep(room.store, interval=HOUR) == 1
    assert tagged(room, names[0]) == ["v4"]


def test_without_a_policy_in_force_nothing_is_gone_through(room: Room, clock: SetClock) -> None:
    push(room, clock, "v1", "v2", "v3")
    made = policy(room, KEEP_2, is_enabled=False)
    assert sweep.sweep(room.store, interval=0) == 0
    ocid = room.repository().ocid
    assert sweep.apply(room.store, ACTOR, ocid).policies == 0
    asked = [sweep.preview(room.store, ACTOR, ocid, policy=each).policies for each in ("", made.ocid)]
    assert asked == [0, 1]
    said = PolicyDetails("p", (KEEP_2,), is_enabled=True)
    retention.change(room.store, ACTOR, made.ocid, said)
    assert would_go(room) == ["v1"]
    assert sweep.preview(room.store, ACTOR, ocid).policies == 1
    retention.delete(room.store, ACTOR, made.ocid)
    assert sweep.sweep(room.store, interval=0) == 0
    with pytest.raises(Refused) as refusal:
        retention.get(room.store, ACTOR, made.ocid)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_a_name_is_given_to_one_policy_of_a_compartment_until_that_is_deleted(room: Room) -> None:
    first, second = policy(room, KEEP_2), policy(room, KEEP_2, display_name="q")
    for take in (
        lambda: policy(room, KEEP_2),
        lambda: retention.change(room.store, ACTOR, second.ocid, PolicyDetails("p", (KEEP_2,))),
    ):
        with pytest.raises(Refused, match="The compartment has a retention policy named 'p' already") as refusal:
            take()
        assert refusal.value.reason is Reason.EXISTS
    assert [each.details.display_name for each in retention.listed(room.store, ACTOR)] == ["p", "q"]
    retention.change(room.store, ACTOR, first.ocid, PolicyDetails("p", (KEEP_2,), "team/*"))
    retention.delete(room.store, ACTOR, first.ocid)
    assert retention.change(room.store, ACTOR, second.ocid, PolicyDetails("p", (KEEP_2,))).details.display_name == "p"


def test_a_policy_reaches_only_names_that_fit_and_never_a_deleted_repository(room: Room, clock: SetClock) -> None:
    for name in ("team/app", "other/app"):
        push(room, clock, "v1", "v2", "v3", repository=name)
    policy(room, KEEP_2, repositories="other/*")
    assert would_go(room) == []
    gone = repositories.delete(room.store, ACTOR, room.repository("other/app").ocid)
    assert sweep.sweep(room.store, interval=0) == 0
    with pytest.raises(Refused) as refusal:
        sweep.apply(room.store, ACTOR, gone.ocid)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_a_platform_that_an_index_names_is_served_on_when_its_own_tag_goes(room: Room, clock: SetClock) -> None:
    _, child = room.push_image("amd", seed="amd")
    clock.advance(SECOND)
    room.put(index_of((child, "amd64")), "v1")
    policy(room, Rule(RuleKind.KEEP_LAST, count=1))
    assert sweep.sweep(room.store, interval=0) == 1
    assert tagged(room) == ["v1"]
    assert pulls.manifest(room.store, ACTOR, "team/app", Digest.of(child)).content == child
    gone = images.listed(room.store, ACTOR, ImageFilter(lifecycle_state=LifecycleState.DELETED)).items
    assert [each.digest for each in gone] == [Digest.of(child)]


def test_counted_pulls_have_their_time(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    counter = PullCounter(room.store)
    counter.note(room.repository().ocid, pushed.digest)
    clock.advance(SECOND)
    counter.note(room.repository().ocid, pushed.digest)
    counter.count()
    found = images.get(room.store, ACTOR, pushed.image)
    assert Pulls(found.pull_count, found.time_last_pulled or clock.now()) == Pulls(2, clock.now())
