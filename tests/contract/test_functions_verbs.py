"""Applications and functions on both databases: images pinned to digests, policies enforced, images watched."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from admission_loopback import CONSOLE, HOST
from scanning_world import Claim, World, lib
from signing_pieces import Desk

from assay.admission import ImagePolicy
from assay.admission.examine import Gate
from assay.admission.model import Listing
from assay.clock import HOUR, Ocid, SetClock
from assay.errors import Reason, Refused
from assay.functions import applications, functions, watch
from assay.functions.model import (
    Application,
    ApplicationChange,
    ApplicationDetails,
    Function,
    FunctionChange,
    FunctionDetails,
    Resources,
    State,
)
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start
from assay.oci import Digest
from assay.registry import removals
from assay.scanning import push, scanners
from assay.scanning.catalogue import Catalogue, path_of
from assay.scanning.model import Cause, Standing
from assay.scanning.records import requests
from assay.scanning.records.requests import Request
from assay.scanning.risk import RiskLevel, ScanState
from assay.storage import Store
from assay.vault import keys

REPOSITORY = "fn/hello"
GATE = Gate.at([HOST], CONSOLE)


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk.on(store, tmp_path / "blobs")


@pytest.fixture
def app(desk: Desk) -> Application:
    return applications.create(desk.store, desk.actor, ApplicationDetails(desk.actor.tenancy, "shop"))


def name(desk: Desk, rest: str = ":v1", repository: str = REPOSITORY) -> str:
    return f"{HOST}/{desk.namespace}/{repository}{rest}"


def create(desk: Desk, app: Application, image: str, called: str = "hello", digest: Digest | None = None) -> Function:
    details = FunctionDetails(app.ocid, called, image, digest)
    return functions.create(desk.store, desk.actor, details, gate=GATE)


def reason(refusal: pytest.ExceptionInfo[Refused]) -> Reason:
    return refusal.value.reason


def test_a_function_named_by_tag_is_kept_on_the_digest_that_the_tag_had(desk: Desk, app: Application) -> None:
    _, first = desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    assert (Ocid(app.ocid).kind, Ocid(made.ocid).kind) == ("fnapp", "fnfunc")
    assert (made.image, made.image_digest, made.tag) == (name(desk), first, "v1")
    assert (made.application, made.compartment, made.state) == (app.ocid, app.compartment, State.ACTIVE)
    desk.push("v1", "two", REPOSITORY)
    assert functions.get(desk.store, desk.actor, made.ocid).image_digest == first


def test_an_update_with_an_image_moves_the_function_and_one_without_leaves_it(desk: Desk, app: Application) -> None:
    _, first = desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    _, second = desk.push("v1", "two", REPOSITORY)
    kept = functions.update(desk.store, desk.actor, made.ocid, FunctionChange(resources=Resources(256, 60)), gate=GATE)
    assert (kept.image_digest, kept.resources) == (first, Resources(256, 60))
    moved = functions.update(desk.store, desk.actor, made.ocid, FunctionChange(image=name(desk)), gate=GATE)
    assert moved.image_digest == second
    back = functions.update(desk.store, desk.actor, made.ocid, FunctionChange(image_digest=first), gate=GATE)
    assert (back.image, back.image_digest) == (name(desk), first)


def test_a_digest_that_is_given_decides_in_whichever_place_it_stands(desk: Desk, app: Application) -> None:
    _, first = desk.push("v1", "one", REPOSITORY)
    desk.push("v1", "two", REPOSITORY)
    assert create(desk, app, name(desk), "a", first).image_digest == first
    assert create(desk, app, name(desk, f"@{first}"), "b").image_digest == first
    assert create(desk, app, name(desk, f":v1@{first}"), "c", first).image_digest == first
    with pytest.raises(Refused, match="imageDigest says"):
        create(desk, app, name(desk, f"@{first}"), "d", Digest("sha256:" + "0" * 64))


@pytest.mark.parametrize(
    ("image", "why", "because"),
    [
        ("docker.io/library/busybox:1", "is not on the list", Reason.MALFORMED),
        ("not an image", "is not a repository name", Reason.MALFORMED),
        (f"{HOST}/nobody/fn/hello:v1", "there is no such image", Reason.RELATED_NOT_FOUND),
    ],
)
def test_an_image_that_is_not_in_this_registry_is_refused_with_what_is_wrong(
    desk: Desk, app: Application, image: str, why: str, because: Reason
) -> None:
    with pytest.raises(Refused, match=why) as refusal:
        create(desk, app, image)
    assert reason(refusal) is because
    assert functions.listed(desk.store, desk.actor, app.ocid).items == ()


def test_a_missing_tag_or_digest_is_refused(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    for rest in (":v2", "@sha256:" + "0" * 64, ""):
        with pytest.raises(Refused, match="there is no such image"):
            create(desk, app, name(desk, rest))


def test_names_are_taken_within_the_application_and_the_tenancy(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    with pytest.raises(Refused) as refusal:
        create(desk, app, name(desk))
    assert reason(refusal) is Reason.EXISTS
    with pytest.raises(Refused) as refusal:
        applications.create(desk.store, desk.actor, ApplicationDetails(desk.actor.tenancy, "shop"))
    assert reason(refusal) is Reason.EXISTS
    other = applications.create(desk.store, desk.actor, ApplicationDetails(desk.actor.tenancy, "other"))
    create(desk, other, name(desk))
    functions.delete(desk.store, desk.actor, made.ocid)
    assert create(desk, app, name(desk)).ocid != made.ocid


def test_an_application_is_deleted_only_without_functions(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    with pytest.raises(Refused, match="has functions") as refusal:
        applications.delete(desk.store, desk.actor, app.ocid)
    assert reason(refusal) is Reason.WRONG_STATE
    functions.delete(desk.store, desk.actor, made.ocid)
    assert applications.delete(desk.store, desk.actor, app.ocid).state is State.DELETED
    with pytest.raises(Refused) as refusal:
        create(desk, app, name(desk))
    assert reason(refusal) is Reason.WRONG_STATE
    assert applications.listed(desk.store, desk.actor, desk.actor.tenancy).items == ()


def test_a_policy_admits_signed_images_and_refuses_others_with_the_word_that_clients_know(
    desk: Desk, app: Application
) -> None:
    key = desk.key(name="release")
    image, _ = desk.push("v1", "one", REPOSITORY)
    on = ImagePolicy.of(enabled=True, keys=(key.ocid,))
    changed = applications.update(desk.store, desk.actor, app.ocid, ApplicationChange(policy=on), gate=GATE)
    assert (changed.policy, changed.key_names) == (on, ("release",))
    with pytest.raises(
        Refused, match=r"^Image cannot be verified or no valid signature found: .* not signed"
    ) as refusal:
        create(desk, app, name(desk))
    assert reason(refusal) is Reason.IMAGE_NOT_VERIFIED
    desk.sign(image, key)
    made = create(desk, app, name(desk))
    desk.push("v2", "two", REPOSITORY)
    with pytest.raises(Refused, match="not signed"):
        functions.update(desk.store, desk.actor, made.ocid, FunctionChange(image=name(desk, ":v2")), gate=GATE)
    assert functions.get(desk.store, desk.actor, made.ocid) == made
    keys.disable_key(desk.store, desk.actor, key.ocid)
    with pytest.raises(Refused, match="signed by release, disabled"):
        functions.update(desk.store, desk.actor, made.ocid, FunctionChange(config={"a": "b"}), gate=GATE)


def test_a_policy_cannot_be_set_while_a_function_does_not_comply(desk: Desk, app: Application) -> None:
    key = desk.key()
    image, _ = desk.push("v1", "one", REPOSITORY)
    create(desk, app, name(desk), "plain")
    change = ApplicationChange(policy=ImagePolicy.of(enabled=True, keys=(key.ocid,)))
    with pytest.raises(Refused, match="'plain' uses fn/hello:v1"):
        applications.update(desk.store, desk.actor, app.ocid, change, gate=GATE)
    assert applications.get(desk.store, desk.actor, app.ocid) == app
    desk.sign(image, key)
    assert applications.update(desk.store, desk.actor, app.ocid, change, gate=GATE).policy.enabled


def test_an_application_with_a_policy_has_at_most_five_functions(desk: Desk, app: Application) -> None:
    key = desk.key()
    image, _ = desk.push("v1", "one", REPOSITORY)
    desk.sign(image, key)
    for number in range(6):
        create(desk, app, name(desk), f"f{number}")
    change = ApplicationChange(policy=ImagePolicy.of(enabled=True, keys=(key.ocid,)))
    with pytest.raises(Refused) as refusal:
        applications.update(desk.store, desk.actor, app.ocid, change, gate=GATE)
    assert reason(refusal) is Reason.LIMIT_EXCEEDED
    (sixth,) = functions.listed(desk.store, desk.actor, app.ocid, Listing(name="f5")).items
    functions.delete(desk.store, desk.actor, sixth.ocid)
    applications.update(desk.store, desk.actor, app.ocid, change, gate=GATE)
    with pytest.raises(Refused) as refusal:
        create(desk, app, name(desk), "f6")
    assert reason(refusal) is Reason.LIMIT_EXCEEDED


def test_an_invocation_is_refused_as_unsupported_with_a_clear_text(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    with pytest.raises(Refused, match="it does not run functions") as refusal:
        functions.invoke(desk.store, desk.actor, made.ocid, gate=GATE)
    assert reason(refusal) is Reason.UNSUPPORTED


def test_who_may_not_learns_nothing_of_functions(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    neighbour = replace(desk.actor, tenancy=first_start.create_tenancy(desk.store, "other").tenancy.ocid)
    nobody = Actor(Principal(PrincipalKind.USER, "x", "ocid1.user.oc1..aaaaaaaa" + "d" * 52), desk.actor.tenancy)
    for actor in (neighbour, nobody):
        for asked in (
            lambda a: applications.get(desk.store, a, app.ocid),
            lambda a: applications.delete(desk.store, a, app.ocid),
            lambda a: functions.get(desk.store, a, made.ocid),
            lambda a: functions.listed(desk.store, a, app.ocid),
            lambda a: functions.invoke(desk.store, a, made.ocid, gate=GATE),
            lambda a: functions.delete(desk.store, a, made.ocid),
            lambda a: watch.watch(desk.store, a, made.ocid),
            lambda a: functions.create(desk.store, a, FunctionDetails(app.ocid, "y", name(desk)), gate=GATE),
        ):
            with pytest.raises(Refused) as refusal:
                asked(actor)
            assert reason(refusal) is Reason.NOT_FOUND


def test_values_survive_json_so_that_a_retry_can_be_answered(desk: Desk) -> None:
    desk.push("v1", "one", REPOSITORY)
    details = ApplicationDetails(desk.actor.tenancy, "twice", ("subnet",), config={"a": "b"}, kept={"traceConfig": {}})
    first = applications.create(desk.store, desk.actor, details, retry_token="t")
    assert applications.create(desk.store, desk.actor, details, retry_token="t") == first
    of = FunctionDetails(first.ocid, "f", name(desk))
    made = functions.create(desk.store, desk.actor, of, gate=GATE, retry_token="u")
    assert functions.create(desk.store, desk.actor, of, gate=GATE, retry_token="u") == made
    assert msgspec.json.decode(msgspec.json.encode(made), type=Function) == made


@pytest.mark.parametrize(
    "details",
    [
        {"display_name": ""},
        {"display_name": "x" * 256},
        {"config": {"k": "v" * 4096}},
    ],
)
def test_what_a_function_cannot_be_is_refused_when_it_is_said(details: dict[str, object]) -> None:
    with pytest.raises(Refused):
        FunctionDetails(**{"application": "a", "display_name": "f", "image": "i", **details})  # type: ignore[arg-type]
    for memory, seconds in ((100, 30), (128, 4), (128, 301)):
        with pytest.raises(Refused):
            Resources(memory, seconds)


def test_lists_are_by_name_and_page_without_gaps(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    for called in ("c", "a", "b"):
        create(desk, app, name(desk), called)
    page = functions.listed(desk.store, desk.actor, app.ocid, Listing(limit=2))
    rest = functions.listed(desk.store, desk.actor, app.ocid, Listing(limit=2, page=page.next_page))
    assert [each.display_name for each in (*page.items, *rest.items)] == ["a", "b", "c"]
    assert rest.next_page == ""


def test_a_newer_push_of_the_tag_is_told_until_the_function_moves_to_it(
    desk: Desk, app: Application, clock: SetClock
) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    by_digest = create(desk, app, name(desk, f"@{made.image_digest}"), "by-digest")
    assert watch.watch(desk.store, desk.actor, made.ocid).newer is None
    clock.advance(HOUR)
    _, second = desk.push("v1", "two", REPOSITORY)
    for each in (made, by_digest):
        newer = watch.watch(desk.store, desk.actor, each.ocid).newer
        assert newer is not None
        assert (newer.digest, newer.time_pushed) == (second, clock.now())
    functions.update(desk.store, desk.actor, made.ocid, FunctionChange(image=name(desk)), gate=GATE)
    assert watch.watch(desk.store, desk.actor, made.ocid).newer is None
    clock.advance(HOUR)
    desk.push("v2", "three", REPOSITORY)
    assert watch.watch(desk.store, desk.actor, made.ocid).newer is None


def test_the_latest_scan_shown_is_that_of_the_functions_own_digest(desk: Desk, app: Application) -> None:
    image, _ = desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    before = watch.watch(desk.store, desk.actor, made.ocid)
    assert (before.repository_name, before.is_scanned, before.image) == (REPOSITORY, False, image)
    assert before.status is None or (before.status.standing, before.status.scan) == (Standing.UNWATCHED, None)
    newer, _ = desk.push("v1", "two", REPOSITORY)
    repository = desk.room.repository(REPOSITORY, desk.actor)
    scanner = scanners.add(desk.store, desk.actor, repository.ocid)
    world = World(desk.store)
    world.publish({"BAD": Claim((("old", 1, 5),), severity=5)})
    for ocid, version in ((image, 1), (newer, 9)):
        request = Request(
            ocid,
            desk.actor.tenancy,
            desk.actor.tenancy,
            scanner.ocid,
            repository.ocid,
            Cause.PUSH,
            desk.store.clock.now(),
        )
        with desk.store.database.write() as connection:
            requests.put(connection, request)
        found = Catalogue(path_of([[frozenset([lib("old", version)])]]), (), ScanState.COMPLETE)
        push.record(desk.store, request, found)
    after = watch.watch(desk.store, desk.actor, made.ocid)
    assert after.is_scanned
    assert after.status is not None
    assert (after.status.image, after.status.standing) == (image, Standing.SCANNED)
    assert after.status.scan is not None
    assert after.status.scan.risk_level is RiskLevel.CRITICAL


def test_an_image_that_is_deleted_leaves_the_function_and_says_so(desk: Desk, app: Application) -> None:
    image, digest = desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    removals.delete(desk.store, desk.actor, image)
    found = watch.watch(desk.store, desk.actor, made.ocid)
    assert (found.image, found.status) == ("", None)
    assert functions.get(desk.store, desk.actor, made.ocid).image_digest == digest


def test_a_reader_without_the_repository_is_told_nothing_of_it(desk: Desk, app: Application) -> None:
    desk.push("v1", "one", REPOSITORY)
    made = create(desk, app, name(desk))
    nobody = Actor(Principal(PrincipalKind.USER, "x", "ocid1.user.oc1..aaaaaaaa" + "d" * 52), desk.actor.tenancy)
    assert watch.watch_all(desk.store, nobody, [made])[made.ocid] == watch.Watch()
