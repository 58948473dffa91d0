"""What lists ask for many things at once equals what is asked for each by itself, on both databases."""

from registry_pieces import Room
from scanning_world import OPERATOR, Claim, World, lib
from signing_pieces import Desk

from assay.clock import SetClock
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import compartments, first_start
from assay.registry import images, repositories
from assay.registry.repositories import RepositoryDetails
from assay.scanning import scanners, verdicts
from assay.scanning.model import Registry, TargetDetails
from assay.signing import signatures
from assay.storage import Store


def test_the_latest_image_of_each_repository_is_the_one_that_was_pushed_last(store: Store, clock: SetClock, tmp_path):
    room = Room.on(store, tmp_path)
    for repository, tag in (("a/one", "1"), ("a/one", "2"), ("b/two", "1"), ("a/one", "1")):
        clock.advance(1)
        room.push_image(tag, repository=repository, seed=f"{repository}{tag}")
    found = {name: room.repository(name) for name in ("a/one", "b/two")}
    with store.database.read() as connection:
        together = images.latest_of_each(connection, [each.ocid for each in found.values()])
        alone = {each.ocid: images.latest(connection, each.ocid, 1)[0] for each in found.values()}
    assert together == alone
    assert together[found["a/one"].ocid].version == "1"
    with store.database.read() as connection:
        assert images.latest_of_each(connection, []) == {}


def test_the_keys_on_each_image_are_those_of_its_available_signatures(store: Store, tmp_path):
    desk = Desk.on(store, tmp_path)
    one, two = desk.key(name="one"), desk.key(name="two")
    signed, _ = desk.push("v1", "first")
    plain, _ = desk.push("v2", "second")
    desk.sign(signed, one)
    withdrawn = desk.sign(signed, two)
    with store.database.read() as connection:
        assert signatures.keys_on(connection, [signed, plain]) == {signed: {one.ocid, two.ocid}}
    signatures.delete_signature(store, desk.actor, withdrawn.ocid)
    with store.database.read() as connection:
        assert signatures.keys_on(connection, [signed, plain]) == {signed: {one.ocid}}


def test_the_verdict_of_each_image_is_its_newest(store: Store, clock: SetClock):
    world = World(store)
    world.publish({"PYSEC-1": Claim((("a", 1, None),))})
    for image in ("i1", "i2", "i3"):
        world.push(image, [[lib("a", 1)]])
    for image, accepted in (("i1", True), ("i2", True), ("i1", False)):
        clock.advance(1)
        verdicts.record(store, OPERATOR, world.scan(image).ocid, accepted=accepted, reason="since")
    with store.database.read() as connection:
        found = verdicts.verdicts_of(connection, ["i1", "i2", "i3"])
        assert found == {image: verdicts.verdict_of(connection, image) for image in ("i1", "i2")}
    assert [found[image].accepted for image in ("i1", "i2")] == [False, True]


def test_the_watched_repositories_are_those_that_a_scanner_names_or_whose_compartment_it_takes(store: Store):
    made = first_start.create_tenancy(store, "acme")
    actor = Actor(Principal(PrincipalKind.INSTALLATION, "operator"), made.tenancy.ocid)
    team = compartments.create(store, actor, actor.tenancy, "team")
    below = compartments.create(store, actor, team.ocid, "below")
    places = {"named": actor.tenancy, "left": actor.tenancy, "team": team.ocid, "deep": below.ocid}
    found = [repositories.create(store, actor, RepositoryDetails(place, f"r/{name}")) for name, place in places.items()]

    def watched() -> set[str]:
        with store.database.read() as connection:
            together = scanners.watched(connection, actor.tenancy, found)
            assert together == {each.ocid for each in found if scanners.of_repository(connection, each)}
            return {each.name for each in found if each.ocid in together}

    assert watched() == set()
    first = scanners.add(store, actor, found[0].ocid)
    assert watched() == {"r/named"}
    scanners.create(store, actor, TargetDetails(team.ocid, first.recipe, Registry(team.ocid)))
    assert watched() == {"r/named", "r/team", "r/deep"}
    scanners.remove(store, actor, found[0].ocid)
    assert watched() == {"r/team", "r/deep"}
