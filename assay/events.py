"""The facts that rooms announce. A fact is written to the outbox in the transaction of the change that it tells.

Facts name things by OCID or digest; they carry what a listener needs to begin, never secrets, never whole objects.
Each says with `aggregate` whose order it keeps: facts of one aggregate are delivered in the order of their commits.
"""

from typing import ClassVar

import msgspec

from assay.errors import Corrupt


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened. `tenancy` is the tenancy's OCID, or empty for facts about the whole installation."""

    aggregate_field: ClassVar[str] = "tenancy"
    tenancy: str

    @property
    def aggregate(self) -> str:
        """The OCID (or name) within which order is kept."""
        return str(getattr(self, self.aggregate_field))


class RepositoryFact(Fact, frozen=True, kw_only=True):
    """A fact about one repository, by OCID."""

    aggregate_field: ClassVar[str] = "repository"
    repository: str


class ImagePushed(RepositoryFact, frozen=True, kw_only=True):
    """An image was pushed, or pushed again, in its own right. `image` is the OCID of this push."""

    image: str
    digest: str
    tag: str = ""


class TagMoved(RepositoryFact, frozen=True, kw_only=True):
    """A tag now names `digest`; empty when the tag was removed."""

    tag: str
    digest: str


class ArtifactPushed(RepositoryFact, frozen=True, kw_only=True):
    """A manifest that is not an image was pushed: a referrer, a signature tag, a chart."""

    digest: str
    tag: str = ""
    subject: str = ""


class ImageDeleted(RepositoryFact, frozen=True, kw_only=True):
    """An image was deleted (softly) and is neither served nor admitted any more."""

    image: str
    digest: str


class ImageRestored(RepositoryFact, frozen=True, kw_only=True):
    """A deleted image is back."""

    image: str
    digest: str


class ImageTakenIn(RepositoryFact, frozen=True, kw_only=True):
    """An image turned out to be a platform of an index that was pushed after it: it is no image of its own any more."""

    image: str
    digest: str


class PartArrived(RepositoryFact, frozen=True, kw_only=True):
    """A blob or manifest came that an image names, and that its repository did not serve when the image was pushed."""

    image: str
    part: str


class RepositoryMoved(RepositoryFact, frozen=True, kw_only=True):
    """A repository, with all that lies in it, was put into another compartment."""

    compartment: str


class RepositoryDeleted(RepositoryFact, frozen=True, kw_only=True):
    """A repository was deleted with its images."""


class BlobCollected(Fact, frozen=True, kw_only=True):
    """A blob that no repository held is gone: what was made of it may go. `tenancy` is empty."""

    digest: str


class ScannerAdded(RepositoryFact, frozen=True, kw_only=True):
    """An image scanner was added to a repository; its `image_count` latest images are to be scanned."""

    scanner: str
    image_count: int


class ScannerRemoved(RepositoryFact, frozen=True, kw_only=True):
    """The image scanner of a repository was removed."""

    scanner: str


class ImageScanned(RepositoryFact, frozen=True, kw_only=True):
    """New scans of images of one repository stand, as of `revision`."""

    images: tuple[str, ...]
    revision: int
    cause: str


class VerdictRecorded(RepositoryFact, frozen=True, kw_only=True):
    """A reviewer accepted or refused a scan."""

    image: str
    scan: str
    accepted: bool


class ImageSigned(RepositoryFact, frozen=True, kw_only=True):
    """An image signature was recorded; its artifacts are to be published."""

    image: str
    digest: str
    signature: str


class SignatureDeleted(RepositoryFact, frozen=True, kw_only=True):
    """An image signature was deleted and is trusted no more."""

    digest: str
    signature: str


class KeyStateChanged(Fact, frozen=True, kw_only=True):
    """A master encryption key, or one version of it, changed its state."""

    aggregate_field: ClassVar[str] = "key"
    key: str
    key_version: str = ""
    state: str


class PolicyChanged(Fact, frozen=True, kw_only=True):
    """IAM statements of a tenancy changed."""

    policy: str


class CompartmentMoved(Fact, frozen=True, kw_only=True):
    """A compartment, with all that lies in it, was put into another parent: what reaches into it may have changed."""

    compartment: str


class ClusterPolicyChanged(Fact, frozen=True, kw_only=True):
    """The image verification policy of a cluster changed."""

    aggregate_field: ClassVar[str] = "cluster"
    cluster: str


class FeedAdvanced(Fact, frozen=True, kw_only=True):
    """A feed revision was published."""

    aggregate_field: ClassVar[str] = "feed"
    feed: str
    revision: int


def _all(kind: type[Fact]) -> dict[str, type[Fact]]:
    found = {kind.__name__: kind}
    for child in kind.__subclasses__():
        found |= _all(child)
    return found


def encode(fact: Fact) -> str:
    """The JSON text under which a fact is stored; its topic is the class name."""
    return msgspec.json.encode(fact).decode()


def is_fact(topic: str) -> bool:
    """Whether this version knows facts of that name."""
    return topic in _all(Fact)


def decode(topic: str, payload: str) -> Fact:
    """The fact that `encode` wrote. Errors: Corrupt for an unknown topic or a payload that doesn't fit it."""
    kind = _all(Fact).get(topic)
    if kind is None:
        raise Corrupt(f"The outbox holds a fact {topic!r} that this version does not know.")
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.MsgspecError as fault:
        raise Corrupt(f"The outbox holds a {topic} that does not read: {fault}") from fault
