"""What a push leaves in the audit log: one row for each blob and each manifest, whatever requests they came in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_pieces import OCI_MANIFEST, manifest_of
from registry_server import Server, colleague_of, started
from sqlalchemy import select

from assay.oci import Digest
from assay.storage import Store, metadata

CONFIG, LAYER, CHUNK = b'{"architecture":"amd64"}', b"layer " * 1000, 1000


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[Server]:
    with started(store, tmp_path / "blobs") as running:
        yield running


class Audit:
    """The audit rows that were written since it was made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen = len(self._rows())

    def __call__(self) -> list[tuple[str, str, Any]]:
        """Operation, outcome, and what is said of the outcome."""
        rows = self._rows()[self._seen :]
        return [(row.operation, row.outcome, json.loads(row.after) if row.after else None) for row in rows]

    def _rows(self) -> list[Any]:
        audit = metadata.tables["audit"]
        with self._store.database.read() as connection:
            return list(connection.execute(select(audit).order_by(audit.c.id)))


def row_of(blob: bytes) -> tuple[str, str, Any]:
    """The row that a blob leaves which a repository holds from then on."""
    return "PushImage", "done", {"digest": {"text": Digest.of(blob).text}, "size": len(blob)}


def push_in_chunks(client: httpx.Client, content: bytes) -> str:
    """As skopeo and docker do it (HEAD, POST, PATCH, PUT), with the blob in several chunks."""
    digest = Digest.of(content).text
    assert client.head(f"/blobs/{digest}").status_code == 404
    place = client.post("/blobs/uploads/").headers["location"]
    for start in range(0, len(content), CHUNK):
        answer = client.patch(str(client.base_url.join(place)), content=content[start : start + CHUNK])
        assert answer.status_code == 202, answer.text
    answer = client.put(str(client.base_url.join(place)), params={"digest": digest})
    assert answer.status_code == 201, answer.text
    return digest


def test_a_push_leaves_a_row_for_the_repository_for_each_blob_and_for_the_manifest(server: Server) -> None:
    manifest = manifest_of(CONFIG, [LAYER])
    with server.client() as client:
        audit = Audit(server.store)
        for blob in (LAYER, CONFIG):
            push_in_chunks(client, blob)
        answer = client.put("/manifests/v1", content=manifest, headers={"content-type": OCI_MANIFEST})
    assert answer.status_code == 201, answer.text
    made, layer, config, image = audit()
    assert made[:2] == ("CreateContainerRepositoryOnPush", "done")
    assert (layer, config) == (row_of(LAYER), row_of(CONFIG))
    assert image[:2] == ("PushImage", "done")
    assert (image[2]["digest"]["text"], image[2]["tags"]) == (Digest.of(manifest).text, ["v1"])


def test_a_mount_and_the_move_of_a_tag_leave_one_row_each(server: Server) -> None:
    other = manifest_of(CONFIG, [])
    with server.client() as client:
        for blob in (LAYER, CONFIG):
            push_in_chunks(client, blob)
        first = manifest_of(CONFIG, [LAYER])
        client.put("/manifests/v1", content=first, headers={"content-type": OCI_MANIFEST})
        audit = Audit(server.store)
        client.put("/manifests/v1", content=other, headers={"content-type": OCI_MANIFEST})
        client.delete("/manifests/v1")
    assert [row[0] for row in audit()] == ["PushImage", "RemoveContainerVersion"]
    scopes = [f"repository:{server.account.namespace}/{name}:pull,push" for name in ("team/app", "team/copy")]
    headers = {"authorization": f"Bearer {server.bearer(*scopes)}"}
    source = {"mount": Digest.of(LAYER).text, "from": f"{server.account.namespace}/team/app"}
    audit = Audit(server.store)
    answer = httpx.post(f"{server.path('team/copy')}/blobs/uploads/", params=source, headers=headers)
    assert answer.status_code == 201, answer.text
    assert [row[0] for row in audit()] == ["CreateContainerRepositoryOnPush", "PushImage"]
    assert audit()[-1] == row_of(LAYER)


def test_an_upload_that_comes_to_nothing_leaves_no_row(server: Server) -> None:
    with server.client() as client:
        push_in_chunks(client, CONFIG)
        audit = Audit(server.store)
        place = str(client.base_url.join(client.post("/blobs/uploads/").headers["location"]))
        assert client.patch(place, content=LAYER).status_code == 202
        assert client.delete(place).status_code == 204
        wrong = client.post("/blobs/uploads/", params={"digest": Digest.of(b"other").text}, content=LAYER)
        assert wrong.status_code == 400
    assert audit() == []


def test_a_denied_upload_leaves_a_row(server: Server) -> None:
    with server.client() as client:
        push_in_chunks(client, CONFIG)
    reader = colleague_of(server.account, server.store, "reader", "allow group reader to read repos in tenancy")
    token = server.bearer(f"repository:{server.account.namespace}/team/app:pull,push", account=reader)
    audit = Audit(server.store)
    answer = httpx.post(f"{server.path()}/blobs/uploads/", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in (401, 403, 404)
    assert [row[:2] for row in audit()] == [("PushImage", "denied")]
