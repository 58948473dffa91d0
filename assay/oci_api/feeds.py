"""Feeds and background jobs: Assay's own operations, in the API's style."""

from typing import Any

from assay.advisories import feeds
from assay.advisories.feeds import FeedState
from assay.clock import rfc3339
from assay.iam import Target, authorize
from assay.oci_api.contract import Gives
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.storage import jobs
from assay.storage.jobs import Job


def feed_reply(state: FeedState) -> dict[str, Any]:
    """A feed: where it comes from, its last and next run, what stands, what could not be read."""
    return {
        "name": state.config.name,
        "source": state.config.source,
        "ecosystems": state.config.ecosystems,
        "intervalInSeconds": state.config.refresh_seconds,
        "timeLastRun": None if state.last_run is None else rfc3339(state.last_run),
        "timeLastSuccess": None if state.last_success is None else rfc3339(state.last_success),
        "timeNextRun": rfc3339(state.next_run),
        "lastError": state.last_error or None,
        "revision": state.revision,
        "advisoryCount": state.advisories,
        "refusedCount": state.refused,
        "awaitedCount": state.awaited,
        "isStale": state.stale,
        "isFirstLoad": state.is_first_load,
    }


def job_reply(job: Job) -> dict[str, Any]:
    """A background job."""
    return {
        "key": job.key,
        "kind": job.kind,
        "status": job.status,
        "attempts": job.attempts,
        "lastError": job.last_error,
        "timeCreated": rfc3339(job.time_created),
        "timeStarted": None if job.time_started is None else rfc3339(job.time_started),
        "timeFinished": None if job.time_finished is None else rfc3339(job.time_finished),
    }


@takes(Gives.ITEMS)
def _list_feeds(call: Call) -> Reply:
    store, now = call.app.store, call.app.store.clock.now()
    with store.database.read() as connection:
        authorize(connection, call.actor, "ListFeeds", Target(compartment=call.actor.tenancy), now=now)
        found = feeds.state(connection, now)
    return Reply({"items": [feed_reply(each) for each in found]})


@takes(Gives.ONE, body={"acceptRemovals": bool})
def _refresh(call: Call) -> Reply:
    accepted = call.field("acceptRemovals", default=False)
    return Reply(feed_reply(feeds.ask_refresh(call.app.store, call.actor, call.path["feed"], accept_removals=accepted)))


@takes(Gives.ITEMS)
def _list_jobs(call: Call) -> Reply:
    store, now = call.app.store, call.app.store.clock.now()
    with store.database.read() as connection:
        authorize(connection, call.actor, "ListFeeds", Target(compartment=call.actor.tenancy), now=now)
    own = [each for each in jobs.listed(store) if each.arguments.get("tenancy", "") in ("", call.actor.tenancy)]
    return Reply({"items": [job_reply(each) for each in own]})


ROWS: tuple[Row, ...] = (
    Row("GET", "/20260901/feeds", "ListFeeds", _list_feeds),
    Row("POST", "/20260901/feeds/{feed}/actions/refresh", "RefreshFeed", _refresh),
    Row("GET", "/20260901/jobs", "ListFeeds", _list_jobs),
)
