"""Scans: list them, look at one, wait for one, compare two; and the verdicts of reviewers."""

import shlex
import time
from typing import Annotated, Any

import typer

from assay.cli import names, show
from assay.cli.options import ImageText, Out, ScanText, group
from assay.cli.progress import Say, until
from assay.cli.scanners import command_to_allow
from assay.cli.session import Session, signed_in
from assay.cli.show import Output
from assay.errors import Reason, Refused

app = group("Scans of images, and their problems.")
verdicts = group("What reviewers say of scans.")

WAIT_SECONDS = 600
#: Within so long after a push the scanner of its repository has heard of it.
HEARD_SECONDS = 10.0


def risk(scan: dict[str, Any]) -> str | None:
    """The risk level as people read it; a scan that is not whole has none, and says how it stands."""
    level = scan["highestProblemSeverity"]
    return level.capitalize() if level else f"– ({scan['state'].lower()})"


def _severities(change: dict[str, Any]) -> str:
    before = severity(change["before"], is_rated=change["isRatedBefore"])
    return f"{before} → {severity(change['after'], is_rated=change['isRatedAfter'])}"


def severity(word: str | None, *, is_rated: bool) -> str:
    """A severity for people: what nobody has rated has a level in the API, people are told."""
    return "–" if word is None else word.capitalize() if is_rated else "Unrated"


_NO_PROBLEM = {
    "complete": "No problem is known.",
    "partial": "No problem was found in what could be looked at; of the rest nothing is known.",
    "failed": "Nothing is known of its problems.",
}
_LIST: show.Columns = {
    "Scan": lambda scan: (
        f"{scan['repository']}:{scan['image']}#{scan['feedRevision']}"
        if not scan["image"].startswith("sha256:")
        else f"{scan['repository']}@{scan['image'][:19]}#{scan['feedRevision']}"
    ),
    "Date": show.when("timeFinished"),
    "Cause": "cause",
    "Risk": risk,
    "Problems": "problemCount",
    "Critical": "counts.critical",
    "High": "counts.high",
    "Medium": "counts.medium",
    "Low": "counts.low",
    "Unrated": "counts.unrated",
}
_ONE: show.Columns = {
    "Image": lambda scan: f"{scan['repository']}:{scan['image']}",
    "Digest": "imageDigest",
    "Date": show.when("timeFinished"),
    "Cause": "cause",
    "Feed revision": "feedRevision",
    "Current as of": "currentAsOfRevision",
    "Risk": risk,
    "Problems": lambda scan: ", ".join(
        [f"{scan['problemCount']} in all", *(f"{number} {name}" for name, number in scan["counts"].items() if number)]
    ),
}
_PROBLEMS: show.Columns = {
    "Severity": lambda row: severity(row["severity"], is_rated=row["isRated"]),
    "Vulnerability": "name",
    "Package": "package.name",
    "Installed": "package.version",
    "Fixed in": "package.cveFixVersion",
    "Location": "package.locations",
    "State": lambda row: row["state"].lower(),
    "Link": "cveReference",
}
_CHANGES: show.Columns = {
    "Change": "kind",
    "Severity": _severities,
    "Vulnerability": "name",
    "Packages": lambda change: sorted({each["name"] for each in change["vulnerablePackages"]}),
    "Because": lambda change: [f"{each['advisory']}: {each['reason']}" for each in change["because"]],
    "Link": "cveReference",
}
_VERDICTS: show.Columns = {
    "Date": show.when("timeCreated"),
    "Verdict": lambda verdict: "accepted" if verdict["isAccepted"] else "refused",
    "Reviewer": "reviewer",
    "Feed revision": "feedRevision",
    "Reason": "reason",
}


@app.command("list")
def list_(
    image: Annotated[str, typer.Argument(metavar="REPOSITORY[:TAG]", help="A repository, or one image of it.")],
    latest: Annotated[bool, typer.Option("--latest", help="Only the latest scan of each image.")] = False,
    output: Out = Output.TABLE,
) -> None:
    """List scans, the newest first."""
    session = signed_in()
    name = names.image_name(session, image)
    found = session.server.everything(
        names.SCANS,
        **session.within(""),
        repository=name.repository,
        image=name.version,
        isLatestOnly=True if latest else "",
    )
    show.rows(output, _LIST, found, empty=f"No scan. See: assay scanner status {name.repository}")


@app.command("show")
def show_(scan: ScanText, output: Out = Output.TABLE) -> None:
    """Show a scan: its risk level and all its problems."""
    session = signed_in()
    found = session.server.get(f"{names.SCANS}/{names.scan(session, scan)}").body
    if output is Output.JSON:
        show.as_json(found)
        return
    show.thing(output, _ONE, found)
    _tell_not_whole(found)
    show.line("")
    rows = [{**problem, "package": each} for problem in found["problems"] for each in problem["vulnerablePackages"]]
    show.rows(output, _PROBLEMS, rows, empty=_NO_PROBLEM[found["state"]])


def _tell_not_whole(scan: dict[str, Any]) -> None:
    """What a scan that is not whole must be told with, an item for each reason; nothing for a whole one."""
    if scan["state"] == "complete":
        return
    failed, partly = "The scan failed:", "Partly scanned; there may be more problems than found:"
    show.line("")
    show.line(failed if scan["state"] == "failed" else partly)
    for each in scan["stateReasons"]:
        show.item(each)


@app.command()
def compare(
    before: ScanText,
    after: ScanText,
    output: Out = Output.TABLE,
) -> None:
    """Show what changed from one scan to another, and why."""
    session = signed_in()
    query = {"before": names.scan(session, before), "after": names.scan(session, after)}
    found = session.server.get("/20260901/scanComparison", **query).body
    if output is Output.JSON:
        show.as_json(found)
        return
    then, now = found["before"], found["after"]
    show.line(f"{risk(then)}, {then['problemCount']} problems  →  {risk(now)}, {now['problemCount']} problems")
    show.rows(output, _CHANGES, found["changes"], empty="Nothing changed.")


@app.command()
def wait(
    image: ImageText,
    seconds: Annotated[int, typer.Option(help="Give up after so long.", min=1)] = WAIT_SECONDS,
    output: Out = Output.TABLE,
) -> None:
    """Wait until an image is scanned; for scripts that push, scan and sign."""
    session = signed_in()
    found = names.image(session, image)

    text = f"Waiting for the scan of {found['displayName']}"
    begun = time.monotonic()

    def ask(say: Say) -> dict[str, Any] | None:
        status = status_of(session, found)
        if status is None or status["standing"] == "unwatched":
            _require_scanner(session, found, is_late=time.monotonic() - begun > HEARD_SECONDS)
        elif status["missingStatements"]:
            raise _not_permitted(found, status["missingStatements"])
        elif status["standing"] == "waiting-for-feed":
            say(f"{text}: it waits for the first feed revision")
        scan: dict[str, Any] | None = status["latestScan"] if status and status["standing"] == "scanned" else None
        return scan

    scanned = until(ask, text, seconds)
    show.said(output, f"{found['displayName']}: {risk(scanned)}, {scanned['problemCount']} problems.", scanned)


def _require_scanner(session: Session, image: dict[str, Any], *, is_late: bool) -> None:
    """Errors: Refused when an image that nobody has asked to scan will never be scanned.

    A push is heard of a moment later; `is_late`: that moment is over.
    """
    try:
        found = session.server.get(f"/20260901/repositories/{image['repositoryId']}/scanner").body
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return  # who may not see the scanner waits
    name = shlex.quote(image["repositoryName"])
    if found["scanner"] is None:
        raise Refused(
            f"{image['displayName']} will not be scanned: its repository has no image scanner.",
            advice=f"Run: assay scanner add {name}",
        )
    if found["missingStatements"]:
        raise _not_permitted(image, found["missingStatements"])
    if is_late:
        raise Refused(
            f"{image['displayName']} will not be scanned: it was pushed before the image scanner of its repository was "
            "added, and was not among the latest images then.",
            advice=f"Push it again, or add the scanner for more images: assay scanner remove {name}; "
            f"assay scanner add {name} --images NUMBER",
        )


def _not_permitted(image: dict[str, Any], missing: list[str]) -> Refused:
    return Refused(
        f"{image['displayName']} cannot be scanned: the scanning service may not read it.",
        advice=f"Run: {command_to_allow(missing)}",
    )


def status_of(session: Session, image: dict[str, Any]) -> dict[str, Any] | None:
    """How an image stands towards scanning; None when nobody ever asked for its scan."""
    found = session.server.everything(f"/20260901/repositories/{image['repositoryId']}/scanStatuses")
    return next((each for each in found if each["imageId"] == image["id"]), None)


_Reason = Annotated[str, typer.Option(help="Why; it is kept with the verdict.")]


@verdicts.command()
def accept(scan: ScanText, reason: _Reason, output: Out = Output.TABLE) -> None:
    """Record that a scan is good enough."""
    _record(scan, reason, output, accepted=True)


@verdicts.command()
def refuse(scan: ScanText, reason: _Reason, output: Out = Output.TABLE) -> None:
    """Record that a scan is not good enough."""
    _record(scan, reason, output, accepted=False)


@verdicts.command("list")
def list_verdicts(image: ImageText, output: Out = Output.TABLE) -> None:
    """List the verdicts on an image, the newest first."""
    session = signed_in()
    show.rows(output, _VERDICTS, verdicts_of(session, names.image(session, image)), empty="No verdict yet.")


def verdicts_of(session: Session, image: dict[str, Any]) -> list[dict[str, Any]]:
    """The verdicts on an image, the newest first."""
    return session.server.everything(f"/20260901/images/{image['id']}/verdicts")


def _record(scan: str, reason: str, output: Output, *, accepted: bool) -> None:
    session = signed_in()
    path = f"/20260901/scans/{names.scan(session, scan)}/verdicts"
    made = session.server.post(path, {"isAccepted": accepted, "reason": reason}).body
    word = "accepted" if accepted else "refused"
    show.said(output, f"Recorded: {word} as of feed revision {made['feedRevision']}.", made)
