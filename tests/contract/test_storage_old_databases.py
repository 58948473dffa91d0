"""A database that an earlier version wrote opens with everything that was in it."""

import json
import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import NOON

from assay.admission import clusters
from assay.app import App, open_app
from assay.clock import SetClock
from assay.iam import Actor, Principal, PrincipalKind
from assay.scanning import details, verdicts
from assay.settings import read
from assay.signing import verify
from assay.vault import Message, SigningAlgorithm, crypto

KEPT = sorted((Path(__file__).parent.parent / "data" / "databases").iterdir())


@pytest.fixture(params=KEPT, ids=lambda path: path.name)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[App, dict[str, Any]]]:
    """The installation of a kept database, and what stood in it."""
    kept: Path = request.param
    data, key = tmp_path / "data", tmp_path / "keys" / "root.key"
    data.mkdir()
    key.parent.mkdir()
    (data / "assay.db").write_bytes(lzma.decompress((kept / "assay.db.xz").read_bytes()))
    shutil.copy(kept / "root.key", key)
    key.chmod(0o600)
    app = open_app(read(environment={}, data_folder=data, root_key_file=key), SetClock(NOON))
    yield app, json.loads((kept / "expected.json").read_text())
    app.readers.close()
    app.store.database.close()


def test_what_was_pushed_scanned_reviewed_signed_and_trusted_is_there(opened: tuple[App, dict[str, Any]]) -> None:
    app, kept = opened
    assert app.first_start is None
    actor = Actor(Principal(PrincipalKind.INSTALLATION, "test"), kept["tenancy"])
    [outcome] = verify.verify_image(app.store, actor, kept["image"])
    assert outcome.verified, outcome.because
    assert str(outcome.subject) == kept["digest"]
    assert details.get(app.store, actor, kept["scan"]).scan.image == kept["image"]
    assert [verdict.reason for verdict in verdicts.listed(app.store, actor, kept["image"])] == ["kept"]
    assert [str(key) for key in clusters.get_cluster(app.store, actor, kept["cluster"]).policy.keys] == [kept["key"]]


def test_its_sealed_keys_still_sign(opened: tuple[App, dict[str, Any]]) -> None:
    app, kept = opened
    actor = Actor(Principal(PrincipalKind.INSTALLATION, "test"), kept["tenancy"])
    message = Message(b"still there", SigningAlgorithm.ECDSA_SHA_256)
    made = crypto.sign(app.store, actor, kept["key"], message, custody=app.custody)
    assert crypto.verify(app.store, actor, kept["key"], made.key_version, message, made.signature)
