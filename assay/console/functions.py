"""Pages of function applications: which image each function is pinned to, and how that image stands."""

from dataclasses import dataclass

from assay.admission import ImagePolicy
from assay.admission.model import Listing
from assay.clock import Instant
from assay.console import facts, keys, scope
from assay.console.clusters import Draft, KeyName
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.repositories import namespace_of
from assay.console.results import NOT_SCANNED, ScanView
from assay.console.visit import Visit, whole_number
from assay.errors import Reason, Refused
from assay.functions import applications, functions, model
from assay.registry import images, repositories
from assay.registry.model import Image, ImageFilter
from assay.scanning import scanners

FUNCTIONS_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An application in a list or at the head of its page."""

    ocid: str
    name: str
    enabled: bool
    keys: tuple[KeyName, ...]
    functions: tuple[str, ...]
    made: Instant
    etag: str


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A function with the image it is pinned to. `newer` names a push that came after, if there is one."""

    ocid: str
    name: str
    image: str
    digest: str
    href: str
    scan: ScanView
    scanner: bool
    newer: str


def show_list(visit: Visit) -> Reply:
    """All applications, and the form for a new one."""
    visit.only("compartment")
    found = scope.gather(
        visit,
        lambda compartment, page: applications.listed(
            visit.store, visit.actor, compartment, Listing(limit=visit.limit(), page=page)
        ),
    )
    return Page(
        "functions.html",
        {
            "rows": tuple(_application(visit, each) for each in found.items),
            "said": found.said,
            "next": visit.link(after=found.next_page) if found.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )


def make(visit: Visit) -> Elsewhere:
    """Create an application."""
    details = model.ApplicationDetails(visit.actor.tenancy, visit.sent("name").strip())
    made = applications.create(visit.store, visit.actor, details)
    return visit.back(f"/functions/{made.ocid}", "application-made")


def show(visit: Visit) -> Reply:
    """An application: its functions, the form for a new one, its policy."""
    visit.only()
    application = applications.get(visit.store, visit.actor, visit.names["application"])
    listing = Listing(limit=visit.limit(), page=visit.asked("after"))
    page = functions.listed(visit.store, visit.actor, application.ocid, listing)
    row = _application(visit, application)
    in_force = Draft(row.enabled, frozenset(key.ocid for key in row.keys))
    is_sent = visit.fault is not None and visit.sent("do") == "policy"
    return Page(
        "application.html",
        {
            "application": row,
            "rows": tuple(_function(visit, each) for each in page.items),
            "said": f"{len(page.items)} here",
            "next": visit.link(after=page.next_page) if page.next_page else "",
            "first": visit.link() if visit.asked("after") else "",
            "hint": f"By tag or digest: {visit.app.settings.registry_host}/{namespace_of(visit)}/NAME:TAG",
            "memory": tuple((str(size), f"{size} MB") for size in model.MEMORY_MB),
            "keys": tuple(keys.key_row(key) for key in keys.all_keys(visit)),
            "draft": Draft(bool(visit.sent("enabled")), frozenset(visit.chosen("key"))) if is_sent else in_force,
            "crumbs": (("/functions", "Functions"),),
        },
    )


def change(visit: Visit) -> Elsewhere:
    """Create or delete a function, pin one anew, or set the application's policy."""
    ocid = visit.names["application"]
    act = visit.sent("do")
    gate = visit.app.gate
    if act == "create":
        resources = model.Resources(memory_mb=whole_number(visit.sent("memory"), "number of MB"))
        details = model.FunctionDetails(
            ocid, visit.sent("name").strip(), visit.sent("image").strip(), resources=resources
        )
        functions.create(visit.store, visit.actor, details, gate=gate)
        return visit.back(done="function-made")
    if act == "pin":
        found = functions.get(visit.store, visit.actor, visit.sent("function"))
        functions.update(visit.store, visit.actor, found.ocid, model.FunctionChange(image=found.image), gate=gate)
        return visit.back(done="function-pinned")
    if act == "delete":
        functions.delete(visit.store, visit.actor, visit.sent("function"))
        return visit.back(done="function-deleted")
    if act == "policy":
        policy = ImagePolicy.of(enabled=bool(visit.sent("enabled")), keys=visit.chosen("key"))
        wanted = model.ApplicationChange(policy=policy)
        applications.update(visit.store, visit.actor, ocid, wanted, gate=gate, if_match=visit.sent("etag") or None)
        return visit.back(done="policy-saved")
    raise Refused("The form names no act.", advice="Load the page again.")


def _application(visit: Visit, application: model.Application) -> ApplicationRow:
    page = functions.listed(visit.store, visit.actor, application.ocid, Listing(limit=FUNCTIONS_SHOWN_MAX))
    named = zip(application.policy.keys, application.key_names, strict=True)
    return ApplicationRow(
        ocid=application.ocid,
        name=application.display_name,
        enabled=application.policy.enabled,
        keys=tuple(KeyName(key.text, name) for key, name in named),
        functions=tuple(function.display_name for function in page.items),
        made=application.time_created,
        etag=application.etag,
    )


def _function(visit: Visit, function: model.Function) -> FunctionRow:
    """The scan is that of the pinned digest, whatever the tag names now."""
    image = _pinned(visit, function)
    known = facts.facts_of(visit, (image,)).get(image.ocid, facts.UNKNOWN) if image else None
    name = image.repository_name if image else function.image
    return FunctionRow(
        ocid=function.ocid,
        name=function.display_name,
        image=function.image,
        digest=function.image_digest.text,
        href=f"/r/{name}/-/{function.image_digest}" if image else "",
        scan=known.scan if known else NOT_SCANNED,
        scanner=_is_watched(visit, image) if image else False,
        newer=_newer(visit, image) if image else "",
    )


def _pinned(visit: Visit, function: model.Function) -> Image | None:
    """The image that the function is pinned to, if it is still there and the reader may see it."""
    try:
        page = images.listed(
            visit.store,
            visit.actor,
            ImageFilter(repository=function.repository, digest=function.image_digest),
            limit=1,
        )
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return None
    return page.items[0] if page.items else None


def _newer(visit: Visit, image: Image) -> str:
    """The name of the newest image of the repository, if that isn't the pinned one."""
    page = images.listed(visit.store, visit.actor, ImageFilter(repository=image.repository), limit=1)
    newest = page.items[0] if page.items else image
    return (newest.version or "untagged") if newest.ocid != image.ocid else ""


def _is_watched(visit: Visit, image: Image) -> bool:
    repository = repositories.get(visit.store, visit.actor, image.repository)
    with visit.store.database.read() as connection:
        return scanners.of_repository(connection, repository) is not None
