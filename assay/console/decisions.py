"""Pages of admission decisions: what clusters were answered, and one answer step by step."""

from dataclasses import dataclass

from assay.admission import clusters, ledger
from assay.admission.model import DecidedImage, Decision
from assay.clock import Instant
from assay.console import scope, words
from assay.console.replies import Listing, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.oci import Reference

COLUMNS = ("number", "when", "answer", "cluster", "namespace", "workload", "because")


@dataclass(frozen=True, slots=True)
class Row:
    """A decision in a list."""

    number: str
    at: Instant
    admitted: bool
    cluster: str
    workload: str
    namespace: str
    because: str
    message: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image of a decision, with a link to its page where it is one of ours."""

    where: str
    shown: str
    href: str
    allowed: bool
    because: str
    fix: str


def row_of(decision: Decision, cluster: str) -> Row:
    """A decision as lists show it: because of its first denied image."""
    denied = next((each for each in decision.images if not each.allowed), None)
    return Row(
        number=decision.number,
        at=decision.time_created,
        admitted=decision.allowed,
        cluster=cluster,
        workload=f"{decision.kind}/{decision.name or 'unnamed'}",
        namespace=decision.namespace,
        because=f"{denied.where}: {denied.reason}"
        if denied
        else words.plural(len(decision.images), "image") + " signed",
        message=decision.message,
    )


def latest(visit: Visit, *, allowed: bool | None, rows: int) -> tuple[Row, ...]:
    """The latest decisions of all clusters that the reader may see, newest first."""
    found: list[Row] = []
    for cluster in scope.clusters_of(visit)[: scope.CLUSTERS_ASKED_MAX]:
        try:
            page = ledger.list_decisions(visit.store, visit.actor, cluster.ocid, allowed=allowed, limit=rows)
        except Refused as refusal:
            if refusal.reason is not Reason.NOT_FOUND:
                raise
            continue
        found += [row_of(decision, cluster.name) for decision in page.items]
    return tuple(sorted(found, key=lambda row: (row.at, row.number), reverse=True)[:rows])


def show_list(visit: Visit) -> Reply:
    """Decisions, newest first: of one cluster page by page, of all of them the latest."""
    visit.only("cluster", "answer")
    answer = visit.one_of("answer", "denied", "admitted")
    allowed = {"denied": False, "admitted": True}.get(answer)
    next_page = ""
    known = scope.clusters_of(visit)
    if visit.asked("cluster"):
        cluster = next((each for each in known if visit.asked("cluster") in (each.name, each.ocid)), None)
        cluster = cluster or clusters.get_cluster(visit.store, visit.actor, visit.asked("cluster"))
        page = ledger.list_decisions(
            visit.store, visit.actor, cluster.ocid, allowed=allowed, limit=visit.limit(), page=visit.asked("after")
        )
        rows, next_page = tuple(row_of(decision, cluster.name) for decision in page.items), page.next_page
        said = words.plural(len(rows), "decision")
    else:
        rows = latest(visit, allowed=allowed, rows=visit.limit())
        said = f"the latest {words.plural(len(rows), 'decision')}; choose a cluster to see all"
    filtered = [f"cluster {visit.asked('cluster')}"] if visit.asked("cluster") else []
    shown = Page(
        "decisions.html",
        {
            "rows": rows,
            "clusters": (("", "All"), *((each.name, each.name) for each in known)),
            "filtered": ", ".join([*filtered, *([answer] if answer else [])]),
            "said": said,
            "next": visit.link(after=next_page) if next_page else "",
            "first": visit.link() if visit.asked("after") else "",
        },
    )
    cells = [
        (
            row.number,
            words.machine(row.at),
            "admitted" if row.admitted else "denied",
            row.cluster,
            row.namespace,
            row.workload,
            row.because,
        )
        for row in rows
    ]
    return Listing(shown, COLUMNS, cells, next_page)


def show(visit: Visit) -> Reply:
    """One decision: the address that stands in every denial message."""
    decision = ledger.get_decision(visit.store, visit.actor, visit.names["number"])
    cluster = clusters.get_cluster(visit.store, visit.actor, decision.cluster)
    denied = next((each for each in decision.images if not each.allowed), None)
    return Page(
        "decision.html",
        {
            "decision": decision,
            "cluster": cluster,
            "title": f"{denied.where} uses {denied.shown}: {denied.reason}." if denied else "",
            "fix": f"{denied.fix}." if denied else "",
            "images": tuple(map(_image_row, decision.images)),
            "facts": (
                ("Workload", f"{decision.kind}/{decision.name or 'unnamed'}"),
                ("Namespace", decision.namespace or "none"),
                ("Operation", decision.operation),
                ("Asked by", decision.username or "unknown"),
                ("Cluster", cluster.name),
                ("Policy", f"version {decision.policy_version}"),
            ),
            "crumbs": (("/d", "Decisions"),),
        },
    )


def _image_row(image: DecidedImage) -> ImageRow:
    said = image.reason or "signed by a trusted key"
    return ImageRow(image.where, image.shown, _page_of(image), image.allowed, said, image.fix)


def _page_of(image: DecidedImage) -> str:
    """The address of the image's page, if it was found here."""
    if not image.digest:
        return ""
    try:
        name = Reference.parse(image.text).name
    except Refused:
        return ""
    return f"/r/{name.partition('/')[2]}/-/{image.digest}"
