"""Vulnerabilities as a compartment has them: which, how bad, in how many images, and in which (oci-api 2.2).

One vulnerability found from two compartments is two records, each under its own permission. They are no rows: a record
is what the matches of the images that the compartment's targets look at say, as of the published revision.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from assay.advisories import Severity, revisions, vulnerabilities
from assay.advisories.vulnerabilities import VulnerabilityDetails
from assay.clock import Instant, Ocid
from assay.errors import not_found
from assay.iam import Actor, Target, authorize
from assay.registry import images
from assay.registry.model import Image
from assay.scanning.model import Scan, ScanFilter
from assay.scanning.records import exposures, scans
from assay.scanning.records.exposures import Exposure, Impacted
from assay.scanning.results import scan_of
from assay.storage import Store, pages

KIND = "vssvulnerability"
_NUMBER = re.compile(r"[0-9]{1,18}")


class VulnerabilityKind(StrEnum):
    """CVE: it has a number there. PROBLEM: its sources know it by a name of their own."""

    CVE = "CVE"
    PROBLEM = "PROBLEM"


class VulnerabilitySort(StrEnum):
    """By what vulnerabilities are listed. Nothing here looks at hosts, so all resources are containers."""

    NAME = "name"
    SEVERITY = "severity"
    FIRST_DETECTED = "firstDetected"
    LAST_DETECTED = "lastDetected"
    IMPACTED_HOSTS = "impactedHosts"
    IMPACTED_CONTAINERS = "impactedContainers"
    IMPACTED_RESOURCES = "impactedResources"


class ContainerSort(StrEnum):
    """By what impacted containers are listed; all of them lie in this one registry."""

    IMAGE = "image"
    REPOSITORY = "repository"
    REGISTRY = "registry"


@dataclass(frozen=True, slots=True)
class VulnerabilityFilter:
    """Which vulnerabilities of a compartment, in which order; None, and no names, don't narrow."""

    compartment: str
    severities: tuple[Severity, ...] | None = None
    names: tuple[str, ...] = ()
    kind: VulnerabilityKind | None = None
    sort_by: VulnerabilitySort = VulnerabilitySort.SEVERITY
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """A vulnerability in a compartment; `details` as of the published revision; `images`: how many have it."""

    ocid: str
    compartment: str
    severity: Severity
    details: VulnerabilityDetails
    images: int
    is_fixable: bool
    time_first_detected: Instant
    time_last_detected: Instant

    @property
    def kind(self) -> VulnerabilityKind:
        """Whether it has a CVE number."""
        return kind_of(self.details.name)


@dataclass(frozen=True, slots=True)
class ImpactedImage:
    """An image that has a vulnerability (None once it is purged), the target that found it, and its latest scan."""

    target: str
    repository: str
    image: Image | None
    scan: Scan | None


def kind_of(name: str) -> VulnerabilityKind:
    """The kind of a vulnerability of this name."""
    return VulnerabilityKind.CVE if name.startswith("CVE-") else VulnerabilityKind.PROBLEM


def listed(
    store: Store, actor: Actor, narrow: VulnerabilityFilter, *, limit: int | None = None, page: str = ""
) -> pages.Page[Vulnerability]:
    """A page of the vulnerabilities of a compartment. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    operation = "ListVulnerabilities"
    with store.database.read() as connection:
        authorize(connection, actor, operation, Target(narrow.compartment), now=store.clock.now())
        rev = revisions.published_revision(connection)
        found = exposures.counted(connection, actor.tenancy, narrow.compartment, rev)
        names = vulnerabilities.vulnerability_names(connection, [each.vulnerability for each in found])
        wanted = [
            each
            for each in found
            if all(name == names[each.vulnerability] for name in narrow.names)
            and (narrow.kind is None or kind_of(names[each.vulnerability]) is narrow.kind)
            and (narrow.severities is None or Severity(each.severity) in narrow.severities)
        ]
        keys = _keys(connection, actor, narrow, wanted, names, rev)
        shown, token = _window(
            store, (operation, actor.tenancy, narrow), keys, limit, page, descending=narrow.descending
        )
        by_id = {each.vulnerability: each for each in wanted}
        rows = [by_id[int(identity)] for _, identity in shown]
        return pages.Page(_told(store, connection, actor, narrow.compartment, rows, rev), token)


def get(store: Store, actor: Actor, ocid: str) -> Vulnerability:
    """One vulnerability. Errors: Refused (NOT_FOUND, also when no image of its compartment has it any more)."""
    with store.database.read() as connection:
        compartment, number = _known(store, connection, actor, ocid, "GetVulnerability")
        rev = revisions.published_revision(connection)
        found = exposures.counted(connection, actor.tenancy, compartment, rev, vulnerability=number)
        told = _told(store, connection, actor, compartment, found, rev)
    if not told:
        raise not_found()
    return told[0]


def impacted(
    store: Store,
    actor: Actor,
    ocid: str,
    *,
    sort_by: ContainerSort = ContainerSort.IMAGE,
    descending: bool = False,
    limit: int | None = None,
    page: str = "",
) -> pages.Page[ImpactedImage]:
    """A page of the images that have a vulnerability. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED)."""
    operation = "ListVulnerabilityImpactedContainers"
    with store.database.read() as connection:
        compartment, number = _known(store, connection, actor, ocid, operation)
        rev = revisions.published_revision(connection)
        found = {each.image: each for each in exposures.impacted(connection, actor.tenancy, compartment, number, rev)}
        sorters: dict[ContainerSort, Callable[[Impacted], str]] = {
            ContainerSort.IMAGE: lambda each: _display_name(images.of_ocid(connection, actor.tenancy, each.image)),
            ContainerSort.REPOSITORY: lambda each: each.repository,
            ContainerSort.REGISTRY: lambda _: "",
        }
        keys: list[_Key] = [(sorters[sort_by](each), each.image) for each in found.values()]
        query = (operation, actor.tenancy, ocid, sort_by, descending)
        shown, token = _window(store, query, keys, limit, page, descending=descending)
        rows = [found[str(image)] for _, image in shown]
        latest = scans.latest_of_images(connection, [each.image for each in rows], rev)
        told = tuple(
            ImpactedImage(
                target=each.target,
                repository=each.repository,
                image=images.of_ocid(connection, actor.tenancy, each.image),
                scan=scan_of(store, connection, latest[each.image]) if each.image in latest else None,
            )
            for each in rows
        )
    return pages.Page(told, token)


_Key = tuple[str | int, str | int]


def _keys(
    connection: Connection,
    actor: Actor,
    narrow: VulnerabilityFilter,
    found: Sequence[Exposure],
    names: Mapping[int, str],
    rev: int,
) -> list[_Key]:
    """(what is sorted by, id) of each."""
    ids = [each.vulnerability for each in found]
    if narrow.sort_by in (VulnerabilitySort.FIRST_DETECTED, VulnerabilitySort.LAST_DETECTED):
        times = exposures.times(connection, actor.tenancy, narrow.compartment, ids, rev)
        which = 0 if narrow.sort_by is VulnerabilitySort.FIRST_DETECTED else 1
        return [(times[each][which] if each in times else 0, each) for each in ids]
    if narrow.sort_by is VulnerabilitySort.NAME:
        return [(names[each], each) for each in ids]
    if narrow.sort_by is VulnerabilitySort.SEVERITY:
        return [(each.severity, each.vulnerability) for each in found]
    hosts_only = narrow.sort_by is VulnerabilitySort.IMPACTED_HOSTS
    return [(0 if hosts_only else each.images, each.vulnerability) for each in found]


def _window(
    store: Store, query: Sequence[object], keys: list[_Key], limit: int | None, page: str, *, descending: bool
) -> tuple[list[_Key], str]:
    """The keys of one page, in order, and the token of the next page. Errors: Refused (PAGE_TOKEN, MALFORMED)."""
    rows_max = pages.page_rows(limit)
    ordered = sorted(keys, reverse=descending)
    if page:
        after = pages.decode_page(store.page_key, query, page)
        ordered = [each for each in ordered if (each < after if descending else each > after)]
    shown = ordered[:rows_max]
    return shown, pages.encode_page(store.page_key, query, shown[-1]) if len(ordered) > rows_max else ""


def _told(
    store: Store, connection: Connection, actor: Actor, compartment: str, rows: Sequence[Exposure], rev: int
) -> tuple[Vulnerability, ...]:
    ids = [each.vulnerability for each in rows]
    details = vulnerabilities.vulnerability_details(connection, ids, rev)
    times = exposures.times(connection, actor.tenancy, compartment, ids, rev)
    now = store.clock.now()
    return tuple(
        Vulnerability(
            ocid=_ocid(store, compartment, each.vulnerability),
            compartment=compartment,
            severity=Severity(each.severity),
            details=details[each.vulnerability],
            images=each.images,
            is_fixable=each.is_fixable,
            # An image whose only scan was deleted is dated by nothing; its matches hold now.
            time_first_detected=times.get(each.vulnerability, (now, now))[0],
            time_last_detected=times.get(each.vulnerability, (now, now))[1],
        )
        for each in rows
    )


def _ocid(store: Store, compartment: str, vulnerability: int) -> str:
    return store.site.derived_ocid(KIND, compartment, vulnerability, extension=str(vulnerability)).text


def _known(store: Store, connection: Connection, actor: Actor, ocid: str, operation: str) -> tuple[str, int]:
    """The (compartment, vulnerability) of an OCID, if the actor may do `operation` there. Errors: Refused (NOT_FOUND).

    The OCID follows from the two: of the compartments with results, the one that it fits is its own.
    """
    parsed = Ocid(ocid)
    if parsed.kind != KIND or not _NUMBER.fullmatch(parsed.extension):
        raise not_found()
    number = int(parsed.extension)
    for compartment in scans.compartments(connection, actor.tenancy, ScanFilter()):
        if _ocid(store, compartment, number) == ocid:
            authorize(connection, actor, operation, Target(compartment, resource=ocid), now=store.clock.now())
            return compartment, number
    raise not_found()


def _display_name(image: Image | None) -> str:
    return "" if image is None else image.display_name
