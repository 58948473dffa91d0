"""Reading manifests: what is taken, what is refused, and what counts as an image."""

import json
from typing import Any

import pytest

from assay.errors import Reason, Refused
from assay.oci import Digest
from assay.registry.manifests import (
    CHILDREN_MAX,
    LAYERS_MAX,
    MANIFEST_BYTES_MAX,
    REFERRER_ANNOTATIONS_MAX,
    STORED,
    VALUES_MAX,
    ManifestKind,
    ManifestLimits,
    is_companion_tag,
    only_adds_layers,
    read_manifest,
)
from assay.settings import Settings
from assay.settings import read as read_settings

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IN_TOTO = "application/vnd.in-toto+json"


def descriptor(seed: str, media_type: str, size: int = 3, **members: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(seed.encode()).text, "size": size, **members}


def image(**members: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("config", OCI_CONFIG),
        "layers": [descriptor("layer", OCI_LAYER)],
        **members,
    }


def index(*children: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children), **members}


def read(document: object, content_type: str = "") -> Any:
    return read_manifest(json.dumps(document).encode(), content_type)


def reason_for(content: bytes, content_type: str = OCI_MANIFEST) -> Reason:
    with pytest.raises(Refused) as refusal:
        read_manifest(content, content_type)
    return refusal.value.reason


def test_an_oci_manifest_with_runnable_layers_is_an_image() -> None:
    manifest = read(image())
    assert manifest.kind is ManifestKind.IMAGE
    assert [layer.digest for layer in manifest.layers] == [Digest.of(b"layer")]
    assert manifest.artifact_type == OCI_CONFIG


def test_a_docker_schema_2_manifest_is_an_image() -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor("config", DOCKER_CONFIG),
        "layers": [descriptor("layer", "application/vnd.docker.image.rootfs.diff.tar.gzip")],
    }
    assert read(document, DOCKER_MANIFEST).kind is ManifestKind.IMAGE


def test_a_manifest_without_media_type_is_what_the_content_type_says() -> None:
    document = image()
    del document["mediaType"]
    assert read(document, f"{OCI_MANIFEST}; charset=utf-8").media_type == OCI_MANIFEST


def layered(*media_types: str, **members: Any) -> dict[str, Any]:
    return image(layers=[descriptor(str(at), media_type) for at, media_type in enumerate(media_types)], **members)


COSIGN_SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACTS: dict[str, dict[str, Any]] = {
    # cosign's own are sent with an image's config: SIGNATURE_SPEC.md, and `cosign attest`, `cosign attach sbom`.
    "cosign signature": layered(COSIGN_SIGNATURE, COSIGN_SIGNATURE),
    "cosign attestation": layered("application/vnd.dsse.envelope.v1+json"),
    "cosign SPDX": layered("text/spdx+json"),
    "cosign SPDX, tag and value": layered("text/spdx"),
    "cosign CycloneDX": layered("application/vnd.cyclonedx+xml"),
    "cosign Syft": layered("application/vnd.syft+json"),
    "BuildKit attestations": layered(IN_TOTO, IN_TOTO),
    "signature and attestation": layered(COSIGN_SIGNATURE, IN_TOTO),
    "no layers and an artifact type": layered(artifactType="application/vnd.example.thing"),
    "artifact type": layered(OCI_LAYER, artifactType="application/vnd.example.thing"),
    "artifact type with an unknown layer": layered("application/x", artifactType="application/vnd.example.thing"),
    "empty config": layered(OCI_LAYER, config=descriptor("{}", "application/vnd.oci.empty.v1+json")),
    "helm chart": layered(
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        config=descriptor("chart", "application/vnd.cncf.helm.config.v1+json"),
    ),
    "wasm module": layered(
        "application/vnd.wasm.content.layer.v1+wasm",
        config=descriptor("wasm", "application/vnd.wasm.config.v1+json"),
    ),
}
IMAGES: dict[str, dict[str, Any]] = {
    "a layer of an unknown type": layered("application/vnd.example.layer.v9.squashfs"),
    "an unknown compression": layered("application/vnd.oci.image.layer.v1.tar+lz4"),
    "a known layer and an unknown one": layered(OCI_LAYER, "application/octet-stream"),
    "a signature beside an unknown layer": layered(COSIGN_SIGNATURE, "application/octet-stream"),
    "a signature beside a known layer": layered(COSIGN_SIGNATURE, OCI_LAYER),
    "a known type in capitals": layered(OCI_LAYER.upper()),
    "a type that begins like a statement's": layered(f"{IN_TOTO}.tar"),
    "Docker's config and an unknown layer": layered(
        "application/vnd.docker.image.rootfs.diff.tar.xz", config=descriptor("config", DOCKER_CONFIG)
    ),
    "its own config's type as artifact type": layered("application/octet-stream", artifactType=OCI_CONFIG),
    "an encrypted layer": layered(f"{OCI_LAYER}+encrypted"),
    # distribution-spec, "Pushing Manifests": "the list of blobs MAY be empty". It runs nothing, but is nothing else.
    "no layers": layered(),
}


@pytest.mark.parametrize("document", ARTIFACTS.values(), ids=ARTIFACTS.keys())
def test_what_tells_something_or_says_that_it_is_something_else_is_an_artifact(document: dict[str, Any]) -> None:
    assert read(document).kind is ManifestKind.ARTIFACT


@pytest.mark.parametrize("document", IMAGES.values(), ids=IMAGES.keys())
def test_what_has_an_images_config_and_a_layer_that_may_hold_anything_is_an_image(document: dict[str, Any]) -> None:
    assert read(document).kind is ManifestKind.IMAGE


def test_whatever_has_a_subject_is_a_referrer() -> None:
    assert read(image(subject=descriptor("subject", OCI_MANIFEST))).kind is ManifestKind.REFERRER
    assert read(index(subject=descriptor("subject", OCI_MANIFEST))).kind is ManifestKind.REFERRER


def test_the_artifact_type_of_a_manifest_falls_back_to_its_config_and_that_of_an_index_to_nothing() -> None:
    # distribution-spec 1.1, "Listing Referrers".
    assert read(image(artifactType="application/x.sbom")).artifact_type == "application/x.sbom"
    assert read(image()).artifact_type == OCI_CONFIG
    assert read(index()).artifact_type == ""


def test_attestations_of_an_index_are_no_platforms_and_a_platform_named_twice_counts_once() -> None:
    amd64 = descriptor("amd64", OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"})
    by_annotation = descriptor("first", OCI_MANIFEST, annotations={"vnd.docker.reference.type": "attestation-manifest"})
    by_platform = descriptor("second", OCI_MANIFEST, platform={"os": "unknown", "architecture": "unknown"})
    manifest = read(index(amd64, by_annotation, by_platform, amd64))
    assert [str(child.platform) for child in manifest.platforms] == ["linux/amd64"]


def test_a_foreign_layer_need_not_be_in_the_repository() -> None:
    layers = [
        descriptor("foreign", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        descriptor("nondistributable", "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
        descriptor("own", OCI_LAYER),
    ]
    manifest = read(image(layers=layers))
    assert [blob.digest for blob in manifest.blobs] == [Digest.of(b"config"), Digest.of(b"own")]
    assert manifest.kind is ManifestKind.IMAGE


@pytest.mark.parametrize("media_type", ["v1+json", "v1+prettyjws"])
def test_schema_1_is_refused_by_name(media_type: str) -> None:
    with pytest.raises(Refused, match="schema 1") as refusal:
        read({"schemaVersion": 1, "fsLayers": []}, f"application/vnd.docker.distribution.manifest.{media_type}")
    assert refusal.value.reason is Reason.MANIFEST_INVALID


BAD: dict[str, tuple[bytes, Reason]] = {
    "empty": (b"", Reason.MANIFEST_INVALID),
    "number": (b"42", Reason.MANIFEST_INVALID),
    "null": (b"null", Reason.MANIFEST_INVALID),
    "cut": (json.dumps(image()).encode()[:-1], Reason.MANIFEST_INVALID),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(image()).encode(), Reason.MANIFEST_INVALID),
    "latin 1": (json.dumps(image()).encode()[:-1] + b',"x":"\xe9"}', Reason.MANIFEST_INVALID),
    "double member": (b'{"layers":[],' + json.dumps(image()).encode()[1:], Reason.MANIFEST_INVALID),
    "NaN": (json.dumps(image()).encode()[:-1] + b',"x":NaN}', Reason.MANIFEST_INVALID),
    "huge number": (json.dumps(image()).encode()[:-1] + b',"x":1' + b"0" * 100_000 + b"}", Reason.MANIFEST_INVALID),
    "deep": (json.dumps(image()).encode()[:-1] + b',"x":' + b"[" * 99 + b"]" * 99 + b"}", Reason.MANIFEST_INVALID),
    "too long": (json.dumps(image()).encode() + b" " * MANIFEST_BYTES_MAX, Reason.TOO_LARGE),
    "schema 3": (json.dumps(image(schemaVersion=3)).encode(), Reason.MANIFEST_INVALID),
    "schema true": (json.dumps(image(schemaVersion=True)).encode(), Reason.MANIFEST_INVALID),
    "no schema": (json.dumps({**image(), "schemaVersion": None}).encode(), Reason.MANIFEST_INVALID),
    "null layers": (json.dumps(image(layers=None)).encode(), Reason.MANIFEST_INVALID),
    "layers are a text": (json.dumps(image(layers="abc")).encode(), Reason.MANIFEST_INVALID),
    "no config": (json.dumps(image(config=None)).encode(), Reason.MANIFEST_INVALID),
    "layers and manifests": (json.dumps(image(manifests=[])).encode(), Reason.MANIFEST_INVALID),
    "index with layers": (json.dumps({**index(), "layers": []}).encode(), Reason.MANIFEST_INVALID),
    "other media type inside": (json.dumps(image(mediaType=OCI_INDEX)).encode(), Reason.MANIFEST_INVALID),
    "traversal": (
        json.dumps(image(layers=[{**descriptor("a", OCI_LAYER), "digest": "sha256:../../etc/passwd"}])).encode(),
        Reason.DIGEST_INVALID,
    ),
    "unknown algorithm": (
        json.dumps(image(layers=[{**descriptor("a", OCI_LAYER), "digest": "md5:" + "0" * 32}])).encode(),
        Reason.DIGEST_INVALID,
    ),
    "float size": (json.dumps(image(layers=[descriptor("a", OCI_LAYER, 1e3)])).encode(), Reason.MANIFEST_INVALID),
    "negative size": (json.dumps(image(layers=[descriptor("a", OCI_LAYER, -1)])).encode(), Reason.MANIFEST_INVALID),
    "size of 2^63": (json.dumps(image(layers=[descriptor("a", OCI_LAYER, 2**63)])).encode(), Reason.MANIFEST_INVALID),
    "subject of negative size": (
        json.dumps(image(subject=descriptor("a", OCI_MANIFEST, -1))).encode(),
        Reason.MANIFEST_INVALID,
    ),
    "artifact type is none": (json.dumps(image(artifactType="a\x00b")).encode(), Reason.MANIFEST_INVALID),
    "referrer with annotations beyond the limit": (
        json.dumps(
            image(subject=descriptor("a", OCI_MANIFEST), annotations={"a": "x" * REFERRER_ANNOTATIONS_MAX})
        ).encode(),
        Reason.MANIFEST_INVALID,
    ),
    "annotation is a number": (json.dumps(image(annotations={"a": 1})).encode(), Reason.MANIFEST_INVALID),
    "media type is a number": (json.dumps(image(mediaType=1)).encode(), Reason.MANIFEST_INVALID),
    "too many layers": (
        json.dumps(image(layers=[descriptor("a", OCI_LAYER)] * (LAYERS_MAX + 1))).encode(),
        Reason.TOO_LARGE,
    ),
}


@pytest.mark.parametrize(("content", "reason"), BAD.values(), ids=BAD.keys())
def test_a_wrong_or_ambiguous_manifest_is_refused_for_its_reason(content: bytes, reason: Reason) -> None:
    document_type = OCI_INDEX if b'"manifests"' in content and b'"config"' not in content else OCI_MANIFEST
    assert reason_for(content, document_type) is reason


def test_an_index_wider_than_the_limit_is_refused() -> None:
    child = descriptor("a", OCI_MANIFEST)
    assert read(index(*[child] * CHILDREN_MAX)).is_index
    with pytest.raises(Refused, match=str(CHILDREN_MAX)):
        read(index(*[child] * (CHILDREN_MAX + 1)))


def test_limits_can_be_set_and_what_is_stored_is_read_beyond_them() -> None:
    wide = json.dumps(index(*[descriptor("a", OCI_MANIFEST)] * (CHILDREN_MAX + 1))).encode()
    assert len(read_manifest(wide, "", STORED).children) == CHILDREN_MAX + 1
    layers = json.dumps(image(layers=[descriptor("a", OCI_LAYER)] * 3)).encode()
    with pytest.raises(Refused, match="3 layers, of which at most 2"):
        read_manifest(layers, "", ManifestLimits(layers_max=2))
    with pytest.raises(Refused) as refusal:
        read_manifest(wide, "", ManifestLimits(bytes_max=len(wide) - 1))
    assert refusal.value.reason is Reason.TOO_LARGE


def test_whether_sparse_manifests_are_taken_is_said_in_one_of_two_words() -> None:
    assert Settings().sparse_manifests == "refuse"
    assert read_settings(environment={"ASSAY_SPARSE_MANIFESTS": "take"}).sparse_manifests == "take"
    with pytest.raises(Refused, match="sparse_manifests is 'yes'") as refusal:
        read_settings(environment={"ASSAY_SPARSE_MANIFESTS": "yes"})
    assert refusal.value.advice == "Use refuse or take."


def test_no_limit_can_be_set_beyond_what_is_read_of_the_store() -> None:
    highest = {"manifest_bytes_max": 16 * 1024**2, "manifest_layers_max": 10_000, "index_children_max": 10_000}
    settings = Settings(**highest, index_nesting_max=16)
    assert ManifestLimits(*(getattr(settings, name) for name in (*highest, "index_nesting_max"))) == STORED
    for name in (*highest, "index_nesting_max"):
        with pytest.raises(Refused, match=name):
            Settings(**{name: getattr(settings, name) + 1})


def test_values_are_counted_and_commas_in_texts_are_none() -> None:
    values = "[" + ",".join(["1"] * (VALUES_MAX + 2)) + "]"
    assert reason_for(json.dumps(image()).encode()[:-1] + b', "x": ' + values.encode() + b"}") is Reason.TOO_LARGE
    text = {"a": ',"\\' * VALUES_MAX}
    assert read(image(annotations=text)).annotations == tuple(text.items())


def test_a_manifest_of_exactly_the_limit_is_read() -> None:
    content = json.dumps(image()).encode()
    assert read_manifest(content + b" " * (MANIFEST_BYTES_MAX - len(content)), "").kind is ManifestKind.IMAGE


def test_a_media_type_that_is_no_manifests_is_refused_as_such() -> None:
    assert reason_for(b'{"schemaVersion":2}', "application/json") is Reason.MEDIA_TYPE
    assert reason_for(b'{"schemaVersion":2}', "") is Reason.MEDIA_TYPE


@pytest.mark.parametrize(
    ("tag", "is_companion"),
    [
        (f"sha256-{'0' * 64}.sig", True),
        (f"sha256-{'a' * 64}.att", True),
        (f"sha256-{'9' * 64}.sbom", True),
        (f"sha256-{'0' * 64}", False),
        (f"sha256-{'0' * 63}.sig", False),
        (f"sha256-{'A' * 64}.sig", False),
        (f"sha256-{'0' * 64}.sigs", False),
        ("v1.sig", False),
    ],
)
def test_companion_tags_spell_a_digest(tag: str, is_companion: bool) -> None:
    assert is_companion_tag(tag) is is_companion


def test_a_signature_manifest_may_gain_layers_but_not_lose_or_change_one() -> None:
    first, second = descriptor("1", "application/x"), descriptor("2", "application/x")
    one, two = read(image(layers=[first])), read(image(layers=[first, second]))
    assert only_adds_layers(one, two)
    assert not only_adds_layers(two, one)
    assert not only_adds_layers(one, read(image(layers=[second])))
    assert not only_adds_layers(one, read(image(layers=[{**first, "annotations": {"signature": "other"}}])))
    assert not only_adds_layers(one, read(index()))


def test_a_size_that_none_can_be_is_refused_with_its_place_and_what_to_give() -> None:
    with pytest.raises(Refused) as refusal:
        read(image(layers=[descriptor("a", OCI_LAYER), descriptor("b", OCI_LAYER, size=-5)]))
    assert "Its layers[1] gives the size -5." in refusal.value.message
    assert refusal.value.advice == "Give the number of bytes of the blob that it names."
