"""Where a list looks: one compartment if the reader chose one, else all that they may see."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from assay.admission import clusters
from assay.admission.model import Cluster, ClusterState, Listing
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam.identity import compartments, resources
from assay.storage.pages import Page

COMPARTMENTS_MAX = 100
CLUSTERS_MAX = 200
#: More clusters than this are not asked one by one on a page.
CLUSTERS_ASKED_MAX = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """Rows of one or of several compartments. `is_cut` when some compartment has more than one page of them."""

    items: tuple[T, ...]
    next_page: str = ""
    is_cut: bool = False

    @property
    def said(self) -> str:
        """How many there are, as the foot of the table says it."""
        return f"{len(self.items)} shown; choose a compartment to see all" if self.is_cut else f"{len(self.items)} here"


def compartments_of(visit: Visit) -> tuple[tuple[str, str], ...]:
    """OCID and path of names of the compartments that the reader may see, the tenancy first."""
    try:
        root = compartments.get(visit.store, visit.actor, visit.actor.tenancy)
        below = compartments.listed(
            visit.store, visit.actor, visit.actor.tenancy, resources.Listing(limit=COMPARTMENTS_MAX), subtree=True
        ).items
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ((visit.actor.tenancy, "root"),)
    names = {each.ocid: each.name for each in (root, *below)}
    paths = {each.ocid: ":".join(names.get(part, "…") for part in each.path) for each in (root, *below)}
    return tuple(paths.items())


def gather(visit: Visit, fetch: Callable[[str, str], Page[T]]) -> Gathered[T]:
    """What `fetch(compartment, page)` gives, for the chosen compartment page by page, for all of them the first pages.

    Compartments in which the reader may not list are left out; when that is all of them, so is the list.
    """
    chosen = visit.asked("compartment")
    places = [ocid for ocid, _ in compartments_of(visit)]
    if chosen or len(places) == 1:
        page = fetch(chosen or places[0], visit.asked("after"))
        return Gathered(page.items, page.next_page)
    rows: list[T] = []
    is_cut = False
    refused = 0
    for place in places:
        try:
            page = fetch(place, "")
        except Refused as refusal:
            refused += 1
            if refusal.reason is not Reason.NOT_FOUND or refused == len(places):
                raise
            continue
        rows += page.items
        is_cut |= bool(page.next_page)
    return Gathered(tuple(rows), "", is_cut)


def clusters_of(visit: Visit) -> tuple[Cluster, ...]:
    """The living clusters that the reader may list; none for those who may list none."""
    try:
        found = gather(
            visit.without_paging(),
            lambda compartment, page: clusters.list_clusters(
                visit.store,
                visit.actor,
                compartment,
                Listing(states=(ClusterState.ACTIVE,), limit=CLUSTERS_MAX, page=page),
            ),
        )
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
    return found.items
