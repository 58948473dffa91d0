"""Points: every operation on files and database that a verb makes, numbered as they come.

At a chosen point something strikes: the operation fails as the system would let it fail, the process kills itself, or
another verb overtakes this one. Files are watched below a folder, at the level of system calls; the database at the
level of its driver: each statement, and each commit, before and after it took effect.
"""

import builtins
import errno
import io
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import psycopg
from sqlalchemy import Connection

from assay.storage import Database
from assay.storage.blobs import Bucket
from assay.storage.blobs.s3_signature import S3Request


class Kind(StrEnum):
    """What is operated on. `BETWEEN` are the moments around a write transaction, in which others may write."""

    FILES = "files"
    ROWS = "rows"
    OBJECTS = "objects"
    BETWEEN = "between"


@dataclass(frozen=True)
class Point:
    """One operation. `fail` lets it fail; `is_alone` when this thread holds a write transaction."""

    kind: Kind
    what: str
    fail: Callable[[], NoReturn]
    is_alone: bool = False


Strike = Callable[[Point], None]


def fail(point: Point) -> None:
    """Let the operation fail."""
    point.fail()


def kill(_: Point) -> None:
    """kill -9, by its own hand: nothing is flushed, nothing is closed."""
    os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """Counts the points of one kind, and lets one of them, or all from one on, be struck."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._strike: Strike | None = None
        self._kind = Kind.FILES
        self._number = 0
        self._goes_on = False
        self._inside = threading.local()
        self.passed: list[str] = []
        self.struck: list[str] = []

    @contextmanager
    def armed(self, kind: Kind, number: int, strike: Strike, *, goes_on: bool = False) -> Iterator[None]:
        """Strike at the `number`-th point of a kind from now on (and, with `goes_on`, at all that follow)."""
        self._kind, self._number, self._goes_on = kind, number, goes_on
        self.passed, self.struck = [], []
        self._strike = strike
        try:
            yield
        finally:
            self._strike = None

    @property
    def has_struck(self) -> bool:
        """Whether there was such a point."""
        return bool(self.struck)

    def step(self, kind: Kind, what: str, fails: Callable[[], NoReturn]) -> None:
        """A point is passed, or struck."""
        strike = self._strike
        if strike is None or kind is not self._kind or getattr(self._inside, "strike", False):
            return
        with self._guard:
            self.passed.append(what)
            number = len(self.passed)
            if number < self._number or (number > self._number and not self._goes_on):
                return
            self.struck.append(what)
        self._inside.strike = True
        try:
            strike(Point(kind, what, fails, is_alone=self.is_alone))
        finally:
            self._inside.strike = False

    @property
    def is_alone(self) -> bool:
        """Whether this thread is in a write transaction."""
        return getattr(self._inside, "writes", False)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write transaction of this thread."""
        self._inside.writes = True
        try:
            yield
        finally:
            self._inside.writes = False


@contextmanager
def watched(points: Points, folder: Path, database: Database) -> Iterator[None]:
    """Watch a folder and a database."""
    with watched_files(points, folder), watched_rows(points, database):
        yield


# Files


def _disk_fault(number: int = errno.EIO) -> NoReturn:
    raise OSError(number, os.strerror(number))


#: Calls that change something: they may also fail after they took effect, as for a process that is killed.
_CHANGING = ("unlink", "remove", "replace", "rename", "link", "mkdir", "rmdir", "truncate", "ftruncate", "write")
_LOOKING = ("open", "stat", "lstat", "listdir", "scandir", "read", "pread", "fsync", "fdatasync", "sendfile")


@contextmanager
def watched_files(points: Points, folder: Path) -> Iterator[None]:
    """Watch every system call on what lies in `folder`."""
    inside = str(folder)

    def is_watched(place: Any) -> bool:
        if isinstance(place, int):
            place = Path(f"/proc/self/fd/{place}").readlink()
        return isinstance(place, str | os.PathLike) and os.fspath(place).startswith(inside)

    def watching(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # Of sendfile(out, in, …) the second is the file.
            place = args[1 if name == "sendfile" else 0] if args else "."
            if not is_watched(place):
                return real(*args, **kwargs)
            points.step(Kind.FILES, name, _disk_fault)
            result = real(*args, **kwargs)
            if name in _CHANGING:
                points.step(Kind.FILES, f"after {name}", _disk_fault)
            return result

        return call

    def open_watched(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
        if "b" not in mode or not is_watched(file):
            return real_open(file, mode, buffering, *args, **kwargs)
        points.step(Kind.FILES, "open", _disk_fault)
        return _buffered(_WatchedFile(file, mode.replace("b", ""), points), mode, buffering)

    real_open = io.open
    with ExitStack() as patches:
        for name in (*_CHANGING, *_LOOKING):
            patches.enter_context(mock.patch.object(os, name, watching(name, getattr(os, name))))
        patches.enter_context(mock.patch.object(io, "open", open_watched))
        patches.enter_context(mock.patch.object(builtins, "open", open_watched))
        yield


class _WatchedFile(io.FileIO):
    """A file whose system calls are points. A write can stop half-way, as it does on a full disk."""

    def __init__(self, file: Any, mode: str, points: Points) -> None:
        super().__init__(file, mode)
        self._points = points

    def _step(self, what: str) -> None:
        self._points.step(Kind.FILES, what, _disk_fault)

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        self._step("write")
        done = super().write(view[: len(view) // 2]) or 0
        self._step("half a write")
        while done < len(view):
            done += super().write(view[done:]) or 0
        self._step("after write")
        return done

    def truncate(self, size: int | None = None) -> int:
        self._step("truncate")
        return super().truncate(size)

    def readinto(self, buffer: Any) -> Any:
        self._step("read")
        return super().readinto(buffer)

    def readall(self) -> Any:
        self._step("read")
        return super().readall()


def _buffered(raw: io.FileIO, mode: str, buffering: int) -> Any:
    if buffering == 0:
        return raw
    if "+" in mode:
        return io.BufferedRandom(raw)
    return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)


# Rows


@contextmanager
def watched_rows(points: Points, database: Database) -> Iterator[None]:
    """Watch every statement and every commit of a database, and the moments around its write transactions."""
    dialects = {id(each): each for each in (database.engine.dialect, database._reader.dialect)}
    with ExitStack() as patches:
        for dialect in dialects.values():
            for name in ("do_execute", "do_executemany"):
                real = getattr(dialect, name)
                patches.enter_context(mock.patch.object(dialect, name, _statement(points, real)))
            patches.enter_context(mock.patch.object(dialect, "do_commit", _commit(points, dialect.do_commit)))
        patches.enter_context(mock.patch.object(database, "write", _write(points, database.write)))
        yield


def _statement(points: Points, real: Callable[..., None]) -> Callable[..., None]:
    def execute(cursor: Any, statement: str, *rest: Any) -> None:
        what = " ".join(statement.split())[:50]
        points.step(Kind.ROWS, what, lambda: _database_fault(cursor.connection))
        real(cursor, statement, *rest)

    return execute


def _commit(points: Points, real: Callable[[Any], None]) -> Callable[[Any], None]:
    def commit(connection: Any) -> None:
        driven = getattr(connection, "driver_connection", connection)
        points.step(Kind.ROWS, "commit", lambda: _database_fault(driven))
        real(connection)
        points.step(Kind.ROWS, "after commit", lambda: _database_fault(driven))

    return commit


def _write(points: Points, real: Callable[[], Any]) -> Callable[[], Any]:
    def nothing_fails() -> NoReturn:
        raise AssertionError("between transactions there is nothing that could fail")

    @contextmanager
    def write() -> Iterator[Connection]:
        points.step(Kind.BETWEEN, "before a transaction", nothing_fails)
        with points.writing(), real() as connection:
            yield connection
        points.step(Kind.BETWEEN, "after a transaction", nothing_fails)

    return write


def _database_fault(connection: Any) -> NoReturn:
    """What a driver says when the database's disk fails, or its server is gone."""
    if isinstance(connection, sqlite3.Connection):
        raise sqlite3.OperationalError("disk I/O error")
    connection.close()
    raise psycopg.OperationalError("server closed the connection unexpectedly")


# Objects


@contextmanager
def watched_objects(points: Points) -> Iterator[None]:
    """Watch every request to an object store: it may not arrive, or its answer may not."""
    real = Bucket._sent

    def sent(bucket: Bucket, request: S3Request, *rest: Any) -> Any:
        what = f"{request.method} {request.path.rsplit('/', 2)[-1]}"
        points.step(Kind.OBJECTS, what, _hung_up)
        answer = real(bucket, request, *rest)
        points.step(Kind.OBJECTS, f"after {what}", _hung_up)
        return answer

    with mock.patch.object(Bucket, "_sent", sent):
        yield


def _hung_up() -> NoReturn:
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
