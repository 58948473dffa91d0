"""Collection as an installation does it: its turns, what it tells of damage, and the operator's commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import NOON
from registry_pieces import Room, manifest_of
from typer.testing import CliRunner

from assay.app import App, open_app
from assay.cli.main import app as command
from assay.clock import DAY, SetClock
from assay.errors import Corrupt, Refused, Unavailable
from assay.iam import Actor, Principal, PrincipalKind
from assay.oci import Digest
from assay.registry import removals
from assay.registry.manifests import ManifestLimits
from assay.settings import Settings, read

CONFIG, LAYER = b'{"seed": "one"}', b"layer of one"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOON)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read(environment={}, data_folder=tmp_path / "data", root_key_file=tmp_path / "root.key")


@pytest.fixture
def app(settings: Settings, clock: SetClock) -> Iterator[App]:
    app = open_app(settings, clock)
    yield app
    app.readers.close()
    app.store.database.close()


@pytest.fixture
def actor(app: App) -> Actor:
    assert app.first_start is not None
    return Actor(Principal(PrincipalKind.INSTALLATION, "tests"), app.first_start.tenancy.ocid)


@pytest.fixture
def room(app: App) -> Room:
    return Room(app.store, app.blobs, app.intake)


def condition(app: App) -> tuple[bool, str]:
    [found] = [each for each in app.conditions() if each.name == "contents"]
    return found.well, found.says


def run(settings: Settings, *words: str, **environment: str) -> tuple[int, dict[str, int] | list[dict[str, object]]]:
    """Exit status and output of `assay registry …`."""
    key = {"ASSAY_ROOT_KEY_FILE": str(settings.root_key_file), **environment}
    ended = CliRunner().invoke(
        command, ["registry", *words, "--data-folder", str(settings.data_folder), "-o", "json"], env=key
    )
    assert ended.exception is None or isinstance(ended.exception, Corrupt | SystemExit), ended.exception
    return ended.exit_code, json.loads(ended.stdout)


def test_turns_purge_and_collect_what_was_deleted(app: App, room: Room, actor: Actor, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1", actor=actor)
    removals.delete(app.store, actor, pushed.image)
    for days in (1, 1, 1, 1):
        clock.advance(days * DAY + 1)
        app.turns.purge()
        app.turns.sweep()
    assert app.blobs.stored() == ()
    assert list(app.turns.fsck()) == []


def test_a_turn_is_given_up_while_another_process_is_at_it(app: App) -> None:
    with app.store.database.alone("sweep"):
        assert app.turns.sweep() is None
        assert app.turns.purge() is not None
    assert app.turns.sweep() is not None


def test_a_server_that_is_not_to_scrub_does_not(tmp_path: Path, app: App, room: Room, actor: Actor) -> None:
    room.push_image("v1", actor=actor)
    never = read(
        environment={"ASSAY_SCRUB_INTERVAL": "0"}, data_folder=tmp_path / "other", root_key_file=tmp_path / "k"
    )
    other = open_app(never)
    assert other.turns.scrub() is None
    other.readers.close()
    other.store.database.close()
    done = app.turns.scrub()
    assert done is not None
    assert done.blobs == 2


def test_a_store_that_does_not_answer_makes_the_server_unready(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_digest: Digest) -> int:
        raise Unavailable("The object store does not answer.")

    assert [each.well for each in app.conditions() if each.name == "blobs"] == [True]
    monkeypatch.setattr(app.blobs, "size", silent)
    (told,) = [each for each in app.conditions() if each.name == "blobs"]
    assert (told.well, told.needed, told.says) == (False, True, "The object store does not answer.")


def test_a_blob_store_that_is_named_wrong_costs_no_first_secret(tmp_path: Path) -> None:
    places = {"data_folder": tmp_path / "new", "root_key_file": tmp_path / "keys" / "root.key"}
    with pytest.raises(Refused):
        open_app(read(environment={"ASSAY_BLOB_STORE": "s3://bucket/p"}, **places))
    assert not (tmp_path / "keys" / "root.key").exists()
    opened = open_app(read(environment={}, **places))
    assert opened.first_start is not None
    opened.readers.close()
    opened.store.database.close()


def test_damage_is_told_until_it_is_mended(app: App, room: Room, actor: Actor) -> None:
    room.push_image("v1", actor=actor)
    assert condition(app)[0]
    path = app.blobs.path(Digest.of(LAYER))
    assert path is not None
    path.write_bytes(b"layer of 0ne")
    app.turns.scrub(at_once=True)
    assert condition(app) == (False, "1 damaged: see assay registry damage")
    room.push_blob(LAYER, actor=actor)
    assert condition(app)[0]


def test_the_operator_purges_collects_reads_and_checks(
    app: App, room: Room, actor: Actor, settings: Settings, clock: SetClock
) -> None:
    pushed, _ = room.push_image("v1", actor=actor)
    removals.delete(app.store, actor, pushed.image)
    clock.at = NOON
    # The commands go by the machine's clock, for which all of this was long ago.
    assert run(settings, "purge") == (
        0,
        {"images": 1, "manifests": 1, "blobs": 0, "blob_bytes": 0, "repositories": 0},
    )
    assert run(settings, "collect") == (0, {"blobs": 0, "blob_bytes": 0, "strays": 0, "staged": 0})
    status, done = run(settings, "scrub")
    assert (status, done) == (
        0,
        {"blobs": 2, "manifests": 0, "content_bytes": len(CONFIG) + len(LAYER), "damaged": 0, "mended": 0},
    )
    assert run(settings, "damage") == (0, [])
    assert run(settings, "fsck") == (0, [])


def test_the_operator_is_told_of_damage_and_disagreement(
    app: App, room: Room, actor: Actor, settings: Settings
) -> None:
    room.push_image("v1", actor=actor)
    app.blobs.delete(Digest.of(LAYER))
    with app.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE repository SET image_count = 7")

    status, done = run(settings, "scrub")
    assert (status, done["damaged"] if isinstance(done, dict) else None) == (1, 1)
    status, known = run(settings, "damage")
    assert status == 0
    assert [each["digest"] for each in known if isinstance(each, dict)] == [Digest.of(LAYER).text]
    status, found = run(settings, "fsck", "--repair")
    assert status == 1
    assert sum(each["is_repaired"] is True for each in found if isinstance(each, dict)) == 1
    status, found = run(settings, "fsck")
    assert {each["subject"] for each in found if isinstance(each, dict)} == {Digest.of(LAYER).text}
    assert room.repository(actor=actor).image_count == 1


@pytest.mark.parametrize("grace", ["7199", "31622401"])
def test_a_grace_that_is_too_short_or_too_long_is_refused(grace: str) -> None:
    with pytest.raises(Refused, match="collection_grace"):
        read(environment={"ASSAY_COLLECTION_GRACE": grace})


def test_the_operator_is_told_of_absent_parts_unless_they_are_taken(
    room: Room, actor: Actor, settings: Settings
) -> None:
    room.put(manifest_of(CONFIG, []), "v1", actor=actor, limits=ManifestLimits(takes_sparse=True))
    assert run(settings, "fsck", ASSAY_SPARSE_MANIFESTS="take") == (0, [])
    status, found = run(settings, "fsck")
    assert (status, [each["subject"] for each in found if isinstance(each, dict)]) == (1, [Digest.of(CONFIG).text])
