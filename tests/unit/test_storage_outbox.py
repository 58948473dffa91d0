"""The outbox: order within an aggregate, at least once, held back by revisions."""

import time

import pytest
from sqlalchemy import func, select

from assay.clock import SECOND, SetClock
from assay.events import Fact, FeedAdvanced, RepositoryMoved, TagMoved
from assay.storage import Store
from assay.storage.outbox import Delivery, Dispatcher, announce
from assay.storage.tables import outbox as rows


def moved(repository: str, tag: str) -> TagMoved:
    return TagMoved(tenancy="t", repository=repository, tag=tag, digest="")


def put(store: Store, *facts: Fact, feed_revision: int | None = None) -> None:
    with store.database.write() as connection:
        for fact in facts:
            announce(connection, fact, store.clock.now(), feed_revision=feed_revision)


def dispatcher(store: Store, heard: list[Delivery], published: int = 0) -> Dispatcher:
    return Dispatcher(store, {TagMoved: [heard.append], FeedAdvanced: [heard.append]}, lambda _: published)


def test_facts_of_one_aggregate_arrive_in_the_order_of_their_commits(store: Store) -> None:
    put(store, moved("r1", "a"), moved("r2", "b"))
    put(store, moved("r1", "c"))
    heard: list[Delivery] = []
    assert dispatcher(store, heard).deliver_all() == 3
    assert [d.fact.tag for d in heard if isinstance(d.fact, TagMoved) and d.fact.repository == "r1"] == ["a", "c"]


def test_a_delivered_fact_is_not_delivered_again(store: Store) -> None:
    put(store, moved("r1", "a"))
    heard: list[Delivery] = []
    assert dispatcher(store, heard).deliver_all() == 1
    assert dispatcher(store, heard).deliver_all() == 0
    assert len(heard) == 1


def test_a_fact_of_a_rolled_back_change_is_never_delivered(store: Store) -> None:
    def undone() -> None:
        with store.database.write() as connection:
            announce(connection, moved("r1", "a"), store.clock.now())
            raise KeyError("undone")

    with pytest.raises(KeyError):
        undone()
    heard: list[Delivery] = []
    assert dispatcher(store, heard).deliver_all() == 0
    assert heard == []


def test_a_fact_of_a_revision_waits_until_that_revision_is_published(store: Store) -> None:
    put(store, FeedAdvanced(tenancy="", feed="osv", revision=7), feed_revision=7)
    heard: list[Delivery] = []
    assert dispatcher(store, heard, published=6).deliver_all() == 0
    assert dispatcher(store, heard, published=7).deliver_all() == 1


def test_a_listener_that_fails_is_asked_again_with_the_same_id_and_holds_back_only_its_aggregate(
    store: Store, clock: SetClock
) -> None:
    put(store, moved("r1", "a"), moved("r1", "b"), moved("r2", "c"))
    heard: list[tuple[int, str]] = []
    broken = True

    def listen(delivery: Delivery) -> None:
        assert isinstance(delivery.fact, TagMoved)
        heard.append((delivery.id, delivery.fact.tag))
        if broken and delivery.fact.tag == "a":
            raise ValueError("not now")

    deliveries = Dispatcher(store, {TagMoved: [listen]}, lambda _: 0)
    deliveries.deliver_all()
    assert [tag for _, tag in heard] == ["a", "c"]
    broken = False
    clock.advance(400 * SECOND)
    assert deliveries.deliver_all() == 2
    assert [tag for _, tag in heard] == ["a", "c", "a", "b"]
    assert heard[0][0] == heard[2][0]


def test_facts_that_nobody_hears_are_passed_over_together_and_hold_nothing_back(store: Store) -> None:
    put(store, *(moved("r1", str(number)) for number in range(500)))
    put(store, RepositoryMoved(tenancy="t", repository="r1", compartment="c"))
    heard: list[Delivery] = []
    deliveries = Dispatcher(store, {RepositoryMoved: [heard.append]}, lambda _: 0)
    assert deliveries.deliver_all() == 2
    assert [type(each.fact) for each in heard] == [RepositoryMoved]
    with store.database.read() as connection:
        waiting = select(func.count()).select_from(rows).where(rows.c.time_delivered.is_(None))
        assert connection.execute(waiting).scalar_one() == 0


def test_facts_that_follow_each_other_are_delivered_in_order_without_waiting_for_the_next_look(store: Store) -> None:
    put(store, *(moved(f"r{number % 3}", str(number)) for number in range(300)))
    heard: list[tuple[str, int]] = []

    def listen(delivery: Delivery) -> None:
        assert isinstance(delivery.fact, TagMoved)
        heard.append((delivery.fact.repository, int(delivery.fact.tag)))

    deliveries = Dispatcher(store, {TagMoved: [listen]}, lambda _: 0)
    deliveries.start()
    deadline = time.monotonic() + 60
    while len(heard) < 300 and time.monotonic() < deadline:
        time.sleep(0.01)
    deliveries.stop()
    for each in range(3):
        assert [number for repository, number in heard if repository == f"r{each}"] == list(range(each, 300, 3))
