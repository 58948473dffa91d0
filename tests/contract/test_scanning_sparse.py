"""Images that lack a part are never clean, and are scanned again when it comes, on both databases."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from registry_pieces import OCI_LAYER, index_of, manifest_of
from registry_pieces import described as descriptor
from scanning_hub import CLAIMS, REPOSITORY, Hub, Layer, blob_of
from signing_pieces import Desk, outcomes

from assay.clock import SetClock
from assay.errors import Refused
from assay.events import PartArrived
from assay.iam import Actor, Principal, PrincipalKind
from assay.iam.identity import first_start
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.oci import Digest
from assay.registry.manifests import ManifestLimits
from assay.scanning import push, waiting
from assay.scanning.catalogue import unreadable
from assay.scanning.model import Scan
from assay.scanning.records import requests
from assay.scanning.risk import ScanState
from assay.storage import Store

SPARSE = ManifestLimits(takes_sparse=True)
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
A, B, C = {"a": 1}, {"b": 1}, {"c": 1}
CRITICAL, MEDIUM, NONE = (1, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0)


@pytest.fixture
def hub(store: Store, tmp_path: Path, clock: SetClock) -> Iterator[Hub]:
    """A tenancy with a published feed revision, and a repository with a scanner."""
    with LayerReaders(partial(keep_part, store), processes=1) as readers:
        hub = Hub.on(store, tmp_path / "blobs", readers, clock.advance)
        hub.world.publish(CLAIMS)
        hub.allow()
        hub.push(C, tag="first")
        hub.add_scanner()
        hub.deliver()
        yield hub


def config_of(*layers: Layer) -> bytes:
    diff_ids = [f"sha256:{hashlib.sha256(gzip.decompress(blob_of(each))).hexdigest()}" for each in layers]
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


def image_of(*layers: Layer) -> bytes:
    return manifest_of(config_of(*layers), [blob_of(each) for each in layers])


def put(hub: Hub, content: bytes, tag: str = "", limits: ManifestLimits = SPARSE) -> str:
    return hub.room.put(content, tag or Digest.of(content), REPOSITORY, hub.actor, limits=limits).image


def came(hub: Hub, *blobs: bytes) -> int:
    """Push blobs, and let the scanning room hear of it; how many images were scanned."""
    for blob in blobs:
        hub.room.push_blob(blob, REPOSITORY, hub.actor)
    hub.tick(1_000)
    return hub.deliver()


def last(hub: Hub, image: str) -> Scan:
    hub.tick(1_000)
    return hub.scans(image)[-1]


def short(blob: bytes) -> str:
    return Digest.of(blob).encoded[:12]


def test_an_image_that_lacks_a_layer_is_partly_scanned_until_it_comes(hub: Hub) -> None:
    image = put(hub, image_of(A, C), "v1")
    came(hub, config_of(A, C), blob_of(C))
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector, scan.risk_level) == (ScanState.PARTIAL, NONE, None)
    assert scan.reason.startswith(f"layer 1 ({short(blob_of(A))}): its blob isn't stored here")
    assert came(hub, blob_of(A)) == 1
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector, scan.reason) == (ScanState.COMPLETE, CRITICAL, "")


def test_an_image_that_lacks_its_configuration_is_partly_scanned_until_it_comes(hub: Hub) -> None:
    image = put(hub, manifest_of(config_of(A), [blob_of(A)]), "v1")
    assert came(hub, blob_of(A)) == 1
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector, scan.risk_level) == (ScanState.PARTIAL, CRITICAL, None)
    assert scan.reason == f"the image configuration {Digest.of(config_of(A))} isn't in the repository"
    assert came(hub, config_of(A)) == 1
    assert (last(hub, image).state, last(hub, image).reason) == (ScanState.COMPLETE, "")


def test_an_index_is_scanned_for_the_platforms_that_are_here(hub: Hub) -> None:
    index = index_of((image_of(A), "amd64"), (image_of(B), "arm64"))
    image = put(hub, index, "v1")
    hub.deliver()
    scan = last(hub, image)
    assert (scan.state, scan.risk_level) == (ScanState.FAILED, None)
    assert list(scan.reasons) == [
        f"linux/amd64: the manifest {Digest.of(image_of(A))} isn't in the repository",
        f"linux/arm64: the manifest {Digest.of(image_of(B))} isn't in the repository",
    ]
    came(hub, config_of(A), blob_of(A), config_of(B), blob_of(B))
    put(hub, image_of(B))
    assert hub.deliver() == 1
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector, scan.risk_level) == (ScanState.PARTIAL, MEDIUM, None)
    assert scan.reason == f"linux/amd64: the manifest {Digest.of(image_of(A))} isn't in the repository"
    put(hub, image_of(A))
    assert hub.deliver() == 1
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector, scan.reason) == (ScanState.COMPLETE, (1, 0, 1, 0, 0), "")


def test_a_platform_that_brings_nothing_new_is_missed_no_more(hub: Hub) -> None:
    same = manifest_of(config_of(C), [blob_of(C)], annotations={"for": "another"})
    image = put(hub, index_of((image_of(C), "amd64"), (same, "arm64"), (b"absent", "s390x")), "v1")
    hub.deliver()
    assert len(last(hub, image).reasons) == 2
    put(hub, same)
    hub.deliver()
    assert last(hub, image).reason == f"linux/s390x: the manifest {Digest.of(b'absent')} isn't in the repository"
    assert last(hub, image).state is ScanState.PARTIAL


def test_a_platform_that_is_not_what_its_index_says_is_not_read_for_it(hub: Hub) -> None:
    document = json.loads(index_of((image_of(A), "amd64"), (image_of(C), "arm64")))
    document["manifests"][0]["size"] += 1
    image = put(hub, json.dumps(document).encode(), "v1")
    came(hub, config_of(A), blob_of(A))
    put(hub, image_of(A))
    hub.deliver()
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector) == (ScanState.PARTIAL, NONE)
    assert scan.reason.startswith(f"linux/amd64: the manifest {Digest.of(image_of(A))} hasn't the size")


@pytest.mark.parametrize("media_type", [OCI_LAYER, FOREIGN])
def test_a_layer_that_only_another_tenancy_has_tells_nothing(hub: Hub, media_type: str) -> None:
    made = first_start.create_tenancy(hub.store, "others")
    theirs = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), made.tenancy.ocid)
    hub.room.push_blob(blob_of(A), "their/app", theirs)
    document = json.loads(image_of(A))
    document["layers"] = [descriptor(blob_of(A), media_type)]
    hub.room.push_blob(config_of(A), REPOSITORY, hub.actor)
    limits = ManifestLimits(takes_sparse=media_type == OCI_LAYER)
    image = put(hub, json.dumps(document).encode(), "v1", limits)
    hub.deliver()
    scan = last(hub, image)
    assert (scan.state, scan.counts.vector) == (ScanState.PARTIAL, NONE)
    assert came(hub, blob_of(A)) == 1
    assert (last(hub, image).state, last(hub, image).counts.vector) == (ScanState.COMPLETE, CRITICAL)


def test_what_comes_while_an_image_is_scanned_has_it_scanned_again(hub: Hub, store: Store) -> None:
    image = put(hub, image_of(A), "v1")
    waiting_facts(hub)
    with store.database.read() as connection:
        [begun] = requests.waiting(connection, limit=10)
    hub.room.push_blob(blob_of(A), REPOSITORY, hub.actor)
    [fact] = hub.room.facts(PartArrived)
    waiting.image_came(store, fact)
    push.record(store, begun, unreadable("as it was before"))
    with store.database.read() as connection:
        [still] = requests.waiting(connection, limit=10)
    assert (still.image, still.time_created > begun.time_created) == (image, True)
    assert hub.scan_waiting() == 1
    assert hub.scan_waiting() == 0
    assert last(hub, image).counts.vector == CRITICAL


def waiting_facts(hub: Hub) -> None:
    """Let the scanning room hear of everything, and scan nothing yet."""
    for fact in hub.room.facts()[hub.heard :]:
        hub._hear(fact)
        hub.heard += 1


def test_an_index_is_signed_and_trusted_only_with_all_its_platforms(store: Store, tmp_path: Path) -> None:
    desk = Desk.on(store, tmp_path / "blobs")
    key, absent = desk.key(), image_of(A)
    here = desk.room.push_image(seed="amd64", actor=desk.actor, settle_microseconds=10**9)[1]
    index = index_of((here, "amd64"), (absent, "arm64"))
    image = desk.room.put(index, "v1", REPOSITORY, desk.actor, limits=SPARSE).image
    with pytest.raises(Refused, match=str(Digest.of(absent))):
        desk.sign(image, key)
    trust = desk.trust(Digest.of(index), key)
    assert (trust.is_trusted, str(Digest.of(absent)) in trust.because) == (False, True)
    assert outcomes(desk, image) == []
    # What a platform holds is not signed, its digest is: that it lacks its blobs changes nothing.
    desk.room.put(absent, Digest.of(absent), REPOSITORY, desk.actor, limits=SPARSE)
    desk.sign(image, key)
    assert desk.trust(Digest.of(index), key).is_trusted
