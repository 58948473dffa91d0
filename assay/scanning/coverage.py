"""Which repositories a scanner looks at, and what follows when that changes.

A target names repositories, or takes all of a compartment and of those below it (oci-api 2.2, 4.2). A repository that
comes under a scanner gets its latest images scanned; one that is under none any more keeps its results as of now.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from assay.advisories import revisions
from assay.clock import Instant
from assay.errors import Refused
from assay.events import ScannerAdded, ScannerRemoved
from assay.iam import Act, Actor, Principal, PrincipalKind
from assay.iam.identity import compartments
from assay.registry import images, repositories
from assay.registry.model import Order, Repository, RepositoryFilter
from assay.scanning import progress
from assay.scanning.model import IMAGE_COUNT_DEFAULT, Cause, Registry, Scanner
from assay.scanning.records import inventories, requests
from assay.scanning.records import scanners as records
from assay.scanning.records.requests import Request
from assay.storage import Store, outbox

_PAGE_ROWS = 1_000


def scanner_of(connection: Connection, repository: Repository) -> Scanner | None:
    """The active scanner that looks at a repository: one that names it before one of a whole compartment."""
    for scanner in records.scanning(connection, repository.tenancy, repository.name):
        if repository.compartment in _reach(connection, scanner.tenancy, scanner.registry.compartment):
            return scanner
    return None


def watched(connection: Connection, tenancy: str, scope: Iterable[Repository]) -> frozenset[str]:
    """The OCIDs of those repositories of a tenancy that some scanner looks at."""
    scanners = records.all_scanning(connection, tenancy)
    reach = {place: _reach(connection, tenancy, place) for place in {each.registry.compartment for each in scanners}}
    return frozenset(
        repository.ocid
        for repository in scope
        if any(
            repository.compartment in reach[each.registry.compartment]
            and (not each.registry.repositories or repository.name in each.registry.repositories)
            for each in scanners
        )
    )


def in_scope(store: Store, tenancy: str, registries: Iterable[Registry]) -> list[Repository]:
    """The repositories of a tenancy that targets of these registries reach, in the order of OCIDs."""
    found: dict[str, Repository] = {}
    for registry in registries:
        with store.database.read() as connection:
            reach = _reach(connection, tenancy, registry.compartment)
            named = [repositories.of_name(connection, tenancy, name) for name in registry.repositories]
        wide = [] if registry.repositories else _all_in(store, tenancy, tuple(sorted(reach)))
        for repository in (*named, *wide):
            if repository is not None and repository.compartment in reach:
                found[repository.ocid] = repository
    return [found[ocid] for ocid in sorted(found)]


@contextmanager
def settled(store: Store, act: Act, scope: Sequence[Repository]) -> Iterator[None]:
    """Do what follows, for each repository of `scope`, from how it is covered before and after the block."""
    store.database.publication_lock(act.connection, shared=True)
    before = {repository.ocid: scanner_of(act.connection, repository) for repository in scope}
    yield
    for repository in scope:
        was, present = before[repository.ocid], scanner_of(act.connection, repository)
        settle(act.connection, repository, was.ocid if was else "", present, act.now)


def settle(connection: Connection, repository: Repository, was: str, present: Scanner | None, now: Instant) -> None:
    """Do what follows when the target `was` (by OCID, empty for none) looked at a repository and `present` does now."""
    if present is None:
        if was:
            let_go(connection, repository.tenancy, repository.ocid, was, now)
    elif not was:
        take_up(connection, repository, present, now)
    elif was != present.ocid:
        progress.withdrawn(connection, repository.ocid, now)
        for records_of in (inventories, requests):
            records_of.hand_over(connection, repository.ocid, target=present.ocid, compartment=present.compartment)


def take_up(connection: Connection, repository: Repository, scanner: Scanner, now: Instant) -> None:
    """Look at a repository from now on, and ask for its latest images to be scanned."""
    recipe = records.recipe(connection, scanner.tenancy, scanner.recipe)
    image_count = IMAGE_COUNT_DEFAULT if recipe is None else recipe.image_count
    for image in images.latest(connection, repository.ocid, image_count) if image_count else ():
        ask(connection, repository, image.ocid, scanner, Cause.ENABLED, now)
    added = ScannerAdded(
        tenancy=repository.tenancy, repository=repository.ocid, scanner=scanner.ocid, image_count=image_count
    )
    outbox.announce(connection, added, now)


def let_go(connection: Connection, tenancy: str, repository: str, was: str, now: Instant) -> None:
    """Look at a repository (by OCID) no more: its results stay as of the published revision."""
    progress.withdrawn(connection, repository, now)
    requests.withdraw(connection, repository)
    inventories.freeze_repository(connection, repository, revisions.published_revision(connection))
    removed = ScannerRemoved(tenancy=tenancy, repository=repository, scanner=was)
    outbox.announce(connection, removed, now)


def ask(
    connection: Connection, repository: Repository, image: str, scanner: Scanner, cause: Cause, now: Instant
) -> None:
    """Put an image among those that wait to be scanned."""
    request = Request(
        image=image,
        tenancy=repository.tenancy,
        compartment=scanner.compartment,
        target=scanner.ocid,
        repository=repository.ocid,
        cause=cause,
        time_created=now,
    )
    requests.put(connection, request)


def _reach(connection: Connection, tenancy: str, compartment: str) -> frozenset[str]:
    """A compartment and all below it; nothing when it was deleted."""
    try:
        found = compartments.with_all_below(connection, _upkeep(tenancy), compartment)
    except Refused:
        return frozenset()
    return frozenset(each.ocid for each in found)


def _all_in(store: Store, tenancy: str, reach: tuple[str, ...]) -> list[Repository]:
    found: list[Repository] = []
    page = ""
    order = Order(by_time=False, descending=False)
    while reach:
        got = repositories.listed(
            store, _upkeep(tenancy), RepositoryFilter(compartments=reach), order, limit=_PAGE_ROWS, page=page
        )
        found.extend(got.items)
        page = got.next_page
        if not page:
            break
    return found


def _upkeep(tenancy: str) -> Actor:
    return Actor(Principal(PrincipalKind.INSTALLATION, "scanning"), tenancy)
