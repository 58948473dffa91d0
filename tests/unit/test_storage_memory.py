"""What is remembered of the database holds until somebody commits, in whatever process, and is bounded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from assay.storage import Database, Store
from assay.storage.memory import VALUE_BYTES_MAX, VALUES_MAX, Memory
from assay.storage.tables import outbox_aggregate


def commit(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(outbox_aggregate.insert().values(aggregate=name, last=1))


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    path = tmp_path / "assay.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


def test_a_value_is_remembered_until_a_commit(sqlite: Database) -> None:
    memory = sqlite.memory
    memory.keep("key", "value", memory.moment())
    assert memory.get("key") == "value"
    commit(sqlite, "a")
    assert memory.get("key") is None


def test_a_commit_of_another_process_ends_it_as_well(sqlite: Database) -> None:
    memory = sqlite.memory
    memory.keep("key", "value", memory.moment())
    other = create_engine(sqlite.url)
    with other.begin() as connection:
        connection.execute(text("INSERT INTO outbox_aggregate (aggregate, last) VALUES ('b', 1)"))
    other.dispose()
    assert memory.get("key") is None


def test_reading_ends_nothing(sqlite: Database) -> None:
    memory = sqlite.memory
    memory.keep("key", "value", memory.moment())
    with sqlite.read() as connection:
        connection.execute(outbox_aggregate.select()).all()
    assert memory.get("key") == "value"


def test_what_was_read_before_a_commit_is_not_kept_after_it(sqlite: Database) -> None:
    memory = sqlite.memory
    moment = memory.moment()
    commit(sqlite, "a")
    memory.keep("unasked", "old", moment)
    assert memory.get("unasked") is None
    memory.keep("asked", "old", moment)
    assert memory.get("asked") is None


def test_a_write_under_way_ends_nothing_and_its_commit_does(sqlite: Database) -> None:
    memory = sqlite.memory
    with sqlite.write() as connection:
        connection.execute(outbox_aggregate.insert().values(aggregate="a", last=1))
        memory.keep("key", "before", memory.moment())
        assert memory.get("key") == "before"
    assert memory.get("key") is None


def test_nothing_is_remembered_of_postgresql_which_does_not_tell(store: Store) -> None:
    memory = store.database.memory
    memory.keep("key", "value", memory.moment())
    assert memory.get("key") == ("value" if store.database.is_sqlite else None)


def test_a_closed_database_remembers_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'some.db'}")
    moment = database.memory.moment()
    assert moment is not None
    database.memory.keep("key", "value", moment)
    database.close()
    assert database.memory.get("key") is None


def test_the_oldest_value_goes_when_there_are_too_many_and_a_large_one_is_not_kept() -> None:
    memory = Memory(lambda: 1)
    moment = memory.moment()
    for number in range(VALUES_MAX + 1):
        memory.keep(number, "value", moment)
    assert memory.get(0) is None
    assert memory.get(1) == "value"
    assert memory.get(VALUES_MAX) == "value"
    memory.keep("large", "value", moment, size=VALUE_BYTES_MAX + 1)
    assert memory.get("large") is None
    memory.keep("fits", "value", moment, size=VALUE_BYTES_MAX)
    assert memory.get("fits") == "value"
