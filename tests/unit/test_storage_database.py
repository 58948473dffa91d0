"""Reads are snapshots, writes take turns, and faults are said as Unavailable."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from assay.errors import Reason, Refused, Unavailable
from assay.secret import Secret
from assay.storage import Database, Store
from assay.storage.database import FairLock
from assay.storage.pages import decode_page, encode_page, page_rows
from assay.storage.tables import outbox_aggregate

KEY = Secret("k")


def put(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(outbox_aggregate.insert().values(aggregate=name, last=1))


def test_a_read_sees_one_state_while_others_write(store: Store) -> None:
    count = select(func.count()).select_from(outbox_aggregate)
    with store.database.read() as connection:
        assert connection.execute(count).scalar_one() == 0
        put(store.database, "a")
        assert connection.execute(count).scalar_one() == 0
    with store.database.read() as connection:
        assert connection.execute(count).scalar_one() == 1


def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only"), store.database.read() as connection:
        connection.execute(outbox_aggregate.insert().values(aggregate="a", last=1))


def test_a_write_that_fails_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.database.write() as connection:
            connection.execute(outbox_aggregate.insert().values(aggregate="a", last=1))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.database.read() as connection:
        assert connection.execute(select(outbox_aggregate)).all() == []


def test_writers_of_many_threads_all_get_their_turn(store: Store) -> None:
    threads = [threading.Thread(target=put, args=(store.database, str(n))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(outbox_aggregate)).scalar_one() == 16


def test_the_fair_lock_is_handed_over_in_the_order_of_asking() -> None:
    lock = FairLock()
    order: list[int] = []
    assert lock.acquire(1)

    def take(number: int) -> None:
        assert lock.acquire(10)
        order.append(number)
        lock.release()

    threads = []
    for number in range(5):
        thread = threading.Thread(target=take, args=(number,))
        thread.start()
        while len(lock._waiting) <= number:
            pass
        threads.append(thread)
    lock.release()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_too_long_for_the_fair_lock_leaves_the_queue() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(lock.acquire(0.05)))
    thread.start()
    thread.join()
    assert outcome == [False]
    lock.release()
    assert lock.acquire(0)


def test_a_write_inside_a_write_of_the_same_thread_is_a_mistake_said_at_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(RuntimeError, match="inside"), database.write(), database.write():
        pass
    database.close()


def test_a_database_that_is_away_is_unavailable() -> None:
    database = Database("postgresql://assay@127.0.0.1:1/none")
    with pytest.raises(Unavailable), database.read():
        pass
    database.close()


def test_a_page_token_gives_back_its_key_to_the_same_list_only() -> None:
    token = encode_page(KEY, ["images", "r1"], (17, "ocid"))
    assert decode_page(KEY, ["images", "r1"], token) == (17, "ocid")
    for query, key in ((["images", "r2"], KEY), (["images", "r1"], Secret("other"))):
        with pytest.raises(Refused) as refusal:
            decode_page(key, query, token)
        assert refusal.value.reason is Reason.PAGE_TOKEN


@pytest.mark.parametrize("token", ["", "x", "%", "AAAA", "é", "A" * 5000])
def test_a_page_token_that_was_made_up_is_refused(token: str) -> None:
    with pytest.raises(Refused):
        decode_page(KEY, ["images"], token)


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_changed_letter_of_a_page_token_is_noticed(place: int) -> None:
    token = encode_page(KEY, ["images"], (17, "ocid1.containerimage"))
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    with pytest.raises(Refused):
        decode_page(KEY, ["images"], changed)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_size_out_of_bounds_is_refused(limit: int) -> None:
    with pytest.raises(Refused):
        page_rows(limit)
