"""Scan results (oci-api 2.2) and, under `/20260901`, how images stand, the difference of two scans, verdicts."""

from typing import Any

from assay.advisories import Severity
from assay.clock import rfc3339
from assay.iam import work_requests
from assay.iam.identity import compartments
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, SUBTREE, Gives, Members, Need, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.wire import instant_from
from assay.registry import images
from assay.registry.model import ImageFilter
from assay.scanning import comparison, details, results, verdicts
from assay.scanning.model import (
    Difference,
    ImageStatus,
    Problem,
    Scan,
    ScanFilter,
    ScanSort,
    Verdict,
    VulnerablePackage,
)
from assay.scanning.risk import RiskLevel

_TIMES = ("timeStartedGreaterThanOrEqualTo", "timeStartedLessThanOrEqualTo")
#: Filters beside which the compartments below are looked at when asked for.
_NARROWING = ("repository", "image", "highestProblemSeverity", *_TIMES)
_ASKED: Members = {
    **SUBTREE,
    **dict.fromkeys((*_TIMES, "repository", "image", "imageId"), str),
    "highestProblemSeverity": one_of(RiskLevel),
    "areSubcompartmentsIncluded": bool,
    "isLatestOnly": bool,
    "sortBy": one_of(ScanSort),
    **SORT_ORDER,
    **PAGED,
}
_PACKAGE_TYPES = {"Debian": "DEB", "Ubuntu": "DEB", "Alpine": "APK", "PyPI": "PYTHON", "npm": "NPM"}


def scan_reply(call: Call, scan: Scan) -> dict[str, Any]:
    """A ContainerScanResultSummary, with the counts, the cause and the feed revision beside it."""
    image = results.image_of(call.app.store, scan)
    level = scan.risk_level
    return {
        "id": scan.ocid,
        "compartmentId": scan.compartment,
        "containerScanTargetId": scan.target,
        "repository": "" if image is None else image.repository_name,
        "repositoryId": scan.repository,
        "image": "" if image is None else image.version or str(image.digest),
        "imageId": scan.image,
        "imageDigest": None if image is None else str(image.digest),
        "highestProblemSeverity": level,
        "problemCount": scan.counts.total,
        "timeStarted": rfc3339(scan.time_created),
        "timeFinished": rfc3339(scan.time_created),
        "feedRevision": scan.revision,
        "cause": scan.cause,
        "state": scan.state,
        "stateReason": scan.reason,
        "stateReasons": scan.reasons,
        "counts": {
            "critical": scan.counts.critical,
            "high": scan.counts.high,
            "medium": scan.counts.medium,
            "low": scan.counts.low,
            "unrated": scan.counts.unrated,
        },
    }


def severity_word(call: Call, severity: Severity | None) -> str | None:
    """The API has no word for a problem that nobody has rated: it has the level that it counts as here."""
    if severity is None:
        return None
    return call.app.settings.unrated_counts_as.upper() if severity is Severity.UNRATED else severity.name


def _package_reply(package: VulnerablePackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "type": _PACKAGE_TYPES.get(package.ecosystem.partition(":")[0], package.ecosystem),
        "cveFixVersion": package.fix or None,
        "locations": sorted({location.path for location in package.locations}),
        "advisory": package.advisory,
        "ecosystem": package.ecosystem,
    }


def problem_reply(call: Call, problem: Problem) -> dict[str, Any]:
    """A ContainerScanResultProblem, with its title, aliases and whether anybody has rated it."""
    return {
        "name": problem.name,
        "aliases": problem.aliases,
        "title": problem.summary,
        "description": problem.description or problem.summary,
        "severity": severity_word(call, problem.severity),
        "isRated": problem.severity is not Severity.UNRATED,
        "state": problem.state,
        "cveReference": problem.link,
        "timeFirstDetected": rfc3339(problem.time_first_detected),
        "timeLastDetected": rfc3339(problem.time_last_detected),
        "vulnerablePackages": [_package_reply(package) for package in problem.packages],
    }


def verdict_reply(verdict: Verdict) -> dict[str, Any]:
    """A verdict."""
    return {
        "id": verdict.ocid,
        "compartmentId": verdict.compartment,
        "imageId": verdict.image,
        "scanId": verdict.scan,
        "feedRevision": verdict.revision,
        "isAccepted": verdict.accepted,
        "reason": verdict.reason,
        "reviewer": verdict.reviewer_name,
        "timeCreated": rfc3339(verdict.time_created),
    }


def _compartments(call: Call) -> tuple[str, ...]:
    """The compartment of the list; with all below it where the query says so, which it can only beside a filter."""
    compartment = call.needed("compartmentId")
    is_narrow = any(call.query.get(name) for name in _NARROWING)
    if not call.flag("compartmentIdInSubtree") and not (is_narrow and call.flag("areSubcompartmentsIncluded")):
        return (compartment,)
    with call.app.store.database.read() as connection:
        return tuple(each.ocid for each in compartments.with_all_below(connection, call.actor, compartment))


@takes(Gives.ITEMS, query=_ASKED)
def _list_results(call: Call) -> Reply:
    """`repository` is a repository's name, `image` a version or digest (oci-api 5.1, trap 13)."""
    since, until = (instant_from(text, name) if (text := call.query.get(name)) else None for name in _TIMES)
    level = call.choice("highestProblemSeverity", tuple(RiskLevel), "")
    narrow = ScanFilter(
        compartments=_compartments(call),
        repository_name=call.query.get("repository", ""),
        image=call.query.get("imageId", ""),
        image_name=call.query.get("image", ""),
        level=RiskLevel(level) if level else None,
        since=since,
        until=until,
        is_latest_only=bool(call.flag("isLatestOnly")),
        sort_by=ScanSort(call.choice("sortBy", tuple(ScanSort), ScanSort.TIME)),
        descending=call.choice("sortOrder", ("ASC", "DESC"), "DESC") == "DESC",
    )
    page = results.listed(call.app.store, call.actor, narrow, limit=call.limit, page=call.page or "")
    return Reply({"items": [scan_reply(call, each) for each in page.items]}, next_page=page.next_page)


@takes(Gives.ONE)
def _get_result(call: Call) -> Reply:
    found = details.get(call.app.store, call.actor, call.path["scan"])
    image = results.image_of(call.app.store, found.scan)
    body = {
        **scan_reply(call, found.scan),
        "registryUrl": call.app.settings.url,
        # The result lies with its target; this is where the scanned repository lies (oci-api 2.2).
        "targetCompartmentId": found.scan.compartment if image is None else image.compartment,
        "currentAsOfRevision": found.current_as_of,
        "problems": [problem_reply(call, problem) for problem in found.problems],
    }
    return Reply(body)


@takes(Gives.NOTHING)
def _delete_result(call: Call) -> Reply:
    gone = results.delete(call.app.store, call.actor, call.path["scan"])
    return Reply(work_request=work_requests.ocid_of(call.app.store.site, gone.ocid, gone.etag))


@takes(Gives.NOTHING, body=IN_COMPARTMENT)
def _move_result(call: Call) -> Reply:
    compartment = call.field("compartmentId")
    results.move(call.app.store, call.actor, call.path["scan"], compartment, retry_token=call.retry_token)
    return Reply()


def status_reply(call: Call, status: ImageStatus) -> dict[str, Any]:
    """How an image stands towards scanning, with its latest scan."""
    return {
        "imageId": status.image,
        "standing": status.standing,
        "latestScan": None if status.scan is None else scan_reply(call, status.scan),
        "currentAsOfRevision": status.current_as_of,
        "missingStatements": status.missing_statements,
    }


@takes(Gives.ITEMS, query=PAGED)
def _list_statuses(call: Call) -> Reply:
    """How the latest images of a repository stand towards scanning."""
    repository = call.path["repository"]
    found = images.listed(
        call.app.store, call.actor, ImageFilter(repository=repository), limit=call.limit, page=call.page or ""
    )
    statuses = results.statuses(call.app.store, call.actor, [image.ocid for image in found.items])
    items = [status_reply(call, statuses[image.ocid]) for image in found.items if image.ocid in statuses]
    return Reply({"items": items}, next_page=found.next_page)


def _difference_reply(call: Call, difference: Difference) -> dict[str, Any]:
    return {
        "before": scan_reply(call, difference.before),
        "after": scan_reply(call, difference.after),
        "changes": [
            {
                "kind": change.kind,
                "cause": change.cause,
                "name": change.name,
                "title": change.summary,
                "cveReference": change.link,
                "before": severity_word(call, change.before),
                "after": severity_word(call, change.after),
                "isRatedBefore": change.before is not Severity.UNRATED,
                "isRatedAfter": change.after is not Severity.UNRATED,
                "vulnerablePackages": [_package_reply(package) for package in change.packages],
                "because": [
                    {"advisory": word.advisory, "feedRevision": word.revision, "reason": word.reason}
                    for word in change.because
                ],
            }
            for change in difference.changes
        ],
    }


@takes(Gives.ONE, query={"before": Need(str), "after": Need(str)})
def _compare(call: Call) -> Reply:
    found = comparison.compare(call.app.store, call.actor, call.needed("before"), call.needed("after"))
    return Reply(_difference_reply(call, found))


@takes(Gives.ONE, body={"isAccepted": Need(bool), "reason": Need(str)})
def _record_verdict(call: Call) -> Reply:
    made = verdicts.record(
        call.app.store,
        call.actor,
        call.path["scan"],
        accepted=call.field("isAccepted"),
        reason=call.field("reason"),
        retry_token=call.retry_token,
    )
    return Reply(verdict_reply(made))


@takes(Gives.ITEMS)
def _list_verdicts(call: Call) -> Reply:
    found = verdicts.listed(call.app.store, call.actor, call.path["image"])
    return Reply({"items": [verdict_reply(each) for each in found]})


_RESULTS, _OWN = "/20210215/containerScanResults", "/20260901"

ROWS: tuple[Row, ...] = (
    Row("GET", _RESULTS, "ListContainerScanResults", _list_results),
    Row("GET", f"{_RESULTS}/{{scan}}", "GetContainerScanResult", _get_result),
    Row("DELETE", f"{_RESULTS}/{{scan}}", "DeleteContainerScanResult", _delete_result),
    Row("POST", f"{_RESULTS}/{{scan}}/actions/changeCompartment", "ChangeContainerScanResultCompartment", _move_result),
    Row("GET", f"{_OWN}/repositories/{{repository}}/scanStatuses", "ListContainerScanResults", _list_statuses),
    Row("GET", f"{_OWN}/scanComparison", "GetContainerScanResult", _compare),
    Row("POST", f"{_OWN}/scans/{{scan}}/verdicts", "RecordScanVerdict", _record_verdict),
    Row("GET", f"{_OWN}/images/{{image}}/verdicts", "ListScanVerdicts", _list_verdicts),
)
