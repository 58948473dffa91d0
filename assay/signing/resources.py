"""Image signatures as verbs give them back, and what they are listed by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from assay.clock import Instant
from assay.oci import Digest
from assay.signing.envelope import Form
from assay.signing.native import NativeMessage
from assay.vault import SigningAlgorithm


class SignatureState(StrEnum):
    """States of an image signature (oci-api 2.1)."""

    AVAILABLE = "AVAILABLE"
    DELETED = "DELETED"


class Origin(StrEnum):
    """Whether Assay made a signature, or somebody uploaded it."""

    MADE = "made"
    UPLOADED = "uploaded"


@dataclass(frozen=True, slots=True)
class ImageSignature:
    """The native record: that a key version signed a message which names an image."""

    ocid: str
    tenancy: str
    compartment: str
    repository: str
    repository_name: str
    image: str
    digest: Digest
    key: str
    key_version: str
    algorithm: SigningAlgorithm
    origin: Origin
    reference: str
    created_by: str
    message: bytes
    signature: bytes
    state: SignatureState
    time_created: Instant
    time_updated: Instant
    freeform_tags: dict[str, str]
    defined_tags: dict[str, dict[str, Any]]
    etag: str

    @property
    def display_name(self) -> str:
        """Last ten characters of key, key version and signature, around the algorithm (oci-api 2.1)."""
        return f"{self.key[-10:]}::{self.key_version[-10:]}::{self.algorithm}::{self.ocid[-10:]}"

    def says(self, subject: Digest) -> NativeMessage:
        """What a message must say to be this record's signature of `subject` (the image, or a platform of it)."""
        return NativeMessage(
            description="",
            image_digest=subject,
            key=self.key,
            key_version=self.key_version,
            metadata="",
            region="",
            repository_name=self.repository_name,
            algorithm=self.algorithm,
        )


@dataclass(frozen=True, slots=True)
class Subject:
    """A manifest that is signed: the image, or, of an index, one of its children."""

    digest: Digest
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """One of the signatures that an act of signing made, with the bytes of the blob that carries it."""

    image_signature: str
    subject: Subject
    form: Form
    algorithm: SigningAlgorithm
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushedSignature:
    """A signature that a user pushed and that one of the tenancy's key versions made."""

    repository: str
    manifest: Digest
    subject: Digest
    form: Form
    reference: str
    algorithm: SigningAlgorithm
    key: str
    key_version: str
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    time_created: Instant


@dataclass(frozen=True, slots=True)
class SignatureFilter:
    """What a list of signatures is narrowed to; empty values don't narrow. Compartments are OCIDs."""

    compartments: tuple[str, ...] = ()
    image: str = ""
    repository: str = ""
    repository_name: str = ""
    digest: str = ""
    display_name: str = ""
    key: str = ""
    key_version: str = ""
    algorithm: str = ""
    #: Newest first, or by display name.
    by_name: bool = False
    descending: bool = True


@dataclass(frozen=True, slots=True)
class SignDetails:
    """What is to be signed, and how. `image` and `key` are OCIDs.

    `tag` is named in the cosign payload, so that podman's default policy accepts it; without one the payload names the
    repository alone. `description` and `metadata` (JSON or empty) stand in the native message.
    """

    image: str
    key: str
    key_version: str = ""
    algorithm: SigningAlgorithm | None = None
    tag: str = ""
    description: str = ""
    metadata: str = ""
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadDetails:
    """A signature that was made elsewhere with a master encryption key (`image-signature create`, `sign-upload`)."""

    compartment: str
    image: str
    key: str
    key_version: str
    algorithm: SigningAlgorithm
    message: bytes
    signature: bytes
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
