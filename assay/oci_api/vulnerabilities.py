"""Vulnerabilities of a compartment, and the containers that have one (oci-api 2.2)."""

from typing import Any

from assay.advisories import Severity
from assay.clock import rfc3339
from assay.oci_api.contract import IN_COMPARTMENT, PAGED, SORT_ORDER, Gives, one_of
from assay.oci_api.frame import Call, Reply, Row, takes
from assay.oci_api.scan_results import severity_word
from assay.scanning import vulnerabilities
from assay.scanning.risk import RiskLevel
from assay.scanning.vulnerabilities import (
    ContainerSort,
    ImpactedImage,
    Vulnerability,
    VulnerabilityFilter,
    VulnerabilityKind,
    VulnerabilitySort,
)


def vulnerability_reply(call: Call, found: Vulnerability) -> dict[str, Any]:
    """A VulnerabilitySummary."""
    return {
        "id": found.ocid,
        "compartmentId": found.compartment,
        "name": found.details.name,
        "vulnerabilityReference": found.details.name,
        "vulnerabilityType": found.kind,
        "severity": severity_word(call, found.severity),
        "isRated": found.severity is not Severity.UNRATED,
        "state": "OPEN",
        "lifecycleState": "ACTIVE",
        "cveDescription": found.details.description or found.details.summary,
        "timeFirstDetected": rfc3339(found.time_first_detected),
        "timeLastDetected": rfc3339(found.time_last_detected),
        "impactedResourcesCount": {"hostCount": 0, "imageCount": found.images},
    }


def cve_details_reply(found: Vulnerability) -> dict[str, Any]:
    """A CveDetails. What no feed states stays null: the score, the threat, the impact, whether it is exploitable."""
    details = found.details
    return {
        "cveReference": details.name,
        "title": details.summary or details.name,
        "description": details.description or details.summary,
        "relatedCveReference": ", ".join(details.aliases),
        "cvss3": None,
        "timePublished": None if details.published is None else rfc3339(details.published),
        "timeUpdated": None,
        "threat": None,
        "impact": None,
        "solution": "Update to a version that ends it." if found.is_fixable else "No version ends it yet.",
        "patchable": "true" if found.is_fixable else "false",
        "exploitable": None,
        "referenceUrl": details.link,
    }


def impacted_reply(call: Call, found: ImpactedImage) -> dict[str, Any]:
    """A VulnerabilityImpactedContainerSummary; `repository` is the repository's OCID there."""
    image = found.image
    return {
        "containerScanTargetId": found.target,
        "repository": found.repository,
        "registry": call.app.settings.url,
        "image": "" if image is None else image.version or str(image.digest),
        "lastContainerScanId": None if found.scan is None else found.scan.ocid,
        "timeScanCompleted": None if found.scan is None else rfc3339(found.scan.time_created),
    }


def _severities(call: Call) -> tuple[Severity, ...] | None:
    """The ratings that a word of the API stands for: also none at all, where that counts as the word. None: any."""
    word = call.choice("severity", tuple(RiskLevel), "")
    if not word:
        return None
    unrated = (Severity.UNRATED,) if word == severity_word(call, Severity.UNRATED) else ()
    return (*(each for each in Severity if each is not Severity.UNRATED and each.name == word), *unrated)


@takes(
    Gives.ITEMS,
    query={
        **IN_COMPARTMENT,
        "severity": one_of(RiskLevel),
        "name": str,
        "vulnerabilityReference": str,
        "vulnerabilityType": one_of(VulnerabilityKind),
        "sortBy": one_of(VulnerabilitySort),
        **SORT_ORDER,
        **PAGED,
    },
)
def _list(call: Call) -> Reply:
    kind = call.choice("vulnerabilityType", tuple(VulnerabilityKind), "")
    names = {name for key in ("name", "vulnerabilityReference") if (name := call.query.get(key))}
    by_name = call.choice("sortBy", tuple(VulnerabilitySort), VulnerabilitySort.SEVERITY)
    narrow = VulnerabilityFilter(
        compartment=call.needed("compartmentId"),
        severities=_severities(call),
        names=tuple(sorted(names)),
        kind=VulnerabilityKind(kind) if kind else None,
        sort_by=VulnerabilitySort(by_name),
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC" if by_name == "name" else "DESC") == "DESC",
    )
    page = vulnerabilities.listed(call.app.store, call.actor, narrow, limit=call.limit, page=call.page or "")
    return Reply({"items": [vulnerability_reply(call, each) for each in page.items]}, next_page=page.next_page)


@takes(Gives.ONE)
def _get(call: Call) -> Reply:
    found = vulnerabilities.get(call.app.store, call.actor, call.path["vulnerability"])
    # `authentication` is null: no feed says what an attacker must prove.
    told = {"authentication": None, "cveDetails": cve_details_reply(found)}
    return Reply({**vulnerability_reply(call, found), **told})


@takes(Gives.ITEMS, query={"sortBy": one_of(ContainerSort), **SORT_ORDER, **PAGED})
def _list_impacted(call: Call) -> Reply:
    page = vulnerabilities.impacted(
        call.app.store,
        call.actor,
        call.path["vulnerability"],
        sort_by=ContainerSort(call.choice("sortBy", tuple(ContainerSort), ContainerSort.IMAGE)),
        descending=call.choice("sortOrder", ("ASC", "DESC"), "ASC") == "DESC",
        limit=call.limit,
        page=call.page or "",
    )
    return Reply({"items": [impacted_reply(call, each) for each in page.items]}, next_page=page.next_page)


_VULNERABILITIES = "/20210215/vulnerabilities"
_ONE = f"{_VULNERABILITIES}/{{vulnerability}}"

ROWS: tuple[Row, ...] = (
    Row("GET", _VULNERABILITIES, "ListVulnerabilities", _list),
    Row("GET", _ONE, "GetVulnerability", _get),
    Row("GET", f"{_ONE}/impactedContainers", "ListVulnerabilityImpactedContainers", _list_impacted),
)
