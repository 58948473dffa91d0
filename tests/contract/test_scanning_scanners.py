"""Image scanners on repositories: who may, what is scanned at once and from then on, and what removing one leaves."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from registry_pieces import manifest_of
from scanning_hub import CLAIMS, REPOSITORY, Hub, blob_of
from scanning_world import Claim

from assay.clock import SetClock
from assay.errors import Reason, Refused
from assay.events import ImageScanned, ScannerAdded, ScannerRemoved
from assay.iam import ANONYMOUS, Actor, Principal, PrincipalKind
from assay.iam.identity import compartments, groups, policies, users
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.oci import Digest
from assay.registry import removals, repositories
from assay.scanning import details, recipes, results, scanners
from assay.scanning.model import (
    Cause,
    LifecycleState,
    Recipe,
    RecipeChanges,
    RecipeDetails,
    Registry,
    ScanFilter,
    ScanLevel,
    ScannerFilter,
    Standing,
    TargetChanges,
    TargetDetails,
)
from assay.scanning.permission import NEEDED_STATEMENTS
from assay.scanning.risk import RiskLevel, ScanState
from assay.storage import Store
from assay.storage.blobs import BLOBS_OPENED


@pytest.fixture
def hub(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Hub]:
    """A tenancy with a published feed revision; the scanning service has its statements."""
    with LayerReaders(partial(keep_part, store), processes=1) as readers:
        hub = Hub.on(store, tmp_path / "blobs", readers, clock.advance)
        hub.world.publish(CLAIMS)
        hub.allow()
        yield hub


def test_without_a_scanner_nothing_is_scanned(hub: Hub) -> None:
    image = hub.push({"a": 1})
    assert hub.deliver() == 0
    assert hub.scans(image) == []


def test_a_scanner_scans_the_four_latest_images_at_once_and_from_then_on_every_push(hub: Hub) -> None:
    images = [hub.push({"a": 1, "c": number}, tag=f"v{number}") for number in range(1, 7)]
    hub.deliver()
    hub.add_scanner()
    assert hub.deliver() == 4
    assert [len(hub.scans(image)) for image in images] == [0, 0, 1, 1, 1, 1]
    scan = hub.scans(images[5])[0]
    assert (scan.cause, scan.counts.vector, scan.risk_level) == (Cause.ENABLED, (1, 0, 0, 0, 0), RiskLevel.CRITICAL)
    later = hub.push({"b": 1}, tag="v7")
    assert hub.deliver() == 1
    assert [(each.cause, each.counts.vector) for each in hub.scans(later)] == [(Cause.PUSH, (0, 0, 1, 0, 0))]


def test_a_push_again_counts_among_the_latest(hub: Hub) -> None:
    first = hub.push({"c": 1}, tag="v1")
    for number in range(2, 6):
        hub.push({"c": number}, tag=f"v{number}")
    assert hub.push({"c": 1}, tag="again") == first
    hub.deliver()
    hub.add_scanner(image_count=1)
    assert hub.deliver() == 1
    assert len(hub.scans(first)) == 1


def test_the_number_of_first_images_is_the_recipes(hub: Hub) -> None:
    for number in range(1, 4):
        hub.push({"c": number}, tag=f"v{number}")
    hub.deliver()
    hub.add_scanner(image_count=2)
    assert hub.deliver() == 2


def test_without_its_statements_the_service_gets_nothing_and_says_which_is_missing(
    store: Store, tmp_path: Path, clock: SetClock
) -> None:
    with LayerReaders(partial(keep_part, store), processes=1) as readers:
        hub = Hub.on(store, tmp_path / "blobs", readers, clock.advance)
        hub.world.publish(CLAIMS)
        image = hub.push({"a": 1})
        hub.add_scanner()
        assert hub.deliver() == 0
        status = hub.status(image)
        assert status is not None
        assert (status.standing, status.missing_statements) == (
            Standing.NOT_PERMITTED,
            (
                "allow service vulnerability-scanning-service to read repos in tenancy",
                "allow service vulnerability-scanning-service to read compartments in tenancy",
            ),
        )
        hub.allow(NEEDED_STATEMENTS[0])
        assert hub.deliver() == 0
        status = hub.status(image)
        assert status is not None
        assert status.missing_statements == (NEEDED_STATEMENTS[1],)
        hub.allow(NEEDED_STATEMENTS[1])
        assert hub.deliver() == 1
        status = hub.status(image)
        assert status is not None
        assert (status.standing, status.missing_statements) == (Standing.SCANNED, ())


def test_before_the_first_feed_revision_images_wait_instead_of_being_called_clean(
    store: Store, tmp_path: Path, clock: SetClock
) -> None:
    with LayerReaders(partial(keep_part, store), processes=1) as readers:
        hub = Hub.on(store, tmp_path / "blobs", readers, clock.advance)
        hub.allow()
        image = hub.push({"a": 1})
        hub.add_scanner()
        assert hub.deliver() == 0
        status = hub.status(image)
        assert status is not None
        assert (status.standing, status.scan) == (Standing.NO_ADVISORIES, None)
        hub.world.publish(CLAIMS)
        assert hub.deliver() == 1
        assert hub.scans(image)[0].counts.critical == 1


def test_removing_a_scanner_stops_scanning_and_keeps_results(hub: Hub) -> None:
    image = hub.push({"a": 1})
    hub.add_scanner()
    hub.deliver()
    removed = scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    assert removed.lifecycle_state is LifecycleState.DELETED
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    later = hub.push({"a": 2}, tag="v2")
    hub.deliver()
    assert [each.revision for each in hub.scans(image)] == [1]
    assert hub.scans(later) == []
    status = hub.status(image)
    assert status is not None
    assert (status.standing, status.current_as_of) == (Standing.UNWATCHED, 1)


def test_adding_it_again_takes_the_latest_images_up_again_without_reading_them(hub: Hub) -> None:
    image = hub.push({"a": 1})
    hub.add_scanner()
    hub.deliver()
    scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    hub.add_scanner()
    opened = BLOBS_OPENED._value.get()
    assert hub.deliver() == 1
    assert BLOBS_OPENED._value.get() == opened
    assert [(each.revision, each.cause, each.counts.vector) for each in hub.scans(image)] == [
        (1, Cause.ENABLED, (1, 0, 0, 0, 0)),
        (2, Cause.ENABLED, (1, 1, 0, 0, 0)),
    ]


def test_a_repository_has_one_scanner_of_its_own(hub: Hub) -> None:
    hub.push({"a": 1})
    hub.add_scanner()
    with pytest.raises(Refused) as refusal:
        hub.add_scanner()
    assert refusal.value.reason is Reason.EXISTS
    scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    with pytest.raises(Refused) as refusal:
        scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    assert refusal.value.reason is Reason.NOT_FOUND


def test_scanners_of_one_kind_share_a_recipe(hub: Hub) -> None:
    hub.push({"a": 1})
    hub.push({"a": 1}, repository="team/other")
    first, second = hub.add_scanner(), hub.add_scanner("team/other")
    used = {scanners.get(hub.store, hub.actor, each).recipe for each in (first, second)}
    assert len(used) == 1
    assert recipes.get(hub.store, hub.actor, used.pop()).image_count == 4


def test_facts_tell_of_scanner_and_scan(hub: Hub) -> None:
    image = hub.push({"a": 1})
    scanner = hub.add_scanner()
    hub.deliver()
    scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    repository = hub.repository().ocid
    added, scanned, removed = (hub.room.facts(kind)[0] for kind in (ScannerAdded, ImageScanned, ScannerRemoved))
    assert (added.repository, added.scanner, added.image_count) == (repository, scanner, 4)
    assert (scanned.repository, scanned.images, scanned.revision, scanned.cause) == (repository, (image,), 1, "enabled")
    assert (removed.repository, removed.scanner) == (repository, scanner)


def test_nobody_adds_a_scanner_without_permission(hub: Hub) -> None:
    hub.push({"a": 1})
    visitor = Actor(ANONYMOUS, hub.actor.tenancy)
    with pytest.raises(Refused) as refusal:
        scanners.add(hub.store, visitor, hub.repository().ocid)
    assert refusal.value.reason is Reason.NOT_FOUND


def recipe(hub: Hub, compartment: str = "", **details: object) -> Recipe:
    return recipes.create(hub.store, hub.actor, RecipeDetails(compartment or hub.actor.tenancy, **details))


def target(hub: Hub, registry: Registry, recipe_ocid: str = "") -> str:
    wanted = TargetDetails(hub.actor.tenancy, recipe_ocid or recipe(hub).ocid, registry)
    return scanners.create(hub.store, hub.actor, wanted).ocid


def test_a_target_without_names_looks_at_a_compartment_and_all_below_it_later_repositories_too(hub: Hub) -> None:
    dev = compartments.create(hub.store, hub.actor, hub.actor.tenancy, "dev", "for development").ocid
    team = compartments.create(hub.store, hub.actor, dev, "team", "a team").ocid
    outside = hub.push({"a": 1}, repository="outside")
    inside = hub.push({"a": 1}, repository="inside")
    repositories.move(hub.store, hub.actor, hub.repository("inside").ocid, team)
    target(hub, Registry(dev))
    hub.deliver()
    assert [len(hub.scans(image)) for image in (outside, inside)] == [0, 1]
    later = hub.push({"a": 1}, repository="later")
    repositories.move(hub.store, hub.actor, hub.repository("later").ocid, dev)
    hub.deliver()
    assert len(hub.scans(later)) == 1


def test_a_repository_that_moves_out_is_scanned_no_more(hub: Hub) -> None:
    dev = compartments.create(hub.store, hub.actor, hub.actor.tenancy, "dev", "for development").ocid
    image = hub.push({"a": 1})
    repositories.move(hub.store, hub.actor, hub.repository().ocid, dev)
    target(hub, Registry(dev))
    hub.deliver()
    repositories.move(hub.store, hub.actor, hub.repository().ocid, hub.actor.tenancy)
    hub.deliver()
    status = hub.status(image)
    assert status is not None
    assert status.standing is Standing.UNWATCHED


def test_when_one_of_two_scanners_goes_the_other_goes_on(hub: Hub) -> None:
    image = hub.push({"a": 1})
    wide = target(hub, Registry(hub.actor.tenancy))
    hub.add_scanner()
    hub.deliver()
    assert hub.scans(image)[0].target != wide
    scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    assert [each.revision for each in hub.scans(image)] == [1, 2]
    assert hub.scans(image)[-1].target == wide
    with pytest.raises(Refused) as refusal:
        scanners.remove(hub.store, hub.actor, hub.repository().ocid)
    assert refusal.value.reason is Reason.WRONG_STATE


def test_scan_level_none_switches_scanning_off_and_standard_on_again(hub: Hub) -> None:
    image = hub.push({"a": 1})
    kept = recipe(hub)
    target(hub, Registry(hub.actor.tenancy, (REPOSITORY,)), kept.ocid)
    hub.deliver()
    recipes.change(hub.store, hub.actor, kept.ocid, RecipeChanges(scan_level=ScanLevel.NONE))
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    hub.deliver()
    assert [each.revision for each in hub.scans(image)] == [1]
    recipes.change(hub.store, hub.actor, kept.ocid, RecipeChanges(scan_level=ScanLevel.STANDARD))
    hub.deliver()
    assert [each.revision for each in hub.scans(image)] == [1, 2]


def test_a_target_that_is_given_other_repositories_lets_go_of_the_first(hub: Hub) -> None:
    one, other = hub.push({"a": 1}, repository="one"), hub.push({"b": 1}, repository="other")
    kept = target(hub, Registry(hub.actor.tenancy, ("one",)))
    hub.deliver()
    changed = TargetChanges(registry=Registry(hub.actor.tenancy, ("other",)))
    scanners.change(hub.store, hub.actor, kept, changed)
    hub.deliver()
    standings = results.statuses(hub.store, hub.actor, [one, other])
    assert standings[one].standing is Standing.UNWATCHED
    assert standings[other].standing is Standing.SCANNED


def test_a_recipe_in_use_is_not_deleted(hub: Hub) -> None:
    kept = recipe(hub)
    used_by = target(hub, Registry(hub.actor.tenancy, (REPOSITORY,)), kept.ocid)
    with pytest.raises(Refused) as refusal:
        recipes.delete(hub.store, hub.actor, kept.ocid)
    assert refusal.value.reason is Reason.WRONG_STATE
    scanners.delete(hub.store, hub.actor, used_by)
    assert recipes.delete(hub.store, hub.actor, kept.ocid).lifecycle_state is LifecycleState.DELETED
    with pytest.raises(Refused):
        target(hub, Registry(hub.actor.tenancy), kept.ocid)


def test_a_stale_etag_changes_nothing(hub: Hub) -> None:
    kept = recipe(hub)
    recipes.change(hub.store, hub.actor, kept.ocid, RecipeChanges(image_count=2), if_match=kept.etag)
    with pytest.raises(Refused) as refusal:
        recipes.change(hub.store, hub.actor, kept.ocid, RecipeChanges(image_count=3), if_match=kept.etag)
    assert refusal.value.reason is Reason.ETAG_MISMATCH
    assert recipes.get(hub.store, hub.actor, kept.ocid).image_count == 2


def test_recipes_are_listed_by_compartment_in_pages(hub: Hub) -> None:
    made = [recipe(hub, display_name=f"recipe {number}").ocid for number in range(3)]
    narrow = ScannerFilter((hub.actor.tenancy,), by_time=False, descending=False)
    first = recipes.listed(hub.store, hub.actor, narrow, limit=2)
    second = recipes.listed(hub.store, hub.actor, narrow, limit=2, page=first.next_page)
    assert [each.ocid for each in (*first.items, *second.items)] == made
    with pytest.raises(Refused):
        recipes.listed(hub.store, Actor(ANONYMOUS, hub.actor.tenancy), narrow)


def test_who_may_not_read_a_repository_makes_no_target_on_it(hub: Hub) -> None:
    hub.push({"a": 1})
    allowed = "allow group scanners to manage vss-family in tenancy"
    user = users.create(hub.store, hub.actor, "eve", "may manage scanners only")
    group_of(hub, user.ocid, "scanners", allowed)
    eve = Actor(Principal(PrincipalKind.USER, "eve", user.ocid), hub.actor.tenancy)
    made = recipes.create(hub.store, eve, RecipeDetails(hub.actor.tenancy))
    with pytest.raises(Refused) as refusal:
        scanners.create(
            hub.store, eve, TargetDetails(hub.actor.tenancy, made.ocid, Registry(hub.actor.tenancy, (REPOSITORY,)))
        )
    assert refusal.value.reason is Reason.NOT_FOUND


def group_of(hub: Hub, user: str, name: str, statement: str) -> None:
    made = groups.create(hub.store, hub.actor, name, "for a test")
    groups.add_user(hub.store, hub.actor, user, made.ocid)
    policies.create(hub.store, hub.actor, hub.actor.tenancy, name, [statement], "for a test")


def test_an_index_is_one_image_whose_problems_are_counted_once_over_its_platforms(hub: Hub) -> None:
    first = hub.push({"z": 1}, tag="v0")
    hub.add_scanner()
    image = hub.push_index(({"a": 1, "c": 1}, "amd64"), ({"a": 1, "b": 2}, "arm64"), tag="v1")
    hub.deliver()
    scan = hub.scans(image)[-1]
    # CVE-2026-1001 is in both platforms, PYSEC-2 in one.
    assert (scan.counts.vector, scan.state) == ((1, 0, 1, 0, 0), ScanState.COMPLETE)
    found = details.get(hub.store, hub.actor, scan.ocid)
    places = {each.name: {where.platform for where in each.packages[0].locations} for each in found.problems}
    assert places == {"CVE-2026-1001": {"linux/amd64", "linux/arm64"}, "PYSEC-2": {"linux/arm64"}}
    listed = results.listed(hub.store, hub.actor, ScanFilter(repository=hub.repository().ocid)).items
    assert {each.image for each in listed} == {first, image}


def test_a_layer_that_cannot_be_read_gives_a_partial_scan_without_a_risk_level(hub: Hub) -> None:
    hub.push({"z": 1}, tag="v0")
    hub.add_scanner()
    broken = blob_of({"b": 1})[:-20]
    room = hub.room
    config = b'{"rootfs":{"type":"layers","diff_ids":[]}}'
    for content in (config, blob_of({"a": 1}), broken):
        room.push_blob(content, REPOSITORY, hub.actor)
    image = room.put(manifest_of(config, [blob_of({"a": 1}), broken]), "v1", REPOSITORY, hub.actor).image
    hub.deliver()
    scan = hub.scans(image)[-1]
    assert (scan.state, scan.risk_level, scan.counts.critical) == (ScanState.PARTIAL, None, 1)
    assert "layer 2" in scan.reason
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    again = hub.scans(image)[-1]
    assert (again.revision, again.state, again.risk_level) == (2, ScanState.PARTIAL, None)


def test_an_image_of_layers_of_an_unknown_type_is_listed_and_partly_scanned_with_the_type_as_reason(hub: Hub) -> None:
    config, odd, plain = b'{"rootfs":{"type":"layers","diff_ids":[]}}', b"who knows", blob_of({"a": 1})
    for content in (config, odd, plain):
        hub.room.push_blob(content, REPOSITORY, hub.actor)
    squashed = "application/vnd.example.layer.v1.squashfs"
    images = []
    for number, stack in enumerate(((odd,), (plain, odd))):
        manifest = json.loads(manifest_of(config, stack))
        manifest["layers"][-1]["mediaType"] = squashed
        images.append(hub.room.put(json.dumps(manifest).encode(), f"v{number}", REPOSITORY, hub.actor).image)
    hub.deliver()
    assert hub.repository().image_count == 2
    hub.add_scanner()
    assert hub.deliver() == 2
    for image, found in zip(images, (0, 1), strict=True):
        scan = hub.scans(image)[0]
        assert (scan.state, scan.risk_level) == (ScanState.PARTIAL, None)
        assert f"layers of type {squashed} aren't read" in scan.reason
        assert scan.counts.vector[0] == found


def test_a_deleted_image_is_scanned_no_more_and_a_restored_one_is_again(hub: Hub) -> None:
    image = hub.push({"a": 1})
    hub.add_scanner()
    hub.deliver()
    removals.delete(hub.store, hub.actor, image)
    hub.deliver()
    hub.world.publish({"PYSEC-3": Claim((("a", 1, None),), (), 4)})
    assert [each.revision for each in hub.scans(image)] == [1]
    removals.restore(hub.store, hub.actor, image, version="v1")
    hub.deliver()
    assert [each.revision for each in hub.scans(image)] == [1, 2]
    assert hub.scans(image)[-1].counts.vector == (1, 1, 0, 0, 0)


def test_hearing_a_push_twice_scans_once(hub: Hub) -> None:
    hub.push({"z": 1}, tag="v0")
    hub.add_scanner()
    hub.deliver()
    image = hub.push({"a": 1})
    assert hub.deliver() == 1
    hub.heard = 0
    assert hub.deliver() == 0
    assert len(hub.scans(image)) == 1


def test_the_digest_of_a_layer_stands_in_the_places(hub: Hub) -> None:
    hub.push({"z": 1}, tag="v0")
    hub.add_scanner()
    image = hub.push({"c": 1}, {"a": 1})
    hub.deliver()
    found = details.get(hub.store, hub.actor, hub.scans(image)[0].ocid).problems[0].packages[0].locations[0]
    assert (found.layer, found.layer_number) == (Digest.of(blob_of({"a": 1})).text, 1)
    assert found.path.endswith("METADATA")
