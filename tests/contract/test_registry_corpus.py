"""The image corpus pushed raw, bad manifests and all: each is taken or refused as the corpus says it must be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_server import Server, started

from assay.oci import Digest
from assay.registry import images
from assay.storage import Store

pytestmark = pytest.mark.shared

NAMES = [
    "h-bad-manifests",
    "h-wrong-size",
    "h-nested-index",
    "h-deep-json",
    "h-big-manifest",
    "h-missing-blob",
    "h-wrong-digest",
    "foreign-layer",
    "multiarch-attested",
    "docker-schema1",
    "docker-schema2",
    "referrers",
    "oras-artifact",
    "helm-chart",
    "zstd-layer",
]

#: Image and tag → status of the PUT of its manifest, from the corpus' `must`; where it leaves a choice, ours.
REFUSED: dict[tuple[str, str], tuple[int, str]] = {
    ("h-big-manifest", "latest"): (413, "SIZE_INVALID"),
    ("h-deep-json", "latest"): (400, "MANIFEST_INVALID"),
    ("h-deep-json", "objects"): (400, "MANIFEST_INVALID"),
    ("h-missing-blob", "latest"): (400, "MANIFEST_BLOB_UNKNOWN"),
    ("h-missing-blob", "noconfig"): (400, "MANIFEST_BLOB_UNKNOWN"),
    ("h-wrong-digest", "latest"): (400, "MANIFEST_BLOB_UNKNOWN"),
    ("docker-schema1", "latest"): (400, "MANIFEST_INVALID"),
    ("h-nested-index", "wide"): (413, "SIZE_INVALID"),
    ("h-nested-index", "lies"): (400, "MANIFEST_INVALID"),
    # Its innermost indexes are taken; the one that nests too deep is not, nor what names it.
    ("h-nested-index", "latest"): (400, "MANIFEST_BLOB_UNKNOWN"),
}
#: What is a whole image of its own, by repository.
IMAGES = {"h-big-manifest", "h-deep-json", "h-bad-manifests", "foreign-layer", "multiarch-attested", "docker-schema2"}


@pytest.fixture(scope="module")
def corpus(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    builder = shared_data / "imagecorpus" / "make_images.py"
    subprocess.run(
        [sys.executable, builder, "--out", folder / "out", "--work", folder / "work", *NAMES],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder / "out"


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


class Pusher:
    """Pushes a layout as it is; keeps the answer to every manifest."""

    def __init__(self, server: Server, layout: Path, name: str) -> None:
        self._layout = layout
        self._client = httpx.Client(
            base_url=server.path(name), auth=(server.account.login, server.account.token), timeout=60
        )
        self.answers: dict[str, httpx.Response] = {}

    def content(self, digest: str) -> bytes | None:
        path = self._layout / "blobs" / digest.replace(":", "/")
        try:
            return path.read_bytes() if "/.." not in digest else None
        except OSError:
            return None

    def push_all(self) -> None:
        with self._client:
            for described in json.loads((self._layout / "index.json").read_text())["manifests"]:
                tag = described["annotations"]["org.opencontainers.image.ref.name"]
                self.answers[tag] = self.push(described, tag)

    def push(self, described: dict[str, Any], reference: str) -> httpx.Response:
        content = self.content(described["digest"]) or b""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = {}
        if isinstance(document, dict):
            self.push_parts(document)
        headers = {"content-type": described["mediaType"]}
        return self._client.put(f"/manifests/{reference}", content=content, headers=headers)

    def push_parts(self, document: dict[str, Any]) -> None:
        def digests(name: str) -> list[dict[str, Any]]:
            found = document.get(name)
            listed = found if isinstance(found, list) else [found]
            once = {each["digest"]: each for each in listed[:300] if isinstance(each, dict) and "digest" in each}
            return list(once.values())

        for child in digests("manifests"):
            if "mediaType" in child:
                self.push(child, child["digest"])
        for blob in (*digests("config"), *digests("layers")):
            content = self.content(blob["digest"])
            if content is not None:
                self._client.post("/blobs/uploads/", params={"digest": blob["digest"]}, content=content)


@pytest.mark.timeout(900)
def test_the_corpus_is_taken_and_refused_as_it_must_be(server: Server, corpus: Path) -> None:
    sys.setrecursionlimit(20_000)  # the pusher follows an index nested 200 deep
    for name in NAMES:
        pusher = Pusher(server, corpus / name / "layout", name)
        pusher.push_all()
        for tag, answer in pusher.answers.items():
            assert answer.status_code < 500, (name, tag, answer.text)
            if name == "h-bad-manifests":
                status = {"no-mediatype": 201, "ten-thousand-layers": 413}.get(tag, 400)
                assert answer.status_code == status, (tag, answer.text)
            elif name == "h-wrong-size":
                assert answer.status_code == 400, (tag, answer.text)
            elif (name, tag) in REFUSED:
                code = answer.json()["errors"][0]["code"]
                assert (answer.status_code, code) == REFUSED[name, tag], (name, tag)
            else:
                assert answer.status_code == 201, (name, tag, answer.text)
    found = {image.repository_name for image in images.listed(server.store, server.account.actor, limit=100).items}
    assert found >= IMAGES | {"zstd-layer", "referrers"}
    assert not found & {"oras-artifact", "helm-chart", "docker-schema1", "h-wrong-digest", "h-missing-blob"}
    check_referrers(server, corpus / "referrers")


def check_referrers(server: Server, folder: Path) -> None:
    """The lists of referrers are just those that the corpus gives, with and without a filter."""
    expected: dict[str, list[dict[str, str]]] = json.loads((folder / "expected.json").read_text())["referrers"]
    assert len(expected) == 3
    auth = (server.account.login, server.account.token)
    for subject, members in expected.items():
        url = f"{server.path('referrers')}/referrers/{Digest(subject)}"
        listed = httpx.get(url, auth=auth).json()["manifests"]
        assert {(each["digest"], each["artifactType"]) for each in listed} == {
            (each["digest"], each["artifactType"]) for each in members
        }
        kind = members[0]["artifactType"]
        narrowed = httpx.get(url, auth=auth, params={"artifactType": kind}).json()["manifests"]
        assert [each["digest"] for each in narrowed] == sorted(
            each["digest"] for each in members if each["artifactType"] == kind
        )
