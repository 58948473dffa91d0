"""OCI image layouts on disk, made by hand, for real clients to push."""

import gzip
import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

from assay.oci import Digest, MediaType


class Layout:
    """A folder in the OCI image layout (image-spec, "image-layout"), filled blob by blob."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self._tags: list[dict[str, Any]] = []

    def blob(self, content: bytes, media_type: str, **members: Any) -> dict[str, Any]:
        """Store bytes; their descriptor."""
        digest = Digest.of(content)
        (self.folder / "blobs" / "sha256" / digest.encoded).write_bytes(content)
        return {"mediaType": media_type, "digest": digest.text, "size": len(content), **members}

    def image(self, architecture: str = "amd64", layers: int = 2, layer_bytes: int = 10_000) -> dict[str, Any]:
        """Store an image of gzipped layers, each with one file of noise; its manifest's descriptor."""
        found, diff_ids = [], []
        for number in range(layers):
            plain = tar_of({f"file{number}": random.Random(f"{architecture}{number}").randbytes(layer_bytes)})
            diff_ids.append(Digest.of(plain).text)
            packed = gzip.compress(plain, compresslevel=1, mtime=0)
            found.append(self.blob(packed, MediaType.OCI_LAYER_GZIP.value))
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": [{"created_by": "tests"} for _ in diff_ids],
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MediaType.OCI_MANIFEST.value,
            "config": self.blob(config, MediaType.OCI_CONFIG.value),
            "layers": found,
        }
        return self.blob(json.dumps(manifest).encode(), MediaType.OCI_MANIFEST.value)

    def index(self, *architectures: str) -> dict[str, Any]:
        """Store an index of images; its descriptor."""
        children = [
            {**self.image(name, layers=1), "platform": {"os": "linux", "architecture": name}} for name in architectures
        ]
        document = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX.value, "manifests": children}
        return self.blob(json.dumps(document).encode(), MediaType.OCI_INDEX.value)

    def tag(self, descriptor: dict[str, Any], name: str) -> Digest:
        """Name something; its digest."""
        self._tags.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})
        index = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX.value, "manifests": self._tags}
        (self.folder / "index.json").write_text(json.dumps(index))
        return Digest(descriptor["digest"])


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar archive of files with fixed owners and times."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
