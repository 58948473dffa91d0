"""Signing: sign, verify, publish; one file an envelope format.

sign_image ──▶ records (everything signed at once) ──outbox──▶ publish ──▶ .sig tag and bundle in the registry
upload_signature ──▲                              pushed ◀──outbox── what users push themselves
"""

from assay.signing import (
    bundle,
    caution,
    cosign,
    envelope,
    native,
    publish,
    pushed,
    resources,
    sign,
    signatures,
    upload,
    verify,
)

__all__ = [
    "bundle",
    "caution",
    "cosign",
    "envelope",
    "native",
    "publish",
    "pushed",
    "resources",
    "sign",
    "signatures",
    "upload",
    "verify",
]
