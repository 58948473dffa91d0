"""Build a small real image: old Python packages, and Debian packages recorded as distroless images record them."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

#: Old on purpose: each has well-known published vulnerabilities.
PYTHON_PACKAGES = ("django==3.2", "requests==2.19.1", "pillow==8.0.0")
DEBIAN_PACKAGES = ("libssl3", "zlib1g", "tzdata", "ca-certificates")
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """A gzip layer: its bytes and the digest of the tar inside."""

    content: bytes
    diff_id: str


def debian_layer(work: Path) -> Layer:
    """The base layer: `apt-get download`, unpacked, with one control file a package under status.d."""
    root = work / "debian"
    downloads = work / "debs"
    downloads.mkdir(parents=True)
    _run(["apt-get", "-qq", "download", *DEBIAN_PACKAGES], cwd=downloads)
    status = root / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(root)])
        control = _run(["dpkg-deb", "-f", str(package)])
        (status / package.name.partition("_")[0]).write_text(control)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/os-release").write_text(OS_RELEASE)
    shutil.rmtree(root / "usr/share/doc", ignore_errors=True)
    return pack(root)


def python_layer(work: Path) -> Layer:
    """The application layer: old wheels of the Python package index, as pip lays them out."""
    root = work / "python"
    target = root / "usr/lib/python3/dist-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--target", str(target), "--only-binary=:all:", "--implementation", "cp"]
    _run([*command, "--python-version", "3.9", "--platform", "manylinux1_x86_64", *PYTHON_PACKAGES])
    return pack(root)


def text_layer(path: str, text: str) -> Layer:
    """A layer of one small file: makes another image of the same base."""
    return _layer({path: text.encode()})


def pack(root: Path) -> Layer:
    """The folder as a gzip layer, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            entry = archive.gettarinfo(path, arcname=str(path.relative_to(root)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if entry.isfile():
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                archive.addfile(entry)
    return _compressed(buffer.getvalue())


def write_layout(folder: Path, layers: list[Layer], architecture: str = "amd64") -> str:
    """Write an OCI image layout with one image tagged `latest`; the manifest's digest."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def keep(content: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    config = {
        "created": "1970-01-01T00:00:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": keep(_json(config), CONFIG_TYPE),
        "layers": [keep(layer.content, LAYER_TYPE) for layer in layers],
    }
    descriptor = keep(_json(manifest), MANIFEST_TYPE)
    index = {
        "schemaVersion": 2,
        "manifests": [{**descriptor, "annotations": {"org.opencontainers.image.ref.name": "latest"}}],
    }
    (folder / "index.json").write_bytes(_json(index))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(descriptor["digest"])


def _layer(files: dict[str, bytes]) -> Layer:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return _compressed(buffer.getvalue())


def _compressed(tar: bytes) -> Layer:
    return Layer(gzip.compress(tar, 6, mtime=0), f"sha256:{hashlib.sha256(tar).hexdigest()}")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _run(command: list[str], cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout
