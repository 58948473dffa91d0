"""Long work of which there is one at a time, over threads and processes."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection

import pytest

from assay.errors import Unavailable
from assay.storage import Database


def hold(url: str, told: Connection) -> None:
    """In another process: take the name, say so, and never let go."""
    database = Database(url)
    with database.alone("rescan"):
        told.send("taken")
        threading.Event().wait()


def test_a_second_thread_waits_and_then_gives_up(database: Database) -> None:
    with (
        database.alone("rescan"),
        pytest.raises(Unavailable, match="Another rescan is under way"),
        database.alone("rescan", wait_seconds=0),
    ):
        pytest.fail("two at once")
    with database.alone("rescan", wait_seconds=0):
        pass


def test_another_name_is_another_matter(database: Database) -> None:
    with database.alone("rescan"), database.alone("check", wait_seconds=0):
        pass


def test_it_is_let_go_when_the_block_fails(database: Database) -> None:
    with pytest.raises(KeyError), database.alone("rescan"):
        raise KeyError
    with database.alone("rescan", wait_seconds=0):
        pass


def test_whoever_waits_comes_next(database: Database) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.set()
        with database.alone("rescan", wait_seconds=30):
            order.append("second")

    with database.alone("rescan"):
        thread = threading.Thread(target=second)
        thread.start()
        inside.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_it_ends_with_the_process_that_held_it(database: Database) -> None:
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(database.url, theirs))
    process.start()
    assert mine.recv() == "taken"
    with pytest.raises(Unavailable), database.alone("rescan", wait_seconds=0):
        pytest.fail("two at once")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with database.alone("rescan", wait_seconds=20):
        pass
