"""One database stack for SQLite and PostgreSQL: SQLAlchemy Core, synchronous, read snapshots and one way to write.

A write on SQLite is `BEGIN IMMEDIATE` behind a fair lock, so that writers of one process take turns in the order in
which they came. A read is one snapshot on both databases.
"""

import fcntl
import sqlite3
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError

from assay.errors import Unavailable
from assay.storage.memory import Memory

WRITE_WAIT_SECONDS = 30.0
ALONE_WAIT_SECONDS = 600.0
_ALONE_POLL_SECONDS = 0.1
CONNECTIONS_MAX = 24
#: How much of a SQLite file each connection keeps in memory. One writes at a time; readers have the system's cache too.
WRITER_CACHE_KIB = 16 * 1024
READER_CACHE_KIB = 8 * 1024
#: PostgreSQL advisory lock that begin and publish of a feed revision take exclusively, pushes shared (any constant).
_PUBLICATION_LOCK = 0x41535341

_WAKE = "assay_wake"


class FairLock:
    """A lock that is handed over in the order of asking."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held_by: int | None = None
        self._waiting: deque[tuple[threading.Event, int]] = deque()

    def acquire(self, timeout_seconds: float) -> bool:
        """Wait for one's turn; False when the time is over. A thread that holds the lock must not ask again."""
        me = threading.get_ident()
        with self._guard:
            if self._held_by == me:
                raise RuntimeError("a write transaction was begun inside a write transaction of the same thread")
            if self._held_by is None:
                self._held_by = me
                return True
            turn = (threading.Event(), me)
            self._waiting.append(turn)
        if turn[0].wait(timeout_seconds):
            return True
        with self._guard:
            if turn[0].is_set():
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Hand the lock to whoever waits longest."""
        with self._guard:
            if self._waiting:
                turn, self._held_by = self._waiting.popleft()
                turn.set()
            else:
                self._held_by = None


class Database:
    """Reads and writes of one database. `url` is `sqlite:///PATH` or `postgresql://USER@HOST:PORT/NAME`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self._turn = FairLock()
        self._on_commit: list[Callable[[], None]] = []
        #: What was read and is asked for again and again, until somebody commits.
        self.memory = Memory(self._version)
        self._watcher: sqlite3.Connection | None = None
        if self.is_sqlite:
            path = url.removeprefix("sqlite:///")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = _sqlite_engine(path, "BEGIN IMMEDIATE", read_only=False)
            self._reader = _sqlite_engine(path, "BEGIN", read_only=True)
            # Never waits: it is asked on the event loop, and what it can't tell at once is read in the ordinary way.
            self._watcher = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        else:
            driver = "postgresql+psycopg" + url[len("postgresql") :] if url.startswith("postgresql://") else url
            self._writer = create_engine(driver, pool_size=CONNECTIONS_MAX // 2, max_overflow=CONNECTIONS_MAX // 2)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @property
    def engine(self) -> Engine:
        """The writing engine; for migrations."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One read-only snapshot. Errors: Unavailable."""
        with _translated(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction, committed when the block ends without an error. Errors: Unavailable."""
        if self.is_sqlite and not self._turn.acquire(WRITE_WAIT_SECONDS):
            raise Unavailable(
                f"The database was busy for {WRITE_WAIT_SECONDS:.0f} seconds.", advice="Try again in a moment."
            )
        try:
            with _translated(), self._writer.connect() as connection:
                connection.info.pop(_WAKE, None)
                with connection.begin():
                    yield connection
                wake = connection.info.pop(_WAKE, False)
        finally:
            if self.is_sqlite:
                self._turn.release()
        if wake:
            for listener in self._on_commit:
                listener()

    def on_announcement(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit that put facts into the outbox."""
        self._on_commit.append(listener)

    @staticmethod
    def wake_after_commit(connection: Connection) -> None:
        """Say that this transaction put facts into the outbox."""
        connection.info[_WAKE] = True

    def publication_lock(self, connection: Connection, *, shared: bool) -> None:
        """Order this write transaction against begin and publish of feed revisions, until it ends.

        Pushes take it shared, begin and publish exclusively. On SQLite `BEGIN IMMEDIATE` is that lock already.
        """
        if not self.is_sqlite:
            verb = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
            connection.execute(text(f"SELECT {verb}({_PUBLICATION_LOCK})"))

    def _version(self) -> int | None:
        """A number that changes whenever anybody commits, in this process or another; None where it can't be told."""
        if self._watcher is None:
            return None
        try:
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    @contextmanager
    def alone(self, name: str, wait_seconds: float = ALONE_WAIT_SECONDS) -> Iterator[None]:
        """Hold `name` against every thread and process at work on this database, until the block ends.

        For long work of which there must be one at a time; it is no transaction, and it ends with its process.
        Errors: Unavailable when another still holds it after `wait_seconds`.
        """
        with _translated(), self._lock_file(name) if self.is_sqlite else self._lock_session(name) as take:
            deadline = time.monotonic() + wait_seconds
            while not take():
                if time.monotonic() > deadline:
                    raise Unavailable(f"Another {name} is under way.", advice="Try again when it has ended.")
                time.sleep(_ALONE_POLL_SECONDS)
            yield

    @contextmanager
    def _lock_file(self, name: str) -> Iterator[Callable[[], bool]]:
        """A lock of the operating system, on a file beside the database."""
        with Path(f"{self.url.removeprefix('sqlite:///')}-{name}.lock").open("w") as file:

            def take() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            yield take

    @contextmanager
    def _lock_session(self, name: str) -> Iterator[Callable[[], bool]]:
        """A lock of the server, on a session of its own that is in no transaction."""
        key = {"room": _PUBLICATION_LOCK, "name": zlib.crc32(name.encode()) - 2**31}
        with self._writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            taken = text("SELECT pg_try_advisory_lock(:room, :name)")
            try:
                yield lambda: bool(connection.execute(taken, key).scalar_one())
            finally:
                connection.execute(text("SELECT pg_advisory_unlock_all()"))

    def close(self) -> None:
        """Close all connections."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None
        self._reader.dispose()
        self._writer.dispose()


def insert(connection: Connection, table: Table) -> sqlite.Insert:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, for the database at hand."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    # Both dialects' Insert have the same two methods with the same arguments; one static type serves for both.
    # Without the option SQLAlchemy forgets how many rows an INSERT of psycopg wrote, and says -1.
    return postgresql.insert(table).execution_options(preserve_rowcount=True)  # type: ignore[return-value]


def _sqlite_engine(path: str, begin: str, *, read_only: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=WRITE_WAIT_SECONDS,
        # The same few connections again and again: each keeps pages in memory.
        pool_use_lifo=True,
        connect_args={"timeout": WRITE_WAIT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # The driver's own transaction control would begin too late for a snapshot; `_begun` does it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        # FULL: an acknowledged push outlives a power cut, not just a killed process.
        cache_kib = READER_CACHE_KIB if read_only else WRITER_CACHE_KIB
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"cache_size=-{cache_kib}"):
            cursor.execute(f"PRAGMA {pragma}")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Say faults of the database as Unavailable; everything else passes."""
    try:
        yield
    except (OperationalError, InterfaceError) as fault:
        raise Unavailable(
            f"The database could not do it: {str(fault.orig)[:200]}.",
            advice="Check that the database runs and that its disk is not full, then try again.",
        ) from fault
