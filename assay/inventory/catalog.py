"""Verbs: the part of a layer, and the composition of an image. Each layer is read once, whoever asks first."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from assay.errors import Refused
from assay.inventory import records
from assay.inventory.compose import Composition, compose
from assay.inventory.gather import Gathering
from assay.inventory.part import LayerPart, Problem, unread
from assay.inventory.readers import LayerReaders
from assay.oci import Descriptor, Digest
from assay.storage import BlobStore, Store

#: Layers of one image; runtimes stop at 127 or so.
LAYERS_MAX = 500
#: Paths of all layers of an image together; each takes 8 bytes while it is composed.
IMAGE_PATHS_MAX = 16_000_000
#: Times that files are looked for because a link leads to them; each may be a link again.
LINK_ROUNDS_MAX = 8

#: image-spec, "layer" (also the deprecated non-distributable ones), and Docker's image manifest version 2, schema 2.
_LAYER_TYPE = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?"
    r"|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar(?:\.gzip|\.zstd)?)"
)


def keep_part(store: Store, part: LayerPart) -> None:
    """Store a part that a reader made of a published blob. Unavailable: the database can't."""
    with store.database.write() as connection:
        records.put_part(connection, part, store.clock.now())


def forget_part(store: Store, digest: Digest) -> None:
    """Drop what was read of a blob that is gone. Should it be pushed again, it is read again. Unavailable: as above."""
    with store.database.write() as connection:
        records.forget(connection, digest)


def part_of(store: Store, blobs: BlobStore, readers: LayerReaders, digest: Digest) -> LayerPart:
    """What the layer stored under `digest` says: as known, or else read now.

    A layer that can't be read gives a part that says so; Unavailable: the database or the blob store fails.
    """
    part = _known(store, digest)
    if part is None:
        readers.settle(digest)
        part = _known(store, digest)
    return part if part is not None else _read(store, blobs, readers, digest, {})


def compose_image(
    store: Store,
    blobs: BlobStore,
    readers: LayerReaders,
    layers: Sequence[Descriptor],
    *,
    diff_ids: Sequence[Digest] | None = None,
    absent: Collection[Digest] = (),
) -> Composition:
    """What is in the image with these layers, bottom first, one platform's.

    `diff_ids` are what the image's configuration says the layers unpack to, if it was read. `absent` are layers that
    the image's repository doesn't have: nothing is said of them, whoever else has them. They, and layers that aren't
    stored, have a type that isn't read, or aren't what the manifest or configuration says, leave the composition
    incomplete.
    Unavailable: the database or the blob store fails.
    """
    if len(layers) > LAYERS_MAX:
        reason = f"an image of more than {LAYERS_MAX} layers isn't read"
        return Composition("", "", frozenset(), (), (), (reason,))
    parts: list[LayerPart] = []
    paths = 0
    for layer in layers:
        is_absent = layer.digest in absent
        part = _absent(layer.digest, layer.size) if is_absent else _layer(store, blobs, readers, layer)
        paths += len(part.written) // 8
        parts.append(part if paths <= IMAGE_PATHS_MAX else unread(layer.digest, layer.size, "too many paths in all"))
    for _ in range(LINK_ROUNDS_MAX):
        asked = Gathering(parts).asked
        for at, names in asked.items():
            parts[at] = _read_more(store, blobs, readers, parts[at], names)
        if not asked:
            break
    composition = compose(_checked(parts, layers, diff_ids))
    if diff_ids is not None and len(diff_ids) != len(layers):
        count = f"the configuration has {len(diff_ids)} layers, the manifest {len(layers)}"
        composition = replace(composition, reasons=(*composition.reasons, count))
    return composition


def _layer(store: Store, blobs: BlobStore, readers: LayerReaders, layer: Descriptor) -> LayerPart:
    if not _LAYER_TYPE.fullmatch(layer.media_type):
        return unread(layer.digest, layer.size, f"layers of type {layer.media_type} aren't read")
    return part_of(store, blobs, readers, layer.digest)


def _absent(digest: Digest, size: int) -> LayerPart:
    return unread(digest, size, "its blob isn't stored here; addresses elsewhere aren't followed")


def _known(store: Store, digest: Digest) -> LayerPart | None:
    with store.database.read() as connection:
        return records.find_part(connection, digest)


def _read(store: Store, blobs: BlobStore, readers: LayerReaders, digest: Digest, asked: Mapping[str, str]) -> LayerPart:
    try:
        with blobs.open(digest) as blob:
            part = readers.read(blob, digest, asked=asked)
    except Refused:
        return _absent(digest, 0)
    if part.is_read:
        keep_part(store, part)
    return part


def _read_more(
    store: Store, blobs: BlobStore, readers: LayerReaders, part: LayerPart, asked: Mapping[str, str]
) -> LayerPart:
    """The part with files that links lead to; with a problem where the layer can't be read a second time."""
    asked = {**dict(part.asked), **asked}
    again = _read(store, blobs, readers, part.digest, asked)
    if again.is_read:
        return again
    return replace(part, asked=tuple(sorted(asked.items())), problems=part.problems + again.problems)


def _checked(
    parts: Sequence[LayerPart], layers: Sequence[Descriptor], diff_ids: Sequence[Digest] | None
) -> list[LayerPart]:
    """The parts, each with what doesn't agree with the manifest or the configuration as a problem of its own."""
    checked = []
    for at, (part, layer) in enumerate(zip(parts, layers, strict=True)):
        faults = []
        if part.is_read and part.size != layer.size:
            faults.append(f"it has {part.size:,} bytes, the manifest says {layer.size:,}")
        if diff_ids is not None and at < len(diff_ids) and part.diff_id not in (None, diff_ids[at]):
            faults.append(f"it unpacks to {part.diff_id}, the configuration says {diff_ids[at]}")
        checked.append(replace(part, problems=part.problems + tuple(Problem("", fault) for fault in faults)))
    return checked
