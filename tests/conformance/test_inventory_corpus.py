"""The inventory against images whose facts come from the package managers themselves.

Images are taken from the folder ASSAY_CORPUS where they were built before; those that need no network are built now.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from assay.clock import Instant, SetClock, Site
from assay.errors import Refused
from assay.inventory import Composition, LayerReaders, Occurrence, catalog
from assay.oci import Descriptor, Digest
from assay.secret import Secret
from assay.storage import Database, Store, metadata

pytestmark = pytest.mark.shared

ECOSYSTEMS = {"deb": {"Debian", "Ubuntu"}, "apk": {"Alpine"}, "pypi": {"PyPI"}, "npm": {"npm"}}
Known = tuple[str, str, str]


class Layout:
    """An OCI layout as a blob store that one reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.expected = json.loads((folder / "expected.json").read_text())
        index = json.loads((folder / "layout" / "index.json").read_text())
        self.tags = {
            entry.get("annotations", {}).get("org.opencontainers.image.ref.name", "latest"): entry["digest"]
            for entry in index["manifests"]
        }

    @contextmanager
    def open(self, digest: Digest) -> Iterator[BinaryIO]:
        path = self._folder / "layout" / "blobs" / digest.algorithm / digest.encoded
        if not path.exists():
            raise Refused("The blob isn't there.")
        with path.open("rb") as blob:
            yield blob

    def document(self, digest: str) -> Any:
        with self.open(Digest(digest)) as blob:
            return json.loads(blob.read())

    def images(self, tag: str) -> dict[str, Any]:
        """The manifests behind a tag, by platform; that of a plain image stands under the empty string."""
        manifest = self.document(self.tags[tag])
        if "manifests" not in manifest:
            return {"": manifest}
        return {
            "/".join(filter(None, map(child["platform"].get, ("os", "architecture", "variant")))): self.document(
                child["digest"]
            )
            for child in manifest["manifests"]
            if child["platform"]["os"] != "unknown"
        }


@pytest.fixture(scope="module")
def built(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Gives the folder of an image, built where that is possible without a network."""
    builder = shared_data / "imagecorpus" / "make_images.py"
    cache = Path(os.environ.get("ASSAY_CORPUS", "/nonexistent"))
    fresh = tmp_path_factory.mktemp("corpus")

    def folder(name: str, *, needs: str = "") -> Path:
        for place in (cache / name, fresh / name):
            if (place / "expected.json").exists():
                return place
        if needs:
            pytest.skip(
                f"SKIPPED FOR WANT OF DATA: {name} needs {needs}; build it by "
                f"`make_images.py --out FOLDER {name}` and set ASSAY_CORPUS=FOLDER"
            )
        subprocess.run([sys.executable, builder, "--out", fresh, name], check=True, capture_output=True, timeout=300)
        return fresh / name

    return folder


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Composes one manifest of a layout through the catalog and real reader processes."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('corpus-store') / 'assay.db'}")
    metadata.create_all(database.engine)
    store = Store(database, SetClock(Instant(0)), Site("oc1", "local"), Secret("page key"))
    with LayerReaders(partial(catalog.keep_part, store)) as readers:

        def composed(layout: Layout, manifest: Any) -> Composition:
            layers = [
                Descriptor(layer["mediaType"], Digest(layer["digest"]), layer["size"])
                for layer in manifest["layers"] or []
            ]
            try:
                rootfs = layout.document(manifest["config"]["digest"])["rootfs"]
                diff_ids = [Digest(text) for text in rootfs["diff_ids"]]
            except (ValueError, TypeError, KeyError, Refused):
                diff_ids = []
            return catalog.compose_image(store, layout, readers, layers, diff_ids=diff_ids)

        yield composed
    database.close()


def facts(packages: list[dict[str, Any]], certainty: str | None = None) -> set[Known]:
    """Expected packages of the ecosystems that are read, names as the ecosystem normalises them."""
    return {
        (package["ecosystem"], normal(package["ecosystem"], package["name"]), package["version"])
        for package in packages
        if package["ecosystem"] in ECOSYSTEMS and (certainty is None or package["certainty"] == certainty)
    }


def normal(ecosystem: str, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == "pypi" else name


def found(composition: Composition) -> dict[Known, list[Occurrence]]:
    known: dict[Known, list[Occurrence]] = {}
    for seen in composition.occurrences:
        family = seen.component.ecosystem.partition(":")[0]
        ecosystem = next(name for name, families in ECOSYSTEMS.items() if family in families)
        known.setdefault((ecosystem, seen.component.name, seen.component.version), []).append(seen)
    return known


def agree(composition: Composition, packages: list[dict[str, Any]], absent: list[dict[str, Any]]) -> None:
    seen = found(composition)
    assert facts(packages, "must") - seen.keys() == set(), "missed"
    assert facts(absent) & seen.keys() == set(), "reported though absent"
    assert seen.keys() - facts(packages) == set(), "made up"
    for package in packages:
        occurrences = seen.get(
            (package["ecosystem"], normal(package["ecosystem"], package["name"]), package["version"])
        )
        if occurrences and package["certainty"] == "must":
            assert package.get("layer") in (None, *[each.layer for each in occurrences]), package
            for key, field in (("arch", "architecture"), ("source", "source"), ("source_version", "source_version")):
                if key in package:
                    assert package[key] in [getattr(each.component, field) for each in occurrences], package


MIRRORED = dict.fromkeys(
    ["debian-bookworm", "debian-bullseye", "debian-trixie", "debian-web", "debian-upgraded", "debian-distroless",
     "python-site", "python-venv", "python-eggs", "node-npm", "node-yarn", "node-pnpm", "fdk-python"],
    "package mirrors and mmdebstrap",
)  # fmt: skip
OFFLINE = dict.fromkeys(
    ["alpine-3.6", "alpine-3.9", "alpine-3.12", "alpine-3.14", "alpine-3.17", "alpine-3.20", "whiteouts", "many-layers",
     "multiarch", "multiarch-attested", "docker-schema2", "tar-variety", "plain-tar-layer", "gzip-members"],
    "",
)  # fmt: skip
ZSTD = dict.fromkeys(["zstd-layer", "wrong-mediatype-zstd"], "" if Path("/usr/bin/zstd").exists() else "zstd")


@pytest.mark.parametrize(("name", "needs"), [*OFFLINE.items(), *ZSTD.items(), *MIRRORED.items()])
def test_the_inventory_agrees_with_the_package_managers(name: str, needs: str, built: Any, compose: Any) -> None:
    layout = Layout(built(name, needs=needs))
    expected = layout.expected
    for tag in layout.tags:
        also = expected.get("tags", {}).get(tag, {}).get("also", [])
        for platform, manifest in layout.images(tag).items():
            packages = expected["per_platform"][platform]["packages"] if platform and "per_platform" in expected else (
                expected["packages"]
            )  # fmt: skip
            composition = compose(layout, manifest)
            agree(composition, packages + also, expected.get("absent", []))
            assert composition.complete, composition.reasons
            assert composition.components == frozenset().union(*composition.levels)


def test_what_a_distribution_installed_is_left_to_it(built: Any, compose: Any) -> None:
    layout = Layout(built("python-site", needs="package mirrors and mmdebstrap"))
    composition = compose(layout, layout.images("latest")[""])
    counted = {component.name for component in composition.components if component.ecosystem == "PyPI"}
    owned = {seen.component.name: seen.owner for seen in composition.occurrences if seen.owner}
    assert owned["wheel"] == "python3-wheel"
    assert "wheel" not in counted
    assert {"django", "requests", "pillow"} <= counted


def test_a_deleted_package_database_is_said(built: Any, compose: Any) -> None:
    layout = Layout(built("debian-status-deleted", needs="package mirrors and mmdebstrap"))
    composition = compose(layout, layout.images("latest")[""])
    assert composition.ecosystem == "Debian:12"
    assert composition.components == frozenset()
    assert any("removes or replaces the package database of layer 1" in reason for reason in composition.reasons)


def test_layers_that_are_empty_or_the_same_and_images_without_any_are_ordinary(built: Any, compose: Any) -> None:
    layout = Layout(built("empty-and-same-layers"))
    for tag, packages in (("latest", 14), ("nohistory", 14), ("none", 0)):
        composition = compose(layout, layout.images(tag)[""])
        assert (len(composition.components), composition.complete) == (packages, True)


def test_an_absent_foreign_layer_is_named_and_the_rest_is_read(built: Any, compose: Any) -> None:
    layout = Layout(built("foreign-layer"))
    for tag in ("latest", "oci"):
        composition = compose(layout, layout.images(tag)[""])
        agree(composition, layout.expected["packages"], [])
        assert [reason.partition(": ")[2] for reason in composition.reasons] == [
            "its blob isn't stored here; addresses elsewhere aren't followed"
        ]


#: What has to be said of each hostile image; an empty text where it is well-formed after all and so complete.
HOSTILE = {
    "h-zstd-window": {"latest": "too large a window"},
    "h-path-traversal": {"latest": "lead outside the image"},
    "h-device-nodes": {"latest": "a character device"},
    "h-symlink-database": {"latest": "removes or replaces the package database"},
    "h-circular-symlinks": {"latest": ""},
    "h-truncated-gzip": {"latest": "gzip stream ends early"},
    "h-gzip-crc": {"latest": "gzip stream is damaged", "junk": "aren't gzip follow"},
    "h-not-gzip": {"latest": "no layer", "html": "no layer", "zero": "no layer"},
    "h-wrong-digest": {"latest": "have the digest"},
    "h-wrong-size": {"latest": "the manifest says", "larger": "the manifest says", "zero": "the manifest says"},
    "h-wrong-diffid": {
        "latest": "the configuration says", "fewer": "the configuration has", "more": "the configuration has",
        "nojson": "the configuration has", "list": "the configuration has", "types": "the configuration has",
    },
    "h-missing-blob": {"latest": "isn't stored here"},
    "h-tar-sizes": {
        "latest": "negative size", "min64": "negative size", "eight-eib": "middle of an entry",
        "all-ones": "middle of an entry", "octal-text": "the size", "empty-size": "", "dir-with-size": "",
        "four-gib-absent": "middle of an entry", "link-with-size": "", "bad-checksum": "is damaged", "no-end": "",
        "half-header": "middle of an entry", "one-zero-block": "", "data-after-end": "after the end of the archive",
        "pax-size-lies": "middle of an entry", "pax-size-negative": "the size", "pax-bad-length": "damaged pax header",
        "pax-zero-length": "damaged pax header", "unknown-type": "", "gnu-long-1g": "is longer than", "sparse-1t": "",
    },
    "h-pax-bomb": {"latest": "is longer than"},
    "h-bad-names": {"latest": "no usable name and version"},
    "h-dpkg-status": {
        "latest": "", "many": "more than 100,000 packages", "nul": "unreadable package records: 1",
        "missing": "unreadable package records: 3", "versions": "unreadable package records", "no-newline": "",
        "crlf": "",
    },
    "h-databases": {
        "latest": "of a kind that isn't read", "sqlite-lying-headers": "of a kind that isn't read",
        "sqlite-endless-view": "of a kind that isn't read", "sqlite-magic-only": "of a kind that isn't read",
        "ndb-slot-outside": "of a kind that isn't read", "bdb-page-loop": "of a kind that isn't read",
        "apk-one-field": "database is damaged", "apk-latin1": "database is damaged",
        "os-release-10mb": "the rest is not read", "os-release-shell": "no package information",
    },
    "h-whiteout-tricks": {"latest": "malformed whiteouts", "root-opaque": "removes or replaces"},
}  # fmt: skip
LARGE = {
    "h-gzip-bomb": {"latest": "more than the limit of 200 times its size"},
    "h-zstd-bomb": {"latest": "more than the limit of 200 times its size"},
    "h-million-entries": {"latest": ""},
    "h-jar-bombs": {"latest": ""},
    "h-lockfile-bombs": {"latest": "the rest is not read"},
}


@pytest.mark.parametrize(("name", "said"), [*HOSTILE.items(), *LARGE.items()])
def test_a_hostile_image_is_read_as_far_as_it_goes_and_never_called_complete(
    name: str, said: dict[str, str], built: Any, compose: Any
) -> None:
    if name in LARGE and os.environ.get("ASSAY_TEST_SIZE") != "full":
        pytest.skip(f"SKIPPED FOR TIME: {name} is read when ASSAY_TEST_SIZE=full")
    layout = Layout(built(name, needs=ZSTD["zstd-layer"] if "zstd" in name else ""))
    for tag, reason in said.items():
        composition = compose(layout, layout.images(tag)[""])
        seen = found(composition)
        if reason:
            assert any(reason in given for given in composition.reasons), (tag, composition.reasons)
        else:
            assert composition.complete, (tag, composition.reasons)
        assert not any(
            "assay-escape" in place.path or "root:x:" in str(place) for places in seen.values() for place in places
        )
        # In the truncated layer an older database of its own came through, so that it is the one that shows.
        if name not in ("h-wrong-digest", "h-databases", "h-truncated-gzip") and tag != "root-opaque":
            assert facts(layout.expected.get("packages", []), "must") <= seen.keys(), tag
    for tag in ("apk-one-field", "apk-latin1", "os-release-10mb") if name == "h-databases" else ():
        assert ("apk", "musl", "1.2.5-r0") in found(compose(layout, layout.images(tag)[""]))
