"""The way of an image, as a table: six stages, the verb that does each, the fact it announces, and who listens.

Facts come out of the outbox, at least once and in order within their aggregate. A listener does a bounded piece of
work; what may take long it hands to the jobs engine, with the outbox row's id as the job's key.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.advisories import feeds
from assay.advisories.feeds import FeedState
from assay.events import (
    ArtifactPushed,
    BlobCollected,
    CompartmentMoved,
    Fact,
    FeedAdvanced,
    ImageDeleted,
    ImagePushed,
    ImageRestored,
    ImageScanned,
    ImageSigned,
    ImageTakenIn,
    PartArrived,
    PolicyChanged,
    RepositoryDeleted,
    RepositoryFact,
    RepositoryMoved,
    ScannerAdded,
    SignatureDeleted,
    VerdictRecorded,
)
from assay.inventory import LayerReaders, catalog
from assay.oci import Digest
from assay.scanning import rescan, waiting
from assay.signing import publish, pushed
from assay.storage import BlobStore, Store
from assay.storage.jobs import Arguments, Handler, Jobs
from assay.storage.outbox import Delivery, Listener


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, the verb that does it (module and function), and the facts that it announces."""

    name: str
    verb: str
    facts: tuple[type[Fact], ...]


STAGES = (
    Stage("push", "assay.registry.pushes.put", (ImagePushed,)),
    Stage("catalogue", "assay.inventory.catalog.compose_image", ()),
    Stage("scan", "assay.scanning.waiting.scan_waiting", (ImageScanned, FeedAdvanced)),
    Stage("review", "assay.scanning.verdicts.record", (VerdictRecorded,)),
    Stage("sign", "assay.signing.sign.sign_image", (ImageSigned,)),
    Stage("admit", "assay.admission.admit.admit", ()),
)

SCAN = "scan"
REFRESH = "refresh"


def listeners(
    store: Store, blobs: BlobStore, engine: Jobs, *, registry_hosts: Collection[str]
) -> Mapping[type[Fact], Sequence[Listener]]:
    """Who hears which fact. Every listener may hear the same fact twice."""

    def scan(fact: RepositoryFact, delivery: int) -> None:
        arguments = {"tenancy": fact.tenancy, "repository": fact.repository}
        engine.enqueue(SCAN, f"{SCAN}:{delivery}", arguments)

    def scan_all(fact: Fact, delivery: int) -> None:
        engine.enqueue(SCAN, f"{SCAN}:{delivery}", {"tenancy": fact.tenancy, "repository": ""})

    def image_came(fact: ImagePushed | ImageRestored | PartArrived, delivery: int) -> None:
        if waiting.image_came(store, fact):
            scan(fact, delivery)

    def image_went(fact: ImageDeleted | ImageTakenIn, _: int) -> None:
        waiting.image_went(store, fact.image)

    def repository_changed(fact: RepositoryMoved | RepositoryDeleted, delivery: int) -> None:
        waiting.repository_changed(store, fact)
        scan(fact, delivery)

    def compartment_moved(fact: CompartmentMoved, delivery: int) -> None:
        waiting.compartment_moved(store, fact)
        scan_all(fact, delivery)

    def signatures_follow(fact: RepositoryMoved, _: int) -> None:
        publish.follow_repository(store, fact)

    def signatures_changed(fact: ImageSigned | SignatureDeleted, _: int) -> None:
        publish.publish(store, blobs, fact)

    def blob_went(fact: BlobCollected, _: int) -> None:
        catalog.forget_part(store, Digest(fact.digest))

    def artifact_came(fact: ArtifactPushed, _: int) -> None:
        pushed.take_notice(store, blobs, fact, registry_hosts=registry_hosts)

    return {
        ImagePushed: [_hearing(image_came)],
        ImageRestored: [_hearing(image_came)],
        PartArrived: [_hearing(image_came)],
        ImageDeleted: [_hearing(image_went)],
        ImageTakenIn: [_hearing(image_went)],
        RepositoryMoved: [_hearing(repository_changed), _hearing(signatures_follow)],
        RepositoryDeleted: [_hearing(repository_changed)],
        CompartmentMoved: [_hearing(compartment_moved)],
        ScannerAdded: [_hearing(scan)],
        # A statement may have let the scanning service in; the first feed revision lets every scan begin.
        PolicyChanged: [_hearing(scan_all)],
        FeedAdvanced: [_hearing(scan_all)],
        ImageSigned: [_hearing(signatures_changed)],
        SignatureDeleted: [_hearing(signatures_changed)],
        ArtifactPushed: [_hearing(artifact_came)],
        BlobCollected: [_hearing(blob_went)],
    }


def _hearing(hear: Callable[[Any, int], object]) -> Listener:
    """A listener from a function of the fact and the delivery's id; the table above gives it only facts of its kind."""

    def listener(delivery: Delivery) -> None:
        hear(delivery.fact, delivery.id)

    return listener


def job_handlers(store: Store, blobs: BlobStore, readers: LayerReaders) -> Mapping[str, Handler]:
    """What each kind of job does. Every handler may run again from its beginning."""

    def scan(arguments: Arguments) -> None:
        waiting.scan_waiting(
            store,
            blobs,
            readers,
            tenancy=str(arguments["tenancy"]),
            repository=str(arguments["repository"]),
        )

    def refresh(arguments: Arguments) -> None:
        for state in _feeds(store):
            if state.config.name == arguments["feed"]:
                rescan.resume(store)
                with feeds.fetch_changes(store, state.config) as changes:
                    if changes:
                        rescan.run(store, changes)

    return {SCAN: scan, REFRESH: refresh}


def refresh_due_feeds(store: Store, engine: Jobs) -> None:
    """Have every feed read whose time has come; one job for one time, however many processes ask."""
    now = store.clock.now()
    for state in _feeds(store):
        if state.next_run <= now:
            key = f"{REFRESH}:{state.config.name}:{state.next_run}"
            engine.enqueue(REFRESH, key, {"feed": state.config.name})


def _feeds(store: Store) -> Sequence[FeedState]:
    with store.database.read() as connection:
        return feeds.state(connection, store.clock.now())
