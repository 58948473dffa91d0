"""The catalog's verbs on both databases: each layer is read once, and what can't be read is said."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from inventory_layers import END, debian, dpkg_record, file, hard_link, metadata, python_package, read_blob, symlink
from sqlalchemy import insert, select, update

from assay.inventory import Component, Composition, LayerReaders, catalog, records
from assay.inventory.part import FORMAT_VERSION, LayerPart
from assay.oci import Descriptor, Digest, MediaType
from assay.registry.uploads import UploadFollower
from assay.storage import BlobStore, FolderBlobs, Store

BASE = gzip.compress(debian(dpkg_record("tzdata", "1")) + END, mtime=0)
APP = gzip.compress(python_package("opt", "six", "1.16.0") + END, mtime=0)
TZDATA = Component("Debian:12", "tzdata", "1", "amd64")
SIX = Component("PyPI", "six", "1.16.0")


class Counting:
    """A blob store that notes what is opened, and hands streams out in place of files if it is far away."""

    def __init__(self, folder: Path, *, is_far: bool = False) -> None:
        self._blobs = FolderBlobs(folder)
        self._is_far = is_far
        self.opened: list[Digest] = []
        self.staged_path = self._blobs.staged_path
        self.begin, self.resume = self._blobs.begin, self._blobs.resume

    def put(self, *contents: bytes) -> list[Descriptor]:
        for content in contents:
            self._blobs.put(Digest.of(content), content)
        return [described(content) for content in contents]

    @contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        self.opened.append(digest)
        with self._blobs.open(digest) as blob:
            yield io.BytesIO(blob.read()) if self._is_far else blob


def described(content: bytes, media_type: str = MediaType.OCI_LAYER_GZIP, **members: object) -> Descriptor:
    return replace(Descriptor(media_type, Digest.of(content), len(content)), **members)


@pytest.fixture
def blobs(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "blobs")


@pytest.fixture
def readers(store: Store) -> Iterator[LayerReaders]:
    with LayerReaders(partial(catalog.keep_part, store), processes=1) as readers:
        yield readers


def image(
    store: Store, blobs: Counting, readers: LayerReaders, layers: list[Descriptor], **more: object
) -> Composition:
    return catalog.compose_image(store, blobs, readers, layers, **more)


def test_a_layer_is_read_once_whatever_image_it_is_in(store: Store, blobs: Counting, readers: LayerReaders) -> None:
    base, app = blobs.put(BASE, APP)
    first = image(store, blobs, readers, [base, app])
    assert first.components == {TZDATA, SIX}
    assert first.complete
    assert blobs.opened == [base.digest, app.digest]
    assert image(store, blobs, readers, [base, app]) == first
    assert image(store, blobs, readers, [base]).components == {TZDATA}
    assert blobs.opened == [base.digest, app.digest]
    assert catalog.part_of(store, blobs, readers, base.digest) == read_blob(BASE)


def test_a_far_blob_is_read_like_a_near_one(store: Store, readers: LayerReaders, tmp_path: Path) -> None:
    blobs = Counting(tmp_path / "far", is_far=True)
    assert image(store, blobs, readers, blobs.put(BASE, APP)).components == {TZDATA, SIX}


def test_a_followed_upload_is_known_before_anyone_asks(store: Store, blobs: Counting, readers: LayerReaders) -> None:
    follower: UploadFollower = readers
    blobs.begin("upload")
    follower.begun("upload", blobs.staged_path("upload"))
    staging = blobs.resume("upload", 0)
    for start in range(0, len(APP), 100):
        follower.grown("upload", staging.append(APP[start : start + 100]))
    staging.publish(Digest.of(APP))
    staging.release()
    follower.published("upload", Digest.of(APP), len(APP))
    assert catalog.part_of(store, blobs, readers, Digest.of(APP)) == read_blob(APP)
    assert blobs.opened == []


def row(store: Store, digest: Digest) -> object:
    with store.database.read() as connection:
        return connection.execute(select(records.layer_part).where(records.layer_part.c.digest == digest.text)).one()


def test_a_stored_part_says_whether_it_is_complete_and_when_it_was_made(
    store: Store, blobs: Counting, readers: LayerReaders
) -> None:
    sound, cut = blobs.put(APP, APP[:-20])
    image(store, blobs, readers, [sound, cut])
    assert (row(store, sound.digest).complete, row(store, sound.digest).reason) == (True, "")
    assert (row(store, cut.digest).complete, row(store, cut.digest).reason) == (False, "Its gzip stream ends early.")
    assert row(store, cut.digest).time_created == store.clock.now()


def test_a_part_of_another_format_or_a_damaged_one_is_made_anew(
    store: Store, blobs: Counting, readers: LayerReaders
) -> None:
    (app,) = blobs.put(APP)
    values = {"body": b"of another format", "complete": True, "reason": "", "time_created": 0}
    with store.database.write() as connection:
        connection.execute(
            insert(records.layer_part).values(digest=app.digest.text, format_version=FORMAT_VERSION - 1, **values)
        )
    assert image(store, blobs, readers, [app]).components == {SIX}
    assert row(store, app.digest).format_version == FORMAT_VERSION
    with store.database.write() as connection:
        connection.execute(update(records.layer_part).values(body=b"damaged"))
    assert image(store, blobs, readers, [app]).components == {SIX}
    assert blobs.opened == [app.digest] * 2


@pytest.mark.parametrize(
    "media_type",
    [
        MediaType.OCI_LAYER, MediaType.OCI_LAYER_GZIP, MediaType.OCI_LAYER_ZSTD, MediaType.DOCKER_LAYER,
        MediaType.DOCKER_FOREIGN_LAYER, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)  # fmt: skip
def test_layers_of_every_known_type_are_read_by_their_bytes(
    store: Store, blobs: Counting, readers: LayerReaders, media_type: str
) -> None:
    blobs.put(APP)
    assert image(store, blobs, readers, [described(APP, media_type)]).components == {SIX}


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.in-toto+json", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "text/plain"],
)
def test_a_layer_of_another_type_is_named_and_not_read(
    store: Store, blobs: Counting, readers: LayerReaders, media_type: str
) -> None:
    base, _ = blobs.put(BASE, APP)
    composition = image(store, blobs, readers, [base, described(APP, media_type)])
    assert composition.components == {TZDATA}
    assert composition.reasons == (f"layer 2 ({Digest.of(APP).encoded[:12]}): layers of type {media_type} aren't read",)


def test_a_missing_blob_is_named_and_the_rest_is_read(store: Store, blobs: Counting, readers: LayerReaders) -> None:
    (base,) = blobs.put(BASE)
    gone = described(b"never stored", MediaType.DOCKER_FOREIGN_LAYER)
    composition = image(store, blobs, readers, [gone, base])
    assert composition.components == {TZDATA}
    assert composition.reasons == (
        f"layer 1 ({gone.digest.encoded[:12]}): its blob isn't stored here; addresses elsewhere aren't followed",
    )


def test_bytes_that_lie_about_their_digest_are_named_and_never_kept(
    store: Store, blobs: Counting, readers: LayerReaders
) -> None:
    layer = described(b"another thing")
    blobs._blobs.put(layer.digest, APP)
    for _ in range(2):
        composition = image(store, blobs, readers, [replace(layer, size=len(APP))])
        assert composition.components == frozenset()
        assert any(f"have the digest {Digest.of(APP)}" in reason for reason in composition.reasons)
    assert len(blobs.opened) == 2


@pytest.mark.parametrize("more", [-1, 1])
def test_a_size_that_is_not_the_manifests_is_said(
    store: Store, blobs: Counting, readers: LayerReaders, more: int
) -> None:
    blobs.put(APP)
    composition = image(store, blobs, readers, [described(APP, size=len(APP) + more)])
    assert composition.components == {SIX}
    assert f"it has {len(APP)} bytes, the manifest says {len(APP) + more}" in composition.reasons[0]


def test_what_layers_unpack_to_is_compared_with_the_configuration(
    store: Store, blobs: Counting, readers: LayerReaders
) -> None:
    layers = blobs.put(BASE, APP)
    right = [Digest.of(gzip.decompress(BASE)), Digest.of(gzip.decompress(APP))]
    assert image(store, blobs, readers, layers, diff_ids=right).complete
    wrong = image(store, blobs, readers, layers, diff_ids=[right[0], right[0]])
    assert wrong.reasons == (
        f"layer 2 ({layers[1].digest.encoded[:12]}): it unpacks to {right[1]}, the configuration says {right[0]}",
    )
    few = image(store, blobs, readers, layers, diff_ids=right[:1])
    assert few.reasons == ("the configuration has 1 layers, the manifest 2",)


def test_an_image_of_too_many_layers_is_not_read(store: Store, blobs: Counting, readers: LayerReaders) -> None:
    (app,) = blobs.put(APP)
    composition = image(store, blobs, readers, [app] * (catalog.LAYERS_MAX + 1))
    assert not composition.complete
    assert blobs.opened == []
    same = image(store, blobs, readers, [app] * 3)
    assert same.components == {SIX}
    assert blobs.opened == [app.digest]


def test_an_image_of_no_layers_is_empty(store: Store, blobs: Counting, readers: LayerReaders) -> None:
    assert image(store, blobs, readers, []) == Composition("", "", frozenset(), (), (), ())


@pytest.mark.parametrize(
    "layers",
    [
        [file("src", metadata("six", "1.16.0")) + hard_link("opt/six-1.16.0.dist-info/METADATA", "src")],
        [file("src", metadata("six", "1.16.0")), symlink("opt/six-1.16.0.dist-info/METADATA", "/src")],
    ],
)
def test_what_a_link_leads_to_is_read_once_more_and_then_known(
    store: Store, blobs: Counting, readers: LayerReaders, layers: list[bytes]
) -> None:
    stack = blobs.put(*(gzip.compress(layer + END, mtime=0) for layer in layers))
    for _ in range(2):
        composition = image(store, blobs, readers, stack)
        assert composition.components == {SIX}
        assert composition.complete
        assert len(blobs.opened) == len(stack) + 1


def test_a_layer_that_cannot_be_read_a_second_time_keeps_what_it_said_at_first(
    store: Store, blobs: Counting, readers: LayerReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = hard_link("opt/six-1.16.0.dist-info/METADATA", "src")
    layer = file("src", metadata("six", "1.16.0")) + link + python_package("opt", "attrs", "20")
    stack = blobs.put(gzip.compress(layer + END, mtime=0))
    catalog.part_of(store, blobs, readers, stack[0].digest)
    readers.close()
    composition = image(store, blobs, readers, stack)
    assert composition.components == {Component("PyPI", "attrs", "20")}
    assert any("not read: the server is shutting down" in reason for reason in composition.reasons)


def test_the_folder_of_blobs_serves_the_readers(store: Store, readers: LayerReaders, tmp_path: Path) -> None:
    folder: BlobStore = FolderBlobs(tmp_path / "folder")
    folder.put(Digest.of(APP), APP)
    part: LayerPart = catalog.part_of(store, folder, readers, Digest.of(APP))
    assert part == read_blob(APP)
