"""The only file that names concrete adapters: puts the rooms together into one running installation."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from pathlib import Path

from assay import journey
from assay.admission import ledger
from assay.admission.examine import Gate
from assay.admission.identity import GivenFiles
from assay.advisories import feeds, revisions
from assay.advisories.feeds import FeedConfig, FeedState
from assay.clock import SECOND, Clock, Site, SystemClock
from assay.errors import AssayError, Reason, Refused, Unavailable
from assay.iam.credentials import signed_requests
from assay.iam.identity import first_start
from assay.iam.identity.first_start import FirstStart
from assay.iam.identity.trail import retention, sealing
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.oci import Digest
from assay.registry import pushes, uploads
from assay.registry.collection import scrub
from assay.registry.collection.turns import Turns
from assay.registry.pulls import PullCounter
from assay.registry.rules import sweep
from assay.registry.uploads import Intake
from assay.scanning import purge
from assay.secret import Secret
from assay.settings import Settings
from assay.storage import BlobStore, Database, FolderBlobs, Store, jobs, migrations
from assay.storage.blobs import Bucket, S3Blobs, S3Credentials, S3Place
from assay.storage.dbos_jobs import DbosJobs
from assay.storage.installation import keep_sealed, sealed, site_of
from assay.storage.outbox import Dispatcher
from assay.storage.schedule import Schedule, Upkeep
from assay.vault import Custody, deletion
from assay.vault.root import OpenedRoot, RootFile, RootPassphrase, RootSource, open_root

log = getLogger(__name__)

#: The digest of no bytes at all.
_NOTHING = Digest.of(b"")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is well or not. `needed` conditions make the server unready; the others are only told."""

    name: str
    well: bool
    says: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class App:
    """A running installation, as doors are given it."""

    settings: Settings
    store: Store
    blobs: BlobStore
    readers: LayerReaders
    intake: Intake
    pulls: PullCounter
    root: OpenedRoot
    custody: Custody
    gate: Gate
    jobs: DbosJobs
    dispatcher: Dispatcher
    schedule: Schedule
    #: What takes its time, each in a thread of its own, and what it does.
    collection: tuple[Schedule, ...]
    turns: Turns
    first_start: FirstStart | None
    #: Why nobody is answered at the admission port; empty when it is open. Without answers clusters deny everything.
    admission_closed_because: str = ""

    def start(self) -> None:
        """Begin to deliver facts, run jobs and do upkeep."""
        self.jobs.start(journey.job_handlers(self.store, self.blobs, self.readers))
        self.dispatcher.start()
        for each in (self.schedule, *self.collection):
            each.start()

    def stop(self) -> None:
        """End in the reverse order; what is unfinished goes on at the next start."""
        self.turns.stop()
        for each in (*self.collection, self.schedule):
            each.stop()
        self.dispatcher.stop()
        self.jobs.stop()
        self.readers.close()
        self.blobs.close()
        self.store.database.close()

    @property
    def registry_hosts(self) -> tuple[str, ...]:
        """The names under which clients and clusters know this registry; the first stands in signatures."""
        return (self.settings.registry_host, *self.settings.registry_aliases)

    @property
    def admission_files(self) -> GivenFiles | None:
        """The certificate that the operator gives for admission. Errors: Refused when only half of it is set."""
        certificate, key = self.settings.admission_certificate_file, self.settings.admission_key_file
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise Refused(
                "Only one of admission_certificate_file and admission_key_file is set.", advice="Set both, or neither."
            )
        return GivenFiles(certificate, key)

    def conditions(self) -> Sequence[Condition]:
        """How the installation stands, for health checks, metrics and the console."""
        try:
            with self.store.database.read() as connection:
                states = feeds.state(connection, self.store.clock.now())
                damaged = scrub.damaged(connection)
            database = Condition("database", well=True, needed=True)
        except AssayError as fault:
            return (Condition("database", well=False, says=str(fault), needed=True),)
        amiss = amiss_with(states)
        return (
            database,
            self._blob_condition(),
            Condition("vault", well=not self.root.sealed_because, says=self.root.sealed_because),
            Condition("admission", well=not self.admission_closed_because, says=self.admission_closed_because),
            Condition("feeds", well=not amiss, says=amiss),
            Condition("contents", well=not damaged, says=f"{damaged} damaged: see assay registry damage"),
        )

    def _blob_condition(self) -> Condition:
        try:
            self.blobs.size(_NOTHING)  # whether it is there or not: the store answers
        except AssayError as fault:
            return Condition("blobs", well=False, says=str(fault), needed=True)
        return Condition("blobs", well=True, needed=True)

    def counts(self) -> Mapping[str, float]:
        """Numbers for metrics."""
        try:
            by_status = jobs.counted(self.store)
            unsealed = sealing.unsealed(self.store)
        except AssayError:
            return {}
        return {f"jobs_{status}": float(number) for status, number in by_status.items()} | {
            "audit_entries_unsealed": float(unsealed)
        }


def amiss_with(states: Iterable[FeedState]) -> str:
    """What is amiss with feeds, in words; empty when all of them are current."""
    fresh = [state.config.name for state in states if state.last_success is None]
    stale = [state.config.name for state in states if state.last_success is not None and state.stale]
    said = {"not yet synchronised": fresh, "stale": stale}
    return "; ".join(f"{how}: {', '.join(names)}" for how, names in said.items() if names)


@contextmanager
def only_server(settings: Settings) -> Iterator[None]:
    """Keep other servers off the SQLite data folder until the block ends, or the process does.

    Two of them would deliver each other's facts and clean away each other's uploads. The operator's commands
    (`open_records`) don't ask, and several servers may share a PostgreSQL. Errors: Refused when one runs.
    """
    if not settings.database.startswith("sqlite"):
        yield
        return
    _make_data_folder(settings)
    database = Database(settings.database)
    with ExitStack() as held:
        held.callback(database.close)
        try:
            held.enter_context(database.alone("server", wait_seconds=0))
        except Unavailable as fault:
            raise Refused(
                f"Another assay serve runs on {settings.data_folder}.",
                advice="Stop it first, or give this one a data folder of its own (--data-folder).",
                reason=Reason.WRONG_STATE,
            ) from fault
        yield


def open_app(settings: Settings, clock: Clock | None = None) -> App:
    """Open the installation that `settings` name: migrate its database, open its root key, connect its rooms.

    Nothing runs yet: `start` begins. Errors: Refused for settings or a database that cannot be used; Unavailable.
    """
    clock = clock or SystemClock()
    _make_data_folder(settings)
    # Before anything is made that is shown just once: settings that name no store must not cost the first secret.
    blobs = _blobs(settings)
    database = Database(settings.database)
    migrations.upgrade(database)
    site = site_of(database, clock, Site(settings.realm, settings.region))
    root = open_root(database, clock, _root_source(settings))
    page_key = _installation_secret(database, clock, root, "page-key")
    store = Store(database, clock, site, page_key, settings.unrated_counts_as)
    first = first_start.bootstrap(store)
    if settings.blob_fsync == "off":
        log.warning("blob_fsync is off: a power cut may take blobs whose push was acknowledged")
    readers = LayerReaders(partial(keep_part, store), processes=settings.readers)
    feeds.configure(store, [_feed(settings)])
    hosts = (settings.registry_host, *settings.registry_aliases)
    worker = settings.worker_name or "assay"
    engine = DbosJobs(store, settings.jobs_database, worker)
    listeners = journey.listeners(store, blobs, engine, registry_hosts=hosts)
    intake = Intake(
        store,
        blobs,
        readers,
        blob_bytes_max=settings.blob_bytes_max,
        open_uploads_max=settings.open_uploads_max,
        open_uploads_of_user_max=settings.open_uploads_max_user,
        unused_microseconds=settings.collection_grace,
    )
    pulls = PullCounter(store)
    turns = _turns(settings, store, blobs)
    return App(
        settings=settings,
        store=store,
        blobs=blobs,
        readers=readers,
        intake=intake,
        pulls=pulls,
        root=root,
        custody=Custody(root.key),
        gate=Gate.at(hosts, settings.url),
        jobs=engine,
        dispatcher=Dispatcher(store, listeners, revisions.published_revision),
        schedule=Schedule((*_upkeep(intake, pulls, engine), *_retention(settings, store, pulls))),
        collection=tuple(Schedule([each]) for each in _collection(turns)),
        turns=turns,
        first_start=first,
    )


@contextmanager
def open_records(settings: Settings) -> Iterator[Store]:
    """The rows of the installation that `settings` name, beside a running server or without one; for the operator.

    Errors: Refused when there is no such installation.
    """
    path = settings.database.removeprefix("sqlite:///")
    if settings.database.startswith("sqlite") and not Path(path).exists():
        raise Refused(f"There is no installation at {path}.", advice="Give the settings that assay serve has.")
    database = Database(settings.database)
    try:
        migrations.upgrade(database)
        clock = SystemClock()
        site = site_of(database, clock, Site(settings.realm, settings.region))
        # Page tokens made here are shown to nobody, so any key will do.
        yield Store(database, clock, site, Secret.random(32))
    finally:
        database.close()


@contextmanager
def open_contents(settings: Settings) -> Iterator[Turns]:
    """Rows and blobs of the installation that `settings` name, for the operator's upkeep; as `open_records`."""
    with open_records(settings) as store:
        blobs = _blobs(settings)
        try:
            yield _turns(settings, store, blobs)
        finally:
            blobs.close()


def _blobs(settings: Settings) -> BlobStore:
    """The blob store that the settings name; an object store is not asked yet. Errors: Refused."""
    if not settings.blob_store:
        return FolderBlobs(settings.data_folder / "blobs", is_durable=settings.blob_fsync == "on")
    place = S3Place.of(
        settings.blob_store,
        endpoint=settings.s3_address,
        region=settings.s3_region,
        is_path_style=settings.s3_path_style == "on",
        allows_plain_http=settings.s3_plain_http == "on",
    )
    credentials = S3Credentials(settings.s3_access_key, settings.s3_secret_key or Secret(""), settings.s3_session_token)
    # Signatures say the time, and the object store compares it with its own: never a clock that was set.
    return S3Blobs(Bucket(place, credentials, SystemClock()))


def _turns(settings: Settings, store: Store, blobs: BlobStore) -> Turns:
    return Turns(
        store,
        blobs,
        window=settings.restore_window,
        grace=settings.collection_grace,
        blobs_per_second=settings.collection_blobs_per_second,
        scrub_every=settings.scrub_interval,
        scrub_bytes_per_second=settings.scrub_bytes_per_second,
        takes_sparse=settings.sparse_manifests == "take",
    )


def _collection(turns: Turns) -> Sequence[Upkeep]:
    return (
        Upkeep("purge", 60.0, turns.purge),
        Upkeep("collection of blobs", 60.0, turns.sweep),
        Upkeep("scrub", 60.0, turns.scrub),
    )


def _make_data_folder(settings: Settings) -> None:
    settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _upkeep(intake: Intake, pulls: PullCounter, engine: DbosJobs) -> Sequence[Upkeep]:
    store = intake.store
    return (
        Upkeep("feeds", 1.0, partial(journey.refresh_due_feeds, store, engine)),
        Upkeep("pushes by digest alone", 1.0, partial(pushes.settle, store)),
        Upkeep("pull counts", 5.0, pulls.count),
        Upkeep("used signatures", 60.0, partial(signed_requests.forget, store)),
        Upkeep("audit seals", 1.0, partial(sealing.seal_waiting, store)),
        Upkeep("old audit rows", 3600.0, partial(retention.purge, store)),
        Upkeep("idle uploads", 60.0, partial(uploads.expire, intake)),
        Upkeep("scheduled deletions", 60.0, partial(deletion.destroy_due, store)),
        Upkeep("old decisions", 3600.0, partial(ledger.purge_decisions, store)),
        Upkeep("old scans", 24 * 3600.0, partial(purge.purge, store)),
    )


def _retention(settings: Settings, store: Store, pulls: PullCounter) -> Sequence[Upkeep]:
    if not settings.retention_interval:
        return ()
    sweeping = partial(sweep.sweep, store, interval=settings.retention_interval, before=pulls.count)
    return (Upkeep("image retention", 5.0, sweeping),)


def _feed(settings: Settings) -> FeedConfig:
    return FeedConfig(
        source=settings.feed_address,
        ecosystems=settings.feed_ecosystems,
        refresh_seconds=settings.feed_interval // SECOND,
    )


def _root_source(settings: Settings) -> RootSource:
    if settings.root_passphrase is not None:
        return RootPassphrase(settings.root_passphrase)
    return RootFile(settings.root_key_file, settings.data_folder)


def _installation_secret(database: Database, clock: Clock, root: OpenedRoot, name: str) -> Secret:
    """A secret of the installation, sealed in the database. While the vault is sealed, one for this process alone:
    tokens made with it end with the process, and nothing else is lost."""
    fresh = Secret.random(32)
    if root.sealed_because:
        return fresh
    bound = f"installation secret {name} 1".encode()
    kept = sealed(database, name)
    if kept is None:
        kept = keep_sealed(database, clock, name, root.key.wrap(fresh.reveal().encode(), bound))
    return Secret(root.key.unwrap(kept, bound).decode())
