"""What other rooms keep of an image stays readable when the image is purged, on both databases."""

from pathlib import Path

import pytest
from api_hub import VSS, ApiHub, api_hub
from scanning_hub import blob_of
from signing_pieces import Desk

from assay import journey
from assay.clock import DAY, SetClock
from assay.events import BlobCollected
from assay.iam import hashing
from assay.inventory import catalog
from assay.oci import Digest
from assay.registry import removals
from assay.registry.claims import GRACE_MICROSECONDS_MIN
from assay.registry.collection.purge import purge
from assay.registry.collection.sweep import sweep
from assay.signing import signatures
from assay.storage import Store
from assay.storage.outbox import Delivery

RESULTS = f"{VSS}/containerScanResults"
VULNERABILITIES = f"{VSS}/vulnerabilities"


def test_scans_of_a_purged_image_and_the_problems_found_in_it_can_still_be_read(
    store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    with api_hub(store, tmp_path, clock) as api:
        scan_it_and_purge_it(api, clock)


def scan_it_and_purge_it(api: ApiHub, clock: SetClock) -> None:
    hub = api.hub
    api.target(api.recipe()["id"], "team/app")
    gone = hub.push({"a": 1}, tag="v1")
    kept = hub.push({"a": 2}, tag="v2")
    assert hub.deliver() == 2
    before = api.items(RESULTS, compartmentId=api.place)
    removals.delete(hub.store, hub.actor, gone)
    hub.deliver()
    clock.advance(1)
    assert purge(hub.store, window=0).images == 1

    assert api.ask("GET", f"/20160918/container/images/{gone}").status_code == 404
    after = api.items(RESULTS, compartmentId=api.place)
    assert [each["id"] for each in after] == [each["id"] for each in before]
    for each in after:
        assert api.ask("GET", f"{RESULTS}/{each['id']}").status_code == 200
    found = api.items(VULNERABILITIES, compartmentId=api.place)
    assert found
    for each in found:
        impacted = api.items(f"{VULNERABILITIES}/{each['id']}/impactedContainers")
        assert len(impacted) == 1
    assert hub.status(kept) is not None
    assert hub.status(gone) is not None


def test_the_signature_of_a_purged_image_is_kept(store: Store, tmp_path: Path, clock: SetClock) -> None:
    desk = Desk.on(store, tmp_path)
    image, _ = desk.push("v1", "first")
    record = desk.sign(image, desk.key())
    removals.delete(store, desk.actor, image)
    clock.advance(2 * DAY + 1)
    assert purge(store).images == 1
    assert signatures.get_signature(store, desk.actor, record.ocid).digest == record.digest
    with store.database.read() as connection:
        assert signatures.keys_on(connection, [image]) == {image: {record.key}}


def test_what_was_read_of_a_blob_goes_with_it_and_is_read_again_when_it_comes_back(
    store: Store, tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "MEMORY_KIB", 64)
    layer = Digest.of(blob_of({"a": 1}))
    with api_hub(store, tmp_path, clock) as api:
        hub = api.hub
        hub.room.push_blob(blob_of({"a": 1}), "team/app", hub.actor)
        part = catalog.part_of(store, hub.room.blobs, hub.readers, layer)
        clock.advance(DAY)
        purge(store)
        clock.advance(GRACE_MICROSECONDS_MIN)
        assert sweep(store, hub.room.blobs, grace=GRACE_MICROSECONDS_MIN).blobs == 1
        [fact] = hub.room.facts(BlobCollected)
        hear = journey.listeners(store, hub.room.blobs, _NoJobs(), registry_hosts=())[BlobCollected]
        for listener in hear:
            listener(Delivery(1, fact))
        assert not catalog.part_of(store, hub.room.blobs, hub.readers, layer).is_read
        hub.room.push_blob(blob_of({"a": 1}), "team/app", hub.actor)
        assert catalog.part_of(store, hub.room.blobs, hub.readers, layer) == part


class _NoJobs:
    """An engine that is not asked."""

    def enqueue(self, kind: str, key: str, arguments: object) -> None:
        raise AssertionError(kind)
