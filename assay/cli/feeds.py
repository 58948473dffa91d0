"""Advisory feeds and background jobs: what the installation does by itself."""

from typing import Annotated, Any

import typer

from assay.cli import show
from assay.cli.options import Out, group
from assay.cli.progress import Say, until
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.errors import Unavailable

app = group("Feeds of advisories.")
jobs = group("Background work.")

FEEDS = "/20260901/feeds"
JOBS = "/20260901/jobs"
WAIT_SECONDS = 1800


def _state(feed: dict[str, Any]) -> str:
    """How what is known stands towards the feed."""
    if feed["isFirstLoad"]:
        return "first load under way" if feed["timeLastRun"] else "first load to come"
    if not feed["timeLastSuccess"]:
        return "never read"
    return "stale" if feed["isStale"] else "current"


_FEEDS: show.Columns = {
    "Feed": "name",
    "Advisories": "advisoryCount",
    "Revision": "revision",
    "Last run": show.when("timeLastRun"),
    "Last success": show.when("timeLastSuccess"),
    "Next run": show.when("timeNextRun"),
    "State": _state,
    "Last error": "lastError",
    "From": "source",
}
_JOBS: show.Columns = {
    "Job": "key",
    "Status": "status",
    "Attempts": "attempts",
    "Created": show.when("timeCreated"),
    "Finished": show.when("timeFinished"),
    "Last error": "lastError",
}


@app.command()
def status(output: Out = Output.TABLE) -> None:
    """Show where advisories come from, and when they were and will be read."""
    show.rows(output, _FEEDS, signed_in().server.everything(FEEDS), empty="No feed is configured.")


@app.command()
def refresh(
    feed: Annotated[str, typer.Argument(help="A feed's name; all feeds if left out.")] = "",
    accept_removals: Annotated[
        bool,
        typer.Option("--accept-removals", help="Believe the publisher when a list lacks many advisories that it had."),
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only ask for it.")] = False,
    seconds: Annotated[int, typer.Option(help="Wait at most so long.", min=1)] = WAIT_SECONDS,
    output: Out = Output.TABLE,
) -> None:
    """Read a feed now, and scan anew what its changes concern; waits until that is done."""
    session = signed_in()
    asked = [feed] if feed else [each["name"] for each in session.server.everything(FEEDS)]
    for name in asked:
        state = session.server.post(f"{FEEDS}/{name}/actions/refresh", {"acceptRemovals": accept_removals}).body
        if not no_wait:
            _wait(session, name, since=state["timeNextRun"], seconds=seconds)
    found = [each for each in session.server.everything(FEEDS) if each["name"] in asked]
    show.rows(output, _FEEDS, found, empty="No feed is configured.")


@jobs.command("list")
def list_jobs(output: Out = Output.TABLE) -> None:
    """List the latest background jobs, the newest first."""
    show.rows(output, _JOBS, signed_in().server.everything(JOBS), empty="No job yet.")


def _wait(session: Session, name: str, *, since: str, seconds: int) -> None:
    """Wait for the refresh that was asked for. Errors: Unavailable when it failed for good, or lasts too long."""

    def ask(say: Say) -> dict[str, Any] | None:
        job = next((each for each in session.server.get(JOBS).body["items"] if _is_it(each, name, since)), None)
        if job is None:
            return None
        say(f"Refreshing {name}: {job['status']}{_again(job)}")
        return job if job["status"] in ("succeeded", "failed", "cancelled") else None

    job = until(ask, f"Refreshing {name}", seconds)
    if job["status"] != "succeeded":
        # What the job says ends with advice of its own: an order to run, or a sentence.
        why = str(job["lastError"]).rstrip(".")
        raise Unavailable(f"The feed {name} was not refreshed: {why}.", advice="What was known stands.")


def _is_it(job: dict[str, Any], name: str, since: str) -> bool:
    return job["kind"] == "refresh" and f":{name}:" in job["key"] and job["timeCreated"] >= since


def _again(job: dict[str, Any]) -> str:
    return f" (attempt {job['attempts']}: {str(job['lastError']).rstrip('.')})" if job["lastError"] else ""
