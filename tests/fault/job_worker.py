"""A worker process for tests of the jobs port: job_worker.py DATABASE ENGINE EXECUTOR LOG [KEY SECONDS [OUTCOME]]."""

import sys
import time
from pathlib import Path

from assay.clock import Site, SystemClock
from assay.errors import Unavailable
from assay.secret import Secret
from assay.storage import Database, Store
from assay.storage.dbos_jobs import DbosJobs
from assay.storage.jobs import Arguments


def main() -> None:
    database, engine, executor, log = sys.argv[1:5]
    store = Store(Database(database), SystemClock(), Site("oc1", "local"), Secret("k"))

    def handle(arguments: Arguments) -> None:
        with Path(log).open("a") as lines:
            lines.write(f"{executor} began\n")
        if arguments.get("fails"):
            raise ValueError("it never works")
        if arguments.get("final"):
            raise Unavailable("There is nothing to read.", may_pass=False)
        time.sleep(float(arguments["seconds"]) if executor == "first" else 0)
        with Path(log).open("a") as lines:
            lines.write(f"{executor} ended\n")

    jobs = DbosJobs(store, engine, executor)
    jobs.start({"test": handle})
    if len(sys.argv) > 5:
        jobs.enqueue("test", sys.argv[5], {"seconds": sys.argv[6], **dict.fromkeys(sys.argv[7:], 1)})
    print("ready", flush=True)
    sys.stdin.read()
    jobs.stop()


if __name__ == "__main__":
    main()
