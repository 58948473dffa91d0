"""The jobs port on DBOS, plus what DBOS leaves to its users: a heartbeat and a reaper.

Each worker beats every 3 s; every 5 s each looks for workers that have been silent for 12 s and puts their jobs back on
the queue, so that a job whose worker was killed runs again within 30 s. A worker that restarts under its own name gets
its jobs back from DBOS itself. Attempts are counted in our `job` table, since resuming resets the engine's own count.
"""

import threading
import time
from collections.abc import Callable, Mapping
from logging import getLogger
from typing import Any

from sqlalchemy import delete, select

from assay.clock import SECOND
from assay.errors import AssayError, Unavailable
from assay.storage.database import insert
from assay.storage.jobs import (
    Arguments,
    Handler,
    JobStatus,
    record_attempt,
    record_cancelled,
    record_end,
    record_queued,
)
from assay.storage.store import Store
from assay.storage.tables import job, job_executor

BEAT_SECONDS = 3
DEAD_AFTER_SECONDS = 12
REAP_SECONDS = 5
#: What must be quick is done by the dispatcher; jobs are long, and looking for them costs an idle server something.
POLL_SECONDS = 1.0
WORKERS = 4
RETRY_WAIT_SECONDS = 1.0
REAPED_ROWS_MAX = 1000
_QUEUE = "work"

log = getLogger(__name__)


class DbosJobs:
    """Jobs run by this process, and by every other that has the same engine database.

    `url` is the engine's own database (never the store's file); `executor` names this worker: the same name after a
    restart in a one-process installation, a fresh one for each worker otherwise.
    """

    def __init__(self, store: Store, url: str, executor: str) -> None:
        self._store = store
        self._url = url
        self._executor = executor
        self._handlers: Mapping[str, Handler] = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._workflow: Callable[[str], None] | None = None
        self._dbos: Any = None

    def start(self, handlers: Mapping[str, Handler]) -> None:
        """Launch the engine (its import takes half a second, hence here) and begin to run jobs."""
        from dbos import DBOS

        self._handlers = handlers
        self._dbos = DBOS
        DBOS(
            config={
                "name": "assay",
                "system_database_url": self._url,
                "executor_id": self._executor,
                # The default is a hash of the code, and jobs of another hash would never be picked up.
                "application_version": "1",
                "log_level": "WARNING",
            }
        )

        def run_job(key: str) -> None:  # the engine wants a plain function
            self._run(key)

        self._workflow = DBOS.workflow(name="run_job")(run_job)
        self._beat()
        DBOS.launch()
        DBOS.register_queue(_QUEUE, polling_interval_sec=POLL_SECONDS, worker_concurrency=WORKERS)
        for name, seconds, step in (("beat", BEAT_SECONDS, self._beat), ("reaper", REAP_SECONDS, self._reap)):
            thread = threading.Thread(target=self._every, args=(seconds, step), name=f"jobs-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Take no further job, and give those that run a moment to end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._dbos is not None:
            self._dbos.destroy(destroy_registry=True, workflow_completion_timeout_sec=5)

    def enqueue(self, kind: str, key: str, arguments: Arguments) -> None:
        """Open the books, then hand the key to the engine; both do nothing for a key they know."""
        from dbos import SetWorkflowID

        if self._dbos is None or self._workflow is None:
            raise RuntimeError("jobs are enqueued only after start()")
        record_queued(self._store, kind, key, arguments)
        # Also for a known key: the process may have died between the books and the engine.
        with SetWorkflowID(key):
            self._dbos.enqueue_workflow(_QUEUE, self._workflow, key)

    def cancel(self, key: str) -> None:
        """Close the books; the engine's run ends at its next look into them."""
        record_cancelled(self._store, key)
        if self._dbos is not None:
            self._dbos.cancel_workflow(key)

    def _run(self, key: str) -> None:
        """The one workflow: attempts, counted and recorded, until the job has ended."""
        while not self._stopping.is_set() and record_attempt(self._store, key, self._executor):
            with self._store.database.read() as connection:
                row = connection.execute(select(job.c.kind, job.c.arguments).where(job.c.key == key)).one()
            error, may_pass = self._attempt(row.kind, row.arguments)
            if record_end(self._store, key, error, may_pass=may_pass) is not JobStatus.QUEUED:
                return
            self._stopping.wait(RETRY_WAIT_SECONDS)

    def _attempt(self, kind: str, arguments: Arguments) -> tuple[str | None, bool]:
        """Run the handler once; what went wrong, or None, and whether that may pass."""
        handler = self._handlers.get(kind)
        if handler is None:
            return f"nothing here handles jobs of the kind {kind!r}", True
        try:
            handler(arguments)
        except Exception as fault:
            # What a supply or a caller is at fault for is told in words; where the program is, its place matters.
            log.warning("job %s failed: %s", kind, fault, exc_info=not isinstance(fault, AssayError))
            return str(fault) or type(fault).__name__, not (isinstance(fault, Unavailable) and not fault.may_pass)
        return None, True

    def _every(self, seconds: float, step: Callable[[], None]) -> None:
        while not self._stopping.wait(seconds):
            try:
                step()
            except AssayError as fault:
                log.warning("jobs: %s", fault)
            except Exception:
                # The engine's own database may be away for a while; the beat must go on.
                log.warning("jobs: the task engine failed", exc_info=True)

    def _beat(self) -> None:
        now = self._store.clock.now()
        with self._store.database.write() as connection:
            connection.execute(
                insert(connection, job_executor)
                .values(executor=self._executor, beat=now)
                .on_conflict_do_update(index_elements=[job_executor.c.executor], set_={"beat": now})
            )

    def _reap(self) -> None:
        """Put the jobs of silent workers back on the queue."""
        silent_since = self._store.clock.now() - DEAD_AFTER_SECONDS * SECOND
        with self._store.database.read() as connection:
            alive = set(connection.scalars(select(job_executor.c.executor).where(job_executor.c.beat > silent_since)))
        pending = self._dbos.list_workflows(
            status="PENDING", limit=REAPED_ROWS_MAX, load_input=False, load_output=False
        )
        for workflow in pending:
            if workflow.executor_id not in alive:
                log.warning("jobs: worker %s is silent; %s runs again", workflow.executor_id, workflow.workflow_id)
                self._dbos.resume_workflow(workflow.workflow_id, queue_name=_QUEUE)
        forgotten = silent_since - 3600 * SECOND
        with self._store.database.write() as connection:
            connection.execute(delete(job_executor).where(job_executor.c.beat < forgotten))


def wait_until_done(store: Store, key: str, seconds: float) -> JobStatus:
    """Wait for a job to end; its status then, or at the end of the wait. For commands."""
    deadline = time.monotonic() + seconds
    while True:
        with store.database.read() as connection:
            status = JobStatus(connection.execute(select(job.c.status).where(job.c.key == key)).scalar_one())
        if status not in (JobStatus.QUEUED, JobStatus.RUNNING) or time.monotonic() > deadline:
            return status
        time.sleep(0.1)
