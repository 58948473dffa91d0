"""Lists of images and tags: each row once in the order asked for, found by index, whatever the number of tags."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from places import NOON
from registry_pieces import ACTOR, TENANCY, Room
from sqlalchemy import Connection, event

from assay.clock import SECOND, SetClock
from assay.oci import Digest
from assay.registry import images, removals, repositories, tags
from assay.registry.model import Image, ImageFilter, LifecycleState, Order, RepositoryFilter
from assay.storage import Store, metadata

#: The issue asks for lists at 10,000 tags.
TAGS = 10_000 if os.environ.get("ASSAY_TEST_SIZE") == "full" else 500
BY_NAME = Order(by_time=False, descending=False)


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def all_pages(room: Room, narrow: ImageFilter, order: Order, limit: int) -> list[Image]:
    found: list[Image] = []
    page = ""
    while True:
        rows = images.listed(room.store, ACTOR, narrow, order, limit=limit, page=page)
        found += rows.items
        left = images.remaining(room.store, ACTOR, narrow, order, rows.next_page)
        page = rows.next_page
        if not page:
            assert left == 0
            return found
        assert left is not None


def fill(room: Room, number: int) -> None:
    """Images of a repository as if each had been pushed under a tag of its own, a second apart."""
    here = {"tenancy": TENANCY, "compartment": TENANCY, "repository": room.repository().ocid}
    made, named = [], []
    for n in range(number):
        digest = Digest.of(str(n).encode()).text
        at = NOON + n * SECOND
        named.append({**here, "name": f"build-{n:05}", "digest": digest, "moved_by": "x", "time_moved": at})
        times = {"time_created": at, "time_updated": at, "time_last_pushed": at}
        sizes = {"manifest_bytes": 1, "layers_bytes": 1, "pull_count": 0, "last_version": ""}
        state = {"lifecycle_state": LifecycleState.AVAILABLE, "etag": "e", "created_by": "x"}
        tagged: dict[str, Any] = {"freeform_tags": {}, "defined_tags": {}}
        ocid = f"ocid1.containerimage.oc1.local.0.{n:060}"
        made.append({**here, **times, **sizes, **state, **tagged, "ocid": ocid, "digest": digest})
    with room.store.database.write() as connection:
        connection.execute(metadata.tables["image"].insert(), made)
        connection.execute(metadata.tables["tag"].insert(), named)


def test_many_images_come_page_by_page_each_once_in_the_order_asked_for(room: Room) -> None:
    repositories.on_push(room.store, ACTOR, "team/app")
    fill(room, TAGS)
    names = [f"team/app:build-{n:05}" for n in range(TAGS)]
    for narrow in (ImageFilter(), ImageFilter(compartments=(TENANCY,), repository=room.repository().ocid)):
        for order, wanted in ((BY_NAME, names), (Order(), names[::-1])):
            limit = max(TAGS // 7, 1)
            assert [each.display_name for each in all_pages(room, narrow, order, limit)] == wanted
    found, more = tags.listed(room.store, ACTOR, "team/app", after="build-00100", rows_max=20)
    assert (list(found), more) == ([f"build-{n:05}" for n in range(101, 121)], True)


def test_every_image_is_found_by_its_display_name_and_by_each_of_its_tags_alone(room: Room, clock: SetClock) -> None:
    seeded = random.Random(7)
    pushed = {}
    for n in range(6):
        pushed[n] = room.push_image(f"v{n}", seed=str(n))
        clock.advance(SECOND)
    for _ in range(20):
        n, tag = seeded.randrange(6), f"t{seeded.randrange(4)}"
        room.put(pushed[n][1], tag)
        clock.advance(seeded.randrange(2) * SECOND)
    tags.remove(room.store, ACTOR, "team/app", "v0")
    removals.delete(room.store, ACTOR, pushed[5][0].image)
    for state in LifecycleState:
        found = images.listed(room.store, ACTOR, ImageFilter(lifecycle_state=state)).items
        assert sorted(each.display_name for each in found) == [
            each.display_name
            for each in images.listed(room.store, ACTOR, ImageFilter(lifecycle_state=state), BY_NAME).items
        ]
        for each in found:
            narrow = ImageFilter(display_name=each.display_name, lifecycle_state=state)
            assert [other.ocid for other in images.listed(room.store, ACTOR, narrow).items] == [each.ocid]
            for version in each.versions:
                tagged = images.listed(room.store, ACTOR, ImageFilter(version=version.version)).items
                assert [other.ocid for other in tagged] == [each.ocid]
                if version.version != each.version:
                    older = ImageFilter(display_name=f"team/app:{version.version}")
                    assert images.listed(room.store, ACTOR, older).items == ()
    for nothing in (
        "team/app",
        "team/app:none",
        "team/app:none@",
        "other:v1",
        f"team/app:v1@{Digest.of(b'')}",
        ":",
        "@",
    ):
        assert images.listed(room.store, ACTOR, ImageFilter(display_name=nothing)).items == ()


@contextmanager
def watched(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent to the database."""
    sent: list[tuple[str, Any]] = []

    def note(
        _connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        sent.append((statement, parameters))

    engine = store.database._reader
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def plans(room: Room, ask: Callable[[], object]) -> list[str]:
    """SQLite's plan, step by step, of each statement that `ask` sends."""
    with watched(room.store) as sent:
        ask()
    steps: list[str] = []
    with room.store.database.read() as connection:
        for statement, parameters in list(sent):
            if statement.startswith("SELECT"):
                found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                steps += [row.detail for row in found]
    return steps


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_lists_read_what_they_show_by_an_index_and_sort_by_time_without_sorting(room: Room) -> None:
    repositories.on_push(room.store, ACTOR, "team/app")
    fill(room, 300)
    here = room.repository().ocid
    some = ImageFilter(compartments=(TENANCY,), repository=here)
    page = images.listed(room.store, ACTOR, some, limit=10).next_page
    asked: list[Callable[[], object]] = [
        lambda: images.listed(room.store, ACTOR, some, limit=10),
        lambda: images.listed(room.store, ACTOR, some, limit=10, page=page),
        lambda: images.listed(room.store, ACTOR, ImageFilter(compartments=(TENANCY,), repository_name="team/app")),
        lambda: images.listed(room.store, ACTOR, some, BY_NAME, limit=10),
        lambda: images.listed(room.store, ACTOR, ImageFilter(display_name="team/app:build-00007")),
        lambda: images.listed(room.store, ACTOR, ImageFilter(version="build-00007")),
        lambda: images.remaining(room.store, ACTOR, some, Order(), page),
        lambda: tags.listed(room.store, ACTOR, "team/app", after="build-00010", rows_max=20),
        lambda: repositories.listed(room.store, ACTOR, RepositoryFilter(compartments=(TENANCY,))),
    ]
    for number, ask in enumerate(asked):
        steps = plans(room, ask)
        assert [step for step in steps if step.startswith(("SCAN image", "SCAN tag", "SCAN repository"))] == [], number
        if number < 2:
            assert not any("TEMP B-TREE FOR ORDER BY" in step for step in steps if "image" in step), steps
    for number in (0, 1, 2):
        assert any("ix_image_repository_listed" in step for step in plans(room, asked[number])), number
    assert any("ix_tag_latest" in step for step in plans(room, asked[3]))
