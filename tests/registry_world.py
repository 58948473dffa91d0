"""A plain model of what a registry should hold, and clients that play on both: the world of the model-based test.

The model knows repositories, blobs, manifests, images, tags and times, and nothing of databases or files.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from registry_pieces import OCI_MANIFEST, described, manifest_of

from assay.clock import DAY, HOUR
from assay.oci import Digest

#: What the registry is set to in these tests: the defaults.
WINDOW, GRACE, UNUSED, GRACE_MIN, SHOWN_MIN, IDLE = 2 * DAY, DAY, DAY, 2 * HOUR, HOUR, DAY


@dataclass(frozen=True)
class Content:
    """A manifest: an image with a config and layers, or the signature of one."""

    content: bytes
    blobs: tuple[bytes, ...]
    layers: tuple[bytes, ...]
    subject: Digest | None = None

    @classmethod
    def image(cls, config: bytes, layers: Sequence[bytes]) -> "Content":
        """An image."""
        return cls(manifest_of(config, layers), (config, *layers), tuple(layers))

    @classmethod
    def signature(cls, subject: "Content", payload: bytes) -> "Content":
        """An artifact whose subject is an image."""
        named = described(subject.content, OCI_MANIFEST)
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [described(payload, "application/octet-stream")],
            "subject": named,
        }
        return cls(json.dumps(document).encode(), (b"{}", payload), (), Digest(named["digest"]))

    @property
    def digest(self) -> Digest:
        """Its digest."""
        return Digest.of(self.content)

    @property
    def is_image(self) -> bool:
        """Whether it runs."""
        return self.subject is None


@dataclass
class HeldBlob:
    """A blob in a repository. `goes`: when it leaves, because nothing names it."""

    content: bytes
    goes: int | None


@dataclass
class HeldManifest:
    """A manifest in a repository, served while `deleted` is None."""

    what: Content
    pushed: int
    deleted: int | None = None


@dataclass
class HeldImage:
    """An image, when it was pushed last; `deleted` tells since when it may be restored for a time."""

    what: Content
    pushed: int
    deleted: int | None = None


@dataclass
class ModelRepository:
    """One repository of one tenancy. `quota`: how many bytes it may hold; `keeps`: how many images retention keeps."""

    quota: int | None = None
    keeps: int | None = None
    blobs: dict[Digest, HeldBlob] = field(default_factory=dict)
    manifests: dict[Digest, HeldManifest] = field(default_factory=dict)
    images: dict[str, HeldImage] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)

    # Blobs

    def is_named(self, digest: Digest) -> bool:
        """Whether a manifest of the repository, served or not, names a blob."""
        return any(digest in map(Digest.of, held.what.blobs) for held in self.manifests.values())

    def shows(self, content: bytes, now: int) -> bool:
        """Whether whoever asks is told that the blob is there."""
        held = self.blobs.get(Digest.of(content))
        return held is not None and (held.goes is None or held.goes > now + SHOWN_MIN)

    def has_room(self, content: bytes) -> bool:
        """Whether a blob may be held, by its quota: it is there, or it fits."""
        fits = self.quota is None or self.stored_bytes + len(content) <= self.quota
        return fits or Digest.of(content) in self.blobs

    def hold(self, content: bytes, now: int) -> None:
        """A blob is pushed or mounted."""
        digest = Digest.of(content)
        goes = None if self.is_named(digest) else now + UNUSED
        self.blobs[digest] = HeldBlob(content, goes)

    # Manifests and images

    def takes(self, what: Content) -> bool:
        """Whether all that a manifest names is there."""
        return all(Digest.of(blob) in self.blobs for blob in what.blobs)

    def put(self, what: Content, tag: str, image: str, now: int) -> None:
        """A manifest is pushed; `image` is the OCID of the image that it is."""
        self.manifests[what.digest] = HeldManifest(what, now)
        for blob in what.blobs:
            self.blobs[Digest.of(blob)].goes = None
        if tag:
            self.tags[tag] = what.digest
        if image:
            self.images[image] = HeldImage(what, now)

    def serves(self, digest: Digest) -> bool:
        """Whether a manifest can be pulled."""
        return digest in self.manifests and self.manifests[digest].deleted is None

    def available(self) -> dict[Digest, str]:
        """Available images: digest to OCID."""
        return {held.what.digest: ocid for ocid, held in self.images.items() if held.deleted is None}

    def _untag(self, digest: Digest) -> None:
        self.tags = {tag: named for tag, named in self.tags.items() if named != digest}

    def referrers(self, digest: Digest) -> list[HeldManifest]:
        """What refers to a manifest, served or not."""
        return [held for held in self.manifests.values() if held.what.subject == digest]

    def delete(self, ocid: str, now: int, *, with_referrers: bool) -> None:
        """An image goes, perhaps with its signatures."""
        image = self.images[ocid]
        digest = image.what.digest
        image.deleted = self.manifests[digest].deleted = now
        self._untag(digest)
        for held in self.referrers(digest) if with_referrers else ():
            if held.deleted is None:
                held.deleted = now

    def can_restore(self, ocid: str, now: int) -> bool:
        """Whether a deleted image may come back: in time, and unless its digest was pushed again."""
        image = self.images[ocid]
        assert image.deleted is not None
        return now <= image.deleted + WINDOW and image.what.digest not in self.available()

    def restore(self, ocid: str, tag: str) -> None:
        """An image comes back, with the signatures that went with it."""
        image = self.images[ocid]
        digest = image.what.digest
        for held in [self.manifests[digest], *self.referrers(digest)]:
            if held.what.digest == digest or held.deleted == image.deleted:
                held.deleted = None
        image.deleted = None
        if tag:
            self.tags[tag] = digest

    # Upkeep

    def retain(self, now: int) -> None:
        """Of the available images only those stay that were pushed last, as many as are kept."""
        latest_first = sorted(self.available().values(), key=lambda ocid: self.images[ocid].pushed, reverse=True)
        for ocid in latest_first[self.keeps :] if self.keeps is not None else ():
            self.delete(ocid, now, with_referrers=True)

    def purge(self, now: int) -> None:
        """What was deleted longer than the window ago goes for good, and so do blobs that nothing came to name."""
        horizon = now - WINDOW
        self.images = {o: held for o, held in self.images.items() if held.deleted is None or held.deleted >= horizon}
        while due := self._due_manifests(horizon):
            for digest in due:
                gone = self.manifests.pop(digest)
                for held in self.referrers(digest):
                    if held.deleted is None and gone.deleted is not None and held.pushed <= gone.deleted:
                        held.deleted = gone.deleted
                for blob in map(Digest.of, gone.what.blobs):
                    if not self.is_named(blob) and blob in self.blobs:
                        self.blobs[blob].goes = now + GRACE_MIN
        self.blobs = {d: held for d, held in self.blobs.items() if held.goes is None or held.goes > now}

    def _due_manifests(self, horizon: int) -> list[Digest]:
        imaged = {held.what.digest for held in self.images.values()}
        return [
            digest
            for digest, held in self.manifests.items()
            if held.deleted is not None and held.deleted < horizon and digest not in imaged
        ]

    # What the registry says of it

    @property
    def layers(self) -> set[bytes]:
        """The distinct layers of all images that are not purged."""
        return {layer for held in self.images.values() for layer in held.what.layers}

    @property
    def stored_bytes(self) -> int:
        """All blobs that it holds."""
        return sum(len(held.content) for held in self.blobs.values())
