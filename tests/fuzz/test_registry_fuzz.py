"""Seeded fuzzing of what the registry parses: manifests, references, ranges, paths, credentials. A refusal or a value,
never anything else; and the seeds that once found something stay."""

import json
import random
import string
from collections.abc import Callable
from typing import Any

import pytest

from assay.errors import Reason, Refused
from assay.http import distribution
from assay.http.credentials import basic
from assay.http.ranges import Span, chunk_start, requested_span
from assay.oci import Digest
from assay.registry.manifests import CHILDREN_MAX, LAYERS_MAX, Manifest, read_manifest
from assay.registry.model import tag_or_digest

MANIFEST_REASONS = {Reason.MANIFEST_INVALID, Reason.DIGEST_INVALID, Reason.MEDIA_TYPE, Reason.TOO_LARGE}
TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "",
)
DESCRIPTOR = {
    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
    "digest": Digest.of(b"").text,
    "size": 0,
    "annotations": {"a": "b"},
    "platform": {"os": "linux", "architecture": "amd64"},
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": TYPES[0],
    "config": {**DESCRIPTOR, "mediaType": "application/vnd.oci.image.config.v1+json"},
    "layers": [DESCRIPTOR, DESCRIPTOR],
    "subject": DESCRIPTOR,
    "artifactType": "application/x",
    "annotations": {"c": "d"},
}
INDEX = {"schemaVersion": 2, "mediaType": TYPES[1], "manifests": [DESCRIPTOR, DESCRIPTOR], "subject": DESCRIPTOR}
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2, 2**63, 1e308, "", "\x00", "é" * 10, "sha256:", "../..", [], {}, [[]], {"": ""},
    [DESCRIPTOR] * 3, DESCRIPTOR, MANIFEST, "a" * 5000,
)  # fmt: skip


def mutated(document: Any, source: random.Random) -> Any:
    """The document with something in it replaced, removed or added, at random."""
    if not isinstance(document, dict | list) or not document or source.random() < 0.15:
        return source.choice(VALUES)
    if isinstance(document, list):
        place = source.randrange(len(document))
        return [*document[:place], mutated(document[place], source), *document[place + source.randint(0, 1) :]]
    key = source.choice(sorted(document))
    changed = {**document, key: mutated(document[key], source)}
    if source.random() < 0.2:
        del changed[key]
    if source.random() < 0.2:
        changed[source.choice(("layers", "manifests", "config", "mediaType", "schemaVersion"))] = source.choice(VALUES)
    return changed


def scrambled(content: bytes, source: random.Random) -> bytes:
    """The bytes with a few of them changed, removed or doubled."""
    pieces = bytearray(content)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(pieces))
        action = source.randrange(4)
        if action == 0:
            pieces[place] = source.randrange(256)
        elif action == 1:
            del pieces[place : place + source.randint(1, 30)]
        elif action == 2:
            pieces[place:place] = pieces[: source.randint(0, 60)]
        else:
            pieces[place:place] = source.choice((b'"', b"[", b"{", b"\\u0000", b"1" * 300, b",", b"\xff"))
        if not pieces:
            break
    return bytes(pieces)


def value_or_reason(parse: Callable[[], Any]) -> Any:
    try:
        return parse()
    except Refused as refusal:
        return refusal.reason


@pytest.mark.parametrize("seed", range(20))
def test_manifests_are_read_or_refused(seed: int) -> None:
    source = random.Random(seed)
    read = 0
    for _ in range(250):
        document: Any = source.choice((MANIFEST, INDEX))
        for _ in range(source.randint(0, 3)):
            document = mutated(document, source)
        content = json.dumps(document).encode()
        if source.random() < 0.4:
            content = scrambled(content, source)
        found = value_or_reason(lambda content=content: read_manifest(content, source.choice(TYPES)))
        if isinstance(found, Manifest):
            read += 1
            assert len(found.layers) <= LAYERS_MAX
            assert len(found.children) <= CHILDREN_MAX
            assert not (found.layers and found.children)
            assert found.kind
            assert {blob.digest for blob in found.blobs} <= {
                each.digest for each in (*found.layers, found.config) if each is not None
            }
        else:
            assert found in MANIFEST_REASONS
    assert read > 10


SIGNS = string.ascii_lowercase + string.digits + "/:@._-%=&, \x00\n\\\"'é[]{}" + "sha256:"


def noise(source: random.Random, length_max: int = 80) -> str:
    return "".join(source.choice(SIGNS) for _ in range(source.randint(0, length_max)))


@pytest.mark.parametrize("seed", range(5))
def test_references_are_read_or_refused(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(2000):
        text = source.choice((noise(source), f"sha256:{noise(source)}", "sha256:" + "0" * source.randint(60, 66)))
        found = value_or_reason(lambda text=text: tag_or_digest(text))
        if isinstance(found, Digest):
            assert found.text == text
            assert len(found.encoded) in (64, 128)
        elif isinstance(found, Reason):
            assert found in (Reason.DIGEST_INVALID, Reason.MANIFEST_INVALID)
        else:
            assert found == text
            assert text.replace("_", "").replace("-", "").replace(".", "").isalnum() or set(text) <= set("_-.")


@pytest.mark.parametrize("seed", range(5))
def test_ranges_lie_within_the_size_or_are_refused(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(2000):
        numbers = [str(source.choice((0, 1, 5, 9, 10, 11, 10**18, source.randrange(20)))) for _ in range(2)]
        text = source.choice((noise(source, 20), "-".join(numbers), f"bytes={numbers[0]}-", f"bytes=-{numbers[1]}"))
        size = source.randrange(20)
        span = value_or_reason(lambda text=text, size=size: requested_span(text, size))
        if isinstance(span, Span):
            assert 0 <= span.offset <= span.last < size
        else:
            assert span in (None, Reason.RANGE_INVALID)
        start = value_or_reason(lambda text=text, size=size: chunk_start(text, size))
        assert start in (Reason.RANGE_INVALID, Reason.SIZE_INVALID) or (isinstance(start, int) and start >= 0)


@pytest.mark.parametrize("seed", range(5))
def test_paths_name_an_operation_or_are_refused(seed: int) -> None:
    source = random.Random(seed)
    words = ("manifests", "blobs", "uploads", "tags", "list", "referrers", "..", "a", "team", "v1", "sha256:0", "")
    for _ in range(2000):
        path = "/".join(source.choice((*words, noise(source, 10))) for _ in range(source.randint(1, 7)))
        method = source.choice(("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "BREW"))
        found = value_or_reason(lambda path=path, method=method: distribution._find(method, path))
        if isinstance(found, Reason):
            assert found in (Reason.NAME_INVALID, Reason.METHOD)
        else:
            _, name, what = found
            assert path.startswith(name)
            assert all("/" not in each for each in what)


def test_basic_credentials_are_read_or_refused() -> None:
    source = random.Random(1)
    for _ in range(2000):
        header = source.choice((noise(source), f"Basic {noise(source)}", "Basic YTpi", "basic Og=="))
        found = value_or_reason(lambda header=header: basic(header))
        assert found is Reason.NOT_AUTHENTICATED or isinstance(found, tuple)
