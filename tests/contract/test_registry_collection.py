"""Blob collection, scrub and check, on both databases, where nothing comes between their steps."""

import os
from pathlib import Path

import pytest
from registry_pieces import ACTOR, STRANGER, Room, manifest_of
from sqlalchemy import func, select, text

from assay.clock import DAY, HOUR, SetClock
from assay.errors import Reason, Refused
from assay.events import BlobCollected
from assay.oci import Digest
from assay.registry import blobs, pulls, removals, uploads
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.fsck import Finding, fsck
from assay.registry.collection.pace import Pace
from assay.registry.collection.purge import purge
from assay.registry.collection.scrub import Scrubbed, scrub
from assay.registry.collection.sweep import Swept, sweep
from assay.storage import FolderBlobs, Store, metadata

GRACE = GRACE_MICROSECONDS_MIN
NOTHING = Swept(blobs=0, blob_bytes=0, strays=0, staged=0)
LAYER = Digest.of(b"layer of one")


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room.on(store, tmp_path / "blobs")


def swept(room: Room) -> Swept:
    return sweep(room.store, room.blobs, grace=GRACE)


def checked(room: Room) -> list[Finding]:
    return list(fsck(room.store, room.blobs, grace=GRACE))


def purged_blob(room: Room, clock: SetClock) -> Digest:
    """A blob that no repository holds any more since just now."""
    digest = room.push_blob(b"left over")
    clock.advance(DAY)
    assert purge(room.store).blobs == 1
    return digest


def rows(store: Store, table: str) -> int:
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(metadata.tables[table])).scalar_one()


def change(store: Store, statement: str, **values: object) -> None:
    with store.database.write() as connection:
        assert connection.execute(text(statement), values).rowcount == 1


def test_a_blob_that_nobody_holds_goes_after_its_grace(room: Room, clock: SetClock) -> None:
    room.push_image("v1")
    left = purged_blob(room, clock)
    clock.advance(GRACE - 1)
    assert swept(room) == NOTHING
    clock.advance(1)

    assert swept(room) == Swept(blobs=1, blob_bytes=9, strays=0, staged=0)
    assert room.blobs.size(left) is None
    assert room.blobs.size(LAYER) == 12
    assert [fact.digest for fact in room.facts(BlobCollected)] == [left.text]
    assert rows(room.store, "blob") == 2
    assert swept(room) == NOTHING
    assert checked(room) == []


def test_a_grace_that_claims_could_outlive_is_refused(room: Room) -> None:
    with pytest.raises(Refused):
        sweep(room.store, room.blobs, grace=GRACE - 1)


def test_a_blob_that_another_tenancy_holds_stays(room: Room, clock: SetClock) -> None:
    room.push_blob(b"left over", "theirs/app", STRANGER)
    clock.advance(DAY - 1)
    room.push_blob(b"left over")
    clock.advance(1)
    assert purge(room.store).blobs == 1
    clock.advance(GRACE)
    assert swept(room) == NOTHING
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", Digest.of(b"left over")).size == 9


def test_bytes_without_a_row_get_one_and_go_after_a_grace(room: Room, clock: SetClock) -> None:
    """As a crash between publishing a blob and the commit of its row leaves them."""
    stray = Digest.of(b"stray")
    room.blobs.put(stray, b"stray")
    assert swept(room) == Swept(blobs=0, blob_bytes=0, strays=1, staged=0)
    clock.advance(GRACE - 1)
    assert swept(room) == NOTHING
    clock.advance(1)
    assert swept(room) == Swept(blobs=1, blob_bytes=5, strays=0, staged=0)
    assert room.blobs.size(stray) is None


def test_a_push_of_stray_bytes_keeps_them(room: Room, clock: SetClock) -> None:
    room.blobs.put(Digest.of(b"stray"), b"stray")
    swept(room)
    clock.advance(GRACE)
    digest = room.push_blob(b"stray")
    assert swept(room) == NOTHING
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", digest).size == 5


def test_old_staged_bytes_without_a_session_go(room: Room, clock: SetClock) -> None:
    session = uploads.begin(room.intake, ACTOR, "team/app").id
    room.blobs.begin("left-by-a-crash")
    for name in (session, "left-by-a-crash"):
        path = room.blobs.staged_path(name)
        assert path is not None
        os.utime(path, (0, (clock.now() - GRACE) / 1e6))
    assert swept(room) == NOTHING
    clock.advance(1_000_000)
    assert [finding.subject for finding in checked(room)] == ["left-by-a-crash"]
    assert swept(room) == Swept(blobs=0, blob_bytes=0, strays=0, staged=1)
    assert uploads.status(room.intake, ACTOR, "team/app", session).acknowledged == 0


def test_a_collection_that_was_interrupted_goes_on(room: Room, clock: SetClock) -> None:
    for number in range(3):
        room.push_blob(b"%d" % number)
    clock.advance(DAY)
    purge(room.store)
    clock.advance(GRACE)
    pace = Pace()

    class Stopping(Pace):
        def spend(self, amount: int = 1) -> None:
            self.stopping.set()

    assert sweep(room.store, room.blobs, grace=GRACE, pace=Stopping()).blobs == 1
    assert sweep(room.store, room.blobs, grace=GRACE, pace=pace).blobs == 2


def damage(room: Room, digest: Digest, content: bytes) -> None:
    path = room.blobs.path(digest)
    assert path is not None
    path.write_bytes(content)


@pytest.mark.parametrize("content", [b"layer of 0ne", b"layer", None], ids=["changed", "cut off", "missing"])
def test_a_damaged_blob_is_found_not_served_and_mended_by_a_push(room: Room, content: bytes | None) -> None:
    room.push_image("v1")
    room.push_image("v1", repository="team/other")
    assert scrub(room.store, room.blobs).damaged == 0
    if content is None:
        room.blobs.delete(LAYER)
    else:
        damage(room, LAYER, content)

    first = scrub(room.store, room.blobs)
    assert (first.blobs, first.manifests, first.damaged) == (2, 1, 1)
    assert scrub(room.store, room.blobs).damaged == 0, "it is known by now"
    with pytest.raises(Refused, match="damaged") as refusal:
        blobs.find(room.store, room.blobs, ACTOR, "team/app", LAYER)
    assert refusal.value.reason is Reason.BLOB_UNKNOWN, "so that clients send it again"
    assert blobs.mount(room.intake, ACTOR, "team/new", LAYER, source_name="team/app") is None
    assert any(finding.subject == LAYER.text for finding in checked(room))
    with pytest.raises(Refused) as refusal:
        room.put(manifest_of(b'{"seed": "one"}', [b"layer of one"]), "v2")
    assert refusal.value.reason is Reason.MANIFEST_BLOB_UNKNOWN

    room.push_blob(b"layer of one")

    for name in ("team/app", "team/other"):
        path = blobs.find(room.store, room.blobs, ACTOR, name, LAYER).path
        assert path is not None
        assert path.read_bytes() == b"layer of one"
    assert scrub(room.store, room.blobs).damaged == 0
    assert checked(room) == []


def test_a_blob_that_reads_right_again_is_served_again(room: Room) -> None:
    room.push_image("v1")
    damage(room, LAYER, b"layer of 0ne")
    scrub(room.store, room.blobs)
    damage(room, LAYER, b"layer of one")
    assert scrub(room.store, room.blobs).mended == 1
    assert blobs.find(room.store, room.blobs, ACTOR, "team/app", LAYER).size == 12


def test_a_damaged_manifest_is_found_and_mended_by_a_push(room: Room) -> None:
    pushed, content = room.push_image("v1")
    change(
        room.store, "UPDATE manifest SET content = :bad WHERE digest = :digest", bad=b"{}", digest=str(pushed.digest)
    )
    assert scrub(room.store, room.blobs) == Scrubbed(blobs=2, manifests=1, content_bytes=29, damaged=1, mended=0)
    assert [finding.subject for finding in checked(room)] == [str(pushed.digest)]
    room.put(content, "v1")
    assert pulls.manifest(room.store, ACTOR, "team/app", "v1").content == content
    assert checked(room) == []


def test_a_scrub_goes_on_from_where_it_was_and_begins_again_when_it_is_time(room: Room, clock: SetClock) -> None:
    room.push_image("v1")

    class Stopping(Pace):
        def spend(self, amount: int = 1) -> None:
            self.stopping.set()

    assert scrub(room.store, room.blobs, pace=Stopping(), every=HOUR).blobs == 1
    rest = scrub(room.store, room.blobs, every=HOUR)
    assert (rest.blobs, rest.manifests) == (1, 1)
    assert scrub(room.store, room.blobs, every=HOUR).blobs == 0
    clock.advance(HOUR)
    assert scrub(room.store, room.blobs, every=HOUR).blobs == 2


def test_a_scrub_stops_amid_a_long_blob_and_reads_it_again(room: Room) -> None:
    _, manifest = room.push_image("v1", layers=[b"0" * 3_000_000])

    class Stopping(Pace):
        def spend(self, amount: int = 1) -> None:
            if amount > 1_000_000:
                self.stopping.set()

    assert scrub(room.store, room.blobs, pace=Stopping(), every=HOUR).content_bytes < 2_000_000
    again = scrub(room.store, room.blobs, every=HOUR)
    assert (again.blobs, again.content_bytes) == (2, 3_000_000 + 15 + len(manifest))


#: A row that was changed behind everybody's back, and what the check says of it.
BROKEN = {
    "a count": ("UPDATE repository SET layer_count = 7", "the repository says"),
    "bytes in all": ("UPDATE repository SET stored_bytes = 7", "the repository says"),
    "uses of a layer": ("UPDATE repository_blob SET layer_uses = 2 WHERE layer_uses = 1", "images have this layer"),
    "a blob's size": (f"UPDATE blob SET size = 1 WHERE digest = '{LAYER}'", "no row of that size"),
    "a blob that goes": (
        f"UPDATE repository_blob SET time_goes = 1 WHERE digest = '{LAYER}'",
        "whether this blob goes",
    ),
    "a blob dropped": (f"DELETE FROM repository_blob WHERE digest = '{LAYER}'", "names this blob"),
    "a blob not served": (f"UPDATE repository_blob SET time_deleted = 1 WHERE digest = '{LAYER}'", "names this blob"),
    "a tag": ("UPDATE tag SET digest = 'sha256:0'", "the tag names"),
    "a manifest dropped": ("DELETE FROM repository_manifest", "the image is of a manifest"),
    "a manifest's bytes": ("UPDATE manifest SET size = 1", "whose bytes are not stored"),
    "links": ("DELETE FROM manifest", "which is not stored"),
    "no grace": (
        f"UPDATE blob SET time_unreferenced = NULL WHERE digest = '{Digest.of(b'stray')}'",
        "never be collected",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_check_finds_what_does_not_agree(room: Room, case: str) -> None:
    room.push_image("v1")
    room.blobs.put(Digest.of(b"stray"), b"stray")
    swept(room)
    assert checked(room) == []
    statement, says = BROKEN[case]
    change(room.store, statement)
    found = [finding.says for finding in checked(room)]
    assert any(says in each for each in found), found


@pytest.mark.parametrize("which", [0, 5, 11])
@pytest.mark.parametrize("harm", ["gone", "longer"])
def test_the_check_reads_the_list_of_the_store_and_asks_for_no_blob_that_is_well(
    room: Room, monkeypatch: pytest.MonkeyPatch, which: int, harm: str
) -> None:
    digests = sorted((room.push_blob(f"blob {number}".encode()) for number in range(12)), key=str)
    asked: list[Digest] = []
    size = FolderBlobs.size

    def counted(blobs: FolderBlobs, digest: Digest) -> int | None:
        asked.append(digest)
        return size(blobs, digest)

    monkeypatch.setattr(FolderBlobs, "size", counted)
    assert (checked(room), asked) == ([], [])
    path = room.blobs.path(digests[which])
    assert path is not None
    if harm == "gone":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(b"what is longer")
    [finding] = checked(room)
    assert (finding.subject, set(asked)) == (digests[which].text, {digests[which]})
    assert ("missing" in finding.says) is (harm == "gone")


def test_counts_can_be_repaired(room: Room) -> None:
    room.push_image("v1")
    right = room.repository()
    change(room.store, "UPDATE repository SET layer_count = 7, layers_bytes = 7, stored_bytes = 7, image_count = 7")
    [finding] = fsck(room.store, room.blobs, repairs=True)
    assert finding.is_repaired
    assert room.repository() == right
    assert checked(room) == []


def test_the_check_finds_bytes_without_a_row_when_they_are_old(room: Room, clock: SetClock) -> None:
    stray = Digest.of(b"stray")
    room.blobs.put(stray, b"stray")
    path = room.blobs.path(stray)
    assert path is not None
    os.utime(path, (0, (clock.now() - GRACE) / 1e6))
    assert checked(room) == []
    clock.advance(1_000_000)
    assert [finding.subject for finding in checked(room)] == [stray.text]


def test_a_purged_image_leaves_nothing(room: Room, clock: SetClock) -> None:
    pushed, _ = room.push_image("v1")
    removals.delete(room.store, ACTOR, pushed.image)
    for _ in range(3):
        clock.advance(2 * DAY + 1)
        purge(room.store)
        swept(room)
    for table in ("blob", "repository_blob", "manifest", "manifest_link", "repository_manifest", "image"):
        assert rows(room.store, table) == 0, table
    assert room.blobs.stored() == ()
    assert checked(room) == []
