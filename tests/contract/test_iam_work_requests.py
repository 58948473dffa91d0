"""Work requests by their verbs, on both databases: with their change or not at all, orders, limits, who may read."""

from dataclasses import dataclass

import pytest

from assay.clock import DAY, SECOND, SetClock
from assay.errors import Reason, Refused
from assay.iam import Act, Actor, Principal, PrincipalKind, Target, perform, work_requests
from assay.iam.identity import first_start, groups, policies, users
from assay.iam.work_requests import ENTRIES_MAX, KEPT, Service, SortBy, Status, Work, WorkRequestFilter
from assay.storage import Store
from assay.storage.pages import Window

EVERYTHING = Window(limit=1_000)


@dataclass(frozen=True)
class Thing:
    """A resource of no room."""

    ocid: str
    compartment: str
    etag: str = "e1"


@pytest.fixture
def actor(store: Store) -> Actor:
    """Who may all in a fresh tenancy."""
    made = first_start.create_tenancy(store, "acme")
    return Actor(Principal(PrincipalKind.INSTALLATION, "operator"), made.tenancy.ocid)


def begun(store: Store, actor: Actor, name: str, work: Work = Work.CLUSTER_CREATE, *, steps: int = 0) -> str:
    """The OCID of a work request, opened in an act."""

    def change(act: Act) -> Thing:
        thing = Thing(name, actor.tenancy)
        work_requests.begin(store, act, work, thing, steps=steps)
        return thing

    locate = Target(actor.tenancy)
    thing = perform(store, actor, "CreateCluster", locate=lambda _: locate, change=change)
    return work_requests.ocid_of(store.site, thing.ocid, thing.etag)


def advance(store: Store, name: str, steps: int = 1, code: str = "", finally_: Status = Status.SUCCEEDED) -> None:
    with store.database.write() as connection:
        now = store.clock.now()
        work_requests.advance(connection, name, now, steps=steps, code=code, message="m", finally_=finally_)


def test_a_change_that_is_not_made_leaves_no_work_request(store: Store, actor: Actor) -> None:
    def change(act: Act) -> Thing:
        work_requests.begin(store, act, Work.CLUSTER_CREATE, Thing("c", actor.tenancy))
        raise Refused("No.")

    with pytest.raises(Refused, match="No"):
        perform(store, actor, "CreateCluster", locate=lambda _: Target(actor.tenancy), change=change)
    narrow = WorkRequestFilter(actor.tenancy)
    assert work_requests.listed(store, actor, None, narrow, EVERYTHING).items == ()


def test_it_has_succeeded_at_once_without_steps_and_when_the_last_step_is_over(
    store: Store, actor: Actor, clock: SetClock
) -> None:
    assert work_requests.get(store, actor, Service.CLUSTERS, begun(store, actor, "a")).status is Status.SUCCEEDED
    ocid = begun(store, actor, "b", steps=4)
    seen = []
    for _ in range(4):
        found = work_requests.get(store, actor, Service.CLUSTERS, ocid)
        seen.append((found.status, found.percent_complete, found.time_started is None))
        clock.advance(SECOND)
        advance(store, "b")
    assert seen == [
        (Status.ACCEPTED, 0.0, True),
        (Status.IN_PROGRESS, 25.0, False),
        (Status.IN_PROGRESS, 50.0, False),
        (Status.IN_PROGRESS, 75.0, False),
    ]
    found = work_requests.get(store, actor, Service.CLUSTERS, ocid)
    assert (found.status, found.percent_complete, found.time_finished) == (Status.SUCCEEDED, 100.0, clock.now())
    advance(store, "b")
    assert work_requests.get(store, actor, Service.CLUSTERS, ocid) == found


def test_steps_that_are_withdrawn_at_the_end_fail_it_and_say_why(store: Store, actor: Actor) -> None:
    ocid = begun(store, actor, "a", steps=3)
    advance(store, "a")
    advance(store, "a", steps=2, code="Gone", finally_=Status.FAILED)
    assert work_requests.get(store, actor, Service.CLUSTERS, ocid).status is Status.FAILED
    (error,) = work_requests.errors(store, actor, Service.CLUSTERS, ocid, EVERYTHING).items
    assert (error.code, error.message) == ("Gone", "m")
    assert work_requests.logs(store, actor, Service.CLUSTERS, ocid, EVERYTHING).items == ()


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sort_by", "order"),
    [
        (SortBy.TIME_ACCEPTED, "abc"),
        (SortBy.TIME_STARTED, "bac"),  # `b` has not begun, which comes before all that has
        (SortBy.TIME_FINISHED, "bac"),
        (SortBy.OPERATION_TYPE, "acb"),
        (SortBy.STATUS, ""),
        (SortBy.ID, ""),
    ],
)
def test_they_are_listed_in_each_order_page_by_page(
    store: Store, actor: Actor, clock: SetClock, sort_by: SortBy, order: str, descending: bool
) -> None:
    works = {"a": Work.CLUSTER_CREATE, "b": Work.CLUSTER_UPDATE, "c": Work.CLUSTER_DELETE}
    for name, work in works.items():
        begun(store, actor, name, work, steps=1 if name == "b" else 0)
        clock.advance(SECOND)
    found: list[str] = []
    ocids: list[str] = []
    page = ""
    while True:
        window = Window(descending=descending, limit=1, page=page)
        narrow = WorkRequestFilter(actor.tenancy, sort_by=sort_by)
        got = work_requests.listed(store, actor, Service.CLUSTERS, narrow, window)
        found += [each.resource for each in got.items]
        ocids += [each.ocid for each in got.items]
        page = got.next_page
        if not page:
            break
    if sort_by is SortBy.ID:
        assert ocids == sorted(ocids, reverse=descending)
        assert len(ocids) == 3
    elif sort_by is SortBy.STATUS:
        # ACCEPTED before SUCCEEDED; equal ones by OCID.
        assert found.index("b") == (2 if descending else 0)
    else:
        assert "".join(found) == (order[::-1] if descending else order)


def test_old_ones_are_forgotten_thirty_days_after_their_end_open_ones_are_not(
    store: Store, actor: Actor, clock: SetClock
) -> None:
    assert KEPT == 30 * DAY
    finished, still_open = begun(store, actor, "a"), begun(store, actor, "b", steps=1)
    clock.advance(30 * DAY)
    begun(store, actor, "c")
    assert work_requests.get(store, actor, Service.CLUSTERS, finished).resource == "a"
    clock.advance(1)
    begun(store, actor, "d")
    with pytest.raises(Refused) as refusal:
        work_requests.get(store, actor, Service.CLUSTERS, finished)
    assert refusal.value.reason is Reason.NOT_FOUND
    assert work_requests.get(store, actor, Service.CLUSTERS, still_open).resource == "b"


def test_it_keeps_no_more_entries_than_the_limit(store: Store, actor: Actor) -> None:
    ocid = begun(store, actor, "a", steps=1)
    with store.database.write() as connection:
        for number in range(ENTRIES_MAX + 5):
            work_requests.log(connection, ocid, store.clock.now(), f"line {number}")
    found = work_requests.logs(store, actor, Service.CLUSTERS, ocid, EVERYTHING).items
    assert [found[0].message, found[-1].message, len(found)] == ["line 0", f"line {ENTRIES_MAX - 1}", ENTRIES_MAX]


def test_the_generic_api_shows_only_what_its_service_would_show_too(store: Store, actor: Actor) -> None:
    cluster, application = begun(store, actor, "a"), begun(store, actor, "b", Work.CREATE_APPLICATION)
    group = groups.create(store, actor, "Some").ocid
    user = users.create(store, actor, "somebody")
    groups.add_user(store, actor, user.ocid, group)
    somebody = Actor(users.principal_of(user), actor.tenancy)
    narrow = WorkRequestFilter(actor.tenancy)

    def shown() -> list[str]:
        try:
            return [each.ocid for each in work_requests.listed(store, somebody, None, narrow, EVERYTHING).items]
        except Refused as refusal:
            return [refusal.reason]

    assert shown() == [Reason.NOT_FOUND]
    text = "allow group Some to read cluster-work-requests in tenancy"
    policies.create(store, actor, actor.tenancy, "one", [text])
    assert shown() == [Reason.NOT_FOUND]
    policies.create(store, actor, actor.tenancy, "two", ["allow group Some to read compartments in tenancy"])
    assert shown() == [cluster]
    assert work_requests.get(store, somebody, None, cluster).resource == "a"
    with pytest.raises(Refused) as refusal:
        work_requests.get(store, somebody, None, application)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_nothing_can_be_cancelled_and_the_refusal_says_so(store: Store, actor: Actor) -> None:
    with pytest.raises(Refused, match="made already") as refusal:
        work_requests.cancel(store, actor, Service.CLUSTERS, begun(store, actor, "a"))
    assert refusal.value.reason is Reason.WRONG_STATE
