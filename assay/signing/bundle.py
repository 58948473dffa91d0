"""Sigstore bundles v0.3: a DSSE envelope around an in-toto statement, attached to the image as a referrer. Pure.

Source: the DSSE protocol's pre-authentication encoding; in-toto Statement v1; the bundles that cosign 3 writes with a
key. The statement names digests only, never a repository: a bundle cannot be bound to one.
"""

import hashlib
import json
from dataclasses import dataclass

from assay.errors import Reason, Refused
from assay.oci import Descriptor, Digest, MediaType, strict_json
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

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://sigstore.dev/cosign/sign/v1"
SUBJECTS_MAX = 64
_EMPTY = b"{}"


def statement(digest: Digest) -> bytes:
    """The in-toto statement that an image of this digest is signed, spelled as cosign spells it."""
    return _compact(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"digest": {digest.algorithm: digest.encoded}, "annotations": {}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        }
    )


def signed_bytes(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that the signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def hint(public_key_der: bytes) -> str:
    """Base64 of the SHA-256 of a SubjectPublicKeyInfo; readers take it as advice only."""
    return encode_base64(hashlib.sha256(public_key_der).digest())


def encode(payload: bytes, signature: bytes, key_hint: str) -> bytes:
    """The bundle of a statement and the signature over its `signed_bytes`."""
    return _compact(
        {
            "mediaType": MediaType.SIGSTORE_BUNDLE.value,
            "verificationMaterial": {"publicKey": {"hint": key_hint}},
            "dsseEnvelope": {
                "payload": encode_base64(payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": encode_base64(signature)}],
            },
        }
    )


@dataclass(frozen=True, slots=True)
class Artifact:
    """A bundle's manifest and its two blobs, as bytes."""

    manifest: bytes
    config: bytes
    bundle: bytes


def artifact(bundle: bytes, subject: Descriptor, created: str) -> Artifact:
    """The referrer that carries a bundle; `created` is the RFC 3339 time of signing."""
    manifest = _compact(
        {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST.value,
            "artifactType": MediaType.SIGSTORE_BUNDLE.value,
            "config": _descriptor(MediaType.OCI_EMPTY, _EMPTY),
            "layers": [_descriptor(MediaType.SIGSTORE_BUNDLE, bundle)],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest.text, "size": subject.size},
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": PREDICATE_TYPE,
                "org.opencontainers.image.created": created,
            },
        }
    )
    return Artifact(manifest, _EMPTY, bundle)


def layer_of(manifest: bytes) -> Digest:
    """The digest of the bundle that a referrer's manifest carries. Errors: Refused when it carries not exactly one."""
    document = strict_json(manifest, size_max=ARTIFACT_BYTES_MAX, what="bundle manifest")
    layers = document.get("layers") if isinstance(document, dict) else None
    if not isinstance(layers, list) or len(layers) != 1 or not isinstance(layers[0], dict):
        raise Refused("The bundle's manifest does not have exactly one layer.", reason=Reason.MANIFEST_INVALID)
    if layers[0].get("mediaType") != MediaType.SIGSTORE_BUNDLE:
        raise Refused("The manifest's layer is not a Sigstore bundle v0.3.", reason=Reason.MANIFEST_INVALID)
    return Digest(text(layers[0].get("digest"), "layer's digest"))


def read(content: bytes) -> Claim:
    """What a bundle says: a DSSE envelope with one signature around a cosign signing statement. Errors: Refused."""
    document = strict_json(content, size_max=ARTIFACT_BYTES_MAX, what="bundle")
    if not isinstance(document, dict) or document.get("mediaType") != MediaType.SIGSTORE_BUNDLE:
        raise Refused("The bundle is not a Sigstore bundle v0.3.")
    envelope = members(
        document.get("dsseEnvelope"), frozenset(("payload", "payloadType", "signatures")), "bundle's DSSE envelope"
    )
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise Refused(f"The bundle's payload is not {PAYLOAD_TYPE}.")
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise Refused("The bundle does not have exactly one signature.")
    payload = decode_base64(envelope["payload"], size_max=PAYLOAD_BYTES_MAX, what="bundle's payload")
    signature = decode_base64(signatures[0].get("sig"), size_max=SIGNATURE_BYTES_MAX, what="bundle's signature")
    return Claim(Form.BUNDLE, signed_bytes(payload), signature, _subjects(payload))


def digests_in(signed: bytes) -> tuple[Digest, ...]:
    """The digests that the statement inside `signed_bytes` is about. Errors: Refused when it holds none."""
    payload = signed.split(b" ", 4)[4] if signed.count(b" ") >= 4 else b""  # a statement may hold spaces of its own
    if signed != signed_bytes(payload):
        raise Refused("The signed bytes are not those of a DSSE envelope around a statement.")
    return _subjects(payload)


def _subjects(payload: bytes) -> tuple[Digest, ...]:
    """The SHA-256 digests that a statement is about."""
    document = strict_json(payload, size_max=PAYLOAD_BYTES_MAX, what="in-toto statement")
    if (
        not isinstance(document, dict)
        or document.get("_type") != STATEMENT_TYPE
        or document.get("predicateType") != PREDICATE_TYPE
    ):
        raise Refused("The statement does not say that an image is signed.")
    subjects = document.get("subject")
    if not isinstance(subjects, list) or not 1 <= len(subjects) <= SUBJECTS_MAX:
        raise Refused(f"The statement does not have 1 to {SUBJECTS_MAX} subjects.")
    return tuple(map(_subject, subjects))


def _subject(subject: object) -> Digest:
    digests = subject.get("digest") if isinstance(subject, dict) else None
    if not isinstance(digests, dict):
        raise Refused("A subject of the statement has no digest.")
    return Digest(f"sha256:{text(digests.get('sha256'), 'digest of a subject')}")


def _descriptor(media_type: MediaType, content: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type.value, "digest": Digest.of(content).text, "size": len(content)}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
