"""Uploads, on both databases: acknowledged offsets, resumption, wrong digests, mounts, followers."""

import errno
import os
from pathlib import Path

import pytest
from registry_pieces import ACTOR, STRANGER, Room
from registry_server import account_of, colleague_of, withdraw

from assay.clock import DAY, SetClock
from assay.errors import Reason, Refused, Unavailable
from assay.iam import Actor, Principal, PrincipalKind, identity
from assay.oci import Digest
from assay.registry import blobs, uploads
from assay.registry.uploads import APPEND_BYTES_MAX, Intake
from assay.storage import Store

REPOSITORY = "team/app"
CONTENT = b"0123456789" * 1000


class Recorder:
    """A follower that keeps what it hears, and may be made to fail."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.fails = False

    def _hear(self, *what: object) -> None:
        self.heard.append(what)
        if self.fails:
            raise RuntimeError("the follower fell over")

    def begun(self, upload: str, staged: Path) -> None:
        self._hear("begun", staged.exists())

    def grown(self, upload: str, size: int) -> None:
        self._hear("grown", size)

    def published(self, upload: str, digest: Digest, size: int) -> None:
        self._hear("published", digest.text, size)

    def abandoned(self, upload: str) -> None:
        self._hear("abandoned")


@pytest.fixture
def follower() -> Recorder:
    return Recorder()


@pytest.fixture
def room(store: Store, tmp_path: Path, follower: Recorder) -> Room:
    return Room.on(store, tmp_path / "blobs", follower=follower)


def begun(room: Room, *pieces: bytes) -> str:
    """An upload with some acknowledged bytes."""
    upload = uploads.begin(room.intake, ACTOR, REPOSITORY).id
    for piece in pieces:
        append(room.intake, upload, piece)
    return upload


def append(intake: Intake, upload: str, piece: bytes, start: int | None = None) -> int:
    writer = uploads.resume(intake, ACTOR, REPOSITORY, upload, start=start)
    try:
        writer.append(piece)
        return writer.acknowledge().acknowledged
    finally:
        writer.release()


def finish(intake: Intake, upload: str, digest: Digest) -> int:
    writer = uploads.resume(intake, ACTOR, REPOSITORY, upload)
    try:
        return uploads.finish(intake, ACTOR, REPOSITORY, writer, digest)
    finally:
        writer.release()


def status(room: Room, upload: str) -> int:
    return uploads.status(room.intake, ACTOR, REPOSITORY, upload).acknowledged


def content_of(room: Room, digest: Digest) -> bytes:
    with room.blobs.open(digest) as blob:
        return blob.read()


def staged(room: Room) -> list[str]:
    return [path.name for path in room.blobs.staged_path("x").parent.iterdir()]


def restarted(room: Room) -> Intake:
    """The intake of another process: nothing in memory."""
    return Intake(room.store, room.blobs)


def test_an_upload_in_chunks_becomes_a_blob_of_its_repository(room: Room) -> None:
    upload = begun(room, CONTENT[:10], CONTENT[10:4000])
    assert append(room.intake, upload, CONTENT[4000:], start=4000) == len(CONTENT)
    assert finish(room.intake, upload, Digest.of(CONTENT)) == len(CONTENT)
    held = blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, Digest.of(CONTENT))
    assert held.size == len(CONTENT)
    assert held.path is not None
    assert held.path.read_bytes() == CONTENT
    assert room.repository().stored_bytes == len(CONTENT)
    with pytest.raises(Refused) as refusal:
        status(room, upload)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("said", ["sha256", "sha512"])
def test_the_digest_may_be_of_either_algorithm_whatever_was_announced(room: Room, algorithm: str, said: str) -> None:
    upload = uploads.begin(room.intake, ACTOR, REPOSITORY, algorithm=said).id
    append(room.intake, upload, CONTENT)
    finish(room.intake, upload, Digest.of(CONTENT, algorithm))
    assert content_of(room, Digest.of(CONTENT, algorithm)) == CONTENT


def test_an_empty_blob_can_be_pushed(room: Room) -> None:
    finish(room.intake, begun(room), Digest.of(b""))
    assert blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, Digest.of(b"")).size == 0


@pytest.mark.parametrize("start", [0, 9, 11, 10**12])
def test_a_chunk_out_of_order_is_refused_and_changes_nothing(room: Room, start: int) -> None:
    upload = begun(room, CONTENT[:10])
    with pytest.raises(Refused) as refusal:
        append(room.intake, upload, b"x", start=start)
    assert refusal.value.reason is Reason.RANGE_INVALID
    assert status(room, upload) == 10
    append(room.intake, upload, CONTENT[10:], start=10)
    finish(room.intake, upload, Digest.of(CONTENT))


def test_two_requests_cannot_write_to_one_upload_at_once(room: Room) -> None:
    upload = begun(room)
    writer = uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    with pytest.raises(Refused) as refusal:
        uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    assert refusal.value.reason is Reason.RANGE_INVALID
    writer.release()
    uploads.resume(room.intake, ACTOR, REPOSITORY, upload).release()


def test_two_processes_cannot_write_to_one_upload_at_once(room: Room) -> None:
    upload = begun(room)
    here = uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    with pytest.raises(Refused) as refusal:
        append(restarted(room), upload, b"b" * 20)
    assert refusal.value.reason is Reason.RANGE_INVALID
    here.append(b"a" * 10)
    here.acknowledge()
    here.release()
    assert status(room, upload) == 10


def test_a_request_is_refused_if_another_process_wrote_since_it_read_its_row(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begun(room)
    real = room.blobs.resume

    def overtaken(*what: object) -> object:
        monkeypatch.undo()
        append(restarted(room), upload, CONTENT[:20])
        return real(*what)

    monkeypatch.setattr(room.blobs, "resume", overtaken)
    with pytest.raises(Refused) as refusal:
        append(room.intake, upload, b"a" * 10)
    assert refusal.value.reason is Reason.RANGE_INVALID
    assert status(room, upload) == 20
    append(room.intake, upload, CONTENT[20:])
    finish(room.intake, upload, Digest.of(CONTENT))
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_an_upload_goes_on_in_another_process_and_is_hashed_anew(room: Room) -> None:
    upload = begun(room, CONTENT[:4000])
    other = restarted(room)
    append(other, upload, CONTENT[4000:], start=4000)
    assert finish(restarted(room), upload, Digest.of(CONTENT)) == len(CONTENT)
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_a_stale_hash_is_not_used_after_another_process_wrote(room: Room) -> None:
    upload = begun(room, CONTENT[:10])
    append(restarted(room), upload, CONTENT[10:20], start=10)
    append(room.intake, upload, CONTENT[20:], start=20)
    assert finish(room.intake, upload, Digest.of(CONTENT)) == len(CONTENT)


def test_bytes_that_were_never_acknowledged_are_dropped(room: Room) -> None:
    upload = begun(room, CONTENT[:10])
    writer = uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    writer.append(b"rubbish that the client never heard about")
    writer.release()
    assert status(room, upload) == 10
    append(room.intake, upload, CONTENT[10:], start=10)
    finish(room.intake, upload, Digest.of(CONTENT))
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_unacknowledged_bytes_do_not_get_into_a_blob_that_ends_where_it_was(room: Room) -> None:
    upload = begun(room, CONTENT)
    writer = uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    writer.append(b"rubbish")
    writer.release()
    assert finish(restarted(room), upload, Digest.of(CONTENT)) == len(CONTENT)
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_what_a_power_cut_took_is_not_promised_any_more(room: Room) -> None:
    upload = begun(room, CONTENT)
    os.truncate(room.blobs.staged_path(upload), 100)
    assert status(room, upload) == 100
    append(room.intake, upload, CONTENT[100:], start=100)
    finish(room.intake, upload, Digest.of(CONTENT))
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(room: Room, follower: Recorder) -> None:
    upload = begun(room, CONTENT)
    with pytest.raises(Refused) as refusal:
        finish(room.intake, upload, Digest.of(b"something else"))
    assert refusal.value.reason is Reason.DIGEST_INVALID
    assert staged(room) == []
    assert room.blobs.size(Digest.of(CONTENT)) is None
    assert room.blobs.size(Digest.of(b"something else")) is None
    with pytest.raises(Refused) as refusal:
        status(room, upload)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN
    assert follower.heard[-1] == ("abandoned",)
    assert room.repository().stored_bytes == 0


def test_a_cancelled_upload_leaves_nothing(room: Room, follower: Recorder) -> None:
    upload = begun(room, CONTENT)
    uploads.cancel(room.intake, ACTOR, REPOSITORY, upload)
    assert staged(room) == []
    assert follower.heard[-1] == ("abandoned",)
    with pytest.raises(Refused):
        uploads.cancel(room.intake, ACTOR, REPOSITORY, upload)


def test_an_idle_upload_ends_after_a_day_and_a_used_one_goes_on(room: Room, clock: SetClock) -> None:
    idle, used = begun(room, b"idle"), begun(room, b"used")
    clock.advance(DAY - 1)
    append(room.intake, used, b" more")
    clock.advance(1)
    assert uploads.expire(room.intake) == 1
    assert staged(room) == [used]
    with pytest.raises(Refused):
        status(room, idle)


def test_nobody_but_who_began_an_upload_gets_at_it(room: Room) -> None:
    upload = begun(room, CONTENT)
    room.push_blob(b"other", "team/other")
    colleague = Actor(Principal(PrincipalKind.INSTALLATION, "colleague"), ACTOR.tenancy)
    for actor, name in ((colleague, REPOSITORY), (STRANGER, REPOSITORY), (ACTOR, "team/other")):
        with pytest.raises(Refused) as refusal:
            uploads.status(room.intake, actor, name, upload)
        assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


@pytest.mark.parametrize("upload", ["", "..", "../../etc/passwd", "x" * 100, "%00"])
def test_a_made_up_upload_is_unknown(room: Room, upload: str) -> None:
    room.push_blob(b"x")
    with pytest.raises(Refused) as refusal:
        uploads.status(room.intake, ACTOR, REPOSITORY, upload)
    assert refusal.value.reason is Reason.UPLOAD_UNKNOWN


def test_limits_of_piece_blob_and_open_uploads_hold(store: Store, tmp_path: Path) -> None:
    room = Room.on(store, tmp_path / "blobs", blob_bytes_max=15, open_uploads_max=2)
    upload = begun(room, b"0123456789")
    for piece in (b"x" * (APPEND_BYTES_MAX + 1), b"x" * 6):
        with pytest.raises(Refused) as refusal:
            append(room.intake, upload, piece)
        assert refusal.value.reason is Reason.TOO_LARGE
    begun(room)
    with pytest.raises(Refused) as refusal:
        begun(room)
    assert refusal.value.reason is Reason.TOO_MANY_REQUESTS
    uploads.cancel(room.intake, ACTOR, REPOSITORY, upload)
    begun(room)


def test_a_follower_hears_of_an_upload_in_order(room: Room, follower: Recorder) -> None:
    upload = begun(room, CONTENT[:10], CONTENT[10:])
    finish(room.intake, upload, Digest.of(CONTENT))
    assert follower.heard == [
        ("begun", True),
        ("grown", 10),
        ("grown", len(CONTENT)),
        ("published", Digest.of(CONTENT).text, len(CONTENT)),
    ]


def test_a_follower_that_falls_over_hurts_no_upload(room: Room, follower: Recorder) -> None:
    follower.fails = True
    upload = begun(room, CONTENT)
    assert finish(room.intake, upload, Digest.of(CONTENT)) == len(CONTENT)
    uploads.cancel(room.intake, ACTOR, REPOSITORY, begun(room))
    assert len(follower.heard) == 5


def test_a_full_disk_refuses_the_chunk_and_the_upload_goes_on_afterwards(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begun(room, CONTENT[:10])
    writer = uploads.resume(room.intake, ACTOR, REPOSITORY, upload)
    real = writer._staging._file

    class Full:
        """A disk with room for half of what is written."""

        seek, close, fileno = real.seek, real.close, real.fileno

        def write(self, content: memoryview) -> int:
            real.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer._staging, "_file", Full())
    with pytest.raises(Unavailable, match="No space left on device"):
        writer.append(CONTENT[10:])
    writer.release()
    assert status(room, upload) == 10
    append(room.intake, upload, CONTENT[10:], start=10)
    finish(room.intake, upload, Digest.of(CONTENT))
    assert content_of(room, Digest.of(CONTENT)) == CONTENT


def test_the_same_blob_pushed_by_several_is_stored_once(room: Room) -> None:
    for name, actor in ((REPOSITORY, ACTOR), ("team/other", ACTOR), (REPOSITORY, STRANGER)):
        room.push_blob(CONTENT, name, actor)
        assert room.repository(name, actor).stored_bytes == len(CONTENT)
    room.push_blob(CONTENT)
    assert room.repository().stored_bytes == len(CONTENT)
    assert staged(room) == []


def test_a_blob_is_mounted_from_a_repository_of_the_tenancy(room: Room) -> None:
    digest = room.push_blob(CONTENT, "team/source")
    assert blobs.mount(room.intake, ACTOR, REPOSITORY, digest, source_name="team/source") == len(CONTENT)
    assert blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, digest).size == len(CONTENT)
    assert blobs.mount(room.intake, ACTOR, "team/third", digest, source_name=None) == len(CONTENT)
    assert room.repository("team/third").stored_bytes == len(CONTENT)


def test_nothing_is_mounted_that_the_caller_could_not_pull(room: Room) -> None:
    digest = room.push_blob(CONTENT, "team/source", STRANGER)
    room.push_blob(b"other", "team/source")
    for source in ("team/source", "team/nowhere", None):
        assert blobs.mount(room.intake, ACTOR, REPOSITORY, digest, source_name=source) is None


@pytest.mark.parametrize("harm", ["gone", "shorter"])
@pytest.mark.parametrize("source", ["team/source", None])
def test_a_blob_whose_bytes_are_not_there_is_not_mounted(room: Room, harm: str, source: str | None) -> None:
    digest = room.push_blob(CONTENT, "team/source")
    path = room.blobs.path(digest)
    assert path is not None
    if harm == "gone":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(CONTENT[:-1])
    assert blobs.mount(room.intake, ACTOR, REPOSITORY, digest, source_name=source) is None
    room.push_blob(CONTENT)
    assert blobs.mount(room.intake, ACTOR, "team/third", digest, source_name=source) == len(CONTENT)


def test_who_may_push_no_more_writes_no_more_and_loses_nothing_of_what_was_acknowledged(room: Room) -> None:
    owner = account_of(room.store, "tests")
    statement = "allow group pusher to manage repos in tenancy"
    pusher = colleague_of(owner, room.store, "pusher", statement).actor
    upload = uploads.begin(room.intake, pusher, REPOSITORY).id
    writer = uploads.resume(room.intake, pusher, REPOSITORY, upload)
    writer.append(CONTENT[:100])
    writer.acknowledge()
    writer.release()
    withdraw(owner, room.store, "pusher")
    for verb in (uploads.status, uploads.resume, uploads.cancel):
        with pytest.raises(Refused) as refusal:
            verb(room.intake, pusher, REPOSITORY, upload)
        assert refusal.value.reason is Reason.NOT_FOUND
    identity.policies.create(room.store, owner.actor, owner.actor.tenancy, "pusher", [statement], "tests")
    assert uploads.status(room.intake, pusher, REPOSITORY, upload).acknowledged == 100
    writer = uploads.resume(room.intake, pusher, REPOSITORY, upload, start=100)
    writer.append(CONTENT[100:])
    assert uploads.finish(room.intake, pusher, REPOSITORY, writer, Digest.of(CONTENT)) == len(CONTENT)
    writer.release()


def test_a_blob_known_to_another_repository_is_unknown_here(room: Room) -> None:
    room.push_blob(b"other")
    for actor in (ACTOR, STRANGER):
        digest = room.push_blob(b"secret of " + actor.tenancy.encode(), "team/source", actor)
        with pytest.raises(Refused) as refusal:
            blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, digest)
        assert refusal.value.reason is Reason.BLOB_UNKNOWN


def test_a_blob_that_no_manifest_names_can_be_deleted_and_pushed_again(room: Room) -> None:
    digest = room.push_blob(CONTENT)
    blobs.delete(room.store, ACTOR, REPOSITORY, digest)
    for again in (
        lambda: blobs.delete(room.store, ACTOR, REPOSITORY, digest),
        lambda: blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, digest),
    ):
        with pytest.raises(Refused) as refusal:
            again()
        assert refusal.value.reason is Reason.BLOB_UNKNOWN
    room.push_blob(CONTENT)
    assert blobs.find(room.store, room.blobs, ACTOR, REPOSITORY, digest).size == len(CONTENT)
    assert room.repository().stored_bytes == len(CONTENT)


def test_a_blob_that_a_manifest_names_cannot_be_deleted(room: Room) -> None:
    room.push_image("v1")
    with pytest.raises(Refused) as refusal:
        blobs.delete(room.store, ACTOR, REPOSITORY, Digest.of(b"layer of one"))
    assert refusal.value.reason is Reason.METHOD
