"""Long background work: a port of few verbs, and the books that people read.

The engine behind the port keeps a job durable; the `job` table says how it stands: queued, running, succeeded, failed.
Only the outbox's listeners and the schedules enqueue: the engine has a database of its own, so nothing may enqueue
inside a transaction.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import func, select, update

from assay.clock import Instant
from assay.storage.database import insert
from assay.storage.store import Store
from assay.storage.tables import job

ATTEMPTS_MAX = 3

Arguments = Mapping[str, str | int]
Handler = Callable[[Arguments], None]


class JobStatus(StrEnum):
    """How a job stands. FAILED is final: three attempts are over, or a fault was met that cannot pass by itself."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as people see it."""

    key: str
    kind: str
    arguments: Arguments
    status: JobStatus
    attempts: int
    last_error: str | None
    time_created: Instant
    time_started: Instant | None
    time_finished: Instant | None


class Jobs(Protocol):
    """What rooms and the app ask of the task engine."""

    def enqueue(self, kind: str, key: str, arguments: Arguments) -> None:
        """Have `kind`'s handler run with `arguments`; a key that is known already starts nothing."""
        ...

    def cancel(self, key: str) -> None:
        """Stop a job that has not begun; one that runs ends its attempt and is not tried again."""
        ...

    def start(self, handlers: Mapping[str, Handler]) -> None:
        """Begin to run jobs, those of dead workers included."""
        ...

    def stop(self) -> None:
        """End after the running jobs' present step."""
        ...


def listed(store: Store, *, status: JobStatus | None = None, rows_max: int = 100) -> tuple[Job, ...]:
    """The latest jobs, newest first."""
    query = select(job).order_by(job.c.time_created.desc(), job.c.key).limit(rows_max)
    if status is not None:
        query = query.where(job.c.status == status)
    with store.database.read() as connection:
        return tuple(_job(row) for row in connection.execute(query))


def counted(store: Store) -> Mapping[str, int]:
    """How many jobs stand in each status."""
    with store.database.read() as connection:
        rows = connection.execute(select(job.c.status, func.count().label("number")).group_by(job.c.status))
        return {row.status: row.number for row in rows}


def record_queued(store: Store, kind: str, key: str, arguments: Arguments) -> bool:
    """Open the books of a job; False when the key is known."""
    with store.database.write() as connection:
        added = connection.execute(
            insert(connection, job)
            .values(
                key=key,
                kind=kind,
                arguments=dict(arguments),
                status=JobStatus.QUEUED,
                attempts=0,
                time_created=store.clock.now(),
            )
            .on_conflict_do_nothing()
        )
        return added.rowcount == 1


def record_attempt(store: Store, key: str, executor: str) -> bool:
    """Count an attempt that begins. False, and the job failed or stays ended, when there must be none."""
    with store.database.write() as connection:
        row = connection.execute(select(job).where(job.c.key == key)).one_or_none()
        if row is None or row.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            return False
        if row.attempts >= ATTEMPTS_MAX:
            error = row.last_error or "its worker died"
            connection.execute(
                update(job)
                .where(job.c.key == key)
                .values(
                    status=JobStatus.FAILED,
                    last_error=f"given up after {ATTEMPTS_MAX} attempts: {error}"[:500],
                    time_finished=store.clock.now(),
                )
            )
            return False
        connection.execute(
            update(job)
            .where(job.c.key == key)
            .values(
                status=JobStatus.RUNNING,
                attempts=row.attempts + 1,
                executor=executor,
                time_started=store.clock.now(),
            )
        )
        return True


def record_end(store: Store, key: str, error: str | None, *, may_pass: bool = True) -> JobStatus:
    """Close an attempt: succeeded, queued again, or failed for good: attempts used up, or a fault that cannot pass."""
    with store.database.write() as connection:
        row = connection.execute(select(job).where(job.c.key == key)).one()
        if row.status == JobStatus.CANCELLED:
            return JobStatus.CANCELLED
        if error is None:
            status = JobStatus.SUCCEEDED
        else:
            status = JobStatus.FAILED if row.attempts >= ATTEMPTS_MAX or not may_pass else JobStatus.QUEUED
        ended = None if status is JobStatus.QUEUED else store.clock.now()
        connection.execute(
            update(job)
            .where(job.c.key == key)
            .values(status=status, last_error=None if error is None else error[:500], time_finished=ended)
        )
        return status


def record_cancelled(store: Store, key: str) -> None:
    """Mark a job that has not ended as cancelled."""
    with store.database.write() as connection:
        connection.execute(
            update(job)
            .where(job.c.key == key, job.c.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
            .values(status=JobStatus.CANCELLED, time_finished=store.clock.now())
        )


def _job(row: Any) -> Job:
    return Job(
        key=row.key,
        kind=row.kind,
        arguments=row.arguments,
        status=JobStatus(row.status),
        attempts=row.attempts,
        last_error=row.last_error,
        time_created=row.time_created,
        time_started=row.time_started,
        time_finished=row.time_finished,
    )
