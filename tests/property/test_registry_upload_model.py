"""Uploads against a model of a few lines: whatever comes in whatever order, offsets, blobs and refusals agree."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from registry_pieces import ACTOR

from assay.clock import DAY, HOUR, Instant, SetClock, Site
from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry import blobs, uploads
from assay.registry.uploads import Intake
from assay.secret import Secret
from assay.storage import Database, FolderBlobs, Store, metadata

NAME = "team/app"
PIECES = st.binary(max_size=40)


class UploadMachine(RuleBasedStateMachine):
    """`staged` is the model: what each open upload has acknowledged; `held` the blobs that the repository has, and when
    they came: no manifest names them, so they are to go after a day and are shown until an hour before."""

    open_uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.database = Database(f"sqlite:///{path / 'a.db'}")
        metadata.create_all(self.database.engine)
        self.clock = SetClock(Instant(1_785_585_600_000_000))
        self.store = Store(self.database, self.clock, Site("oc1", "local"), Secret("key"))
        self.blobs = FolderBlobs(path / "blobs")
        self.intake = Intake(self.store, self.blobs)
        self.staged: dict[str, bytes] = {}
        self.used: dict[str, int] = {}
        self.held: dict[Digest, tuple[bytes, int]] = {}

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def refusal_of(self, act: object) -> Reason | None:
        try:
            act()  # type: ignore[operator]
        except Refused as refusal:
            return refusal.reason
        return None

    @rule(target=open_uploads, algorithm=st.sampled_from(["sha256", "sha512"]))
    def begin(self, algorithm: str) -> str:
        upload = uploads.begin(self.intake, ACTOR, NAME, algorithm=algorithm).id
        self.staged[upload] = b""
        self.used[upload] = self.clock.now()
        return upload

    @rule(upload=open_uploads, piece=PIECES, shift=st.sampled_from([0, 0, 0, -1, 1, 7]), told=st.booleans())
    def append(self, upload: str, piece: bytes, shift: int, told: bool) -> None:
        start = len(self.staged.get(upload, b"")) + shift if told else None

        def act() -> None:
            writer = uploads.resume(self.intake, ACTOR, NAME, upload, start=start)
            try:
                writer.append(piece)
                writer.acknowledge()
            finally:
                writer.release()

        refused = self.refusal_of(act)
        if upload not in self.staged:
            assert refused is Reason.UPLOAD_UNKNOWN
        elif told and shift:
            assert refused is Reason.RANGE_INVALID
        else:
            assert refused is None
            self.staged[upload] += piece
            self.used[upload] = self.clock.now()

    @rule(upload=open_uploads, piece=PIECES)
    def break_off(self, upload: str, piece: bytes) -> None:
        """A request that dies before it acknowledges leaves nothing that counts."""
        if upload in self.staged:
            writer = uploads.resume(self.intake, ACTOR, NAME, upload)
            writer.append(piece)
            writer.release()

    @rule(upload=consumes(open_uploads), algorithm=st.sampled_from(["sha256", "sha512"]), is_right=st.booleans())
    def finish(self, upload: str, algorithm: str, is_right: bool) -> None:
        content = self.staged.get(upload, b"")
        digest = Digest.of(content if is_right else content + b"!", algorithm)

        def act() -> None:
            writer = uploads.resume(self.intake, ACTOR, NAME, upload)
            try:
                assert uploads.finish(self.intake, ACTOR, NAME, writer, digest) == len(content)
            finally:
                writer.release()

        refused = self.refusal_of(act)
        if upload not in self.staged:
            assert refused is Reason.UPLOAD_UNKNOWN
            return
        assert refused is (None if is_right else Reason.DIGEST_INVALID)
        del self.staged[upload]
        if is_right:
            self.held[digest] = (content, self.clock.now())

    @rule(upload=consumes(open_uploads))
    def cancel(self, upload: str) -> None:
        refused = self.refusal_of(lambda: uploads.cancel(self.intake, ACTOR, NAME, upload))
        assert refused is (None if upload in self.staged else Reason.UPLOAD_UNKNOWN)
        self.staged.pop(upload, None)

    @rule()
    def restart(self) -> None:
        """Another process takes over: nothing in memory is left."""
        self.intake = Intake(self.store, self.blobs)

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours * HOUR)
        uploads.expire(self.intake)
        over = [upload for upload, used in self.used.items() if self.clock.now() >= used + DAY]
        for upload in over:
            self.staged.pop(upload, None)

    @invariant()
    def what_was_acknowledged_holds(self) -> None:
        for upload, content in self.staged.items():
            assert uploads.status(self.intake, ACTOR, NAME, upload).acknowledged == len(content)

    @invariant()
    def blobs_are_what_was_sent_and_staged_files_are_those_of_open_uploads(self) -> None:
        for digest, (content, came) in self.held.items():
            if self.clock.now() >= came + DAY - HOUR:
                refused = self.refusal_of(lambda gone=digest: blobs.find(self.store, self.blobs, ACTOR, NAME, gone))
                assert refused is Reason.BLOB_UNKNOWN
                continue
            found = blobs.find(self.store, self.blobs, ACTOR, NAME, digest)
            assert found.path is not None
            assert found.path.read_bytes() == content
        assert {path.name for path in self.blobs.staged_path("x").parent.iterdir()} == set(self.staged)


UploadMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)
TestUploadModel = UploadMachine.TestCase
