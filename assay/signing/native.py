"""The message of an OCI image signature: eight members, as the stock `oci` client builds and signs them. Pure.

Source: `oci artifacts container image-signature sign-upload`: one JSON object, members in alphabetical order, no white
space, non-ASCII escaped; the key signs these bytes. The stock client never looks inside a message when it verifies, so
`require_agreement` is what stops a valid signature from being filed under another image.
"""

import json
from dataclasses import dataclass, replace
from typing import Self

from assay.errors import Refused
from assay.oci import Digest, strict_json
from assay.signing.envelope import members, text
from assay.vault import SigningAlgorithm
from assay.vault.shapes import RAW_MESSAGE_BYTES_MAX

_MEMBERS = frozenset(
    (
        "description",
        "imageDigest",
        "kmsKeyId",
        "kmsKeyVersionId",
        "metadata",
        "region",
        "repositoryName",
        "signingAlgorithm",
    )
)


@dataclass(frozen=True, slots=True)
class NativeMessage:
    """What a native signature says. `metadata` is a JSON text or empty; `repository_name` has no host or namespace."""

    description: str
    image_digest: Digest
    key: str
    key_version: str
    metadata: str
    region: str
    repository_name: str
    algorithm: SigningAlgorithm

    def encode(self) -> bytes:
        """The bytes that are signed. Errors: Refused when they are more than the vault signs as they are."""
        content = json.dumps(
            {
                "description": self.description,
                "imageDigest": self.image_digest.text,
                "kmsKeyId": self.key,
                "kmsKeyVersionId": self.key_version,
                "metadata": self.metadata,
                "region": self.region,
                "repositoryName": self.repository_name,
                "signingAlgorithm": self.algorithm.value,
            },
            separators=(",", ":"),
        ).encode("ascii")
        if len(content) > RAW_MESSAGE_BYTES_MAX:
            raise Refused(
                f"The message to sign has {len(content)} bytes; at most {RAW_MESSAGE_BYTES_MAX} are signed.",
                advice="Shorten the description or the metadata.",
            )
        return content

    def about(self, digest: Digest) -> Self:
        """The same message about another manifest: a platform of the image."""
        return replace(self, image_digest=digest)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """The message that somebody signed: exactly the eight members, once each, all strings. Errors: Refused."""
        document = strict_json(content, size_max=RAW_MESSAGE_BYTES_MAX, depth_max=2, what="signed message")
        found = {name: text(value, f"{name} of the signed message") for name, value in _eight(document).items()}
        return cls(
            description=found["description"],
            image_digest=Digest(found["imageDigest"]),
            key=found["kmsKeyId"],
            key_version=found["kmsKeyVersionId"],
            metadata=found["metadata"],
            region=found["region"],
            repository_name=found["repositoryName"],
            algorithm=SigningAlgorithm.parse(found["signingAlgorithm"]),
        )


def _eight(document: object) -> dict[str, object]:
    return members(document, _MEMBERS, "signed message")


def require_metadata(metadata: str) -> str:
    """`metadata` if it is empty or a JSON text, as the stock client requires; Refused otherwise."""
    if metadata:
        strict_json(metadata.encode(), size_max=RAW_MESSAGE_BYTES_MAX, what="metadata")
    return metadata


def disagreement(message: NativeMessage, record: NativeMessage) -> str:
    """How a signed message differs from what the record says it signs, or the empty string.

    Description, metadata and region are the signer's own words and are not compared.
    """
    pairs = (
        ("image digest", message.image_digest, record.image_digest),
        ("repository", message.repository_name, record.repository_name),
        ("key", message.key, record.key),
        ("key version", message.key_version, record.key_version),
        ("signing algorithm", message.algorithm, record.algorithm),
    )
    for what, signed, recorded in pairs:
        if signed != recorded:
            return f"the signed message names the {what} {signed}, the record {recorded}"
    return ""
