"""Pages of access: who can do what in a repository, compartments, dynamic groups and network sources."""

from dataclasses import dataclass

from assay.console import people, scope
from assay.console.replies import Elsewhere, Page, Reply
from assay.console.visit import Visit
from assay.errors import Reason, Refused
from assay.iam import Target
from assay.iam.identity import compartments, dynamic_groups, network_sources, why
from assay.iam.identity import resources as model
from assay.registry import repositories

#: What is asked about a repository: operation and the words for it.
QUESTIONS = (
    ("PullImage", "Pull images"),
    ("PushImage", "Push images"),
    ("CreateContainerImageSignature", "Keep image signatures"),
    ("DeleteContainerImage", "Delete images"),
    ("UpdateContainerRepository", "Change the repository"),
)
LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who may, with the statements that let them."""

    kind: str
    name: str
    statements: tuple[str, ...]


def show_repository(visit: Visit) -> Reply:
    """Who may do what in a repository, as far as the reader may read policies."""
    visit.only("may")
    repository = repositories.by_name(visit.store, visit.actor, visit.names["name"])
    operation = visit.one_of("may", *(name for name, _ in QUESTIONS)) or QUESTIONS[0][0]
    target = Target(repository.compartment, repository.ocid, variables={"target.repo.name": repository.name})
    found = why.who_can(visit.store, visit.actor, operation, target, limit=visit.limit(), page=visit.asked("after"))
    values = {
        "repository": repository,
        "questions": QUESTIONS,
        "asked": operation,
        "is_open": repositories.open_to_everybody(repository, operation),
        "rows": tuple(_holder(each) for each in found.items),
        "said": f"{len(found.items)} here",
        "next": visit.link(after=found.next_page) if found.next_page else "",
        "first": visit.link() if visit.asked("after") else "",
        "crumbs": (("/r", "Repositories"), (f"/r/{repository.name}", repository.name)),
    }
    return Page("access.html", values)


def show_compartments(visit: Visit) -> Reply:
    """The compartments that the reader may see, by their paths, and the form for a new one."""
    visit.only()
    places = scope.compartments_of(visit)
    values = {"rows": tuple(sorted(places, key=lambda place: place[1])), "places": places}
    return Page("compartments.html", values | people.around(visit))


def change_compartments(visit: Visit) -> Elsewhere:
    """Create, move or delete a compartment."""
    act = visit.sent("do")
    if act == "create":
        compartments.create(
            visit.store,
            visit.actor,
            visit.sent("parent"),
            visit.sent("name").strip(),
            visit.sent("description").strip(),
        )
    elif act == "move":
        compartments.move(visit.store, visit.actor, visit.sent("compartment"), visit.sent("parent"))
    elif act == "delete":
        compartments.delete(visit.store, visit.actor, visit.sent("compartment"))
    else:
        raise Refused("The form names no act.", advice="Load the page again.")
    return visit.back("/iam/compartments", {"create": "compartment-made", "move": "compartment-moved"}.get(act, "gone"))


def show_dynamic_groups(visit: Visit) -> Reply:
    """Dynamic groups with their rules, network sources with their networks, and the forms for new ones."""
    visit.only()
    listing = model.Listing(limit=visit.limit(), page=visit.asked("after"))
    page = dynamic_groups.listed(visit.store, visit.actor, listing)
    values = {
        "rows": page.items,
        "sources": _sources(visit),
        "said": f"{len(page.items)} here",
        "next": visit.link(after=page.next_page) if page.next_page else "",
        "first": visit.link() if visit.asked("after") else "",
    }
    return Page("dynamic_groups.html", values | people.around(visit))


def change_dynamic_groups(visit: Visit) -> Elsewhere:
    """Create or delete a dynamic group or a network source."""
    store, actor, act = visit.store, visit.actor, visit.sent("do")
    name, description = visit.sent("name").strip(), visit.sent("description").strip()
    if act == "create-group":
        dynamic_groups.create(store, actor, name, visit.sent("rule").strip(), description)
    elif act == "create-source":
        network_sources.create(store, actor, name, visit.sent("networks").split(), description)
    elif act == "delete-group":
        dynamic_groups.delete(store, actor, visit.sent("ocid"))
    elif act == "delete-source":
        network_sources.delete(store, actor, visit.sent("ocid"))
    else:
        raise Refused("The form names no act.", advice="Load the page again.")
    return visit.back("/iam/dynamic-groups", "made" if act.startswith("create") else "gone")


def _holder(found: why.Explanation) -> Holder:
    told = tuple(each.statement if each.policy else "what everybody may" for each in found.by)
    return Holder(found.principal.kind.value, found.principal.name, told)


def _sources(visit: Visit) -> tuple[model.NetworkSource, ...]:
    try:
        return network_sources.listed(visit.store, visit.actor, model.Listing(limit=LISTED_MAX)).items
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        return ()
