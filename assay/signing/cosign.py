"""Cosign's "simple signing" artifact: the tag `sha256-<hex>.sig`, whose manifest has one layer a signature. Pure.

Source: the bytes that cosign 2.5 and 3.1 write; the payload grammar is the stricter one of containers/image (podman,
skopeo, CRI-O): exactly these members, nothing else outside `optional`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from assay.errors import Reason, Refused
from assay.oci import Digest, MediaType, Reference, strict_json
from assay.signing.envelope import (
    ARTIFACT_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
    SIGNATURE_BYTES_MAX,
    Claim,
    Form,
    decode_base64,
    encode_base64,
    members,
    text,
)

PAYLOAD_TYPE = "cosign container image signature"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
#: A signature tag that Assay writes has so many layers: others' junk must not crowd out ours.
LAYERS_MAX = 256
_NO_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Payload:
    """What cosign signs: that an image reference (`HOST/REPOSITORY[:TAG]`) has this digest."""

    reference: str
    digest: Digest

    def __post_init__(self) -> None:
        parsed = Reference.parse(self.reference)
        if not parsed.host or parsed.digest is not None:
            raise Refused(
                f"{self.reference[:80]!r} cannot be signed.", advice="Write HOST/REPOSITORY or HOST/REPOSITORY:TAG."
            )

    def encode(self) -> bytes:
        """The bytes that are signed, spelled as cosign spells them."""
        return _compact(
            {
                "critical": {
                    "identity": {"docker-reference": self.reference},
                    "image": {"docker-manifest-digest": self.digest.text},
                    "type": PAYLOAD_TYPE,
                },
                "optional": None,
            }
        )

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """A payload that somebody signed, by containers/image's grammar. Errors: Refused."""
        document = strict_json(content, size_max=PAYLOAD_BYTES_MAX, what="cosign payload")
        outer = members(document, frozenset(("critical", "optional")), "cosign payload")
        critical = members(outer["critical"], frozenset(("identity", "image", "type")), "payload's 'critical'")
        identity = members(critical["identity"], frozenset(("docker-reference",)), "payload's 'identity'")
        image = members(critical["image"], frozenset(("docker-manifest-digest",)), "payload's 'image'")
        if critical["type"] != PAYLOAD_TYPE:
            raise Refused(f"The payload's type is not {PAYLOAD_TYPE!r}.")
        _require_optional(outer["optional"])
        return cls(
            text(identity["docker-reference"], "payload's docker-reference"),
            Digest(text(image["docker-manifest-digest"], "payload's docker-manifest-digest")),
        )


def _require_optional(optional: object) -> None:
    if optional is None:
        return
    if not isinstance(optional, dict):
        raise Refused("The payload's 'optional' is neither null nor an object.")
    if "creator" in optional:
        text(optional["creator"], "payload's creator")
    timestamp = optional.get("timestamp", 0)
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise Refused("The payload's timestamp is not an integer.")


@dataclass(frozen=True, slots=True)
class Layer:
    """One signature: the payload's digest and size, the signature, and the descriptor as it stands in the manifest."""

    payload_digest: Digest
    payload_size: int
    signature: bytes
    descriptor: dict[str, Any]

    @classmethod
    def of(cls, payload: bytes, signature: bytes) -> Self:
        """The layer of a payload and the signature over it."""
        digest = Digest.of(payload)
        descriptor = {
            "mediaType": MediaType.COSIGN_SIMPLE_SIGNING.value,
            "size": len(payload),
            "digest": digest.text,
            "annotations": {SIGNATURE_ANNOTATION: encode_base64(signature)},
        }
        return cls(digest, len(payload), signature, descriptor)

    @property
    def identity(self) -> tuple[Digest, bytes]:
        """What makes two layers the same signature."""
        return self.payload_digest, self.signature

    def claim(self, payload: bytes) -> Claim:
        """What the layer says, given its blob. Errors: Refused (not the blob it names, or not a payload)."""
        if not self.payload_digest.matches(payload):
            raise Refused("The payload is not the blob that its layer names.", reason=Reason.DIGEST_INVALID)
        said = Payload.parse(payload)
        return Claim(Form.COSIGN, payload, self.signature, (said.digest,), said.reference)


def signature_tag(digest: Digest) -> str:
    """The tag under which cosign looks for the signatures of a digest."""
    return f"{digest.algorithm}-{digest.encoded}.sig"


def signed_digest(tag: str) -> Digest | None:
    """The digest whose signatures a tag holds, or None for any other tag."""
    encoded = tag.removeprefix("sha256-").removesuffix(".sig")
    if tag != f"sha256-{encoded}.sig":
        return None
    try:
        return Digest(f"sha256:{encoded}")
    except Refused:
        return None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A signature manifest and its config, as bytes."""

    manifest: bytes
    config: bytes


def artifact(layers: Sequence[Layer]) -> Artifact:
    """The manifest of these signatures, with the config that cosign gives it: one diff id and history entry a layer."""
    config = _compact(
        {
            "architecture": "",
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [layer.payload_digest.text for layer in layers]},
            "config": {},
        }
    )
    manifest = _compact(
        {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST.value,
            "config": {
                "mediaType": MediaType.OCI_CONFIG.value,
                "size": len(config),
                "digest": Digest.of(config).text,
            },
            "layers": [layer.descriptor for layer in layers],
        }
    )
    return Artifact(manifest, config)


def read_layers(manifest: bytes) -> tuple[Layer, ...]:
    """The signatures of a manifest, in order; layers that are no cosign signature are left out.

    Errors: Refused when the bytes are no image manifest, or more than 1 MiB.
    """
    document = strict_json(manifest, size_max=ARTIFACT_BYTES_MAX, what="signature manifest")
    layers = document.get("layers") if isinstance(document, dict) else None
    if not isinstance(layers, list):
        raise Refused("The signature manifest has no layers.", reason=Reason.MANIFEST_INVALID)
    return tuple(layer for layer in map(_read_layer, layers) if layer is not None)


def _read_layer(descriptor: object) -> Layer | None:
    if not isinstance(descriptor, dict) or descriptor.get("mediaType") != MediaType.COSIGN_SIMPLE_SIGNING:
        return None
    annotations, size = descriptor.get("annotations"), descriptor.get("size")
    if not isinstance(annotations, dict) or isinstance(size, bool) or not isinstance(size, int):
        return None
    try:
        digest = Digest(text(descriptor.get("digest"), "layer's digest"))
        signature = decode_base64(
            annotations.get(SIGNATURE_ANNOTATION), size_max=SIGNATURE_BYTES_MAX, what="cosign signature"
        )
    except Refused:
        return None
    return Layer(digest, size, signature, descriptor) if 0 < size <= PAYLOAD_BYTES_MAX else None


def merged(
    standing: bytes | None, ours: Sequence[Layer], withdrawn: Sequence[Layer] = (), beside: bytes | None = None
) -> tuple[Layer, ...] | None:
    """The layers that the signature tag should have: ours first, then what others put there, without the withdrawn.

    `standing` is the manifest under the tag now, if any; `beside` one that stood there a moment ago. One that cannot be
    read gives way to ours, and so do layers of others beyond `LAYERS_MAX`. None when nothing needs to change; an empty
    tuple when the tag should go.
    """
    there = {layer.identity: layer for layer in _readable(standing)}
    gone = {layer.identity for layer in withdrawn}
    wanted = {layer.identity: layer for layer in (*ours, *there.values(), *_readable(beside))}
    if wanted.keys() - gone == there.keys():
        return None
    return tuple(layer for identity, layer in wanted.items() if identity not in gone)[: max(LAYERS_MAX, len(ours))]


def _readable(manifest: bytes | None) -> tuple[Layer, ...]:
    try:
        return read_layers(manifest) if manifest is not None else ()
    except Refused:
        return ()


def _compact(value: object) -> bytes:
    """JSON as Go's encoder writes it. References and digests hold none of the characters that it escapes further."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
