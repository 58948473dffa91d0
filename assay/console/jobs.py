"""The page of background work: what waits, what runs, what has failed after its last attempt."""

from assay.console.replies import Page, Reply
from assay.console.visit import Visit
from assay.iam import Target, authorize
from assay.storage import jobs

SHOWN_MAX = 100
KINDS = {
    jobs.JobStatus.QUEUED: ("info", "Waiting"),
    jobs.JobStatus.RUNNING: ("info", "Running"),
    jobs.JobStatus.SUCCEEDED: ("ok", "Done"),
    jobs.JobStatus.FAILED: ("bad", "Failed"),
    jobs.JobStatus.CANCELLED: ("off", "Stopped"),
}


def show(visit: Visit) -> Reply:
    """The latest jobs, newest first; those that failed say why."""
    visit.only("status")
    status = visit.one_of("status", *jobs.JobStatus)
    with visit.store.database.read() as connection:
        authorize(connection, visit.actor, "ListFeeds", Target(compartment=visit.actor.tenancy), now=visit.now)
    latest = jobs.listed(visit.store, status=jobs.JobStatus(status) if status else None, rows_max=SHOWN_MAX)
    # Work on what all tenancies share, such as feeds, belongs to none.
    found = [job for job in latest if job.arguments.get("tenancy", "") in ("", visit.actor.tenancy)]
    options = (("", "Any"), *((str(status), said) for status, (_, said) in KINDS.items()))
    return Page("jobs.html", {"rows": found, "kinds": KINDS, "options": options})
