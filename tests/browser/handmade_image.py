"""A small image made by hand, and its push over the wire: enough for a scan to find something in.

The packages and versions are those that the carried advisories speak of; their effect can be read there.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass

import httpx

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"

OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
DEBIAN = (("zlib1g", "1:1.2.13.dfsg-1", "zlib"), ("tar", "1.34+dfsg-1.2", "tar"), ("coreutils", "9.1-1", "coreutils"))


@dataclass(frozen=True, slots=True)
class HandmadeImage:
    """An image: its manifest and the blobs that it names, by digest."""

    manifest: bytes
    blobs: dict[str, bytes]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image(python: tuple[tuple[str, str], ...], note: str = "", layer_type: str = LAYER_TYPE) -> HandmadeImage:
    """Debian's packages in one layer, these Python distributions (name, version) in another, of the type given."""
    base = {"etc/os-release": OS_RELEASE}
    for name, version, source in DEBIAN:
        base[f"var/lib/dpkg/status.d/{name}"] = (
            f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
            f"Source: {source}\nVersion: {version}\n"
        )
    site = "usr/local/lib/python3.11/site-packages"
    added = {
        f"{site}/{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        for name, version in python
    }
    added["app/note"] = note
    layers, diff_ids = [], []
    blobs: dict[str, bytes] = {}
    for files, media_type in ((base, LAYER_TYPE), (added, layer_type)):
        plain = _tar(files)
        packed = gzip.compress(plain, mtime=0)
        blobs[digest_of(packed)] = packed
        layers.append({"mediaType": media_type, "digest": digest_of(packed), "size": len(packed)})
        diff_ids.append(digest_of(plain))
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    ).encode()
    blobs[digest_of(config)] = config
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
        "layers": layers,
    }
    return HandmadeImage(json.dumps(manifest).encode(), blobs)


def push(server: str, login: tuple[str, str], repository: str, tag: str, made: HandmadeImage) -> None:
    """Push as registry clients do: challenge, token, blobs, manifest. `repository` has its namespace in front."""
    with httpx.Client(base_url=server, timeout=30) as client:
        challenge = client.get("/v2/")
        assert challenge.status_code == 401
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge.headers["www-authenticate"]))
        asked = {"service": fields["service"], "scope": f"repository:{repository}:pull,push"}
        token = client.get(fields["realm"], params=asked, auth=login)
        token.raise_for_status()
        client.headers["authorization"] = f"Bearer {token.json()['token']}"
        for digest, content in made.blobs.items():
            begun = client.post(f"/v2/{repository}/blobs/uploads/")
            begun.raise_for_status()
            location = httpx.URL(begun.headers["location"]).copy_add_param("digest", digest)
            client.put(location, content=content).raise_for_status()
        answered = client.put(
            f"/v2/{repository}/manifests/{tag}", content=made.manifest, headers={"content-type": MANIFEST_TYPE}
        )
        answered.raise_for_status()


def _tar(files: dict[str, str]) -> bytes:
    """A tar of small files, the same bytes each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
