"""What a manifest or index says, read strictly (image-spec 1.1; Docker image manifest version 2, schema 2).

Pure: bytes in, a frozen value or a refusal out. One document must not be read in two ways, so members that stand twice,
a media type that differs from the `Content-Type`, and `layers` beside `manifests` are refused.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assay.errors import Reason, Refused
from assay.oci import SIZE_END, Descriptor, Digest, MediaType, Platform, strict_json

#: distribution-spec 1.1, "Pushing Manifests": at least 4 megabytes.
MANIFEST_BYTES_MAX = 4 * 1024 * 1024
LAYERS_MAX = 1_000
CHILDREN_MAX = 1_000
#: An index may hold indexes, which may hold manifests.
INDEX_NESTING_MAX = 4

#: Values of a manifest: as many as the highest limits have a use for. As values JSON takes many times its size.
VALUES_MAX = 100_000
#: Annotations of referrers are given in lists of them, all together.
REFERRER_ANNOTATIONS_MAX = 64 * 1024

_INDEXES = frozenset({MediaType.OCI_INDEX, MediaType.DOCKER_LIST})
_MANIFESTS = frozenset({MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST})
_SCHEMA_1 = frozenset({MediaType.DOCKER_SCHEMA1, MediaType.DOCKER_SCHEMA1_SIGNED})
_IMAGE_CONFIGS = frozenset({MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG})

#: Layers that only tell something, of those that clients send beside an image's config: cosign's signatures and
#: attestations (its signature specification, and DSSE), BuildKit's attestations (in-toto), SBOMs attached by cosign.
_STATEMENT_LAYER = re.compile(
    r"application/vnd\.dev\.cosign\.simplesigning\.v1\+json"
    r"|application/vnd\.dsse\.envelope\.v1\+json"
    r"|application/vnd\.in-toto(?:\.[a-z0-9.-]+)?\+json"
    r"|(?:text|application)/spdx(?:\+json|\+xml)?"
    r"|application/vnd\.(?:cyclonedx(?:\+json|\+xml)?|syft\+json)"
)
_FOREIGN_LAYER = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.nondistributable|docker\.image\.rootfs\.foreign)\..+"
)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
#: Tags under which cosign keeps signatures, attestations and SBOMs of the digest that they spell.
_COMPANION_TAG = re.compile(r"sha256-[0-9a-f]{64}\.(?:sig|att|sbom)")


@dataclass(frozen=True, slots=True)
class ManifestLimits:
    """How much a manifest may hold: bytes of it, layers, or children of an index, and indexes within an index.

    `takes_sparse`: whether its repository may lack what it names (docs/adr/0027).
    """

    bytes_max: int = MANIFEST_BYTES_MAX
    layers_max: int = LAYERS_MAX
    children_max: int = CHILDREN_MAX
    nesting_max: int = INDEX_NESTING_MAX
    takes_sparse: bool = False


#: The highest that these can be set to. What is stored is read up to them: it may be older than today's settings.
STORED = ManifestLimits(bytes_max=4 * MANIFEST_BYTES_MAX, layers_max=10_000, children_max=10_000, nesting_max=16)
_DEFAULT = ManifestLimits()


class ManifestKind(StrEnum):
    """What a manifest is to people (the brief's word "image")."""

    #: May be run (`may_run`): an image when it is pushed in its own right, else a platform of an index.
    IMAGE = "image"
    #: Names manifests; an image when one of them may be run.
    INDEX = "index"
    #: Tells something of its subject: a signature, an SBOM, an attestation.
    REFERRER = "referrer"
    #: Anything else: charts, cosign's payloads, attestations of an index.
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as read. `artifact_type` is what a list of referrers gives: its own, else the config's media type."""

    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    children: tuple[Descriptor, ...]
    subject: Descriptor | None
    artifact_type: str
    annotations: tuple[tuple[str, str], ...]

    @property
    def is_index(self) -> bool:
        """Whether it names manifests instead of layers."""
        return self.media_type in _INDEXES

    @property
    def kind(self) -> ManifestKind:
        """What it is, as far as its own bytes tell: an INDEX is an image only if a child may be run."""
        if self.subject is not None:
            return ManifestKind.REFERRER
        if self.is_index:
            return ManifestKind.ARTIFACT if self.artifact_type else ManifestKind.INDEX
        return ManifestKind.IMAGE if may_run(self) else ManifestKind.ARTIFACT

    @property
    def platforms(self) -> tuple[Descriptor, ...]:
        """The children that may be platforms of the image: all but attestations, each digest once, in order."""
        return _once(child for child in self.children if not is_attestation(child))

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that must lie in the repository: config and layers without foreign ones, each digest once."""
        needed = (self.config, *self.layers) if self.config is not None else self.layers
        return _once(blob for blob in needed if not is_foreign(blob))


def may_run(manifest: Manifest) -> bool:
    """Whether a runtime might run this manifest, which is neither an index nor a referrer.

    It might, when it brings an image's config, does not say that it is something else, and has other layers than those
    that tell something, or none at all. What a layer of an unknown type holds nobody here knows, and a runtime may
    unpack it all the same: in doubt this is an image, listed and partly scanned, and no artifact that nobody looks at.
    No images are therefore: what has an `artifactType` or a config of its own (charts, policies, models, the empty
    config; image-spec 1.1, "Guidelines for Artifact Usage"), what has no layers, and what has statements as its layers
    and nothing else.
    """
    if manifest.config is None or manifest.config.media_type not in _IMAGE_CONFIGS:
        return False
    is_plain = manifest.artifact_type == manifest.config.media_type
    return is_plain and (not manifest.layers or not all(map(is_statement, manifest.layers)))


def is_statement(layer: Descriptor) -> bool:
    """Whether a layer only tells something: a signature, an attestation, an SBOM."""
    return _STATEMENT_LAYER.fullmatch(layer.media_type) is not None


def is_foreign(layer: Descriptor) -> bool:
    """Whether the layer may be kept elsewhere, so that a registry need not hold it (non-distributable layers)."""
    return _FOREIGN_LAYER.fullmatch(layer.media_type) is not None


def is_attestation(child: Descriptor) -> bool:
    """Whether an index's child is a build attestation: BuildKit's annotation, or a platform that says "unknown"."""
    if dict(child.annotations).get("vnd.docker.reference.type") == "attestation-manifest":
        return True
    return child.platform is not None and (child.platform.os, child.platform.architecture) == ("unknown", "unknown")


def is_companion_tag(tag: str) -> bool:
    """Whether a tag spells the digest that its manifest belongs to (`sha256-….sig`, `.att`, `.sbom`)."""
    return _COMPANION_TAG.fullmatch(tag) is not None


def read_manifest(content: bytes, content_type: str, limits: ManifestLimits = _DEFAULT) -> Manifest:
    """Read what was pushed, or, with the limits `STORED`, what was pushed once.

    Args:
        content: the bytes as they came.
        content_type: the request's `Content-Type`; its parameters are ignored; empty if there was none.
        limits: what it may hold; nesting is for the push to tell, which knows the children.
    Raises:
        Refused: TOO_LARGE (beyond the limits), MEDIA_TYPE (no manifest type), MANIFEST_INVALID, DIGEST_INVALID.
    """
    document = _parse(content, limits.bytes_max)
    declared = content_type.partition(";")[0].strip().lower()
    inside = document.get("mediaType", "")
    if not isinstance(inside, str):
        raise _invalid("Its mediaType is not a text.")
    media_type = inside or declared
    _check_media_type(document, media_type)
    if declared and inside and declared != inside:
        raise _invalid(f"It was sent as {declared[:120]} but says of itself {inside[:120]}.")
    if type(document.get("schemaVersion")) is not int or document["schemaVersion"] != 2:
        raise _invalid("Its schemaVersion is not 2.")
    annotations = _texts(document.get("annotations"), "annotations")
    subject = None if document.get("subject") is None else _descriptor(document["subject"], "subject")
    if subject is not None and sum(len(key) + len(text) for key, text in annotations) > REFERRER_ANNOTATIONS_MAX:
        raise _invalid(f"It has a subject and annotations of more than {REFERRER_ANNOTATIONS_MAX} characters.")
    if media_type in _INDEXES:
        if "layers" in document or "config" in document:
            raise _invalid("It is an index, yet has layers or a config.")
        children = _descriptors(document.get("manifests"), "manifests", limits.children_max)
        artifact_type = _media_type(document.get("artifactType"))
        return Manifest(media_type, None, (), children, subject, artifact_type, annotations)
    if "manifests" in document:
        raise _invalid("It is a manifest, yet has manifests like an index.")
    config = _descriptor(document.get("config"), "config")
    layers = _descriptors(document.get("layers"), "layers", limits.layers_max)
    artifact_type = _media_type(document.get("artifactType")) or config.media_type
    return Manifest(media_type, config, layers, (), subject, artifact_type, annotations)


def only_adds_layers(before: Manifest, after: Manifest) -> bool:
    """Whether `after` is `before` with more layers: how a signature tag may change in an immutable repository."""
    if before.is_index or after.is_index:
        kept, now = before.children, after.children
    else:
        kept, now = before.layers, after.layers
    return before.is_index == after.is_index and set(kept) <= set(now)


def _once(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    first: dict[Digest, Descriptor] = {}
    for descriptor in descriptors:
        first.setdefault(descriptor.digest, descriptor)
    return tuple(first.values())


def _parse(content: bytes, bytes_max: int) -> Mapping[str, Any]:
    try:
        document = strict_json(content, size_max=bytes_max, values_max=VALUES_MAX, what="manifest")
    except Refused as refusal:
        if refusal.reason is Reason.TOO_LARGE:
            raise
        raise Refused(refusal.message, advice=refusal.advice, reason=Reason.MANIFEST_INVALID) from refusal
    if not isinstance(document, dict):
        raise _invalid("It is not a JSON object.")
    return document


def _check_media_type(document: Mapping[str, Any], media_type: str) -> None:
    if media_type in _SCHEMA_1 or document.get("schemaVersion") == 1:
        raise Refused(
            "The manifest is of Docker's schema 1, which this registry does not take.",
            advice="Push with a client of this decade: it sends schema 2 or an OCI manifest.",
            reason=Reason.MANIFEST_INVALID,
        )
    if media_type not in _INDEXES and media_type not in _MANIFESTS:
        raise Refused(
            f"{media_type[:120]!r} is not the media type of a manifest.",
            advice=f"Send {MediaType.OCI_MANIFEST}, {MediaType.OCI_INDEX} or Docker's schema 2 types.",
            reason=Reason.MEDIA_TYPE,
        )


def _descriptors(value: Any, what: str, count_max: int) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise _invalid(f"Its {what} are not a list.")
    if len(value) > count_max:
        raise too_many(f"It has {len(value)} {what}, of which at most {count_max} are taken.")
    return tuple(_descriptor(each, f"{what}[{position}]") for position, each in enumerate(value))


def _descriptor(value: Any, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise _invalid(f"Its {what} is not a descriptor.")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or type(size) is not int:
        raise _invalid(f"Its {what} lacks a mediaType, a digest, or a whole number as size.")
    if not 0 <= size < SIZE_END:
        said = f"{size:,}" if abs(size) < SIZE_END else f"of {len(str(abs(size))):,} digits"
        raise _invalid(
            f"Its {what} gives the size {said}.", advice="Give the number of bytes of the blob that it names."
        )
    return Descriptor(
        media_type,
        Digest(digest),
        size,
        artifact_type=_text(value.get("artifactType"), f"{what}.artifactType"),
        annotations=_texts(value.get("annotations"), f"{what}.annotations"),
        platform=_platform(value.get("platform"), what),
    )


def _platform(value: Any, what: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _invalid(f"Its {what}.platform is not an object.")
    return Platform(*(_text(value.get(part), f"{what}.platform.{part}") for part in ("os", "architecture", "variant")))


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid(f"Its {what} is not a text.")
    return value


def _media_type(value: Any) -> str:
    """An artifactType: a media type (image-spec, "artifactType"), or empty."""
    text = _text(value, "artifactType")
    if text and not _MEDIA_TYPE.fullmatch(text):
        raise _invalid("Its artifactType is not a media type.")
    return text


def _texts(value: Any, what: str) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _invalid(f"Its {what} are not texts by name.")
    return tuple(value.items())


def too_many(why: str) -> Refused:
    """The refusal of a manifest that holds more than it may."""
    return Refused(f"The manifest is too large. {why}", advice="See docs/registry.md, Limits.", reason=Reason.TOO_LARGE)


def _invalid(why: str, *, advice: str = "") -> Refused:
    return Refused(f"The manifest is not valid. {why}", advice=advice, reason=Reason.MANIFEST_INVALID)
