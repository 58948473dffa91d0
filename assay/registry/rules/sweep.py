"""Retention at work: what would go, and letting it go, in the name of a principal of its own.

A run makes its plan again in each write transaction, holding the repository, and deletes a bounded number of the images
that go by it: so what was pushed, tagged or pulled meanwhile is judged by how it stands then. It keeps no state but the
time at which a repository was gone through, so it goes on wherever it was broken off. What it deletes can be restored
as what people delete.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from assay.clock import Instant
from assay.errors import Reason, Refused, not_found
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, authorize, perform
from assay.iam.identity import compartments
from assay.registry import access, removals, units
from assay.registry.model import LifecycleState, Repository
from assay.registry.records import images as image_records
from assay.registry.records import repositories as repository_records
from assay.registry.records import retention as records
from assay.registry.rules import retention
from assay.registry.rules.model import Candidate, Going, RetentionPolicy
from assay.registry.rules.plan import plan
from assay.storage import Store, pages

#: Images that one transaction deletes.
IMAGES_AT_ONCE = 10
#: Repositories that one turn of upkeep goes through.
REPOSITORIES_AT_ONCE = 20
PAUSE_SECONDS = 0.05

_PRINCIPAL = Principal(PrincipalKind.INSTALLATION, "image retention")


@dataclass(frozen=True, slots=True)
class Preview:
    """A page of what would go, each image with the digests that go with it; how many go and stay in all, and how many
    policies were asked.
    """

    items: tuple[tuple[Going, tuple[str, ...]], ...]
    next_page: str
    going: int
    staying: int
    policies: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What went in one transaction, whether nothing else goes now, and how many policies were asked."""

    gone: tuple[Going, ...]
    is_finished: bool
    policies: int


def preview(
    store: Store,
    actor: Actor,
    repository: str,
    *,
    policy: str = "",
    limit: int | None = None,
    page: str = "",
) -> Preview:
    """What would go from a repository (by OCID) now, by the policies in force, and by `policy` as if it were in force.

    Changes nothing. Errors: Refused (NOT_FOUND, PAGE_TOKEN, MALFORMED for the limit).
    """
    operation, now = "PreviewRetention", store.clock.now()
    with store.database.read() as connection:
        found = access.known(connection, actor, repository)
        authorize(connection, actor, operation, access.target_of(found), now=now)
        extra = retention.known(connection, actor, policy) if policy else None
        if extra is not None:
            place = Target(extra.compartment, extra.ocid, variables={"target.repo.name": extra.details.repositories})
            authorize(connection, actor, "GetRetentionPolicy", place, now=now)
        asked = _asked(connection, found, extra)
        going = _going(connection, found, now, asked)
        query = (operation, actor.tenancy, repository, policy)
        after = pages.decode_page(store.page_key, query, page) if page else None
        behind = [each for each in going if after is None or (each.image.pushed, each.image.image) > after]
        shown = behind[: pages.page_rows(limit)]
        items = tuple((each, _parts(connection, repository, each.image)) for each in shown)
        token = ""
        if len(shown) < len(behind):
            last = shown[-1].image
            token = pages.encode_page(store.page_key, query, (last.pushed, last.image))
        return Preview(items, token, len(going), found.image_count - len(going), len(asked))


def apply(store: Store, actor: Actor, repository: str, *, images_max: int = IMAGES_AT_ONCE) -> Applied:
    """Delete images of a repository (by OCID) that go by the policies in force: some, in one transaction.

    To be called until it is finished. The asking is audited as `actor`'s, each deletion as that of retention.
    Errors: Refused (NOT_FOUND).
    """

    def locate(connection: Connection) -> Target:
        access.known(connection, actor, repository)
        repository_records.lock(connection, repository)
        found = access.known(connection, actor, repository)
        if found.lifecycle_state is not LifecycleState.AVAILABLE:
            raise not_found()
        return access.target_of(found)

    def change(act: Act) -> Applied:
        found = access.known(act.connection, actor, repository)
        asked = _asked(act.connection, found)
        going = _going(act.connection, found, act.now, asked)
        for each in going[:images_max]:
            _let_go(Act(act.connection, Actor(_PRINCIPAL, actor.tenancy), act.now), found, each)
        return Applied(going[:images_max], len(going) <= images_max, len(asked))

    return perform(store, actor, "ApplyRetentionPolicies", locate=locate, change=change)


def sweep(store: Store, *, interval: int, before: Callable[[], object] = lambda: None) -> int:
    """Go through some repositories through which retention has not gone for `interval` microseconds; how many images
    went. To be called every few seconds; `before` is called before anything is looked at, to count pulls that wait.

    Errors: Unavailable.
    """
    with store.database.read() as connection:
        tenancies = records.tenancies(connection)
    if not tenancies:
        return 0
    before()
    return sum(_sweep_tenancy(store, tenancy, interval) for tenancy in tenancies)


def _sweep_tenancy(store: Store, tenancy: str, interval: int) -> int:
    actor = Actor(_PRINCIPAL, tenancy)
    now = store.clock.now()
    with store.database.read() as connection:
        due = repository_records.due_for_retention(
            connection, tenancy, Instant(now - interval), rows_max=REPOSITORIES_AT_ONCE
        )
        affected = [each.ocid for each in due if _going(connection, each, now, _asked(connection, each))]
    gone = 0
    through = [each.ocid for each in due if each.ocid not in affected]
    for repository in affected:
        applied = _applied(store, actor, repository)
        gone += len(applied.gone)
        if applied.is_finished:
            through.append(repository)
        time.sleep(PAUSE_SECONDS)
    if through:
        with store.database.write() as connection:
            repository_records.retained(connection, through, now)
    return gone


def _applied(store: Store, actor: Actor, repository: str) -> Applied:
    try:
        return apply(store, actor, repository)
    except Refused as refusal:
        if refusal.reason is not Reason.NOT_FOUND:
            raise
        # It was deleted meanwhile.
        return Applied((), is_finished=True, policies=0)


def _asked(
    connection: Connection, repository: Repository, extra: RetentionPolicy | None = None
) -> tuple[RetentionPolicy, ...]:
    """The policies in force, and `extra`, as far as they reach a repository."""
    known = records.of_tenancy(connection, repository.tenancy)
    path = compartments.path_of(connection, repository.tenancy, repository.compartment)
    return tuple(
        each
        for each in known
        if (each.details.is_enabled or (extra and each.ocid == extra.ocid)) and each.reaches(repository.name, path)
    )


def _going(
    connection: Connection, repository: Repository, now: Instant, asked: tuple[RetentionPolicy, ...]
) -> tuple[Going, ...]:
    """The images of a repository that go by policies that reach it."""
    return plan(asked, records.candidates(connection, repository.ocid), now) if asked else ()


def _let_go(act: Act, repository: Repository, going: Going) -> None:
    found = image_records.by_ocid(act.connection, repository.tenancy, going.image.image)
    if found is None:
        return
    removals.delete_unit(act, repository, found)
    act.record("DeleteContainerImage", access.image_target(found, before=found), after=going.grounds)


def _parts(connection: Connection, repository: str, image: Candidate) -> tuple[str, ...]:
    unit = units.of(connection, repository, image.digest)
    return tuple(sorted(digest.text for digest in unit.manifests - {image.digest}))
