"""A registry room to test with: small images pushed through its verbs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from assay.events import Fact, decode
from assay.iam import Actor, Principal, PrincipalKind
from assay.oci import Digest, MediaType
from assay.registry import pushes, repositories, uploads
from assay.registry.model import Repository, TagOrDigest
from assay.registry.pushes import Pushed
from assay.registry.uploads import Intake
from assay.storage import FolderBlobs, Store, metadata

TENANCY = "ocid1.tenancy.oc1..aaaaaaaa" + "b" * 52
OTHER_TENANCY = "ocid1.tenancy.oc1..aaaaaaaa" + "c" * 52
COMPARTMENT = "ocid1.compartment.oc1..aaaaaaaa" + "d" * 52
ACTOR = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), TENANCY)
STRANGER = Actor(Principal(PrincipalKind.INSTALLATION, "tests"), OTHER_TENANCY)

OCI_MANIFEST = MediaType.OCI_MANIFEST.value
OCI_INDEX = MediaType.OCI_INDEX.value
OCI_CONFIG = MediaType.OCI_CONFIG.value
OCI_LAYER = MediaType.OCI_LAYER_GZIP.value


def described(content: bytes, media_type: str, **members: Any) -> dict[str, Any]:
    """A descriptor of bytes."""
    return {"mediaType": media_type, "digest": Digest.of(content).text, "size": len(content), **members}


def manifest_of(config: bytes, stack: Sequence[bytes], **members: Any) -> bytes:
    """An OCI manifest of runnable layers."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": described(config, OCI_CONFIG),
            "layers": [described(layer, OCI_LAYER) for layer in stack],
            **members,
        }
    ).encode()


def index_of(*children: tuple[bytes, str], **members: Any) -> bytes:
    """An OCI index of manifests, each with an architecture; "unknown" makes an attestation of it."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                described(
                    child,
                    OCI_MANIFEST,
                    platform={"os": "unknown" if name == "unknown" else "linux", "architecture": name},
                )
                for child, name in children
            ],
            **members,
        }
    ).encode()


@dataclass(frozen=True)
class Room:
    """The registry room on one store, with a folder of blobs."""

    store: Store
    blobs: FolderBlobs
    intake: Intake

    @classmethod
    def on(cls, store: Store, folder: Path, **settings: Any) -> "Room":
        """A room whose blobs lie in `folder`."""
        blobs = FolderBlobs(folder)
        return cls(store, blobs, Intake(store, blobs, **settings))

    def push_blob(self, content: bytes, repository: str = "team/app", actor: Actor = ACTOR) -> Digest:
        """Upload a blob whole."""
        writer = uploads.resume(self.intake, actor, repository, uploads.begin(self.intake, actor, repository).id)
        try:
            for start in range(0, len(content), uploads.APPEND_BYTES_MAX):
                writer.append(content[start : start + uploads.APPEND_BYTES_MAX])
            uploads.finish(self.intake, actor, repository, writer, Digest.of(content))
        finally:
            writer.release()
        return Digest.of(content)

    def put(
        self,
        content: bytes,
        reference: TagOrDigest,
        repository: str = "team/app",
        actor: Actor = ACTOR,
        **members: Any,
    ) -> Pushed:
        """Push a manifest whose parts are there."""
        settle = members.pop("settle_microseconds", 0)
        push = pushes.Push(repository, reference, content, json.loads(content).get("mediaType", ""), **members)
        return pushes.put(self.store, actor, push, settle_microseconds=settle)

    def push_image(
        self,
        tag: str = "",
        seed: str = "one",
        repository: str = "team/app",
        actor: Actor = ACTOR,
        layers: Sequence[bytes] = (),
        **members: Any,
    ) -> tuple[Pushed, bytes]:
        """Push an image of its own config and layers, under a tag or by digest; with its manifest's bytes."""
        config = json.dumps({"seed": seed}).encode()
        stack = layers or (f"layer of {seed}".encode(),)
        for blob in (config, *stack):
            self.push_blob(blob, repository, actor)
        content = manifest_of(config, stack)
        return self.put(content, tag or Digest.of(content), repository, actor, **members), content

    def repository(self, name: str = "team/app", actor: Actor = ACTOR) -> Repository:
        """The repository as it stands."""
        return repositories.by_name(self.store, actor, name)

    def facts(self, kind: type[Fact] = Fact) -> list[Any]:
        """The facts of a kind that were announced, in order."""
        outbox = metadata.tables["outbox"]
        with self.store.database.read() as connection:
            rows = connection.execute(select(outbox.c.topic, outbox.c.payload).order_by(outbox.c.id)).all()
        found = [decode(row.topic, row.payload) for row in rows]
        return [fact for fact in found if isinstance(fact, kind)]
