"""The nouns of the registry, as verbs give them out: frozen, whole, without a way back to the database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from assay.clock import Instant
from assay.errors import Reason, Refused
from assay.oci import Digest, Platform, tag_name
from assay.registry.manifests import ManifestKind

README_BYTES_MAX = 512 * 1024

Tags = Mapping[str, str]
DefinedTags = Mapping[str, Mapping[str, Any]]


class LifecycleState(StrEnum):
    """States of repositories and images (oci-api 2.1)."""

    AVAILABLE = "AVAILABLE"
    DELETED = "DELETED"


class ReadmeFormat(StrEnum):
    """How a readme is to be shown (oci-api 2.1)."""

    TEXT_MARKDOWN = "TEXT_MARKDOWN"
    TEXT_PLAIN = "TEXT_PLAIN"


@dataclass(frozen=True, slots=True)
class Readme:
    """What a repository says of itself."""

    content: str
    format: ReadmeFormat

    def __post_init__(self) -> None:
        if len(self.content.encode()) > README_BYTES_MAX:
            raise Refused(f"The readme is longer than {README_BYTES_MAX} bytes.", advice="Shorten it.")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository. Its counts are exact: they are changed in the transaction of each push and removal.

    `image_count` counts available images; `layer_count` and `layers_bytes` the distinct layers of its images, softly
    deleted ones included until they are purged; `stored_bytes` all blobs that it holds.
    """

    ocid: str
    tenancy: str
    compartment: str
    name: str
    lifecycle_state: LifecycleState
    is_public: bool
    is_immutable: bool
    readme: Readme | None
    created_by: str
    time_created: Instant
    time_updated: Instant
    time_last_pushed: Instant | None
    image_count: int
    layer_count: int
    layers_bytes: int
    stored_bytes: int
    freeform_tags: Tags
    defined_tags: DefinedTags
    etag: str


@dataclass(frozen=True, slots=True)
class RepositoryTotals:
    """Sums over all repositories of a list, whatever the page (oci-api 2.1, ContainerRepositoryCollection)."""

    repository_count: int
    image_count: int
    layer_count: int
    layers_bytes: int


@dataclass(frozen=True, slots=True)
class Version:
    """A tag as an image shows it."""

    version: str
    created_by: str
    time_created: Instant


@dataclass(frozen=True, slots=True)
class Image:
    """One push of a digest into a repository in its own right. `versions` are its tags, the latest first."""

    ocid: str
    tenancy: str
    compartment: str
    repository: str
    repository_name: str
    digest: Digest
    lifecycle_state: LifecycleState
    created_by: str
    time_created: Instant
    time_updated: Instant
    time_last_pushed: Instant
    time_deleted: Instant | None
    versions: tuple[Version, ...]
    last_version: str
    manifest_bytes: int
    layers_bytes: int
    pull_count: int
    time_last_pulled: Instant | None
    freeform_tags: Tags
    defined_tags: DefinedTags
    etag: str

    @property
    def version(self) -> str:
        """The latest tag, or the empty string."""
        return self.versions[0].version if self.versions else ""

    @property
    def display_name(self) -> str:
        """`repo:version`; without a version `repo:<last version or "unknown">@<digest>` (oci-api 2.1)."""
        if self.version:
            return f"{self.repository_name}:{self.version}"
        return f"{self.repository_name}:{self.last_version or 'unknown'}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image, as the repository holds it."""

    digest: Digest
    size: int
    time_created: Instant


@dataclass(frozen=True, slots=True)
class PlatformManifest:
    """One runnable manifest of an image: itself, or a child of its index. `platform` is what the index says of it.

    `layers` are (digest, media type, size) from the bottom up. `absent`: which of them, and of the configuration, the
    repository does not serve, whoever else does.
    """

    digest: Digest
    platform: Platform | None
    config: Digest
    layers: tuple[tuple[Digest, str, int], ...]
    absent: frozenset[Digest] = frozenset()


@dataclass(frozen=True, slots=True)
class AbsentPlatform:
    """A manifest that an index names and whose repository does not have it, or not as the index says: `why` tells."""

    digest: Digest
    platform: Platform | None
    why: str


@dataclass(frozen=True, slots=True)
class Platforms:
    """The runnable manifests of an image, and what its indexes name that may be more of them, each in their order."""

    present: tuple[PlatformManifest, ...]
    absent: tuple[AbsentPlatform, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """How a list of repositories or images is sorted: by time of creation, or by name; equal ones by OCID."""

    by_time: bool = True
    descending: bool = True


@dataclass(frozen=True, slots=True)
class RepositoryFilter:
    """What a list of repositories is narrowed to; None and empty values don't narrow."""

    compartments: tuple[str, ...] = ()
    ocid: str = ""
    name: str = ""
    #: A part of the name.
    name_contains: str = ""
    is_public: bool | None = None
    lifecycle_state: LifecycleState | None = None


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """What a list of images is narrowed to; None and empty values don't narrow.

    `repository_name` and `version` may hold `*` for any text; `version` fits if any tag of the image does.
    """

    compartments: tuple[str, ...] = ()
    repository: str = ""
    repository_name: str = ""
    version: str = ""
    is_versioned: bool | None = None
    display_name: str = ""
    ocid: str = ""
    digest: Digest | None = None
    lifecycle_state: LifecycleState = LifecycleState.AVAILABLE


@dataclass(frozen=True, slots=True)
class Pulls:
    """How often an image was pulled since the last count, and when last."""

    count: int
    last: Instant


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob as a repository holds it."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest or index as a repository holds it."""

    repository: str
    digest: Digest
    media_type: str
    size: int
    kind: ManifestKind
    #: Whether it may be run (`manifests.may_run`), itself or by a child.
    is_runnable: bool
    #: 0 for a manifest; for an index one more than the deepest of its children.
    nesting: int
    artifact_type: str
    subject: Digest | None
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that has begun. `acknowledged` bytes are staged and promised; it ends by itself at `time_expires`.

    `mark` is the blob store's own, by which it finds those bytes.
    """

    id: str
    repository: str
    acknowledged: int
    started_by: str
    time_created: Instant
    time_expires: Instant
    mark: str = ""


@dataclass(frozen=True, slots=True)
class TagMove:
    """A line of a tag's history: since `time_created` it named `digest`; None when it was removed."""

    tag: str
    digest: Digest | None
    time_created: Instant
    moved_by: str


@dataclass(frozen=True, slots=True)
class Condition:
    """On what condition a tag is moved or removed, by what it names at that moment (RFC 9110, section 13).

    It must name one of the digests `wanted` (None: whatever, or nothing), and none of `unwanted`; `*` stands for any.
    """

    wanted: frozenset[str] | None = None
    unwanted: frozenset[str] = frozenset()

    @classmethod
    def just(cls, digest: str) -> "Condition":
        """That the tag names `digest`, or nothing yet where that is empty."""
        return cls(wanted=frozenset({digest})) if digest else cls(unwanted=frozenset({"*"}))

    def holds(self, named: Digest | None) -> bool:
        """Whether it holds for a tag that names `named`; None for one that isn't there."""
        if named is None:
            return self.wanted is None
        these = {named.text, "*"}
        return (self.wanted is None or not self.wanted.isdisjoint(these)) and self.unwanted.isdisjoint(these)

    def require(self, tag: str, named: Digest | None) -> None:
        """Let a change of a tag be made only if it holds. Errors: Refused (ETAG_MISMATCH)."""
        if not self.holds(named):
            raise Refused(
                f"The tag {tag} names {named or 'nothing'}, which is not what the request is for.",
                advice="Read the tag again, and build on what it names now.",
                reason=Reason.ETAG_MISMATCH,
            )


#: No condition.
ANYTHING = Condition()

_DIGEST_LIKE = re.compile(r"[A-Za-z0-9+._-]+:.*")

#: What stands behind `manifests/` in a path: a tag, or a digest.
TagOrDigest = str | Digest


def tag_or_digest(text: str) -> TagOrDigest:
    """The digest or tag that `text` is. Errors: Refused (DIGEST_INVALID, MANIFEST_INVALID)."""
    return Digest(text) if _DIGEST_LIKE.fullmatch(text) else tag_name(text)
