"""What the registry's benchmark pushes: blobs that no server has seen, and an image of noise in the OCI layout."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

from benchmarks.registry_load import Blob

_PIECE_BYTES = 1024 * 1024
_TAIL_BYTES = 64

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Noise:
    """Blobs of one size that share all but their end, so that a fresh one costs a hash over its end only."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        self._file = folder / f"noise-{size}"
        self._shared = size - _TAIL_BYTES
        self._hashed = hashlib.sha256()
        with self._file.open("wb") as file:
            left = self._shared
            while left:
                piece = os.urandom(min(left, _PIECE_BYTES))
                self._hashed.update(piece)
                file.write(piece)
                left -= len(piece)

    def fresh(self) -> Blob:
        """A blob that nobody has seen."""
        tail = os.urandom(_TAIL_BYTES)
        hashed = self._hashed.copy()
        hashed.update(tail)
        return Blob(self._file, self._shared, tail, f"sha256:{hashed.hexdigest()}")


class ImageNoise:
    """Images of a given size in two gzip layers; every one is new to every server."""

    def __init__(self, folder: Path, size: int) -> None:
        self._packed = folder / f"layer-{size}.gz"
        with gzip.open(self._packed, "wb", compresslevel=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo("noise")
            entry.size = size // 2
            with Path("/dev/urandom").open("rb") as noise:
                tar.addfile(entry, noise)

    def fresh(self, folder: Path) -> Path:
        """Make a layout in a folder that must not be there yet, with the tag `latest`; the folder."""
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        layers = [self._layer(blobs) for _ in range(2)]
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {}}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _put(blobs, json.dumps(config).encode(), CONFIG),
            "layers": layers,
        }
        described = _put(blobs, json.dumps(manifest).encode(), MANIFEST)
        described["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return folder

    def _layer(self, blobs: Path) -> dict[str, object]:
        """A layer: one file of a few bytes that no other has, then the noise."""
        written = blobs / "written"
        with written.open("wb") as layer, self._packed.open("rb") as packed:
            layer.write(gzip.compress(_one_file(os.urandom(16)), compresslevel=0))
            shutil.copyfileobj(packed, layer, _PIECE_BYTES)
        with written.open("rb") as layer:
            digest = hashlib.file_digest(layer, "sha256").hexdigest()
        written.rename(blobs / digest)
        return {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": (blobs / digest).stat().st_size}


def manifest_of(config: bytes, layer: bytes) -> bytes:
    """A manifest of one layer, both of them small."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(config, CONFIG),
            "layers": [_described(layer, LAYER)],
        }
    ).encode()


def digest_of(content: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _put(blobs: Path, content: bytes, media_type: str) -> dict[str, object]:
    (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    return _described(content, media_type)


def _one_file(content: bytes) -> bytes:
    """The blocks of a tar file with one member, without the two blocks that end it."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        entry = tarfile.TarInfo("unique")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()[:1024]
